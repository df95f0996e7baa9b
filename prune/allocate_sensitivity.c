/* Measured sensitivity: for each matrix the relative error of its output, tr(D H D^T) / tr(W H
 * W^T), with Wanda's zeros at several ratios; then weights are taken step by step where the error
 * grows least per weight, until the total is reached. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "prune/allocate.h"
#include "prune/mask.h"
#include "prune/wanda_scores.h"
#include "runtime/base/mem.h"

/* Ratios at which errors are measured: multiples of 1 / POINTS up to SWG_ALLOCATION_MOST. Between
 * them the error is taken as linear, and steps are this many times finer. */
enum { POINTS = 10, FINER = 20, ROWS = 64 };

typedef struct curve {
    double error[POINTS + 1];
} curve;

typedef struct sensitivity {
    const swg_allocation_job *job;
    curve *curves; /* [n_entries] */
} sensitivity;

/* The matrix whose error is being measured: rows of d, and their sums of d H d. */
typedef struct quadratic {
    const float *d, *hessian;
    size_t rows, k;
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
        q->sums[index] += (double)d[i] * (double)product[i];
    swg_free(product);
    return SWG_OK;
}

static swg_status error_of(const swg_allocation_job *job, const swg_layer_stats *stats,
                           const float *d, size_t rows, double *out)
{
    const size_t n_items = swg_ceil_div(rows, ROWS);
    quadratic q = {.d = d, .hessian = stats->hessian, .rows = rows, .k = stats->k};
    SWG_TRY(SWG_NEW(q.sums, n_items));
    const swg_status status = swg_pool_for(job->pool, n_items, add_rows, &q);
    *out = 0;
    for (size_t i = 0; i < n_items; i++)
        *out += q.sums[i];
    swg_free(q.sums);
    return status;
}

static swg_status measure(sensitivity *s, const swg_prune_job *job, const float *w, float *scores,
                          float *d, bool *is_zero, curve *out)
{
    const size_t n = job->rows * job->cols;
    double whole = 0;
    SWG_TRY(swg_wanda_scores(job, w, scores));
    SWG_TRY(error_of(s->job, job->stats, w, job->rows, &whole));
    for (int point = 1; point <= POINTS; point++) {
        const double ratio = fmin((double)point / POINTS, SWG_ALLOCATION_MOST);
        const swg_sparsity sparsity = {.ratio = ratio, .block = job->sparsity.block};
        memset(is_zero, 0, n * sizeof *is_zero);
        SWG_TRY(swg_mask_choose(sparsity, SWG_PRUNE_BY_ROW, scores, job->rows, job->cols, is_zero));
        for (size_t i = 0; i < n; i++)
            d[i] = is_zero[i] ? w[i] : 0;
        SWG_TRY(error_of(s->job, job->stats, d, job->rows, &out->error[point]));
        out->error[point] = whole > 0 ? out->error[point] / whole : 0;
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

static void choose(const sensitivity *s, double total, double *ratios)
{
    const swg_plan *plan = s->job->plan;
    const double step = 1.0 / (POINTS * FINER);
    while (total > 0) {
        size_t best = SIZE_MAX;
        double least = INFINITY;
        for (size_t i = 0; i < plan->n_entries; i++) {
            const double n = (double)swg_tensor_elems(&plan->entries[i].desc);
            if (swg_sparsity_is_dense(plan->entries[i].sparsity) ||
                ratios[i] + step > SWG_ALLOCATION_MOST)
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
    sensitivity s = {.job = job};
    SWG_TRY(SWG_NEW(s.curves, job->plan->n_entries));
    const swg_status status = swg_allocation_visit(job, true, see_matrix, &s);
    if (status == SWG_OK)
        choose(&s, total, ratios);
    swg_free(s.curves);
    return status;
}
