/* Divergence in lockstep: see lockstep.h. Logits exist for one piece of a window at a time, so
 * memory does not grow with the context. */
#include "eval/lockstep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/nll.h"
#include "kernels/kernels.h"
#include "runtime/base/mem.h"

/* Logits of a piece stay below this, for each of the two models. */
static const size_t piece_bytes = (size_t)32 << 20;
enum { MAX_PIECE = 256 };

/* --- One position ----------------------------------------------------------------------------- */

/* A row of logits: its largest element, where it is, and log sum exp. */
typedef struct summary {
    size_t top;
    double log_sum;
} summary;

static swg_status summarise(const float *logits, size_t n, const char *whose, summary *out)
{
    const swg_kernels *kernels;
    size_t top = 0;
    SWG_TRY(swg_kernels_best(&kernels));
    for (size_t i = 1; i < n; i++)
        top = logits[i] > logits[top] ? i : top;
    *out = (summary){.top = top};
    kernels->log_sum_exp(logits, n, &out->log_sum);
    if (!isfinite(out->log_sum))
        return swg_error(SWG_FAILED,
                         "the %s's logits are not finite: its weights are damaged or too coarse; "
                         "`swage verify` names tensors that hold NaN or infinity",
                         whose);
    return SWG_OK;
}

swg_status swg_divergence_compare(const float *logits, const float *logits_ref, size_t n,
                                  size_t target, swg_divergence_row *out)
{
    summary q, p;
    SWG_TRY(summarise(logits, n, "model", &q));
    SWG_TRY(summarise(logits_ref, n, "reference", &p));
    double kld = 0;
    for (size_t i = 0; i < n; i++) {
        const double log_p = (double)logits_ref[i] - p.log_sum;
        const double log_q = (double)logits[i] - q.log_sum;
        kld += exp(log_p) * (log_p - log_q);
    }
    size_t above = 0; /* the model's logits before that of the reference's top */
    for (size_t i = 0; i < n; i++)
        above += logits[i] > logits[p.top] || (logits[i] == logits[p.top] && i < p.top);
    const double nll = q.log_sum - (double)logits[target];
    const double nll_ref = p.log_sum - (double)logits_ref[target];
    /* A logit of minus infinity leaves log sum exp finite. */
    if (!isfinite(kld) || !isfinite(nll) || !isfinite(nll_ref))
        return swg_error(SWG_FAILED, "logits of the model or of the reference are minus infinity; "
                                     "their divergence is not defined");
    *out = (swg_divergence_row){.kld = kld,
                                .nll = nll,
                                .nll_ref = nll_ref,
                                .same_top = p.top == q.top,
                                .top_in_five = above < 5,
                                .hit = q.top == target,
                                .hit_ref = p.top == target};
    return SWG_OK;
}

/* --- A text ----------------------------------------------------------------------------------- */

typedef struct lockstep {
    swg_exec *exec, *exec_ref;
    swg_pool *pool;
    const swg_windows *windows;
    size_t vocab, piece;
    float *logits, *logits_ref; /* [piece][vocab]; of the reference also where they are kept */
    swg_reference_logits *kept;
    swg_divergence_row *rows;   /* [piece] */
    const int32_t *targets;     /* of the piece's rows */
    float *klds;                /* of all scored tokens so far */
    size_t n_klds, n_same_top, n_in_five, n_gained, n_lost;
    double *kld_sums, *nll_sums, *nll_ref_sums, *difference_sums; /* [windows] */
} lockstep;

static swg_status compare_row(void *context, size_t row)
{
    const lockstep *l = context;
    return swg_divergence_compare(l->logits + row * l->vocab, l->logits_ref + row * l->vocab,
                                  l->vocab, (size_t)l->targets[row], &l->rows[row]);
}

/* The reference's logits of positions [first, n) of a piece; `scored` positions of the text came
 * before. */
static swg_status run_reference(lockstep *l, const int32_t *ids, size_t n, size_t first,
                                size_t scored)
{
    if (l->kept->logits)
        l->logits_ref = l->kept->logits + scored * l->vocab;
    return l->kept->is_complete ? SWG_OK : swg_exec_run(l->exec_ref, ids, n, first, l->logits_ref);
}

