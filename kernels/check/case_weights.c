/* Packed weights for the checks, and reading their numbers: see case_weights.h. */
#include "kernels/check/case_weights.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"

#include <math.h>
#include <stdio.h>

enum { USUAL_BITS = 4, USUAL_GROUP = 64 }; /* what is timed */

/* The layout that an operation multiplies; SWG_LAYOUT_COUNT for operations that take any. */
static swg_layout layout_of_op(swg_op_id op)
{
    switch (op) {
#define SWG_LAYOUT(name, bits, number_bits, longest_group)                                         \
    case SWG_OP_matmul_##name:                                                                     \
        return SWG_LAYOUT_##name;
#include "kernels/layouts.def"
#undef SWG_LAYOUT
    default:
        return SWG_LAYOUT_COUNT;
    }
}

/* A scheme without its group and scale type, of each kind of codes. */
typedef struct code_kind {
    bool has_codebook;
    unsigned bits;
} code_kind;

static swg_scheme scheme_of(code_kind kind, uint32_t group, bool asymmetric, swg_dtype type)
{
    swg_scheme scheme = {0}; /* the kinds are known: neither call fails */
    if (kind.has_codebook)
        swg_scheme_of_codebook(kind.bits, group, type, &scheme);
    else
        swg_scheme_of_bits(kind.bits, group, asymmetric, type, &scheme);
    return scheme;
}

/* Codes that have a format and that the operation takes; for timing, the usual ones, or else the
 * widest. */
static code_kind any_kind(swg_check_case *c, bool for_timing)
{
    static const code_kind known[] = {
#define SWG_INTEGER_FORMAT(name, bits)  {false, bits},
#define SWG_CODEBOOK_FORMAT(name, bits) {true, bits},
#include "runtime/base/weight_formats.def"
    };
    const swg_layout wanted = layout_of_op(c->op);
    code_kind fitting[sizeof known / sizeof *known];
    size_t n = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const swg_scheme scheme = scheme_of(known[i], 32, false, SWG_F16);
        const bool has_zeros = c->op != SWG_OP_pack_zeros || !known[i].has_codebook;
        if (has_zeros && (wanted == SWG_LAYOUT_COUNT || swg_layout_of(scheme) == wanted))
            fitting[n++] = known[i];
    }
    if (for_timing)
        return wanted == SWG_LAYOUT_COUNT ? (code_kind){.bits = USUAL_BITS} : fitting[n - 1];
    return fitting[swg_check_below(c->rng, n)];
}

swg_scheme swg_check_any_scheme(swg_check_case *c, size_t index, bool for_timing)
{
    static const uint32_t groups[] = {32, 64, 128, 256, 0};
    static const swg_dtype types[] = {SWG_F16, SWG_BF16, SWG_F32, SWG_I8};
    const bool asymmetric =
        c->op == SWG_OP_pack_zeros || (!for_timing && swg_check_below(c->rng, 2));
    const uint32_t group = for_timing ? USUAL_GROUP : groups[index % 5];
    const swg_dtype any_type = types[swg_check_below(c->rng, sizeof types / sizeof *types)];
    const swg_dtype type = c->op == SWG_OP_pack_row_scales ? SWG_I8
                           : for_timing                    ? SWG_F16
                                                           : any_type;
    return scheme_of(any_kind(c, for_timing), group, asymmetric, type);
}

void swg_check_describe_weights(swg_check_case *c, const char *more)
{
    char name[SWG_SCHEME_NAME_BYTES];
    snprintf(c->text, sizeof c->text, "n %zu, k %zu, %s%s", c->w.n, c->w.k,
             swg_scheme_name(c->w.scheme, name), more);
}

/* Random scales, an eighth of them 0. */
static void fill_scales(swg_check_case *c, swg_dtype type, size_t n, void *scales)
{
    for (size_t i = 0; i < n; i++) {
        const float magnitude = (float)exp(4 * swg_rng_uniform(c->rng) - 6);
        if (type == SWG_I8)
            ((int8_t *)scales)[i] = (int8_t)swg_rng_next(c->rng);
        else
            swg_float_store(type, scales, i, swg_check_below(c->rng, 8) ? magnitude : 0);
    }
}

swg_status swg_check_make_planes(swg_check_case *c, bool full, swg_check_planes *out)
{
    const swg_packed *w = &c->w;
    const size_t row_bytes = w->code_row_bytes, n_scales = w->n * w->n_groups;
    out->codes = swg_arena_calloc(&c->arena, w->n, row_bytes);
    out->scales = swg_arena_calloc(&c->arena, n_scales, 4);
    out->row_scales = swg_arena_calloc(&c->arena, w->n, sizeof(uint16_t));
    out->zeros = swg_arena_calloc(&c->arena, n_scales, 1);
    if (!out->codes || !out->scales || !out->row_scales || !out->zeros)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < SWG_CODEBOOK_CODES; i++)
        c->w.codebook[i] = full ? 255 : (uint8_t)swg_rng_next(c->rng);
    for (size_t i = 0; i < w->n * row_bytes; i++)
        out->codes[i] = full ? 0xff : (uint8_t)swg_rng_next(c->rng);
    fill_scales(c, w->scheme.scale_type, n_scales, out->scales);
    fill_scales(c, SWG_BF16, w->n, out->row_scales);
    /* Products take any byte for a zero point, though codes reach only some. */
    const bool takes_any =
        layout_of_op(c->op) != SWG_LAYOUT_COUNT && swg_check_below(c->rng, 4) == 0;
    const size_t n_zeros = takes_any ? 256 : (size_t)1 << w->scheme.bits;
    for (size_t i = 0; i < n_scales; i++)
        out->zeros[i] = (uint8_t)(full ? 0 : swg_check_below(c->rng, n_zeros));
    return SWG_OK;
}

