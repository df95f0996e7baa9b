/* Gradual: the zeros of each row are chosen in rounds, a few more each time, and after every round
 * the weights that stay are refitted (refit.h), so that each choice sees what the weights have
 * become. A weight costs w^2 / diag(H^-1), the error of removing it alone once all others have made
 * up for it (Hassibi and Stork 1992, "Optimal Brain Surgeon"). What a weight costs changes with
 * every removal; a single choice of half of them is blind to that.
 *
 * Within a round all weights compete anew, those that were removed before at cost 0. N:M patterns
 * are approached in the same way: only the M - N cheapest of M neighbours compete. */
#include <math.h>
#include <string.h>

#include "prune/mask.h"
#include "prune/refit.h"
#include "quantize/method_words.h"
#include "quantize/second_order.h"
#include "runtime/base/mem.h"

enum { DEFAULT_ROUNDS = 16, DEFAULT_STEPS = 4, LAST_STEPS = 24 };

typedef struct gradual {
    const swg_prune_job *job;
    swg_refit refit;
    float *costs;     /* [k] of a change of 1 */
    float *scores;    /* [n][k] */
    float *target;    /* [n][k] */
    bool *stays_zero; /* [n][k] removed, or 0 from the beginning */
    bool *may_go;     /* [n][k] of an N:M pattern */
} gradual;

/* 1 / diag(H^-1), from H^-1 = U^T U in processing order. */
static swg_status find_costs(gradual *g, double damping)
{
    const swg_prune_job *job = g->job;
    const size_t k = job->cols;
    swg_second_order so;
    SWG_TRY(swg_second_order_init(&so, job->name, job->stats->hessian, k, 1, damping));
    swg_prune_note_damping(job->name, damping, so.damping);
    for (size_t i = 0; i < k; i++) {
        double inverse = 0;
        for (size_t r = 0; r <= i; r++)
            inverse += (double)so.factor[r * k + i] * (double)so.factor[r * k + i];
        g->costs[so.order[i]] = (float)(1 / inverse);
    }
    const swg_status status = swg_refit_init(&g->refit, job->stats->hessian, k, so.damping);
    swg_second_order_deinit(&so);
    return status;
}

/* At most M - N of M neighbours may go; the cheapest of those in the row do. */
static swg_status choose_neighbours(gradual *g, double share, bool *is_zero)
{
    const swg_prune_job *job = g->job;
    const size_t n = job->rows * job->cols;
    const uint64_t zeros = swg_sparsity_zeros(job->sparsity, SWG_PRUNE_BY_ROW, 1, job->cols);
    memset(g->may_go, 0, n * sizeof *g->may_go);
    SWG_TRY(swg_mask_choose(job->sparsity, SWG_PRUNE_BY_ROW, g->scores, job->rows, job->cols,
                            g->may_go));
    for (size_t i = 0; i < n; i++)
        if (!g->may_go[i])
            g->scores[i] = INFINITY;
    for (size_t r = 0; r < job->rows; r++)
        SWG_TRY(swg_mask_lowest(g->scores + r * job->cols, job->cols,
                                (size_t)floor((double)zeros * share), is_zero + r * job->cols));
    return SWG_OK;
}

/* Choose `share` of the zeros. */
static swg_status choose(gradual *g, double share, const float *w, bool *is_zero)
{
    const swg_prune_job *job = g->job;
    const size_t n = job->rows * job->cols;
    swg_sparsity part = job->sparsity;
    part.ratio *= share;
    for (size_t i = 0; i < n; i++)
        g->scores[i] = w[i] == 0 ? SWG_SCORE_ZERO : w[i] * w[i] * g->costs[i % job->cols];
    memset(is_zero, 0, n * sizeof *is_zero);
    SWG_TRY(
        part.m ? choose_neighbours(g, share, is_zero)
               : swg_mask_choose(part, SWG_PRUNE_BY_ROW, g->scores, job->rows, job->cols, is_zero));
    for (size_t i = 0; i < n; i++)
        g->stays_zero[i] = is_zero[i] || g->target[i] == 0;
    return SWG_OK;
}

static swg_status run(gradual *g, float *w, bool *is_zero)
{
    const swg_prune_job *job = g->job;
    const size_t n = job->rows * job->cols, n_parameters = job->n_parameters;
    const unsigned rounds =
        (unsigned)swg_method_number(job->parameters, n_parameters, "rounds", DEFAULT_ROUNDS);
    const unsigned steps =
        (unsigned)swg_method_number(job->parameters, n_parameters, "steps", DEFAULT_STEPS);
    memcpy(g->target, w, n * sizeof *w);
    for (unsigned round = 1; round <= rounds; round++) {
        const bool is_last = round == rounds;
        SWG_TRY(choose(g, is_last ? 1 : (double)round / rounds, w, is_zero));
        swg_mask_apply(is_zero, n, w);
        SWG_TRY(swg_refit_run(&g->refit, g->target, g->stays_zero, job->rows,
                              is_last ? LAST_STEPS : steps, job->pool, w));
    }
    return SWG_OK;
}

swg_status swg_prune__gradual(const swg_prune_job *job, float *w, bool *is_zero)
{
    const size_t n = job->rows * job->cols;
    const double damping =
        swg_method_number(job->parameters, job->n_parameters, "damping", SWG_DAMPING_DEFAULT);
    swg_status status = SWG_OK;
    gradual g = {.job = job};
    if (!job->stats->hessian)
        return swg_error(SWG_FAILED,
                         "tensor %s: method gradual needs the second moments of the layer's inputs",
                         job->name);
    SWG_GO(SWG_NEW(g.costs, job->cols));
    SWG_GO(SWG_NEW_UNINIT(g.scores, n));
    SWG_GO(SWG_NEW_UNINIT(g.target, n));
    SWG_GO(SWG_NEW(g.stays_zero, n));
    if (job->sparsity.m)
        SWG_GO(SWG_NEW(g.may_go, n));
    SWG_GO(find_costs(&g, damping));
    SWG_GO(run(&g, w, is_zero));
done:
    swg_refit_deinit(&g.refit);
    swg_free(g.costs);
    swg_free(g.scores);
    swg_free(g.target);
    swg_free(g.stays_zero);
    swg_free(g.may_go);
    return status;
}
