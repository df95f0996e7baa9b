/* matmul_w4 and the other layouts: products of packed weights and int8 activations. */
#include "kernels/check/case_weights.h"

#include <math.h>
#include <stdio.h>

/* Sizes of product `index`: tokens 1 to 20 in turn, panels around the tile sizes; every 16th case
 * has many tokens and long rows, and every 40th the longest whole-row group with the largest codes,
 * where sums come closest to 32 bits. */
static void product_sizes(swg_check_case *c, size_t index, bool for_timing, size_t *n, size_t *k,
                          bool *full)
{
    if (!for_timing)
        c->m = 1 + index % 20;
    *n = for_timing ? 512 : swg_check_edge(c, 97);
    *k = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index / 2, 600);
    if (!for_timing && index % 16 == 14) {
        c->m = 17 + swg_check_below(c->rng, 80);
        *k = 1 + swg_check_below(c->rng, 2600);
    }
    *full = !for_timing && index % 8 == 7;
    if (!for_timing && index % 40 == 39) {
        c->m = 1 + index / 40 % 8;
        *n = 2;
        *k = 0; /* as many as the layout allows */
    }
}

/* 0: panels, 1: activation codes, 2: their scales, 3: their sums, 4: y. */
static swg_status generate_matmul(swg_check_case *c, size_t index, bool for_timing)
{
    size_t n, k;
    bool full;
    product_sizes(c, index, for_timing, &n, &k, &full);
    swg_scheme scheme = swg_check_any_scheme(c, index, for_timing);
    if (k == 0) {
        k = swg_layout_longest_group(swg_layout_of(scheme));
        if (index != 39 && k > 65536)
            k = 65536; /* a million columns once */
        scheme.group = 0;
    }
    c->w = swg_packed_layout(scheme, n, k);
    SWG_TRY(swg_check_add_weights(c, full));
    c->stride = swg_round_up(k, 64) + 64 * (index % 2);
    c->panel_begin = for_timing ? 0 : swg_check_below(c->rng, c->w.n_panels);
    c->panel_end = c->w.n_panels;
    if (!for_timing && c->panel_end - c->panel_begin > 1 && swg_check_below(c->rng, 3) == 0)
        c->panel_end--;
    c->y_stride = n + index % 3;
    int8_t *codes;
    float *scales, *y;
    int32_t *sums;
    SWG_TRY(
        swg_check_add_buffer(c, "codes", CHECK_IN, (c->m - 1) * c->stride + c->w.k_padded, &codes));
    SWG_TRY(swg_check_add_buffer(c, "scales", CHECK_IN, c->m * c->w.n_groups * 4, &scales));
    SWG_TRY(swg_check_add_buffer(c, "sums", CHECK_IN, c->m * c->w.n_groups * 4, &sums));
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, ((c->m - 1) * c->y_stride + n) * 4, &y));
    float *x = swg_arena_calloc(&c->arena, k, sizeof *x);
    if (!x)
        return SWG_NO_MEMORY;
    for (size_t t = 0; t < c->m; t++) {
        swg_check_fill(c, x, k, full ? CHECK_ZEROS : swg_check_any_flavour(c, index, false), 1000);
        for (size_t i = 0; full && i < k; i++)
            x[i] = t % 2 ? 1 : -1;
        swg_kernels_of(SWG_ISA_scalar)
            ->quantize_act(x, k, c->w.group, codes + t * c->stride, scales + t * c->w.n_groups,
                           sums + t * c->w.n_groups);
    }
    c->ops = 2.0 * (double)c->m * (double)n * (double)k;
    c->bytes = (double)swg_packed_bytes(&c->w);
    char more[96];
    snprintf(more, sizeof more, ", m %zu, panels %zu to %zu%s", c->m, c->panel_begin, c->panel_end,
             full ? ", largest codes" : "");
    swg_check_describe_weights(c, more);
    return SWG_OK;
}

static void invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    const swg_act x = {.m = c->m,
                       .k = w.k,
                       .group = w.group,
                       .n_groups = w.n_groups,
                       .stride = c->stride,
                       .codes = at[1],
                       .scales = at[2],
                       .sums = at[3]};
    swg_kernels_matmul(kernels, w.layout)(&w, c->panel_begin, c->panel_end, &x, at[4], c->y_stride);
}

/* A group's integer sum is exact; its conversion, the activation scale and the addition are
 * rounded. */
static bool check_matmul(const swg_check_case *c, void *const at[], char *failure)
{
    const swg_packed *w = &c->w;
    const uint8_t *panels = swg_check_initial(c, 0);
    const int8_t *codes = swg_check_initial(c, 1);
    const float *x_scales = swg_check_initial(c, 2), *y = at[4];
    const size_t row_end = c->panel_end * 16 < w->n ? c->panel_end * 16 : w->n;
    for (size_t t = 0; t < c->m; t++)
        for (size_t row = c->panel_begin * 16; row < row_end; row++) {
            double wanted = 0, magnitude = 0;
            for (size_t g = 0; g < w->n_groups; g++) {
                const int zero = swg_check_panel_zero(w, panels, row, g);
                double dot = 0;
                for (size_t j = g * w->group; j < (g + 1) * w->group && j < w->k; j++)
                    dot += (swg_check_panel_number(w, panels, row, j) - zero) *
                           codes[t * c->stride + j];
                const double term =
                    dot * x_scales[t * w->n_groups + g] * swg_check_panel_scale(w, panels, row, g);
                wanted += term;
                magnitude += fabs(term);
            }
            const double bound = ((double)w->n_groups + 3) * CHECK_EPS * magnitude;
            if (!swg_check_near(y[t * c->y_stride + row], wanted, bound, "y", t * c->y_stride + row,
                                failure))
                return false;
        }
    return true;
}

const swg_op_check swg_check__matmul_w4 = {generate_matmul, invoke, check_matmul};
const swg_op_check swg_check__matmul_w8 = {generate_matmul, invoke, check_matmul};
const swg_op_check swg_check__matmul_c4 = {generate_matmul, invoke, check_matmul};
