/* Sixteen floats or int32 in one 512-bit register: the primitives in which kernels/simd16/ writes
 * its bodies, for AVX-512 (F, BW, DQ, VL, VNNI). Element i of memory is lane i; `_n` primitives
 * touch only the first n lanes or bytes (n up to 16). */
#ifndef SWG_KERNELS_AVX512_SIMD_AVX512_H
#define SWG_KERNELS_AVX512_SIMD_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SWG_VARIANT(op) swg_##op##__avx512
#define V16_TARGET                                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define V16_INLINE static inline __attribute__((always_inline)) V16_TARGET

typedef __m512 v16;
typedef __m512i v16i;

/* Register tiles: 32 registers hold 12 integer and 12 float accumulators and 8 operands. */
enum {
    V16_WIDE_PANELS = 4,
    V16_WIDE_TOKENS = 3,
    V16_TALL_PANELS = 2,
    V16_TALL_TOKENS = 6,
    V16_TILE_QUERIES = 4,
    V16_TILE_KEYS = 4,
    V16_TILE_VECTORS = 4
};

/* Columns after which a partial integer sum must be widened: more than any group has, so never. */
#define V16_CHUNK_COLUMNS SIZE_MAX

/* Sums that one row's products are split into when there are no others: as many as hide the latency
 * of a step. */
enum { V16_DOT_SUMS = 2 };

V16_INLINE __mmask16 v16_first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

V16_INLINE v16 v16_set1(float x)
{
    return _mm512_set1_ps(x);
}
V16_INLINE v16 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
V16_INLINE v16 v16_load_n(const float *p, size_t n)
{
    return n >= 16 ? v16_load(p) : _mm512_maskz_loadu_ps(v16_first(n), p);
}
V16_INLINE void v16_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}
/* Whole vectors are accessed without a mask: masked stores are slower, and later loads cannot be
 * forwarded from them. */
V16_INLINE void v16_store_n(float *p, v16 x, size_t n)
{
    if (n >= 16)
        v16_store(p, x);
    else
        _mm512_mask_storeu_ps(p, v16_first(n), x);
}
/* Keep a sum in its register: else gcc copies every sum of a loop in each round. */
V16_INLINE void v16_keep(v16 *x)
{
    __asm__("" : "+v"(*x));
}
V16_INLINE v16 v16_first_of(v16 x, v16 otherwise, size_t n)
{
    return _mm512_mask_mov_ps(otherwise, v16_first(n), x);
}
V16_INLINE v16 v16_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}
V16_INLINE v16 v16_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}
V16_INLINE v16 v16_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}
V16_INLINE v16 v16_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}
V16_INLINE v16 v16_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}
V16_INLINE v16 v16_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
}
V16_INLINE v16 v16_abs(v16 a)
{
    return _mm512_abs_ps(a);
}
/* a * b + c, c - a * b, a * b - c, and alternately a * b - c (even lanes) and a * b + c. */
V16_INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
V16_INLINE v16 v16_fnma(v16 a, v16 b, v16 c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
V16_INLINE v16 v16_fms(v16 a, v16 b, v16 c)
{
    return _mm512_fmsub_ps(a, b, c);
}
V16_INLINE v16 v16_fmaddsub(v16 a, v16 b, v16 c)
{
    return _mm512_fmaddsub_ps(a, b, c);
}
V16_INLINE v16 v16_rint(v16 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* x * 2^n for whole n and a normal result. */
V16_INLINE v16 v16_ldexp(v16 x, v16 n)
{
    return _mm512_scalef_ps(x, n);
}
/* x where `a >= b`, else 0. */
V16_INLINE v16 v16_where_ge(v16 a, v16 b, v16 x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), x);
}
/* Even lanes duplicated: a0 a0 a2 a2 ...; odd lanes duplicated: a1 a1 a3 a3 ... */
V16_INLINE v16 v16_evens(v16 a)
{
    return _mm512_moveldup_ps(a);
}
V16_INLINE v16 v16_odds(v16 a)
{
    return _mm512_movehdup_ps(a);
}
/* a0 b0 a1 b1 ... a7 b7 of the first n (up to 8) elements of two arrays. Half-width loads: a masked
 * load that reaches into an unmapped page is correct but takes a slow path. */
