/* Blocks of weights for split.h in tiles of AMX: how floats and bfloat16 numbers are transposed,
 * and codes made bfloat16 numbers. */
#include "kernels/amx/split_amx.h"
#include "kernels/avx512/simd_avx512.h"
#include "kernels/simd16/panel_numbers.h"

/* to[j][i] = from[i][j], 16 x 16 pairs of columns; returns the bits that any has. */
AMX_INLINE __m512i transpose(const __m512i from[TILE_ROWS], uint16_t *to)
{
    __m512i a[16], b[16], any = _mm512_setzero_si512();
    UNROLL for (int i = 0; i < 16; i += 2)
    {
        a[i] = _mm512_unpacklo_epi32(from[i], from[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(from[i], from[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        a[i] = _mm512_shuffle_i32x4(b[i], b[4 + i], 0x88);
        a[4 + i] = _mm512_shuffle_i32x4(b[i], b[4 + i], 0xdd);
        a[8 + i] = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0x88);
        a[12 + i] = _mm512_shuffle_i32x4(b[8 + i], b[12 + i], 0xdd);
    }
    UNROLL for (int i = 0; i < 8; i++)
    {
        const __m512i low = _mm512_shuffle_i32x4(a[i], a[8 + i], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(a[i], a[8 + i], 0xdd);
        _mm512_store_si512(to + i * SPLIT_STEP, low);
        _mm512_store_si512(to + (8 + i) * SPLIT_STEP, high);
        any = _mm512_or_si512(any, _mm512_or_si512(low, high));
    }
    return any;
}

AMX_INLINE void set_plain(swg_split_block *block, size_t n, size_t k, size_t parts,
                          size_t stored_parts)
{
    block->n = n;
    block->k = k;
    block->group = 0;
    block->parts = parts;
    block->stored_parts = stored_parts;
}

AMX_TARGET void swg_split_weights_f32__amx(const float *w, size_t n, size_t k, size_t stride,
                                           swg_split_block *block)
{
    _Alignas(64) uint16_t rows[SPLIT_PARTS * SPLIT_TILE];
    const __m512i zero = _mm512_setzero_si512();
    __m512i any[SPLIT_PARTS] = {zero, zero, zero};
    uint16_t *out = block->tiles;
    for (size_t row = 0; row < swg_round_up(n, SPLIT_PAIR); row += TILE_ROWS)
        for (size_t c = 0; c < k; c += SPLIT_STEP, out += SPLIT_PARTS * SPLIT_TILE) {
            split_rows(w + row * stride + c, split_rows_left(n, row), k - c, stride, rows);
            for (size_t p = 0; p < SPLIT_PARTS; p++) {
                __m512i part[TILE_ROWS];
                UNROLL for (size_t r = 0; r < TILE_ROWS; r++) part[r] =
                    _mm512_load_si512(rows + p * SPLIT_TILE + r * SPLIT_STEP);
                any[p] = _mm512_or_si512(any[p], transpose(part, out + p * SPLIT_TILE));
            }
        }
    const size_t parts = _mm512_test_epi32_mask(any[2], any[2])   ? 3
                         : _mm512_test_epi32_mask(any[1], any[1]) ? 2
                                                                  : 1;
    set_plain(block, n, k, parts, SPLIT_PARTS);
}

AMX_TARGET void swg_split_weights_bf16__amx(const uint16_t *w, size_t n, size_t k, size_t stride,
                                            swg_split_block *block)
{
    uint16_t *out = block->tiles;
    for (size_t row = 0; row < swg_round_up(n, SPLIT_PAIR); row += TILE_ROWS)
        for (size_t c = 0; c < k; c += SPLIT_STEP, out += SPLIT_TILE) {
            const size_t left = split_rows_left(n, row), columns = k - c;
            const __mmask32 mask =
                columns >= SPLIT_STEP ? 0xffffffff : (__mmask32)((1u << columns) - 1);
            __m512i rows[TILE_ROWS];
            UNROLL for (size_t r = 0; r < TILE_ROWS; r++) rows[r] = _mm512_maskz_loadu_epi16(
                r < left ? mask : 0, w + (r < left ? row + r : row) * stride + c);
            transpose(rows, out);
        }
    set_plain(block, n, k, 1, 1);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- Codes ------------------------------------------------------------------------------------ */

/* Byte `i` of each row's four, less its zero point, as a float: exact in 8 significant bits. */
AMX_INLINE v16i number_bits_of(v16i four, int i, v16i zeros)
{
    const v16i byte = v16i_and(v16i_shift_right(four, 8 * i), v16i_set1(0xff));
    return _mm512_castps_si512(v16_from_i32(v16i_sub(byte, zeros)));
}

/* Four columns of 16 rows: two rows of a tile. */
AMX_INLINE void store_numbers(v16i four, v16i zeros, uint16_t *out)
{
    UNROLL for (int pair = 0; pair < 2; pair++)
    {
        const v16i even = number_bits_of(four, 2 * pair, zeros);
        const v16i odd = number_bits_of(four, 2 * pair + 1, zeros);
        const v16i upper = v16i_set1((int32_t)0xffff0000);
        v16i_store(out + pair * SPLIT_STEP,
                   _mm512_ternarylogic_epi32(v16i_shift_right(even, 16), odd, upper, 0xf8));
    }
}

/* Columns [column, end) of group g of a panel, to the tiles that begin at column 0 there. */
AMX_INLINE void store_group(const swg_packed *w, const uint8_t *panel, size_t g, size_t column,
                            size_t end, const swg_layout layout, uint16_t *out)
{
    const v16i zeros =
        v16i_sub(v16i_set1(0), group_correction(w, panel + swg_packed_zeros_at(w, g), layout));
    const v16i codebook = v16i_repeat16(w->codebook);
    const uint8_t *codes = panel + swg_packed_codes_at(w, g) + column * w->column_bytes;
    const size_t n = swg_round_up(end - column, SWG_COLUMN_STEP);
    for (size_t c = 0; c < n; c += SWG_COLUMN_STEP)
        UNROLL for (int half = 0; half < 2; half++)
            store_numbers(half_numbers(codes, c, half, codebook, layout), zeros,
                          out + (c + 4 * (size_t)half) * TILE_ROWS);
    for (size_t c = n; c < swg_round_up(n, SPLIT_STEP); c += 2)
        _mm512_store_si512(out + c * TILE_ROWS, _mm512_setzero_si512());
}

AMX_INLINE void store_panels(const swg_packed *w, size_t row, size_t column,
                             const swg_layout layout, swg_split_block *block)
{
    const size_t elems = swg_round_up(block->k, SPLIT_STEP) * TILE_ROWS, end = column + block->k;
    uint16_t *out = block->tiles;
    for (size_t r = 0; r < swg_round_up(block->n, SPLIT_PAIR); r += TILE_ROWS, out += elems) {
        if (r >= block->n) {
            memset(out, 0, elems * sizeof *out);
            continue;
        }
        const uint8_t *panel = w->panels + (row + r) / SWG_PANEL_ROWS * w->panel_bytes;
        for (size_t c = column, i = 0; c < end; i++) {
            const size_t g = c / w->group, next = least((g + 1) * w->group, end);
            store_group(w, panel, g, c, next, layout, out + (c - column) * TILE_ROWS);
            v16_store(block->scales[i] + r,
                      group_scales(w, panel, panel + swg_packed_scales_at(w, g)));
            c = next;
        }
    }
}

AMX_TARGET void swg_split_weights_packed__amx(const swg_packed *w, size_t row, size_t column,
                                              size_t n, size_t k, swg_split_block *block)
{
    set_plain(block, n, k, 1, 1);
    block->group = least(w->group, k);
    switch (w->layout) {
    case SWG_LAYOUT_w4:
        store_panels(w, row, column, SWG_LAYOUT_w4, block);
        break;
    case SWG_LAYOUT_w8:
        store_panels(w, row, column, SWG_LAYOUT_w8, block);
        break;
    default:
        store_panels(w, row, column, SWG_LAYOUT_c4, block);
    }
}
