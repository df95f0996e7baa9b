/* Quantizing activations, packing codes and dequantizing rows, for every vector set: included by
 * quant_<isa>.c after its simd16 primitives. The formulas and the drawing of a panel are in
 * kernels.h; the bytes are those of the scalar functions. */
#include "kernels/variants.h"

#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* absmax / 127 and its inverse; both 0 for a group too small to quantize. */
typedef struct act_scale {
    float scale, inverse;
} act_scale;

V16_INLINE act_scale group_act_scale(const float *x, size_t n)
{
    v16 max = v16_set1(0);
    for (size_t i = 0; i < n; i += 16)
        max = v16_max(max, v16_abs(v16_load_n(x + i, n - i < 16 ? n - i : 16)));
    const float absmax = v16_largest(max);
    if (absmax < SWG_ACT_MIN)
        return (act_scale){0, 0};
    return (act_scale){absmax / 127, 127 / absmax};
}

V16_TARGET void SWG_VARIANT(quantize_act)(const float *x, size_t k, size_t group, int8_t *codes,
                                          float *scales, int32_t *sums)
{
    for (size_t begin = 0, g = 0; begin < k; begin += group, g++) {
        const size_t n = k - begin < group ? k - begin : group;
        const act_scale by = group_act_scale(x + begin, n);
        const v16 inverse = v16_set1(by.inverse);
        v16i sum = v16i_set1(0);
        for (size_t i = 0; i < n; i += 16) {
            const size_t lanes = n - i < 16 ? n - i : 16;
            const v16 part = v16_load_n(x + begin + i, lanes);
            const v16i code = v16i_from_f32(v16_mul(part, inverse));
            v16i_store_bytes_n(codes + begin + i, code, lanes);
            sum = v16i_add(sum, code);
        }
        scales[g] = by.scale;
        sums[g] = v16i_sum(sum);
    }
    for (size_t c = k; c < swg_round_up(k, SWG_COLUMN_STEP); c++)
        codes[c] = 0;
}

/* 8 canonical 4-bit codes c0 c1 .. c7 (lowest nibble first) to the panel's c0 c4 c1 c5 c2 c6 c3 c7:
 * two exchanges of neighbours, first bytes 1 and 2, then the middle nibbles of both halves. */
V16_INLINE v16i interleave_nibbles(v16i x)
{
    const v16i byte = v16i_and(v16i_xor(x, v16i_shift_right(x, 8)), v16i_set1(0x0000ff00));
    x = v16i_xor(x, v16i_or(byte, v16i_shift_left(byte, 8)));
    const v16i nibble = v16i_and(v16i_xor(x, v16i_shift_right(x, 4)), v16i_set1(0x00f000f0));
    return v16i_xor(x, v16i_or(nibble, v16i_shift_left(nibble, 4)));
}

/* 16 rows of `n_lanes` 32-bit lanes of codes, `stride` bytes apart and as wide as the panel's, into
 * one panel from `to` on. */
V16_INLINE void pack_lanes(const swg_packed *w, const uint8_t *rows, size_t stride, size_t n_lanes,
                           uint8_t *to)
{
    if (w->panel_bits == 4)
        for (size_t i = 0; i < n_lanes; i++)
            v16i_store(to + i * 64, interleave_nibbles(v16i_gather(rows + i * 4, stride)));
    else
        for (size_t i = 0; i < n_lanes; i++)
            v16i_store(to + i * 64, v16i_gather(rows + i * 4, stride));
}

/* The same for the columns [begin, end) of narrower codes, widened piece by piece; column c goes to
 * to + c * column_bytes. */
V16_TARGET static void pack_widened(const swg_packed *w, const uint8_t *rows, size_t begin,
                                    size_t end, uint8_t *to)
{
    enum { PIECE = 256 };
    uint8_t codes[PIECE], wide[SWG_PANEL_ROWS * PIECE];
    const unsigned bits = w->scheme.bits;
    for (size_t c = begin; c < end; c += PIECE) {
        const size_t n = end - c < PIECE ? end - c : PIECE;
        const size_t row_bytes = n * w->panel_bits / 8;
        for (size_t r = 0; r < SWG_PANEL_ROWS; r++) {
            swg_codes_unpack_row(bits, rows + r * w->code_row_bytes + c * bits / 8, n, codes);
            swg_codes_pack_row(w->panel_bits, codes, n, wide + r * row_bytes);
        }
        pack_lanes(w, wide, row_bytes, row_bytes / 4, to + c * w->column_bytes);
    }
}