swg_status swg_check_add_weights(swg_check_case *c, bool full)
{
    uint8_t *panels;
    swg_check_planes planes;
    SWG_TRY(swg_check_make_planes(c, full, &planes));
    SWG_TRY(swg_check_add_buffer(c, "panels", CHECK_IN, swg_packed_bytes(&c->w), &panels));
    c->w.panels = panels;
    const swg_kernels *scalar = swg_kernels_of(SWG_ISA_scalar);
    scalar->pack_codes(&c->w, 0, c->w.n, planes.codes);
    scalar->pack_scales(&c->w, 0, c->w.n, planes.scales);
    if (swg_scheme_has_row_scales(c->w.scheme))
        scalar->pack_row_scales(&c->w, 0, c->w.n, planes.row_scales);
    if (c->w.scheme.asymmetric)
        scalar->pack_zeros(&c->w, 0, c->w.n, planes.zeros);
    return SWG_OK;
}

int swg_check_panel_number(const swg_packed *w, const uint8_t *panels, size_t row, size_t column)
{
    const int code = swg_check_panel_code(w, panels, row, column);
    return swg_scheme_has_codebook(w->scheme) ? w->codebook[code] : code;
}

/* Where a group's block is, derived here once more from the drawing in kernels.h: the block begins
 * after whole blocks of codes, scales and zeros. */
typedef struct block_place {
    const uint8_t *codes, *scales, *zeros;
    size_t first_column, first_group;
} block_place;

static block_place block_of(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    const size_t scale_line = 16 * w->scale_bytes, zero_line = w->scheme.asymmetric ? 16 : 0;
    size_t groups = 1;
    while (groups * scale_line % 64 != 0 || groups * zero_line % 64 != 0)
        groups *= 2;
    const size_t bits = w->layout == SWG_LAYOUT_w8 ? 8 : 4;
    const uint8_t *at = panels + row / 16 * w->panel_bytes;
    for (size_t first = 0;; first += groups) {
        const bool is_last = first + groups >= w->n_groups;
        const size_t n = is_last ? w->n_groups - first : groups;
        const size_t columns = is_last ? w->k_padded - first * w->group : groups * w->group;
        const uint8_t *scales = at + columns * 2 * bits;
        const uint8_t *zeros = scales + (n * scale_line + 63) / 64 * 64;
        if (group < first + n)
            return (block_place){at, scales, zeros, first * w->group, first};
        at = zeros + n * zero_line;
    }
}

int swg_check_panel_code(const swg_packed *w, const uint8_t *panels, size_t row, size_t at)
{
    const size_t group = at < w->k ? at / w->group : w->n_groups - 1;
    const block_place block = block_of(w, panels, row, group);
    const uint8_t *panel = block.codes;
    const size_t column = at - block.first_column;
    if (w->layout == SWG_LAYOUT_w8)
        return panel[column / 4 * 64 + 4 * (row % 16) + column % 4];
    const int byte = panel[column / 8 * 64 + 4 * (row % 16) + column % 4];
    return column % 8 < 4 ? byte & 15 : byte >> 4;
}

float swg_check_panel_row_scale(const swg_packed *w, const uint8_t *panels, size_t row)
{
    const uint8_t *panel = panels + row / 16 * w->panel_bytes + w->row_scales_offset;
    return swg_float_load(SWG_F32, panel, row % 16);
}

double swg_check_panel_own_scale(const swg_packed *w, const uint8_t *panels, size_t row,
                                 size_t group)
{
    const block_place block = block_of(w, panels, row, group);
    const size_t at = (group - block.first_group) * 16 + row % 16;
    if (swg_scheme_has_row_scales(w->scheme))
        return (int8_t)block.scales[at];
    return swg_float_load(w->scheme.scale_type, block.scales, at);
}

double swg_check_panel_scale(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    const double own = swg_check_panel_own_scale(w, panels, row, group);
    return swg_scheme_has_row_scales(w->scheme) ? own * swg_check_panel_row_scale(w, panels, row)
                                                : own;
}

int swg_check_panel_zero(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    if (!w->scheme.asymmetric)
        return swg_scheme_has_codebook(w->scheme) ? 128 : 1 << (w->scheme.bits - 1);
    const block_place block = block_of(w, panels, row, group);
    return block.zeros[(group - block.first_group) * 16 + row % 16];
}
