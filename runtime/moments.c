/* See moments.h. */
#include "runtime/moments.h"

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

enum { TILE = 256 };

typedef struct addition {
    const float *a, *b;
    size_t m, k, a_stride, b_stride, rows;
    float *sum; /* [m][k] */
} addition;

static void add_tile(const addition *j, size_t row, size_t column)
{
    const size_t r = row * TILE, c = column * TILE;
    const size_t n_rows = j->m - r < TILE ? j->m - r : TILE;
    const size_t n_columns = j->k - c < TILE ? j->k - c : TILE;
    swg_linalg_get()->sgemm(true, false, n_rows, n_columns, j->rows, 1, j->a + r, j->a_stride,
                            j->b + c, j->b_stride, 1, j->sum + r * j->k + c, j->k);
}

/* `index` counts tiles on or below the diagonal row by row. */
static swg_status add_lower_tile(void *context, size_t index)
{
    size_t row = 0;
    while ((row + 1) * (row + 2) / 2 <= index)
        row++;
    add_tile(context, row, index - row * (row + 1) / 2);
    return SWG_OK;
}

static swg_status add_any_tile(void *context, size_t index)
{
    const addition *j = context;
    const size_t across = swg_ceil_div(j->k, TILE);
    add_tile(j, index / across, index % across);
    return SWG_OK;
}

swg_status swg_moments_add_square(swg_pool *pool, const float *x, size_t rows, size_t k,
                                  size_t stride, float *sum)
{
    addition j = {x, x, k, k, stride, stride, rows, sum};
    const size_t n = swg_ceil_div(k, TILE);
    return swg_pool_for(pool, n * (n + 1) / 2, add_lower_tile, &j);
}

void swg_moments_mirror(float *sum, size_t k)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < i; j++)
            sum[j * k + i] = sum[i * k + j];
}

swg_status swg_moments_add_product(swg_pool *pool, const float *a, size_t m, const float *b,
                                   size_t k, size_t rows, float *sum)
{
    addition j = {a, b, m, k, m, k, rows, sum};
    return swg_pool_for(pool, swg_ceil_div(m, TILE) * swg_ceil_div(k, TILE), add_any_tile, &j);
}