/* Add up the rows of a piece, in order; their divergences come after the n_klds of the window so
 * far. */
static void take_rows(const lockstep *l, size_t n, size_t n_klds, swg_window_record *sum)
{
    for (size_t i = 0; i < n; i++) {
        const swg_divergence_row *row = &l->rows[i];
        sum->klds[n_klds + i] = (float)row->kld;
        sum->same_top += row->same_top;
        sum->top_in_five += row->top_in_five;
        sum->hits_gained += row->hit && !row->hit_ref;
        sum->hits_lost += row->hit_ref && !row->hit;
        sum->kld += row->kld;
        sum->nll += row->nll;
        sum->nll_ref += row->nll_ref;
        sum->nll_difference += row->nll - row->nll_ref;
    }
}

static swg_status score_window(void *context, swg_scoring *scoring, const swg_window *window,
                               swg_window_record *out)
{
    lockstep *l = context;
    const int32_t *ids = scoring->windows->ids + window->begin;
    const size_t inputs = window->count - 1; /* the last token predicts nothing */
    const size_t first_row = window->first_scored - 1;
    size_t scored = 0;
    out->klds = l->klds + l->n_klds;
    swg_exec_reset(l->exec);
    if (!l->kept->is_complete)
        swg_exec_reset(l->exec_ref);
    for (size_t at = 0; at < inputs;) {
        const size_t n = inputs - at < l->piece ? inputs - at : l->piece;
        const size_t skipped = first_row > at ? first_row - at : 0;
        const size_t first = skipped < n ? skipped : n;
        SWG_TRY(run_reference(l, ids + at, n, first, l->n_klds + scored));
        SWG_TRY(swg_exec_run(l->exec, ids + at, n, first, l->logits));
        l->targets = ids + at + first + 1;
        SWG_TRY(swg_pool_for(l->pool, n - first, compare_row, l));
        take_rows(l, n - first, scored, out);
        SWG_TRY(swg_scoring_advance(scoring, n - first));
        scored += n - first;
        at += n;
    }
    return SWG_OK;
}

/* Records come in order; divergences of one that was read are copied to their place. */
static void take_record(void *context, size_t window, const swg_window_record *record)
{
    lockstep *l = context;
    const size_t n_scored = l->windows->windows[window].n_scored;
    memmove(l->klds + l->n_klds, record->klds, n_scored * sizeof *l->klds);
    l->n_klds += n_scored;
    l->n_same_top += record->same_top;
    l->n_in_five += record->top_in_five;
    l->n_gained += record->hits_gained;
    l->n_lost += record->hits_lost;
    l->kld_sums[window] = record->kld;
    l->nll_sums[window] = record->nll;
    l->nll_ref_sums[window] = record->nll_ref;
    l->difference_sums[window] = record->nll_difference;
}

