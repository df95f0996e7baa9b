/* add: x += y. */
#include "kernels/check/case_values.h"

#include <math.h>

/* 0: x, in and out, 1: y. */
static swg_status generate_add(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? CHECK_TIMED_ELEMENTS : swg_check_size(c, index, 600);
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    float *x, *y;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_OUT, c->n * 4, &x));
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_IN, c->n * 4, &y));
    swg_check_fill(c, x, c->n, kind, 0x1p120f);
    swg_check_fill(c, y, c->n, kind, 0x1p120f);
    c->ops = (double)c->n;
    c->bytes = (double)c->n * 12;
    swg_check_describe(c, kind);
    return SWG_OK;
}

static void invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->add(at[0], at[1], c->n);
}

static bool check_add(const swg_check_case *c, void *const at[], char *failure)
{
    const float *sum = at[0];
    const float *x = swg_check_initial(c, 0), *y = swg_check_initial(c, 1);
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = (double)x[i] + (double)y[i];
        if (!swg_check_near(sum[i], wanted, CHECK_EPS * fabs(wanted), "x", i, failure))
            return false;
    }
    return true;
}

const swg_op_check swg_check__add = {generate_add, invoke, check_add};
