/* Speed of a model on this machine: prefill and decode rates, and the time of every token. */
#ifndef SWG_EVAL_LATENCY_H
#define SWG_EVAL_LATENCY_H

#include <stdbool.h>

#include "runtime/base/progress.h"
#include "runtime/exec.h"

typedef struct swg_latency_options {
    size_t prompt;   /* tokens of a prefill (encoders: of the text); 0 = none is measured */
    size_t generate; /* tokens decoded one by one; 0 = none, as required for encoders */
    size_t depth;    /* tokens in the cache before decoding begins */
    size_t repeats;  /* of both, >= 1; after one warm-up that is not counted */
    uint64_t seed;   /* of the random token ids */
} swg_latency_options;

/* Rates are medians over the repeats, with the slowest and fastest. */
typedef struct swg_rate {
    double median, least, most;
} swg_rate;

/* Of n >= 1 rates, which are sorted. */
swg_rate swg_rate_of(double *rates, size_t n);

typedef struct swg_latency {
    swg_rate prefill_tokens_per_s, decode_tokens_per_s; /* 0 where not measured */
    double *token_ms; /* [n_tokens] times of all decoded tokens, ascending */
    size_t n_tokens;
} swg_latency;

/* `exec` must hold max(prompt, depth + generate) positions; it is reset. SWG_UNSUPPORTED for
 * decoding with an encoder, SWG_FAILED when the logits are not finite. Free with
 * swg_latency_deinit. */
swg_status swg_latency_measure(swg_exec *exec, const swg_model *model,
                               const swg_latency_options *options, const swg_progress *progress,
                               swg_latency *out);
void swg_latency_deinit(swg_latency *latency);

/* Sort from the least to the most. */
void swg_sort_ascending(double *values, size_t n);

/* How many of ascending values lie more than ten robust standard deviations (1.4826 times the
 * median distance from the median) from their median: what something else on the machine did. 0 for
 * fewer than ten values. SWG_NO_MEMORY. */
swg_status swg_count_outliers(const double *ascending, size_t n, size_t *out);

/* The q-quantile (0 to 1) of ascending values, nearest rank. False when there are too few for it
 * to mean anything: fewer than one value is expected beyond it. */
bool swg_quantile(const double *ascending, size_t n, double q, double *out);

#endif
