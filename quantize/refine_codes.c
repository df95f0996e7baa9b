/* Coordinate descent on codes and scales; see refine_codes.h. Rows that still improve are kept
 * together at the front of the scratch, so that products are of these alone. */
#include "quantize/refine_codes.h"

#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

enum { BLOCK_COLUMNS = 128, LANES = 8 };

/* Scales are improved in the first sweeps alone. Theirs are most of the steps, of whole groups,
 * while after the first sweeps hardly one code in a hundred changes: where fewer than one in SPARSE
 * does, gradients follow every step by itself instead of all in a product. */
enum { SCALE_SWEEPS = 3, SPARSE = 64 };

swg_status swg_refiner_init(swg_refiner *out, const swg_second_order *so, size_t max_rows)
{
    const size_t k = so->k, group = so->group;
    const size_t whole = group < BLOCK_COLUMNS ? BLOCK_COLUMNS / group * group : BLOCK_COLUMNS;
    const size_t block = whole < k ? whole : k, longest = block > group ? block : group;
    swg_status status = SWG_OK;
    swg_refiner refiner = {.max_rows = max_rows, .block = block};
    SWG_GO(SWG_NEW(refiner.order, k));
    SWG_GO(SWG_NEW(refiner.block_order, swg_ceil_div(k, block)));
    SWG_GO(SWG_NEW(refiner.diagonal, k));
    SWG_GO(SWG_NEW(refiner.d, max_rows * k));
    SWG_GO(SWG_NEW(refiner.gradient, max_rows * k));
    SWG_GO(SWG_NEW(refiner.steps, max_rows * longest));
    SWG_GO(SWG_NEW(refiner.numbers, max_rows * group));
    SWG_GO(SWG_NEW(refiner.products, max_rows * longest));
    SWG_GO(SWG_NEW(refiner.rows, max_rows));
    SWG_GO(SWG_NEW(refiner.row_errors, max_rows));
    SWG_GO(swg_order_columns(so->hessian, k, block, refiner.order, refiner.block_order));
    for (size_t c = 0; c < k; c++)
        refiner.diagonal[c] = so->hessian[c * (k + 1)];
    *out = refiner;
    refiner = (swg_refiner){0};
done:
    swg_refiner_deinit(&refiner);
    return status;
}

void swg_refiner_deinit(swg_refiner *refiner)
{
    SWG_FREE(refiner->order);
    SWG_FREE(refiner->block_order);
    SWG_FREE(refiner->diagonal);
    SWG_FREE(refiner->d);
    SWG_FREE(refiner->gradient);
    SWG_FREE(refiner->steps);
    SWG_FREE(refiner->numbers);
    SWG_FREE(refiner->products);
    SWG_FREE(refiner->rows);
    SWG_FREE(refiner->row_errors);
}

/* Rows in progress. Slot i of the scratch has row rows[i]. */
typedef struct refinement {
    swg_refiner *scratch;
    const swg_second_order *so;
    const float *w;
    const bool *is_zero; /* or NULL */
    uint8_t *codes;
    swg_grid *grids;
    size_t n_slots;
} refinement;

/* y += t x */
static void add_scaled(float *restrict y, float t, const float *restrict x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            y[i + l] += t * x[i + l];
    for (; i < n; i++)
        y[i] += t * x[i];
}

/* Gradients += steps [slots][n] H[begin:begin + n, :] in columns [from, to). */
static void spread_product(const refinement *f, size_t begin, size_t n, size_t from, size_t to)
{
    const size_t k = f->so->k;
    if (from < to)
        swg_linalg_get()->sgemm(false, false, f->n_slots, to - from, n, 1, f->scratch->steps, n,
                                f->so->hessian + begin * k + from, k, 1,
                                f->scratch->gradient + from, k);
}

/* The same, step by step. */
static void spread_each(const refinement *f, size_t begin, size_t n, size_t from, size_t to)
{
    const size_t k = f->so->k;
    for (size_t slot = 0; slot < f->n_slots; slot++)
        for (size_t i = 0; i < n; i++) {
            const float step = f->scratch->steps[slot * n + i];
            if (step != 0)
                add_scaled(f->scratch->gradient + slot * k + from, step,
                           f->so->hessian + (begin + i) * k + from, to - from);
        }
}

/* Outside their own columns, gradients follow the steps of columns [begin, begin + n), of which
 * `n_steps` are not 0. */
static void spread_steps(const refinement *f, size_t begin, size_t n, size_t n_steps)
{
    const bool is_sparse = n_steps < f->n_slots * n / SPARSE;
    (is_sparse ? spread_each : spread_product)(f, begin, n, 0, begin);
    (is_sparse ? spread_each : spread_product)(f, begin, n, begin + n, f->so->k);
}

/* --- Codes ------------------------------------------------------------------------------------ */

/* The step of one weight to where the row's error is least, 0 if it is there; `gradient` is its
 * own. */
