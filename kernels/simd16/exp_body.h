/* The exponential of kernels/exp.h, 16 at a time, and its use on a row of scores. Included after a
 * set's simd16 primitives. */
#include "kernels/exp.h"

V16_INLINE v16 v16_exp(v16 given)
{
    const v16 x = v16_min(given, v16_set1(SWG_EXP_MAX));
    const v16 n = v16_rint(v16_mul(x, v16_set1(SWG_EXP_LOG2E)));
    const v16 high = v16_fnma(n, v16_set1(SWG_EXP_LN2_HIGH), x);
    const v16 r = v16_fnma(n, v16_set1(SWG_EXP_LN2_LOW), high);
    v16 p = v16_fma(v16_set1(SWG_EXP_C6), r, v16_set1(SWG_EXP_C5));
    p = v16_fma(p, r, v16_set1(SWG_EXP_C4));
    p = v16_fma(p, r, v16_set1(SWG_EXP_C3));
    p = v16_fma(p, r, v16_set1(SWG_EXP_C2));
    p = v16_fma(p, r, v16_set1(1));
    p = v16_fma(p, r, v16_set1(1));
    return v16_where_ge(given, v16_set1(SWG_EXP_MIN), v16_ldexp(p, n));
}

/* x = exp(x - max) in place over n elements; returns the sum, in lanes. Lanes beyond n hold a value
 * that does not change the sum. */
V16_INLINE float v16_exp_sum(float *x, size_t n, float max)
{
    const v16 zero = v16_set1(0), largest = v16_set1(max);
    v16 sum = zero;
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = n - i < 16 ? n - i : 16;
        const v16 e = v16_exp(v16_sub(v16_load_n(x + i, lanes), largest));
        v16_store_n(x + i, e, lanes);
        sum = v16_add(sum, v16_first_of(e, zero, lanes));
    }
    return v16_fold(sum);
}

/* The same with max = max x, n >= 1. Lanes beyond n do not change the maximum. */
V16_INLINE float v16_exp_all(float *x, size_t n)
{
    const v16 first = v16_set1(x[0]);
    v16 max = first;
    for (size_t i = 0; i < n; i += 16) {
        const size_t lanes = n - i < 16 ? n - i : 16;
        max = v16_max(max, v16_first_of(v16_load_n(x + i, lanes), first, lanes));
    }
    return v16_exp_sum(x, n, v16_largest(max));
}
