/* The sweep of column_sweep.h. Within a block of columns corrections go column by column; the
 * columns after the block get all of the block's at once, as one matrix product. */
#include "quantize/column_sweep.h"

#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

enum { BLOCK_COLUMNS = 128 };

swg_status swg_column_sweep_init(swg_column_sweep *out, const swg_second_order *so, size_t max_rows)
{
    swg_status status = SWG_OK;
    const size_t k = so->k;
    /* A grid is found from corrected weights, so a block never ends inside a group. */
    const size_t whole = so->group < BLOCK_COLUMNS ? BLOCK_COLUMNS / so->group * so->group
                                                   : so->group;
    swg_column_sweep sweep = {.max_rows = max_rows, .block = whole < k ? whole : k};
    SWG_GO(SWG_NEW(sweep.w, max_rows * k));
    SWG_GO(SWG_NEW(sweep.errors, max_rows * sweep.block));
    SWG_GO(SWG_NEW(sweep.weights, k));
    for (size_t i = 0; i < k; i++) {
        const float u = so->factor[i * k + i];
        sweep.weights[i] = 1 / (u * u);
    }
    *out = sweep;
    sweep = (swg_column_sweep){0};
done:
    swg_column_sweep_deinit(&sweep);
    return status;
}

void swg_column_sweep_deinit(swg_column_sweep *sweep)
{
    SWG_FREE(sweep->w);
    SWG_FREE(sweep->errors);
    SWG_FREE(sweep->weights);
}

/* Columns [begin, end) of one row: w and e are the row's weights and errors, e from `begin` on. The
 * group under way ends at `group_end` of the processing order. */
static swg_status sweep_row(const swg_column_sweep *sweep, const swg_second_order *so,
                            swg_scheme scheme, swg_scale_search search, size_t begin, size_t end,
                            float *w, float *e, uint8_t *codes, swg_grid *grids)
{
    const size_t k = so->k;
    size_t group_end = begin, g = 0;
    for (size_t i = begin; i < end; i++) {
        if (i == group_end) {
            g = so->order[i] / so->group;
            const size_t left = k - g * so->group;
            const size_t length = left < so->group ? left : so->group;
            group_end = i + length;
            SWG_TRY(swg_grid_search(scheme, search, w + i, sweep->weights + i, length, &grids[g]));
        }
        const float *u = so->factor + i * k;
        const uint8_t code = swg_grid_code(grids[g], w[i]);
        const float error = (w[i] - swg_grid_value(grids[g], code)) / u[i];
        codes[so->order[i]] = code;
        e[i - begin] = error;
        for (size_t j = i + 1; j < end; j++)
            w[j] -= error * u[j];
    }
    return SWG_OK;
}

/* End of the block that begins at `begin`: whole groups, though the short one may be anywhere. */
static size_t block_end(const swg_column_sweep *sweep, const swg_second_order *so, size_t begin)
{
    size_t end = begin;
    while (end < so->k) {
        const size_t left = so->k - so->order[end] / so->group * so->group;
        const size_t length = left < so->group ? left : so->group;
        if (end + length - begin > sweep->block)
            break;
        end += length;
    }
    return end;
}

swg_status swg_column_sweep_run(swg_column_sweep *sweep, const swg_second_order *so,
                                swg_scheme scheme, swg_scale_search search, const float *w,
                                size_t n_rows, uint8_t *codes, swg_grid *grids)
{
    const size_t k = so->k;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < k; i++)
            sweep->w[r * k + i] = w[r * k + so->order[i]];
    for (size_t begin = 0, end; begin < k; begin = end) {
        end = block_end(sweep, so, begin);
        for (size_t r = 0; r < n_rows; r++)
            SWG_TRY(sweep_row(sweep, so, scheme, search, begin, end, sweep->w + r * k,
                              sweep->errors + r * sweep->block, codes + r * k,
                              grids + r * so->n_groups));
        if (end < k) /* W[:, end:] -= E U[begin:end, end:] */
            swg_sgemm(SWG_LINALG_NN, n_rows, k - end, end - begin, -1, sweep->errors, sweep->block,
                      so->factor + begin * k + end, k, 1, sweep->w + end, k);
    }
    return SWG_OK;
}
