/* How far a model's predictions are from those of a reference: both read the same text in lockstep,
 * and at every scored position two whole distributions are compared. No logits are stored, only one
 * number per scored token and figure.
 *
 * With p the reference's distribution over the vocabulary and q the model's, a position's
 * divergence is KL(p || q) = sum p (log p - log q) in nats: exactly 0 when the logits are equal,
 * and never below the rounding of the sum (-1e-9). */
#ifndef SWG_EVAL_LOCKSTEP_H
#define SWG_EVAL_LOCKSTEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "eval/compare.h"
#include "eval/window_records.h"
#include "runtime/base/progress.h"
#include "runtime/exec.h"

/* One scored position. */
typedef struct swg_divergence_row {
    double kld;          /* nats */
    double nll, nll_ref; /* of the token that follows, nats */
    bool same_top;       /* both find the same token most likely (ties: the lower id) */
    bool top_in_five;    /* the reference's most likely token is among the model's five */
    bool hit, hit_ref;   /* the most likely token is the one that follows */
} swg_divergence_row;

/* Compare logits [n] with the reference's, summed in double in the order of the vocabulary.
 * SWG_FAILED when either is not finite, naming which. */
swg_status swg_divergence_compare(const float *logits, const float *logits_ref, size_t n,
                                  size_t target, swg_divergence_row *out);

typedef struct swg_divergence {
    double kld_mean, kld_standard_error; /* windows taken as the independent units */
    double kld_min, kld_median, kld_p90, kld_p99, kld_max;
    double top1_agreement, top1_standard_error;
    double top5_agreement;
    double perplexity, perplexity_ref;
    double log_ratio, log_ratio_standard_error; /* mean of nll - nll_ref; error of the paired
                                                   difference, by windows */
    swg_interval kld_interval, perplexity_interval;
    swg_comparison log_ratio_comparison; /* of the two perplexities */
    uint64_t hits_gained, hits_lost;     /* tokens that only the model, and only the reference,
                                            found most likely and that do follow */
    double mcnemar_p;                    /* of these two counts */
    uint64_t tokens_scored;
    size_t n_windows;
} swg_divergence;

/* Run both over all windows. The executions' models must have the same vocabulary size and hold the
 * longest window; both are reset. `pool` (may be NULL) shares out the rows: it is the one that both
 * executions use. Memory: logits of at most 32 MiB per model, and 16 bytes per scored token.
 * Results do not depend on the number of threads. `records` may be NULL. */
swg_status swg_divergence_measure(swg_exec *exec, swg_exec *exec_ref, size_t vocab, swg_pool *pool,
                                  const swg_windows *windows, swg_window_records *records,
                                  const swg_progress *progress, swg_divergence *out);

/* The reference's logits at all scored positions, from one measurement to the next on the same
 * windows: `logits` [scored][vocab] is the caller's memory, NULL = nothing is kept. */
typedef struct swg_reference_logits {
    float *logits;
    bool is_complete; /* filled: the reference need not run again */
} swg_reference_logits;

/* The same without records. Where *kept is complete, exec_ref may be NULL; otherwise it is filled.
 */
swg_status swg_divergence_measure_kept(swg_exec *exec, swg_exec *exec_ref, size_t vocab,
                                       swg_pool *pool, const swg_windows *windows,
                                       swg_reference_logits *kept, const swg_progress *progress,
                                       swg_divergence *out);

/* The q-quantile (0 <= q <= 1) of sorted values [n], n >= 1: linear between order statistics
 * (Hyndman and Fan 1996, type 7). */
double swg_sorted_quantile(const float *sorted, size_t n, double q);

#endif