V16_INLINE v16 v16_zip_n(const float *a, const float *b, size_t n)
{
    const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m256 x = _mm256_maskz_loadu_ps((__mmask8)v16_first(n), a);
    const __m256 y = _mm256_maskz_loadu_ps((__mmask8)v16_first(n), b);
    return _mm512_permutex2var_ps(_mm512_castps256_ps512(x), order, _mm512_castps256_ps512(y));
}
/* The sum of 16 lanes, l += l + 8, l += l + 4, l += l + 2, l += l + 1; the largest lane. */
V16_INLINE float v16_fold(v16 x)
{
    const __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}
V16_INLINE float v16_largest(v16 x)
{
    return _mm512_reduce_max_ps(x);
}

/* Fold 16 vectors at once: out[i] = v16_fold(x[i]). Each level adds the two halves of every
 * remaining sum and packs two sums into the register that held one; x[0], x[4], x[8], x[12] end in
 * the four 128-bit lanes. */
V16_INLINE v16 v16_fold_8(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
}
V16_INLINE v16 v16_fold_4(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
}
V16_INLINE v16 v16_fold_2(v16 x, v16 y)
{
    const __m512d a = _mm512_castps_pd(x), b = _mm512_castps_pd(y);
    return v16_add(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                   _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
}
V16_INLINE v16 v16_fold_1(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd));
}
V16_INLINE v16 v16_fold_column(const v16 *x)
{
    return v16_fold_4(v16_fold_8(x[0], x[4]), v16_fold_8(x[8], x[12]));
}
V16_INLINE void v16_fold_tile(const v16 *x, float scale, float *out)
{
    const v16 a = v16_fold_2(v16_fold_column(x), v16_fold_column(x + 1));
    const v16 b = v16_fold_2(v16_fold_column(x + 2), v16_fold_column(x + 3));
    v16_store(out, v16_mul(v16_fold_1(a, b), v16_set1(scale)));
}

/* --- Eight doubles --- */

typedef __m512d v8d;

V16_INLINE v8d v8d_set1(double x)
{
    return _mm512_set1_pd(x);
}
/* Lanes 0 to 7; lanes 8 to 15. */
V16_INLINE v8d v8d_low(v16 x)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(x));
}
V16_INLINE v8d v8d_high(v16 x)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
}
V16_INLINE v8d v8d_add(v8d a, v8d b)
{
    return _mm512_add_pd(a, b);
}
V16_INLINE v8d v8d_sub(v8d a, v8d b)
{
    return _mm512_sub_pd(a, b);
}
V16_INLINE v8d v8d_mul(v8d a, v8d b)
{
    return _mm512_mul_pd(a, b);
}
/* a * b + c, c - a * b. */
V16_INLINE v8d v8d_fma(v8d a, v8d b, v8d c)
{
    return _mm512_fmadd_pd(a, b, c);
}
V16_INLINE v8d v8d_fnma(v8d a, v8d b, v8d c)
{
    return _mm512_fnmadd_pd(a, b, c);
}
/* 2^n of doubles whose lowest bits are the whole number n (see kernels/exp_double.h). */
V16_INLINE v8d v8d_power_of_two(v8d shifted)
{
    const __m512i biased = _mm512_add_epi64(_mm512_castpd_si512(shifted), _mm512_set1_epi64(1023));
    return _mm512_castsi512_pd(_mm512_slli_epi64(biased, 52));
}
/* x, but 0 where a is less than b. */
V16_INLINE v8d v8d_zero_where_less(v8d a, v8d b, v8d x)
{
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, b, _CMP_NLT_UQ), x);
}
/* The sum of 8 lanes, l += l + 4, l += l + 2, l += l + 1. */
V16_INLINE double v8d_fold(v8d x)
{
    const __m256d by4 = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    const __m128d by2 = _mm_add_pd(_mm256_castpd256_pd128(by4), _mm256_extractf128_pd(by4, 1));
    return _mm_cvtsd_f64(_mm_add_sd(by2, _mm_unpackhi_pd(by2, by2)));
}

/* --- Integers --- */

V16_INLINE v16i v16i_set1(int32_t x)
{
    return _mm512_set1_epi32(x);
}
/* Four bytes of memory, broadcast to every lane. */
V16_INLINE v16i v16i_repeat4(const void *p)
{
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return _mm512_set1_epi32(bytes);
}
/* Sixteen bytes of memory, in every 128-bit lane; and the bytes of such a table at the indices (0
 * to 15) in the bytes of `at`. */
