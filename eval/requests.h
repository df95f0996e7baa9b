/* Latency as a user meets it: requests one after another, each a prompt that is read and tokens
 * that are generated after it, as MLPerf's single-stream scenario has them. */
#ifndef SWG_EVAL_REQUESTS_H
#define SWG_EVAL_REQUESTS_H

#include "runtime/base/progress.h"
#include "runtime/exec.h"

typedef struct swg_requests_options {
    size_t prompt;         /* tokens of a prompt, >= 1 */
    size_t generate;       /* tokens generated, >= 1: the first by reading the prompt */
    size_t requests;       /* measured, >= 1, after one that is not */
    uint64_t seed;         /* of the random token ids */
    double (*clock)(void); /* seconds; swg_clock_s, or a test's */
} swg_requests_options;

/* Times in ms, ascending. Free with swg_requests_deinit. */
typedef struct swg_requests {
    double *ttft; /* [n] from the beginning of a request to its first token */
    double *tpot; /* [n] per further token: (e2e - ttft) / (generate - 1); n_gaps 0: none */
    double *e2e;  /* [n] of whole requests */
    double *gaps; /* [n_gaps] between two tokens, of all requests */
    size_t n, n_gaps;
} swg_requests;

/* `exec`, of a model that predicts the next token, holds prompt + generate positions; it is reset.
 */
swg_status swg_requests_measure(swg_exec *exec, const swg_model *model,
                                const swg_requests_options *options, const swg_progress *progress,
                                swg_requests *out);
void swg_requests_deinit(swg_requests *requests);

/* A quantile with its 95 % interval; NaN where there are too few values for it. */
typedef struct swg_quantile_interval {
    double value, low, high;
} swg_quantile_interval;

/* The value is swg_quantile's. The interval is that between two order statistics, whatever the
 * distribution: the number of n values below the quantile is binomial, and either end is the
 * innermost one beyond which that number lies with a probability of at most 2.5 %. */
swg_quantile_interval swg_quantile_with_interval(const double *ascending, size_t n, double q);

#endif
