/* Coordinate descent on codes and scales; see refine_codes.h. */
#include "quantize/refine_codes.h"

#include <math.h>
#include <string.h>

#include "runtime/base/mem.h"

swg_status swg_refiner_init(swg_refiner *out, size_t k, size_t max_rows)
{
    swg_status status = SWG_OK;
    swg_refiner refiner = {.max_rows = max_rows};
    SWG_GO(SWG_NEW(refiner.d, max_rows * k));
    SWG_GO(SWG_NEW(refiner.gradient, max_rows * k));
    SWG_GO(SWG_NEW(refiner.step, k));
    *out = refiner;
    refiner = (swg_refiner){0};
done:
    swg_refiner_deinit(&refiner);
    return status;
}

void swg_refiner_deinit(swg_refiner *refiner)
{
    SWG_FREE(refiner->d);
    SWG_FREE(refiner->gradient);
    SWG_FREE(refiner->step);
}

/* One row in progress. */
typedef struct row_state {
    const swg_second_order *so;
    const float *w;
    const bool *is_zero; /* [k] or NULL */
    float *d, *gradient, *step;
    uint8_t *codes;
    swg_grid *grids;
} row_state;

/* gradient += t H[column] */
static void add_column(const row_state *s, size_t column, float t)
{
    const float *h = s->so->hessian + column * s->so->k;
    for (size_t c = 0; c < s->so->k; c++)
        s->gradient[c] += t * h[c];
}

/* Move one code to where the row's error is least; returns whether it moved. */
static bool improve_code(const row_state *s, size_t column)
{
    const size_t k = s->so->k;
    const float curvature = s->so->hessian[column * k + column];
    const swg_grid grid = s->grids[column / s->so->group];
    if (curvature <= 0 || grid.scale == 0 || (s->is_zero && s->is_zero[column]))
        return false;
    const float value = swg_grid_value(grid, s->codes[column]);
    const uint8_t code = swg_grid_code(grid, value - s->gradient[column] / curvature);
    if (code == s->codes[column])
        return false;
    const float t = swg_grid_value(grid, code) - value;
    if (!(t * (2 * s->gradient[column] + t * curvature) < 0))
        return false;
    s->codes[column] = code;
    s->d[column] += t;
    add_column(s, column, t);
    return true;
}

/* The least-squares scale of one group for its present codes; returns whether it changed. */
static bool improve_scale(const row_state *s, size_t g, swg_dtype scale_type)
{
    const size_t k = s->so->k, begin = g * s->so->group;
    const size_t end = begin + s->so->group < k ? begin + s->so->group : k;
    const swg_grid grid = s->grids[g];
    if (grid.scale == 0)
        return false;
    memset(s->step, 0, k * sizeof *s->step);
    double slope = 0, curvature = 0;
    for (size_t c = begin; c < end; c++) {
        const float v = (float)swg_grid_number(grid, s->codes[c]);
        const float *h = s->so->hessian + c * k;
        slope += (double)v * (double)s->gradient[c];
        for (size_t j = 0; v != 0 && j < k; j++)
            s->step[j] += v * h[j];
    }
    for (size_t c = begin; c < end; c++)
        curvature += (double)swg_grid_number(grid, s->codes[c]) * (double)s->step[c];
    if (!(curvature > 0))
        return false;
    const float wanted = (float)((double)grid.scale - slope / curvature);
    const float scale =
        copysignf(swg_grid_stored_scale(scale_type, grid.row_scale, fabsf(wanted)), wanted);
    const double t = (double)scale - (double)grid.scale;
    if (scale == 0 || !(t * (2 * slope + t * curvature) < 0))
        return false;
    s->grids[g].scale = scale;
    for (size_t c = begin; c < end; c++)
        s->d[c] = swg_grid_value(s->grids[g], s->codes[c]) - s->w[c];
    for (size_t j = 0; j < k; j++)
        s->gradient[j] += (float)t * s->step[j];
    return true;
}

static double error_of(const row_state *s)
{
    double sum = 0;
    for (size_t c = 0; c < s->so->k; c++)
        sum += (double)s->d[c] * (double)s->gradient[c];
    return sum;
}

static void refine_row(const row_state *s, swg_dtype scale_type, const swg_refine_options *options,
                       double error, swg_refine_stats *stats)
{
    for (unsigned sweep = 0; sweep < options->max_sweeps; sweep++) {
        for (size_t i = 0; i < s->so->k; i++)
            stats->n_changed += improve_code(s, s->so->order[i]);
        for (size_t g = 0; g < s->so->n_groups; g++)
            stats->n_rescaled += improve_scale(s, g, scale_type);
        const double now = error_of(s);
        const bool is_done = !(now < error * (1 - options->tolerance));
        error = now;
        if (is_done)
            break;
    }
}

/* The rows' errors and gradients, from their codes. */
static void measure_rows(swg_refiner *refiner, const swg_second_order *so, const float *w,
                         size_t n_rows, const uint8_t *codes, const swg_grid *grids, double *errors)
{
    const size_t k = so->k;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < k; c++)
            refiner->d[r * k + c] =
                swg_grid_value(grids[r * so->n_groups + c / so->group], codes[r * k + c]) -
                w[r * k + c];
    swg_second_order_loss(so, refiner->d, n_rows, refiner->gradient, errors);
}

void swg_refine_codes(swg_refiner *refiner, const swg_second_order *so, swg_dtype scale_type,
                      const swg_refine_options *options, const float *w, const bool *is_zero,
                      size_t n_rows, uint8_t *codes, swg_grid *grids, double *errors,
                      swg_refine_stats *stats)
{
    const size_t k = so->k;
    measure_rows(refiner, so, w, n_rows, codes, grids, errors);
    for (size_t r = 0; r < n_rows; r++) {
        const row_state s = {.so = so,
                             .w = w + r * k,
                             .is_zero = is_zero ? is_zero + r * k : NULL,
                             .d = refiner->d + r * k,
                             .gradient = refiner->gradient + r * k,
                             .step = refiner->step,
                             .codes = codes + r * k,
                             .grids = grids + r * so->n_groups};
        stats->before += errors[r];
        refine_row(&s, scale_type, options, errors[r], stats);
    }
    /* The gradients have gathered rounding errors with every step: what is reported is computed
     * anew. */
    if (options->max_sweeps > 0)
        measure_rows(refiner, so, w, n_rows, codes, grids, errors);
    for (size_t r = 0; r < n_rows; r++)
        stats->after += errors[r];
}
