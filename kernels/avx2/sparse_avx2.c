/* Sparse panels to dense ones with 128-bit shuffles: a table gives, for 8 bits of the mask, which
 * of the next codes goes to each of 8 bytes. The codes of a step are spread to one per byte first.
 */
#include "kernels/avx2/simd_avx2.h"
#include "kernels/sparse_walk.h"
#include "kernels/variants.h"

/* Where byte i of 8 comes from: the number of set bits below it, or 0x80 where bit i is not set. */
#define FROM(m, i)                                                                                 \
    ((m) >> (i)&1 ? (uint8_t)__builtin_popcount((m) & ((1u << (i)) - 1)) : (uint8_t)0x80)
#define ENTRY(m)                                                                                   \
    {                                                                                              \
        FROM(m, 0), FROM(m, 1), FROM(m, 2), FROM(m, 3), FROM(m, 4), FROM(m, 5), FROM(m, 6),        \
            FROM(m, 7)                                                                             \
    }
#define ENTRIES4(m)  ENTRY(m), ENTRY((m) + 1), ENTRY((m) + 2), ENTRY((m) + 3)
#define ENTRIES16(m) ENTRIES4(m), ENTRIES4((m) + 4), ENTRIES4((m) + 8), ENTRIES4((m) + 12)
#define ENTRIES64(m) ENTRIES16(m), ENTRIES16((m) + 16), ENTRIES16((m) + 32), ENTRIES16((m) + 48)
static const uint8_t sources[256][8] = {ENTRIES64(0u), ENTRIES64(64u), ENTRIES64(128u),
                                        ENTRIES64(192u)};

/* Every code is used once: prefetch as the products of a single token do. */
enum { STEP = 64, QUARTERS = 4, QUARTER = 16, STREAM_AHEAD = 16 * 1024 };

/* The codes of a step, one to a byte: where they are, or `scratch`, which has room for a quarter
 * more than a step. */
V16_INLINE const uint8_t *spread_codes(const uint8_t *codes, const unsigned bits, uint8_t *scratch)
{
    if (bits == 8)
        return codes;
    const __m128i low_half = _mm_set1_epi8(15);
    for (size_t i = 0; i < 2; i++) {
        const __m128i pairs = _mm_loadu_si128((const __m128i *)(codes + 16 * i));
        const __m128i low = _mm_and_si128(pairs, low_half);
        const __m128i high = _mm_and_si128(_mm_srli_epi16(pairs, 4), low_half);
        _mm_storeu_si128((__m128i *)(scratch + 32 * i), _mm_unpacklo_epi8(low, high));
        _mm_storeu_si128((__m128i *)(scratch + 32 * i + 16), _mm_unpackhi_epi8(low, high));
    }
    return scratch;
}

/* One step into four quarters; *codes moves on. */
V16_INLINE void expand_step(uint64_t mask, const __m128i zeros[QUARTERS], const unsigned bits,
                            const uint8_t **codes, __m128i out[QUARTERS])
{
    uint8_t scratch[STEP + QUARTER];
    const uint8_t *from = spread_codes(*codes, bits, scratch);
    const size_t n = (size_t)__builtin_popcountll(mask);
    for (size_t q = 0; q < QUARTERS; q++, mask >>= 16) {
        const unsigned first = mask & 255, second = mask >> 8 & 255;
        const unsigned n_first = (unsigned)__builtin_popcount(first);
        const __m128i low = _mm_loadl_epi64((const __m128i *)sources[first]);
        const __m128i high = _mm_add_epi8(_mm_loadl_epi64((const __m128i *)sources[second]),
                                          _mm_set1_epi8((char)n_first));
        const __m128i source = _mm_unpacklo_epi64(low, high);
        const __m128i stored = _mm_loadu_si128((const __m128i *)from);
        out[q] = _mm_blendv_epi8(_mm_shuffle_epi8(stored, source), zeros[q], source);
        from += n_first + (unsigned)__builtin_popcount(second);
    }
    *codes += bits == 8 ? n : (n + 1) / 2;
}

/* Zero points by quarter of a step: every row's four times, of the 16 at `zeros`; and one for all.
 */
typedef struct sparse_zeros {
    __m128i quarters[QUARTERS];
} sparse_zeros;

V16_INLINE sparse_zeros sparse_group_zeros(const uint8_t *zeros)
{
    const __m128i spread = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    sparse_zeros out;
    for (size_t q = 0; q < QUARTERS; q++) {
        int32_t four;
        memcpy(&four, zeros + 4 * q, sizeof four);
        out.quarters[q] = _mm_shuffle_epi8(_mm_cvtsi32_si128(four), spread);
    }
    return out;
}

V16_INLINE sparse_zeros sparse_zeros_of(int32_t zero)
{
    const __m128i all = _mm_set1_epi8((char)zero);
    return (sparse_zeros){{all, all, all, all}};
}

/* `bits` is a constant in every caller. */
V16_INLINE void expand(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out,
                       const unsigned bits)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(s, panel);
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t begin = g * w->group;
        const size_t end = g + 1 < w->n_groups ? begin + w->group : w->k_padded;
        const sparse_zeros zeros =
            w->scheme.asymmetric ? sparse_group_zeros(panel + s->zeros_offset + g * SWG_PANEL_ROWS)
                                 : sparse_zeros_of(w->symmetric_zero);
        for (size_t c = begin; c < end; c += SWG_COLUMN_STEP) {
            __m128i low[QUARTERS], high[QUARTERS];
            __builtin_prefetch(at.codes + STREAM_AHEAD);
            const uint64_t first = swg_sparse_walk_mask(&at, s, c);
            expand_step(first, zeros.quarters, bits, &at.codes, low);
            const uint64_t second = swg_sparse_walk_mask(&at, s, c + SWG_STEP_COLUMNS);
            expand_step(second, zeros.quarters, bits, &at.codes, high);
            for (size_t q = 0; q < QUARTERS; q++) {
                __m128i *to = (__m128i *)(out + QUARTER * q);
                if (bits == 8) {
                    _mm_storeu_si128(to, low[q]);
                    _mm_storeu_si128(to + QUARTERS, high[q]);
                } else {
                    _mm_storeu_si128(to, _mm_or_si128(low[q], _mm_slli_epi16(high[q], 4)));
                }
            }
            out += bits == 8 ? 2 * STEP : STEP;
        }
    }
}

V16_TARGET void SWG_VARIANT(expand)(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out)
{
    const swg_packed *w = &s->dense;
    if (w->panel_bits == 8)
        expand(s, panel, out, 8);
    else
        expand(s, panel, out, 4);
    memcpy(out + w->scales_offset, panel + s->scales_offset,
           SWG_PANEL_ROWS * w->n_groups * w->scale_bytes);
    if (w->scheme.asymmetric)
        memcpy(out + w->zeros_offset, panel + s->zeros_offset, SWG_PANEL_ROWS * w->n_groups);
}

#define SPARSE_TARGET V16_TARGET
#define SPARSE_INLINE V16_INLINE

SPARSE_INLINE v16i v16i_sparse_step(uint64_t mask, const sparse_zeros *zeros, const unsigned bits,
                                    const uint8_t **codes)
{
    __m128i out[QUARTERS];
    expand_step(mask, zeros->quarters, bits, codes, out);
    return (v16i){_mm256_set_m128i(out[1], out[0]), _mm256_set_m128i(out[3], out[2])};
}

#include "kernels/simd16/sparse_body.h"
