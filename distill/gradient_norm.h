/* The norm of gradients, by which they are scaled before a step, and what of them is no part of it:
 * gradients by weights that stay 0. Sums do not depend on the number of threads. */
#ifndef SWG_DISTILL_GRADIENT_NORM_H
#define SWG_DISTILL_GRADIENT_NORM_H

#include "distill/adamw.h"
#include "runtime/base/thread.h"

/* gradient [n] becomes 0 where is_zero [n] is true. */
void swg_gradient_clear_zeros(const uint8_t *is_zero, float *gradient, size_t n);

/* *square += the sum of the gradient's squares; before that it is cleared where is_zero [n] is true
 * (NULL: nowhere). The pool may be NULL. SWG_NO_MEMORY. */
swg_status swg_gradient_add_square(const swg_adamw_numbers *numbers, const uint8_t *is_zero,
                                   swg_pool *pool, double *square);

#endif
