/* Choosing exactly so many weights by their scores. */
#ifndef SWG_PRUNE_MASK_H
#define SWG_PRUNE_MASK_H

#include "prune/prune.h"

/* Score of a weight that is 0 already: removed before all others. Other scores are >= 0. */
#define SWG_SCORE_ZERO (-1.0f)

/* Mark in is_zero [rows][cols] what a sparsity removes of a matrix (or a part of one) with these
 * scores: the lowest within the scope, equal ones in the order of rows and columns. A block's score
 * is the sum of its weights' scores. is_zero is all false before. SWG_NO_MEMORY. */
swg_status swg_mask_choose(swg_sparsity sparsity, swg_prune_scope scope, const float *scores,
                           size_t rows, size_t cols, bool *is_zero);

/* Mark the `count` lowest of scores [n]. SWG_NO_MEMORY. */
swg_status swg_mask_lowest(const float *scores, size_t n, size_t count, bool *is_zero);

/* Set what is marked to 0. */
void swg_mask_apply(const bool *is_zero, size_t n, float *w);

#endif
