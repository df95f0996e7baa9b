/* Sparse panels: to dense ones, and times few tokens: the definition. kernels.h has the drawing of
 * both. Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>
#include <string.h>

#include "kernels/sparse_walk.h"
#include "runtime/base/numeric.h"

/* The zero point of row r in the group that is walked through. */
static int zero_of(const swg_packed *w, const swg_sparse_walk *at, size_t r)
{
    return w->scheme.asymmetric ? at->zeros[r] : w->symmetric_zero;
}

void swg_expand__scalar(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(panel);
    for (size_t c = 0; c < w->k_padded; c += SWG_STEP_COLUMNS) {
        int codes[SWG_STEP_CODES];
        swg_sparse_walk_step(&at, s, c, codes);
        const size_t g = c < w->k ? c / w->group : w->n_groups - 1; /* padding: of the last */
        uint8_t *to = out + swg_packed_codes_at(w, g) +
                      (w->panel_bits == 8 ? c * SWG_PANEL_ROWS : c / 8 * 64);
        for (size_t i = 0; i < SWG_STEP_CODES; i++) {
            const int code =
                codes[i] == SWG_NOT_STORED ? zero_of(w, &at, i / SWG_STEP_COLUMNS) : codes[i];
            if (w->panel_bits == 8 || c % 8 == 0)
                to[i] = (uint8_t)code;
            else
                to[i] = (uint8_t)(to[i] | code << 4);
        }
        swg_sparse_expand_head(s, g, at.scales, out);
    }
}

/* Add sum_c (code[r][c] - zero[r]) a[c] of the stored codes of a step. */
static void dot_step(const swg_packed *w, const swg_sparse_walk *at,
                     const int codes[SWG_STEP_CODES], const int8_t *a, int32_t sums[SWG_PANEL_ROWS])
{
    for (size_t i = 0; i < SWG_STEP_CODES; i++)
        if (codes[i] != SWG_NOT_STORED)
            sums[i / SWG_STEP_COLUMNS] +=
                (codes[i] - zero_of(w, at, i / SWG_STEP_COLUMNS)) * a[i % SWG_STEP_COLUMNS];
}

static void matvec_token(const swg_sparse_panels *s, const uint8_t *panel, const int8_t *a,
                         const float *a_scales, size_t n_rows, float *y)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(panel);
    float total[SWG_PANEL_ROWS] = {0};
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t begin = g * w->group, end = begin + swg_sparse_group_columns(s, g);
        int32_t sums[SWG_PANEL_ROWS] = {0};
        for (size_t c = begin; c < end; c += SWG_STEP_COLUMNS) {
            int codes[SWG_STEP_CODES];
            swg_sparse_walk_step(&at, s, c, codes);
            dot_step(w, &at, codes, a + c, sums);
        }
        for (size_t r = 0; r < SWG_PANEL_ROWS; r++)
            total[r] = fmaf(swg_float_load(w->scheme.scale_type, at.scales, r),
                            (float)sums[r] * a_scales[g], total[r]);
    }
    memcpy(y, total, n_rows * sizeof *y);
}

void swg_matvec_sparse__scalar(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                               size_t n_rows, float *y, size_t y_stride)
{
    for (size_t t = 0; t < x->m; t++)
        matvec_token(s, panel, x->codes + t * x->stride, x->scales + t * x->n_groups, n_rows,
                     y + t * y_stride);
}
