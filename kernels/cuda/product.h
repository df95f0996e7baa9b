/* What the products share: how a lane turns a unit of weights into operands of the tensor cores,
 * multiplies it with activations, and adds the result up under its scales.
 *
 * Weights are the left operand, tokens the eight columns of the right one: nothing is padded to 16
 * tokens. Weights become exact integers code - zero as halves or bfloats (or stay bytes, for
 * integer products), sums of a group are made by the tensor cores in float (or integers), and then
 *
 *     acc += scale * part          per group and unit: more exact than scaling the weights
 *
 * Activations lie in the scratch memory, rounded, in the order of swg_cuda_column_place, so that a
 * lane's elements of 64 columns follow one another:
 *
 *     halves  row, 64 columns: | lane t = 0: fragments 0 1 2 3, 8 bytes each | t = 1 | t = 2 | t =
 * 3 | bytes   likewise 4 bytes each, a fragment's in the order 2t 2t+8 2t+1 2t+9 of the codes'
 * bytes
 */
#ifndef SWG_KERNELS_CUDA_PRODUCT_H
#define SWG_KERNELS_CUDA_PRODUCT_H

#include "kernels/cuda/units.h"

namespace SWG_BUILD
{
/* A product: y [rows][n] = x W^T + bias, or with several slices of k their partial sums
 * [slice][rows][n]. */
struct product {
    swg_cuda_matrix w;
    const unsigned char *x; /* [rows][units * columns of a unit], halves or bytes */
    const float *x_scales;  /* [rows] */
    const int32_t *x_sums;  /* bytes: of 32 columns each, [units * 2][rows] */
    const float *bias;
    float *y;
    unsigned rows;
    unsigned slice_units; /* units per slice */
    unsigned group_inverse; /* 2^32 divided by the folds (kind) in a group, rounded up; 0 for one */
    unsigned scale_bytes;   /* of a tile and group */
    bool is_partial;
    bool is_added; /* to what y is */
};

/* The three launchers (matvec.cu, matmul.cu, linear.cu). */
enum operand { of_halves, of_bfloats, of_bytes };
int launch_matvec(swg_cuda_stream *stream, const product &p, operand o, unsigned slices);
int launch_matmul(swg_cuda_stream *stream, const product &p, operand o, unsigned slices);

/* --- Weights to operands ---------------------------------------------------------------------- */

template <bool is_int8> struct sum_type {
    using type = float;
};
template <> struct sum_type<true> {
    using type = int32_t;
};

/* A type's unit as a lane sees it. `folds` is the number of times that a unit's sums are scaled: 1
 * where groups are whole units, else once per fragment (bytes: two fragments). */
template <int type_, operand operand_, bool is_fine_> struct kind {
    static constexpr int type = type_;
    static constexpr bool is_int8 = operand_ == of_bytes, is_bf16 = operand_ == of_bfloats;
    static constexpr bool is_fine = is_fine_;
    static constexpr int columns = type == SWG_CUDA_S4 ? 128 : 64;
    static constexpr int folds = !is_fine ? 1 : is_int8 ? 2 : 4;
    static constexpr int loads = type == SWG_CUDA_W8 ? 2 : type == SWG_CUDA_F16 ? 4 : 1;
    static constexpr int unit_bytes = loads * 512 + (type == SWG_CUDA_S4 ? 256 : 0);
    static constexpr int a_words = is_int8 ? 8 : 16; /* four fragments */
    static constexpr int b_words = columns / (is_int8 ? 16 : 8);
    static constexpr int row_bytes = columns * (is_int8 ? 1 : 2); /* of a token and unit */
    using sum = typename sum_type<is_int8>::type;
};

/* What a lane loads of a unit. */
template <class K> struct lane_unit {
    uint4 words[K::loads];
    uint2 places;
};

template <class K> SWG_DEVICE void shared_unit(lane_unit<K> *u, const unsigned char *unit)
{
    const unsigned lane = threadIdx.x % 32;
    SWG_UNROLL_ALL
    for (int i = 0; i < K::loads; i++)
        u->words[i] = *reinterpret_cast<const uint4 *>(unit + i * 512 + lane * 16);
    if (K::type == SWG_CUDA_S4)
        u->places = *reinterpret_cast<const uint2 *>(unit + 512 + lane * 8);
}

SWG_DEVICE uint32_t both(uint32_t bits)
{
    return bits | bits << 16;
}

/* Scales and zero points of rows g and g + 8, for every fold of a unit. */
template <class K> struct lane_scales {
    uint2 scale[K::folds]; /* as stored: two halves in x, or two floats */
    uint2 zero[K::folds];  /* as `zero_words` makes them */
};

/* The group of a fold of a unit: a division without one, by product.group_inverse. Where groups are
 * fine, the padding of a row belongs to its last. */
template <class K> SWG_DEVICE size_t group_of(const product &p, unsigned unit, int fold)
{
    const unsigned number = unit * K::folds + (unsigned)fold;
    const unsigned group = p.group_inverse == 0 ? number : multiply_high(number, p.group_inverse);
    return K::is_fine ? min(group, p.w.n_groups - 1) : group;
}

/* What operands are made with, or integer products corrected by, from the zero points of rows g
 * (the lowest byte) and g + 8: of halves and bfloats, what is to be subtracted from the codes with
 * their exponents, or added. */
template <class K> SWG_DEVICE uint2 zero_words(uint32_t zeros)
{
    const uint32_t above = zeros & 255, below = zeros >> 8 & 255;
    if (K::is_int8)
        return make_uint2(above, below);
    if (K::type == SWG_CUDA_W8)
        return K::is_bf16 ? make_uint2(0x4b000000u + above, 0x4b000000u + below)
                          : make_uint2(both(0x6400 + above), both(0x6400 + below));
    return K::is_bf16 ? make_uint2(both(0xc300 + above), both(0xc300 + below))
                      : make_uint2(both(0x6400 + above), both(0xd400 + (below << 4)));
}

/* Those of symmetric codes. */
template <class K> SWG_DEVICE void usual_zeros(lane_scales<K> *s)
{
    SWG_UNROLL_ALL
    for (int f = 0; f < K::folds; f++)
        s->zero[f] = zero_words<K>(K::type == SWG_CUDA_W8 ? 128 | 128 << 8 : 8 | 8 << 8);
}

template <class K> SWG_DEVICE float2 scale_pair(const lane_scales<K> &s, const product &p, int fold)
{
    const uint2 bits = s.scale[fold];
    return p.w.scale_type == SWG_CUDA_SCALE_F16 ? make_float2(low_half(bits.x), high_half(bits.x))
                                                : make_float2(float_of(bits.x), float_of(bits.y));
}

/* The four words of one fragment: code - zero of rows g (a[0], a[2]) and g + 8 (a[1], a[3]). The
 * bits 0x6400 under a code make the half 1024 + code; under a code shifted by four, 1024 + 16 code,
 * of which a sixteenth is 64 + code. All of it is exact. */
SWG_DEVICE void w4_halves(uint32_t a[4], uint32_t word, uint2 zero)
{
    const uint32_t below = 0x64006400u, sixteenth = 0x2c002c00u;
    a[0] = half2_sub(and_or(word, 0x000f000fu, below), zero.x);
    a[1] = half2_fma(and_or(word, 0x00f000f0u, below), sixteenth, zero.y);
    word >>= 8;
    a[2] = half2_sub(and_or(word, 0x000f000fu, below), zero.x);
    a[3] = half2_fma(and_or(word, 0x00f000f0u, below), sixteenth, zero.y);
}

/* The words hold the bytes a0 a4 a1 a5 and a2 a6 a3 a7. */
SWG_DEVICE void w8_halves(uint32_t a[4], uint32_t first, uint32_t second, uint2 zero)
{
    const uint32_t above = 0x64646464u;
    a[0] = half2_sub(permute(first, above, 0x4240), zero.x);
    a[1] = half2_sub(permute(second, above, 0x4240), zero.y);
    a[2] = half2_sub(permute(first, above, 0x4341), zero.x);
    a[3] = half2_sub(permute(second, above, 0x4341), zero.y);
}

/* The same as bfloats. They have seven bits for a fraction: 0x4300 and a code of four bits are 128
 * + code, with every code shifted down first. */
SWG_DEVICE void w4_bfloats(uint32_t a[4], uint32_t word, uint2 zero)
{
    const uint32_t below = 0x43004300u, one = 0x3f803f80u;
    SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++) {
        const uint32_t codes = word >> (SWG_FAULT(bfloat_shift) ? i / 2 * 8 : 4 * i);
        a[i] = bfloat2_fma(and_or(codes, 0x000f000fu, below), one, i % 2 ? zero.y : zero.x);
    }
}

