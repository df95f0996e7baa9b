/* Sparse panels with AVX-512 VBMI and VBMI2: to dense ones, and times few tokens.
 *
 * Masks: vpexpandb takes as many codes as a mask has bits, one to a byte, to the 64 bytes of its 16
 * rows and 4 columns, and leaves the zero points elsewhere. The next span is found by its length,
 * because counting the bits of 16 masks takes longer than multiplying them.
 *
 * Pairs: codes stay where they are, and activations are brought to them. A lane holds the 4 codes
 * of a row in 8 columns; vpmultishiftqb gives each of its bytes the number of the pair, a table the
 * column, vpermb the activation. So 128 weights take one product; another one, of the zero points
 * with the same activations, is subtracted.
 *
 * Memory and arithmetic keep pace with each other, so everything else is kept out of the loops:
 * whole spans are unrolled, and what differs between schemes is a constant. Sums are those of the
 * dense products (kernels/simd16/matmul_body.h). Exactness: same bytes. */
#include "kernels/avx512/simd_avx512.h"
#include "kernels/sparse_walk.h"
#include "kernels/streams.h"

#undef SWG_VARIANT
#define SWG_VARIANT(op) swg_##op##__avx512vbmi2
#include "kernels/variants.h"

enum { LINE = 64 };

#define SPARSE_TARGET                                                                              \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512vbmi2,"  \
                          "avx2,fma,f16c,popcnt")))
#define SPARSE_INLINE static inline __attribute__((always_inline)) SPARSE_TARGET

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* Every code is used once: prefetch what follows `at`. `far`, a constant: into the second-level
 * cache too (kernels/streams.h). */
SPARSE_INLINE void prefetch_after(const uint8_t *at, const bool far)
{
    __builtin_prefetch(at + swg_streams_chosen.ahead);
    if (far)
        __builtin_prefetch(at + swg_streams_chosen.far_ahead, 0, 2);
}

/* --- Masks and columns --- */

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

/* --- Pairs --- */

/* Byte i of a vector as a function of i: constants of the steps below. */
typedef struct bytes64 {
    uint8_t at[64];
} bytes64;

#define BYTES4(m, i)  m(i), m((i) + 1), m((i) + 2), m((i) + 3)
#define BYTES16(m, i) BYTES4(m, i), BYTES4(m, (i) + 4), BYTES4(m, (i) + 8), BYTES4(m, (i) + 12)
#define BYTES64(m)                                                                                 \
    {                                                                                              \
        {                                                                                          \
            BYTES16(m, 0), BYTES16(m, 16), BYTES16(m, 32), BYTES16(m, 48)                          \
        }                                                                                          \
    }

/* The numbers of two rows, 6 bytes, at the beginning of 8. */
#define SPREAD(i) (uint8_t)((i) / 8 * 6 + ((i) % 8 < 6 ? (i) % 8 : 0))
/* Where the number of step j of 2 begins among the bits of two rows, for byte 4*r+2*j+i of a row's
 * codes; and for byte 4*r+i of a dense step. */
#define NUMBER_OF_CODE(i)   (uint8_t)((i) / 4 % 2 * 6 + (i) / 2 % 2 * 3)
#define NUMBER_OF_COLUMN(i) (uint8_t)((i) / 4 % 2 * 6)
/* Which part of a table of 8 numbers per part a byte looks in. */
#define PART(i) (uint8_t)((i) % 4 * 8)
/* Table, by code 2*j+i: the column of 8 of code i in step j. */
#define LOW(n)    ((n) < 3 ? 0 : (n) < 5 ? 1 : (n) < 6 ? 2 : 0)
#define HIGH(n)   ((n) < 3 ? (n) + 1 : (n) < 5 ? (n)-1 : (n) < 6 ? 3 : 1)
#define COLUMN(i) (uint8_t)((i) / 16 % 2 * 4 + ((i) / 8 % 2 ? HIGH((i) % 8) : LOW((i) % 8)))
/* Table, by column of a step: which of the pair's codes is there, 128 where none is. */
#define SOURCE(i)                                                                                  \
    (uint8_t)((i) / 8 % 4 == LOW((i) % 8) ? 0 : (i) / 8 % 4 == HIGH((i) % 8) ? 1 : 128)
