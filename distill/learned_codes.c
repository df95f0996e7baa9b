/* Training through rounding. See learned_codes.h. Rows are the items of the pool, so that results
 * do not depend on the number of threads. */
#include "distill/learned_codes.h"

#include <math.h>
#include <string.h>

#include "quantize/quantize.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* Rows of a work item. */
enum { ITEM_ROWS = 16 };

typedef struct job {
    swg_learned_codes *codes;
    const float *weights;
    float *gradient;
} job;

static size_t groups_of(const swg_learned_codes *c)
{
    return c->rows * c->n_groups;
}

static swg_quantize_job quantize_job(const swg_learned_codes *c)
{
    return (swg_quantize_job){.name = c->entry->desc.name,
                              .rows = c->rows,
                              .cols = c->cols,
                              .scheme = c->entry->dense,
                              .codebook = c->entry->codebook,
                              .search = c->entry->search,
                              .pool = c->pool};
}

/* --- Grids ------------------------------------------------------------------------------------ */

/* The grid of a group as its numbers are. */
static swg_grid grid_of(const swg_learned_codes *c, size_t row, size_t g)
{
    const swg_scheme scheme = c->entry->dense;
    const size_t at = row * c->n_groups + g;
    const unsigned max_code = (1u << scheme.bits) - 1;
    swg_grid grid = {.row_scale = c->row_scales ? c->row_scales[row] : 0,
                     .zero = (uint8_t)swg_scheme_symmetric_zero(scheme),
                     .max_code = (uint8_t)max_code};
    if (c->sign[at])
        grid.scale = (float)c->sign[at] *
                     swg_grid_stored_scale(scheme.scale_type, grid.row_scale, expf(c->number[at]));
    if (swg_scheme_has_codebook(scheme)) {
        grid.levels = &c->levels;
        grid.zero = c->levels.zero;
    } else if (scheme.asymmetric) {
        const float zero = rintf(c->number[groups_of(c) + at] * (float)max_code);
        grid.zero = (uint8_t)fminf(fmaxf(zero, 0), (float)max_code);
    }
    return grid;
}

static void take_scale(swg_learned_codes *c, size_t at, float scale)
{
    c->sign[at] = (signed char)((scale > 0) - (scale < 0));
    c->number[at] = scale != 0 ? logf(fabsf(scale)) : 0;
}

void swg_learned_codes_take(swg_learned_codes *c, const void *const planes[SWG_PLANE_KINDS])
{
    const swg_scheme scheme = c->entry->dense;
    const uint8_t *zeros = planes[SWG_PLANE_ZEROS];
    for (size_t row = 0; c->row_scales && row < c->rows; row++)
        c->row_scales[row] = swg_float_load(SWG_BF16, planes[SWG_PLANE_ROW_SCALES], row);
    for (size_t at = 0; at < groups_of(c); at++) {
        const float scale = c->row_scales
                                ? (float)((const int8_t *)planes[SWG_PLANE_SCALES])[at] *
                                      c->row_scales[at / c->n_groups]
                                : swg_float_load(scheme.scale_type, planes[SWG_PLANE_SCALES], at);
        take_scale(c, at, scale);
        if (zeros)
            c->number[groups_of(c) + at] = (float)zeros[at] / (float)((1u << scheme.bits) - 1);
    }
    if (swg_scheme_has_codebook(scheme))
        swg_levels_init(&c->levels, planes[SWG_PLANE_CODEBOOK]);
}

/* --- Choosing codes --------------------------------------------------------------------------- */

static size_t group_length(const swg_learned_codes *c, size_t g)
{
    const size_t left = c->cols - g * c->group;
    return left < c->group ? left : c->group;
}

static void choose_row(const job *j, const swg_quantize_job *how, size_t row, uint8_t *codes)
{
    swg_learned_codes *c = j->codes;
    const swg_quant_planes planes = swg_quant_planes_view(how, c->planes);
    for (size_t g = 0; g < c->n_groups; g++) {
        const size_t at = g * c->group;
        const swg_grid grid = grid_of(c, row, g);
        swg_grid_encode(grid, j->weights + row * c->cols + at, group_length(c, g), codes + at);
        swg_quant_planes_store_grid(&planes, row, g, grid);
        swg_quant_planes_update(&planes, how, row, g, grid, codes + at);
    }
    swg_quant_planes_store_codes(&planes, row, codes);
}

static swg_status choose_rows(void *context, size_t index)
{
    const job *j = context;
    swg_learned_codes *c = j->codes;
    const size_t begin = index * ITEM_ROWS;
    swg_quantize_job how = quantize_job(c);
    uint8_t *codes;
    how.updated = c->computed;
    SWG_TRY(SWG_NEW_UNINIT(codes, c->cols));
    for (size_t row = begin; row < begin + ITEM_ROWS && row < c->rows; row++)
        choose_row(j, &how, row, codes);
    swg_free(codes);
    return SWG_OK;
}

swg_status swg_learned_codes_choose(swg_learned_codes *c, const float *weights)
{
    job j = {.codes = c, .weights = weights};
    return swg_pool_for(c->pool, swg_ceil_div(c->rows, ITEM_ROWS), choose_rows, &j);
}

/* --- Gradients -------------------------------------------------------------------------------- */

/* The least and the largest number that a code of the grid means, in units of the scale. */
static float lowest(swg_grid grid)
{
    return (float)swg_grid_number(grid, 0);
}

