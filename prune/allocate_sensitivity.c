/* Measured sensitivity: for each matrix the divergence that its zeros are expected to cost,
 * 1/2 sum_i F_i (D H D^T)_ii / n_tokens nats per token (runtime/sensitivity.h), with Wanda's zeros
 * at several ratios; then weights are taken step by step where it grows least per weight, until the
 * total is reached. Relative errors of outputs would not do: layers differ a thousandfold in what
 * an error of theirs does to the predictions. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "prune/allocate.h"
#include "prune/mask.h"
#include "prune/wanda_scores.h"
#include "runtime/base/mem.h"
#include "runtime/sensitivity.h"

/* Ratios at which errors are measured: multiples of 1 / POINTS up to SWG_ALLOCATION_MOST. Between
 * them the error is taken as linear, and steps are this many times finer. */
enum { POINTS = 10, FINER = 20, ROWS = 64 };

/* Windows of the text that sensitivity is measured on. */
enum { MAX_WINDOWS = 16 };

/* A matrix's ratio differs from the plan's by at most this: expected divergences hold for small
 * errors, and do not know that the layers that follow are pruned for what they get. */
static const double reach = 0.1;

typedef struct curve {
    double error[POINTS + 1]; /* nats per token */
} curve;

typedef struct sensitivity {
    const swg_allocation_job *job;
    swg_sensitivity *measured;
    curve *curves; /* [n_entries] */
} sensitivity;

/* The matrix whose error is being measured: rows of d, and their sums of F d H d. */
typedef struct quadratic {
    const float *d, *hessian;
    const double *fisher; /* [rows] */
    size_t rows, k;
    double n_tokens;
    double *sums; /* one per block of rows */
} quadratic;

static swg_status add_rows(void *context, size_t index)
{
    const quadratic *q = context;
    const size_t row = index * ROWS, n = q->rows - row < ROWS ? q->rows - row : ROWS, k = q->k;
    const float *d = q->d + row * k;
    float *product;
    SWG_TRY(SWG_NEW_UNINIT(product, n * k));
    swg_sgemm_nt(n, k, k, d, k, q->hessian, k, product, k);
    q->sums[index] = 0;
    for (size_t i = 0; i < n * k; i++)
        q->sums[index] += q->fisher[row + i / k] * (double)d[i] * (double)product[i];
    swg_free(product);
    return SWG_OK;
}

/* What the change d of a matrix costs: 1/2 sum F d H d per token. */
static swg_status cost_of(const swg_allocation_job *job, quadratic q, double *out)
{
    const size_t n_items = swg_ceil_div(q.rows, ROWS);
    SWG_TRY(SWG_NEW(q.sums, n_items));
    const swg_status status = swg_pool_for(job->pool, n_items, add_rows, &q);
    *out = 0;
    for (size_t i = 0; i < n_items; i++)
        *out += q.sums[i] / (2 * q.n_tokens);
    swg_free(q.sums);
    return status;
}

static swg_status measure(const sensitivity *s, const swg_prune_job *job, const float *w,
                          float *scores, float *d, bool *is_zero, curve *out)
{
    const size_t n = job->rows * job->cols;
    const swg_row_sensitivity *rows = swg_sensitivity_find(s->measured, job->name);
    if (!rows || !rows->product)
        return swg_error(SWG_UNSUPPORTED,
                         "tensor %s: how sensitive the predictions are to it is not known",
                         job->name);
    const quadratic q = {.d = d,
                         .hessian = job->stats->hessian,
                         .fisher = rows->product,
                         .rows = job->rows,
                         .k = job->cols,
                         .n_tokens = (double)job->stats->n_tokens};
    SWG_TRY(swg_wanda_scores(job, w, scores));
    for (int point = 1; point <= POINTS; point++) {
        const double ratio = fmin((double)point / POINTS, SWG_ALLOCATION_MOST);
        const swg_sparsity sparsity = {.ratio = ratio, .block = job->sparsity.block};
        memset(is_zero, 0, n * sizeof *is_zero);
        SWG_TRY(swg_mask_choose(sparsity, SWG_PRUNE_BY_ROW, scores, job->rows, job->cols, is_zero));
        for (size_t i = 0; i < n; i++)
            d[i] = is_zero[i] ? w[i] : 0;
        SWG_TRY(cost_of(s->job, q, &out->error[point]));
    }
    return SWG_OK;
}