static float step_of(swg_grid grid, float curvature, float gradient, uint8_t *code)
{
    /* Numbers of neighbouring codes differ by at least 1: nothing nearer can be the best. */
    if (!(fabsf(gradient) > 0.499f * curvature * fabsf(grid.scale)) || curvature <= 0)
        return 0;
    const float value = swg_grid_value(grid, *code);
    const uint8_t best = swg_grid_code(grid, value - gradient / curvature);
    const float step = swg_grid_value(grid, best) - value;
    if (best == *code || !(step * (2 * gradient + step * curvature) < 0))
        return 0;
    *code = best;
    return step;
}

/* Improve the codes of columns [begin, begin + n), which `order` lists, of one slot's row. Its
 * steps and, in these columns, its gradient follow; returns how many codes changed. */
static size_t improve_codes(const refinement *f, size_t slot, const uint32_t *order, size_t begin,
                            size_t n)
{
    const swg_refiner *s = f->scratch;
    const size_t k = f->so->k, row = s->rows[slot];
    const swg_grid *grids = f->grids + row * f->so->n_groups;
    const bool *is_zero = f->is_zero ? f->is_zero + row * k : NULL;
    float *steps = s->steps + slot * n, *gradient = s->gradient + slot * k + begin;
    size_t n_changed = 0;
    memset(steps, 0, n * sizeof *steps);
    for (size_t i = 0; i < n; i++) {
        const size_t column = order[i], at = column - begin;
        const swg_grid grid = grids[column / f->so->group];
        if (is_zero && is_zero[column])
            continue;
        const float step =
            step_of(grid, s->diagonal[column], gradient[at], &f->codes[row * k + column]);
        if (step == 0)
            continue;
        steps[at] = step;
        s->d[slot * k + column] += step;
        add_scaled(gradient, step, f->so->hessian + column * k + begin, n);
        n_changed++;
    }
    return n_changed;
}

/* --- Scales ----------------------------------------------------------------------------------- */

/* The step of a group's scale to the least squares one for its present codes, whose numbers times
 * H are in the slot's products [stride], of which the group's own begin at `own`; 0 where the scale
 * stays. */
static double step_of_scale(const refinement *f, size_t slot, size_t g, size_t n, size_t stride,
                            size_t own, swg_dtype scale_type)
{
    const swg_refiner *s = f->scratch;
    const size_t k = f->so->k, row = s->rows[slot], begin = g * f->so->group;
    const float *numbers = s->numbers + slot * n;
    const float *product = s->products + slot * stride + own;
    const float *gradient = s->gradient + slot * k + begin;
    swg_grid *grid = &f->grids[row * f->so->n_groups + g];
    double slope = 0, curvature = 0;
    for (size_t c = 0; c < n; c++) {
        slope += (double)numbers[c] * (double)gradient[c];
        curvature += (double)numbers[c] * (double)product[c];
    }
    const float wanted = (float)((double)grid->scale - slope / curvature);
    const float scale =
        copysignf(swg_grid_stored_scale(scale_type, grid->row_scale, fabsf(wanted)), wanted);
    const double t = (double)scale - (double)grid->scale;
    const bool is_better =
        grid->scale != 0 && curvature > 0 && scale != 0 && t * (2 * slope + t * curvature) < 0 &&
        !(grid->levels && grid->levels->scale != 0); /* one for the matrix stays */
    if (!is_better)
        return 0;
    grid->scale = scale;
    return t;
}

/* Improve the scale of group g in all rows. Steps and gradients of columns [begin, begin + n),
 * which contain the group, follow; returns how many scales changed. */
static size_t improve_scales(const refinement *f, size_t g, size_t begin, size_t n,
                             swg_dtype scale_type)
{
    const swg_refiner *s = f->scratch;
    const size_t k = f->so->k, first = g * f->so->group, left = k - first, own = first - begin;
    const size_t length = left < f->so->group ? left : f->so->group;
    size_t n_changed = 0;
    for (size_t slot = 0; slot < f->n_slots; slot++) {
        const swg_grid grid = f->grids[s->rows[slot] * f->so->n_groups + g];
        for (size_t c = 0; c < length; c++)
            s->numbers[slot * length + c] =
                (float)swg_grid_number(grid, f->codes[s->rows[slot] * k + first + c]);
    }
    swg_linalg_get()->sgemm(false, false, f->n_slots, n, length, 1, s->numbers, length,
                            f->so->hessian + first * k + begin, k, 0, s->products, n);
    for (size_t slot = 0; slot < f->n_slots; slot++) {
        const size_t at = s->rows[slot] * k + first;
        const float t = (float)step_of_scale(f, slot, g, length, n, own, scale_type);
        if (t == 0)
            continue;
        const swg_grid grid = f->grids[s->rows[slot] * f->so->n_groups + g];
        add_scaled(s->gradient + slot * k + begin, t, s->products + slot * n, n);
        add_scaled(s->steps + slot * n + own, t, s->numbers + slot * length, length);
        for (size_t c = 0; c < length; c++)
            s->d[slot * k + first + c] = swg_grid_value(grid, f->codes[at + c]) - f->w[at + c];
        n_changed++;
    }
    return n_changed;
}

