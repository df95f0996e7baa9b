/* Integer sums of attention over 8-bit keys and values with VNNI: see
 * kernels/simd16/attention_int8_body.h, which this is included for. Codes of 15 and 16 bits are two
 * parts of 8 bits, code = 128 * high + low, low from 0 to 127, each multiplied by vpdpbusd.
 *
 * Scores: 16 keys are transposed, so that a lane is a key and four bytes of it are multiplied by
 * four codes of a query, repeated in every lane. Keys are made unsigned (k + 128); the sums begin
 * at -128 times the sum of the codes.
 * Values: four rows are interleaved, so that a lane is a column and has the bytes of four keys,
 * which are multiplied by four weights, repeated in every lane. Unpacking interleaves within
 * 128-bit lanes, so the sums of 64 columns are in the order 0-3, 16-19, 32-35, 48-51; 4-7, 20-23,
 * ... */
#ifndef SWG_KERNELS_AVX512_INT8_DOTS_AVX512_H
#define SWG_KERNELS_AVX512_INT8_DOTS_AVX512_H

#include "kernels/avx512/simd_avx512.h"
#include "kernels/kernels.h"
#include "kernels/simd16/unroll.h"

enum { V16_INT8_QUERIES = 8, INT8_COLUMNS = 64, INT8_DWORDS = INT8_COLUMNS / 4 };

typedef struct int8_query {
    int8_t high[SWG_INT8_HEAD_DIM], low[SWG_INT8_HEAD_DIM];
    int32_t first_high, first_low; /* where the sums begin */
} int8_query;

/* The weights of one query for a block of keys. */
typedef struct int8_weights {
    uint8_t high[SWG_WEIGHT_KEYS], low[SWG_WEIGHT_KEYS];
} int8_weights;

V16_INLINE size_t int8_round_up(size_t head_dim)
{
    return (head_dim + INT8_COLUMNS - 1) / INT8_COLUMNS * INT8_COLUMNS;
}

/* Sixteen codes from column d on. */
V16_INLINE void int8_set_codes(int8_query *query, size_t d, __m512i codes)
{
    v16i_store_bytes_n(query->high + d, _mm512_srai_epi32(codes, 7), 16);
    v16i_store_bytes_n(query->low + d, _mm512_and_si512(codes, _mm512_set1_epi32(127)), 16);
}

/* After all codes, a multiple of INT8_COLUMNS of them, are set. */
V16_INLINE void int8_end_query(int8_query *query, size_t n)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i high = _mm512_setzero_si512(), low = high;
    for (size_t d = 0; d < n; d += INT8_COLUMNS) {
        high = _mm512_dpbusd_epi32(high, ones, _mm512_loadu_si512(query->high + d));
        low = _mm512_dpbusd_epi32(low, ones, _mm512_loadu_si512(query->low + d));
    }
    query->first_high = -128 * v16i_sum(high);
    query->first_low = -128 * v16i_sum(low);
}

/* Sixteen bytes of rows g, g + 4, g + 8 and g + 12 from column d on, as far as `lanes` reaches. */
V16_INLINE __m512i int8_four_rows(const int8_t *const *rows, size_t g, size_t d, size_t lanes)
{
    __m128i row[4];
    for (size_t l = 0; l < 4; l++) {
        const int8_t *at = rows[4 * l + g] + d;
        row[l] = lanes >= 16 ? _mm_loadu_si128((const __m128i *)at)
                             : _mm_maskz_loadu_epi8(v16_first(lanes), at);
    }
    const __m512i two = _mm512_inserti32x4(_mm512_castsi128_si512(row[0]), row[1], 1);
    return _mm512_inserti32x4(_mm512_inserti32x4(two, row[2], 2), row[3], 3);
}

/* to[i], i < 4: four bytes of every row from column d + 4 i on, plus 128. */
V16_INLINE void int8_transpose(const int8_t *const *rows, size_t d, size_t lanes, __m512i *to)
{
    const __m512i sign = _mm512_set1_epi8((char)0x80);
    const __m512i a = int8_four_rows(rows, 0, d, lanes), b = int8_four_rows(rows, 1, d, lanes);
    const __m512i c = int8_four_rows(rows, 2, d, lanes), e = int8_four_rows(rows, 3, d, lanes);
    const __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
    const __m512i ce0 = _mm512_unpacklo_epi32(c, e), ce1 = _mm512_unpackhi_epi32(c, e);
    to[0] = _mm512_xor_si512(sign, _mm512_unpacklo_epi64(ab0, ce0));
    to[1] = _mm512_xor_si512(sign, _mm512_unpackhi_epi64(ab0, ce0));
    to[2] = _mm512_xor_si512(sign, _mm512_unpacklo_epi64(ab1, ce1));
    to[3] = _mm512_xor_si512(sign, _mm512_unpackhi_epi64(ab1, ce1));
}

