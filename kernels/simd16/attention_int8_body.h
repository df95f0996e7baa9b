/* Attention over 8-bit keys and values, in integers: included by attention_body.h after the dot
 * products of the vector set, int8_dots.h. The definition is in kernels.h:
 *
 *     s_j = float(sum_d c_d k_jd) * (query scale * scale) * k_scale_j      c: codes of the query
 *     w_j = exp(s_j - max s) * v_scale_j;  per block of keys  b_j = codes of w_j, m = largest w_j
 *     out_d = (sum over blocks of float(sum_j b_j v_jd) * (m / SWG_WEIGHT_CODES)) * (1 / sum p)
 *
 * Queries are processed INT8_QUERIES at a time, over all keys that one of them sees: what a query
 * does not see is not stored among its scores, and has the code 0 among its weights. Integer sums
 * are exact, so a set may take them in any order. */

#include <math.h>

/* Keys whose scores are one vector. */
enum { INT8_KEYS = 16 };

/* A block of queries: all from `first` on, n of them, which see keys from `begin` to `end`. */
typedef struct int8_block {
    const swg_attention *a;
    size_t first, n, begin, end;
    int8_query query[V16_INT8_QUERIES];  /* those beyond n are zero */
    float query_scale[V16_INT8_QUERIES]; /* times the scale of the scores */
    v16 max[V16_INT8_QUERIES];           /* of the scores, in lanes */
    float inverse[V16_INT8_QUERIES];
    float sums[V16_INT8_QUERIES][SWG_INT8_HEAD_DIM]; /* of out, in the order of int8_store_sums */
} int8_block;

/* The largest of n magnitudes. */
V16_INLINE float int8_absmax(const float *x, size_t n)
{
    v16 max = v16_set1(0);
    for (size_t i = 0; i < n; i += 16)
        max = v16_max(max, v16_abs(v16_load_n(x + i, n - i < 16 ? n - i : 16)));
    return v16_largest(max);
}

/* The codes of query l of the block. */
V16_INLINE void int8_begin_query(int8_block *b, size_t l)
{
    const swg_attention *a = b->a;
    const size_t padded = int8_round_up(a->head_dim);
    const float *q = a->q[b->first + (l < b->n ? l : 0)];
    const float absmax = l < b->n ? int8_absmax(q, a->head_dim) : 0;
    const bool is_zero = absmax < SWG_ACT_MIN;
    const v16 factor = v16_set1(is_zero ? 0 : SWG_QUERY_CODES / absmax);
    b->query_scale[l] = is_zero ? 0 : absmax / SWG_QUERY_CODES * a->scale;
    for (size_t d = 0; d < padded; d += 16) {
        const size_t lanes = a->head_dim <= d ? 0 : a->head_dim - d < 16 ? a->head_dim - d : 16;
        int8_set_codes(&b->query[l], d, v16i_from_f32(v16_mul(v16_load_n(q + d, lanes), factor)));
    }
    int8_end_query(&b->query[l], padded);
    b->max[l] = v16_set1(-INFINITY);
    memset(b->sums[l], 0, padded * sizeof *b->sums[l]);
}

/* Keep the scores of query l for keys [first, first + n), as far as it sees them. */
V16_INLINE void int8_store_scores(int8_block *b, size_t l, size_t first, size_t n, v16 scores)
{
    const swg_attention *a = b->a;
    const size_t begin = a->key_begin[b->first + l], end = a->key_end[b->first + l];
    float *to = scores_of(a, b->first + l);
    size_t last = first + n < end ? first + n : end;
    if (first < begin) { /* the first that it sees become the first lanes */
        float all[2 * INT8_KEYS] = {0};
        if (begin >= last)
            return;
        v16_store(all, scores);
        scores = v16_load(all + (begin - first));
        first = begin;
    }
    if (first >= last)
        return;
    v16_store_n(to + (first - begin), scores, last - first);
    b->max[l] = v16_max(b->max[l], v16_first_of(scores, b->max[l], last - first));
}

