/* Root-mean-square norm and layer norm: one block of 256 threads per piece of n elements. Thread i
 * sums elements i, i + 256, ...; warps add up by exchange, the block by a float per warp in shared
 * memory: always the same order.
 *
 *     rmsnorm    y = x / sqrt(sum(x^2) / n + eps) * weight
 *     layernorm  y = (x - mean) / sqrt(sum((x - mean)^2) / n + eps) * weight + bias */
#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256 };
constexpr size_t shared_bytes = threads / 32 * sizeof(float);

SWG_KERNEL(threads)
rmsnorm_kernel(const float *all_x, const float *weight, unsigned n, float eps, float *all_y)
{
    SWG_SHARED(float, scratch);
    const float *x = all_x + (size_t)blockIdx.x * n;
    float *y = all_y + (size_t)blockIdx.x * n;
    float sum = 0;
    for (unsigned i = threadIdx.x; i < n; i += threads)
        sum = fmaf(x[i], x[i], sum);
    const float inverse = 1 / sqrtf(block_sum(sum, scratch) / (float)n + eps);
    for (unsigned i = threadIdx.x; i < n; i += threads)
        y[i] = x[i] * inverse * weight[i];
}

SWG_KERNEL(threads)
layernorm_kernel(const float *all_x, const float *weight, const float *bias, unsigned n, float eps,
                 float *all_y)
{
    SWG_SHARED(float, scratch);
    const float *x = all_x + (size_t)blockIdx.x * n;
    float *y = all_y + (size_t)blockIdx.x * n;
    float sum = 0, squares = 0;
    for (unsigned i = threadIdx.x; i < n; i += threads)
        sum += x[i];
    const float mean = block_sum(sum, scratch) / (float)n;
    for (unsigned i = threadIdx.x; i < n; i += threads)
        squares = fmaf(x[i] - mean, x[i] - mean, squares);
    const float inverse = 1 / sqrtf(block_sum(squares, scratch) / (float)n + eps);
    for (unsigned i = threadIdx.x; i < n; i += threads)
        y[i] = fmaf((x[i] - mean) * inverse, weight[i], bias[i]);
}
} // namespace

int rmsnorm(swg_cuda_stream *stream, const float *d_x, const float *d_weight, size_t pieces,
            size_t n, float eps, float *d_y)
{
    const int status = check_sizes("a norm", pieces, n);
    if (status || pieces == 0 || n == 0)
        return status;
    return launch(stream, "rmsnorm", rmsnorm_kernel, dim3((unsigned)pieces), threads, shared_bytes,
                  d_x, d_weight, (unsigned)n, eps, d_y);
}

int layernorm(swg_cuda_stream *stream, const float *d_x, const float *d_weight, const float *d_bias,
              size_t pieces, size_t n, float eps, float *d_y)
{
    const int status = check_sizes("a norm", pieces, n);
    if (status || pieces == 0 || n == 0)
        return status;
    return launch(stream, "layernorm", layernorm_kernel, dim3((unsigned)pieces), threads,
                  shared_bytes, d_x, d_weight, d_bias, (unsigned)n, eps, d_y);
}
} // namespace SWG_BUILD
