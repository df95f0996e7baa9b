/* Sixteen floats or int32 in four 128-bit registers: the primitives in which kernels/simd16/ writes
 * its bodies, for AArch64's Advanced SIMD. Element i of memory is lane i; `_n` primitives touch
 * only the first n lanes or bytes (n up to 16). Included through simd_neon.h or simd_dotprod.h,
 * which name the variant, its target and its dot product. Results are those of the x86 sets, in
 * every bit: comparisons choose as x86's minimum and maximum do, sums are folded in the same order.
 */
#ifndef SWG_KERNELS_NEON_SIMD_NEON_COMMON_H
#define SWG_KERNELS_NEON_SIMD_NEON_COMMON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V16_INLINE static inline __attribute__((always_inline)) V16_TARGET

typedef struct v16 {
    float32x4_t q[4];
} v16;
typedef struct v16i {
    int32x4_t q[4];
} v16i;

/* Register tiles: 32 registers hold 4 tokens x 16 rows of integer sums, a vector of codes and its
 * operands; the float sums of a group stay in the first-level cache. */
enum {
    V16_WIDE_PANELS = 2,
    V16_WIDE_TOKENS = 2,
    V16_TALL_PANELS = 1,
    V16_TALL_TOKENS = 4,
    V16_TILE_QUERIES = 2,
    V16_TILE_KEYS = 2,
    V16_TILE_VECTORS = 2
};

/* EACH(x) of the four registers, x being their index, as a vector of `type`. */
#define V16_EACH(type, EACH)                                                                       \
    (type)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            EACH(0), EACH(1), EACH(2), EACH(3)                                                     \
        }                                                                                          \
    }

/* All ones in the lanes below n; 4 lanes, the first of which is `first`. */
V16_INLINE uint32x4_t v16_mask(size_t n, int first)
{
    static const uint32_t lanes[4] = {0, 1, 2, 3};
    return vcltq_u32(vaddq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t)first)),
                     vdupq_n_u32((uint32_t)n));
}

