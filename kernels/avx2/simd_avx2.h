/* The AVX2 variant of the simd16 primitives, with its dot product of unsigned codes and signed
 * activations.
 *
 * 4-bit codes: vpmaddubsw adds two products in 16 bits, at most 2 * 15 * 127; eight of these, 32
 * columns, fit 16 bits before they must be widened. 8-bit codes would saturate it, so they are made
 * signed (code - 128, the caller corrects by the sum) and multiplied as |code - 128| by the
 * activation with the sign of code - 128 applied: at most 2 * 128 * 127 = 32,512. */
#ifndef SWG_KERNELS_AVX2_SIMD_AVX2_H
#define SWG_KERNELS_AVX2_SIMD_AVX2_H

#define SWG_VARIANT(op) swg_##op##__avx2
#define V16_TARGET      __attribute__((target("avx2,fma,f16c")))

#include "kernels/avx2/simd_avx2_common.h"

#define V16_CHUNK_COLUMNS ((size_t)32)

/* Sums that one row's products are split into when there are no others: as many as hide the latency
 * of a step. */
enum { V16_DOT_SUMS = 1 };

V16_INLINE int32_t v16i_code_bias(const unsigned bits)
{
    return bits == 8 ? 128 : 0;
}
V16_INLINE v16i v16i_dot_begin(v16i acc, const unsigned bits)
{
    return bits == 8 ? acc : v16i_set1(0);
}
V16_INLINE __m256i v16i_dot_4bit(__m256i part, __m256i codes, __m256i act)
{
    return _mm256_add_epi16(part, _mm256_maddubs_epi16(codes, act));
}
V16_INLINE __m256i v16i_dot_8bit(__m256i part, __m256i codes, __m256i act)
{
    const __m256i value = _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(value), _mm256_sign_epi8(act, value));
    return _mm256_add_epi32(part, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
V16_INLINE v16i v16i_dot_step(v16i part, v16i codes, v16i act, const unsigned bits)
{
    if (bits == 8)
        return (v16i){v16i_dot_8bit(part.lo, codes.lo, act.lo),
                      v16i_dot_8bit(part.hi, codes.hi, act.hi)};
    part =
        (v16i){v16i_dot_4bit(part.lo, codes.lo, act.lo), v16i_dot_4bit(part.hi, codes.hi, act.hi)};
    __asm__("" : "+x"(part.lo), "+x"(part.hi)); /* else gcc copies every sum of a loop each round */
    return part;
}
V16_INLINE v16i v16i_dot_end(v16i acc, v16i part, const unsigned bits)
{
    if (bits == 8)
        return part;
    const __m256i ones = _mm256_set1_epi16(1);
    return v16i_add(acc,
                    (v16i){_mm256_madd_epi16(part.lo, ones), _mm256_madd_epi16(part.hi, ones)});
}

#endif
