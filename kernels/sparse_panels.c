/* Sparse panels: sizes, packing, and single rows. See kernels.h; expanding whole panels is an
 * operation. */
#include <string.h>

#include "kernels/sparse_walk.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

swg_sparse_panels swg_sparse_panels_layout(swg_scheme dense, size_t n, size_t k, bool by_column)
{
    swg_sparse_panels s = {.dense = swg_packed_layout(dense, n, k), .by_column = by_column};
    const swg_packed *w = &s.dense;
    const size_t zero_plane = dense.asymmetric ? SWG_PANEL_ROWS * w->n_groups : 0;
    s.zeros_offset = swg_round_up(SWG_PANEL_ROWS * w->n_groups * w->scale_bytes, SWG_ALIGNMENT);
    s.spans_offset = swg_round_up(s.zeros_offset + zero_plane, SWG_ALIGNMENT);
    return s;
}

size_t swg_sparse_panels_bytes(const swg_sparse_panels *s, size_t n_stored)
{
    const swg_packed *w = &s->dense;
    const size_t steps = w->k_padded / SWG_STEP_COLUMNS;
    /* Every step may waste half a byte, every panel the rounding. */
    return w->n_panels * (s->spans_offset + swg_sparse_mask_bytes(w->k_padded, s->by_column) +
                          steps / 2 + 1 + SWG_SPARSE_SLACK + SWG_ALIGNMENT) +
           swg_ceil_div(n_stored * w->panel_bits, 8);
}

/* Write the mask of the step at column c of a span, whose masks were zero; for by_column, row 0
 * speaks for all. */
static void put_mask(const swg_sparse_panels *s, uint64_t mask, size_t c, uint8_t *masks)
{
    if (s->by_column)
        masks[c / 8] |= (uint8_t)((mask & 15) << c % 8);
    else
        memcpy(masks + c / SWG_STEP_COLUMNS * sizeof mask, &mask, sizeof mask);
}

/* The step at column c: its mask and codes. Returns where the next step's codes begin. */
static uint8_t *pack_step(const swg_sparse_panels *s, size_t n_rows, size_t c,
                          const bool *is_stored, const uint8_t *codes, uint8_t *masks, uint8_t *at)
{
    const size_t k = s->dense.k;
    uint64_t mask = 0;
    unsigned n = 0;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < SWG_STEP_COLUMNS && c + i < k; i++) {
            if (!is_stored[r * k + c + i])
                continue;
            mask |= UINT64_C(1) << (r * SWG_STEP_COLUMNS + i);
            if (s->dense.panel_bits == 8)
                at[n] = codes[r * k + c + i];
            else if (n % 2)
                at[n / 2] |= (uint8_t)(codes[r * k + c + i] << 4);
            else
                at[n / 2] = codes[r * k + c + i];
            n++;
        }
    put_mask(s, mask, c % SWG_SPAN_COLUMNS, masks);
    return at + (s->dense.panel_bits == 8 ? n : (n + 1) / 2);
}

size_t swg_sparse_pack_panel(const swg_sparse_panels *s, size_t n_rows, const bool *is_stored,
                             const uint8_t *codes, const void *scales, const uint8_t *zeros,
                             uint8_t *out)
{
    const swg_packed *w = &s->dense;
    const size_t each = w->scale_bytes;
    uint8_t *masks = NULL, *at = out + s->spans_offset;
    memset(out, 0, s->spans_offset);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < w->n_groups; g++) {
            const size_t to = g * SWG_PANEL_ROWS + r, from = r * w->n_groups + g;
            memcpy(out + s->scales_offset + to * each, (const uint8_t *)scales + from * each, each);
            if (zeros)
                out[s->zeros_offset + to] = zeros[from];
        }
    for (size_t c = 0; c < w->k_padded; c += SWG_STEP_COLUMNS) {
        if (c % SWG_SPAN_COLUMNS == 0) {
            const size_t left = w->k_padded - c;
            masks = at;
            at += swg_sparse_mask_bytes(left < SWG_SPAN_COLUMNS ? left : SWG_SPAN_COLUMNS,
                                        s->by_column);
            memset(masks, 0, (size_t)(at - masks));
        }
        at = pack_step(s, n_rows, c, is_stored, codes, masks, at);
    }
    memset(at, 0, SWG_SPARSE_SLACK);
    return swg_round_up((size_t)(at - out) + SWG_SPARSE_SLACK, SWG_ALIGNMENT);
}

void swg_sparse_row_f32(const swg_sparse_panels *s, const uint8_t *panel, size_t r, float *out)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(s, panel);
    for (size_t c = 0; c < w->k; c += SWG_STEP_COLUMNS) {
        const uint64_t mask = swg_sparse_walk_mask(&at, s, c);
        const size_t g = c / w->group * SWG_PANEL_ROWS + r;
        const int zero = w->scheme.asymmetric ? panel[s->zeros_offset + g] : w->symmetric_zero;
        const float scale = swg_float_load(w->scheme.scale_type, panel + s->scales_offset, g);
        for (size_t i = 0; i < SWG_STEP_COLUMNS && c + i < w->k; i++) {
            const size_t bit = r * SWG_STEP_COLUMNS + i;
            const size_t n = (size_t)__builtin_popcountll(mask & ((UINT64_C(1) << bit) - 1));
            const int code = w->panel_bits == 8 ? at.codes[n] : at.codes[n / 2] >> n % 2 * 4 & 15;
            out[c + i] = mask >> bit & 1 ? (float)(code - zero) * scale : 0;
        }
        const size_t n = (size_t)__builtin_popcountll(mask);
        at.codes += w->panel_bits == 8 ? n : (n + 1) / 2;
    }
}
