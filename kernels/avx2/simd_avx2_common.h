/* Sixteen floats or int32 in two 256-bit registers: the primitives in which kernels/simd16/ writes
 * its bodies, for AVX2, FMA and F16C. Element i of memory is lane i; `_n` primitives touch only the
 * first n lanes or bytes (n up to 16). Included through simd_avx2.h or simd_avxvnni.h, which name
 * the variant, its target and its dot product. */
#ifndef SWG_KERNELS_AVX2_SIMD_AVX2_COMMON_H
#define SWG_KERNELS_AVX2_SIMD_AVX2_COMMON_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V16_INLINE static inline __attribute__((always_inline)) V16_TARGET

typedef struct v16 {
    __m256 lo, hi;
} v16;
typedef struct v16i {
    __m256i lo, hi;
} v16i;

/* Register tiles: 16 registers hold 4 tokens x 16 rows of integer sums and their operands; the
 * float sums of a group stay in the first-level cache. */
enum {
    V16_WIDE_PANELS = 2,
    V16_WIDE_TOKENS = 2,
    V16_TALL_PANELS = 1,
    V16_TALL_TOKENS = 4,
    V16_TILE_QUERIES = 2,
    V16_TILE_KEYS = 2,
    V16_TILE_VECTORS = 2
};

/* All ones in the lanes below n; 8 lanes, the first of which is `first`. */
V16_INLINE __m256i v16_mask(size_t n, size_t first)
{
    static const int32_t ones[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                     -1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones + 16 - n + first));
}

