/* Perplexity: exp of the mean negative log-likelihood per scored token, under a named protocol. */
#ifndef SWG_EVAL_PERPLEXITY_H
#define SWG_EVAL_PERPLEXITY_H

#include "eval/windows.h"
#include "runtime/base/progress.h"
#include "runtime/exec.h"

typedef struct swg_perplexity {
    double perplexity;     /* exp(mean_nll) */
    double mean_nll;       /* nats a scored token */
    double standard_error; /* of mean_nll, windows taken as the independent units; 0 for one */
    uint64_t tokens_scored;
    size_t n_windows;
    double seconds;
} swg_perplexity;

/* Score all windows. Logits are float, their log-sum-exp and all sums double, in window order:
 * the same for any thread count. `exec` must hold the longest window; it is reset. */
swg_status swg_perplexity_measure(swg_exec *exec, const swg_model *model, swg_pool *pool,
                                  const swg_windows *windows, const swg_progress *progress,
                                  swg_perplexity *out);

#endif