/* Bytes `first` and `first` + 2 of a word: 0x4b0000 over a byte is the float 2^23 + code, and code
 * - zero has at most eight digits, which are in the upper half of its float. */
SWG_DEVICE uint32_t w8_bfloat_pair(uint32_t bytes, int first, float offset)
{
    const uint32_t above = 0x4b000000u;
    const float low = float_of(permute(bytes, above, 0x7440u + (unsigned)first)) - offset;
    const float high = float_of(permute(bytes, above, 0x7442u + (unsigned)first)) - offset;
    return permute(bits_of(low), bits_of(high), 0x7632);
}

SWG_DEVICE void w8_bfloats(uint32_t a[4], uint32_t first, uint32_t second, uint2 zero)
{
    const float upper = float_of(zero.x), lower = float_of(zero.y);
    a[0] = w8_bfloat_pair(first, 0, upper);
    a[1] = w8_bfloat_pair(second, 0, lower);
    a[2] = w8_bfloat_pair(first, 1, upper);
    a[3] = w8_bfloat_pair(second, 1, lower);
}

SWG_DEVICE uint32_t word_of(const uint4 &four, int i)
{
    return i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z : four.w;
}

/* A unit as operands: fragment f in a[4f..] (halves) or a[2f..] (bytes). */
template <class K>
SWG_DEVICE void operands_of(uint32_t a[K::a_words], const lane_unit<K> &u, const lane_scales<K> &s)
{
    SWG_UNROLL_ALL
    for (int f = 0; f < 4; f++) {
        const uint2 zero = s.zero[f * K::folds / 4];
        if (K::type == SWG_CUDA_W8) {
            const uint32_t first = word_of(u.words[K::loads / 2 * (f / 2)], f % 2 * 2);
            const uint32_t second = word_of(u.words[K::loads / 2 * (f / 2)], f % 2 * 2 + 1);
            if (K::is_int8) {
                a[2 * f] = first;
                a[2 * f + 1] = second;
            } else if (K::is_bf16) {
                w8_bfloats(a + 4 * f, first, second, zero);
            } else {
                w8_halves(a + 4 * f, first, second, zero);
            }
        } else if (K::type == SWG_CUDA_F16) {
            SWG_UNROLL_ALL
            for (int i = 0; i < 4; i++)
                a[(K::is_int8 ? 0 : 4 * f) + i] = word_of(u.words[K::loads > 1 ? f : 0], i);
        } else if (K::is_int8) {
            const uint32_t word = word_of(u.words[0], f);
            a[2 * f] = word & 0x0f0f0f0fu;
            a[2 * f + 1] = word >> 4 & 0x0f0f0f0fu;
        } else if (K::is_bf16) {
            w4_bfloats(a + 4 * f, word_of(u.words[0], f), zero);
        } else {
            w4_halves(a + 4 * f, word_of(u.words[0], f), zero);
        }
    }
}

