/* From canonical planes to panels and back to floats: the definition. kernels.h has the drawing of
 * a panel. Padding columns and rows are written as zero codes; their scales stay 0, as the memory
 * was zeroed. Exactness: same bytes. */
#include "kernels/variants.h"

#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/numeric.h"

enum { LANE_COLUMNS = 4 }; /* columns in the 32-bit lane of one row */

/* The byte of a panel that holds code[r][column], and its shift within that byte. */
static size_t code_offset(const swg_packed *w, size_t r, size_t column, unsigned *shift)
{
    const size_t g = column < w->k ? column / w->group : w->n_groups - 1; /* padding: the last */
    const size_t lane = column / LANE_COLUMNS, lanes_per_block = 8 / w->panel_bits;
    *shift = (unsigned)(lane % lanes_per_block) * w->panel_bits;
    const size_t block = lane / lanes_per_block;
    return swg_packed_codes_at(w, g) + (block * SWG_PANEL_ROWS + r) * LANE_COLUMNS +
           column % LANE_COLUMNS;
}

void swg_pack_codes__scalar(const swg_packed *w, size_t row_begin, size_t n_rows,
                            const uint8_t *codes)
{
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = row_begin + i;
        const uint8_t *canonical = codes + i * w->code_row_bytes;
        uint8_t *panel = w->panels + row / SWG_PANEL_ROWS * w->panel_bytes;
        for (size_t c = 0; c < w->k_padded; c++) {
            unsigned shift;
            const size_t at = code_offset(w, row % SWG_PANEL_ROWS, c, &shift);
            const unsigned code = c < w->k ? swg_codes_at(w->scheme.bits, canonical, c) : 0;
            panel[at] = (uint8_t)(shift ? panel[at] | code << shift : code);
        }
    }
}

void swg_pack_scales__scalar(const swg_packed *w, size_t row_begin, size_t n_rows,
                             const void *scales)
{
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = row_begin + i;
        uint8_t *panel = w->panels + row / SWG_PANEL_ROWS * w->panel_bytes;
        for (size_t g = 0; g < w->n_groups; g++) {
            const size_t from = i * w->n_groups + g;
            memcpy(panel + swg_packed_scales_at(w, g) + row % SWG_PANEL_ROWS * w->scale_bytes,
                   (const uint8_t *)scales + from * w->scale_bytes, w->scale_bytes);
        }
    }
}

void swg_pack_row_scales__scalar(const swg_packed *w, size_t row_begin, size_t n_rows,
                                 const void *scales)
{
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = row_begin + i;
        uint8_t *plane = w->panels + row / SWG_PANEL_ROWS * w->panel_bytes + w->row_scales_offset;
        ((float *)plane)[row % SWG_PANEL_ROWS] = swg_row_scale_load(scales, i);
    }
}

void swg_pack_zeros__scalar(const swg_packed *w, size_t row_begin, size_t n_rows,
                            const uint8_t *zeros)
{
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = row_begin + i;
        uint8_t *panel = w->panels + row / SWG_PANEL_ROWS * w->panel_bytes;
        for (size_t g = 0; g < w->n_groups; g++)
            panel[swg_packed_zeros_at(w, g) + row % SWG_PANEL_ROWS] = zeros[i * w->n_groups + g];
    }
}

void swg_dequantize__scalar(const swg_packed *w, size_t row_begin, size_t n_rows, float *out)
{
    const unsigned mask = (1u << w->panel_bits) - 1;
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = row_begin + i, r = row % SWG_PANEL_ROWS;
        const uint8_t *panel = w->panels + row / SWG_PANEL_ROWS * w->panel_bytes;
        for (size_t c = 0; c < w->k; c++) {
            const size_t g = c / w->group;
            const int zero =
                w->scheme.asymmetric ? panel[swg_packed_zeros_at(w, g) + r] : w->symmetric_zero;
            const float scale = swg_scale_load(w->scheme, panel + swg_packed_scales_at(w, g), r,
                                               swg_packed_row_scale(w, panel, r));
            unsigned shift;
            const size_t at = code_offset(w, r, c, &shift);
            const unsigned code = panel[at] >> shift & mask;
            const int number = w->layout == SWG_LAYOUT_c4 ? w->codebook[code] : (int)code;
            out[i * w->k + c] = (float)(number - zero) * scale;
        }
    }
}
