/* Method entropy; see entropy.h. */
#include "quantize/entropy.h"

#include <math.h>
#include <string.h>

#include "quantize/gptq.h"
#include "quantize/methods.h"
#include "runtime/base/mem.h"

/* A row's importance counts by its square root, above a tenth of the tensor's mean: sums over a
 * short text say little about single rows. */
#define FLOOR 0.1

/* Expected divergence per unit of squared error in every column of the row, nats per token. */
static double importance_of(const swg_row_sensitivity *s, double spread, uint64_t row)
{
    return (s->product ? s->product[row] * spread : 0) + (s->look_up ? s->look_up[row] : 0);
}

void swg_entropy_steps(const swg_row_sensitivity *s, double spread, double loss, float *steps)
{
    double mean = 0;
    for (uint64_t i = 0; i < s->rows; i++)
        mean += importance_of(s, spread, i) / (double)s->rows;
    for (uint64_t i = 0; i < s->rows; i++) {
        /* loss = importance step^2 / 12 / 2 */
        const double share = (importance_of(s, spread, i) / mean + FLOOR) / (1 + FLOOR);
        steps[i] = mean > 0 ? (float)sqrt(24 * loss / (mean * sqrt(share))) : INFINITY;
    }
}

float swg_entropy_limited(float step, float largest, unsigned bits)
{
    const float least = largest / (float)((1u << (bits - 1)) - 1);
    const float within = step > least ? step : least;
    const float limited = within < largest || largest == 0 ? within : largest;
    return isfinite(limited) && limited > 0 ? limited : 1;
}

/* --- The method ------------------------------------------------------------------------------- */

enum { READ_ROWS = 64 };

static swg_status check(const swg_quantize_job *job)
{
    const swg_row_sensitivity *s = job->sensitivity;
    if (!s)
        return swg_error(SWG_FAILED, "tensor %s: method entropy needs the sensitivity of its rows",
                         job->name);
    if (s->rows != job->rows)
        return swg_error(SWG_FAILED, "tensor %s: %llu rows, and the sensitivity of %llu", job->name,
                         (unsigned long long)job->rows, (unsigned long long)s->rows);
    if (swg_scheme_has_codebook(job->scheme) || swg_scheme_has_row_scales(job->scheme) ||
        job->scheme.asymmetric || (job->scheme.group && job->scheme.group < job->cols))
        return swg_error(SWG_USAGE,
                         "tensor %s: method entropy has integer codes, one step per row and no "
                         "zero points",
                         job->name);
    return SWG_OK;
}

/* Steps within what the codes of the scheme reach: the largest weight of a row sets the least. */
static swg_status limit_steps(const swg_quantize_job *job, float *steps)
{
    const size_t k = (size_t)job->cols;
    swg_status status = SWG_OK;
    float *x;
    SWG_TRY(SWG_NEW_UNINIT(x, READ_ROWS * k));
    for (uint64_t row = 0; row < job->rows; row += READ_ROWS) {
        const uint64_t left = job->rows - row, n = left < READ_ROWS ? left : READ_ROWS;
        SWG_GO(job->read_rows(job->context, row, n, x));
        for (uint64_t r = 0; r < n; r++) {
            float largest = 0;
            for (size_t c = 0; c < k; c++) {
                const float size = fabsf(x[r * k + c]);
                if (!(size <= SWG_GRID_MAX_WEIGHT))
                    SWG_GO(swg_error(SWG_CORRUPT, "tensor %s, row %llu, column %zu: %g", job->name,
                                     (unsigned long long)(row + r), c, (double)x[r * k + c]));
                largest = size > largest ? size : largest;
            }
            steps[row + r] = swg_entropy_limited(steps[row + r], largest, job->scheme.bits);
        }
    }
done:
    swg_free(x);
    return status;
}

static swg_status row_steps(const swg_quantize_job *job, const swg_second_order *so, float *steps)
{
    double spread = 0;
    for (size_t i = 0; i < so->k; i++) {
        const double u = (double)so->factor[i * so->k + i];
        spread += 1 / (u * u) / (double)so->k;
    }
    swg_entropy_steps(job->sensitivity, spread / (double)job->stats->n_tokens,
                      swg_quantize_job_number(job, "loss", SWG_ENTROPY_LOSS), steps);
    return limit_steps(job, steps);
}

/* --- Tensors without an input: rounding alone ------------------------------------------------- */

typedef struct rounding {
    const swg_quantize_job *job;
    swg_quant_planes planes;
    const float *steps;
    swg_quant_stats *stats; /* one per block */
} rounding;

static swg_status round_block(void *context, size_t index)
{
    const rounding *r = context;
    const swg_quantize_job *job = r->job;
    const size_t k = (size_t)job->cols;
    const uint64_t begin = (uint64_t)index * READ_ROWS, left = job->rows - begin;
    const uint64_t n = left < READ_ROWS ? left : READ_ROWS;
    swg_status status = SWG_OK;
    float *x = NULL;
    uint8_t *codes = NULL;
    SWG_GO(SWG_NEW_UNINIT(x, READ_ROWS * k));
    SWG_GO(SWG_NEW_UNINIT(codes, k));
    SWG_GO(job->read_rows(job->context, begin, n, x));
    for (uint64_t i = 0; i < n; i++) {
        const swg_grid grid = swg_gptq_step_grid(job->scheme, r->steps[begin + i]);
        swg_quantize_job_mask_row(job, begin + i, x + i * k);
        swg_grid_encode(grid, x + i * k, k, codes);
        swg_quant_stats_measure(&r->stats[index], grid, x + i * k, codes, k);
        swg_quant_planes_store_grid(&r->planes, begin + i, 0, grid);
        swg_quant_planes_update(&r->planes, job, begin + i, 0, grid, codes);
        swg_quant_planes_store_codes(&r->planes, begin + i, codes);
    }
done:
    swg_free(codes);
    swg_free(x);
    return status;
}

static swg_status round_all(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                            swg_quant_stats *stats)
{
    const size_t n_blocks = (size_t)((job->rows - 1) / READ_ROWS + 1);
    rounding r = {.job = job, .planes = swg_quant_planes_view(job, planes)};
    swg_status status = SWG_OK;
    float *steps = NULL;
    SWG_GO(SWG_NEW_UNINIT(steps, job->rows));
    SWG_GO(SWG_NEW(r.stats, n_blocks));
    swg_entropy_steps(job->sensitivity, 0, swg_quantize_job_number(job, "loss", SWG_ENTROPY_LOSS),
                      steps);
    SWG_GO(limit_steps(job, steps));
    r.steps = steps;
    SWG_GO(swg_pool_for(job->pool, n_blocks, round_block, &r));
    for (size_t i = 0; i < n_blocks; i++)
        swg_quant_stats_add(stats, &r.stats[i]);
done:
    swg_free(r.stats);
    swg_free(steps);
    return status;
}

swg_status swg_quantize__entropy(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                                 swg_quant_stats *stats)
{
    const swg_gptq_options options = {
        .damping = swg_quantize_job_number(job, "damping", SWG_DAMPING_DEFAULT),
        .row_steps = row_steps};
    SWG_TRY(check(job));
    return job->stats ? swg_gptq_run(job, &options, planes, stats) : round_all(job, planes, stats);
}
