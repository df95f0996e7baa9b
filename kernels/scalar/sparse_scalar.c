/* Sparse panels: to dense ones, and times one token: the definition. kernels.h has the drawing of
 * both. Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>
#include <string.h>

#include "kernels/sparse_walk.h"
#include "runtime/base/numeric.h"

void swg_expand__scalar(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(s, panel);
    for (size_t c = 0; c < w->k_padded; c += SWG_STEP_COLUMNS) {
        const uint64_t mask = swg_sparse_walk_mask(&at, s, c);
        const size_t g = c < w->k ? c / w->group : w->n_groups - 1; /* padding: of the last */
        const uint8_t *zeros = panel + s->zeros_offset + g * SWG_PANEL_ROWS;
        uint8_t *to = out + swg_packed_codes_at(w, g) +
                      (w->panel_bits == 8 ? c * SWG_PANEL_ROWS : c / 8 * 64);
        size_t n = 0;
        for (size_t bit = 0; bit < 64; bit++) {
            unsigned code = w->scheme.asymmetric ? zeros[bit / 4] : (unsigned)w->symmetric_zero;
            if (mask >> bit & 1) {
                code = w->panel_bits == 8 ? at.codes[n] : at.codes[n / 2] >> n % 2 * 4 & 15;
                n++;
            }
            if (w->panel_bits == 8 || c % 8 == 0)
                to[bit] = (uint8_t)code;
            else
                to[bit] = (uint8_t)(to[bit] | code << 4);
        }
        at.codes += w->panel_bits == 8 ? n : (n + 1) / 2;
    }
    swg_sparse_expand_scales(s, panel, out);
}

/* sum_c code[r][c] a[c] of the 16 rows over a step of 4 columns; returns the bytes of its codes. */
static size_t dot_step(const swg_packed *w, uint64_t mask, const uint8_t *codes,
                       const uint8_t *zeros, const int8_t *a, int32_t sums[SWG_PANEL_ROWS])
{
    size_t n = 0;
    for (size_t bit = 0; bit < 64; bit++) {
        int32_t code = w->scheme.asymmetric ? zeros[bit / 4] : w->symmetric_zero;
        if (mask >> bit & 1) {
            code = w->panel_bits == 8 ? codes[n] : codes[n / 2] >> n % 2 * 4 & 15;
            n++;
        }
        sums[bit / 4] += code * a[bit % 4];
    }
    return w->panel_bits == 8 ? n : (n + 1) / 2;
}

static void matvec_token(const swg_sparse_panels *s, const uint8_t *panel, const int8_t *a,
                         const float *a_scales, const int32_t *a_sums, size_t n_rows, float *y)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(s, panel);
    float total[SWG_PANEL_ROWS] = {0};
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t end = g + 1 < w->n_groups ? (g + 1) * w->group : w->k_padded;
        const uint8_t *zeros = panel + s->zeros_offset + g * SWG_PANEL_ROWS;
        int32_t sums[SWG_PANEL_ROWS] = {0};
        for (size_t c = g * w->group; c < end; c += SWG_STEP_COLUMNS) {
            const uint64_t mask = swg_sparse_walk_mask(&at, s, c);
            at.codes += dot_step(w, mask, at.codes, zeros, a + c, sums);
        }
        for (size_t r = 0; r < SWG_PANEL_ROWS; r++) {
            const int32_t zero = w->scheme.asymmetric ? zeros[r] : w->symmetric_zero;
            const float scale = swg_float_load(w->scheme.scale_type, panel + s->scales_offset,
                                               g * SWG_PANEL_ROWS + r);
            total[r] = fmaf(scale, (float)(sums[r] - zero * a_sums[g]) * a_scales[g], total[r]);
        }
    }
    memcpy(y, total, n_rows * sizeof *y);
}

void swg_matvec_sparse__scalar(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                               size_t n_rows, float *y, size_t y_stride)
{
    for (size_t t = 0; t < x->m; t++)
        matvec_token(s, panel, x->codes + t * x->stride, x->scales + t * x->n_groups,
                     x->sums + t * x->n_groups, n_rows, y + t * y_stride);
}
