/* The variant of the simd16 primitives for processors with the dot-product extension (optional from
 * ARMv8.2 on, required from ARMv8.4 on): sdot multiplies and adds four signed bytes in 32 bits.
 * Codes of 8 bits are made signed (code - 128, the caller corrects by the sum); narrower ones
 * already fit. */
#ifndef SWG_KERNELS_NEON_SIMD_DOTPROD_H
#define SWG_KERNELS_NEON_SIMD_DOTPROD_H

#define SWG_VARIANT(op) swg_##op##__dotprod
#ifdef __clang__
#define V16_TARGET __attribute__((target("dotprod")))
#else
#define V16_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

#include "kernels/neon/simd_neon_common.h"

/* Columns after which a partial integer sum must be widened: more than any group has, so never. */
#define V16_CHUNK_COLUMNS SIZE_MAX

/* Sums that one row's products are split into when there are no others: as many as hide the latency
 * of a step. */
enum { V16_DOT_SUMS = 2 };

V16_INLINE int32_t v16i_code_bias(const unsigned bits)
{
    return bits == 8 ? 128 : 0;
}
V16_INLINE v16i v16i_dot_begin(v16i acc, const unsigned bits)
{
    (void)bits;
    return acc;
}
V16_INLINE v16i v16i_dot_step(v16i part, v16i codes, v16i act, const unsigned bits)
{
    const int32x4_t flip = vreinterpretq_s32_u8(vdupq_n_u8(bits == 8 ? 0x80 : 0));
#define EACH(i)                                                                                    \
    vdotq_s32(part.q[i], vreinterpretq_s8_s32(veorq_s32(codes.q[i], flip)),                        \
              vreinterpretq_s8_s32(act.q[i]))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_dot_end(v16i acc, v16i part, const unsigned bits)
{
    (void)acc;
    (void)bits;
    return part;
}

#endif