V16_INLINE v16i v16i_repeat16(const void *p)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128(p));
}
V16_INLINE v16i v16i_look_up(v16i table, v16i at)
{
    return _mm512_shuffle_epi8(table, at);
}
V16_INLINE v16i v16i_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
V16_INLINE void v16i_store(void *p, v16i x)
{
    _mm512_storeu_si512(p, x);
}
/* a in lanes 0 to 7 and b in lanes 8 to 15; then the same eight numbers twice. */
V16_INLINE v16i v16i_halves(uint32_t a, uint32_t b)
{
    return _mm512_mask_set1_epi32(v16i_set1((int32_t)a), 0xff00, (int32_t)b);
}
#define v16i_pattern8(a, b, c, d, e, f, g, h)                                                      \
    _mm512_setr_epi32(a, b, c, d, e, f, g, h, a, b, c, d, e, f, g, h)
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
    return _mm512_add_epi32(a, b);
}
V16_INLINE v16i v16i_sub(v16i a, v16i b)
{
    return _mm512_sub_epi32(a, b);
}
V16_INLINE v16i v16i_mul(v16i a, v16i b)
{
    return _mm512_mullo_epi32(a, b);
}
V16_INLINE v16i v16i_and(v16i a, v16i b)
{
    return _mm512_and_si512(a, b);
}
V16_INLINE v16i v16i_or(v16i a, v16i b)
{
    return _mm512_or_si512(a, b);
}
V16_INLINE v16i v16i_xor(v16i a, v16i b)
{
    return _mm512_xor_si512(a, b);
}
#define v16i_shift_left(a, by)  _mm512_slli_epi32(a, by)
#define v16i_shift_right(a, by) _mm512_srli_epi32(a, by)
V16_INLINE v16i v16i_shift_right_each(v16i a, v16i by)
{
    return _mm512_srlv_epi32(a, by);
}
V16_INLINE v16i v16i_from_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
V16_INLINE v16i v16i_from_i8(const int8_t *p)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
V16_INLINE v16i v16i_from_i8_n(const int8_t *p, size_t n)
{
    return n >= 16 ? v16i_from_i8(p) : _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(v16_first(n), p));
}
V16_INLINE v16 v16_from_i32(v16i x)
{
    return _mm512_cvtepi32_ps(x);
}
/* To the nearest integer, ties to even. */
V16_INLINE v16i v16i_from_f32(v16 x)
{
    return _mm512_cvtps_epi32(x);
}
V16_INLINE v16 v16_from_bits(v16i x)
{
    return _mm512_castsi512_ps(x);
}
V16_INLINE v16 v16_from_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
V16_INLINE v16 v16_from_bf16(const void *p)
{
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
V16_INLINE v16 v16_from_f16_n(const uint16_t *p, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v16_first(n), p));
}
/* Rounded to half, ties to even. */
V16_INLINE void v16_store_f16_n(uint16_t *p, v16 x, size_t n)
{
    const __m256i halves = _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (n >= 16)
        _mm256_storeu_si256((__m256i *)p, halves);
    else
        _mm256_mask_storeu_epi16(p, v16_first(n), halves);
}
V16_INLINE v16i v16i_from_u16_n(const uint16_t *p, size_t n)
{
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(v16_first(n), p));
}
/* The low bytes of the first n lanes. */
V16_INLINE void v16i_store_bytes_n(int8_t *p, v16i x, size_t n)
{
    _mm512_mask_cvtepi32_storeu_epi8(p, v16_first(n), x);
}
V16_INLINE int32_t v16i_sum(v16i x)
{
    return _mm512_reduce_add_epi32(x);
}

/* --- Dot products of unsigned codes and signed activations, four bytes per lane --- */

/* The offset subtracted from every code before it is multiplied; the caller corrects by the sum. */
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
    part = _mm512_dpbusd_epi32(part, codes, act);
    __asm__("" : "+v"(part)); /* else gcc copies every sum of a loop each round */
    return part;
}
V16_INLINE v16i v16i_dot_end(v16i acc, v16i part, const unsigned bits)
{
    (void)acc;
    (void)bits;
    return part;
}

#endif
