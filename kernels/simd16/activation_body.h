/* Layer norm, activation functions and recurrent cells for every vector set: included by
 * activation_<isa>.c after its simd16 primitives. The formulas are in scalar/activation_scalar.c;
 * every step is the same, so the bytes are the same. Tails are masked: nothing beyond n is read or
 * written.
 */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/activation_constants.h"
#include "kernels/simd16/exp_body.h"

/* How many of the 16 elements from i on exist. */
V16_INLINE size_t lanes_from(size_t i, size_t n)
{
    return n - i < 16 ? n - i : 16;
}

V16_INLINE v16 negated(v16 x)
{
    return v16_sub(v16_set1(-0.0f), x);
}

V16_INLINE v16 sigmoid(v16 x)
{
    const v16 one = v16_set1(1);
    return v16_div(one, v16_add(one, v16_exp(negated(x))));
}

V16_INLINE v16 hyperbolic_tangent(v16 x)
{
    const v16 one = v16_set1(1);
    const v16 doubled = v16_div(v16_set1(2), v16_add(one, v16_exp(negated(v16_add(x, x)))));
    return v16_sub(doubled, one);
}

V16_TARGET void SWG_VARIANT(layernorm)(const float *x, const float *weight, const float *bias,
                                       size_t n, float eps, float *y)
{
    const v16 zero = v16_set1(0);
    v16 sum = zero, squares = zero;
    for (size_t i = 0; i < n; i += 16)
        sum = v16_add(sum, v16_load_n(x + i, lanes_from(i, n)));
    const v16 mean = v16_set1(v16_fold(sum) / (float)n);
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16 d = v16_first_of(v16_sub(v16_load_n(x + i, lanes), mean), zero, lanes);
        squares = v16_fma(d, d, squares);
    }
    const v16 inverse = v16_set1(1 / sqrtf(v16_fold(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16 normed = v16_mul(v16_sub(v16_load_n(x + i, lanes), mean), inverse);
        const v16 scaled =
            v16_fma(normed, v16_load_n(weight + i, lanes), v16_load_n(bias + i, lanes));
        v16_store_n(y + i, scaled, lanes);
    }
}

V16_TARGET void SWG_VARIANT(gelu)(float *x, size_t n)
{
    const v16 one = v16_set1(1), zero = v16_set1(0);
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16 a = v16_load_n(x + i, lanes), size = v16_max(a, negated(a));
        const v16 z = v16_mul(size, v16_set1(SWG_INVERSE_SQRT2));
        const v16 t = v16_div(one, v16_fma(v16_set1(SWG_ERFC_P), z, one));
        v16 p = v16_fma(v16_set1(SWG_ERFC_A5), t, v16_set1(SWG_ERFC_A4));
        p = v16_fma(p, t, v16_set1(SWG_ERFC_A3));
        p = v16_fma(p, t, v16_set1(SWG_ERFC_A2));
        p = v16_fma(p, t, v16_set1(SWG_ERFC_A1));
        const v16 tail = v16_mul(v16_mul(p, t), v16_exp(negated(v16_mul(z, z))));
        const v16 half = v16_mul(v16_set1(0.5f), tail);
        v16_store_n(x + i, v16_fnma(size, half, v16_max(a, zero)), lanes);
    }
}

V16_TARGET void SWG_VARIANT(gelu_tanh)(float *x, size_t n)
{
    const v16 one = v16_set1(1);
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16 a = v16_load_n(x + i, lanes);
        const v16 slope =
            v16_fma(v16_set1(SWG_GELU_CUBIC), v16_mul(a, a), v16_set1(SWG_GELU_LINEAR));
        const v16 e = v16_exp(negated(v16_mul(a, slope)));
        v16_store_n(x + i, v16_div(a, v16_add(one, e)), lanes);
    }
}

V16_TARGET void SWG_VARIANT(tanh)(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        v16_store_n(x + i, hyperbolic_tangent(v16_load_n(x + i, lanes)), lanes);
    }
}

/* The sum of two vectors' elements j. */
V16_INLINE v16 sum_at(const float *x, const float *s, size_t j, size_t lanes)
{
    return v16_add(v16_load_n(x + j, lanes), v16_load_n(s + j, lanes));
}

V16_TARGET void SWG_VARIANT(lstm_cell)(const float *x, const float *s, size_t n, float *c, float *h)
{
    for (size_t j = 0; j < n; j += 16) {
        const size_t lanes = lanes_from(j, n);
        const v16 in = sigmoid(sum_at(x, s, j, lanes));
        const v16 forget = sigmoid(sum_at(x + n, s + n, j, lanes));
        const v16 new = hyperbolic_tangent(sum_at(x + 2 * n, s + 2 * n, j, lanes));
        const v16 out = sigmoid(sum_at(x + 3 * n, s + 3 * n, j, lanes));
        const v16 cell = v16_fma(forget, v16_load_n(c + j, lanes), v16_mul(in, new));
        v16_store_n(c + j, cell, lanes);
        v16_store_n(h + j, v16_mul(out, hyperbolic_tangent(cell)), lanes);
    }
}

V16_TARGET void SWG_VARIANT(gru_cell)(const float *x, const float *s, size_t n, size_t z, size_t r,
                                      float *h)
{
    for (size_t j = 0; j < n; j += 16) {
        const size_t lanes = lanes_from(j, n);
        const v16 update = sigmoid(sum_at(x + z * n, s + z * n, j, lanes));
        const v16 reset = sigmoid(sum_at(x + r * n, s + r * n, j, lanes));
        const v16 state_part = v16_load_n(s + 2 * n + j, lanes);
        const v16 new =
            hyperbolic_tangent(v16_fma(reset, state_part, v16_load_n(x + 2 * n + j, lanes)));
        const v16 old = v16_load_n(h + j, lanes);
        v16_store_n(h + j, v16_fma(update, v16_sub(old, new), new), lanes);
    }
}
