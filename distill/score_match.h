/* Losses between the attention scores of a layer of the student and one of the teacher (losses.def,
 * SCORES), head by head: the products of queries and keys as they enter the softmax, for the keys
 * that a query sees. Heads of both are paired by number, so they must be as many; their widths, the
 * heads that share a key and the scales may differ. */
#ifndef SWG_DISTILL_SCORE_MATCH_H
#define SWG_DISTILL_SCORE_MATCH_H

#include "distill/losses.h"
#include "runtime/base/thread.h"
#include "runtime/exec.h"

/* *loss = the sum over all queries of `share` times the mean over their heads of the losses times
 * their weights. Adds its slopes to dq and dk, shaped as the student's q and k. The rows of both are
 * texts of `window` tokens. SWG_USAGE when the heads are not as many, naming both numbers;
 * SWG_NO_MEMORY. */
swg_status swg_score_match_take(const swg_scored *student, const swg_scored *teacher, size_t window,
                                const double weights[SWG_LOSS_COUNT], double share, swg_pool *pool,
                                float *dq, float *dk, double *loss);

#endif
