/* Attention of queries that share one key/value head, for every vector set: included by
 * attention_<isa>.c after its simd16 primitives.
 *
 *     s_j = dot(q, k_j) * scale;  p_j = exp(s_j - max s);  out = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * Queries are processed in blocks of BLOCK_QUERIES. For the keys that all queries of a block see, a
 * register tile of queries x keys uses each loaded key for every query, and the sums of all its dot
 * products are folded together; values are then added in tiles of queries x vectors. Keys and
 * values pass all queries of the block in parts that stay in the first-level cache, so that they
 * are read from memory once. Keys that only some queries see (the edges of a causal mask or of a
 * window) are done query by query, and runs of keys one by one. A chain of additions over j may be
 * interrupted and resumed, so the bytes are those of the scalar function. */
#include "kernels/variants.h"

#include "kernels/kv_pieces.h"
#include "kernels/simd16/exp_body.h"
#include "kernels/simd16/kv_body.h"
#include "kernels/simd16/unroll.h"

enum {
    TILE_DOTS = V16_TILE_QUERIES * V16_TILE_KEYS,
    HEAD_STEP = 16 * V16_TILE_VECTORS, /* elements of a value row in one tile */
    BLOCK_QUERIES = 8,                 /* whose scores the scratch memory holds */
    PART_BYTES = 16 * 1024,            /* of keys or values that pass all queries of a block */
    STREAM_AHEAD = 8 * 1024,           /* bytes that are prefetched ahead (matmul_body.h) */
    LINE = 64
};

/* The scores of query i; the first is that of its first key. */
V16_INLINE float *scores_of(const swg_attention *a, size_t i)
{
    return a->scores + i % BLOCK_QUERIES * a->scores_stride;
}

/* Keys of a part: a multiple of V16_TILE_KEYS. */
V16_INLINE size_t part_keys(const swg_attention *a, const swg_kv_type type)
{
    const size_t fit = PART_BYTES / (a->kv_stride * swg_kv_bytes(type));
    return fit < V16_TILE_KEYS ? V16_TILE_KEYS : fit - fit % V16_TILE_KEYS;
}

/* Prefetch what follows n rows from `row` on, if it is before `end`. */
V16_INLINE void prefetch_rows(const swg_attention *a, const swg_kv_type type, const uint8_t *row,
                              size_t n, const uint8_t *end)
{
    const size_t bytes = n * a->kv_stride * swg_kv_bytes(type);
    const uint8_t *ahead = row + STREAM_AHEAD;
    if (end - row >= (ptrdiff_t)(STREAM_AHEAD + bytes))
        for (size_t i = 0; i < bytes; i += LINE)
            __builtin_prefetch(ahead + i);
}

/* out[q * n_k + j] = dot(q[q], k[j]) * scale for n_q * n_k = TILE_DOTS rows. */
V16_INLINE void dot_tile(const float *const *q, const int n_q, const uint8_t *const *k,
                         const int n_k, const swg_kv_type type, size_t head_dim, float scale,
                         float *out)
{
    const size_t bytes = swg_kv_bytes(type);
    v16 sum[TILE_DOTS];
    UNROLL for (int i = 0; i < TILE_DOTS; i++) sum[i] = v16_set1(0);
    size_t d = 0;
    for (; d + 16 <= head_dim; d += 16)
        UNROLL for (int j = 0; j < n_k; j++)
        {
            const v16 key = v16_kv_load(k[j] + d * bytes, type);
            UNROLL for (int i = 0; i < n_q; i++) sum[i * n_k + j] =
                v16_fma(v16_load(q[i] + d), key, sum[i * n_k + j]);
        }
    if (d < head_dim) { /* lanes beyond the head keep their sums, even negative zero */
        const size_t lanes = head_dim - d;
        for (int i = 0; i < n_q; i++)
            for (int j = 0; j < n_k; j++) {
                v16 *s = &sum[i * n_k + j];
                const v16 key = v16_kv_load_n(k[j] + d * bytes, type, lanes);
                const v16 product_added = v16_fma(v16_load_n(q[i] + d, lanes), key, *s);
                *s = v16_first_of(product_added, *s, lanes);
            }
    }
    v16_fold_tile(sum, scale, out);
}

