/* Half-quadratic quantization (Badri and Shaji 2023, "HQQ"): grids for a norm of the errors below
 * 1, which lets a few weights be far off if that brings the others closer. Needs no text.
 *
 * With t = w / s and q = code - zero the error e = t - q is split into e = outlier + rest, outlier
 * = sign(e) max(|e| - |e|^(p-1) / beta, 0), the minimiser of |outlier|^p + beta/2 (e - outlier)^2
 * to first order; the grid is then fitted to t - outlier by least squares, codes are chosen anew,
 * and beta grows. p = 1/2, so that square roots do, which every processor rounds alike. Errors are
 * taken in units of the scale, so the result does not depend on the size of the weights. Unlike the
 * original, which moves a zero point of floating point alone, this moves the scale and an integer
 * zero point. The grid with the least sum of |e s|^(1/2) is kept, the first one - that of round to
 * nearest - included. */
#include <math.h>

#include "quantize/gptq.h"
#include "quantize/methods.h"
#include "quantize/rtn.h"

enum { DEFAULT_ITERATIONS = 20 };
static const double first_beta = 10, beta_growth = 1.01;

typedef struct group {
    const swg_grid_space *space;
    const float *x, *importance; /* importance NULL = all 1 */
    size_t n;
} group;

static double weight_of(const group *g, size_t i)
{
    return g->importance ? (double)g->importance[i] : 1;
}

static double loss_of(const group *g, swg_grid grid)
{
    double sum = 0;
    for (size_t i = 0; i < g->n; i++) {
        const double value = (double)swg_grid_value(grid, swg_grid_code(grid, g->x[i]));
        sum += weight_of(g, i) * sqrt(fabs((double)g->x[i] - value));
    }
    return sum;
}

/* The part of an error that counts as an outlier. */
static double outlier(double e, double beta)
{
    const double size = fabs(e);
    const double left = size > 0 ? size - 1 / (sqrt(size) * beta) : 0;
    return left > 0 ? copysign(left, e) : 0;
}

/* The grid fitted to what is left without outliers: first the zero point, then the scale. False
 * when there is no such grid. */
static bool refit(const group *g, double beta, swg_grid *grid)
{
    const swg_scheme scheme = g->space->scheme;
    const double s = (double)grid->scale;
    double shift = 0, total = 0, qq = 0, qt = 0;
    for (size_t i = 0; i < g->n; i++) {
        const double t = (double)g->x[i] / s;
        const double q = (double)swg_grid_number(*grid, swg_grid_code(*grid, g->x[i]));
        const double rest = t - outlier(t - q, beta);
        shift += weight_of(g, i) * (q - rest);
        total += weight_of(g, i);
        qq += weight_of(g, i) * q * q;
        qt += weight_of(g, i) * q * rest;
    }
    if (scheme.asymmetric && !grid->levels && total > 0) {
        const double zero = rint((double)grid->zero + shift / total);
        grid->zero = (uint8_t)fmin(fmax(zero, 0), (double)grid->max_code);
    }
    if (!(qq > 0) || !(qt > 0))
        return false;
    const float wanted = (float)(s * qt / qq);
    const float stored = swg_grid_stored_scale(scheme.scale_type, grid->row_scale, fabsf(wanted));
    grid->scale = copysignf(stored, wanted);
    return stored > 0;
}

static swg_status find_grid(const swg_quantize_job *job, const swg_grid_space *space,
                            const float *x, const float *importance, size_t n, swg_grid *out)
{
    const unsigned iterations =
        (unsigned)swg_quantize_job_number(job, "iterations", DEFAULT_ITERATIONS);
    const group g = {.space = space, .x = x, .importance = importance, .n = n};
    SWG_TRY(swg_grid_search(space, x, importance, n, out));
    double least = loss_of(&g, *out), beta = first_beta;
    swg_grid grid = *out;
    for (unsigned i = 0; i < iterations && grid.scale != 0; i++, beta *= beta_growth) {
        const swg_grid before = grid;
        if (!refit(&g, beta, &grid) || (grid.scale == before.scale && grid.zero == before.zero))
            break;
        const double loss = loss_of(&g, grid);
        if (loss < least) {
            least = loss;
            *out = grid;
        }
    }
    return SWG_OK;
}

swg_status swg_quantize__hqq(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                             swg_quant_stats *stats)
{
    return swg_rtn_run(job, find_grid, planes, stats);
}
