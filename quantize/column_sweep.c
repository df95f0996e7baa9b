/* The sweep of column_sweep.h. Within a block of columns corrections go column by column; the
 * columns after the block get all of the block's at once, as one matrix product. */
#include "quantize/column_sweep.h"

#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

enum { BLOCK_COLUMNS = 128 };

swg_status swg_column_sweep_init(swg_column_sweep *out, const swg_second_order *so,
                                 bool grids_are_given, size_t max_rows)
{
    swg_status status = SWG_OK;
    const size_t k = so->k;
    /* A grid is found from corrected weights, so a block does not end inside a group then. */
    const size_t whole =
        so->group < BLOCK_COLUMNS ? BLOCK_COLUMNS / so->group * so->group : so->group;
    const size_t block = grids_are_given ? BLOCK_COLUMNS : whole;
    swg_column_sweep sweep = {
        .max_rows = max_rows, .block = block < k ? block : k, .grids_are_given = grids_are_given};
    SWG_GO(SWG_NEW(sweep.w, max_rows * k));
    SWG_GO(SWG_NEW(sweep.errors, max_rows * sweep.block));
    SWG_GO(SWG_NEW(sweep.group_w, so->group));
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
    SWG_FREE(sweep->group_w);
    SWG_FREE(sweep->weights);
}

/* A row in progress: its weights in processing order, what is to be zero and its results in the
 * matrix's own. */
typedef struct sweep_row {
    const swg_grid_space *space;
    float *w, *errors; /* errors of the block's columns */
    const bool *is_zero;
    uint8_t *codes;
    swg_grid *grids;
} sweep_row;

static bool is_zero(const sweep_row *row, size_t column)
{
    return row->is_zero && row->is_zero[column];
}

static size_t group_length(const swg_second_order *so, size_t g)
{
    const size_t left = so->k - g * so->group;
    return left < so->group ? left : so->group;
}

/* The grid of the group whose columns begin at `at` of the processing order. */
static swg_status find_grid(const swg_column_sweep *sweep, const swg_second_order *so, size_t at,
                            const sweep_row *row)
{
    const size_t g = so->order[at] / so->group, length = group_length(so, g);
    for (size_t i = 0; i < length; i++)
        sweep->group_w[i] = is_zero(row, so->order[at + i]) ? 0 : row->w[at + i];
    return swg_grid_search(row->space, sweep->group_w, sweep->weights + at, length, &row->grids[g]);
}

/* Columns [begin, end) of one row: whole groups. */
static swg_status sweep_block(const swg_column_sweep *sweep, const swg_second_order *so,
                              size_t begin, size_t end, const sweep_row *row)
{
    float *w = row->w;
    size_t group_end = begin;
    for (size_t i = begin; i < end; i++) {
        const size_t column = so->order[i], g = column / so->group;
        if (i == group_end && !sweep->grids_are_given) {
            SWG_TRY(find_grid(sweep, so, i, row));
            group_end = i + group_length(so, g);
        }
        const swg_grid grid = row->grids[g];
        const uint8_t code = is_zero(row, column) ? grid.zero : swg_grid_code(grid, w[i]);
        const float *u = so->factor + i * so->k;
        const float error = (w[i] - swg_grid_value(grid, code)) / u[i];
        row->codes[column] = code;
        row->errors[i - begin] = error;
        for (size_t j = i + 1; j < end; j++)
            w[j] -= error * u[j];
    }
    return SWG_OK;
}

/* End of the block that begins at `begin`: whole groups, though the short one may be anywhere. */
static size_t block_end(const swg_column_sweep *sweep, const swg_second_order *so, size_t begin)
{
    if (sweep->grids_are_given)
        return so->k - begin < sweep->block ? so->k : begin + sweep->block;
    size_t end = begin;
    while (end < so->k) {
        const size_t length = group_length(so, so->order[end] / so->group);
        if (end + length - begin > sweep->block)
            break;
        end += length;
    }
    return end;
}

swg_status swg_column_sweep_run(swg_column_sweep *sweep, const swg_second_order *so,
                                const swg_grid_space *spaces, const float *w, const bool *zeros,
                                size_t n_rows, uint8_t *codes, swg_grid *grids)
{
    const size_t k = so->k;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < k; i++)
            sweep->w[r * k + i] = w[r * k + so->order[i]];
    for (size_t begin = 0, end; begin < k; begin = end) {
        end = block_end(sweep, so, begin);
        for (size_t r = 0; r < n_rows; r++) {
            const sweep_row row = {.space = &spaces[r],
                                   .w = sweep->w + r * k,
                                   .errors = sweep->errors + r * sweep->block,
                                   .is_zero = zeros ? zeros + r * k : NULL,
                                   .codes = codes + r * k,
                                   .grids = grids + r * so->n_groups};
            SWG_TRY(sweep_block(sweep, so, begin, end, &row));
        }
        if (end < k) /* W[:, end:] -= E U[begin:end, end:] */
            swg_linalg_get()->sgemm(false, false, n_rows, k - end, end - begin, -1, sweep->errors,
                                    sweep->block, so->factor + begin * k + end, k, 1,
                                    sweep->w + end, k);
    }
    return SWG_OK;
}