/* Scores of query i over the keys of a piece from its key `at` on, TILE_DOTS at a time; past the
 * end the last key is computed again and not stored. */
V16_INLINE void score_piece(const swg_attention *a, const swg_kv_type type, size_t i,
                            const swg_kv_piece *p, size_t at)
{
    const size_t row = a->kv_stride * swg_kv_bytes(type);
    float *scores = scores_of(a, i);
    for (size_t j = at; j < p->n; j += TILE_DOTS) {
        prefetch_rows(a, type, p->k + j * row, TILE_DOTS, p->k + p->n * row);
        const size_t n_keys = p->n - j < TILE_DOTS ? p->n - j : TILE_DOTS;
        const uint8_t *keys[TILE_DOTS];
        for (size_t l = 0; l < TILE_DOTS; l++)
            keys[l] = p->k + (j + (l < n_keys ? l : n_keys - 1)) * row;
        float dots[TILE_DOTS];
        dot_tile(&a->q[i], 1, keys, TILE_DOTS, type, a->head_dim, a->scale, dots);
        memcpy(scores + (p->first + j - a->key_begin[i]), dots, n_keys * sizeof *dots);
    }
}

V16_INLINE void score_query(const swg_attention *a, const swg_kv_type type, size_t i, size_t begin,
                            size_t end)
{
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        score_piece(a, type, i, &p, 0);
}

/* Scores of the queries i .. i + V16_TILE_QUERIES over n keys from `k` on, a multiple of
 * V16_TILE_KEYS, which all of them see; `scores` are those of the first query. Keys up to `end` are
 * prefetched. */
V16_INLINE void score_tiles(const swg_attention *a, const swg_kv_type type, const size_t head_dim,
                            size_t i, const uint8_t *k, size_t n, float *const *scores,
                            const uint8_t *end)
{
    const size_t row = a->kv_stride * swg_kv_bytes(type);
    const float *q[V16_TILE_QUERIES];
    float *to[V16_TILE_QUERIES];
    UNROLL for (size_t l = 0; l < V16_TILE_QUERIES; l++)
    {
        q[l] = a->q[i + l];
        to[l] = scores[l];
    }
    const float scale = a->scale;
    for (size_t j = 0; j < n; j += V16_TILE_KEYS, k += V16_TILE_KEYS * row) {
        const uint8_t *keys[V16_TILE_KEYS];
        UNROLL for (size_t l = 0; l < V16_TILE_KEYS; l++) keys[l] = k + l * row;
        if (end)
            prefetch_rows(a, type, k, V16_TILE_KEYS, end);
        float dots[TILE_DOTS];
        dot_tile(q, V16_TILE_QUERIES, keys, V16_TILE_KEYS, type, head_dim, scale, dots);
        UNROLL for (size_t l = 0; l < V16_TILE_QUERIES; l++)
            memcpy(to[l] + j, dots + l * V16_TILE_KEYS, V16_TILE_KEYS * sizeof *dots);
    }
}

/* The same with a constant size of the usual heads, whose loops are unrolled. */
V16_INLINE void score_head(const swg_attention *a, const swg_kv_type type, size_t i,
                           const uint8_t *k, size_t n, float *const *scores, const uint8_t *end)
{
    if (a->head_dim == 64)
        score_tiles(a, type, 64, i, k, n, scores, end);
    else
        score_tiles(a, type, a->head_dim, i, k, n, scores, end);
}

/* Scores of a block's queries over the first keys of a piece, a multiple of V16_TILE_KEYS, part by
 * part; returns how many keys that was. */
