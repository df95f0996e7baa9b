/* rmsnorm and layernorm. */
#include "kernels/check/case_values.h"

#include <math.h>

/* 0: y, which holds x when in place, 1: weight, 2: bias (layernorm only), last: x, absent in place.
 */
static swg_status generate_norm(swg_check_case *c, size_t index, bool for_timing)
{
    const bool has_bias = c->op == SWG_OP_layernorm;
    const float small_eps = has_bias ? 1e-12f : 1e-6f;
    c->n = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 600);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    c->in_place = index % 3 == 0;
    c->eps = index % 5 ? 1e-5f : small_eps;
    float *y, *weight, *bias = NULL, *x;
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, c->n * 4, &y));
    SWG_TRY(swg_check_add_buffer(c, "weight", CHECK_IN, c->n * 4, &weight));
    if (has_bias)
        SWG_TRY(swg_check_add_buffer(c, "bias", CHECK_IN, c->n * 4, &bias));
    x = y;
    if (!c->in_place)
        SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, c->n * 4, &x));
    swg_check_fill(c, x, c->n, kind, 0x1p40f);
    swg_check_fill(c, weight, c->n, CHECK_NORMAL, 1);
    if (has_bias)
        swg_check_fill(c, bias, c->n, CHECK_NORMAL, 1);
    c->ops = (double)c->n * (has_bias ? 7 : 4);
    c->bytes = (double)c->n * (has_bias ? 16 : 12);
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke_rmsnorm(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->rmsnorm(at[c->in_place ? 0 : 2], at[1], c->n, c->eps, at[0]);
}

static void invoke_layernorm(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->layernorm(at[c->in_place ? 0 : 3], at[1], at[2], c->n, c->eps, at[0]);
}

/* n products and sums, then division, addition, root, inverse and two products. */
static bool check_rmsnorm(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[0];
    const float *x = swg_check_initial(c, c->in_place ? 0 : 2), *weight = swg_check_initial(c, 1);
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += (double)x[i] * x[i];
    const double root = sqrt(sum / (double)c->n + (double)c->eps);
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = x[i] / root * weight[i];
        const double roundings = (double)c->n + 8;
        /* The first product may be denormal before the weight scales it up. */
        const double bound =
            roundings * CHECK_EPS * fabs(wanted) + CHECK_DENORMAL * fabs((double)weight[i]);
        if (!swg_check_near(y[i], wanted, bound, "y", i, failure))
            return false;
    }
    return true;
}

/* The mean of n values is off by `shift`; a common shift changes the variance only in second order,
 * and each difference is rounded (CHECK_EPS). */
static bool check_layernorm(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[0];
    const float *x = swg_check_initial(c, c->in_place ? 0 : 3), *weight = swg_check_initial(c, 1),
                *bias = swg_check_initial(c, 2);
    const double n = (double)c->n;
    double mean = 0, magnitude = 0, variance = 0;
    for (size_t i = 0; i < c->n; i++) {
        mean += x[i] / n;
        magnitude += fabs((double)x[i]) / n;
    }
    for (size_t i = 0; i < c->n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / n;
    const double deviation = sqrt(variance + (double)c->eps);
    const double shift = (n + 2) * CHECK_EPS * magnitude + CHECK_DENORMAL;
    const double relative = (n + 8) * CHECK_EPS + shift * shift / (deviation * deviation);
    for (size_t i = 0; i < c->n; i++) {
        const double d = x[i] - mean, wanted = d / deviation * weight[i] + bias[i];
        const double error = shift + fabs(d) * (relative + CHECK_EPS);
        const double bound = fabs((double)weight[i]) / deviation * error +
                             2 * CHECK_EPS * (fabs(wanted) + fabs((double)bias[i]));
        if (!swg_check_near(y[i], wanted, bound, "y", i, failure))
            return false;
    }
    return true;
}

const swg_op_check swg_check__rmsnorm = {generate_norm, invoke_rmsnorm, check_rmsnorm};
const swg_op_check swg_check__layernorm = {generate_norm, invoke_layernorm, check_layernorm};
