/* The activation functions: gelu, gelu_tanh, tanh and the gated silu_mul. */
#include "kernels/check/case_values.h"

#include <math.h>

/* Functions of one number, in place. 0: x. */
static swg_status generate_function(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 600);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    float *x;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_OUT, c->n * 4, &x));
    swg_check_fill(c, x, c->n, kind, 40);
    c->bytes = (double)c->n * 8;
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke_gelu(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->gelu(at[0], c->n);
}

static void invoke_gelu_tanh(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->gelu_tanh(at[0], c->n);
}

static void invoke_tanh(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->tanh(at[0], c->n);
}

/* gelu: the distribution function within 0.75e-7 and ten roundings. gelu_tanh: the argument u of
 * the exponential is rounded four times, exp(-u) is clamped beyond exp(88). tanh: an absolute
 * bound. */
static bool check_activation(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[0];
    const float *input = swg_check_initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        const double x = input[i], size = fabs(x);
        const double u = 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
        double wanted = tanh(x), bound = 8 * CHECK_EPS;
        if (c->op == SWG_OP_gelu) {
            wanted = x * erfc(-x / sqrt(2)) / 2;
            bound = size * (0.75e-7 + 10 * CHECK_EPS);
        } else if (c->op == SWG_OP_gelu_tanh) {
            wanted = x / (1 + exp(-u));
            bound = (6 + 5 * fmin(fabs(u), 90)) * CHECK_EPS * fabs(wanted) + size * 6e-39;
        }
        if (!swg_check_near(y[i], wanted, bound, "x", i, failure))
            return false;
    }
    return true;
}

/* 0: y, which also holds the gate when in place, 1: up, 2: the gate, absent when in place. */
static swg_status generate_silu_mul(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 600);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    c->in_place = index % 3 == 0;
    float *y, *up, *gate;
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, c->n * 4, &y));
    SWG_TRY(swg_check_add_buffer(c, "up", CHECK_IN, c->n * 4, &up));
    gate = y;
    if (!c->in_place)
        SWG_TRY(swg_check_add_buffer(c, "gate", CHECK_IN, c->n * 4, &gate));
    swg_check_fill(c, gate, c->n, kind, 120);
    swg_check_fill(c, up, c->n, CHECK_NORMAL, 1);
    c->ops = (double)c->n * 4;
    c->bytes = (double)c->n * 12;
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke_silu_mul(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->silu_mul(at[c->in_place ? 0 : 2], at[1], c->n, at[0]);
}

/* exp is within 2 CHECK_EPS of its rounded argument; beyond exp(88) the denominator is clamped. */
static bool check_silu_mul(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[0];
    const float *gate = swg_check_initial(c, c->in_place ? 0 : 2), *up = swg_check_initial(c, 1);
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = gate[i] / (1 + exp(-(double)gate[i])) * up[i];
        const double clamped = fabs((double)gate[i] * up[i]) * 6e-39;
        const double bound =
            6 * CHECK_EPS * fabs(wanted) + clamped + CHECK_DENORMAL * fabs((double)up[i]);
        if (!swg_check_near(y[i], wanted, bound, "y", i, failure))
            return false;
    }
    return true;
}

const swg_op_check swg_check__gelu = {generate_function, invoke_gelu, check_activation};
const swg_op_check swg_check__gelu_tanh = {generate_function, invoke_gelu_tanh, check_activation};
const swg_op_check swg_check__tanh = {generate_function, invoke_tanh, check_activation};
const swg_op_check swg_check__silu_mul = {generate_silu_mul, invoke_silu_mul, check_silu_mul};
