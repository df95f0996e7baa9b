/* Integer sums of attention over 8-bit keys and values, for vector sets without dot products of
 * bytes that take 8 whole bits: see attention_int8_body.h, which this is included for. Keys and
 * values are widened to 16 bits, which the codes of queries and weights have too. */
#ifndef SWG_KERNELS_SIMD16_INT8_DOTS_BODY_H
#define SWG_KERNELS_SIMD16_INT8_DOTS_BODY_H

#include "kernels/kernels.h"
#include "kernels/simd16/unroll.h"

enum { V16_INT8_QUERIES = 4, INT8_COLUMNS = 16, INT8_DOT_STEP = 32 };

typedef struct int8_query {
    int16_t codes[SWG_INT8_HEAD_DIM];
} int8_query;

/* The weights of one query for a block of keys. */
typedef struct int8_weights {
    int16_t codes[SWG_WEIGHT_KEYS];
} int8_weights;

V16_INLINE size_t int8_round_up(size_t head_dim)
{
    return (head_dim + INT8_DOT_STEP - 1) / INT8_DOT_STEP * INT8_DOT_STEP;
}

/* Sixteen codes from column d on. */
V16_INLINE void int8_set_codes(int8_query *query, size_t d, v16i codes)
{
    v16i_store_i16(query->codes + d, codes);
}

V16_INLINE void int8_end_query(int8_query *query, size_t n)
{
    (void)query;
    (void)n;
}

/* dots[l], lane j: the sum of row j times the codes of query l. */
V16_INLINE void int8_dots(const int8_t *const *rows, size_t head_dim, const int8_query *query,
                          v16i *dots)
{
    int32_t sums[V16_INT8_QUERIES][16];
    int16_t key[SWG_INT8_HEAD_DIM];
    for (size_t j = 0; j < 16; j++) {
        for (size_t d = 0; d < int8_round_up(head_dim); d += 16)
            v16i_widen_i8_n(rows[j] + d, d < head_dim ? head_dim - d : 0, key + d);
        for (size_t l = 0; l < V16_INT8_QUERIES; l++) {
            v16i sum = v16i_set1(0);
            for (size_t d = 0; d < head_dim; d += INT8_DOT_STEP)
                sum = v16i_dot_i16(sum, key + d, query[l].codes + d);
            sums[l][j] = v16i_sum(sum);
        }
    }
    for (size_t l = 0; l < V16_INT8_QUERIES; l++)
        dots[l] = v16i_load(sums[l]);
}

/* Sixteen codes from key j of a block on. */
V16_INLINE void int8_set_weights(int8_weights *weights, size_t j, v16i codes)
{
    v16i_store_i16(weights->codes + j, codes);
}

/* sums[l] += factor of query l * the sums of its weights times columns d .. d + 15 of n rows, of
 * which there are some more, with weights of zero. */
V16_INLINE void int8_sum_values(const int8_t *const *rows, size_t n, const int8_weights *weights,
                                const float *factor, const bool *is_seen, size_t d, size_t head_dim,
                                float sums[V16_INT8_QUERIES][SWG_INT8_HEAD_DIM])
{
    v16i sum[V16_INT8_QUERIES];
    UNROLL for (int l = 0; l < V16_INT8_QUERIES; l++) sum[l] = v16i_set1(0);
    for (size_t j = 0; j < n; j += 2) {
        const v16i pairs = v16i_pairs_n(rows[j] + d, rows[j + 1] + d, head_dim - d);
        UNROLL for (int l = 0; l < V16_INT8_QUERIES; l++) sum[l] =
            v16i_add_pairs(sum[l], pairs, v16i_repeat4(weights[l].codes + j));
    }
    for (size_t l = 0; l < V16_INT8_QUERIES; l++)
        if (is_seen[l])
            v16_store(sums[l] + d,
                      v16_fma(v16_from_i32(sum[l]), v16_set1(factor[l]), v16_load(sums[l] + d)));
}

/* n sums in the order of the columns. */
V16_INLINE void int8_order_sums(const float *sums, size_t n, float *to)
{
    memcpy(to, sums, n * sizeof *to);
}

#endif
