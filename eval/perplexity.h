/* Perplexity: exp of the mean negative log-likelihood per scored token, under a named protocol. */
#ifndef SWG_EVAL_PERPLEXITY_H
#define SWG_EVAL_PERPLEXITY_H

#include "eval/nll.h"
#include "runtime/exec.h"

/* Score all windows with a model that predicts the next token; the perplexity is exp(mean_nll).
 * Logits are float, their log-sum-exp and all sums double, in window order: the same for any thread
 * count. `exec` must hold the longest window; it is reset. `records` may be NULL. */
swg_status swg_perplexity_measure(swg_exec *exec, const swg_model *model, swg_pool *pool,
                                  const swg_windows *windows, swg_window_records *records,
                                  const swg_progress *progress, swg_score *out);

#endif
