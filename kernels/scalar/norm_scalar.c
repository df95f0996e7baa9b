/* Root-mean-square norm and softmax: the definition. Sums in 16 lanes (scalar/lanes.h). Exactness:
 * same bytes.
 *
 *     rmsnorm    y = x * (1 / sqrt(sum(x^2) / n + eps)) * weight
 *     softmax    x = exp(x - max) * (1 / sum(exp(x - max))) */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp.h"
#include "kernels/scalar/lanes.h"

void swg_rmsnorm__scalar(const float *x, const float *weight, size_t n, float eps, float *y)
{
    const float inverse = 1 / sqrtf(swg_lanes_dot(x, x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * inverse * weight[i];
}

void swg_softmax__scalar(float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++)
        x[i] = swg_exp(x[i] - max);
    const float inverse = 1 / swg_lanes_sum(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= inverse;
}
