/* f16_to_f32 and bf16_to_f32: every 16-bit pattern and its value. */
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
