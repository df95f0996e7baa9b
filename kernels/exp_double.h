/* The exponential in double precision that every instruction set computes with the same steps, for
 * sums of probabilities that are to be as exact as with the library's exp. As kernels/exp.h, for
 * x <= 0:
 *
 *     t = fma(x, log2(e), SHIFT)            the lowest bits of t are the whole number n nearest to
 *     n = t - SHIFT                         x log2(e)
 *     r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))                 |r| <= ln(2) / 2 (1 + 2^-20)
 *     p = 1 + r + r^2 (C2 + r (C3 + ... + r C11))                Horner, all fused multiply-adds
 *     exp(x) = p * 2^n                                           exact: p 2^n is a normal number
 *
 * C2..C11 interpolate at the Chebyshev nodes, with a relative error of 1.6e-17; with
 * rounding the result is within SWG_EXP_DOUBLE_MAX_ULP of the true value on [SWG_EXP_DOUBLE_MIN, 0]
 * (tests/kernels measures it). Below that the result is 0; of NaN it is NaN. */
#ifndef SWG_KERNELS_EXP_DOUBLE_H
#define SWG_KERNELS_EXP_DOUBLE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SWG_EXP_DOUBLE_MIN      (-708.0)
#define SWG_EXP_DOUBLE_LOG2E    0x1.71547652b82fep+0
#define SWG_EXP_DOUBLE_SHIFT    0x1.8p+52
#define SWG_EXP_DOUBLE_LN2_HIGH 0x1.62e42fefa39efp-1
#define SWG_EXP_DOUBLE_LN2_LOW  0x1.abc9e3b39803fp-56
#define SWG_EXP_DOUBLE_C2       0x1.0000000000001p-1
#define SWG_EXP_DOUBLE_C3       0x1.5555555555556p-3
#define SWG_EXP_DOUBLE_C4       0x1.5555555553d68p-5
#define SWG_EXP_DOUBLE_C5       0x1.11111111109b5p-7
#define SWG_EXP_DOUBLE_C6       0x1.6c16c17889f3cp-10
#define SWG_EXP_DOUBLE_C7       0x1.a01a01a7c2f2cp-13
#define SWG_EXP_DOUBLE_C8       0x1.a019b914881bap-16
#define SWG_EXP_DOUBLE_C9       0x1.71de0db2eb873p-19
#define SWG_EXP_DOUBLE_C10      0x1.28917c9f3a495p-22
#define SWG_EXP_DOUBLE_C11      0x1.af389eea54156p-26
#define SWG_EXP_DOUBLE_MAX_ULP  0.9

static inline double swg_exp_double(double x)
{
    if (x < SWG_EXP_DOUBLE_MIN)
        return 0;
    const double t = fma(x, SWG_EXP_DOUBLE_LOG2E, SWG_EXP_DOUBLE_SHIFT);
    const double n = t - SWG_EXP_DOUBLE_SHIFT;
    const double r = fma(n, -SWG_EXP_DOUBLE_LN2_LOW, fma(n, -SWG_EXP_DOUBLE_LN2_HIGH, x));
    double p = fma(SWG_EXP_DOUBLE_C11, r, SWG_EXP_DOUBLE_C10);
    p = fma(p, r, SWG_EXP_DOUBLE_C9);
    p = fma(p, r, SWG_EXP_DOUBLE_C8);
    p = fma(p, r, SWG_EXP_DOUBLE_C7);
    p = fma(p, r, SWG_EXP_DOUBLE_C6);
    p = fma(p, r, SWG_EXP_DOUBLE_C5);
    p = fma(p, r, SWG_EXP_DOUBLE_C4);
    p = fma(p, r, SWG_EXP_DOUBLE_C3);
    p = fma(p, r, SWG_EXP_DOUBLE_C2);
    p = fma(p, r, 1);
    p = fma(p, r, 1);
    uint64_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

#endif