V16_INLINE void int8_score_piece(int8_block *b, const swg_kv_piece *p)
{
    const swg_attention *a = b->a;
    const uint8_t *end = p->k + p->n * a->kv_stride;
    for (size_t j = 0; j < p->n; j += INT8_KEYS) {
        const size_t n = p->n - j < INT8_KEYS ? p->n - j : INT8_KEYS;
        const int8_t *rows[INT8_KEYS];
        for (size_t l = 0; l < INT8_KEYS; l++)
            rows[l] = (const int8_t *)p->k + (j + (l < n ? l : n - 1)) * a->kv_stride;
        prefetch_rows(a, SWG_KV_INT8, p->k + j * a->kv_stride, INT8_KEYS, end);
        v16i dots[V16_INT8_QUERIES];
        int8_dots(rows, a->head_dim, b->query, dots);
        const v16 scales = v16_load_n(p->k_scales + j, n);
        for (size_t l = 0; l < b->n; l++) {
            const v16 score = v16_mul(v16_from_i32(dots[l]), v16_set1(b->query_scale[l]));
            int8_store_scores(b, l, p->first + j, n, v16_mul(score, scales));
        }
    }
}

/* Values of one block of keys, `first` to `first` + n - 1, and the weights of each query. */
typedef struct int8_values {
    size_t first, n;
    const int8_t *rows[SWG_WEIGHT_KEYS];
    float scales[SWG_WEIGHT_KEYS + 16];
    int8_weights weights[V16_INT8_QUERIES]; /* zero where a query sees no key of the block */
    float factor[V16_INT8_QUERIES];         /* of the sums */
    bool is_seen[V16_INT8_QUERIES];
} int8_values;

/* The codes of the weights of query l for the keys of a block. */
V16_INLINE void int8_round_weights(const int8_block *b, size_t l, int8_values *v)
{
    const swg_attention *a = b->a;
    const size_t i = b->first + l, last = v->first + v->n;
    const size_t begin = l < b->n && a->key_begin[i] > v->first ? a->key_begin[i] : v->first;
    const size_t end = l < b->n ? (a->key_end[i] < last ? a->key_end[i] : last) : 0;
    v16 w[SWG_WEIGHT_KEYS / 16], max = v16_set1(0);
    float part[SWG_WEIGHT_KEYS] = {0};
    v->is_seen[l] = begin < end;
    v->factor[l] = 0;
    memset(&v->weights[l], 0, sizeof v->weights[l]);
    if (begin >= end)
        return;
    const float *p = scores_of(a, i) + (begin - a->key_begin[i]);
    if (begin > v->first) {
        memcpy(part + (begin - v->first), p, (end - begin) * sizeof *part);
        p = part;
    }
    const size_t n = end - v->first;
    for (size_t j = 0; j < n; j += 16) {
        const size_t lanes = n - j < 16 ? n - j : 16;
        w[j / 16] = v16_mul(v16_load_n(p + j, lanes), v16_load_n(v->scales + j, lanes));
        max = v16_max(max, w[j / 16]);
    }
    const float largest = v16_largest(max);
    if (largest < SWG_ACT_MIN)
        return;
    v->factor[l] = largest / SWG_WEIGHT_CODES;
    const v16 inverse = v16_set1(SWG_WEIGHT_CODES / largest);
    for (size_t j = 0; j < n; j += 16)
        int8_set_weights(&v->weights[l], j, v16i_from_f32(v16_mul(w[j / 16], inverse)));
}

/* List the rows and scales of the block's keys; the first is key `at` of `piece`, which becomes the
 * piece of the last. */
