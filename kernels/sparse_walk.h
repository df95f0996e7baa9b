/* Walking through a sparse panel (kernels.h), step by step: where its groups, spans and codes are.
 * Private to kernels/; vector sets read whole spans on their own. */
#ifndef SWG_KERNELS_SPARSE_WALK_H
#define SWG_KERNELS_SPARSE_WALK_H

#include <string.h>

#include "kernels/kernels.h"
#include "runtime/base/mem.h"

enum { SWG_NOT_STORED = -1, SWG_STEP_CODES = SWG_PANEL_ROWS * SWG_STEP_COLUMNS };

typedef struct swg_sparse_walk {
    const uint8_t *next;           /* the group or span to be entered next */
    const uint8_t *scales, *zeros; /* of the present group; zeros of asymmetric schemes */
    const uint8_t *marks, *codes;  /* of the present span: masks or numbers of pairs; the codes are
                                      moved on by whoever reads them in order */
} swg_sparse_walk;

/* Bytes of a group before its spans. */
static inline size_t swg_sparse_head_bytes(const swg_sparse_panels *s)
{
    return SWG_PANEL_ROWS * (s->dense.scale_bytes + (s->dense.scheme.asymmetric ? 1 : 0));
}

static inline size_t swg_sparse_span_columns(const swg_sparse_panels *s)
{
    return s->kind == SWG_SPARSE_PAIRS ? SWG_PAIRS_SPAN : SWG_MASKS_SPAN;
}

/* Columns of group g, with the padding of the last. */
static inline size_t swg_sparse_group_columns(const swg_sparse_panels *s, size_t g)
{
    const swg_packed *w = &s->dense;
    return g + 1 < w->n_groups ? w->group : w->k_padded - g * w->group;
}

static inline size_t swg_sparse_masks_bytes(size_t columns, swg_sparse_kind kind)
{
    return kind == SWG_SPARSE_COLUMNS ? columns / 8 : columns / SWG_STEP_COLUMNS * sizeof(uint64_t);
}

/* Bytes of the codes of 32 columns of pairs. */
static inline size_t swg_pair_codes_bytes(unsigned bits)
{
    return (size_t)SWG_PAIRS_SPAN / SWG_STEP_COLUMNS * 2 * SWG_PANEL_ROWS * bits / 8;
}

/* The mask of the step at column c of its span. */
static inline uint64_t swg_sparse_span_mask(const uint8_t *masks, size_t c, swg_sparse_kind kind)
{
    uint64_t mask;
    if (kind == SWG_SPARSE_COLUMNS)
        return (masks[c / 8] >> c % 8 & 15) * UINT64_C(0x1111111111111111);
    memcpy(&mask, masks + c / SWG_STEP_COLUMNS * sizeof mask, sizeof mask);
    return mask;
}

static inline unsigned swg_sparse_code(const uint8_t *codes, size_t i, unsigned bits)
{
    return bits == 8 ? codes[i] : codes[i / 2] >> i % 2 * 4 & 15;
}

/* The number of the pair of row r in the step at column c of a span. */
static inline unsigned swg_pair_number(const uint8_t *numbers, size_t r, size_t c)
{
    const size_t bit = c / 8 * 12 + r % 2 * 6 + c / 4 % 2 * 3;
    const uint8_t *at = numbers + r / 2 * 6 + bit / 8;
    const unsigned two = bit % 8 > 5 ? at[0] | (unsigned)at[1] << 8 : at[0];
    return two >> bit % 8 & 7;
}

/* Where the i-th code of row r in the step at column c of a span of pairs is, as a code's index. */
static inline size_t swg_pair_code_at(size_t r, size_t c, size_t i, unsigned bits)
{
    const size_t at = 4 * r + c / 4 % 2 * 2 + i;
    return bits == 8 ? c / 8 * 64 + at : (c / 16 * 64 + at) * 2 + c / 8 % 2;
}

/* Begin at a panel; then call _step for columns 0, 4, 8 ... k_padded - 4 in turn: it writes the
 * codes of the step in the order of its bits, SWG_NOT_STORED for those that are not stored. */
static inline swg_sparse_walk swg_sparse_walk_begin(const uint8_t *panel)
{
    return (swg_sparse_walk){.next = panel};
}

static inline void swg_sparse_walk_group(swg_sparse_walk *at, const swg_sparse_panels *s)
{
    at->scales = at->next;
    at->zeros = at->next + SWG_PANEL_ROWS * s->dense.scale_bytes;
    at->next += swg_sparse_head_bytes(s);
}

/* Enter a span of that many columns of a panel of that kind, with codes of `bits` bits. */
static inline void swg_sparse_walk_span(swg_sparse_walk *at, size_t columns, swg_sparse_kind kind,
                                        unsigned bits)
{
    uint16_t length;
    if (kind == SWG_SPARSE_PAIRS) {
        at->marks = at->next;
        at->codes = at->marks + SWG_PAIR_NUMBERS_BYTES;
        at->next = at->codes + swg_pair_codes_bytes(bits);
        return;
    }
    memcpy(&length, at->next, sizeof length);
    at->marks = at->next + sizeof length;
    at->codes = at->marks + swg_sparse_masks_bytes(columns, kind);
    at->next = at->codes + length;
}

void swg_sparse_walk_step(swg_sparse_walk *at, const swg_sparse_panels *s, size_t c,
                          int codes[SWG_STEP_CODES]);

/* Copy the scales and zeros of a group, which begin at `head`, to their places in a dense panel. */
static inline void swg_sparse_expand_head(const swg_sparse_panels *s, size_t g, const uint8_t *head,
                                          uint8_t *out)
{
    const swg_packed *w = &s->dense;
    const size_t bytes = SWG_PANEL_ROWS * w->scale_bytes;
    memcpy(out + swg_packed_scales_at(w, g), head, bytes);
    if (w->scheme.asymmetric)
        memcpy(out + swg_packed_zeros_at(w, g), head + bytes, SWG_PANEL_ROWS);
}

#endif
