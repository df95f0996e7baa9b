/* f16_to_f32 and bf16_to_f32: every 16-bit pattern and its value; f32_to_f16: floats of all sizes,
 * and the middles between two halves. */
#include "kernels/check/case_values.h"

#include <math.h>
#include <string.h>

/* 0: x (16-bit floats), 1: y. */
static swg_status generate_conversion(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? CHECK_TIMED_ELEMENTS : swg_check_size(c, index, 600);
    uint16_t *x;
    float *y;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, c->n * 2, &x));
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, c->n * 4, &y));
    for (size_t i = 0; i < c->n; i++) /* every pattern, including infinities and NaN */
        x[i] = (uint16_t)swg_rng_next(c->rng);
    c->bytes = (double)c->n * 6;
    swg_check_describe(c, CHECK_NORMAL);
    return SWG_OK;
}

static void invoke_f16(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->f16_to_f32(at[0], c->n, at[1]);
}

static void invoke_bf16(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->bf16_to_f32(at[0], c->n, at[1]);
}

/* 0: x, 1: y. */
static swg_status generate_rounding(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? CHECK_TIMED_ELEMENTS : swg_check_size(c, index, 600);
    float *x;
    uint16_t *y;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, c->n * 4, &x));
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, c->n * 2, &y));
    for (size_t i = 0; i < c->n; i++) {
        const int exponent = (int)swg_check_below(c->rng, 46) - 28; /* 2^-28 to 2^17 */
        const double middle = (double)(2048 + swg_check_below(c->rng, 2048)) / 2048;
        const double any = 1 + swg_rng_uniform(c->rng);
        const double size = ldexp(swg_check_below(c->rng, 2) ? middle : any, exponent);
        x[i] = (float)(swg_check_below(c->rng, 2) ? size : -size);
    }
    c->bytes = (double)c->n * 6;
    swg_check_describe(c, CHECK_NORMAL);
    return SWG_OK;
}

static void invoke_to_f16(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->f32_to_f16(at[0], c->n, at[1]);
}

static bool check_to_f16(const swg_check_case *c, void *const at[], char *failure)
{
    const uint16_t *y = at[1];
    const float *x = swg_check_initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        int exponent;
        const double size = fabs((double)x[i]);
        frexp(size, &exponent);
        /* Halves of this size are multiples of `step`; below 2^-14 they are those of 2^-24. */
        const double step = ldexp(1, (exponent - 1 < -14 ? -14 : exponent - 1) - 10);
        const double wanted = rint(size / step) * step;
        const int field = y[i] >> 10 & 31, mantissa = y[i] & 1023;
        const double got = field == 31 ? INFINITY
                           : field     ? ldexp(1024 + mantissa, field - 25)
                                       : ldexp(mantissa, -24);
        if (got != (wanted >= 65520 ? INFINITY : wanted) || (y[i] >> 15 != 0) != (x[i] < 0))
            return swg_check_near(got, NAN, 0, "y", i, failure);
    }
    return true;
}

static bool check_f16(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[1];
    const uint16_t *x = swg_check_initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        const int exponent = x[i] >> 10 & 31, mantissa = x[i] & 1023;
        const double sign = x[i] >> 15 ? -1 : 1;
        double wanted = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        if (exponent == 31)
            wanted = INFINITY;
        const bool is_nan = exponent == 31 && mantissa;
        if (is_nan ? !isnan(y[i]) : y[i] != sign * wanted || (signbit(y[i]) != 0) != (sign < 0))
            return swg_check_near(y[i], NAN, 0, "y", i, failure);
    }
    return true;
}

static bool check_bf16(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[1];
    const uint16_t *x = swg_check_initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        uint32_t bits;
        memcpy(&bits, &y[i], sizeof bits);
        if (bits != (uint32_t)x[i] * 65536)
            return swg_check_near(y[i], NAN, 0, "y", i, failure);
    }
    return true;
}

const swg_op_check swg_check__f16_to_f32 = {generate_conversion, invoke_f16, check_f16};
const swg_op_check swg_check__bf16_to_f32 = {generate_conversion, invoke_bf16, check_bf16};
const swg_op_check swg_check__f32_to_f16 = {generate_rounding, invoke_to_f16, check_to_f16};
