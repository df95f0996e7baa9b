/* What the files of split.h for AMX share: how matrices lie in tiles.
 *
 * Inputs are A, weights B, so that a tile of sums has 16 inputs' products with 16 rows of weights.
 * Both are stored 16 rows at a time, of which 32 columns after the other, of which part after part:
 * a tile is 1 KiB in one piece, and so is all that a step of 32 columns needs of 16 rows. A tile
 * of inputs has row after row, one of weights column pair after column pair, of the 16 rows. */
#ifndef SWG_KERNELS_AMX_SPLIT_AMX_H
#define SWG_KERNELS_AMX_SPLIT_AMX_H

#include "kernels/amx/tiles.h"
#include "kernels/simd16/unroll.h"
#include "kernels/split.h"

enum {
    SPLIT_TILE = SWG_SPLIT_TILE,
    SPLIT_STEP = SWG_SPLIT_STEP,
    SPLIT_PARTS = SWG_SPLIT_PARTS,
    SPLIT_PAIR = 2 * TILE_ROWS /* rows of two tiles */
};

extern const swg_split swg_split__amx;

void swg_split_weights_f32__amx(const float *w, size_t n, size_t k, size_t stride,
                                swg_split_block *block);
void swg_split_weights_bf16__amx(const uint16_t *w, size_t n, size_t k, size_t stride,
                                 swg_split_block *block);
void swg_split_weights_packed__amx(const swg_packed *w, size_t row, size_t column, size_t n,
                                   size_t k, swg_split_block *block);

AMX_INLINE __mmask16 split_first(size_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

/* How many of 16 rows from `row` on there are. */
AMX_INLINE size_t split_rows_left(size_t n, size_t row)
{
    return n <= row ? 0 : n - row < TILE_ROWS ? n - row : TILE_ROWS;
}

/* x rounded to 8 significant bits, ties away from 0; infinite beyond the largest bfloat16. Some NaN
 * become 0: they are in what is left of x. */
AMX_INLINE __m512 split_high(__m512 x)
{
    const __m512i rounded = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    return _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32((int)0xffff0000)));
}

/* The upper halves of 32 floats, in order. */
AMX_INLINE __m512i split_upper_halves(__m512 x0, __m512 x1)
{
    const __m512i odd =
        _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                         25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(_mm512_castps_si512(x0), odd, _mm512_castps_si512(x1));
}

/* The parts, from high to low, of n floats, 32 at most, and zeros. What is left of x after each is
 * exact. */
AMX_INLINE void split_columns(const float *x, size_t n, __m512i parts[SPLIT_PARTS])
{
    const __m512 x0 = _mm512_maskz_loadu_ps(split_first(n), x);
    const __m512 x1 = _mm512_maskz_loadu_ps(n > 16 ? split_first(n - 16) : 0, x + 16);
    const __m512 high0 = split_high(x0), high1 = split_high(x1);
    const __m512 left0 = _mm512_sub_ps(x0, high0), left1 = _mm512_sub_ps(x1, high1);
    const __m512 middle0 = split_high(left0), middle1 = split_high(left1);
    parts[0] = split_upper_halves(high0, high1);
    parts[1] = split_upper_halves(middle0, middle1);
    parts[2] = split_upper_halves(_mm512_sub_ps(left0, middle0), _mm512_sub_ps(left1, middle1));
}

/* The tiles, row after row, of the first n of 16 rows, `stride` apart, of which the first k columns
 * of 32 count; zeros elsewhere. */
AMX_INLINE void split_rows(const float *x, size_t n, size_t k, size_t stride, uint16_t *tiles)
{
    for (size_t r = 0; r < TILE_ROWS; r++) {
        const __m512i zero = _mm512_setzero_si512();
        __m512i parts[SPLIT_PARTS] = {zero, zero, zero};
        if (r < n)
            split_columns(x + r * stride, k, parts);
        UNROLL for (size_t p = 0; p < SPLIT_PARTS; p++)
            _mm512_store_si512(tiles + p * SPLIT_TILE + r * SPLIT_STEP, parts[p]);
    }
}

#endif
