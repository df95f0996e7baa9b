/* Packed weights for the checks, and how their numbers are read: see case_weights.h. */
#include "kernels/check/case_weights.h"

#include <math.h>
#include <stdio.h>

static const swg_scheme timed_scheme = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 64);

swg_scheme swg_check_any_scheme(swg_check_case *c, size_t index, bool for_timing)
{
    static const uint32_t groups[] = {32, 64, 128, 256, 0};
    static const swg_dtype types[] = {SWG_F16, SWG_BF16, SWG_F32};
    swg_scheme scheme = timed_scheme;
    if (!for_timing)
        scheme = (swg_scheme){.bits = swg_check_below(c->rng, 2) ? 8 : 4,
                              .asymmetric = swg_check_below(c->rng, 2),
                              .scale_type = types[swg_check_below(c->rng, 3)],
                              .group = groups[index % 5]};
    if (c->op == SWG_OP_matmul_w4)
        scheme.bits = 4;
    if (c->op == SWG_OP_matmul_w8)
        scheme.bits = 8;
    if (c->op == SWG_OP_pack_zeros)
        scheme.asymmetric = true;
    return scheme;
}

void swg_check_describe_weights(swg_check_case *c, const char *more)
{
    char name[SWG_SCHEME_NAME_BYTES];
    snprintf(c->text, sizeof c->text, "n %zu, k %zu, %s%s", c->w.n, c->w.k,
             swg_scheme_name(c->w.scheme, name), more);
}

swg_status swg_check_make_planes(swg_check_case *c, bool full, uint8_t **codes, void **scales,
                                 uint8_t **zeros)
{
    const swg_packed *w = &c->w;
    const size_t row_bytes = (w->k * w->scheme.bits + 7) / 8, n_scales = w->n * w->n_groups;
    *codes = swg_arena_calloc(&c->arena, w->n, row_bytes);
    *scales = swg_arena_calloc(&c->arena, n_scales, 4);
    *zeros = swg_arena_calloc(&c->arena, n_scales, 1);
    if (!*codes || !*scales || !*zeros)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < w->n * row_bytes; i++)
        (*codes)[i] = full ? 0xff : (uint8_t)swg_rng_next(c->rng);
    for (size_t i = 0; i < n_scales; i++) {
        const float magnitude = (float)exp(4 * swg_rng_uniform(c->rng) - 6);
        swg_float_store(w->scheme.scale_type, *scales, i, swg_check_below(c->rng, 8) ? magnitude : 0);
        (*zeros)[i] = (uint8_t)(full ? 0 : swg_check_below(c->rng, (size_t)1 << w->scheme.bits));
    }
    return SWG_OK;
}

swg_status swg_check_add_weights(swg_check_case *c, bool full)
{
    uint8_t *panels, *codes, *zeros;
    void *scales;
    SWG_TRY(swg_check_make_planes(c, full, &codes, &scales, &zeros));
    SWG_TRY(swg_check_add_buffer(c, "panels", CHECK_IN, swg_packed_bytes(&c->w), &panels));
    c->w.panels = panels;
    const swg_kernels *scalar = swg_kernels_of(SWG_ISA_scalar);
    scalar->pack_codes(&c->w, 0, c->w.n, codes);
    scalar->pack_scales(&c->w, 0, c->w.n, scales);
    if (c->w.scheme.asymmetric)
        scalar->pack_zeros(&c->w, 0, c->w.n, zeros);
    return SWG_OK;
}

int swg_check_panel_code(const swg_packed *w, const uint8_t *panels, size_t row, size_t column)
{
    const uint8_t *panel = panels + row / 16 * w->panel_bytes;
    if (w->scheme.bits == 8)
        return panel[column / 4 * 64 + 4 * (row % 16) + column % 4];
    const int byte = panel[column / 8 * 64 + 4 * (row % 16) + column % 4];
    return column % 8 < 4 ? byte & 15 : byte >> 4;
}

double swg_check_panel_scale(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    const uint8_t *panel = panels + row / 16 * w->panel_bytes + w->scales_offset;
    return swg_float_load(w->scheme.scale_type, panel, group * 16 + row % 16);
}

int swg_check_panel_zero(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    if (!w->scheme.asymmetric)
        return w->scheme.bits == 4 ? 8 : 128;
    return panels[row / 16 * w->panel_bytes + w->zeros_offset + group * 16 + row % 16];
}
