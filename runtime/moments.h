/* Sums of products of rows, for statistics of a model's inputs: C += A^T B over blocks of rows. The
 * work is cut into square tiles, each of one thread at a time, so sums do not depend on the number
 * of threads. */
#ifndef SWG_RUNTIME_MOMENTS_H
#define SWG_RUNTIME_MOMENTS_H

#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/base/thread.h"

/* sum [k][k] += x^T x for x [rows][k], rows `stride` floats apart. Only tiles on or below the
 * diagonal are added to: swg_moments_mirror fills the rest when the sum is complete. */
swg_status swg_moments_add_square(swg_pool *pool, const float *x, size_t rows, size_t k,
                                  size_t stride, float *sum);
void swg_moments_mirror(float *sum, size_t k);

/* sum [m][k] += a^T b for a [rows][m] and b [rows][k], both without gaps. */
swg_status swg_moments_add_product(swg_pool *pool, const float *a, size_t m, const float *b,
                                   size_t k, size_t rows, float *sum);

#endif
