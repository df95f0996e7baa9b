/* The variant of the simd16 primitives that every AArch64 processor runs, with its dot product of
 * unsigned codes and signed activations.
 *
 * smull gives products of 16 bits and addp adds neighbours: of 4-bit codes two add up to at most
 * 2 * 15 * 127, and eight of these, 32 columns, fit 16 bits before they must be widened. 8-bit
 * codes are made signed (code - 128, the caller corrects by the sum): two products are at most 2 *
 * 128 * 127 = 32,512, widened at once. */
#ifndef SWG_KERNELS_NEON_SIMD_NEON_H
#define SWG_KERNELS_NEON_SIMD_NEON_H

#define SWG_VARIANT(op) swg_##op##__neon
#define V16_TARGET

#include "kernels/neon/simd_neon_common.h"

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
/* For each of 4 rows, of 4 columns: the sums of the first two and of the last two products. */
V16_INLINE int16x8_t v16i_pair_products(int8x16_t codes, int8x16_t act)
{
    return vpaddq_s16(vmull_s8(vget_low_s8(codes), vget_low_s8(act)), vmull_high_s8(codes, act));
}
V16_INLINE int32x4_t v16i_dot_4bit(int32x4_t part, int32x4_t codes, int32x4_t act)
{
    const int16x8_t pairs =
        v16i_pair_products(vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(act));
    return vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(part), pairs));
}
V16_INLINE int32x4_t v16i_dot_8bit(int32x4_t part, int32x4_t codes, int32x4_t act)
{
    const int8x16_t value =
        vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_s32(codes), vdupq_n_u8(0x80)));
    return vpadalq_s16(part, v16i_pair_products(value, vreinterpretq_s8_s32(act)));
}
V16_INLINE v16i v16i_dot_step(v16i part, v16i codes, v16i act, const unsigned bits)
{
#define EACH(i)                                                                                    \
    (bits == 8 ? v16i_dot_8bit(part.q[i], codes.q[i], act.q[i])                                    \
               : v16i_dot_4bit(part.q[i], codes.q[i], act.q[i]))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_dot_end(v16i acc, v16i part, const unsigned bits)
{
    if (bits == 8)
        return part;
#define EACH(i) vpadalq_s16(acc.q[i], vreinterpretq_s16_s32(part.q[i]))
    return V16_EACH(v16i, EACH);
#undef EACH
}

#endif
