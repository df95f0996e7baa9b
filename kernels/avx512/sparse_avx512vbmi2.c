/* Sparse panels to dense ones with VBMI2: vpexpandb spreads the stored codes of a step, one to a
 * byte, over the 64 bytes of its 16 rows and 4 columns, and leaves the zero points elsewhere. */
#include "kernels/avx512/simd_avx512.h"
#include "kernels/sparse_walk.h"

#undef SWG_VARIANT
#define SWG_VARIANT(op) swg_##op##__avx512vbmi2
#include "kernels/variants.h"

/* Every code is used once: prefetch as the products of a single token do. */
enum { STREAM_AHEAD = 16 * 1024 };

#define SPARSE_TARGET                                                                              \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi2,avx2,fma,f16c,popcnt")))
#define SPARSE_INLINE static inline __attribute__((always_inline)) SPARSE_TARGET

/* Up to 64 codes of `bits` bits, one to a byte. */
SPARSE_INLINE __m512i load_codes(const uint8_t *codes, const unsigned bits)
{
    if (bits == 8)
        return _mm512_loadu_si512(codes);
    const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)codes));
    /* (shifted | pairs) & 15, into the register of the first. */
    return _mm512_ternarylogic_epi32(_mm512_slli_epi16(pairs, 4), pairs, _mm512_set1_epi8(15),
                                     0xa8);
}

/* The codes of one step; *codes moves on. */
SPARSE_INLINE __m512i expand_step(uint64_t mask, __m512i zeros, const unsigned bits,
                                  const uint8_t **codes)
{
    const __m512i stored = load_codes(*codes, bits);
    const size_t n = (size_t)_mm_popcnt_u64(mask);
    *codes += bits == 8 ? n : (n + 1) / 2;
    return _mm512_mask_expand_epi8(zeros, _cvtu64_mask64(mask), stored);
}

/* Every row's zero point four times, of the 16 at `zeros`; and one for all. */
typedef __m512i sparse_zeros;

SPARSE_INLINE sparse_zeros sparse_group_zeros(const uint8_t *zeros)
{
    return _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)zeros)),
                              _mm512_set1_epi32(0x01010101));
}

SPARSE_INLINE sparse_zeros sparse_zeros_of(int32_t zero)
{
    return _mm512_set1_epi8((char)zero);
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
        const __m512i zeros = w->scheme.asymmetric
                                  ? sparse_group_zeros(panel + s->zeros_offset + g * SWG_PANEL_ROWS)
                                  : sparse_zeros_of(w->symmetric_zero);
        uint8_t *to = out + swg_packed_codes_at(w, g) + begin * w->column_bytes;
        for (size_t c = begin; c < end; c += SWG_COLUMN_STEP) {
            __builtin_prefetch(at.codes + STREAM_AHEAD);
            const uint64_t first = swg_sparse_walk_mask(&at, s, c);
            const __m512i low = expand_step(first, zeros, bits, &at.codes);
            const uint64_t second = swg_sparse_walk_mask(&at, s, c + SWG_STEP_COLUMNS);
            const __m512i high = expand_step(second, zeros, bits, &at.codes);
            if (bits == 8) {
                _mm512_storeu_si512(to, low);
                _mm512_storeu_si512(to + 64, high);
                to += 128;
            } else {
                _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi16(high, 4)));
                to += 64;
            }
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
    return expand_step(mask, *zeros, bits, codes);
}

#include "kernels/simd16/sparse_body.h"
