/* The optimizer AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) on arrays of numbers. */
#ifndef SWG_DISTILL_ADAMW_H
#define SWG_DISTILL_ADAMW_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/thread.h"

typedef struct swg_adamw {
    double beta1, beta2, epsilon; /* usually 0.9, 0.999, 1e-8 */
    double decay;                 /* of matrices' weights, times the rate; 0 = none */
    double grid_rate; /* of scales and zero points, as a multiple of the rate; 0 = they stay */
    double max_norm;  /* gradients are scaled down to this norm over all tensors; 0 = not */
} swg_adamw;

/* Numbers that are trained, their gradients and both moments: arrays of n. */
typedef struct swg_adamw_numbers {
    size_t n;
    float *value, *gradient, *moment1, *moment2;
} swg_adamw_numbers;

/* One step; the gradients, times `scale`, are used up: they become 0. `n_steps` counts this one. A
 * number that is 0 and never has a gradient stays 0. The pool may be NULL. */
swg_status swg_adamw_step(const swg_adamw *adamw, const swg_adamw_numbers *numbers,
                          uint64_t n_steps, double rate, double decay, double scale,
                          swg_pool *pool);

#endif
