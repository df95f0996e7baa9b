/* What all scores of windows share: negative log-likelihoods of tokens, their mean over windows and
 * its standard error. */
#ifndef SWG_EVAL_NLL_H
#define SWG_EVAL_NLL_H

#include <stddef.h>
#include <stdint.h>

#include "eval/compare.h"
#include "eval/windows.h"
#include "runtime/base/progress.h"

/* -log softmax(logits [n])[target] in nats, summed in double. SWG_FAILED when it is not finite. */
swg_status swg_nll(const float *logits, size_t n, size_t target, double *out);

typedef struct swg_window_record swg_window_record; /* eval/window_records.h */
typedef struct swg_window_records swg_window_records;

typedef struct swg_score {
    double perplexity;        /* exp(mean_nll); of masked tokens the pseudo-perplexity */
    double mean_nll;          /* nats per scored token, windows weighted as their protocol says */
    double mean_nll_by_token; /* the same, every scored token with the same weight */
    double standard_error;    /* of mean_nll, windows taken as the independent units; NaN for one */
    swg_interval interval;    /* of mean_nll, by resampling windows */
    uint64_t tokens_scored;
    size_t n_windows;
} swg_score;

/* A scoring in progress. */
typedef struct swg_scoring {
    const swg_windows *windows;
    const swg_progress *progress;
    uint64_t done, total; /* scored tokens */
} swg_scoring;

/* How windows are scored. */
typedef struct swg_window_scorer {
    void *context;
    /* Add up one window's scored tokens, reporting progress piece by piece through
     * swg_scoring_advance. */
    swg_status (*score)(void *context, swg_scoring *scoring, const swg_window *window,
                        swg_window_record *out);
    /* What else becomes of every window's record, in order, whether it was measured or read from a
     * file; may be NULL. */
    void (*take)(void *context, size_t window, const swg_window_record *record);
    bool compares;               /* the mean is that of divergences, else of likelihoods */
    swg_window_records *records; /* where records go, and what it holds is not measured; or NULL */
} swg_window_scorer;

/* `tokens` more are scored. SWG_INTERRUPTED as swg_progress_step. */
swg_status swg_scoring_advance(swg_scoring *scoring, uint64_t tokens);

/* Score all windows, in order. */
swg_status swg_score_windows(const swg_windows *windows, const swg_window_scorer *scorer,
                             const swg_progress *progress, swg_score *out);

/* Mean per scored token of sums [n_windows], windows weighted as their protocol says; and its
 * standard error, that of a ratio of sums over windows, linearised. Windows, not tokens,
 * are taken as independent, because tokens of one window are not. The error of one window is not
 * known: NaN. */
double swg_window_mean(const double *sums, const swg_windows *windows);
/* The 95 % interval of that mean by the bootstrap (Efron 1979): windows, as blocks of tokens that
 * depend on each other, are drawn with replacement 2,000 times, and the 2.5 % and 97.5 % quantiles
 * of their means taken. Seeded: the same windows give the same interval. NaN for fewer than two
 * windows. SWG_NO_MEMORY. */
swg_status swg_window_bootstrap(const double *sums, const swg_windows *windows, swg_interval *out);
double swg_window_standard_error(const double *sums, const swg_windows *windows, double mean);

#endif
