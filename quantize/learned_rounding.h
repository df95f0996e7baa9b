/* Codes found by gradient descent: every weight gets an offset V and every group a factor A of its
 * scale, and signs of the gradients of the layer's output error tr(D H D^T), D = Q - W, move them
 * (Cheng et al. 2023, "SignRound", arXiv 2309.05516, on a layer's error in place of a block's):
 *
 *     s = A s0,   code = clamp(round(W / s + V) + zero),   Q = s (code - zero)
 *
 * Rounding passes gradients straight through: dE/dV = s dE/dQ, and dE/dA = s0 sum dE/dQ ((code -
 * zero) - W / s), where W / s counts for 0 if the code was clamped, as does dE/dV. Step t of T
 * moves by (1 - t / T) rate / T; V stays within half a step, A within a factor of 2. The step with
 * the least error is kept, row by row. */
#ifndef SWG_QUANTIZE_LEARNED_ROUNDING_H
#define SWG_QUANTIZE_LEARNED_ROUNDING_H

#include <stdbool.h>

#include "quantize/group_grid.h"
#include "quantize/second_order.h"

typedef struct swg_learning_options {
    unsigned n_steps; /* T; 0 = nothing is learned: the codes are those of the grids found first */
    double rate;      /* how far V and A may move in all, times 2 */
} swg_learning_options;

/* Scratch of one thread for up to `max_rows` rows. */
typedef struct swg_learner {
    size_t max_rows;
    float *offsets;  /* [max_rows][k]: V */
    float *factors;  /* [max_rows][n_groups]: A */
    swg_grid *start; /* [max_rows][n_groups]: s0 */
    swg_grid *trial_grids;
    uint8_t *trial;      /* [max_rows][k] codes */
    float *d, *gradient; /* [max_rows][k] */
    double *errors;      /* [max_rows] */
} swg_learner;

swg_status swg_learner_init(swg_learner *out, const swg_second_order *so, size_t max_rows);
void swg_learner_deinit(swg_learner *learner); /* zero-initialised is accepted */

/* Quantize w [n_rows][k]: codes [n_rows][k] and grids [n_rows][n_groups]. Grids are searched in
 * spaces [n_rows] with the weights `importance` [k]; weights that `is_zero` [n_rows][k] marks (NULL
 * = none) become zero. Fails as swg_grid_search does. */
swg_status swg_learner_run(swg_learner *learner, const swg_second_order *so,
                           const swg_grid_space *spaces, const float *importance,
                           const swg_learning_options *options, const float *w, const bool *is_zero,
                           size_t n_rows, uint8_t *codes, swg_grid *grids);

#endif