/* Where a row's codes begin in its 128 bits. */
#define ROW(i) (uint8_t)((i) / 4 % 4 * 4)

static const bytes64 spread = BYTES64(SPREAD), number_of_code = BYTES64(NUMBER_OF_CODE),
                     number_of_column = BYTES64(NUMBER_OF_COLUMN), part = BYTES64(PART),
                     columns_table = BYTES64(COLUMN), sources_table = BYTES64(SOURCE),
                     row_begin = BYTES64(ROW);

SPARSE_INLINE __m512i load64(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* table[part][number], where each byte's number begins at bit first + at of its two rows'. */
SPARSE_INLINE __m512i look_up_numbers(__m512i numbers, const bytes64 *at, unsigned first,
                                      const bytes64 *table)
{
    const __m512i bits = _mm512_add_epi8(load64(at), _mm512_set1_epi8((char)first));
    const __m512i shifted = _mm512_multishift_epi64_epi8(bits, numbers);
    /* (shifted & 7) | part */
    return _mm512_permutexvar_epi8(
        _mm512_ternarylogic_epi32(shifted, _mm512_set1_epi8(7), load64(&part), 0xea),
        load64(table));
}

/* Codes of 8 columns, from column c of a span on. */
SPARSE_INLINE __m512i pair_codes(const uint8_t *codes, size_t c, const unsigned bits)
{
    if (bits == 8)
        return load64(codes + c / 8 * 64);
    const __m512i both = load64(codes + c / 16 * 64);
    return _mm512_and_si512(c % 16 ? _mm512_srli_epi16(both, 4) : both, _mm512_set1_epi8(15));
}

SPARSE_INLINE __m512i pair_numbers(const uint8_t *span)
{
    return _mm512_permutexvar_epi8(load64(&spread), load64(span));
}

/* --- Expanding --- */

/* Zero points, each four times: of the 16 rows at `zeros`, or one for all. */
SPARSE_INLINE __m512i group_zeros(const swg_packed *w, const uint8_t *zeros)
{
    if (!w->scheme.asymmetric)
        return _mm512_set1_epi8((char)w->symmetric_zero);
    return _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)zeros)),
                              _mm512_set1_epi32(0x01010101));
}

/* A step as a dense panel has it. */
SPARSE_INLINE __m512i expand_pairs(__m512i numbers, __m512i codes, size_t c, __m512i zeros)
{
    const unsigned step = (unsigned)(c / SWG_STEP_COLUMNS % 2);
    const __m512i from =
        look_up_numbers(numbers, &number_of_column, (unsigned)(c / SWG_COLUMN_STEP) * 12 + step * 3,
                        &sources_table);
    const __m512i in_lane = _mm512_add_epi8(
        from, _mm512_add_epi8(load64(&row_begin), _mm512_set1_epi8((char)(2 * step))));
    return _mm512_mask_mov_epi8(_mm512_shuffle_epi8(codes, in_lane), _mm512_movepi8_mask(from),
                                zeros);
}

SPARSE_INLINE void store_steps(uint8_t *to, __m512i low, __m512i high, const unsigned bits)
{
    if (bits == 8) {
        _mm512_storeu_si512(to, low);
        _mm512_storeu_si512(to + 64, high);
    } else {
        _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi16(high, 4)));
    }
}

