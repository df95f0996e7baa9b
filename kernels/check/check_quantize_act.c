/* quantize_act: activations to int8, group by group. */
#include "kernels/check/case_values.h"

#include <math.h>
#include <stdio.h>

/* 0: x [k], 1: codes, 2: scales, 3: sums. */
static swg_status generate_quantize_act(swg_check_case *c, size_t index, bool for_timing)
{
    static const size_t groups[] = {32, 64, 128, 256, 0};
    c->n = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 1000);
    c->k = c->n;
    c->group = groups[for_timing ? 1 : index % 5];
    c->group = c->group ? c->group : c->k;
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    const size_t n_groups = swg_ceil_div(c->k, c->group);
    float *x, *scales;
    int8_t *codes;
    int32_t *sums;
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, c->k * 4, &x));
    SWG_TRY(
        swg_check_add_buffer(c, "codes", CHECK_OUT, swg_round_up(c->k, SWG_COLUMN_STEP), &codes));
    SWG_TRY(swg_check_add_buffer(c, "scales", CHECK_OUT, n_groups * 4, &scales));
    SWG_TRY(swg_check_add_buffer(c, "sums", CHECK_OUT, n_groups * 4, &sums));
    swg_check_fill(c, x, c->k, kind, 0x1p120f);
    c->bytes = (double)c->k * 5;
    snprintf(c->text, sizeof c->text, "k %zu, group %zu, %s", c->k, c->group,
             swg_check_flavour_name(kind));
    return SWG_OK;
}

static void invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    kernels->quantize_act(at[0], c->k, c->group, at[1], at[2], at[3]);
}

/* 127 / absmax and its product with x are rounded before the code is: 3 CHECK_EPS of at most 127.
 */
static bool check_quantize_act(const swg_check_case *c, void *const at[], char *failure)
{
    const float *x = swg_check_initial(c, 0), *scales = at[2];
    const int8_t *codes = at[1];
    const int32_t *sums = at[3];
    for (size_t g = 0; g * c->group < c->k; g++) {
        const size_t begin = g * c->group;
        const size_t end = begin + c->group < c->k ? begin + c->group : c->k;
        double absmax = 0, sum = 0;
        for (size_t i = begin; i < end; i++)
            absmax = fmax(absmax, fabs((double)x[i]));
        if (absmax < 0x1p-100)
            absmax = 0;
        for (size_t i = begin; i < end; i++) {
            const double wanted = absmax > 0 ? x[i] * 127.0 / absmax : 0;
            if (!swg_check_near(codes[i], wanted, absmax > 0 ? 0.5 + 3 * CHECK_EPS * 127 : 0,
                                "codes", i, failure))
                return false;
            sum += codes[i];
        }
        if (!swg_check_near(scales[g], absmax / 127, CHECK_EPS * absmax / 127, "scales", g,
                            failure) ||
            !swg_check_near(sums[g], sum, 0, "sums", g, failure))
            return false;
    }
    for (size_t i = c->k; i < (c->k + 7) / 8 * 8; i++)
        if (!swg_check_near(codes[i], 0, 0, "codes", i, failure))
            return false;
    return true;
}

const swg_op_check swg_check__quantize_act = {generate_quantize_act, invoke, check_quantize_act};
