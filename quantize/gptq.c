/* GPTQ and what follows it: second-order codes from the statistics of a layer's inputs. Every block
 * of rows is swept column by column (column_sweep.h) and improved by coordinate descent
 * (refine_codes.h), if wanted also learned (learned_rounding.h), and row by row compared with plain
 * rounding on importance-weighted grids. The best is kept: a row's output error never exceeds that
 * of round to nearest.
 *
 * Blocks have a fixed number of rows, and the sums over blocks a fixed order, so results do not
 * depend on the number of threads. They do depend on the BLAS: provenance names it. */
#include "quantize/gptq.h"

#include <string.h>

#include "quantize/column_sweep.h"
#include "quantize/methods.h"
#include "runtime/base/mem.h"

enum { BLOCK_ROWS = 128, DEFAULT_SWEEPS = 8 };

/* Scratch of one thread. */
typedef struct worker {
    swg_column_sweep sweep;
    swg_learner learner; /* if codes are learned */
    swg_refiner refiner;
    float *x;                      /* [BLOCK_ROWS][k] as read */
    float *target;                 /* the same, with zeros where the mask says so */
    bool *is_zero;                 /* [BLOCK_ROWS][k]: by the mask, or 0 already */
    uint8_t *codes, *plain_codes;  /* [BLOCK_ROWS][k] */
    swg_grid *grids, *plain_grids; /* [BLOCK_ROWS][n_groups] */
    swg_grid_space spaces[BLOCK_ROWS];
} worker;

typedef struct gptq {
    const swg_quantize_job *job;
    const swg_gptq_options *options;
    swg_quant_planes planes;
    swg_second_order so;    /* a view */
    float *steps;           /* [rows], or NULL: grids are searched */
    float *importance;      /* [k] mean x^2 */
    worker *workers;        /* [threads] */
    swg_quant_stats *stats; /* one per block */
} gptq;

double swg_quantize_job_number(const swg_quantize_job *job, const char *name, double fallback)
{
    const swg_parameter *p = swg_parameter_find(job->parameters, job->n_parameters, name);
    return p ? p->number : fallback;
}

swg_grid swg_gptq_step_grid(swg_scheme scheme, float step)
{
    const float stored = swg_grid_stored_scale(scheme.scale_type, 0, step);
    return (swg_grid){.scale = stored > 0 ? stored : step,
                      .zero = (uint8_t)swg_scheme_symmetric_zero(scheme),
                      .max_code = (uint8_t)((1u << scheme.bits) - 1)};
}

/* --- One block of rows ------------------------------------------------------------------------ */

/* The given grids of rows [row, row + n_rows). */
static void take_steps(const gptq *m, worker *w, uint64_t row, size_t n_rows)
{
    for (size_t r = 0; r < n_rows; r++)
        w->grids[r] = w->plain_grids[r] = swg_gptq_step_grid(m->job->scheme, m->steps[row + r]);
}

/* Round to nearest, on grids that weight columns by their importance unless they are given. */
static swg_status round_rows(const gptq *m, worker *w, size_t n_rows)
{
    const size_t k = m->so.k, group = m->so.group;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < m->so.n_groups; g++) {
            const size_t begin = g * group, left = k - begin, n = left < group ? left : group;
            const float *x = w->target + r * k + begin;
            swg_grid *grid = &w->plain_grids[r * m->so.n_groups + g];
            if (!m->steps)
                SWG_TRY(swg_grid_search(&w->spaces[r], x, m->importance + begin, n, grid));
            swg_grid_encode(*grid, x, n, w->plain_codes + r * k + begin);
        }
    return SWG_OK;
}

/* Improve the rows' codes in `codes` and `grids` by coordinate descent; their errors. */
static void refine(const gptq *m, worker *w, const swg_refine_options *options, size_t n_rows,
                   uint8_t *codes, swg_grid *grids, double *errors)
{
    swg_refine_stats refined = {0};
    swg_refine_codes(&w->refiner, &m->so, m->job->scheme.scale_type, options, w->x, w->is_zero,
                     n_rows, codes, grids, errors, &refined);
}

