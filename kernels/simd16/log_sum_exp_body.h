/* The logarithm of a sum of exponentials, for every vector set: included by log_sum_exp_<isa>.c
 * after its simd16 primitives. The definition is in scalar/log_sum_exp_scalar.c; every step is the
 * same, so the bytes are the same. */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp_double.h"

/* The exponential of kernels/exp_double.h, 8 at a time. */
V16_INLINE v8d v8d_exp(v8d x)
{
    const v8d one = v8d_set1(1), shift = v8d_set1(SWG_EXP_DOUBLE_SHIFT);
    const v8d t = v8d_fma(x, v8d_set1(SWG_EXP_DOUBLE_LOG2E), shift);
    const v8d n = v8d_sub(t, shift);
    const v8d high = v8d_fnma(n, v8d_set1(SWG_EXP_DOUBLE_LN2_HIGH), x);
    const v8d r = v8d_fnma(n, v8d_set1(SWG_EXP_DOUBLE_LN2_LOW), high);
    v8d p = v8d_fma(v8d_set1(SWG_EXP_DOUBLE_C11), r, v8d_set1(SWG_EXP_DOUBLE_C10));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C9));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C8));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C7));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C6));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C5));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C4));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C3));
    p = v8d_fma(p, r, v8d_set1(SWG_EXP_DOUBLE_C2));
    p = v8d_fma(p, r, one);
    p = v8d_fma(p, r, one);
    const v8d e = v8d_mul(p, v8d_power_of_two(t));
    return v8d_zero_where_less(x, v8d_set1(SWG_EXP_DOUBLE_MIN), e);
}

V16_TARGET void SWG_VARIANT(log_sum_exp)(const float *x, size_t n, double *out)
{
    const v16 none = v16_set1(-INFINITY); /* adds exp(-infinity) = 0 */
    v16 max = none;
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = n - i < 16 ? n - i : 16;
        max = v16_max(max, v16_first_of(v16_load_n(x + i, lanes), none, lanes));
    }
    const double largest = (double)v16_largest(max);
    const v8d by = v8d_set1(largest);
    v8d low = v8d_set1(0), high = low;
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = n - i < 16 ? n - i : 16;
        const v16 part = v16_first_of(v16_load_n(x + i, lanes), none, lanes);
        low = v8d_add(low, v8d_exp(v8d_sub(v8d_low(part), by)));
        high = v8d_add(high, v8d_exp(v8d_sub(v8d_high(part), by)));
    }
    *out = log(v8d_fold(v8d_add(low, high))) + largest;
}