/* A span of `columns` columns to dense codes at `to`. */
SPARSE_INLINE void expand_span(swg_sparse_walk *at, size_t columns, __m512i zeros, uint8_t *to,
                               const unsigned bits, const swg_sparse_kind kind)
{
    for (size_t c = 0; c < columns; c += SWG_COLUMN_STEP, to += 16 * bits) {
        __m512i low, high;
        if (kind == SWG_SPARSE_PAIRS) {
            const __m512i numbers = pair_numbers(at->marks);
            const __m512i codes = pair_codes(at->codes, c, bits);
            low = expand_pairs(numbers, codes, c, zeros);
            high = expand_pairs(numbers, codes, c + SWG_STEP_COLUMNS, zeros);
        } else {
            prefetch_after(at->codes, false);
            const uint64_t first = swg_sparse_span_mask(at->marks, c, kind);
            low = expand_step(first, zeros, bits, &at->codes);
            const uint64_t second = swg_sparse_span_mask(at->marks, c + SWG_STEP_COLUMNS, kind);
            high = expand_step(second, zeros, bits, &at->codes);
        }
        store_steps(to, low, high, bits);
    }
}

/* `bits` and `kind` are constants in every caller. */
SPARSE_INLINE void expand(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out,
                          const unsigned bits, const swg_sparse_kind kind)
{
    const swg_packed *w = &s->dense;
    const size_t step = swg_sparse_span_columns(s);
    swg_sparse_walk at = swg_sparse_walk_begin(panel);
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t columns = swg_sparse_group_columns(s, g);
        uint8_t *to = out + swg_packed_codes_at(w, g) + g * w->group * w->column_bytes;
        swg_sparse_walk_group(&at, s);
        swg_sparse_expand_head(s, g, at.scales, out);
        const __m512i zeros = group_zeros(w, at.zeros);
        for (size_t c = 0; c < columns; c += step) {
            const size_t n = columns - c < step ? columns - c : step;
            swg_sparse_walk_span(&at, n, kind, bits);
            expand_span(&at, n, zeros, to + c * w->column_bytes, bits, kind);
        }
    }
}

SPARSE_TARGET void SWG_VARIANT(expand)(const swg_sparse_panels *s, const uint8_t *panel,
                                       uint8_t *out)
{
    const bool is_wide = s->dense.panel_bits == 8;
    switch (s->kind) {
#define SPARSE_KIND(kind)                                                                          \
    case kind:                                                                                     \
        if (is_wide)                                                                               \
            expand(s, panel, out, 8, kind);                                                        \
        else                                                                                       \
            expand(s, panel, out, 4, kind);                                                        \
        break;
        SPARSE_KIND(SWG_SPARSE_MASKS)
        SPARSE_KIND(SWG_SPARSE_COLUMNS)
        SPARSE_KIND(SWG_SPARSE_PAIRS)
#undef SPARSE_KIND
    }
}

/* --- Times few tokens --- */

/* The sums of a group. Every token has two where one alone would bound the loop by the latency of
 * a product: for even and odd steps. Of pairs the second takes the products of the zero points. */
typedef struct sums {
    __m512i first[SWG_SPARSE_TOKENS], second[SWG_SPARSE_TOKENS];
} sums;

SPARSE_INLINE bool has_two_sums(const int n_tokens)
{
    return n_tokens < 4;
}

/* One step of masks times the activations of every token from a on. */
SPARSE_INLINE void dot_step(__m512i codes, const int8_t *a, size_t stride, __m512i *acc,
                            const int n_tokens)
{
    UNROLL for (int t = 0; t < n_tokens; t++) acc[t] =
        v16i_dot_step(acc[t], codes, v16i_repeat4(a + (size_t)t * stride), 4);
}

