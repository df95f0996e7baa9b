/* expand: sparse panels to dense ones. */
#include "kernels/check/case_weights.h"

#include <stdio.h>
#include <string.h>

/* What a code of the case must be: as it was generated. Held in the case's arena by the buffers
 * below, so the reference does not unpack anything. */
enum { PANEL, OUT, CODES, STORED };

static swg_sparse_panels panels_of(const swg_check_case *c)
{
    return swg_sparse_panels_layout(c->w.scheme, c->n, c->k, c->in_place);
}

/* Zeros of `percent`: of single weights, or of columns. */
static void fill_stored(swg_check_case *c, unsigned percent, bool *is_stored)
{
    for (size_t i = 0; i < c->n * c->k; i++)
        is_stored[i] = swg_check_below(c->rng, 100) >= percent;
    for (size_t i = 0; c->in_place && i < c->n * c->k; i++)
        is_stored[i] = is_stored[i % c->k];
}

/* 0: sparse panel, 1: dense panel, 2: codes, one per byte, 3: whether they are stored.
 * c->in_place: whole columns are left out. */
static swg_status generate_expand(swg_check_case *c, size_t index, bool for_timing)
{
    static const unsigned percents[] = {50, 0, 100, 60, 7, 93};
    c->k = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 500);
    c->in_place = !for_timing && index % 3 == 2;
    c->n = for_timing || c->in_place ? SWG_PANEL_ROWS : 1 + swg_check_below(c->rng, SWG_PANEL_ROWS);
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
    fill_stored(c, percents[for_timing ? 0 : index % 6], is_stored);
    const size_t bytes = swg_sparse_pack_panel(&s, c->n, is_stored, codes, planes.scales,
                                               scheme.asymmetric ? planes.zeros : NULL, made);
    c->buffers[PANEL].bytes = bytes;
    c->buffers[PANEL].initial = made;
    c->bytes = (double)bytes;
    char more[48];
    snprintf(more, sizeof more, ", %u %% zero%s", percents[for_timing ? 0 : index % 6],
             c->in_place ? ", by columns" : "");
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
