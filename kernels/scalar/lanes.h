/* Sums of floats in the order that all instruction sets share: 16 or 64 lanes, folded in halves. */
#ifndef SWG_KERNELS_SCALAR_LANES_H
#define SWG_KERNELS_SCALAR_LANES_H

#include <math.h>
#include <stddef.h>

enum { SWG_LANES = 16, SWG_WIDE_LANES = 64 };

/* lanes[0] + lanes[n / 2], ...: the total of n lanes, a power of two, halving the distance each
 * time. */
static inline float swg_fold_n_lanes(float *lanes, size_t n)
{
    for (size_t distance = n / 2; distance > 0; distance /= 2)
        for (size_t l = 0; l < distance; l++)
            lanes[l] += lanes[l + distance];
    return lanes[0];
}

static inline float swg_fold_lanes(float lanes[SWG_LANES])
{
    return swg_fold_n_lanes(lanes, SWG_LANES);
}

static inline float swg_lanes_sum(const float *x, size_t n)
{
    float lanes[SWG_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i % SWG_LANES] += x[i];
    return swg_fold_lanes(lanes);
}

static inline float swg_lanes_dot(const float *a, const float *b, size_t n)
{
    float lanes[SWG_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i % SWG_LANES] = fmaf(a[i], b[i], lanes[i % SWG_LANES]);
    return swg_fold_lanes(lanes);
}

#endif