/* Sixteen rows of codes, with whole column steps, into one panel, block by block. */
V16_INLINE void pack_panel(const swg_packed *w, const uint8_t *rows, uint8_t *panel)
{
    const size_t bits = w->scheme.bits, groups = (size_t)1 << w->block_shift;
    for (size_t g = 0; g < w->n_groups; g += groups) {
        const size_t begin = g * w->group;
        const size_t end = g + groups < w->n_groups ? begin + groups * w->group : w->k;
        uint8_t *to = panel + swg_packed_codes_at(w, g);
        if (bits == w->panel_bits)
            pack_lanes(w, rows + begin * bits / 8, w->code_row_bytes, (end - begin) * bits / 32,
                       to + begin * w->column_bytes);
        else
            pack_widened(w, rows, begin, end, to);
    }
}

/* Full panels with whole column steps are packed with vectors; other rows of codes, and a last
 * panel of fewer rows, by the scalar definition. */
V16_TARGET void SWG_VARIANT(pack_codes)(const swg_packed *w, size_t row_begin, size_t n_rows,
                                        const uint8_t *codes)
{
    const size_t row_bytes = w->code_row_bytes;
    const size_t n_full = w->k % SWG_COLUMN_STEP == 0 ? n_rows / 16 * 16 : 0;
    for (size_t row = 0; row < n_full; row += 16)
        pack_panel(w, codes + row * row_bytes,
                   w->panels + (row_begin + row) / SWG_PANEL_ROWS * w->panel_bytes);
    if (n_full < n_rows)
        swg_pack_codes__scalar(w, row_begin + n_full, n_rows - n_full, codes + n_full * row_bytes);
}

/* Codes of columns c .. c + 15 of a row, as far as they are before `end`; column c is in the 4
 * bytes at row + c * column_bytes. */
V16_INLINE v16i row_codes_w4(const uint8_t *row, size_t c, size_t end)
{
    uint32_t low, high = 0;
    memcpy(&low, row + c * 8, 4);
    if (c + 8 < end)
        memcpy(&high, row + (c + 8) * 8, 4);
    const v16i shifts = v16i_pattern8(0, 8, 16, 24, 4, 12, 20, 28);
    return v16i_and(v16i_shift_right_each(v16i_halves(low, high), shifts), v16i_set1(15));
}

V16_INLINE v16i row_codes_w8(const uint8_t *row, size_t c, size_t end)
{
    uint8_t bytes[16] = {0};
    for (size_t i = 0; i < 16 && c + i < end; i += 4)
        memcpy(bytes + i, row + (c + i) * 16, 4);
    return v16i_from_u8(bytes);
}

/* The same of any layout, looked up where codes mean numbers. */
V16_INLINE v16i row_numbers(const swg_packed *w, const uint8_t *row, size_t c, size_t end)
{
    if (w->layout == SWG_LAYOUT_w8)
        return row_codes_w8(row, c, end);
    const v16i codes = row_codes_w4(row, c, end);
    if (w->layout != SWG_LAYOUT_c4)
        return codes;
    return v16i_and(v16i_look_up(v16i_repeat16(w->codebook), codes), v16i_set1(0xff));
}

V16_TARGET void SWG_VARIANT(dequantize)(const swg_packed *w, size_t row_begin, size_t n_rows,
                                        float *out)
{
    for (size_t i = 0; i < n_rows; i++) {
        const size_t row = row_begin + i, r = row % SWG_PANEL_ROWS;
        const uint8_t *panel = w->panels + row / SWG_PANEL_ROWS * w->panel_bytes;
        for (size_t begin = 0, g = 0; begin < w->k; begin += w->group, g++) {
            const size_t end = w->k - begin < w->group ? w->k : begin + w->group;
            const v16 scale = v16_set1(swg_scale_load(w->scheme, panel + swg_packed_scales_at(w, g),
                                                      r, swg_packed_row_scale(w, panel, r)));
            const v16i zero = v16i_set1(w->scheme.asymmetric ? panel[swg_packed_zeros_at(w, g) + r]
                                                             : w->symmetric_zero);
            const uint8_t *codes = panel + swg_packed_codes_at(w, g) + r * 4;
            for (size_t c = begin; c < end; c += 16) {
                const v16i number = row_numbers(w, codes, c, end);
                const v16 value = v16_mul(v16_from_i32(v16i_sub(number, zero)), scale);
                v16_store_n(out + i * w->k + c, value, end - c < 16 ? end - c : 16);
            }
        }
    }
}