V16_INLINE void int8_list_rows(const swg_attention *a, int8_values *v, swg_kv_piece *piece,
                               size_t *at, size_t end)
{
    for (size_t j = 0, n; j < v->n; j += n, *at += n) {
        if (*at == piece->n) {
            *piece = swg_kv_next(a, *piece, end);
            *at = 0;
        }
        const uint8_t *row = piece->v + *at * a->kv_stride;
        n = piece->n - *at < v->n - j ? piece->n - *at : v->n - j;
        prefetch_rows(a, SWG_KV_INT8, row, n, piece->v + piece->n * a->kv_stride);
        memcpy(v->scales + j, piece->v_scales + *at, n * sizeof *v->scales);
        for (size_t l = 0; l < n; l++)
            v->rows[j + l] = (const int8_t *)row + l * a->kv_stride;
    }
    for (size_t j = v->n; j % 4 != 0; j++) /* with weights of zero */
        v->rows[j] = v->rows[v->n - 1];
}

V16_INLINE void int8_add_values(int8_block *b)
{
    const swg_attention *a = b->a;
    swg_kv_piece piece = swg_kv_first(a, b->begin, b->end);
    size_t at = 0;
    int8_values v;
    for (v.first = b->begin; v.first < b->end; v.first += v.n) {
        const size_t next = (v.first / SWG_WEIGHT_KEYS + 1) * SWG_WEIGHT_KEYS;
        v.n = (next < b->end ? next : b->end) - v.first;
        int8_list_rows(a, &v, &piece, &at, b->end);
        for (size_t l = 0; l < V16_INT8_QUERIES; l++)
            int8_round_weights(b, l, &v);
        for (size_t d = 0; d < a->head_dim; d += INT8_COLUMNS)
            int8_sum_values(v.rows, v.n, v.weights, v.factor, v.is_seen, d, a->head_dim, b->sums);
    }
}

V16_INLINE void int8_end_query_output(const int8_block *b, size_t l)
{
    const swg_attention *a = b->a;
    float sums[SWG_INT8_HEAD_DIM];
    int8_order_sums(b->sums[l], int8_round_up(a->head_dim), sums);
    for (size_t d = 0; d < a->head_dim; d += 16) {
        const size_t lanes = a->head_dim - d < 16 ? a->head_dim - d : 16;
        v16_store_n(a->out[b->first + l] + d,
                    v16_mul(v16_load_n(sums + d, lanes), v16_set1(b->inverse[l])), lanes);
    }
}

/* Queries [first, first + n), n <= V16_INT8_QUERIES. */
V16_INLINE void int8_attend(const swg_attention *a, size_t first, size_t n)
{
    int8_block b;
    b.a = a;
    b.first = first;
    b.n = n;
    b.begin = a->key_begin[first];
    b.end = a->key_end[first];
    for (size_t l = 1; l < n; l++) {
        b.begin = b.begin < a->key_begin[first + l] ? b.begin : a->key_begin[first + l];
        b.end = b.end > a->key_end[first + l] ? b.end : a->key_end[first + l];
    }
    for (size_t l = 0; l < V16_INT8_QUERIES; l++)
        int8_begin_query(&b, l);
    for (swg_kv_piece p = swg_kv_first(a, b.begin, b.end); p.n > 0; p = swg_kv_next(a, p, b.end))
        int8_score_piece(&b, &p);
    for (size_t l = 0; l < n; l++)
        b.inverse[l] =
            1 / v16_exp_sum(scores_of(a, first + l),
                            a->key_end[first + l] - a->key_begin[first + l], v16_largest(b.max[l]));
    int8_add_values(&b);
    for (size_t l = 0; l < n; l++)
        int8_end_query_output(&b, l);
}

V16_INLINE void attend_int8(const swg_attention *a)
{
    for (size_t i = 0; i < a->n_queries; i += V16_INT8_QUERIES) {
        const size_t left = a->n_queries - i;
        int8_attend(a, i, left < V16_INT8_QUERIES ? left : V16_INT8_QUERIES);
    }
}
