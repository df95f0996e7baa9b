/* The best weights for given zeros: least squares on a layer's output error tr(D (H + damping)
 * D^T), D = W - target, row by row, over the weights that are not zero, by conjugate gradients.
 * Error and gradient of a block of rows are one matrix product each step, and every step lowers the
 * error, so it may be stopped at any time. */
#ifndef SWG_PRUNE_REFIT_H
#define SWG_PRUNE_REFIT_H

#include "prune/prune.h"

typedef struct swg_refit {
    const float *hessian; /* [k][k] X^T X; a view */
    size_t k;
    float damping;   /* added to its diagonal */
    float *diagonal; /* [k] with the damping; 0 counts as: leave that column as it is */
} swg_refit;

/* `relative` damping: a share of the diagonal's mean. SWG_NO_MEMORY. */
swg_status swg_refit_init(swg_refit *out, const float *hessian, size_t k, double relative);
void swg_refit_deinit(swg_refit *refit); /* zero-initialised is accepted */

/* `steps` steps from w [rows][k] (0 where is_zero is), towards target [rows][k]. Results do not
 * depend on the number of threads. SWG_NO_MEMORY, SWG_INTERRUPTED. */
swg_status swg_refit_run(const swg_refit *refit, const float *target, const bool *is_zero,
                         size_t rows, unsigned steps, swg_pool *pool, float *w);

#endif
