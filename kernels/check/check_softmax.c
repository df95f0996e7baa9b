/* softmax. */
#include "kernels/check/case_values.h"

#include <math.h>

/* 0: x. */
static swg_status generate_softmax(swg_check_case *c, size_t index, bool for_timing)
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

static void invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->softmax(at[0], c->n);
}

/* The difference d from the largest is rounded (|d| CHECK_EPS in the exponential), the exponential
 * is within 2 CHECK_EPS, the sum of n terms within n CHECK_EPS plus each term's own |d| CHECK_EPS;
 * anything below exp(-87.3) is 0. */
static bool check_softmax(const swg_check_case *c, void *const at[], char *failure)
{
    const float *y = at[0];
    const float *x = swg_check_initial(c, 0);
    double max = x[0], sum = 0, sum_error = 0;
    for (size_t i = 1; i < c->n; i++)
        max = fmax(max, x[i]);
    for (size_t i = 0; i < c->n; i++) {
        const double e = exp(x[i] - max);
        sum += e;
        sum_error += e * (max - x[i] + 2);
    }
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = exp(x[i] - max) / sum;
        const double roundings = (max - x[i] + 2) + sum_error / sum + (double)c->n + 3;
        const double bound = roundings * CHECK_EPS * wanted + 1.3e-38;
        if (!swg_check_near(y[i], wanted, bound, "x", i, failure))
            return false;
    }
    return true;
}

const swg_op_check swg_check__softmax = {generate_softmax, invoke, check_softmax};
