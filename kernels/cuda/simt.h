/* What kernels use of CUDA, for both compilers. nvcc brings it along. For a C++ compiler this
 * header is an executor of grids: every thread of a block is a fiber, which runs until it has to
 * wait for others, and the next one is chosen at random (SWAGE_CUDA_SEED). So what CUDA leaves open
 * is open here, too, and mistakes show:
 *
 *   - blocks run one at a time in random order; shared memory and fresh device memory are filled
 *     with bytes 0xff, which are NaN, and end with a guard that is checked, or in a redzone of the
 *     address sanitizer;
 *   - a barrier that not all threads of the block reach, or that some reach at another line, and a
 *     warp operation without all of the warp's lanes, end the launch with a sentence;
 *   - an asynchronous copy happens at its issue or at its wait, at random.
 *
 * Kernels follow these rules: SWG_KERNEL(most threads per block) in place of __global__ void,
 * SWG_DEVICE for functions that they call, all shared memory dynamic (SWG_SHARED), warp operations
 * with all lanes, instructions beyond C++ from ptx.h, and launch() in their launchers. */
#ifndef SWG_KERNELS_CUDA_SIMT_H
#define SWG_KERNELS_CUDA_SIMT_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/swg_cuda.h"

/* Each build has its functions in a namespace of its own, so that one program can hold both. */
#ifdef __CUDACC__
#define SWG_BUILD swg_cuda_gpu
#else
#define SWG_BUILD swg_cuda_host
#endif

namespace SWG_BUILD
{
/* Set the thread's message and return the status. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
} // namespace SWG_BUILD

#ifdef __CUDACC__

struct swg_cuda_stream {
    int device; /* its number */
    cudaStream_t native;
};

#define SWG_KERNEL(threads) __global__ void __launch_bounds__(threads, 1)
#define SWG_DEVICE          __device__ __forceinline__
#define SWG_SHARED(type, name)                                                                     \
    extern __shared__ __align__(128) unsigned char swg_shared_memory[];                            \
    type *const name = reinterpret_cast<type *>(swg_shared_memory)
#define SWG_PRAGMA(text) _Pragma(#text)
#define SWG_UNROLL(n)    SWG_PRAGMA(unroll n)
#define SWG_UNROLL_ALL   SWG_PRAGMA(unroll) /* where arrays are registers */
#define SWG_FAULT(name)  false
#define SWG_BARRIER()    __syncthreads()
#define SWG_WARP_SYNC()  __syncwarp()

namespace SWG_BUILD
{
int checked(cudaError_t error, const char *what);

template <class... P, class... A>
int launch(swg_cuda_stream *stream, const char *name, void (*kernel)(P...), dim3 grid,
           unsigned threads, size_t shared, A... arguments)
{
    int status = checked(cudaSetDevice(stream->device), name); /* this may be another thread */
    if (!status && shared > 48 * 1024)
        status =
            checked(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                         cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared),
                    name);
    if (status)
        return status;
    kernel<<<grid, threads, shared, stream->native>>>(static_cast<P>(arguments)...);
    return checked(cudaGetLastError(), name);
}

SWG_DEVICE float warp_xor(float value, int lanes)
{
    return __shfl_xor_sync(0xffffffffu, value, lanes);
}
SWG_DEVICE uint32_t warp_xor(uint32_t value, int lanes)
{
    return __shfl_xor_sync(0xffffffffu, value, lanes);
}
SWG_DEVICE float warp_from(float value, int lane)
{
    return __shfl_sync(0xffffffffu, value, lane);
}
SWG_DEVICE uint32_t warp_from(uint32_t value, int lane)
{
    return __shfl_sync(0xffffffffu, value, lane);
}
SWG_DEVICE uint32_t warp_ballot(bool vote)
{
    return __ballot_sync(0xffffffffu, vote);
}
} // namespace SWG_BUILD

#else /* the host executor */

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) int2 {
    int x, y;
};
static inline int2 make_int2(int x, int y)
{
    return {x, y};
}
static inline unsigned min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}
static inline uint2 make_uint2(unsigned x, unsigned y)
{
    return {x, y};
}
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return {x, y, z, w};
}
static inline float2 make_float2(float x, float y)
{
    return {x, y};
}
static inline float4 make_float4(float x, float y, float z, float w)
{
    return {x, y, z, w};
}

