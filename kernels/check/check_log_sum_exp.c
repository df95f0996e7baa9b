/* log_sum_exp. */
#include "kernels/check/case_values.h"

#include <math.h>

/* 0: x, 1: the result. */
static swg_status generate_log_sum_exp(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? CHECK_TIMED_ELEMENTS : swg_check_size(c, index, 600);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    float *x;
    double *out;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, c->n * sizeof *x, &x));
    SWG_TRY(swg_check_add_buffer(c, "out", CHECK_OUT, sizeof *out, &out));
    swg_check_fill(c, x, c->n, kind, 800);
    c->ops = (double)c->n;
    c->bytes = (double)c->n * sizeof *x;
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->log_sum_exp(at[0], c->n, at[1]);
}

/* The difference d from the largest is rounded, and so are the exponential and the n sums, half a
 * unit in the last place of a double each: the sum is wrong by n + 2 of them plus those of each
 * term's |d|, and the logarithm by as much, absolutely. Terms below exp(-708) are 0. */
static bool check_log_sum_exp(const swg_check_case *c, void *const at[], char *failure)
{
    const double *out = at[1];
    const float *x = swg_check_initial(c, 0);
    double max = (double)x[0], sum = 0, sum_error = 0;
    for (size_t i = 1; i < c->n; i++)
        max = fmax(max, (double)x[i]);
    for (size_t i = 0; i < c->n; i++) {
        const double d = max - (double)x[i], e = exp(-d);
        sum += e;
        sum_error += e * (d + 2);
    }
    const double wanted = log(sum) + max;
    const double roundings = sum_error / sum + (double)c->n + 2 * fabs(log(sum)) + fabs(wanted) + 1;
    return swg_check_near(*out, wanted, roundings * 0x1p-53, "out", 0, failure);
}

const swg_op_check swg_check__log_sum_exp = {generate_log_sum_exp, invoke, check_log_sum_exp};
