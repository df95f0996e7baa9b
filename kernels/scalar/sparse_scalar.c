/* Sparse panels to dense ones: the definition. kernels.h has the drawing of both. Exactness: same
 * bytes. */
#include "kernels/variants.h"

#include <string.h>

static uint64_t step_mask(const swg_sparse_panels *s, const uint8_t *panel, size_t c)
{
    uint64_t mask;
    if (s->by_column)
        return (panel[c / 8] >> c % 8 & 15) * UINT64_C(0x1111111111111111);
    memcpy(&mask, panel + c / SWG_STEP_COLUMNS * sizeof mask, sizeof mask);
    return mask;
}

void swg_expand__scalar(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out)
{
    const swg_packed *w = &s->dense;
    const uint8_t *codes = panel + s->codes_offset;
    for (size_t c = 0; c < w->k_padded; c += SWG_STEP_COLUMNS) {
        const uint64_t mask = step_mask(s, panel, c);
        const size_t g = c < w->k ? c / w->group : w->n_groups - 1; /* padding: of the last */
        const uint8_t *zeros = panel + s->zeros_offset + g * SWG_PANEL_ROWS;
        uint8_t *to = out + (w->panel_bits == 8 ? c * SWG_PANEL_ROWS : c / 8 * 64);
        size_t n = 0;
        for (size_t bit = 0; bit < 64; bit++) {
            unsigned code = w->scheme.asymmetric ? zeros[bit / 4] : (unsigned)w->symmetric_zero;
            if (mask >> bit & 1) {
                code = w->panel_bits == 8 ? codes[n] : codes[n / 2] >> n % 2 * 4 & 15;
                n++;
            }
            if (w->panel_bits == 8 || c % 8 == 0)
                to[bit] = (uint8_t)code;
            else
                to[bit] = (uint8_t)(to[bit] | code << 4);
        }
        codes += w->panel_bits == 8 ? n : (n + 1) / 2;
    }
    memcpy(out + w->scales_offset, panel + s->scales_offset,
           SWG_PANEL_ROWS * w->n_groups * w->scale_bytes);
    if (w->scheme.asymmetric)
        memcpy(out + w->zeros_offset, panel + s->zeros_offset, SWG_PANEL_ROWS * w->n_groups);
}