#define SWG_KERNEL(threads)    static void
#define SWG_DEVICE             static inline
#define SWG_SHARED(type, name) type *const name = reinterpret_cast<type *>(::simt::shared)
#define SWG_UNROLL(n)
#define SWG_UNROLL_ALL
#define SWG_FAULT(name)                          (::simt::fault == ::simt::fault_##name)
#define SWG_BARRIER()                            ::simt::barrier(__FILE__, __LINE__)
#define SWG_WARP_SYNC()                          ::simt::warp_meet(__FILE__, __LINE__, nullptr, 0)
#define threadIdx                                (::simt::self->index)
#define blockIdx                                 (::simt::block_index)
#define blockDim                                 (::simt::block_size)
#define gridDim                                  (::simt::grid_size)

namespace simt
{
enum fault_name {
    fault_none,
#define SWG_CUDA_FAULT(name, operation, mistake) fault_##name,
#include "kernels/cuda/faults.def"
#undef SWG_CUDA_FAULT
};
extern int fault;

/* An asynchronous copy that has not happened yet. */
struct pending_copy {
    void *to;
    const void *from;
    unsigned bytes, group;
};
enum { most_pending = 64, warp_slot = 64 };

/* One thread of the block that runs. */
struct thread {
    uint3 index;
    unsigned warp, lane;
    void *stack_pointer;
    int state;
    const char *file; /* where it waits */
    int line;
    unsigned n_pending, copy_group;
    pending_copy pending[most_pending];
};

extern thread *self;
extern uint3 block_index;
extern dim3 block_size, grid_size;
extern unsigned char *shared; /* of the block */

/* Wait for all threads of the block. */
void barrier(const char *file, int line);

/* All lanes of the warp meet; each brings up to warp_slot bytes. Returns the lanes' contributions,
 * slot after slot, valid until this lane's next meeting but one. */
const unsigned char *warp_meet(const char *file, int line, const void *mine, size_t bytes);

/* cp.async, its commit and its wait. */
void copy_async(void *to, const void *from, unsigned bytes);
void copy_commit();
void copy_wait(unsigned groups_left);

/* Run body() in every thread of the grid now; the status. */
int run(const char *name, dim3 grid, unsigned threads, size_t shared_bytes,
        void (*body)(const void *), const void *context);

/* The same, or record it if the stream is being captured; the context is copied. */
int run_on(swg_cuda_stream *stream, const char *name, dim3 grid, unsigned threads,
           size_t shared_bytes, void (*body)(const void *), const void *context, size_t bytes);

template <class T> T warp_take(const char *file, int line, T value, unsigned lane)
{
    const unsigned char *slots = warp_meet(file, line, &value, sizeof value);
    memcpy(&value, slots + lane % 32 * warp_slot, sizeof value);
    return value;
}
} // namespace simt

namespace SWG_BUILD
{
template <class... P, class... A>
int launch(swg_cuda_stream *stream, const char *name, void (*kernel)(P...), dim3 grid,
           unsigned threads, size_t shared, A... arguments)
{
    const auto body = [=] { kernel(static_cast<P>(arguments)...); };
    using type = decltype(body);
    return simt::run_on(
        stream, name, grid, threads, shared,
        [](const void *context) { (*static_cast<const type *>(context))(); }, &body, sizeof body);
}

template <class T> T warp_xor(T value, int lanes)
{
    return simt::warp_take(__FILE__, __LINE__, value, simt::self->lane ^ (unsigned)lanes);
}
template <class T> T warp_from(T value, int lane)
{
    return simt::warp_take(__FILE__, __LINE__, value, (unsigned)lane);
}
static inline uint32_t warp_ballot(bool vote)
{
    const unsigned char mine = vote;
    const unsigned char *slots = simt::warp_meet(__FILE__, __LINE__, &mine, 1);
    uint32_t votes = 0;
    for (unsigned lane = 0; lane < 32; lane++)
        votes |= (uint32_t)slots[lane * simt::warp_slot] << lane;
    return votes;
}
} // namespace SWG_BUILD

/* Blocks run one at a time and threads switch only where they wait: plain operations are atomic. */
template <class T> T atomicAdd(T *to, T value)
{
    const T old = *to;
    *to = old + value;
    return old;
}
static inline void __threadfence() {}
static inline double cospi(double x)
{
    return cos(M_PI * x);
}
static inline double sinpi(double x)
{
    return sin(M_PI * x);
}

#endif /* the host executor */

#endif
