/* Every instruction that the kernels use beyond C++, twice: as PTX, and for the host executor in
 * plain C++ as the PTX manual defines it. Words hold packed elements, the first in the lowest bits.
 * Of a warp, g = lane / 4 and t = lane % 4. */
#ifndef SWG_KERNELS_CUDA_PTX_H
#define SWG_KERNELS_CUDA_PTX_H

#include "kernels/cuda/simt.h"

#ifndef __CUDACC__
extern "C" {
#include "runtime/base/numeric.h"
}
#include "kernels/cuda/trace.h"
#endif

namespace SWG_BUILD
{
/* A float's bits, and the reverse. */
SWG_DEVICE uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
SWG_DEVICE float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- Halves ----------------------------------------------------------------------------------- */

/* cvt.f32.f16 and cvt.rn.f16.f32: an IEEE half as its bits. */
SWG_DEVICE float half_to_float(uint16_t bits)
{
#ifdef __CUDACC__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#else
    /* A half's exponent and fraction at a float's place are 2^112 times too small, subnormals
     * included; infinities and NaN have an exponent of their own. */
    const uint32_t size = (uint32_t)(bits & 0x7fff) << 13, sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t special = size >= 0x0f800000u ? size | 0x7f800000u : 0;
    const float value = float_of(size) * 5192296858534827628530496329220096.0f; /* 2^112 */
    return float_of((special ? special : bits_of(value)) | sign);
#endif
}

SWG_DEVICE uint16_t float_to_half(float value)
{
#ifdef __CUDACC__
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    return swg_f32_to_f16(value);
#endif
}

SWG_DEVICE float low_half(uint32_t pair)
{
    return half_to_float((uint16_t)pair);
}
SWG_DEVICE float high_half(uint32_t pair)
{
    return half_to_float((uint16_t)(pair >> 16));
}
SWG_DEVICE uint32_t pair_of(float low, float high)
{
    return float_to_half(low) | (uint32_t)float_to_half(high) << 16;
}

/* sub.f16x2 and fma.rn.f16x2. */
SWG_DEVICE uint32_t half2_sub(uint32_t a, uint32_t b)
{
#ifdef __CUDACC__
    uint32_t d;
    asm("sub.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
#else
    return pair_of(low_half(a) - low_half(b), high_half(a) - high_half(b));
#endif
}

SWG_DEVICE uint32_t half2_fma(uint32_t a, uint32_t b, uint32_t c)
{
#ifdef __CUDACC__
    uint32_t d;
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    /* A product of halves is exact in float; the sum of that and a half is exact in double. */
    return pair_of((float)((double)low_half(a) * low_half(b) + low_half(c)),
                   (float)((double)high_half(a) * high_half(b) + high_half(c)));
#endif
}

/* --- bfloat16 --------------------------------------------------------------------------------- */

SWG_DEVICE float bfloat_to_float(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

/* cvt.rn.bf16x2.f32: two floats rounded. */
SWG_DEVICE uint32_t bfloat_pair_of(float low, float high)
{
#ifdef __CUDACC__
    uint32_t d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
#else
    return swg_f32_to_bf16(low) | (uint32_t)swg_f32_to_bf16(high) << 16;
#endif
}

/* fma.rn.bf16x2. */
SWG_DEVICE uint32_t bfloat2_fma(uint32_t a, uint32_t b, uint32_t c)
{
#ifdef __CUDACC__
    uint32_t d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    /* A product of bfloats is exact in float. Its sum with a third is rounded twice here, to float
     * and then to bfloat, which is the same for the small integers of the kernels. */
    float sum[2];
    for (int i = 0; i < 2; i++)
        sum[i] =
            bfloat_to_float((uint16_t)(a >> 16 * i)) * bfloat_to_float((uint16_t)(b >> 16 * i)) +
            bfloat_to_float((uint16_t)(c >> 16 * i));
    return bfloat_pair_of(sum[0], sum[1]);
#endif
}

/* --- Bits ------------------------------------------------------------------------------------- */

/* lop3.b32 with the table of (a & b) | c. */
SWG_DEVICE uint32_t and_or(uint32_t a, uint32_t b, uint32_t c)
{
#ifdef __CUDACC__
    uint32_t d;
    asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#else
    /* Bit i of the table is the result for a = i >> 2, b = i >> 1, c = i, each & 1. */
    uint32_t d = 0;
    for (unsigned bit = 0; bit < 32; bit++) {
        const unsigned i = (a >> bit & 1) << 2 | (b >> bit & 1) << 1 | (c >> bit & 1);
        d |= (uint32_t)(0xeau >> i & 1) << bit;
    }
    return d;
#endif
}

/* prmt.b32: byte i of the result is byte (selector >> 4 i & 7) of b:a. */
SWG_DEVICE uint32_t permute(uint32_t a, uint32_t b, uint32_t selector)
{
#ifdef __CUDACC__
    uint32_t d;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(selector));
    return d;
#else
    const uint64_t bytes = (uint64_t)b << 32 | a;
    uint32_t d = 0;
    for (unsigned i = 0; i < 4; i++)
        d |= (uint32_t)(bytes >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
    return d;
#endif
}

/* mul.hi.u32: the upper half of a product. */
SWG_DEVICE uint32_t multiply_high(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b >> 32);
}

/* --- Loads and copies ------------------------------------------------------------------------- */

/* cp.async.cg of 16 bytes from global to shared memory; without `is_valid` zeros are written and
 * nothing is read. Then commit the copies since the last commit as a group, and wait until at most
 * `left` groups are under way. The wait makes a thread's own copies visible to it; a barrier, to
 * others. */
SWG_DEVICE void async_copy16(void *to, const void *from, bool is_valid)
{
#ifdef __CUDACC__
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(to);
    const int bytes = is_valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                 "r"(bytes)
                 : "memory");
#else
    static const uint4 zeros = {0, 0, 0, 0};
    simt::copy_async(to, is_valid ? from : &zeros, 16);
#endif
}

/* cp.async.ca of 4 or 8 bytes, likewise. */
template <int size> SWG_DEVICE void async_copy(void *to, const void *from, bool is_valid)
{
#ifdef __CUDACC__
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(to);
    const int bytes = is_valid ? size : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from),
                 "n"(size), "r"(bytes)
                 : "memory");