V16_INLINE v16 v16_set1(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
V16_INLINE v16 v16_load(const float *p)
{
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
V16_INLINE v16 v16_load_n(const float *p, size_t n)
{
    if (n >= 16)
        return v16_load(p);
    return (v16){_mm256_maskload_ps(p, v16_mask(n, 0)), _mm256_maskload_ps(p + 8, v16_mask(n, 8))};
}
V16_INLINE void v16_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.lo);
    _mm256_storeu_ps(p + 8, x.hi);
}
V16_INLINE void v16_store_n(float *p, v16 x, size_t n)
{
    if (n >= 16) {
        v16_store(p, x);
        return;
    }
    _mm256_maskstore_ps(p, v16_mask(n, 0), x.lo);
    _mm256_maskstore_ps(p + 8, v16_mask(n, 8), x.hi);
}
/* Keep a sum in its registers: else gcc copies every sum of a loop in each round. */
V16_INLINE void v16_keep(v16 *x)
{
    __asm__("" : "+x"(x->lo), "+x"(x->hi));
}
V16_INLINE v16 v16_first_of(v16 x, v16 otherwise, size_t n)
{
    return (v16){_mm256_blendv_ps(otherwise.lo, x.lo, _mm256_castsi256_ps(v16_mask(n, 0))),
                 _mm256_blendv_ps(otherwise.hi, x.hi, _mm256_castsi256_ps(v16_mask(n, 8)))};
}
V16_INLINE v16 v16_add(v16 a, v16 b)
{
    return (v16){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
V16_INLINE v16 v16_sub(v16 a, v16 b)
{
    return (v16){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
V16_INLINE v16 v16_mul(v16 a, v16 b)
{
    return (v16){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
V16_INLINE v16 v16_div(v16 a, v16 b)
{
    return (v16){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
V16_INLINE v16 v16_min(v16 a, v16 b)
{
    return (v16){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
V16_INLINE v16 v16_max(v16 a, v16 b)
{
    return (v16){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
V16_INLINE v16 v16_abs(v16 a)
{
    return (v16){_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.lo),
                 _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.hi)};
}
/* a * b + c, c - a * b, a * b - c, and alternately a * b - c (even lanes) and a * b + c. */
V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
V16_INLINE v16 v16_fnma(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
V16_INLINE v16 v16_fms(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fmsub_ps(a.lo, b.lo, c.lo), _mm256_fmsub_ps(a.hi, b.hi, c.hi)};
}
V16_INLINE v16 v16_fmaddsub(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fmaddsub_ps(a.lo, b.lo, c.lo), _mm256_fmaddsub_ps(a.hi, b.hi, c.hi)};
}
V16_INLINE v16 v16_rint(v16 a)
{
    return (v16){_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
/* x * 2^n for whole n and a normal result: n is added to the exponent. */
V16_INLINE __m256 v16_ldexp_half(__m256 x, __m256 n)
{
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}
V16_INLINE v16 v16_ldexp(v16 x, v16 n)
{
    return (v16){v16_ldexp_half(x.lo, n.lo), v16_ldexp_half(x.hi, n.hi)};
}
/* x where `a >= b`, else 0. */
V16_INLINE v16 v16_where_ge(v16 a, v16 b, v16 x)
{
    return (v16){_mm256_and_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ), x.lo),
                 _mm256_and_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ), x.hi)};
}
/* Even lanes duplicated: a0 a0 a2 a2 ...; odd lanes duplicated: a1 a1 a3 a3 ... */
V16_INLINE v16 v16_evens(v16 a)
{
    return (v16){_mm256_moveldup_ps(a.lo), _mm256_moveldup_ps(a.hi)};
}
V16_INLINE v16 v16_odds(v16 a)
{
    return (v16){_mm256_movehdup_ps(a.lo), _mm256_movehdup_ps(a.hi)};
}
/* a0 b0 a1 b1 ... a7 b7 of the first n (up to 8) elements of two arrays. */
V16_INLINE v16 v16_zip_n(const float *a, const float *b, size_t n)
{
    const __m256 x = _mm256_maskload_ps(a, v16_mask(n, 0));
    const __m256 y = _mm256_maskload_ps(b, v16_mask(n, 0));
    const __m256 low = _mm256_unpacklo_ps(x, y), high = _mm256_unpackhi_ps(x, y);
    return (v16){_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}
/* The sum of 16 lanes, l += l + 8, l += l + 4, l += l + 2, l += l + 1; the largest lane. */
V16_INLINE float v16_fold(v16 x)
{
    const __m256 by8 = _mm256_add_ps(x.lo, x.hi);
    const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}
V16_INLINE float v16_largest(v16 x)
{
    const __m256 by8 = _mm256_max_ps(x.lo, x.hi);
    const __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

/* Fold 4 vectors at once: out[i] = v16_fold(x[i]) * scale. Each level adds the two halves of every
 * remaining sum and packs two sums into the register that held one. */
V16_INLINE __m256 v16_fold_4(v16 x, v16 y)
{
    const __m256 a = _mm256_add_ps(x.lo, x.hi), b = _mm256_add_ps(y.lo, y.hi);
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}
V16_INLINE void v16_fold_tile(const v16 *x, float scale, float *out)
{
    const __m256d a = _mm256_castps_pd(v16_fold_4(x[0], x[2]));
    const __m256d b = _mm256_castps_pd(v16_fold_4(x[1], x[3]));
    const __m256 by2 = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)),
                                     _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
    const __m256 by1 =
        _mm256_add_ps(_mm256_shuffle_ps(by2, by2, 0x88), _mm256_shuffle_ps(by2, by2, 0xdd));
    const __m128 sums = _mm_movelh_ps(_mm256_castps256_ps128(by1), _mm256_extractf128_ps(by1, 1));
    _mm_storeu_ps(out, _mm_mul_ps(sums, _mm_set1_ps(scale)));
}

/* --- Eight doubles --- */

typedef struct v8d {
    __m256d lo, hi;
} v8d;

V16_INLINE v8d v8d_set1(double x)
{
    return (v8d){_mm256_set1_pd(x), _mm256_set1_pd(x)};
}
/* Lanes 0 to 7; lanes 8 to 15. */
V16_INLINE v8d v8d_from_half(__m256 x)
{
    return (v8d){_mm256_cvtps_pd(_mm256_castps256_ps128(x)),
                 _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
}
V16_INLINE v8d v8d_low(v16 x)
{
    return v8d_from_half(x.lo);
}
V16_INLINE v8d v8d_high(v16 x)
{
    return v8d_from_half(x.hi);
}
V16_INLINE v8d v8d_add(v8d a, v8d b)
{
    return (v8d){_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)};
}
V16_INLINE v8d v8d_sub(v8d a, v8d b)
{
    return (v8d){_mm256_sub_pd(a.lo, b.lo), _mm256_sub_pd(a.hi, b.hi)};
}
V16_INLINE v8d v8d_mul(v8d a, v8d b)
{
    return (v8d){_mm256_mul_pd(a.lo, b.lo), _mm256_mul_pd(a.hi, b.hi)};
}
/* a * b + c, c - a * b. */
V16_INLINE v8d v8d_fma(v8d a, v8d b, v8d c)
{
    return (v8d){_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}
V16_INLINE v8d v8d_fnma(v8d a, v8d b, v8d c)
{
    return (v8d){_mm256_fnmadd_pd(a.lo, b.lo, c.lo), _mm256_fnmadd_pd(a.hi, b.hi, c.hi)};
}
/* 2^n of doubles whose lowest bits are the whole number n (see kernels/exp_double.h). */
V16_INLINE __m256d v8d_power_of_two_half(__m256d shifted)
{
    const __m256i biased = _mm256_add_epi64(_mm256_castpd_si256(shifted), _mm256_set1_epi64x(1023));
    return _mm256_castsi256_pd(_mm256_slli_epi64(biased, 52));
}
V16_INLINE v8d v8d_power_of_two(v8d shifted)
{
    return (v8d){v8d_power_of_two_half(shifted.lo), v8d_power_of_two_half(shifted.hi)};
}
/* x, but 0 where a is less than b. */
V16_INLINE v8d v8d_zero_where_less(v8d a, v8d b, v8d x)
{
    return (v8d){_mm256_andnot_pd(_mm256_cmp_pd(a.lo, b.lo, _CMP_LT_OQ), x.lo),
                 _mm256_andnot_pd(_mm256_cmp_pd(a.hi, b.hi, _CMP_LT_OQ), x.hi)};
}
/* The sum of 8 lanes, l += l + 4, l += l + 2, l += l + 1. */
V16_INLINE double v8d_fold(v8d x)
{
    const __m256d by4 = _mm256_add_pd(x.lo, x.hi);
    const __m128d by2 = _mm_add_pd(_mm256_castpd256_pd128(by4), _mm256_extractf128_pd(by4, 1));
    return _mm_cvtsd_f64(_mm_add_sd(by2, _mm_unpackhi_pd(by2, by2)));
}

/* --- Integers --- */

V16_INLINE v16i v16i_set1(int32_t x)
{
    return (v16i){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
/* Four bytes of memory, broadcast to every lane. */
V16_INLINE v16i v16i_repeat4(const void *p)
{
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return v16i_set1(bytes);
}
/* Sixteen bytes of memory, in every 128-bit lane; and the bytes of such a table at the indices (0
 * to 15) in the bytes of `at`. */
V16_INLINE v16i v16i_repeat16(const void *p)
{
    const __m256i x = _mm256_broadcastsi128_si256(_mm_loadu_si128(p));
    return (v16i){x, x};
}
V16_INLINE v16i v16i_look_up(v16i table, v16i at)
{
    return (v16i){_mm256_shuffle_epi8(table.lo, at.lo), _mm256_shuffle_epi8(table.hi, at.hi)};
}
V16_INLINE v16i v16i_load(const void *p)
{
    const __m256i *at = p;
    return (v16i){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
V16_INLINE void v16i_store(void *p, v16i x)
{
    __m256i *at = p;
    _mm256_storeu_si256(at, x.lo);
    _mm256_storeu_si256(at + 1, x.hi);
}
/* a in lanes 0 to 7 and b in lanes 8 to 15; then the same eight numbers twice. */
V16_INLINE v16i v16i_halves(uint32_t a, uint32_t b)
{
    return (v16i){_mm256_set1_epi32((int32_t)a), _mm256_set1_epi32((int32_t)b)};
}
V16_INLINE v16i v16i_pattern8(int a, int b, int c, int d, int e, int f, int g, int h)
{
    const __m256i x = _mm256_setr_epi32(a, b, c, d, e, f, g, h);
    return (v16i){x, x};
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
    return (v16i){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
V16_INLINE v16i v16i_sub(v16i a, v16i b)
{
    return (v16i){_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
V16_INLINE v16i v16i_mul(v16i a, v16i b)
{
    return (v16i){_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)};
}
V16_INLINE v16i v16i_and(v16i a, v16i b)
{
    return (v16i){_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
V16_INLINE v16i v16i_or(v16i a, v16i b)
{
    return (v16i){_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
V16_INLINE v16i v16i_xor(v16i a, v16i b)
{
    return (v16i){_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
V16_INLINE v16i v16i_shift_left(v16i a, int by)
{
    return (v16i){_mm256_slli_epi32(a.lo, by), _mm256_slli_epi32(a.hi, by)};
}
V16_INLINE v16i v16i_shift_right(v16i a, int by)
{
    return (v16i){_mm256_srli_epi32(a.lo, by), _mm256_srli_epi32(a.hi, by)};
}
V16_INLINE v16i v16i_shift_right_each(v16i a, v16i by)
{
    return (v16i){_mm256_srlv_epi32(a.lo, by.lo), _mm256_srlv_epi32(a.hi, by.hi)};
}
V16_INLINE v16i v16i_from_u8(const uint8_t *p)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    return (v16i){_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
}
V16_INLINE v16i v16i_from_i8(const int8_t *p)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    return (v16i){_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
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
    return (v16){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
/* To the nearest integer, ties to even. */
V16_INLINE v16i v16i_from_f32(v16 a)
{
    return (v16i){_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
V16_INLINE v16 v16_from_bits(v16i a)
{
    return (v16){_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)};
}
V16_INLINE v16 v16_from_f16(const void *p)
{
    const __m128i *at = p;
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_cvtph_ps(_mm_loadu_si128(at + 1))};
}
V16_INLINE v16 v16_from_bf16(const void *p)
{
    const __m128i *at = p;
    const __m256i lo = _mm256_cvtepu16_epi32(_mm_loadu_si128(at));
    const __m256i hi = _mm256_cvtepu16_epi32(_mm_loadu_si128(at + 1));
    return (v16){_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
                 _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))};
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
    __m128i *to = (__m128i *)(n >= 16 ? p : part);
    _mm_storeu_si128(to, _mm256_cvtps_ph(x.lo, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(to + 1, _mm256_cvtps_ph(x.hi, _MM_FROUND_TO_NEAREST_INT));
    if (n < 16)
        memcpy(p, part, n * sizeof *p);
}
V16_INLINE v16i v16i_from_u16_n(const uint16_t *p, size_t n)
{
    uint16_t part[16] = {0};
    if (n < 16)
        memcpy(part, p, n * sizeof *p);
    const __m128i *at = (const __m128i *)(n < 16 ? part : p);
    return (v16i){_mm256_cvtepu16_epi32(_mm_loadu_si128(at)),
                  _mm256_cvtepu16_epi32(_mm_loadu_si128(at + 1))};
}
/* The low bytes of the first n lanes, which are within int8. */
V16_INLINE void v16i_store_bytes_n(int8_t *p, v16i x, size_t n)
{
    const __m256i words =
        _mm256_permute4x64_epi64(_mm256_packs_epi32(x.lo, x.hi), _MM_SHUFFLE(3, 1, 2, 0));
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (n >= 16) {
        _mm_storeu_si128((__m128i *)p, bytes);
        return;
    }
    int8_t part[16];
    _mm_storeu_si128((__m128i *)part, bytes);
    memcpy(p, part, n);
}
V16_INLINE int32_t v16i_sum(v16i x)
{
    const __m256i by8 = _mm256_add_epi32(x.lo, x.hi);
    __m128i by4 = _mm_add_epi32(_mm256_castsi256_si128(by8), _mm256_extracti128_si256(by8, 1));
    by4 = _mm_add_epi32(by4, _mm_shuffle_epi32(by4, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(_mm_add_epi32(by4, _mm_shuffle_epi32(by4, _MM_SHUFFLE(2, 3, 0, 1))));
}

#endif