SPARSE_INLINE void dot_masks(swg_sparse_walk *at, const int8_t *a, size_t stride, __m512i zeros,
                             size_t columns, sums *acc, const unsigned bits,
                             const swg_sparse_kind kind, const int n_tokens, const bool far)
{
    swg_sparse_walk_span(at, columns, kind, bits);
    for (size_t i = 0; i < swg_sparse_masks_bytes(columns, kind); i += LINE)
        prefetch_after(at->marks + i, far);
    UNROLL for (size_t c = 0; c < columns; c += SWG_COLUMN_STEP)
    {
        prefetch_after(at->codes, far);
        if (bits == 8)
            prefetch_after(at->codes + LINE, far);
        const uint64_t first = swg_sparse_span_mask(at->marks, c, kind);
        dot_step(expand_step(first, zeros, bits, &at->codes), a + c, stride, acc->first, n_tokens);
        const uint64_t second = swg_sparse_span_mask(at->marks, c + SWG_STEP_COLUMNS, kind);
        dot_step(expand_step(second, zeros, bits, &at->codes), a + c + SWG_STEP_COLUMNS, stride,
                 has_two_sums(n_tokens) ? acc->second : acc->first, n_tokens);
    }
}

/* The activations of 8 columns, in every lane the four that a row's codes are for. */
SPARSE_INLINE __m512i pair_activations(const int8_t *a, __m512i columns)
{
    int64_t eight;
    memcpy(&eight, a, sizeof eight);
    return _mm512_permutexvar_epi8(columns, _mm512_set1_epi64(eight));
}

SPARSE_INLINE void dot_pairs(swg_sparse_walk *at, const int8_t *a, size_t stride, __m512i zeros,
                             sums *acc, const unsigned bits, const int n_tokens, const bool far)
{
    const size_t bytes = SWG_PAIR_NUMBERS_BYTES + swg_pair_codes_bytes(bits);
    swg_sparse_walk_span(at, 0, SWG_SPARSE_PAIRS, bits);
    UNROLL for (size_t i = 0; i < bytes; i += LINE) prefetch_after(at->marks + i, far);
    const __m512i numbers = pair_numbers(at->marks);
    UNROLL for (size_t c = 0; c < SWG_PAIRS_SPAN; c += SWG_COLUMN_STEP)
    {
        const __m512i columns = look_up_numbers(numbers, &number_of_code,
                                                (unsigned)c / SWG_COLUMN_STEP * 12, &columns_table);
        const __m512i codes = pair_codes(at->codes, c, bits);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            const __m512i act = pair_activations(a + (size_t)t * stride + c, columns);
            acc->first[t] = v16i_dot_step(acc->first[t], codes, act, 4);
            acc->second[t] = v16i_dot_step(acc->second[t], zeros, act, 4);
        }
    }
}

/* A group's 16 scales as floats. */
SPARSE_INLINE __m512 group_scales(const uint8_t *scales, swg_dtype type)
{
    if (type == SWG_F16)
        return v16_from_f16(scales);
    if (type == SWG_BF16)
        return v16_from_bf16(scales);
    return v16_load((const float *)scales);
}

/* The sums of codes and activations of a group, whose activations begin at a: those of
 * (code - zero) times activation are acc->first + acc->second, or of pairs their difference. */
SPARSE_INLINE void dot_group(swg_sparse_walk *at, const int8_t *a, size_t stride, size_t columns,
                             __m512i zeros, sums *acc, const unsigned bits,
                             const swg_sparse_kind kind, const int n_tokens, const bool far)
{
    const size_t step = kind == SWG_SPARSE_PAIRS ? SWG_PAIRS_SPAN : SWG_MASKS_SPAN;
    for (size_t c = 0; c < columns; c += step) {
        const size_t n = columns - c < step ? columns - c : step;
        if (kind == SWG_SPARSE_PAIRS)
            dot_pairs(at, a + c, stride, zeros, acc, bits, n_tokens, far);
        else if (n == SWG_MASKS_SPAN)
            dot_masks(at, a + c, stride, zeros, SWG_MASKS_SPAN, acc, bits, kind, n_tokens, far);
        else
            dot_masks(at, a + c, stride, zeros, n, acc, bits, kind, n_tokens, far);
    }
}

