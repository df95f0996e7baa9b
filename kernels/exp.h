/* The exponential that every instruction set computes with the same steps, so that softmax and silu
 * give the same bytes everywhere:
 *
 *     n = rint(x * log2(e))
 *     r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))                 |r| <= ln(2) / 2 (1 + 2^-20)
 *     p = 1 + r + r^2 (C2 + r (C3 + r (C4 + r (C5 + r C6))))     Horner, all fused multiply-adds
 *     exp(x) = p * 2^n                                           exact: p 2^n is a normal number
 *
 * C2..C6 are the minimax polynomial of the relative error, 3.1e-9 (found by Remez exchange); with
 * rounding the result is within SWG_EXP_MAX_ULP of the true value on [SWG_EXP_MIN, SWG_EXP_MAX]
 * (tests/kernels measures it; over every float of that range the largest error is 0.894). Below
 * SWG_EXP_MIN the result is 0, above SWG_EXP_MAX it is the result for SWG_EXP_MAX. */
#ifndef SWG_KERNELS_EXP_H
#define SWG_KERNELS_EXP_H

#include <math.h>

#define SWG_EXP_MIN      (-87.3f)
#define SWG_EXP_MAX      88.7f
#define SWG_EXP_LOG2E    0x1.715476p+0f
#define SWG_EXP_LN2_HIGH 0x1.62e43p-1f
#define SWG_EXP_LN2_LOW  (-0x1.05c61p-29f)
#define SWG_EXP_C2       0x1.fffffcp-2f
#define SWG_EXP_C3       0x1.555492p-3f
#define SWG_EXP_C4       0x1.5558f4p-5f
#define SWG_EXP_C5       0x1.123a2p-7f
#define SWG_EXP_C6       0x1.6a23c8p-10f
#define SWG_EXP_MAX_ULP  0.9

static inline float swg_exp(float x)
{
    if (x < SWG_EXP_MIN)
        return 0;
    x = x < SWG_EXP_MAX ? x : SWG_EXP_MAX;
    const float n = rintf(x * SWG_EXP_LOG2E);
    const float r = fmaf(n, -SWG_EXP_LN2_LOW, fmaf(n, -SWG_EXP_LN2_HIGH, x));
    float p = fmaf(SWG_EXP_C6, r, SWG_EXP_C5);
    p = fmaf(p, r, SWG_EXP_C4);
    p = fmaf(p, r, SWG_EXP_C3);
    p = fmaf(p, r, SWG_EXP_C2);
    p = fmaf(p, r, 1);
    p = fmaf(p, r, 1);
    return ldexpf(p, (int)n);
}

#endif
