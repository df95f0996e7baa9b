/* Scores of windows: see nll.h. */
#include "eval/nll.h"

#include <math.h>

#include "eval/window_records.h"
#include "kernels/kernels.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

swg_status swg_nll(const float *logits, size_t n, size_t target, double *out)
{
    const swg_kernels *kernels;
    double log_sum;
    SWG_TRY(swg_kernels_best(&kernels));
    kernels->log_sum_exp(logits, n, &log_sum);
    const double nll = log_sum - (double)logits[target];
    if (!isfinite(nll))
        return swg_error(SWG_FAILED, "the model's logits are not finite: its weights are damaged "
                                     "or too coarse; `swage verify` names tensors that hold NaN "
                                     "or infinity");
    *out = nll;
    return SWG_OK;
}

swg_status swg_scoring_advance(swg_scoring *scoring, uint64_t tokens)
{
    scoring->done += tokens;
    return swg_progress_step(scoring->progress, "scoring", "tokens", scoring->done, scoring->total);
}

/* The weight of a window, and its sum scaled to that weight: the sum itself where every scored
 * token counts. */
static double weight_of(const swg_window *window)
{
    return (double)(window->n_scored - window->n_uncounted);
}

static double weighted(double sum, const swg_window *window)
{
    return window->n_uncounted ? sum / (double)window->n_scored * weight_of(window) : sum;
}

double swg_window_mean(const double *sums, const swg_windows *windows)
{
    double total = 0, weight = 0;
    for (size_t i = 0; i < windows->n_windows; i++) {
        total += weighted(sums[i], &windows->windows[i]);
        weight += weight_of(&windows->windows[i]);
    }
    return total / weight;
}

double swg_window_standard_error(const double *sums, const swg_windows *windows, double mean)
{
    const size_t n = windows->n_windows;
    double squares = 0, weight = 0;
    for (size_t i = 0; i < n; i++) {
        const swg_window *window = &windows->windows[i];
        const double residual = weighted(sums[i], window) - mean * weight_of(window);
        squares += residual * residual;
        weight += weight_of(window);
    }
    return n < 2 ? NAN : sqrt(squares * (double)n / (double)(n - 1)) / weight;
}

/* Mean of as many windows as there are, drawn with replacement. */
static double resampled_mean(const double *sums, const swg_windows *windows, swg_rng *rng)
{
    double total = 0, weight = 0;
    for (size_t i = 0; i < windows->n_windows; i++) {
        const size_t drawn = (size_t)(swg_rng_uniform(rng) * (double)windows->n_windows);
        total += weighted(sums[drawn], &windows->windows[drawn]);
        weight += weight_of(&windows->windows[drawn]);
    }
    return weight > 0 ? total / weight : 0;
}

swg_status swg_window_bootstrap(const double *sums, const swg_windows *windows, swg_interval *out)
{
    enum { RESAMPLES = 2000, SEED = 1 };
    *out = (swg_interval){NAN, NAN};
    if (windows->n_windows < 2)
        return SWG_OK;
    double *means;
    SWG_TRY(SWG_NEW_UNINIT(means, RESAMPLES));
    swg_rng rng = swg_rng_seeded(SEED);
    for (size_t i = 0; i < RESAMPLES; i++)
        means[i] = resampled_mean(sums, windows, &rng);
    *out = swg_interval_of(means, RESAMPLES);
    swg_free(means);
    return SWG_OK;
}

/* The record of a window: from the file, or measured and added to it. */
static swg_status score_window(const swg_window_scorer *scorer, swg_scoring *scoring, size_t index,
                               swg_window_record *out)
{
    const swg_window *window = &scoring->windows->windows[index];
    if (scorer->records && index < swg_window_records_count(scorer->records)) {
        *out = *swg_window_records_at(scorer->records, index);
        return swg_scoring_advance(scoring, window->n_scored);
    }
    SWG_TRY(scorer->score(scorer->context, scoring, window, out));
    return scorer->records ? swg_window_records_add(scorer->records, index, out) : SWG_OK;
}

swg_status swg_score_windows(const swg_windows *windows, const swg_window_scorer *scorer,
                             const swg_progress *progress, swg_score *out)
{
    swg_status status = SWG_OK;
    double *sums = NULL, total = 0;
    swg_scoring scoring = {.windows = windows, .progress = progress};
    for (size_t i = 0; i < windows->n_windows; i++)
        scoring.total += windows->windows[i].n_scored;
    SWG_GO(SWG_NEW(sums, windows->n_windows));
    SWG_GO(swg_scoring_advance(&scoring, 0));
    for (size_t i = 0; i < windows->n_windows; i++) {
        swg_window_record record = {0};
        SWG_GO(score_window(scorer, &scoring, i, &record));
        if (scorer->take)
            scorer->take(scorer->context, i, &record);
        sums[i] = scorer->compares ? record.kld : record.nll;
        total += sums[i];
    }
    swg_score score = {.n_windows = windows->n_windows, .tokens_scored = scoring.total};
    score.mean_nll = swg_window_mean(sums, windows);
    score.mean_nll_by_token = total / (double)scoring.total;
    score.perplexity = exp(score.mean_nll);
    score.standard_error = swg_window_standard_error(sums, windows, score.mean_nll);
    SWG_GO(swg_window_bootstrap(sums, windows, &score.interval));
    *out = score;
done:
    swg_free(sums);
    return status;
}
