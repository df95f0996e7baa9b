/* Attention of queries that share one key/value head, for every vector set: included by
 * attention_<isa>.c after its simd16 primitives.
 *
 *     s_j = dot(q, k_j) * scale;  p_j = exp(s_j - max s);  out = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * Queries are processed in blocks of V16_TILE_QUERIES. For the keys that all queries of a block
 * see, a register tile of queries x keys uses each loaded key for every query, and the sums of all
 * its dot products are folded together; values are then added in tiles of queries x vectors. Keys
 * that only some queries see (the edges of a causal mask or of a window) are done query by query,
 * and runs of keys one by one. A chain of additions over j may be interrupted and resumed, so the
 * bytes are those of the scalar function. */
#include "kernels/variants.h"

#include "kernels/kv_pieces.h"
#include "kernels/simd16/exp_body.h"
#include "kernels/simd16/kv_body.h"

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    TILE_DOTS = V16_TILE_QUERIES * V16_TILE_KEYS,
    HEAD_STEP = 16 * V16_TILE_VECTORS /* elements of a value row in one tile */
};

/* Add the products of elements d .. d + lanes of n_q queries and n_k keys to their sums. Lanes
 * beyond `lanes` keep theirs, even negative zero. */
V16_INLINE void add_dots(const float *const *q, const int n_q, const uint8_t *const *k,
                         const int n_k, const swg_kv_type type, size_t d, size_t lanes, v16 *sum)
{
    const size_t bytes = swg_kv_bytes(type);
    v16 queries[TILE_DOTS];
    UNROLL for (int i = 0; i < n_q; i++) queries[i] = v16_load_n(q[i] + d, lanes);
    UNROLL for (int j = 0; j < n_k; j++)
    {
        const v16 key = v16_kv_load_n(k[j] + d * bytes, type, lanes);
        UNROLL for (int i = 0; i < n_q; i++)
        {
            v16 *s = &sum[i * n_k + j];
            const v16 added = v16_fma(queries[i], key, *s);
            *s = lanes < 16 ? v16_first_of(added, *s, lanes) : added;
            v16_keep(s);
        }
    }
}

/* out[q * n_k + j] = dot(q[q], k[j]) * scale for n_q * n_k = TILE_DOTS rows. */
V16_INLINE void dot_tile(const float *const *q, const int n_q, const uint8_t *const *k,
                         const int n_k, const swg_kv_type type, size_t head_dim, float scale,
                         float *out)
{
    v16 sum[TILE_DOTS];
    UNROLL for (int i = 0; i < TILE_DOTS; i++) sum[i] = v16_set1(0);
    size_t d = 0;
    for (; d + 16 <= head_dim; d += 16)
        add_dots(q, n_q, k, n_k, type, d, 16, sum);
    if (d < head_dim)
        add_dots(q, n_q, k, n_k, type, d, head_dim - d, sum);
    v16_fold_tile(sum, scale, out);
}

/* Scores of query i over the keys of a piece, TILE_DOTS at a time; past the end the last key is
 * computed again and not stored. */
V16_INLINE void score_piece(const swg_attention *a, const swg_kv_type type, size_t i,
                            const swg_kv_piece *p)
{
    float *scores = a->scores + i % V16_TILE_QUERIES * a->scores_stride;
    for (size_t j = 0; j < p->n; j += TILE_DOTS) {
        const size_t n_keys = p->n - j < TILE_DOTS ? p->n - j : TILE_DOTS;
        const uint8_t *keys[TILE_DOTS];
        for (size_t l = 0; l < TILE_DOTS; l++)
            keys[l] =
                p->k + (j + (l < n_keys ? l : n_keys - 1)) * a->kv_stride * swg_kv_bytes(type);
        float dots[TILE_DOTS];
        dot_tile(&a->q[i], 1, keys, TILE_DOTS, type, a->head_dim, a->scale, dots);
        memcpy(scores + (p->first + j - a->key_begin[i]), dots, n_keys * sizeof *dots);
    }
}

V16_INLINE void score_query(const swg_attention *a, const swg_kv_type type, size_t i, size_t begin,
                            size_t end)
{
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        score_piece(a, type, i, &p);
}

/* Scores of the queries i .. i + V16_TILE_QUERIES over n_keys (up to V16_TILE_KEYS) keys that all
 * of them see, to scores[l] + at; past the end the last key is computed again and not stored. */