/* Take over the rows of the other candidate that have the smaller errors; returns how many. */
static size_t keep_better(const gptq *m, worker *w, size_t n_rows, double *errors,
                          const double *other_errors)
{
    const size_t k = m->so.k, n_groups = m->so.n_groups;
    size_t n = 0;
    for (size_t r = 0; r < n_rows; r++) {
        if (errors[r] <= other_errors[r])
            continue;
        n++;
        errors[r] = other_errors[r];
        memcpy(w->codes + r * k, w->plain_codes + r * k, k);
        memcpy(w->grids + r * n_groups, w->plain_grids + r * n_groups, n_groups * sizeof *w->grids);
    }
    return n;
}

/* Choose codes and grids of the rows in w->x: those that stay make up for what the mask removes. */
static swg_status choose_codes(const gptq *m, worker *w, size_t n_rows, swg_quant_stats *stats)
{
    const swg_refine_options measure = {.max_sweeps = 0};
    const swg_gptq_options *options = m->options;
    double errors[BLOCK_ROWS], others[BLOCK_ROWS];
    for (size_t r = 0; r < n_rows; r++)
        SWG_TRY(
            swg_quantize_job_space(m->job, w->target + r * m->so.k, m->importance, &w->spaces[r]));
    SWG_TRY(swg_column_sweep_run(&w->sweep, &m->so, w->spaces, w->x, w->is_zero, n_rows, w->codes,
                                 w->grids));
    refine(m, w, &options->refine, n_rows, w->codes, w->grids, errors);
    if (options->learning) {
        SWG_TRY(swg_learner_run(&w->learner, &m->so, w->spaces, m->importance, options->learning,
                                w->x, w->is_zero, n_rows, w->plain_codes, w->plain_grids));
        refine(m, w, &options->refine, n_rows, w->plain_codes, w->plain_grids, others);
        keep_better(m, w, n_rows, errors, others);
    }
    SWG_TRY(round_rows(m, w, n_rows));
    refine(m, w, &measure, n_rows, w->plain_codes, w->plain_grids, others);
    stats->n_fallback_rows += keep_better(m, w, n_rows, errors, others);
    for (size_t r = 0; r < n_rows; r++) {
        stats->plain_output_noise += others[r];
        stats->output_noise += errors[r];
    }
    return SWG_OK;
}

static void store_row(const gptq *m, const worker *w, size_t r, uint64_t row,
                      swg_quant_stats *stats)
{
    const size_t k = m->so.k, group = m->so.group;
    const uint8_t *codes = w->codes + r * k;
    for (size_t g = 0; g < m->so.n_groups; g++) {
        const size_t begin = g * group, left = k - begin, n = left < group ? left : group;
        const swg_grid grid = w->grids[r * m->so.n_groups + g];
        swg_quant_stats_measure(stats, grid, w->x + r * k + begin, codes + begin, n);
        swg_quant_planes_store_grid(&m->planes, row, g, grid);
        swg_quant_planes_update(&m->planes, m->job, row, g, grid, codes + begin);
    }
    swg_quant_planes_store_codes(&m->planes, row, codes);
}

static swg_status quantize_block(void *context, size_t index)
{
    const gptq *m = context;
    const swg_quantize_job *job = m->job;
    worker *w = &m->workers[swg_pool_thread_index()];
    const size_t k = m->so.k;
    const uint64_t begin = (uint64_t)index * BLOCK_ROWS, left = job->rows - begin;
    const size_t n_rows = left < BLOCK_ROWS ? (size_t)left : BLOCK_ROWS;
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted while quantizing tensor %s", job->name);
    SWG_TRY(job->read_rows(job->context, begin, n_rows, w->x));
    memcpy(w->target, w->x, n_rows * k * sizeof *w->x);
    for (size_t r = 0; r < n_rows; r++)
        swg_quantize_job_mask_row(job, begin + r, w->target + r * k);
    /* Zeros of a pruned checkpoint stay zeros. */
    for (size_t i = 0; i < n_rows * k; i++)
        w->is_zero[i] = w->target[i] == 0;
    if (m->steps)
        take_steps(m, w, begin, n_rows);
    const swg_status status = choose_codes(m, w, n_rows, &m->stats[index]);
    if (status != SWG_OK)
        return swg_error_context(status, "tensor %s, rows %llu to %llu", job->name,
                                 (unsigned long long)begin,
                                 (unsigned long long)(begin + n_rows - 1));
    for (size_t r = 0; r < n_rows; r++)
        store_row(m, w, r, begin + r, &m->stats[index]);
    return SWG_OK;
}

/* --- The matrix ------------------------------------------------------------------------------- */