/* --- Products of a unit ----------------------------------------------------------------------- */

template <class K, int selector>
SWG_DEVICE void multiply_sparse(float part[4], const uint32_t a[4], const uint32_t b[4],
                                uint32_t places)
{
    if (K::is_bf16)
        mma_sparse_bf16<selector>(part, a, b, places);
    else
        mma_sparse_f16<selector>(part, a, b, places);
}

/* part += the unit's share of a fold: 16 rows times eight tokens. */
template <class K>
SWG_DEVICE void multiply_fold(float part[4], const uint32_t *a, const uint32_t *b, uint2 places,
                              int fold)
{
    SWG_UNROLL_ALL
    for (int i = 0; i < 4 / K::folds; i++) {
        const int f = fold * (4 / K::folds) + i;
        if (K::type != SWG_CUDA_S4)
            K::is_bf16 ? mma_bf16(part, a + 4 * f, b + 2 * f) : mma_f16(part, a + 4 * f, b + 2 * f);
        else if (f % 2 == 0)
            multiply_sparse<K, 0>(part, a + 4 * f, b + 4 * f, f < 2 ? places.x : places.y);
        else
            multiply_sparse<K, 1>(part, a + 4 * f, b + 4 * f, f < 2 ? places.x : places.y);
    }
}
template <class K>
SWG_DEVICE void multiply_fold(int32_t part[4], const uint32_t *a, const uint32_t *b, uint2,
                              int fold)
{
    SWG_UNROLL_ALL
    for (int pair = fold; pair < (K::folds == 1 ? 2 : fold + 1); pair++) {
        mma_u8s8(part, a + 4 * pair, b + 2 * pair);
    }
}

/* Sums of a token's bytes over the columns of a fold: tokens 2t and 2t + 1 of eight from `first`.
 */
