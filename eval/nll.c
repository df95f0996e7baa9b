/* Scores of windows: see nll.h. */
#include "eval/nll.h"

#include <math.h>

#include "runtime/base/mem.h"

swg_status swg_nll(const float *logits, size_t n, size_t target, double *out)
{
    float largest = logits[0];
    for (size_t i = 1; i < n; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - (double)largest);
    const double nll = log(sum) + (double)largest - (double)logits[target];
    if (!isfinite(nll))
        return swg_error(SWG_FAILED, "the model's logits are not finite; its weights are damaged "
                                     "or too coarse");
    *out = nll;
    return SWG_OK;
}

swg_status swg_scoring_advance(swg_scoring *scoring, uint64_t tokens)
{
    scoring->done += tokens;
    return swg_progress_step(scoring->progress, "scoring", "tokens", scoring->done, scoring->total);
}

double swg_window_standard_error(const double *sums, const swg_windows *windows, double mean)
{
    const size_t n = windows->n_windows;
    double squares = 0;
    uint64_t scored = 0;
    for (size_t i = 0; i < n; i++) {
        const double residual = sums[i] - mean * (double)windows->windows[i].n_scored;
        squares += residual * residual;
        scored += windows->windows[i].n_scored;
    }
    return n < 2 ? 0 : sqrt(squares * (double)n / (double)(n - 1)) / (double)scored;
}

swg_status swg_score_windows(const swg_windows *windows, swg_window_scorer *scorer, void *context,
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
        SWG_GO(scorer(context, &scoring, &windows->windows[i], &sums[i]));
        total += sums[i];
    }
    swg_score score = {.n_windows = windows->n_windows, .tokens_scored = scoring.total};
    score.mean_nll = total / (double)scoring.total;
    score.perplexity = exp(score.mean_nll);
    score.standard_error = swg_window_standard_error(sums, windows, score.mean_nll);
    *out = score;
done:
    swg_free(sums);
    return status;
}
