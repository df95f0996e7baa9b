/* expand and matvec_sparse: sparse panels to dense ones, and times few tokens. */
#include "kernels/check/case_weights.h"
#include "runtime/base/numeric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a code of the case must be: as it was generated. Held in the case's arena by the buffers
 * below, so the reference does not unpack anything. */
enum { PANEL, OUT, CODES, STORED, ACT_CODES, ACT_SCALES, ACT_SUMS };

static swg_sparse_panels panels_of(const swg_check_case *c)
{
    return swg_sparse_panels_layout(c->w.scheme, c->n, c->k, c->sparse_kind);
}

/* Zeros of `percent`: of single weights, or of columns; of pairs, and all but two of a step. */
static void fill_stored(swg_check_case *c, unsigned percent, bool *is_stored)
{
    for (size_t i = 0; i < c->n * c->k; i++)
        is_stored[i] = swg_check_below(c->rng, 100) >= percent;
    for (size_t i = 0; c->sparse_kind == SWG_SPARSE_COLUMNS && i < c->n * c->k; i++)
        is_stored[i] = is_stored[i % c->k];
    for (size_t r = 0; c->sparse_kind == SWG_SPARSE_PAIRS && r < c->n; r++)
        for (size_t j = 0; j < c->k; j += SWG_STEP_COLUMNS) {
            bool *step = is_stored + r * c->k + j;
            const size_t number = swg_check_below(c->rng, 6);
            for (size_t i = 0; i < SWG_STEP_COLUMNS && j + i < c->k; i++)
                step[i] = step[i] && (i == swg_pair_positions[number][0] ||
                                      i == swg_pair_positions[number][1]);
        }
}

/* 0: sparse panel, 1: dense panel, 2: codes, one per byte, 3: whether they are stored. */
static swg_status generate_expand(swg_check_case *c, size_t index, bool for_timing)
{
    static const unsigned percents[] = {50, 0, 100, 60, 7, 93};
    static const swg_sparse_kind kinds[] = {SWG_SPARSE_MASKS, SWG_SPARSE_PAIRS, SWG_SPARSE_COLUMNS};
    static const char *const names[] = {"", ", by columns", ", pairs"}; /* by kind */
    c->k = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 500);
    c->sparse_kind = for_timing ? SWG_SPARSE_MASKS : kinds[index % 3];
    c->n = for_timing || c->sparse_kind == SWG_SPARSE_COLUMNS
               ? SWG_PANEL_ROWS
               : 1 + swg_check_below(c->rng, SWG_PANEL_ROWS);
    swg_scheme scheme = swg_check_any_scheme(c, index, for_timing);
    while (swg_scheme_has_codebook(scheme) || swg_scheme_has_row_scales(scheme))
        scheme = swg_check_any_scheme(c, index, for_timing);
    c->w = swg_packed_layout(scheme, c->n, c->k);
    const swg_sparse_panels s = panels_of(c);
    uint8_t *panel, *out, *codes, *made;
    bool *is_stored;
    swg_check_planes planes;
    SWG_TRY(swg_check_make_planes(c, false, &planes));
    made = swg_arena_calloc(&c->arena, swg_sparse_panels_bytes(&s, c->n * c->k), 1);
    if (!made)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_check_add_buffer(c, "panel", CHECK_IN, 1, &panel)); /* resized below */
    SWG_TRY(swg_check_add_buffer(c, "out", CHECK_OUT, c->w.panel_bytes, &out));
    SWG_TRY(swg_check_add_buffer(c, "codes", CHECK_IN, c->n * c->k, &codes));
    SWG_TRY(
        swg_check_add_buffer(c, "stored", CHECK_IN, c->n * c->k * sizeof *is_stored, &is_stored));
    for (size_t i = 0; i < c->n * c->k; i++)
        codes[i] = (uint8_t)swg_check_below(c->rng, (size_t)1 << scheme.bits);
    fill_stored(c, percents[for_timing ? 0 : index / 3 % 6], is_stored);
    const size_t bytes = swg_sparse_pack_panel(&s, c->n, is_stored, codes, planes.scales,
                                               scheme.asymmetric ? planes.zeros : NULL, made);
    c->buffers[PANEL].bytes = bytes;
    c->buffers[PANEL].initial = made;
    c->bytes = (double)bytes;
    char more[48];
    snprintf(more, sizeof more, ", %u %% zero%s", percents[for_timing ? 0 : index / 3 % 6],
             names[c->sparse_kind]);
    swg_check_describe_weights(c, more);
    return SWG_OK;
}

static void invoke_expand(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    const swg_sparse_panels s = panels_of(c);
    kernels->expand(&s, at[PANEL], at[OUT]);
}

static bool check_expand(const swg_check_case *c, void *const at[], char *failure)
{
    const uint8_t *codes = swg_check_initial(c, CODES);
    const bool *is_stored = swg_check_initial(c, STORED);
    for (size_t r = 0; r < c->n; r++)
        for (size_t j = 0; j < c->k; j++) {
            const int got = swg_check_panel_code(&c->w, at[OUT], r, j);
            const int wanted = is_stored[r * c->k + j]
                                   ? codes[r * c->k + j]
                                   : swg_check_panel_zero(&c->w, at[OUT], r, j / c->w.group);
            if (!swg_check_near(got, wanted, 0, "code: row x columns", r * c->k + j, failure))
                return false;
        }
    return true;
}

