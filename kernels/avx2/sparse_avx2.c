/* Sparse panels to dense ones with 128-bit shuffles: a table gives, for 8 bits of the mask, which
 * of the next codes goes to each of 8 bytes. */
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
enum { QUARTERS = 4, STREAM_AHEAD = 16 * 1024 };

#define SPARSE_TARGET __attribute__((target("avx2,fma,f16c,popcnt")))
#define SPARSE_INLINE static inline __attribute__((always_inline)) SPARSE_TARGET

/* Up to 16 codes from number `from` on, one to a byte. 4-bit ones pass through a general register:
 * loads from anywhere in what was just stored as vectors would wait for the stores. */
SPARSE_INLINE __m128i load_codes(const uint8_t *codes, size_t from, const unsigned bits)
{
    if (bits == 8)
        return _mm_loadu_si128((const __m128i *)(codes + from));
    const unsigned shift = from % 2 * 4;
    uint64_t pairs;
    memcpy(&pairs, codes + from / 2, sizeof pairs);
    pairs = pairs >> shift | (uint64_t)codes[from / 2 + sizeof pairs] << 1 << (63 - shift);
    const __m128i both = _mm_cvtsi64_si128((int64_t)pairs), low_half = _mm_set1_epi8(15);
    return _mm_unpacklo_epi8(_mm_and_si128(both, low_half),
                             _mm_and_si128(_mm_srli_epi16(both, 4), low_half));
}

/* One step into four quarters; *codes moves on. */
SPARSE_INLINE void expand_step(uint64_t mask, const __m128i zeros[QUARTERS], const unsigned bits,
                               const uint8_t **codes, __m128i out[QUARTERS])
{
    size_t from = 0;
    for (size_t q = 0; q < QUARTERS; q++, mask >>= 16) {
        const unsigned first = mask & 255, second = mask >> 8 & 255;
        const __m128i low = _mm_loadl_epi64((const __m128i *)sources[first]);
        const __m128i high = _mm_add_epi8(_mm_loadl_epi64((const __m128i *)sources[second]),
                                          _mm_set1_epi8((char)_mm_popcnt_u32(first)));
        const __m128i source = _mm_unpacklo_epi64(low, high);
        out[q] = _mm_blendv_epi8(_mm_shuffle_epi8(load_codes(*codes, from, bits), source), zeros[q],
                                 source);
        from += (size_t)_mm_popcnt_u32(mask & 0xffff);
    }
    *codes += bits == 8 ? from : (from + 1) / 2;
}

/* Zero points by quarter of a step: every row's four times, of the 16 at `zeros`; and one for all.
 */
typedef struct sparse_zeros {
    __m128i quarters[QUARTERS];
} sparse_zeros;

SPARSE_INLINE sparse_zeros sparse_group_zeros(const uint8_t *zeros)
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

SPARSE_INLINE sparse_zeros sparse_zeros_of(int32_t zero)
{
    const __m128i all = _mm_set1_epi8((char)zero);
    return (sparse_zeros){{all, all, all, all}};
}

/* `bits` is a constant in every caller. */
SPARSE_INLINE void expand(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out,
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
        __m128i *to = (__m128i *)(out + swg_packed_codes_at(w, g) + begin * w->column_bytes);
        for (size_t c = begin; c < end; c += SWG_COLUMN_STEP) {
            __m128i low[QUARTERS], high[QUARTERS];
            __builtin_prefetch(at.codes + STREAM_AHEAD);
            const uint64_t first = swg_sparse_walk_mask(&at, s, c);
            expand_step(first, zeros.quarters, bits, &at.codes, low);
            const uint64_t second = swg_sparse_walk_mask(&at, s, c + SWG_STEP_COLUMNS);
            expand_step(second, zeros.quarters, bits, &at.codes, high);
            for (size_t q = 0; q < QUARTERS; q++) {
                if (bits == 8) {
                    _mm_storeu_si128(to + q, low[q]);
                    _mm_storeu_si128(to + QUARTERS + q, high[q]);
                } else {
                    _mm_storeu_si128(to + q, _mm_or_si128(low[q], _mm_slli_epi16(high[q], 4)));
                }
            }
            to += bits == 8 ? 2 * QUARTERS : QUARTERS;
        }
    }
}

SPARSE_TARGET void SWG_VARIANT(expand)(const swg_sparse_panels *s, const uint8_t *panel,
                                       uint8_t *out)
{
    const swg_packed *w = &s->dense;
    if (w->panel_bits == 8)
        expand(s, panel, out, 8);
    else
        expand(s, panel, out, 4);
    swg_sparse_expand_scales(s, panel, out);
}

SPARSE_INLINE v16i v16i_sparse_step(uint64_t mask, const sparse_zeros *zeros, const unsigned bits,
                                    const uint8_t **codes)
{
    __m128i out[QUARTERS];
    expand_step(mask, zeros->quarters, bits, codes, out);
    return (v16i){_mm256_set_m128i(out[1], out[0]), _mm256_set_m128i(out[3], out[2])};
}

#include "kernels/simd16/sparse_body.h"