V16_INLINE void score_tile(const swg_attention *a, const swg_kv_type type, size_t i,
                           const uint8_t *first, size_t n_keys, float *const *scores, size_t at)
{
    const uint8_t *keys[V16_TILE_KEYS];
    UNROLL for (size_t l = 0; l < V16_TILE_KEYS; l++) keys[l] =
        first + (l < n_keys ? l : n_keys - 1) * a->kv_stride * swg_kv_bytes(type);
    float dots[TILE_DOTS];
    dot_tile(&a->q[i], V16_TILE_QUERIES, keys, V16_TILE_KEYS, type, a->head_dim, a->scale, dots);
    UNROLL for (size_t l = 0; l < V16_TILE_QUERIES; l++)
        memcpy(scores[l] + at, dots + l * V16_TILE_KEYS, n_keys * sizeof *dots);
}

/* The same over the keys of a piece; whole tiles are a loop of their own, in which n_keys is a
 * constant. */
V16_INLINE void score_tiles(const swg_attention *a, const swg_kv_type type, size_t i,
                            const swg_kv_piece *p)
{
    const size_t row_bytes = a->kv_stride * swg_kv_bytes(type);
    float *scores[V16_TILE_QUERIES];
    for (size_t l = 0; l < V16_TILE_QUERIES; l++)
        scores[l] = a->scores + l * a->scores_stride + (p->first - a->key_begin[i + l]);
    size_t j = 0;
    for (; j + V16_TILE_KEYS <= p->n; j += V16_TILE_KEYS)
        score_tile(a, type, i, p->k + j * row_bytes, V16_TILE_KEYS, scores, j);
    if (j < p->n)
        score_tile(a, type, i, p->k + j * row_bytes, p->n - j, scores, j);
}

/* The same over the keys [begin, end). */
V16_INLINE void score_block(const swg_attention *a, const swg_kv_type type, size_t i, size_t begin,
                            size_t end)
{
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        score_tiles(a, type, i, &p);
}

/* out[i + l][d ..] += sum of p_j v_j[d ..] over the keys of a piece, in the order of j, for n_q
 * queries and n_v vectors, the last of `lanes` elements. */
V16_INLINE void value_tile(const swg_attention *a, const swg_kv_type type, size_t i, const int n_q,
                           size_t d, const int n_v, size_t lanes, const swg_kv_piece *piece)
{
    const size_t bytes = swg_kv_bytes(type);
    v16 sum[V16_TILE_QUERIES][V16_TILE_VECTORS];
    const float *p[V16_TILE_QUERIES];
    UNROLL for (int l = 0; l < n_q; l++)
    {
        const size_t query = i + (size_t)l;
        p[l] = a->scores + query % V16_TILE_QUERIES * a->scores_stride +
               (piece->first - a->key_begin[query]);
        UNROLL for (int u = 0; u < n_v; u++) sum[l][u] =
            v16_load_n(a->out[query] + d + 16 * u, u + 1 < n_v ? 16 : lanes);
    }
    for (size_t j = 0; j < piece->n; j++) {
        const uint8_t *row = piece->v + (j * a->kv_stride + d) * bytes;
        UNROLL for (int u = 0; u < n_v; u++)
        {
            const v16 value = n_v > 1 ? v16_kv_load(row + 16 * (size_t)u * bytes, type)
                                      : v16_kv_load_n(row, type, lanes);
            UNROLL for (int l = 0; l < n_q; l++)
            {
                sum[l][u] = v16_fma(v16_set1(p[l][j]), value, sum[l][u]);
                v16_keep(&sum[l][u]);
            }
        }
    }
    UNROLL for (int l = 0; l < n_q; l++) UNROLL for (int u = 0; u < n_v; u++)
        v16_store_n(a->out[i + (size_t)l] + d + 16 * u, sum[l][u], u + 1 < n_v ? 16 : lanes);
}

V16_INLINE void add_values(const swg_attention *a, const swg_kv_type type, size_t i, const int n_q,
                           size_t begin, size_t end)
{
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end)) {
        size_t d = 0;
        for (; d + HEAD_STEP <= a->head_dim; d += HEAD_STEP)
            value_tile(a, type, i, n_q, d, V16_TILE_VECTORS, 16, &p);
        for (; d < a->head_dim; d += 16)
            value_tile(a, type, i, n_q, d, 1, a->head_dim - d < 16 ? a->head_dim - d : 16, &p);
    }
}

