/* Elementwise operations, norms and rotations for every vector set: included by float_<isa>.c after
 * its simd16 primitives. The formulas are in the scalar files of the same operations; a vector is
 * the 16 lanes of the sums defined there, so the bytes are the same. Tails are masked: nothing
 * beyond n is read or written. */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/simd16/exp_body.h"

/* How many of the 16 elements from i on exist. */
V16_INLINE size_t lanes_from(size_t i, size_t n)
{
    return n - i < 16 ? n - i : 16;
}

V16_TARGET void SWG_VARIANT(f16_to_f32)(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        v16_store_n(y + i, v16_from_f16_n(x + i, lanes), lanes);
    }
}

V16_TARGET void SWG_VARIANT(bf16_to_f32)(const uint16_t *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16i bits = v16i_shift_left(v16i_from_u16_n(x + i, lanes), 16);
        v16_store_n(y + i, v16_from_bits(bits), lanes);
    }
}

V16_TARGET void SWG_VARIANT(f32_to_f16)(const float *x, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        v16_store_f16_n(y + i, v16_load_n(x + i, lanes), lanes);
    }
}

V16_TARGET void SWG_VARIANT(add)(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        v16_store_n(x + i, v16_add(v16_load_n(x + i, lanes), v16_load_n(y + i, lanes)), lanes);
    }
}

V16_TARGET void SWG_VARIANT(silu_mul)(const float *gate, const float *up, size_t n, float *y)
{
    const v16 one = v16_set1(1);
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16 g = v16_load_n(gate + i, lanes);
        const v16 denominator = v16_add(one, v16_exp(v16_sub(v16_set1(-0.0f), g)));
        const v16 product = v16_mul(v16_div(g, denominator), v16_load_n(up + i, lanes));
        v16_store_n(y + i, product, lanes);
    }
}

V16_TARGET void SWG_VARIANT(rmsnorm)(const float *x, const float *weight, size_t n, float eps,
                                     float *y)
{
    v16 sum = v16_set1(0);
    for (size_t i = 0; i < n; i += 16) {
        const v16 part = v16_load_n(x + i, lanes_from(i, n)); /* fma(0, 0, s) leaves s >= 0 */
        sum = v16_fma(part, part, sum);
    }
    const v16 inverse = v16_set1(1 / sqrtf(v16_fold(sum) / (float)n + eps));
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        const v16 scaled = v16_mul(v16_load_n(x + i, lanes), inverse);
        v16_store_n(y + i, v16_mul(scaled, v16_load_n(weight + i, lanes)), lanes);
    }
}

V16_TARGET void SWG_VARIANT(softmax)(float *x, size_t n)
{
    const v16 inverse = v16_set1(1 / v16_exp_all(x, n));
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = lanes_from(i, n);
        v16_store_n(x + i, v16_mul(v16_load_n(x + i, lanes), inverse), lanes);
    }
}

V16_TARGET void SWG_VARIANT(rope_half)(float *x, const float *cosine, const float *sine,
                                       size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i += 16) {
        const size_t lanes = lanes_from(i, n_pairs);
        const v16 a = v16_load_n(x + i, lanes), b = v16_load_n(x + n_pairs + i, lanes);
        const v16 c = v16_load_n(cosine + i, lanes), s = v16_load_n(sine + i, lanes);
        v16_store_n(x + i, v16_fms(a, c, v16_mul(b, s)), lanes);
        v16_store_n(x + n_pairs + i, v16_fma(a, s, v16_mul(b, c)), lanes);
    }
}

/* A vector holds 8 pairs a0 b0 a1 b1 ...; with cos and sin zipped the same way the even lanes are
 * a cos - b sin and the odd ones a sin + b cos. */
V16_TARGET void SWG_VARIANT(rope_interleaved)(float *x, const float *cosine, const float *sine,
                                              size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i += 8) {
        const size_t pairs = n_pairs - i < 8 ? n_pairs - i : 8;
        const v16 ab = v16_load_n(x + 2 * i, 2 * pairs);
        const v16 cos_sin = v16_zip_n(cosine + i, sine + i, pairs);
        const v16 sin_cos = v16_zip_n(sine + i, cosine + i, pairs);
        const v16 turned = v16_fmaddsub(v16_evens(ab), cos_sin, v16_mul(v16_odds(ab), sin_cos));
        v16_store_n(x + 2 * i, turned, 2 * pairs);
    }
}
