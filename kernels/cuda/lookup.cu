/* Rows of packed matrices as floats: embedding look-up and expansion, one thread per element, a
 * block of 256 per row and stretch of columns; and rows of floats by index. */
#include "kernels/cuda/units.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256 };

SWG_KERNEL(threads)
embed_kernel(swg_cuda_matrix w, const int32_t *index, bool is_added, float *x)
{
    const unsigned column = blockIdx.y * threads + threadIdx.x;
    if (column >= w.k)
        return;
    const int32_t row = index[blockIdx.x];
    const float value =
        row >= 0 && (unsigned)row < w.n ? element_at(w, (unsigned)row, column) : nanf("");
    float *const at = x + (size_t)blockIdx.x * w.k + column;
    *at = is_added ? *at + value : value;
}

SWG_KERNEL(threads) dequantize_kernel(swg_cuda_matrix w, unsigned first, float *out)
{
    const unsigned column = blockIdx.y * threads + threadIdx.x;
    if (column < w.k)
        out[(size_t)blockIdx.x * w.k + column] = element_at(w, first + blockIdx.x, column);
}

SWG_KERNEL(threads)
gather_kernel(const float *from, const int32_t *index, unsigned n, float *to)
{
    const unsigned column = blockIdx.y * threads + threadIdx.x;
    if (column < n)
        to[(size_t)blockIdx.x * n + column] = from[(size_t)index[blockIdx.x] * n + column];
}

/* A grid of rows times stretches of columns. */
int check_grid(const char *what, size_t rows, size_t columns)
{
    if (columns > 65535u * threads)
        return fail(SWG_CUDA_UNSUPPORTED, "%s of %zu columns is too wide", what, columns);
    return check_sizes(what, rows, columns);
}
} // namespace

int embed(swg_cuda_stream *stream, const swg_cuda_matrix *w, const int32_t *d_index, size_t rows,
          bool is_added, float *d_x)
{
    const int status = check_grid("an embedding", rows, w->k);
    if (status || rows == 0)
        return status;
    return launch(stream, "embed", embed_kernel, dim3((unsigned)rows, blocks_for(w->k, threads)),
                  threads, 0, *w, d_index, is_added, d_x);
}

int dequantize(swg_cuda_stream *stream, const swg_cuda_matrix *w, size_t row, size_t n_rows,
               float *d_out)
{
    const int status = check_grid("a matrix", n_rows, w->k);
    if (status || n_rows == 0)
        return status;
    if (row > w->n || n_rows > w->n - row)
        return fail(SWG_CUDA_UNSUPPORTED, "rows %zu to %zu of a matrix of %u rows", row,
                    row + n_rows - 1, w->n);
    return launch(stream, "dequantize", dequantize_kernel,
                  dim3((unsigned)n_rows, blocks_for(w->k, threads)), threads, 0, *w, (unsigned)row,
                  d_out);
}

int gather(swg_cuda_stream *stream, const float *d_from, const int32_t *d_index, size_t rows,
           size_t n, float *d_to)
{
    const int status = check_grid("a matrix", rows, n);
    if (status || rows == 0 || n == 0)
        return status;
    return launch(stream, "gather", gather_kernel, dim3((unsigned)rows, blocks_for(n, threads)),
                  threads, 0, d_from, d_index, (unsigned)n, d_to);
}
} // namespace SWG_BUILD