static swg_status see_matrix(void *context, size_t entry, size_t layer, const float *w,
                             const swg_layer_stats *stats)
{
    (void)layer;
    sensitivity *s = context;
    const swg_plan_entry *planned = &s->job->plan->entries[entry];
    const swg_prune_job job = {.name = planned->desc.name,
                               .rows = (size_t)planned->desc.shape[0],
                               .cols = (size_t)planned->desc.shape[1],
                               .sparsity = planned->sparsity,
                               .stats = stats};
    const size_t n = job.rows * job.cols;
    float *scores = NULL, *d = NULL;
    bool *is_zero = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(scores, n));
    SWG_GO(SWG_NEW_UNINIT(d, n));
    SWG_GO(SWG_NEW_UNINIT(is_zero, n));
    SWG_GO(measure(s, &job, w, scores, d, is_zero, &s->curves[entry]));
done:
    swg_free(is_zero);
    swg_free(d);
    swg_free(scores);
    return status;
}

/* How much a further step from `ratio` costs per weight. */
static double slope(const curve *c, double ratio, double elems)
{
    const int point = (int)(ratio * POINTS + 1e-9);
    return (c->error[point + 1] - c->error[point]) * POINTS / elems;
}

/* What each matrix loses in any case is taken off the total. */
static double begin(const swg_plan *plan, double total, double *ratios)
{
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        if (swg_sparsity_is_dense(entry->sparsity))
            continue;
        ratios[i] = fmax(0, entry->sparsity.ratio - reach);
        total -= ratios[i] * (double)swg_tensor_elems(&entry->desc);
    }
    return total;
}

static void choose(const sensitivity *s, double total, double *ratios)
{
    const swg_plan *plan = s->job->plan;
    const double step = 1.0 / (POINTS * FINER);
    total = begin(plan, total, ratios);
    while (total > 0) {
        size_t best = SIZE_MAX;
        double least = INFINITY;
        for (size_t i = 0; i < plan->n_entries; i++) {
            const swg_sparsity sparsity = plan->entries[i].sparsity;
            const double n = (double)swg_tensor_elems(&plan->entries[i].desc);
            if (swg_sparsity_is_dense(sparsity) ||
                ratios[i] + step > fmin(SWG_ALLOCATION_MOST, sparsity.ratio + reach))
                continue;
            const double cost = slope(&s->curves[i], ratios[i], n);
            best = cost < least ? i : best;
            least = fmin(cost, least);
        }
        if (best == SIZE_MAX)
            return; /* all have lost the most that they may */
        const double n = (double)swg_tensor_elems(&plan->entries[best].desc);
        const double taken = fmin(step, total / n);
        ratios[best] += taken;
        total -= taken * n;
    }
}

swg_status swg_allocate__sensitivity(const swg_allocation_job *job, double total, double *ratios)
{
    swg_sensitivity_options options = swg_sensitivity_options_default();
    const size_t windows = job->text->n_windows < MAX_WINDOWS ? job->text->n_windows : MAX_WINDOWS;
    sensitivity s = {.job = job};
    swg_status status = SWG_OK;
    options.pool = job->pool;
    options.progress = job->progress;
    SWG_GO(SWG_NEW(s.curves, job->plan->n_entries));
    SWG_GO(swg_sensitivity_measure(job->source, job->text->ids, windows, job->text->window,
                                   &options, &s.measured));
    SWG_GO(swg_allocation_visit(job, true, see_matrix, &s));
    choose(&s, total, ratios);
done:
    swg_sensitivity_free(&s.measured);
    swg_free(s.curves);
    return status;
}