static float highest(swg_grid grid)
{
    return (float)swg_grid_number(grid, grid.max_code);
}

static void reverse_group(const job *j, size_t row, size_t g)
{
    swg_learned_codes *c = j->codes;
    const size_t n = group_length(c, g), first = row * c->cols + g * c->group;
    const size_t at = row * c->n_groups + g;
    const float *w = j->weights + first;
    float *dy = j->gradient + first;
    const swg_grid grid = grid_of(c, row, g);
    const float low = lowest(grid), high = highest(grid);
    double by_scale = 0, by_zero = 0;
    if (grid.scale == 0) {
        memset(dy, 0, n * sizeof *dy);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const float t = w[i] / grid.scale;
        const bool is_clamped = t < low || t > high;
        const float number = (float)swg_grid_number(grid, swg_grid_code(grid, w[i]));
        by_scale += (double)dy[i] * (double)(is_clamped ? number : number - t);
        by_zero += is_clamped ? (double)dy[i] : 0;
        /* The step goes against the gradient: towards the range where it has the sign of w. */
        if (is_clamped && dy[i] * w[i] < 0)
            dy[i] = 0;
    }
    const double share = 1 / sqrt((double)n * (double)grid.max_code);
    c->gradient[at] = (float)(share * by_scale * (double)grid.scale);
    if (c->entry->dense.asymmetric)
        c->gradient[groups_of(c) + at] =
            (float)(-share * by_zero * (double)grid.scale * (double)grid.max_code);
}

static swg_status reverse_rows(void *context, size_t index)
{
    const job *j = context;
    const size_t begin = index * ITEM_ROWS;
    for (size_t row = begin; row < begin + ITEM_ROWS && row < j->codes->rows; row++)
        for (size_t g = 0; g < j->codes->n_groups; g++)
            reverse_group(j, row, g);
    return SWG_OK;
}

void swg_learned_codes_reverse(swg_learned_codes *c, const float *weights, float *gradient)
{
    job j = {.codes = c, .weights = weights, .gradient = gradient};
    (void)swg_pool_for(c->pool, swg_ceil_div(c->rows, ITEM_ROWS), reverse_rows, &j);
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status read_weights(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const job *j = context;
    const size_t cols = j->codes->cols;
    memcpy(out, j->weights + row_begin * cols, (size_t)n_rows * cols * sizeof *out);
    return SWG_OK;
}

/* Grids of least error, and memory for what is trained. */
static swg_status begin(swg_learned_codes *c, const float *weights)
{
    const swg_plan_entry *entry = c->entry;
    swg_plane layout[SWG_PLANE_KINDS];
    swg_quant_stats stats;
    if (!swg_scheme_equal(entry->dense, entry->desc.scheme))
        return swg_error(SWG_UNSUPPORTED, "tensor %s: training through a sparse format",
                         entry->desc.name);
    c->group = swg_scheme_group_length(entry->dense, c->cols);
    c->n_groups = swg_scheme_groups(entry->dense, c->cols);
    const size_t n_planes = swg_tensor_planes(&entry->desc, layout);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *plane;
        SWG_TRY(SWG_NEW(plane, layout[p].bytes));
        c->planes[layout[p].kind] = plane;
    }
    c->n_numbers = groups_of(c) * (entry->dense.asymmetric ? 2 : 1);
    SWG_TRY(SWG_NEW(c->number, c->n_numbers));
    SWG_TRY(SWG_NEW(c->gradient, c->n_numbers));
    SWG_TRY(SWG_NEW(c->moment1, c->n_numbers));
    SWG_TRY(SWG_NEW(c->moment2, c->n_numbers));
    SWG_TRY(SWG_NEW(c->sign, groups_of(c)));
    if (swg_scheme_has_row_scales(entry->dense))
        SWG_TRY(SWG_NEW(c->row_scales, c->rows));
    SWG_TRY(SWG_NEW_UNINIT(c->computed, c->rows * c->cols));
    job j = {.codes = c, .weights = weights};
    swg_quantize_job how = quantize_job(c);
    how.read_rows = read_weights;
    how.context = &j;
    SWG_TRY(swg_quantize_tensor(SWG_QUANT_rtn, &how, c->planes, &stats));
    swg_learned_codes_take(c, (const void *const *)c->planes);
    return SWG_OK;
}

swg_status swg_learned_codes_new(const swg_plan_entry *entry, size_t rows, size_t cols,
                                 const float *weights, swg_pool *pool, swg_learned_codes **out)
{
    swg_learned_codes *c;
    SWG_TRY(SWG_NEW(c, 1));
    c->entry = entry;
    c->pool = pool;
    c->rows = rows;
    c->cols = cols;
    const swg_status status = begin(c, weights);
    if (status == SWG_OK) {
        *out = c;
        c = NULL;
    }
    swg_learned_codes_free(&c);
    return status;
}

void swg_learned_codes_free(swg_learned_codes **codes)
{
    swg_learned_codes *c = *codes;
    if (!c)
        return;
    for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
        swg_free(c->planes[p]);
    swg_free(c->number);
    swg_free(c->gradient);
    swg_free(c->moment1);
    swg_free(c->moment2);
    swg_free(c->sign);
    swg_free(c->row_scales);
    swg_free(c->computed);
    swg_free(c);
    *codes = NULL;
}
