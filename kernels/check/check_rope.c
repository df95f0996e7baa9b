/* rope_half and rope_interleaved. */
#include "kernels/check/case_values.h"

#include <math.h>

/* 0: x [2 n], 1: cosines [n], 2: sines [n]. */
static swg_status generate_rope(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? 64 : swg_check_size(c, index, 200);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    float *x, *cosine, *sine;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_OUT, c->n * 8, &x));
    SWG_TRY(swg_check_add_buffer(c, "cosine", CHECK_IN, c->n * 4, &cosine));
    SWG_TRY(swg_check_add_buffer(c, "sine", CHECK_IN, c->n * 4, &sine));
    swg_check_fill(c, x, 2 * c->n, kind, 0x1p100f);
    for (size_t i = 0; i < c->n; i++) {
        const double angle = 100 * swg_rng_uniform(c->rng);
        cosine[i] = (float)cos(angle);
        sine[i] = (float)sin(angle);
    }
    c->ops = (double)c->n * 6;
    c->bytes = (double)c->n * 24;
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke_half(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->rope_half(at[0], at[1], at[2], c->n);
}

static void invoke_interleaved(const swg_check_case *c, const swg_kernels *kernels,
                               void *const at[])
{
    kernels->rope_interleaved(at[0], at[1], at[2], c->n);
}

static bool check_rope(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[0];
    const float *x = swg_check_initial(c, 0), *cosine = swg_check_initial(c, 1),
                *sine = swg_check_initial(c, 2);
    const bool is_half = c->op == SWG_OP_rope_half;
    for (size_t i = 0; i < c->n; i++) {
        const size_t at_a = is_half ? i : 2 * i, at_b = is_half ? i + c->n : 2 * i + 1;
        const double a = x[at_a], b = x[at_b];
        const double bound = 2 * CHECK_EPS * (fabs(a) + fabs(b)) + CHECK_DENORMAL;
        if (!swg_check_near(y[at_a], a * cosine[i] - b * sine[i], bound, "x", at_a, failure) ||
            !swg_check_near(y[at_b], a * sine[i] + b * cosine[i], bound, "x", at_b, failure))
            return false;
    }
    return true;
}

const swg_op_check swg_check__rope_half = {generate_rope, invoke_half, check_rope};
const swg_op_check swg_check__rope_interleaved = {generate_rope, invoke_interleaved, check_rope};