/* --- Figures ---------------------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

double swg_sorted_quantile(const float *sorted, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t below = (size_t)at;
    if (below + 1 >= n)
        return (double)sorted[n - 1];
    const double part = at - (double)below;
    return (double)sorted[below] * (1 - part) + (double)sorted[below + 1] * part;
}

static swg_status summarise_text(lockstep *l, const swg_windows *windows, const swg_score *score,
                                 swg_divergence *out)
{
    const double n = (double)l->n_klds;
    const double agreement = (double)l->n_same_top / n;
    const double log_ratio = swg_window_mean(l->difference_sums, windows);
    qsort(l->klds, l->n_klds, sizeof *l->klds, compare_floats);
    *out = (swg_divergence){.kld_mean = score->mean_nll,
                            .kld_standard_error = score->standard_error,
                            .kld_min = (double)l->klds[0],
                            .kld_median = swg_sorted_quantile(l->klds, l->n_klds, 0.5),
                            .kld_p90 = swg_sorted_quantile(l->klds, l->n_klds, 0.9),
                            .kld_p99 = swg_sorted_quantile(l->klds, l->n_klds, 0.99),
                            .kld_max = (double)l->klds[l->n_klds - 1],
                            .top1_agreement = agreement,
                            .top1_standard_error = swg_share_standard_error(agreement, n),
                            .top5_agreement = (double)l->n_in_five / n,
                            .hits_gained = l->n_gained,
                            .hits_lost = l->n_lost,
                            .mcnemar_p = swg_mcnemar(l->n_gained, l->n_lost),
                            .perplexity = exp(swg_window_mean(l->nll_sums, windows)),
                            .perplexity_ref = exp(swg_window_mean(l->nll_ref_sums, windows)),
                            .log_ratio = log_ratio,
                            .log_ratio_standard_error =
                                swg_window_standard_error(l->difference_sums, windows, log_ratio),
                            .tokens_scored = l->n_klds,
                            .n_windows = windows->n_windows};
    out->log_ratio_comparison =
        swg_compare_difference(log_ratio, out->log_ratio_standard_error, windows->n_windows);
    SWG_TRY(swg_window_bootstrap(l->kld_sums, windows, &out->kld_interval));
    SWG_TRY(swg_window_bootstrap(l->nll_sums, windows, &out->perplexity_interval));
    out->perplexity_interval.low = exp(out->perplexity_interval.low);
    out->perplexity_interval.high = exp(out->perplexity_interval.high);
    return SWG_OK;
}

static swg_status lockstep_init(lockstep *l, const swg_windows *windows)
{
    uint64_t scored = 0;
    for (size_t i = 0; i < windows->n_windows; i++)
        scored += windows->windows[i].n_scored;
    l->piece = piece_bytes / (l->vocab * sizeof(float));
    l->piece = l->piece < 1 ? 1 : l->piece > MAX_PIECE ? MAX_PIECE : l->piece;
    SWG_TRY(SWG_NEW_UNINIT(l->logits, l->piece * l->vocab));
    if (!l->kept->logits)
        SWG_TRY(SWG_NEW_UNINIT(l->logits_ref, l->piece * l->vocab));
    SWG_TRY(SWG_NEW(l->rows, l->piece));
    SWG_TRY(SWG_NEW_UNINIT(l->klds, scored));
    SWG_TRY(SWG_NEW(l->kld_sums, windows->n_windows));
    SWG_TRY(SWG_NEW(l->nll_sums, windows->n_windows));
    SWG_TRY(SWG_NEW(l->nll_ref_sums, windows->n_windows));
    return SWG_NEW(l->difference_sums, windows->n_windows);
}

static swg_status measure(lockstep *l, swg_window_records *records, const swg_progress *progress,
                          swg_divergence *out)
{
    swg_status status = SWG_OK;
    swg_score score;
    const swg_window_scorer scorer = {.context = l,
                                      .score = score_window,
                                      .take = take_record,
                                      .compares = true,
                                      .records = records};
    SWG_GO(lockstep_init(l, l->windows));
    SWG_GO(swg_score_windows(l->windows, &scorer, progress, &score));
    SWG_GO(summarise_text(l, l->windows, &score, out));
    l->kept->is_complete = l->kept->logits != NULL;
done:
    swg_free(l->difference_sums);
    swg_free(l->nll_ref_sums);
    swg_free(l->nll_sums);
    swg_free(l->kld_sums);
    swg_free(l->klds);
    swg_free(l->rows);
    if (!l->kept->logits)
        swg_free(l->logits_ref);
    swg_free(l->logits);
    return status;
}

swg_status swg_divergence_measure(swg_exec *exec, swg_exec *exec_ref, size_t vocab, swg_pool *pool,
                                  const swg_windows *windows, swg_window_records *records,
                                  const swg_progress *progress, swg_divergence *out)
{
    swg_reference_logits none = {0};
    lockstep l = {.exec = exec,
                  .exec_ref = exec_ref,
                  .pool = pool,
                  .windows = windows,
                  .vocab = vocab,
                  .kept = &none};
    return measure(&l, records, progress, out);
}

swg_status swg_divergence_measure_kept(swg_exec *exec, swg_exec *exec_ref, size_t vocab,
                                       swg_pool *pool, const swg_windows *windows,
                                       swg_reference_logits *kept, const swg_progress *progress,
                                       swg_divergence *out)
{
    lockstep l = {.exec = exec,
                  .exec_ref = exec_ref,
                  .pool = pool,
                  .windows = windows,
                  .vocab = vocab,
                  .kept = kept};
    return measure(&l, NULL, progress, out);
}
