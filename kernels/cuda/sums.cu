/* Sums over rows of activations, for the statistics of calibration:
 *
 *     product    sum [m][k] += a^T b    a [rows][m], b [rows][k]
 *     moments    sum of |x| and of x^2 of every column, in double precision
 *
 * A block of 256 threads computes 64 x 64 of the product, a thread 4 x 4, each 16 apart; rows come by sixteen through
 * shared memory and are added up in their order. One thread adds up a column's moments. */
#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256, side = 64, depth = 16, part = 4 };

struct row_tile {
    float a[depth][side], b[depth][side];
};

/* Sixteen rows of 64 columns from `column` on; what is outside is 0. */
SWG_DEVICE void load_rows(float to[depth][side], const float *x, unsigned row, unsigned rows,
                          unsigned column, unsigned columns)
{
    SWG_UNROLL_ALL
    for (int i = 0; i < depth * side / threads; i++) {
        const unsigned number = threadIdx.x + (unsigned)i * threads;
        const unsigned r = number / side, c = number % side;
        const bool is_inside = row + r < rows && column + c < columns;
        to[r][c] = is_inside ? x[(size_t)(row + r) * columns + column + c] : 0;
    }
}

/* Where the thread's numbers 0 to 3 are in a side of 64, for one of 16 threads: 16 apart, so that the
 * threads beside one another find different banks. */
SWG_DEVICE unsigned place_of(unsigned thread, int number)
{
    return SWG_FAULT(sum_banks) ? thread * part + (unsigned)number
                                : thread + (unsigned)number * (side / part);
}

SWG_DEVICE void multiply_rows(float sum[part][part], const row_tile &tile)
{
    const unsigned down = threadIdx.x / depth, across = threadIdx.x % depth;
    for (int r = 0; r < depth; r++)
        SWG_UNROLL_ALL
    for (int i = 0; i < part; i++)
        SWG_UNROLL_ALL
    for (int j = 0; j < part; j++)
        sum[i][j] = fmaf(tile.a[r][place_of(down, i)], tile.b[r][place_of(across, j)], sum[i][j]);
}

SWG_KERNEL(threads)
product_sum_kernel(const float *a, unsigned m, const float *b, unsigned k, unsigned rows,
                   bool is_lower, float *all)
{
    SWG_SHARED(row_tile, tile);
    const unsigned first = blockIdx.y * side, column = blockIdx.x * side;
    if (is_lower && column > first)
        return;
    float sum[part][part] = {};
    for (unsigned row = 0; row < rows; row += depth) {
        load_rows(tile->a, a, row, rows, first, m);
        load_rows(tile->b, b, row, rows, column, k);
        SWG_BARRIER();
        multiply_rows(sum, *tile);
        if (!SWG_FAULT(sum_barrier))
            SWG_BARRIER();
    }
    SWG_UNROLL_ALL
    for (int i = 0; i < part; i++)
        SWG_UNROLL_ALL
        for (int j = 0; j < part; j++) {
            const unsigned r = first + place_of(threadIdx.x / depth, i);
            const unsigned c = column + place_of(threadIdx.x % depth, j);
            if (r < m && c < k)
                all[(size_t)r * k + c] += sum[i][j];
        }
}

SWG_KERNEL(threads)
moments_kernel(const float *x, unsigned rows, unsigned n, double *magnitudes, double *squares)
{
    const unsigned column = blockIdx.x * threads + threadIdx.x;
    if (column >= n)
        return;
    double magnitude = magnitudes[column], square = squares[column];
    for (unsigned row = 0; row < rows; row++) {
        const double value = (double)x[(size_t)row * n + column];
        magnitude += fabs(value);
        square += value * value;
    }
    magnitudes[column] = magnitude;
    squares[column] = square;
}
} // namespace

int product_sum(swg_cuda_stream *stream, const float *d_a, size_t m, const float *d_b, size_t k,
                size_t rows, bool is_lower, float *d_sum)
{
    int status = check_sizes("a sum of products", rows, k);
    if (!status && m > 65535u * side)
        status = fail(SWG_CUDA_UNSUPPORTED, "a sum of products of %zu columns is too large", m);
    if (status || rows == 0 || m == 0 || k == 0)
        return status;
    return launch(stream, "product_sum", product_sum_kernel,
                  dim3(blocks_for(k, side), blocks_for(m, side)), threads, sizeof(row_tile), d_a,
                  (unsigned)m, d_b, (unsigned)k, (unsigned)rows, is_lower, d_sum);
}

int moments(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n, double *d_magnitudes,
            double *d_squares)
{
    const int status = check_sizes("sums of columns", rows, n);
    if (status || rows == 0 || n == 0)
        return status;
    return launch(stream, "moments", moments_kernel, dim3(blocks_for(n, threads)), threads, 0, d_x,
                  (unsigned)rows, (unsigned)n, d_magnitudes, d_squares);
}
} // namespace SWG_BUILD