/* --- Sweeps ----------------------------------------------------------------------------------- */

/* Codes and then, if wanted, scales of every block in turn. A group that is longer than a block
 * gets its scale afterwards. */
static void sweep_blocks(const refinement *f, swg_dtype scale_type, bool has_scales,
                         swg_refine_stats *stats)
{
    const swg_refiner *s = f->scratch;
    const size_t k = f->so->k, group = f->so->group;
    for (size_t at = 0, block = 0, n; at < k; at += n, block++) {
        const size_t begin = s->block_order[block] * s->block;
        size_t n_changed = 0, n_rescaled = 0;
        n = k - begin < s->block ? k - begin : s->block;
        for (size_t slot = 0; slot < f->n_slots; slot++)
            n_changed += improve_codes(f, slot, s->order + at, begin, n);
        for (size_t g = begin / group; has_scales && group <= s->block && g * group < begin + n;
             g++)
            n_rescaled += improve_scales(f, g, begin, n, scale_type);
        stats->n_changed += n_changed;
        stats->n_rescaled += n_rescaled;
        spread_steps(f, begin, n, n_changed + n_rescaled * group);
    }
}

static void sweep_long_groups(const refinement *f, swg_dtype scale_type, swg_refine_stats *stats)
{
    const swg_refiner *s = f->scratch;
    const size_t k = f->so->k, group = f->so->group;
    for (size_t g = 0; g < f->so->n_groups && group > s->block; g++) {
        const size_t begin = g * group, n = k - begin < group ? k - begin : group;
        memset(s->steps, 0, f->n_slots * n * sizeof *s->steps);
        const size_t n_changed = improve_scales(f, g, begin, n, scale_type);
        stats->n_rescaled += n_changed;
        spread_steps(f, begin, n, n_changed * n);
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static double error_of(const refinement *f, size_t slot)
{
    const size_t k = f->so->k;
    const float *d = f->scratch->d + slot * k, *gradient = f->scratch->gradient + slot * k;
    double sum = 0;
    for (size_t c = 0; c < k; c++)
        sum += (double)d[c] * (double)gradient[c];
    return sum;
}

/* Forget the slots whose rows have gained less than `tolerance`: the last takes their place. */
static void drop_finished(refinement *f, double tolerance)
{
    swg_refiner *s = f->scratch;
    const size_t k = f->so->k;
    for (size_t slot = 0; slot < f->n_slots;) {
        const double error = error_of(f, slot);
        if (error < s->row_errors[slot] * (1 - tolerance)) {
            s->row_errors[slot++] = error;
            continue;
        }
        const size_t last = --f->n_slots;
        s->rows[slot] = s->rows[last];
        s->row_errors[slot] = s->row_errors[last];
        memmove(s->d + slot * k, s->d + last * k, k * sizeof *s->d);
        memmove(s->gradient + slot * k, s->gradient + last * k, k * sizeof *s->gradient);
    }
}

/* The rows' errors and gradients, from their codes. */
static void measure_rows(const refinement *f, size_t n_rows, double *errors)
{
    const size_t k = f->so->k;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < k; c++)
            f->scratch->d[r * k + c] =
                swg_grid_value(f->grids[r * f->so->n_groups + c / f->so->group],
                               f->codes[r * k + c]) -
                f->w[r * k + c];
    swg_second_order_loss(f->so, f->scratch->d, n_rows, f->scratch->gradient, errors);
}

void swg_refine_codes(swg_refiner *refiner, const swg_second_order *so, swg_dtype scale_type,
                      const swg_refine_options *options, const float *w, const bool *is_zero,
                      size_t n_rows, uint8_t *codes, swg_grid *grids, double *errors,
                      swg_refine_stats *stats)
{
    refinement f = {.scratch = refiner,
                    .so = so,
                    .w = w,
                    .is_zero = is_zero,
                    .codes = codes,
                    .grids = grids,
                    .n_slots = n_rows};
    measure_rows(&f, n_rows, errors);
    for (size_t r = 0; r < n_rows; r++) {
        refiner->rows[r] = r;
        refiner->row_errors[r] = errors[r];
        stats->before += errors[r];
    }
    for (unsigned sweep = 0; sweep < options->max_sweeps && f.n_slots > 0; sweep++) {
        const bool has_scales = sweep < SCALE_SWEEPS;
        sweep_blocks(&f, scale_type, has_scales, stats);
        if (has_scales)
            sweep_long_groups(&f, scale_type, stats);
        drop_finished(&f, options->tolerance);
    }
    /* The gradients have gathered rounding errors with every step: what is reported is computed
     * anew. */
    if (options->max_sweeps > 0)
        measure_rows(&f, n_rows, errors);
    for (size_t r = 0; r < n_rows; r++)
        stats->after += errors[r];
}
