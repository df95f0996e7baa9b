/* The AVX-VNNI variant of the simd16 primitives: AVX2's, with vpdpbusd, which multiplies and adds
 * four unsigned by signed bytes in 32 bits without saturating. */
#ifndef SWG_KERNELS_AVX2_SIMD_AVXVNNI_H
#define SWG_KERNELS_AVX2_SIMD_AVXVNNI_H

#define SWG_VARIANT(op) swg_##op##__avxvnni
#define V16_TARGET      __attribute__((target("avx2,fma,f16c,avxvnni")))

#include "kernels/avx2/simd_avx2_common.h"

/* Columns after which a partial integer sum must be widened: more than any group has, so never. */
#define V16_CHUNK_COLUMNS SIZE_MAX

/* Sums that one row's products are split into when there are no others: as many as hide the latency
 * of a step. */
enum { V16_DOT_SUMS = 2 };

V16_INLINE int32_t v16i_code_bias(const unsigned bits)
{
    (void)bits;
    return 0;
}
V16_INLINE v16i v16i_dot_begin(v16i acc, const unsigned bits)
{
    (void)bits;
    return acc;
}
V16_INLINE v16i v16i_dot_step(v16i part, v16i codes, v16i act, const unsigned bits)
{
    (void)bits;
    part = (v16i){_mm256_dpbusd_avx_epi32(part.lo, codes.lo, act.lo),
                  _mm256_dpbusd_avx_epi32(part.hi, codes.hi, act.hi)};
    __asm__("" : "+x"(part.lo), "+x"(part.hi)); /* else gcc copies every sum of a loop each round */
    return part;
}
V16_INLINE v16i v16i_dot_end(v16i acc, v16i part, const unsigned bits)
{
    (void)acc;
    (void)bits;
    return part;
}

#endif
