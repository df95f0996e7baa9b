/* Walking through a sparse panel (kernels.h): where the masks and codes of each step are. Private to
 * kernels/. */
#ifndef SWG_KERNELS_SPARSE_WALK_H
#define SWG_KERNELS_SPARSE_WALK_H

#include <string.h>

#include "kernels/kernels.h"
#include "runtime/base/mem.h"

typedef struct swg_sparse_walk {
    const uint8_t *masks; /* of the present span */
    const uint8_t *codes; /* the next one; whoever reads codes moves it on */
} swg_sparse_walk;

static inline swg_sparse_walk swg_sparse_walk_begin(const swg_sparse_panels *s,
                                                    const uint8_t *panel)
{
    return (swg_sparse_walk){.codes = panel + s->spans_offset};
}

static inline size_t swg_sparse_mask_bytes(size_t columns, bool by_column)
{
    return by_column ? columns / 8 : columns / SWG_STEP_COLUMNS * sizeof(uint64_t);
}

/* A span of as many columns begins where the codes of the last one end. */
static inline void swg_sparse_walk_span(swg_sparse_walk *at, size_t columns, bool by_column)
{
    at->masks = at->codes;
    at->codes += swg_sparse_mask_bytes(columns, by_column);
}

/* The mask of the step at column c of its span. */
static inline uint64_t swg_sparse_span_mask(const uint8_t *masks, size_t c, bool by_column)
{
    uint64_t mask;
    if (by_column)
        return (masks[c / 8] >> c % 8 & 15) * UINT64_C(0x1111111111111111);
    memcpy(&mask, masks + c / SWG_STEP_COLUMNS * sizeof mask, sizeof mask);
    return mask;
}

/* The mask of the step at column c of the panel. Steps are visited in order. */
static inline uint64_t swg_sparse_walk_mask(swg_sparse_walk *at, const swg_sparse_panels *s,
                                            size_t c)
{
    const size_t left = s->dense.k_padded - c;
    if (c % SWG_SPAN_COLUMNS == 0)
        swg_sparse_walk_span(at, left < SWG_SPAN_COLUMNS ? left : SWG_SPAN_COLUMNS, s->by_column);
    return swg_sparse_span_mask(at->masks, c % SWG_SPAN_COLUMNS, s->by_column);
}

/* Copy the scales and zeros of a sparse panel to their places in the dense one. */
static inline void swg_sparse_expand_scales(const swg_sparse_panels *s, const uint8_t *panel,
                                            uint8_t *out)
{
    const swg_packed *w = &s->dense;
    const size_t bytes = SWG_PANEL_ROWS * w->scale_bytes;
    for (size_t g = 0; g < w->n_groups; g++) {
        memcpy(out + swg_packed_scales_at(w, g), panel + s->scales_offset + g * bytes, bytes);
        if (w->scheme.asymmetric)
            memcpy(out + swg_packed_zeros_at(w, g), panel + s->zeros_offset + g * SWG_PANEL_ROWS,
                   SWG_PANEL_ROWS);
    }
}

#endif
