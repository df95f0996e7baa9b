/* Pseudo-log-likelihood of masked language models (Salazar et al. 2020): each token is masked in
 * turn, and the log-probabilities that the model gives to the original tokens are added up. It is
 * not a perplexity - the tokens on both sides are known - and is never called one. */
#ifndef SWG_EVAL_PLL_H
#define SWG_EVAL_PLL_H

#include "eval/nll.h"
#include "runtime/exec.h"

/* Score all windows with an encoder that fills in masked tokens: one pass per scored token, with
 * `mask` in its place. mean_nll is minus the mean pseudo-log-likelihood per token. The same for any
 * thread count. `exec` must hold the longest window; `records` may be NULL. */
swg_status swg_pll_measure(swg_exec *exec, const swg_model *model, int32_t mask,
                           const swg_windows *windows, swg_window_records *records,
                           const swg_progress *progress, swg_score *out);

#endif