#else
    static const uint64_t zero = 0;
    simt::copy_async(to, is_valid ? from : &zero, size);
#endif
}

SWG_DEVICE void async_commit()
{
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    simt::copy_commit();
#endif
}

template <int left> SWG_DEVICE void async_wait()
{
#ifdef __CUDACC__
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
#else
    simt::copy_wait(left);
#endif
}

/* ldmatrix.sync.m8n8.x4.trans.shared.b16: four matrices of 8 x 8 halves, of which lanes 8 m to 8 m
 * + 7 give the addresses of matrix m's rows, 16 bytes each. d[m] is the pair of rows 2t and 2t + 1
 * in column g of matrix m. */
SWG_DEVICE void load_matrices_transposed(uint32_t d[4], const void *row)
{
#ifdef __CUDACC__
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(address)
                 : "memory");
#else
    simt::trace_access(row, 16, false, __builtin_return_address(0));
    const unsigned char *const slots = simt::warp_meet(__FILE__, __LINE__, row, 16);
    const unsigned g = simt::self->lane / 4, t = simt::self->lane % 4;
    for (unsigned m = 0; m < 4; m++) {
        d[m] = 0;
        for (unsigned i = 0; i < 2; i++) {
            uint16_t half;
            memcpy(&half, slots + (8 * m + 2 * t + i) * simt::warp_slot + 2 * g, sizeof half);
            d[m] |= (uint32_t)half << 16 * i;
        }
    }
#endif
}

/* --- Tensor cores ----------------------------------------------------------------------------- */

#ifndef __CUDACC__
/* mma_f16 and mma_bf16, below, of elements that `value_of` reads. */
template <float (*value_of)(uint16_t)>
void mma_of(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    struct {
        float a[8], b[4];
    } mine;
    for (int i = 0; i < 8; i++)
        mine.a[i] = value_of((uint16_t)(a[i / 2] >> 16 * (i % 2)));
    for (int i = 0; i < 4; i++)
        mine.b[i] = value_of((uint16_t)(b[i / 2] >> 16 * (i % 2)));
    const unsigned char *const slots = simt::warp_meet(__FILE__, __LINE__, &mine, sizeof mine);
    const unsigned g = simt::self->lane / 4, t = simt::self->lane % 4;
    /* Column k of A is element k % 2 + 4 (k / 8) of lane k / 2 % 4's row; likewise row k of B. */
    for (unsigned k = 0; k < 16; k++) {
        const unsigned pair = k % 8 / 2, half = k / 8, odd = k % 2;
        const unsigned char *of_a = slots + (4 * g + pair) * simt::warp_slot;
        const float above = reinterpret_cast<const float *>(of_a)[4 * half + odd];
        const float below = reinterpret_cast<const float *>(of_a)[4 * half + 2 + odd];
        for (unsigned column = 0; column < 2; column++) {
            const unsigned char *of_b = slots + (4 * (2 * t + column) + pair) * simt::warp_slot;
            const float right =
                reinterpret_cast<const float *>(of_b + sizeof mine.a)[2 * half + odd];
            d[column] += above * right;
            d[2 + column] += below * right;
        }
    }
}