/* Multiply the scores of query i by the scales of its keys or values. */
V16_INLINE void scale_scores(const swg_attention *a, size_t i, const bool by_values)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i];
    float *scores = a->scores + i % V16_TILE_QUERIES * a->scores_stride;
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end)) {
        const float *scales = by_values ? p.v_scales : p.k_scales;
        float *at = scores + (p.first - begin);
        for (size_t j = 0; j < p.n; j += 16) {
            const size_t lanes = p.n - j < 16 ? p.n - j : 16;
            v16_store_n(at + j, v16_mul(v16_load_n(at + j, lanes), v16_load_n(scales + j, lanes)),
                        lanes);
        }
    }
}

/* Turn the scores of query i into unnormalised probabilities, times the scales of the values, and
 * return the inverse of their common divisor; clear out[i], which may be the query itself. */
V16_INLINE float begin_output(const swg_attention *a, const swg_kv_type type, size_t i)
{
    if (swg_kv_has_scales(type))
        scale_scores(a, i, false);
    const float sum = v16_exp_all(a->scores + i % V16_TILE_QUERIES * a->scores_stride,
                                  a->key_end[i] - a->key_begin[i]);
    if (swg_kv_has_scales(type))
        scale_scores(a, i, true);
    memset(a->out[i], 0, a->head_dim * sizeof *a->out[i]);
    return 1 / sum;
}

V16_INLINE void end_output(const swg_attention *a, size_t i, float inverse)
{
    for (size_t d = 0; d < a->head_dim; d += 16) {
        const size_t lanes = a->head_dim - d < 16 ? a->head_dim - d : 16;
        float *out = a->out[i] + d;
        v16_store_n(out, v16_mul(v16_load_n(out, lanes), v16_set1(inverse)), lanes);
    }
}

V16_INLINE void attend_one(const swg_attention *a, const swg_kv_type type, size_t i)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i];
    score_query(a, type, i, begin, end);
    const float inverse = begin_output(a, type, i);
    add_values(a, type, i, 1, begin, end);
    end_output(a, i, inverse);
}

/* The queries i .. i + V16_TILE_QUERIES, all of which see the keys [begin, end). */
V16_INLINE void attend_block(const swg_attention *a, const swg_kv_type type, size_t i, size_t begin,
                             size_t end)
{
    float inverse[V16_TILE_QUERIES];
    score_block(a, type, i, begin, end);
    for (size_t l = 0; l < V16_TILE_QUERIES; l++) {
        score_query(a, type, i + l, a->key_begin[i + l], begin);
        score_query(a, type, i + l, end, a->key_end[i + l]);
    }
    for (size_t l = 0; l < V16_TILE_QUERIES; l++) {
        inverse[l] = begin_output(a, type, i + l);
        add_values(a, type, i + l, 1, a->key_begin[i + l], begin);
    }
    add_values(a, type, i, V16_TILE_QUERIES, begin, end);
    for (size_t l = 0; l < V16_TILE_QUERIES; l++) {
        add_values(a, type, i + l, 1, end, a->key_end[i + l]);
        end_output(a, i + l, inverse[l]);
    }
}

/* All queries; the type is a compile-time constant in every caller. */
V16_INLINE void attend_all(const swg_attention *a, const swg_kv_type type)
{
    size_t i = 0;
    for (; i + V16_TILE_QUERIES <= a->n_queries; i += V16_TILE_QUERIES) {
        size_t begin = a->key_begin[i], end = a->key_end[i];
        for (size_t l = 1; l < V16_TILE_QUERIES; l++) {
            begin = begin > a->key_begin[i + l] ? begin : a->key_begin[i + l];
            end = end < a->key_end[i + l] ? end : a->key_end[i + l];
        }
        if (begin + V16_TILE_KEYS <= end)
            attend_block(a, type, i, begin, end);
        else
            for (size_t l = 0; l < V16_TILE_QUERIES; l++)
                attend_one(a, type, i + l);
    }
    for (; i < a->n_queries; i++)
        attend_one(a, type, i);
}

V16_TARGET void SWG_VARIANT(attention)(const swg_attention *a)
{
    switch (a->kv_type) {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning)                                          \
    case SWG_KV_##ID:                                                                              \
        attend_all(a, SWG_KV_##ID);                                                                \
        break;
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    case SWG_KV_TYPE_COUNT:
        break;
    }
}