const swg_op_check swg_check__expand = {generate_expand, invoke_expand, check_expand};

/* 0 to 3 as above, 1 being y; 4 to 6: the tokens' codes, scales and sums. */
static swg_status generate_matvec(swg_check_case *c, size_t index, bool for_timing)
{
    SWG_TRY(generate_expand(c, index, for_timing));
    int8_t *codes;
    float *scales, *y;
    int32_t *sums;
    c->m = for_timing ? 1 : 1 + index % SWG_SPARSE_TOKENS;
    c->stride = swg_round_up(c->w.k_padded, SWG_ALIGNMENT);
    c->n_buffers = OUT; /* y in the place of the dense panel */
    const swg_check_buffer panel_codes = c->buffers[CODES], stored = c->buffers[STORED];
    SWG_TRY(swg_check_add_buffer(c, "y", CHECK_OUT, c->m * c->n * sizeof *y, &y));
    c->buffers[c->n_buffers++] = panel_codes;
    c->buffers[c->n_buffers++] = stored;
    const size_t groups = c->m * c->w.n_groups;
    SWG_TRY(swg_check_add_buffer(c, "codes", CHECK_IN, c->m * c->stride, &codes));
    SWG_TRY(swg_check_add_buffer(c, "scales", CHECK_IN, groups * sizeof *scales, &scales));
    SWG_TRY(swg_check_add_buffer(c, "sums", CHECK_IN, groups * sizeof *sums, &sums));
    float *x = swg_arena_calloc(&c->arena, c->k, sizeof *x);
    if (!x)
        return SWG_NO_MEMORY;
    for (size_t t = 0; t < c->m; t++) {
        swg_check_fill(c, x, c->k, swg_check_any_flavour(c, index, for_timing), 1000);
        swg_kernels_of(SWG_ISA_scalar)
            ->quantize_act(x, c->k, c->w.group, codes + t * c->stride, scales + t * c->w.n_groups,
                           sums + t * c->w.n_groups);
    }
    c->ops = 2.0 * (double)c->m * (double)c->n * (double)c->k;
    return SWG_OK;
}

static void invoke_matvec(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    const swg_sparse_panels s = panels_of(c);
    const swg_act x = {.m = c->m,
                       .k = c->k,
                       .stride = c->stride,
                       .group = c->w.group,
                       .n_groups = c->w.n_groups,
                       .codes = at[ACT_CODES],
                       .scales = at[ACT_SCALES],
                       .sums = at[ACT_SUMS]};
    kernels->matvec_sparse(&s, at[PANEL], &x, c->n, at[OUT], c->n);
}

/* The scales of group g of the panel, derived here once more from the drawing in kernels.h. */
static const uint8_t *head_of(const swg_check_case *c, const uint8_t *panel, size_t g)
{
    const swg_packed *w = &c->w;
    const bool is_pairs = c->sparse_kind == SWG_SPARSE_PAIRS;
    const size_t span = is_pairs ? 32 : 64, mask = c->sparse_kind == SWG_SPARSE_COLUMNS ? 1 : 16;
    for (size_t i = 0; i < g; i++) {
        panel += 16 * (w->scale_bytes + (w->scheme.asymmetric ? 1 : 0));
        for (size_t j = 0; j < w->group; j += span) {
            const size_t columns = w->group - j < span ? w->group - j : span;
            const size_t length = panel[0] | (size_t)panel[1] << 8;
            panel += is_pairs ? 48 + 32 * w->panel_bits : 2 + columns / 8 * mask + length;
        }
    }
    return panel;
}

/* Token t. As of the dense products: a group's sum is exact, three roundings follow. */
static bool check_token(const swg_check_case *c, size_t t, const float *y, char *failure)
{
    const uint8_t *codes = swg_check_initial(c, CODES), *panel = swg_check_initial(c, PANEL);
    const bool *is_stored = swg_check_initial(c, STORED);
    const int8_t *a = (const int8_t *)swg_check_initial(c, ACT_CODES) + t * c->stride;
    const float *a_scales = (const float *)swg_check_initial(c, ACT_SCALES) + t * c->w.n_groups;
    for (size_t r = 0; r < c->n; r++) {
        double wanted = 0, magnitude = 0;
        for (size_t g = 0; g < c->w.n_groups; g++) {
            const uint8_t *head = head_of(c, panel, g);
            const int zero = c->w.scheme.asymmetric ? head[16 * c->w.scale_bytes + r]
                                                    : 1 << (c->w.scheme.bits - 1);
            double dot = 0;
            for (size_t j = g * c->w.group; j < (g + 1) * c->w.group && j < c->k; j++)
                if (is_stored[r * c->k + j])
                    dot += (codes[r * c->k + j] - zero) * a[j];
            const double term =
                dot * (double)a_scales[g] * (double)swg_float_load(c->w.scheme.scale_type, head, r);
            wanted += term;
            magnitude += fabs(term);
        }
        const double bound = ((double)c->w.n_groups + 3) * CHECK_EPS * magnitude;
        if (!swg_check_near((double)y[r], wanted, bound, "y", r, failure))
            return false;
    }
    return true;
}

static bool check_matvec(const swg_check_case *c, void *const at[], char *failure)
{
    for (size_t t = 0; t < c->m; t++)
        if (!check_token(c, t, (const float *)at[OUT] + t * c->n, failure))
            return false;
    return true;
}

const swg_op_check swg_check__matvec_sparse = {generate_matvec, invoke_matvec, check_matvec};
