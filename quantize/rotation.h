/* Orthogonal matrices of any size that mix all channels and are multiplied with in n log n steps:
 * Q = (Hadamard of the largest power of 2 in n) x (reflections for its odd factors) x (random
 * signs). Sums are in double and in one order, so results are the same on every machine. */
#ifndef SWG_QUANTIZE_ROTATION_H
#define SWG_QUANTIZE_ROTATION_H

#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

typedef struct swg_rotation {
    size_t n;
    const float *signs; /* [n] 1 or -1, of the arena */
} swg_rotation;

/* With the generator's next n signs. SWG_NO_MEMORY. */
swg_status swg_rotation_make(size_t n, swg_rng *rng, swg_arena *arena, swg_rotation *out);

double swg_rotation_element(const swg_rotation *q, size_t i, size_t j);

/* x [n][columns] becomes Q x. */
void swg_rotation_apply(const swg_rotation *q, size_t columns, double *x);

#endif
