/* What kernels read and write, seen thread by thread: only in the build of the host executor that
 * was compiled for it (SWG_TRACE, trace.cpp); otherwise these are nothing.
 *
 * There the compiler calls __tsan_read... and __tsan_write... for every access. Of the first blocks
 * of each launch, the accesses that one warp makes by one instruction are put together, and counted
 * as a GPU would make them:
 *
 *   - of shared memory, how often the 32 banks are gone through, and how often they would have to
 * be at the least;
 *   - of the device's memory, how many sectors of 32 bytes are touched, and how many hold as many
 *     bytes as are wanted.
 *
 * And two threads that use the same byte of shared memory, one of them writing, need a barrier
 * between them, or within a warp a meeting: that is checked in whatever order they come. */
#ifndef SWG_KERNELS_CUDA_TRACE_H
#define SWG_KERNELS_CUDA_TRACE_H

namespace simt
{
#ifdef SWG_TRACE
/* `stacks` is what threads have for their variables, which are registers on a GPU. */
void trace_launch(const char *name, const unsigned char *stacks, size_t bytes);
void trace_block_begin(size_t shared_bytes);
void trace_block_end();
void trace_barrier();
void trace_meeting(unsigned warp);
/* By the thread that runs; `at` tells instructions apart. */
void trace_access(const void *address, size_t bytes, bool is_write, const void *at);
/* A race that was seen in this block; NULL = none. */
const char *trace_problem();

/* device_host.cpp: whether that is memory of the device. */
bool is_device_memory(const void *address);
#else
static inline void trace_launch(const char *, const unsigned char *, size_t) {}
static inline void trace_block_begin(size_t) {}
static inline void trace_block_end() {}
static inline void trace_barrier() {}
static inline void trace_meeting(unsigned) {}
static inline void trace_access(const void *, size_t, bool, const void *) {}
static inline const char *trace_problem()
{
    return nullptr;
}
#endif
} // namespace simt

#endif
