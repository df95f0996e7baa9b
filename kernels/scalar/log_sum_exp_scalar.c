/* The logarithm of a sum of exponentials: the definition. Exactness: same bytes.
 *
 *     out = log(sum_i exp((double)x_i - max x)) + max x,  exp of kernels/exp_double.h
 *
 * in double precision: 16 lanes, lane l sums elements l, l + 16, ..., folded l += l + 8, l += l +
 * 4, l += l + 2, l += l + 1. */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp_double.h"
#include "kernels/scalar/lanes.h"

void swg_log_sum_exp__scalar(const float *x, size_t n, double *out)
{
    float largest = x[0];
    for (size_t i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    double lanes[SWG_LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i % SWG_LANES] += swg_exp_double((double)x[i] - (double)largest);
    for (size_t distance = SWG_LANES / 2; distance > 0; distance /= 2)
        for (size_t l = 0; l < distance; l++)
            lanes[l] += lanes[l + distance];
    *out = log(lanes[0]) + (double)largest;
}