/* The last four arguments are constants in every caller. */
SPARSE_INLINE void matvec(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                          size_t n_rows, float *y, size_t y_stride, const unsigned bits,
                          const swg_sparse_kind kind, const int n_tokens, const bool far)
{
    const swg_packed *w = &s->dense;
    const swg_dtype type = w->scheme.scale_type;
    const size_t n_groups = w->n_groups;
    swg_sparse_walk at = swg_sparse_walk_begin(panel);
    __m512 total[SWG_SPARSE_TOKENS];
    UNROLL for (int t = 0; t < n_tokens; t++) total[t] = v16_set1(0);
    for (size_t g = 0; g < n_groups; g++) {
        prefetch_after(at.next, far);
        swg_sparse_walk_group(&at, s);
        const __m512 scales = group_scales(at.scales, type);
        const __m512i zeros = group_zeros(w, at.zeros);
        const __m512i zero =
            w->scheme.asymmetric ? v16i_from_u8(at.zeros) : v16i_set1(w->symmetric_zero);
        sums acc;
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            acc.second[t] = v16i_set1(0);
            acc.first[t] = kind == SWG_SPARSE_PAIRS
                               ? acc.second[t]
                               : v16i_mul(zero, v16i_set1(-x->sums[(size_t)t * n_groups + g]));
        }
        dot_group(&at, x->codes + g * w->group, x->stride, swg_sparse_group_columns(s, g), zeros,
                  &acc, bits, kind, n_tokens, far);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            const __m512i sum = kind == SWG_SPARSE_PAIRS ? v16i_sub(acc.first[t], acc.second[t])
                                                         : v16i_add(acc.first[t], acc.second[t]);
            const __m512 x_scale = v16_set1(x->scales[(size_t)t * n_groups + g]);
            total[t] = v16_fma(scales, v16_mul(v16_from_i32(sum), x_scale), total[t]);
        }
    }
    UNROLL for (int t = 0; t < n_tokens; t++)
        v16_store_n(y + (size_t)t * y_stride, total[t], n_rows);
}

/* Every number of tokens of one kind of panel. Of several, arithmetic takes longer than memory. */
SPARSE_INLINE void matvec_kind(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                               size_t n_rows, float *y, size_t y_stride, const unsigned bits,
                               const swg_sparse_kind kind)
{
    if (x->m == 1 && swg_streams_chosen.far_ahead) {
        matvec(s, panel, x, n_rows, y, y_stride, bits, kind, 1, true);
        return;
    }
    switch (x->m) {
#define SPARSE_TOKENS(n)                                                                           \
    case n:                                                                                        \
        matvec(s, panel, x, n_rows, y, y_stride, bits, kind, n, false);                            \
        break;
        SPARSE_TOKENS(1)
        SPARSE_TOKENS(2)
        SPARSE_TOKENS(3)
        SPARSE_TOKENS(4)
        SPARSE_TOKENS(5)
        SPARSE_TOKENS(6)
        SPARSE_TOKENS(7)
        SPARSE_TOKENS(8)
#undef SPARSE_TOKENS
    }
}

SPARSE_TARGET void SWG_VARIANT(matvec_sparse)(const swg_sparse_panels *s, const uint8_t *panel,
                                              const swg_act *x, size_t n_rows, float *y,
                                              size_t y_stride)
{
    const bool is_wide = s->dense.panel_bits == 8;
    switch (s->kind) {
#define SPARSE_KIND(kind)                                                                          \
    case kind:                                                                                     \
        if (is_wide)                                                                               \
            matvec_kind(s, panel, x, n_rows, y, y_stride, 8, kind);                                \
        else                                                                                       \
            matvec_kind(s, panel, x, n_rows, y, y_stride, 4, kind);                                \
        break;
        SPARSE_KIND(SWG_SPARSE_MASKS)
        SPARSE_KIND(SWG_SPARSE_COLUMNS)
        SPARSE_KIND(SWG_SPARSE_PAIRS)
#undef SPARSE_KIND
    }
}
