/* Conversions, residual addition and the gated activation: the definition. Exactness: same bytes.
 *
 *     silu_mul   y = gate / (1 + exp(-gate)) * up,  exp of kernels/exp.h */
#include "kernels/variants.h"

#include "kernels/exp.h"
#include "runtime/base/numeric.h"

void swg_f16_to_f32__scalar(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = swg_f16_to_f32(x[i]);
}

void swg_bf16_to_f32__scalar(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = swg_bf16_to_f32(x[i]);
}

void swg_f32_to_f16__scalar(const float *x, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = swg_f32_to_f16(x[i]);
}

void swg_add__scalar(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

void swg_silu_mul__scalar(const float *gate, const float *up, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + swg_exp(-gate[i])) * up[i];
}
