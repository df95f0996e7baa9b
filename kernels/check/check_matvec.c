/* matvec_f32, matvec_f16 and matvec_bf16: products of plain weights and a few tokens. */
#include "kernels/check/case_values.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/numeric.h"

static swg_dtype type_of(const swg_check_case *c)
{
    switch (c->op) {
    case SWG_OP_matvec_f16:
        return SWG_F16;
    case SWG_OP_matvec_bf16:
        return SWG_BF16;
    default:
        return SWG_F32;
    }
}

enum { WEIGHTS, INPUTS, OUTPUTS };

/* WEIGHTS [n][k] of the operation's type, INPUTS [m][stride], OUTPUTS [m][y_stride]. */
static swg_status generate_matvec(swg_check_case *c, size_t index, bool for_timing)
{
    const swg_dtype dtype = type_of(c);
    const size_t bytes = dtype == SWG_F32 ? 4 : 2;
    c->k = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 600);
    c->n = for_timing ? 512 : swg_check_edge(c, 33);
    if (!for_timing || c->m > SWG_PLAIN_TOKENS)
        c->m = for_timing ? 1 : 1 + index / 2 % (8);
    c->stride = c->k + (for_timing ? 0 : index % 3);
    c->y_stride = c->n + index % 3;
    const swg_check_flavour kind = swg_check_any_flavour(c, index, for_timing);
    void *w;
    float *x, *y, *weights = swg_arena_calloc(&c->arena, c->n * c->k, sizeof *weights);
    if (!weights)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_check_add_buffer(c, "w", CHECK_IN, c->n * c->k * bytes, &w));
    SWG_TRY(swg_check_add_buffer(c, "x", CHECK_IN, ((c->m - 1) * c->stride + c->k) * 4, &x));
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, ((c->m - 1) * c->y_stride + c->n) * 4, &y));
    swg_check_fill(c, weights, c->n * c->k, kind, 1000);
    for (size_t i = 0; i < c->n * c->k; i++)
        swg_float_store(dtype, w, i, weights[i]);
    swg_check_fill(c, x, (c->m - 1) * c->stride + c->k, kind, 1000);
    c->ops = 2.0 * (double)c->m * (double)c->n * (double)c->k;
    c->bytes = (double)(c->n * c->k * bytes);
    snprintf(c->text, sizeof c->text, "n %zu, k %zu, m %zu, %s", c->n, c->k, c->m,
             swg_check_flavour_name(kind));
    return SWG_OK;
}

static void invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_kernels_matvec(kernels, type_of(c))(at[WEIGHTS], c->n, c->k, at[INPUTS], c->m, c->stride,
                                            at[OUTPUTS], c->y_stride);
}

/* Every product is added with one rounding, and the lanes are added. */
static bool check_matvec(const swg_check_case *c, void *const at[], char *failure)
{
    const float *x = swg_check_initial(c, INPUTS), *y = at[OUTPUTS];
    const void *w = swg_check_initial(c, WEIGHTS);
    for (size_t t = 0; t < c->m; t++)
        for (size_t r = 0; r < c->n; r++) {
            double wanted = 0, magnitude = 0;
            for (size_t i = 0; i < c->k; i++) {
                const double term = (double)swg_float_load(type_of(c), w, r * c->k + i) *
                                    (double)x[t * c->stride + i];
                wanted += term;
                magnitude += fabs(term);
            }
            const double bound = (double)c->k * (CHECK_EPS * magnitude + CHECK_DENORMAL);
            if (!swg_check_near(y[t * c->y_stride + r], wanted, bound, "y", t * c->y_stride + r,
                                failure))
                return false;
        }
    return true;
}

const swg_op_check swg_check__matvec_f32 = {generate_matvec, invoke, check_matvec};
const swg_op_check swg_check__matvec_f16 = {generate_matvec, invoke, check_matvec};
const swg_op_check swg_check__matvec_bf16 = {generate_matvec, invoke, check_matvec};