/* dots[l], lane j: the sum of row j times the codes of query l. */
V16_INLINE void int8_dots(const int8_t *const *rows, size_t head_dim, const int8_query *query,
                          v16i *dots)
{
    __m512i high[V16_INT8_QUERIES], low[V16_INT8_QUERIES];
    UNROLL for (int l = 0; l < V16_INT8_QUERIES; l++)
    {
        high[l] = _mm512_set1_epi32(query[l].first_high);
        low[l] = _mm512_set1_epi32(query[l].first_low);
    }
    for (size_t d = 0; d < head_dim; d += 16) {
        __m512i keys[4];
        int8_transpose(rows, d, head_dim - d, keys);
        UNROLL for (size_t i = 0; i < 4; i++) UNROLL for (int l = 0; l < V16_INT8_QUERIES; l++)
        {
            high[l] =
                _mm512_dpbusd_epi32(high[l], keys[i], v16i_repeat4(query[l].high + d + 4 * i));
            low[l] = _mm512_dpbusd_epi32(low[l], keys[i], v16i_repeat4(query[l].low + d + 4 * i));
            __asm__("" : "+v"(high[l]), "+v"(low[l])); /* as in v16i_dot_step */
        }
    }
    UNROLL for (int l = 0; l < V16_INT8_QUERIES; l++) dots[l] =
        _mm512_add_epi32(low[l], _mm512_slli_epi32(high[l], 7));
}

/* Sixteen codes from key j of a block on. */
V16_INLINE void int8_set_weights(int8_weights *weights, size_t j, __m512i codes)
{
    const __m512i low = _mm512_and_si512(codes, _mm512_set1_epi32(127));
    _mm_storeu_si128((__m128i *)(weights->high + j),
                     _mm512_cvtepi32_epi8(_mm512_srli_epi32(codes, 7)));
    _mm_storeu_si128((__m128i *)(weights->low + j), _mm512_cvtepi32_epi8(low));
}

/* to[i], i < 4: sixteen columns of four rows, those that start at 4 i, interleaved. */
V16_INLINE void int8_interleave(const int8_t *const *rows, size_t d, size_t lanes, __m512i *to)
{
    __m512i row[4];
    for (size_t l = 0; l < 4; l++)
        row[l] = lanes >= INT8_COLUMNS
                     ? _mm512_loadu_si512(rows[l] + d)
                     : _mm512_maskz_loadu_epi8(((__mmask64)1 << lanes) - 1, rows[l] + d);
    const __m512i a0 = _mm512_unpacklo_epi8(row[0], row[1]);
    const __m512i a1 = _mm512_unpackhi_epi8(row[0], row[1]);
    const __m512i b0 = _mm512_unpacklo_epi8(row[2], row[3]);
    const __m512i b1 = _mm512_unpackhi_epi8(row[2], row[3]);
    to[0] = _mm512_unpacklo_epi16(a0, b0);
    to[1] = _mm512_unpackhi_epi16(a0, b0);
    to[2] = _mm512_unpacklo_epi16(a1, b1);
    to[3] = _mm512_unpackhi_epi16(a1, b1);
}

/* sums[l] += factor of query l * the sums of its weights times columns d .. d + 63 of n rows, of
 * which there are some more, with weights of zero. */
V16_INLINE void int8_sum_values(const int8_t *const *rows, size_t n, const int8_weights *weights,
                                const float *factor, const bool *is_seen, size_t d, size_t head_dim,
                                float sums[V16_INT8_QUERIES][SWG_INT8_HEAD_DIM])
{
    enum { TILE = 2 }; /* queries: 16 sums in registers */
    const size_t n_fours = (n + 3) / 4;
    __m512i values[SWG_WEIGHT_KEYS / 4][4];
    for (size_t j = 0; j < n_fours; j++)
        int8_interleave(rows + 4 * j, d, head_dim - d, values[j]);
    for (size_t l = 0; l < V16_INT8_QUERIES; l += TILE) {
        __m512i high[TILE][4], low[TILE][4];
        UNROLL for (int t = 0; t < TILE; t++) UNROLL for (int u = 0; u < 4; u++) high[t][u] =
            low[t][u] = _mm512_setzero_si512();
        for (size_t j = 0; j < n_fours; j++)
            UNROLL for (int t = 0; t < TILE; t++)
            {
                const __m512i by_high = v16i_repeat4(weights[l + (size_t)t].high + 4 * j);
                const __m512i by_low = v16i_repeat4(weights[l + (size_t)t].low + 4 * j);
                UNROLL for (int u = 0; u < 4; u++)
                {
                    high[t][u] = _mm512_dpbusd_epi32(high[t][u], by_high, values[j][u]);
                    low[t][u] = _mm512_dpbusd_epi32(low[t][u], by_low, values[j][u]);
                    __asm__("" : "+v"(high[t][u]), "+v"(low[t][u])); /* as in v16i_dot_step */
                }
            }
        UNROLL for (int t = 0; t < TILE; t++) UNROLL for (int u = 0; u < 4; u++)
        {
            float *to = sums[l + (size_t)t] + d + 16 * u;
            const __m512i sum = _mm512_add_epi32(low[t][u], _mm512_slli_epi32(high[t][u], 7));
            if (is_seen[l + (size_t)t])
                v16_store(
                    to, v16_fma(v16_from_i32(sum), v16_set1(factor[l + (size_t)t]), v16_load(to)));
        }
    }
}

/* n sums, a multiple of INT8_COLUMNS, in the order of the columns. */
V16_INLINE void int8_order_sums(const float *sums, size_t n, float *to)
{
    for (size_t d = 0; d < n; d += INT8_COLUMNS)
        for (size_t lane = 0; lane < 4; lane++)
            for (size_t u = 0; u < 4; u++)
                memcpy(to + d + 16 * lane + 4 * u, sums + d + 16 * u + 4 * lane, 4 * sizeof *to);
}

#endif