V16_INLINE size_t score_parts(const swg_attention *a, const swg_kv_type type, size_t i,
                              size_t n_queries, const swg_kv_piece *p)
{
    const size_t row = a->kv_stride * swg_kv_bytes(type), part = part_keys(a, type);
    const size_t whole = p->n - p->n % V16_TILE_KEYS;
    for (size_t j = 0; j < whole; j += part) {
        const size_t n = whole - j < part ? whole - j : part;
        for (size_t l = 0; l < n_queries; l += V16_TILE_QUERIES) {
            float *scores[V16_TILE_QUERIES];
            for (size_t t = 0; t < V16_TILE_QUERIES; t++)
                scores[t] = scores_of(a, i + l + t) + (p->first + j - a->key_begin[i + l + t]);
            score_head(a, type, i + l, p->k + j * row, n, scores,
                       l == 0 ? p->k + p->n * row : NULL);
        }
    }
    return whole;
}

/* The same over the keys [begin, end); the remainder of a piece after the tiles is done query by
 * query. */
V16_INLINE void score_block(const swg_attention *a, const swg_kv_type type, size_t i,
                            size_t n_queries, size_t begin, size_t end)
{
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end)) {
        const size_t done = score_parts(a, type, i, n_queries, &p);
        for (size_t l = 0; l < n_queries; l++)
            score_piece(a, type, i + l, &p, done);
    }
}

/* out[i + l][d ..] += sum of p_j v_j[d ..] over the keys of a piece, in the order of j, for n_q
 * queries and n_v vectors, the last of `lanes` elements. Values up to `end` are prefetched. */
V16_INLINE void value_tile(const swg_attention *a, const swg_kv_type type, size_t i, const int n_q,
                           size_t d, const int n_v, size_t lanes, const swg_kv_piece *piece,
                           const uint8_t *end)
{
    const size_t bytes = swg_kv_bytes(type);
    v16 sum[V16_TILE_QUERIES][V16_TILE_VECTORS];
    const float *p[V16_TILE_QUERIES];
    UNROLL for (int l = 0; l < n_q; l++)
    {
        const size_t query = i + (size_t)l;
        p[l] = scores_of(a, query) + (piece->first - a->key_begin[query]);
        UNROLL for (int u = 0; u < n_v; u++) sum[l][u] =
            v16_load_n(a->out[query] + d + 16 * u, u + 1 < n_v ? 16 : lanes);
    }
    const uint8_t *row = piece->v + d * bytes;
    for (size_t j = 0; j < piece->n; j++, row += a->kv_stride * bytes) {
        if (end)
            prefetch_rows(a, type, row, 1, end);
        UNROLL for (int u = 0; u < n_v; u++)
        {
            const v16 value = n_v > 1 ? v16_kv_load(row + 16 * (size_t)u * bytes, type)
                                      : v16_kv_load_n(row, type, lanes);
            UNROLL for (int l = 0; l < n_q; l++) sum[l][u] =
                v16_fma(v16_set1(p[l][j]), value, sum[l][u]);
        }
    }
    UNROLL for (int l = 0; l < n_q; l++) UNROLL for (int u = 0; u < n_v; u++)
        v16_store_n(a->out[i + (size_t)l] + d + 16 * u, sum[l][u], u + 1 < n_v ? 16 : lanes);
}

/* The same for whole values. */
V16_INLINE void add_piece(const swg_attention *a, const swg_kv_type type, size_t i, const int n_q,
                          const swg_kv_piece *p, const uint8_t *end)
{
    size_t d = 0;
    for (; d + HEAD_STEP <= a->head_dim; d += HEAD_STEP)
        value_tile(a, type, i, n_q, d, V16_TILE_VECTORS, 16, p, d == 0 ? end : NULL);
    for (; d < a->head_dim; d += 16)
        value_tile(a, type, i, n_q, d, 1, a->head_dim - d < 16 ? a->head_dim - d : 16, p, NULL);
}

