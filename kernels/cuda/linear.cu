/* Products of activations with packed matrices: the launcher, which chooses a kernel. */
#include "kernels/cuda/units.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 128 };

/* One thread per output element. */
SWG_KERNEL(threads)
product_kernel(swg_cuda_matrix w, const float *x, const float *bias, float *y)
{
    const unsigned row = blockIdx.y * threads + threadIdx.x;
    if (row >= w.n)
        return;
    float sum = 0;
    for (unsigned c = 0; c < w.k; c++)
        sum = fmaf(half_to_float(float_to_half(x[(size_t)blockIdx.x * w.k + c])),
                   element_at(w, row, c), sum);
    y[(size_t)blockIdx.x * w.n + row] = sum + (bias ? bias[row] : 0);
}
} // namespace

size_t linear_scratch(const swg_cuda_matrix *w, size_t rows)
{
    (void)w;
    (void)rows;
    return 16;
}

int linear(swg_cuda_stream *stream, const swg_cuda_matrix *w, swg_cuda_input input,
           const float *d_x, size_t rows, const float *d_bias, float *d_y, void *d_scratch)
{
    (void)d_scratch;
    (void)input;
    const int status = check_sizes("a product", rows, w->k);
    if (status || rows == 0)
        return status;
    return launch(stream, "product", product_kernel,
                  dim3((unsigned)rows, blocks_for(w->n, threads)), threads, 0, *w, d_x, d_bias,
                  d_y);
}
} // namespace SWG_BUILD
