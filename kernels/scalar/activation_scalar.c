/* Layer norm, activation functions and recurrent cells: the definition. Sums in 16 lanes
 * (scalar/lanes.h), exp of kernels/exp.h, constants of kernels/activation_constants.h. Exactness:
 * same bytes.
 *
 *     layernorm  y = (x - mean) * (1 / sqrt(sum((x - mean)^2) / n + eps)) * weight + bias
 *     sigmoid    1 / (1 + exp(-x));   tanh   2 * sigmoid(2x) - 1, which is exact at 0
 *     gelu       max(x, 0) - |x| erfc(|x| / sqrt(2)) / 2
 *     gelu_tanh  x / (1 + exp(-x (LINEAR + CUBIC x^2))) */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp.h"
#include "kernels/activation_constants.h"
#include "kernels/scalar/lanes.h"

void swg_layernorm__scalar(const float *x, const float *weight, const float *bias, size_t n,
                           float eps, float *y)
{
    const float mean = swg_lanes_sum(x, n) / (float)n;
    float lanes[SWG_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        const float d = x[i] - mean;
        lanes[i % SWG_LANES] = fmaf(d, d, lanes[i % SWG_LANES]);
    }
    const float inverse = 1 / sqrtf(swg_fold_lanes(lanes) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf((x[i] - mean) * inverse, weight[i], bias[i]);
}

void swg_gelu__scalar(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float size = fabsf(x[i]), z = size * SWG_INVERSE_SQRT2;
        const float t = 1 / fmaf(SWG_ERFC_P, z, 1);
        float p = fmaf(SWG_ERFC_A5, t, SWG_ERFC_A4);
        p = fmaf(p, t, SWG_ERFC_A3);
        p = fmaf(p, t, SWG_ERFC_A2);
        p = fmaf(p, t, SWG_ERFC_A1);
        const float half = 0.5f * (p * t * swg_exp(-(z * z)));
        x[i] = fmaf(-size, half, x[i] > 0 ? x[i] : 0);
    }
}

void swg_gelu_tanh__scalar(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float slope = fmaf(SWG_GELU_CUBIC, x[i] * x[i], SWG_GELU_LINEAR);
        x[i] = x[i] / (1 + swg_exp(-(x[i] * slope)));
    }
}

static float sigmoid(float x)
{
    return 1 / (1 + swg_exp(-x));
}

static float hyperbolic_tangent(float x)
{
    return 2 / (1 + swg_exp(-(x + x))) - 1;
}

void swg_tanh__scalar(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = hyperbolic_tangent(x[i]);
}

void swg_lstm_cell__scalar(const float *x, const float *s, size_t n, float *c, float *h)
{
    for (size_t j = 0; j < n; j++) {
        const float in = sigmoid(x[j] + s[j]), forget = sigmoid(x[n + j] + s[n + j]);
        const float new = hyperbolic_tangent(x[2 * n + j] + s[2 * n + j]);
        const float out = sigmoid(x[3 * n + j] + s[3 * n + j]);
        c[j] = fmaf(forget, c[j], in * new);
        h[j] = out * hyperbolic_tangent(c[j]);
    }
}

void swg_gru_cell__scalar(const float *x, const float *s, size_t n, size_t z, size_t r, float *h)
{
    const float *xz = x + z * n, *sz = s + z * n, *xr = x + r * n, *sr = s + r * n;
    const float *xn = x + 2 * n, *sn = s + 2 * n;
    for (size_t j = 0; j < n; j++) {
        const float update = sigmoid(xz[j] + sz[j]), reset = sigmoid(xr[j] + sr[j]);
        const float new = hyperbolic_tangent(fmaf(reset, sn[j], xn[j]));
        h[j] = fmaf(update, h[j] - new, new);
    }
}