template <class K>
SWG_DEVICE int2 token_sums(const product &p, unsigned unit, int fold, unsigned first)
{
    int2 sums = make_int2(0, 0);
    if (!K::is_int8)
        return sums;
    const unsigned token = first + threadIdx.x % 4 * 2;
    SWG_UNROLL_ALL
    for (int i = fold; i < (K::folds == 1 ? 2 : fold + 1); i++) {
        const int32_t *of = p.x_sums + ((size_t)unit * 2 + i) * p.rows;
        sums.x += token < p.rows ? of[token] : 0;
        sums.y += token + 1 < p.rows ? of[token + 1] : 0;
    }
    return sums;
}

/* acc += scale * part, with the zero points' share of integer sums taken off first. */
SWG_DEVICE void fold_part(float acc[4], const float part[4], float2 scale, uint2, int2)
{
    acc[0] = fmaf(scale.x, part[0], acc[0]);
    acc[1] = fmaf(scale.x, part[1], acc[1]);
    acc[2] = fmaf(scale.y, part[2], acc[2]);
    acc[3] = fmaf(scale.y, part[3], acc[3]);
}
SWG_DEVICE void fold_part(float acc[4], const int32_t part[4], float2 scale, uint2 zero, int2 sums)
{
    acc[0] = fmaf(scale.x, (float)(part[0] - (int)zero.x * sums.x), acc[0]);
    acc[1] = fmaf(scale.x, (float)(part[1] - (int)zero.x * sums.y), acc[1]);
    acc[2] = fmaf(scale.y, (float)(part[2] - (int)zero.y * sums.x), acc[2]);
    acc[3] = fmaf(scale.y, (float)(part[3] - (int)zero.y * sums.y), acc[3]);
}

/* One unit times eight tokens. */
template <class K>
SWG_DEVICE void add_unit(float acc[4], const product &p, const uint32_t a[K::a_words],
                         const uint32_t b[K::b_words], uint2 places, const lane_scales<K> &s,
                         unsigned unit, unsigned first_token)
{
    SWG_UNROLL_ALL
    for (int f = 0; f < K::folds; f++) {
        typename K::sum part[4] = {0, 0, 0, 0};
        multiply_fold<K>(part, a, b, places, f);
        fold_part(acc, part, scale_pair<K>(s, p, f), s.zero[f],
                  token_sums<K>(p, unit, f, first_token));
    }
}

/* Element (row r, token t) of the result: scaled, with its bias, or as the slice's share. */
SWG_DEVICE void put_result(const product &p, unsigned slice, unsigned row, unsigned token,
                           float value)
{
    if (row >= p.w.n || token >= p.rows)
        return;
    value *= p.x_scales[token];
    const size_t at = (size_t)token * p.w.n + row;
    if (p.is_partial)
        p.y[(size_t)slice * p.rows * p.w.n + at] = value;
    else if (p.is_added && !SWG_FAULT(float_sum))
        p.y[at] += value;
    else
        p.y[at] = p.bias ? value + p.bias[row] : value;
}

/* Columns of a fold of the kind that a matrix is multiplied as. */
inline unsigned fold_columns(const swg_cuda_matrix &m, operand o)
{
    const unsigned whole = m.type == SWG_CUDA_S4 ? 128 : 64;
    return m.group % whole == 0 ? whole : o == of_bytes ? 32 : whole / 4;
}

/* The kinds of products, for launchers: calls `with` with a kind<...>. */
template <int type, operand o, class W> int with_groups(const swg_cuda_matrix &m, const W &with)
{
    const bool is_fine = m.group % (type == SWG_CUDA_S4 ? 128 : 64) != 0;
    return is_fine ? with(kind<type, o, true>()) : with(kind<type, o, false>());
}
template <operand o, class W> int with_type(const swg_cuda_matrix &m, const W &with)
{
    return m.type == SWG_CUDA_W4   ? with_groups<SWG_CUDA_W4, o>(m, with)
           : m.type == SWG_CUDA_W8 ? with_groups<SWG_CUDA_W8, o>(m, with)
                                   : with_groups<SWG_CUDA_S4, o>(m, with);
}
template <class W> int with_kind(const swg_cuda_matrix &m, operand o, const W &with)
{
    if (m.type == SWG_CUDA_F16)
        return with(kind<SWG_CUDA_F16, of_halves, false>());
    if (o == of_bfloats)
        return with_type<of_bfloats>(m, with);
    if (o == of_halves)
        return with_type<of_halves>(m, with);
    return m.type == SWG_CUDA_W4 ? with_groups<SWG_CUDA_W4, of_bytes>(m, with)
                                 : with_groups<SWG_CUDA_W8, of_bytes>(m, with);
}
} // namespace SWG_BUILD

#endif