V16_INLINE void add_values(const swg_attention *a, const swg_kv_type type, size_t i, size_t begin,
                           size_t end)
{
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        add_piece(a, type, i, 1, &p, p.v + p.n * a->kv_stride * swg_kv_bytes(type));
}

/* The same for a block's queries, part by part. */
V16_INLINE void add_block(const swg_attention *a, const swg_kv_type type, size_t i,
                          size_t n_queries, size_t begin, size_t end)
{
    const size_t row = a->kv_stride * swg_kv_bytes(type), keys = part_keys(a, type);
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        for (size_t j = 0; j < p.n; j += keys) {
            const swg_kv_piece part = {
                .v = p.v + j * row, .first = p.first + j, .n = p.n - j < keys ? p.n - j : keys};
            for (size_t l = 0; l < n_queries; l += V16_TILE_QUERIES)
                add_piece(a, type, i + l, V16_TILE_QUERIES, &part, l == 0 ? p.v + p.n * row : NULL);
        }
}

/* Turn the scores of query i into unnormalised probabilities and return the inverse of their sum;
 * clear out[i], which may be the query itself. */
V16_INLINE float begin_output(const swg_attention *a, size_t i)
{
    const float sum = v16_exp_all(scores_of(a, i), a->key_end[i] - a->key_begin[i]);
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
    const float inverse = begin_output(a, i);
    add_values(a, type, i, begin, end);
    end_output(a, i, inverse);
}

/* The queries i .. i + n_queries, a multiple of V16_TILE_QUERIES, all of which see the keys [begin,
 * end). */
V16_INLINE void attend_block(const swg_attention *a, const swg_kv_type type, size_t i,
                             size_t n_queries, size_t begin, size_t end)
{
    float inverse[BLOCK_QUERIES];
    score_block(a, type, i, n_queries, begin, end);
    for (size_t l = 0; l < n_queries; l++) {
        score_query(a, type, i + l, a->key_begin[i + l], begin);
        score_query(a, type, i + l, end, a->key_end[i + l]);
    }
    for (size_t l = 0; l < n_queries; l++) {
        inverse[l] = begin_output(a, i + l);
        add_values(a, type, i + l, a->key_begin[i + l], begin);
    }
    add_block(a, type, i, n_queries, begin, end);
    for (size_t l = 0; l < n_queries; l++) {
        add_values(a, type, i + l, end, a->key_end[i + l]);
        end_output(a, i + l, inverse[l]);
    }
}

/* All queries; the type is a compile-time constant in every caller. */
V16_INLINE void attend_all(const swg_attention *a, const swg_kv_type type)
{
    for (size_t i = 0, n; i < a->n_queries; i += n) {
        const size_t left = a->n_queries - i, tiles = left - left % V16_TILE_QUERIES;
        n = left > BLOCK_QUERIES ? BLOCK_QUERIES : tiles > 0 ? tiles : 1;
        size_t begin = a->key_begin[i], end = a->key_end[i];
        for (size_t l = 1; l < n; l++) {
            begin = begin > a->key_begin[i + l] ? begin : a->key_begin[i + l];
            end = end < a->key_end[i + l] ? end : a->key_end[i + l];
        }
        if (tiles > 0 && begin + V16_TILE_KEYS <= end)
            attend_block(a, type, i, n, begin, end - (end - begin) % V16_TILE_KEYS);
        else
            for (size_t l = 0; l < n; l++)
                attend_one(a, type, i + l);
    }
}

#include "kernels/simd16/attention_int8_body.h"

V16_INLINE void attend_f32(const swg_attention *a)
{
    attend_all(a, SWG_KV_F32);
}

V16_INLINE void attend_f16(const swg_attention *a)
{
    attend_all(a, SWG_KV_F16);
}

V16_TARGET void SWG_VARIANT(attention)(const swg_attention *a)
{
    switch (a->kv_type) {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning)                                          \
    case SWG_KV_##ID:                                                                              \
        attend_##name(a);                                                                          \
        break;
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    case SWG_KV_TYPE_COUNT:
        break;
    }
}