static swg_status worker_init(worker *w, const gptq *m)
{
    const size_t k = m->so.k, n_groups = m->so.n_groups;
    SWG_TRY(swg_column_sweep_init(&w->sweep, &m->so, m->steps != NULL, BLOCK_ROWS));
    if (m->options->learning)
        SWG_TRY(swg_learner_init(&w->learner, &m->so, BLOCK_ROWS));
    SWG_TRY(swg_refiner_init(&w->refiner, &m->so, BLOCK_ROWS));
    SWG_TRY(SWG_NEW_UNINIT(w->x, BLOCK_ROWS * k));
    SWG_TRY(SWG_NEW_UNINIT(w->target, BLOCK_ROWS * k));
    SWG_TRY(SWG_NEW_UNINIT(w->is_zero, BLOCK_ROWS * k));
    SWG_TRY(SWG_NEW_UNINIT(w->codes, BLOCK_ROWS * k));
    SWG_TRY(SWG_NEW_UNINIT(w->plain_codes, BLOCK_ROWS * k));
    SWG_TRY(SWG_NEW_UNINIT(w->grids, BLOCK_ROWS * n_groups));
    return SWG_NEW_UNINIT(w->plain_grids, BLOCK_ROWS * n_groups);
}

static void worker_deinit(worker *w)
{
    swg_column_sweep_deinit(&w->sweep);
    swg_learner_deinit(&w->learner);
    swg_refiner_deinit(&w->refiner);
    swg_free(w->x);
    swg_free(w->target);
    swg_free(w->is_zero);
    swg_free(w->codes);
    swg_free(w->plain_codes);
    swg_free(w->grids);
    swg_free(w->plain_grids);
}

swg_status swg_gptq_run(const swg_quantize_job *job, const swg_gptq_options *options,
                        void *const planes[SWG_PLANE_KINDS], swg_quant_stats *stats)
{
    swg_status status = SWG_OK;
    const size_t n_threads = swg_pool_threads(job->pool);
    const size_t n_blocks = (size_t)((job->rows - 1) / BLOCK_ROWS + 1);
    swg_shared_factor own = {0};
    const swg_second_order *so;
    gptq m = {.job = job, .options = options, .planes = swg_quant_planes_view(job, planes)};
    if (!job->stats || !job->stats->hessian)
        return swg_error(SWG_FAILED,
                         "tensor %s: its method needs the second moments of the layer's inputs",
                         job->name);
    SWG_GO(swg_second_order_share(job->factor ? job->factor : &own, job->name, job->stats->hessian,
                                  (size_t)job->cols, m.planes.group, options->damping, &so));
    m.so = *so;
    if (options->row_steps) {
        SWG_GO(SWG_NEW(m.steps, job->rows));
        SWG_GO(options->row_steps(job, &m.so, m.steps));
    }
    SWG_GO(SWG_NEW(m.importance, m.so.k));
    if (!swg_layer_stats_importance(job->stats, m.importance))
        SWG_GO(swg_error(SWG_FAILED, "tensor %s: the importance of columns is missing", job->name));
    SWG_GO(SWG_NEW(m.stats, n_blocks));
    SWG_GO(SWG_NEW(m.workers, n_threads));
    for (size_t t = 0; t < n_threads; t++)
        SWG_GO(worker_init(&m.workers[t], &m));
    SWG_GO(swg_pool_for(job->pool, n_blocks, quantize_block, &m));
    for (size_t i = 0; i < n_blocks; i++)
        swg_quant_stats_add(stats, &m.stats[i]);
    stats->damping = m.so.damping;
    stats->n_attempts = m.so.n_attempts;
done:
    for (size_t t = 0; m.workers && t < n_threads; t++)
        worker_deinit(&m.workers[t]);
    swg_free(m.workers);
    swg_free(m.stats);
    swg_free(m.importance);
    swg_free(m.steps);
    swg_shared_factor_deinit(&own);
    return status;
}

swg_status swg_quantize__gptq(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                              swg_quant_stats *stats)
{
    const unsigned sweeps = (unsigned)swg_quantize_job_number(job, "sweeps", DEFAULT_SWEEPS);
    const swg_gptq_options options = {
        .damping = swg_quantize_job_number(job, "damping", SWG_DAMPING_DEFAULT),
        .refine = {.max_sweeps = sweeps, .tolerance = 1e-4}};
    return swg_gptq_run(job, &options, planes, stats);
}
