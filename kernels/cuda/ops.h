/* The operations of swg_cuda.h as functions of this build's namespace, one group per file, and what
 * the files share. ops.cu puts them into the table. */
#ifndef SWG_KERNELS_CUDA_OPS_H
#define SWG_KERNELS_CUDA_OPS_H

#include "kernels/cuda/ptx.h"

namespace SWG_BUILD
{
/* device_gpu.cu, device_host.cpp */
int device_count(int *n);
int device_info(int number, swg_cuda_info *out);
int device_open(int number, swg_cuda_device **out);
void device_close(swg_cuda_device *device);
int memory_alloc(swg_cuda_device *device, size_t bytes, void **d_out);
void memory_free(swg_cuda_device *device, void *d_memory);
int memory_alloc_pinned(swg_cuda_device *device, size_t bytes, void **out);
void memory_free_pinned(swg_cuda_device *device, void *memory);
int stream_new(swg_cuda_device *device, swg_cuda_stream **out);
void stream_free(swg_cuda_stream *stream);
int stream_sync(swg_cuda_stream *stream);
int stream_copy_in(swg_cuda_stream *stream, void *d_to, const void *from, size_t bytes);
int stream_copy_out(swg_cuda_stream *stream, void *to, const void *d_from, size_t bytes);
int stream_copy(swg_cuda_stream *stream, void *d_to, const void *d_from, size_t bytes);
int stream_fill_zero(swg_cuda_stream *stream, void *d_to, size_t bytes);
int graph_begin(swg_cuda_stream *stream);
int graph_end(swg_cuda_stream *stream, swg_cuda_graph **out);
int graph_launch(swg_cuda_stream *stream, const swg_cuda_graph *graph);
void graph_free(swg_cuda_graph *graph);

/* linear.cu */
size_t linear_scratch(const swg_cuda_matrix *w, size_t rows);
int linear(swg_cuda_stream *stream, const swg_cuda_matrix *w, swg_cuda_input input,
           const float *d_x, size_t rows, const float *d_bias, float *d_y, void *d_scratch);

/* lookup.cu */
int dequantize(swg_cuda_stream *stream, const swg_cuda_matrix *w, size_t row, size_t n_rows,
               float *d_out);
int embed(swg_cuda_stream *stream, const swg_cuda_matrix *w, const int32_t *d_index, size_t rows,
          bool is_added, float *d_x);
int gather(swg_cuda_stream *stream, const float *d_from, const int32_t *d_index, size_t rows,
           size_t n, float *d_to);

/* norm.cu */
int rmsnorm(swg_cuda_stream *stream, const float *d_x, const float *d_weight, size_t pieces,
            size_t n, float eps, float *d_y);
int layernorm(swg_cuda_stream *stream, const float *d_x, const float *d_weight, const float *d_bias,
              size_t pieces, size_t n, float eps, float *d_y);

/* rotate.cu */
int rope_angles(swg_cuda_stream *stream, const int32_t *d_positions, const double *d_frequencies,
                size_t rows, size_t pairs, float *d_cosine, float *d_sine);
int rope(swg_cuda_stream *stream, float *d_x, size_t rows, size_t heads, size_t head_dim,
         const float *d_cosine, const float *d_sine, size_t pairs, bool interleaved);

/* elements.cu */
int silu_mul(swg_cuda_stream *stream, float *d_gate, const float *d_up, size_t n);
int activate(swg_cuda_stream *stream, swg_cuda_activation activation, float *d_x, size_t n);
int mul(swg_cuda_stream *stream, float *d_x, const float *d_y, size_t n);
int scale(swg_cuda_stream *stream, float factor, float *d_x, size_t n);
int add(swg_cuda_stream *stream, float *d_x, const float *d_y, size_t n);
int add_vector(swg_cuda_stream *stream, float *d_x, const float *d_vector, size_t rows, size_t n);
int lstm_cell(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
              size_t units, float *d_c, float *d_h);
int gru_cell(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
             size_t units, size_t update, size_t reset, float *d_h);
int gru_reset(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
              size_t units, size_t reset, const float *d_h, float *d_out);

/* attend.cu */
int cache_store(swg_cuda_stream *stream, const swg_cuda_cache *cache, const swg_cuda_rows *where,
                size_t rows, const float *d_k, const float *d_v);
size_t attend_scratch(const swg_cuda_cache *cache, size_t rows, size_t heads, size_t most_keys);
int attend(swg_cuda_stream *stream, const swg_cuda_cache *cache, const swg_cuda_rows *where,
           size_t rows, size_t heads, size_t most_keys, float scale, const float *d_q, float *d_y,
           void *d_scratch);

/* sums.cu */
int product_sum(swg_cuda_stream *stream, const float *d_a, size_t m, const float *d_b, size_t k,
                size_t rows, bool is_lower, float *d_sum);
int moments(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n, double *d_magnitudes,
            double *d_squares);

/* choose.cu */
int softmax(swg_cuda_stream *stream, float *d_x, size_t rows, size_t n, float scale);
int argmax(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n, int32_t *d_index);
int sample(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n, float temperature,
           const float *d_uniform, int32_t *d_index);
int cross_entropy(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n,
                  const int32_t *d_target, float *d_out);

/* --- Shared ----------------------------------------------------------------------------------- */

/* What operations refuse. */
enum { most_rows = 0x7fffffff };
inline int check_sizes(const char *what, size_t rows, size_t columns)
{
    if (rows <= most_rows && columns <= most_rows)
        return SWG_CUDA_OK;
    return fail(SWG_CUDA_UNSUPPORTED, "%s of %zu rows and %zu columns is too large", what, rows,
                columns);
}

inline unsigned blocks_for(size_t items, size_t per_block)
{
    return (unsigned)((items + per_block - 1) / per_block);
}

/* Sum and maximum of the 32 lanes, in every lane; the order of additions is fixed. */
SWG_DEVICE float warp_sum(float value)
{
    for (int lanes = 16; lanes > 0; lanes /= 2)
        value += warp_xor(value, lanes);
    return value;
}
SWG_DEVICE float warp_max(float value)
{
    for (int lanes = 16; lanes > 0; lanes /= 2)
        value = fmaxf(value, warp_xor(value, lanes));
    return value;
}

/* The sum over a block of whole warps, in every thread. `scratch` is shared memory for a float per
 * warp; it may be used again at once. */
SWG_DEVICE float block_sum(float value, float *scratch)
{
    const unsigned warps = blockDim.x / 32;
    value = warp_sum(value);
    SWG_BARRIER();
    if (threadIdx.x % 32 == 0)
        scratch[threadIdx.x / 32] = value;
    if (!SWG_FAULT(norm_barrier))
        SWG_BARRIER();
    float sum = 0;
    for (unsigned w = 0; w < warps; w++)
        sum += scratch[w];
    return sum;
}
SWG_DEVICE float block_max(float value, float *scratch)
{
    const unsigned warps = blockDim.x / 32;
    value = warp_max(value);
    SWG_BARRIER();
    if (threadIdx.x % 32 == 0)
        scratch[threadIdx.x / 32] = value;
    SWG_BARRIER();
    float largest = scratch[0];
    for (unsigned w = 1; w < warps; w++)
        largest = fmaxf(largest, scratch[w]);
    return largest;
}
} // namespace SWG_BUILD

#endif