V16_INLINE v16 v16_set1(float x)
{
#define EACH(i) vdupq_n_f32(x)
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_load(const float *p)
{
#define EACH(i) vld1q_f32(p + 4 * (i))
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_load_n(const float *p, size_t n)
{
    if (n >= 16)
        return v16_load(p);
    float part[16] = {0};
    memcpy(part, p, n * sizeof *p);
    return v16_load(part);
}
V16_INLINE void v16_store(float *p, v16 x)
{
    for (int i = 0; i < 4; i++)
        vst1q_f32(p + 4 * i, x.q[i]);
}
V16_INLINE void v16_store_n(float *p, v16 x, size_t n)
{
    if (n >= 16) {
        v16_store(p, x);
        return;
    }
    float part[16];
    v16_store(part, x);
    memcpy(p, part, n * sizeof *p);
}
/* Keep a sum in its registers: else gcc copies every sum of a loop in each round. */
V16_INLINE void v16_keep(v16 *x)
{
    __asm__("" : "+w"(x->q[0]), "+w"(x->q[1]), "+w"(x->q[2]), "+w"(x->q[3]));
}
V16_INLINE v16 v16_first_of(v16 x, v16 otherwise, size_t n)
{
#define EACH(i) vbslq_f32(v16_mask(n, 4 * (i)), x.q[i], otherwise.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_add(v16 a, v16 b)
{
#define EACH(i) vaddq_f32(a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_sub(v16 a, v16 b)
{
#define EACH(i) vsubq_f32(a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_mul(v16 a, v16 b)
{
#define EACH(i) vmulq_f32(a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_div(v16 a, v16 b)
{
#define EACH(i) vdivq_f32(a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* b where a and b cannot be compared. */
V16_INLINE v16 v16_min(v16 a, v16 b)
{
#define EACH(i) vbslq_f32(vcltq_f32(a.q[i], b.q[i]), a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_max(v16 a, v16 b)
{
#define EACH(i) vbslq_f32(vcgtq_f32(a.q[i], b.q[i]), a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_abs(v16 a)
{
#define EACH(i) vabsq_f32(a.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* a * b + c, c - a * b, a * b - c, and alternately a * b - c (even lanes) and a * b + c. */
V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
#define EACH(i) vfmaq_f32(c.q[i], a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_fnma(v16 a, v16 b, v16 c)
{
#define EACH(i) vfmsq_f32(c.q[i], a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_fms(v16 a, v16 b, v16 c)
{
#define EACH(i) vfmaq_f32(vnegq_f32(c.q[i]), a.q[i], b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_fmaddsub(v16 a, v16 b, v16 c)
{
    const uint32x4_t even_sign = vreinterpretq_u32_u64(vdupq_n_u64(0x80000000u));
#define EACH(i)                                                                                    \
    vfmaq_f32(vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(c.q[i]), even_sign)), a.q[i],  \
              b.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_rint(v16 a)
{
#define EACH(i) vrndnq_f32(a.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* x * 2^n for whole n and a normal result: n is added to the exponent. */
V16_INLINE float32x4_t v16_ldexp_quarter(float32x4_t x, float32x4_t n)
{
    const int32x4_t exponent = vshlq_n_s32(vcvtnq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}
V16_INLINE v16 v16_ldexp(v16 x, v16 n)
{
#define EACH(i) v16_ldexp_quarter(x.q[i], n.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* x where `a >= b`, else 0. */
V16_INLINE v16 v16_where_ge(v16 a, v16 b, v16 x)
{
#define EACH(i)                                                                                    \
    vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(a.q[i], b.q[i]), vreinterpretq_u32_f32(x.q[i])))
    return V16_EACH(v16, EACH);
#undef EACH
}
/* Even lanes duplicated: a0 a0 a2 a2 ...; odd lanes duplicated: a1 a1 a3 a3 ... */
V16_INLINE v16 v16_evens(v16 a)
{
#define EACH(i) vtrn1q_f32(a.q[i], a.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_odds(v16 a)
{
#define EACH(i) vtrn2q_f32(a.q[i], a.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* a0 b0 a1 b1 ... a7 b7 of the first n (up to 8) elements of two arrays. */
V16_INLINE v16 v16_zip_n(const float *a, const float *b, size_t n)
{
    float x[8] = {0}, y[8] = {0};
    memcpy(x, a, n * sizeof *a);
    memcpy(y, b, n * sizeof *b);
    const float32x4_t x0 = vld1q_f32(x), x1 = vld1q_f32(x + 4);
    const float32x4_t y0 = vld1q_f32(y), y1 = vld1q_f32(y + 4);
    return (v16){{vzip1q_f32(x0, y0), vzip2q_f32(x0, y0), vzip1q_f32(x1, y1), vzip2q_f32(x1, y1)}};
}
/* The sum of 16 lanes, l += l + 8, l += l + 4, l += l + 2, l += l + 1; the largest lane. */
V16_INLINE float32x4_t v16_fold_to_4(v16 x)
{
    return vaddq_f32(vaddq_f32(x.q[0], x.q[2]), vaddq_f32(x.q[1], x.q[3]));
}
V16_INLINE float v16_fold(v16 x)
{
    const float32x4_t by4 = v16_fold_to_4(x);
    const float32x2_t by2 = vadd_f32(vget_low_f32(by4), vget_high_f32(by4));
    return vget_lane_f32(by2, 0) + vget_lane_f32(by2, 1);
}
V16_INLINE float v16_largest(v16 x)
{
    float lanes[16], largest;
    v16_store(lanes, x);
    largest = lanes[0];
    for (int i = 1; i < 16; i++)
        largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
}
/* Fold 4 vectors at once: out[i] = v16_fold(x[i]) * scale. */
V16_INLINE void v16_fold_tile(const v16 *x, float scale, float *out)
{
    const float32x4_t a = v16_fold_to_4(x[0]), b = v16_fold_to_4(x[1]);
    const float32x4_t c = v16_fold_to_4(x[2]), d = v16_fold_to_4(x[3]);
    const float32x4_t ab = vaddq_f32(vcombine_f32(vget_low_f32(a), vget_low_f32(b)),
                                     vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
    const float32x4_t cd = vaddq_f32(vcombine_f32(vget_low_f32(c), vget_low_f32(d)),
                                     vcombine_f32(vget_high_f32(c), vget_high_f32(d)));
    vst1q_f32(out, vmulq_n_f32(vpaddq_f32(ab, cd), scale));
}

/* --- Eight doubles --- */

typedef struct v8d {
    float64x2_t q[4];
} v8d;

V16_INLINE v8d v8d_set1(double x)
{
#define EACH(i) vdupq_n_f64(x)
    return V16_EACH(v8d, EACH);
#undef EACH
}
/* Lanes 0 to 7; lanes 8 to 15. */
V16_INLINE v8d v8d_from_quarters(float32x4_t a, float32x4_t b)
{
    return (v8d){{vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a),
                  vcvt_f64_f32(vget_low_f32(b)), vcvt_high_f64_f32(b)}};
}
V16_INLINE v8d v8d_low(v16 x)
{
    return v8d_from_quarters(x.q[0], x.q[1]);
}
V16_INLINE v8d v8d_high(v16 x)
{
    return v8d_from_quarters(x.q[2], x.q[3]);
}
V16_INLINE v8d v8d_add(v8d a, v8d b)
{
#define EACH(i) vaddq_f64(a.q[i], b.q[i])
    return V16_EACH(v8d, EACH);
#undef EACH
}
V16_INLINE v8d v8d_sub(v8d a, v8d b)
{
#define EACH(i) vsubq_f64(a.q[i], b.q[i])
    return V16_EACH(v8d, EACH);
#undef EACH
}
V16_INLINE v8d v8d_mul(v8d a, v8d b)
{
#define EACH(i) vmulq_f64(a.q[i], b.q[i])
    return V16_EACH(v8d, EACH);
#undef EACH
}
/* a * b + c, c - a * b. */
V16_INLINE v8d v8d_fma(v8d a, v8d b, v8d c)
{
#define EACH(i) vfmaq_f64(c.q[i], a.q[i], b.q[i])
    return V16_EACH(v8d, EACH);
#undef EACH
}
V16_INLINE v8d v8d_fnma(v8d a, v8d b, v8d c)
{
#define EACH(i) vfmsq_f64(c.q[i], a.q[i], b.q[i])
    return V16_EACH(v8d, EACH);
#undef EACH
}
/* 2^n of doubles whose lowest bits are the whole number n (see kernels/exp_double.h). */
V16_INLINE float64x2_t v8d_power_of_two_quarter(float64x2_t shifted)
{
    const int64x2_t biased = vaddq_s64(vreinterpretq_s64_f64(shifted), vdupq_n_s64(1023));
    return vreinterpretq_f64_s64(vshlq_n_s64(biased, 52));
}
V16_INLINE v8d v8d_power_of_two(v8d shifted)
{
#define EACH(i) v8d_power_of_two_quarter(shifted.q[i])
    return V16_EACH(v8d, EACH);
#undef EACH
}
/* x, but 0 where a is less than b. */
V16_INLINE v8d v8d_zero_where_less(v8d a, v8d b, v8d x)
{
#define EACH(i)                                                                                    \
    vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(x.q[i]), vcltq_f64(a.q[i], b.q[i])))
    return V16_EACH(v8d, EACH);
#undef EACH
}
/* The sum of 8 lanes, l += l + 4, l += l + 2, l += l + 1. */
V16_INLINE double v8d_fold(v8d x)
{
    const float64x2_t by2 = vaddq_f64(vaddq_f64(x.q[0], x.q[2]), vaddq_f64(x.q[1], x.q[3]));
    return vgetq_lane_f64(by2, 0) + vgetq_lane_f64(by2, 1);
}

/* --- Integers --- */

V16_INLINE v16i v16i_set1(int32_t x)
{
#define EACH(i) vdupq_n_s32(x)
    return V16_EACH(v16i, EACH);
#undef EACH
}
/* Four bytes of memory, broadcast to every lane. */
V16_INLINE v16i v16i_repeat4(const void *p)
{
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return v16i_set1(bytes);
}
V16_INLINE v16i v16i_load(const void *p)
{
    const uint8_t *at = p;
#define EACH(i) vreinterpretq_s32_u8(vld1q_u8(at + 16 * (i)))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE void v16i_store(void *p, v16i x)
{
    uint8_t *at = p;
    for (int i = 0; i < 4; i++)
        vst1q_u8(at + 16 * i, vreinterpretq_u8_s32(x.q[i]));
}
/* Sixteen bytes of memory, in every register; and the bytes of such a table at the indices (0 to
 * 15) in the bytes of `at`. */
V16_INLINE v16i v16i_repeat16(const void *p)
{
#define EACH(i) vreinterpretq_s32_u8(vld1q_u8(p))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_look_up(v16i table, v16i at)
{
#define EACH(i)                                                                                    \
    vreinterpretq_s32_u8(                                                                          \
        vqtbl1q_u8(vreinterpretq_u8_s32(table.q[i]), vreinterpretq_u8_s32(at.q[i])))
    return V16_EACH(v16i, EACH);
#undef EACH
}
/* a in lanes 0 to 7 and b in lanes 8 to 15; then the same eight numbers twice. */
V16_INLINE v16i v16i_halves(uint32_t a, uint32_t b)
{
    const int32x4_t low = vdupq_n_s32((int32_t)a), high = vdupq_n_s32((int32_t)b);
    return (v16i){{low, low, high, high}};
}
V16_INLINE v16i v16i_pattern8(int a, int b, int c, int d, int e, int f, int g, int h)
{
    const int32x4_t low = {a, b, c, d}, high = {e, f, g, h};
    return (v16i){{low, high, low, high}};
}
/* Lane i from base + i * stride bytes. */
V16_INLINE v16i v16i_gather(const uint8_t *base, size_t stride)
{
    int32_t lanes[16];
    for (size_t i = 0; i < 16; i++)
        memcpy(&lanes[i], base + i * stride, sizeof lanes[i]);
    return v16i_load(lanes);
}
V16_INLINE v16i v16i_add(v16i a, v16i b)
{
#define EACH(i) vaddq_s32(a.q[i], b.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_sub(v16i a, v16i b)
{
#define EACH(i) vsubq_s32(a.q[i], b.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_mul(v16i a, v16i b)
{
#define EACH(i) vmulq_s32(a.q[i], b.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_and(v16i a, v16i b)
{
#define EACH(i) vandq_s32(a.q[i], b.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_or(v16i a, v16i b)
{
#define EACH(i) vorrq_s32(a.q[i], b.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_xor(v16i a, v16i b)
{
#define EACH(i) veorq_s32(a.q[i], b.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
/* Shifts are logical. */
V16_INLINE int32x4_t v16i_shift_quarter(int32x4_t a, int32x4_t left)
{
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), left));
}
V16_INLINE v16i v16i_shift_left(v16i a, int by)
{
#define EACH(i) v16i_shift_quarter(a.q[i], vdupq_n_s32(by))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_shift_right(v16i a, int by)
{
    return v16i_shift_left(a, -by);
}
V16_INLINE v16i v16i_shift_right_each(v16i a, v16i by)
{
#define EACH(i) v16i_shift_quarter(a.q[i], vnegq_s32(by.q[i]))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16i v16i_from_u8(const uint8_t *p)
{
    const uint8x16_t bytes = vld1q_u8(p);
    const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
    return (v16i){{vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))),
                   vreinterpretq_s32_u32(vmovl_high_u16(low)),
                   vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
                   vreinterpretq_s32_u32(vmovl_high_u16(high))}};
}
V16_INLINE v16i v16i_from_i8(const int8_t *p)
{
    const int8x16_t bytes = vld1q_s8(p);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
    return (v16i){{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)),
                   vmovl_high_s16(high)}};
}
V16_INLINE v16i v16i_from_i8_n(const int8_t *p, size_t n)
{
    if (n >= 16)
        return v16i_from_i8(p);
    int8_t part[16] = {0};
    memcpy(part, p, n);
    return v16i_from_i8(part);
}
V16_INLINE v16 v16_from_i32(v16i a)
{
#define EACH(i) vcvtq_f32_s32(a.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* To the nearest integer, ties to even. */
V16_INLINE v16i v16i_from_f32(v16 a)
{
#define EACH(i) vcvtnq_s32_f32(a.q[i])
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16 v16_from_bits(v16i a)
{
#define EACH(i) vreinterpretq_f32_s32(a.q[i])
    return V16_EACH(v16, EACH);
#undef EACH
}
/* Sixteen 16-bit numbers of memory, widened; shifted to the upper half of their lanes where they
 * are the upper halves of floats. */
V16_INLINE v16i v16i_from_u16(const void *p)
{
    const uint16_t *at = p;
#define EACH(i) vreinterpretq_s32_u32(vmovl_u16(vld1_u16(at + 4 * (i))))
    return V16_EACH(v16i, EACH);
#undef EACH
}
V16_INLINE v16 v16_from_bf16(const void *p)
{
    return v16_from_bits(v16i_shift_left(v16i_from_u16(p), 16));
}
V16_INLINE v16 v16_from_f16(const void *p)
{
    const uint16_t *at = p;
#define EACH(i) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(at + 4 * (i))))
    return V16_EACH(v16, EACH);
#undef EACH
}
V16_INLINE v16 v16_from_f16_n(const uint16_t *p, size_t n)
{
    if (n >= 16)
        return v16_from_f16(p);
    uint16_t part[16] = {0};
    memcpy(part, p, n * sizeof *p);
    return v16_from_f16(part);
}
/* Rounded to half, ties to even. */
V16_INLINE void v16_store_f16_n(uint16_t *p, v16 x, size_t n)
{
    uint16_t part[16];
    uint16_t *to = n >= 16 ? p : part;
    for (int i = 0; i < 4; i++)
        vst1_u16(to + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.q[i])));
    if (n < 16)
        memcpy(p, part, n * sizeof *p);
}
V16_INLINE v16i v16i_from_u16_n(const uint16_t *p, size_t n)
{
    if (n >= 16)
        return v16i_from_u16(p);
    uint16_t part[16] = {0};
    memcpy(part, p, n * sizeof *p);
    return v16i_from_u16(part);
}
/* The low bytes of the first n lanes, which are within int8. */
V16_INLINE void v16i_store_bytes_n(int8_t *p, v16i x, size_t n)
{
    const int16x8_t low = vcombine_s16(vmovn_s32(x.q[0]), vmovn_s32(x.q[1]));
    const int16x8_t high = vcombine_s16(vmovn_s32(x.q[2]), vmovn_s32(x.q[3]));
    const int8x16_t bytes = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
    if (n >= 16) {
        vst1q_s8(p, bytes);
        return;
    }
    int8_t part[16];
    vst1q_s8(part, bytes);
    memcpy(p, part, n);
}
V16_INLINE int32_t v16i_sum(v16i x)
{
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.q[0], x.q[1]), vaddq_s32(x.q[2], x.q[3])));
}

#endif