/* mma_sparse_f16 and mma_sparse_bf16, likewise. */
template <int selector, float (*value_of)(uint16_t)>
void mma_sparse_of(float d[4], const uint32_t a[4], const uint32_t b[4], uint32_t places)
{
    struct {
        uint32_t a[4], b[4], places;
    } mine;
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    mine.places = places;
    const unsigned char *const slots = simt::warp_meet(__FILE__, __LINE__, &mine, sizeof mine);
    const unsigned g = simt::self->lane / 4, t = simt::self->lane % 4;
    const auto lane_at = [slots](unsigned lane) {
        return reinterpret_cast<const uint32_t *>(slots + lane * simt::warp_slot);
    };
    for (unsigned below = 0; below < 2; below++)
        for (unsigned stored = 0; stored < 16; stored++) {
            const uint32_t word = lane_at(4 * g + 2 * selector + stored / 8)[8];
            const unsigned k = stored / 2 * 4 + (word >> (16 * below + stored % 8 * 2) & 3);
            const uint32_t pair = lane_at(4 * g + stored % 8 / 2)[stored / 8 * 2 + below];
            const float left = value_of((uint16_t)(pair >> 16 * (stored % 2)));
            for (unsigned column = 0; column < 2; column++) {
                const uint32_t right =
                    lane_at(4 * (2 * t + column) + k % 8 / 2)[4 + k / 16 * 2 + k % 16 / 8];
                d[2 * below + column] += left * value_of((uint16_t)(right >> 16 * (k % 2)));
            }
        }
}
#endif

/* mma.sync.m16n8k16.row.col.f32.f16.f16.f32: d (16 x 8) += a (16 x 16) b (16 x 8).
 *
 *     a[0] row g      columns 2t 2t+1     a[2] row g      columns 2t+8 2t+9
 *     a[1] row g + 8  columns 2t 2t+1     a[3] row g + 8  columns 2t+8 2t+9
 *     b[0] rows 2t 2t+1, column g         b[1] rows 2t+8 2t+9, column g
 *     d[0] d[1] row g, columns 2t 2t+1    d[2] d[3] row g + 8, columns 2t 2t+1 */
SWG_DEVICE void mma_f16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    mma_of<half_to_float>(d, a, b);
#endif
}

/* The same of bfloats: mma.sync.m16n8k16.row.col.f32.bf16.bf16.f32. */
SWG_DEVICE void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    mma_of<bfloat_to_float>(d, a, b);
#endif
}

/* mma.sync.m16n8k32.row.col.s32.u8.s8.s32: d (16 x 8) += a (16 x 32) b (32 x 8).
 *
 *     a[0] row g      columns 4t .. 4t+3       a[2] row g      columns 4t+16 .. 4t+19
 *     a[1] row g + 8  columns 4t .. 4t+3       a[3] row g + 8  columns 4t+16 .. 4t+19
 *     b[0] rows 4t .. 4t+3, column g           b[1] rows 4t+16 .. 4t+19, column g
 *     d as in mma_f16 */
SWG_DEVICE void mma_u8s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    struct {
        uint32_t a[4], b[2];
    } mine;
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    const unsigned char *const slots = simt::warp_meet(__FILE__, __LINE__, &mine, sizeof mine);
    const unsigned g = simt::self->lane / 4, t = simt::self->lane % 4;
    for (unsigned k = 0; k < 32; k++) {
        const unsigned quarter = k % 16 / 4, half = k / 16, byte = k % 4;
        const unsigned char *of_a = slots + (4 * g + quarter) * simt::warp_slot;
        const int above = of_a[8 * half + byte], below = of_a[8 * half + 4 + byte];
        for (unsigned column = 0; column < 2; column++) {
            const unsigned char *of_b = slots + (4 * (2 * t + column) + quarter) * simt::warp_slot;
            const int right = (int8_t)of_b[sizeof mine.a + 4 * half + byte];
            d[column] += above * right;
            d[2 + column] += below * right;
        }
    }
#endif
}

/* mma.sp::ordered_metadata.sync.m16n8k32.row.col.f32.f16.f16.f32: d (16 x 8) += a (16 x 32, of
 * which two in four columns are stored) b (32 x 8). a is the fragment of mma_f16 of the stored
 * columns; b[0..1] and b[2..3] are its fragments of rows 0 to 15 and 16 to 31. The places come from
 * lanes 4g and 4g + 1 (selector 0) or 4g + 2 and 4g + 3 (selector 1), for the stored columns 0 to 7
 * and 8 to 15: two bits each, row g in the low half, row g + 8 in the high half. */
template <int selector>
SWG_DEVICE void mma_sparse_f16(float d[4], const uint32_t a[4], const uint32_t b[4],
                               uint32_t places)
{
#ifdef __CUDACC__
    asm volatile("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9, %10, %11}, {%0, %1, %2, %3}, %12, "
                 "%13;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]),
                   "r"(b[3]), "r"(places), "n"(selector));
#else
    mma_sparse_of<selector, half_to_float>(d, a, b, places);
#endif
}

/* The same of bfloats. */
template <int selector>
SWG_DEVICE void mma_sparse_bf16(float d[4], const uint32_t a[4], const uint32_t b[4],
                                uint32_t places)
{
#ifdef __CUDACC__
    asm volatile("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9, %10, %11}, {%0, %1, %2, %3}, %12, "
                 "%13;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]),
                   "r"(b[3]), "r"(places), "n"(selector));
#else
    mma_sparse_of<selector, bfloat_to_float>(d, a, b, places);
#endif
}
} // namespace SWG_BUILD

#endif
