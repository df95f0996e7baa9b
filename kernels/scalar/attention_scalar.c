/* Attention of queries that share one key/value head: the definition.
 *
 *     s_j = dot(q, k_j) * scale;  p_j = exp(s_j - max s);  out = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * dot and the sum of p in 16 lanes; every element of out is one chain of fused multiply-adds over
 * j. 8-bit keys and values are multiplied in integers, as kernels.h says. Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp.h"
#include "kernels/kv_pieces.h"
#include "kernels/scalar/lanes.h"

/* Key or value number j of a piece. */
static const uint8_t *row_of(const swg_attention *a, const uint8_t *rows, size_t j)
{
    return rows + j * a->kv_stride * swg_kv_bytes(a->kv_type);
}

static float dot(const swg_attention *a, const float *q, const uint8_t *key)
{
    float lanes[SWG_LANES] = {0};
    for (size_t d = 0; d < a->head_dim; d++)
        lanes[d % SWG_LANES] = fmaf(q[d], swg_kv_element(a->kv_type, key, d), lanes[d % SWG_LANES]);
    return swg_fold_lanes(lanes);
}

/* Turn the scores of n keys into unnormalised probabilities; returns the inverse of their sum. */
static float exponentials(float *scores, size_t n)
{
    float max = scores[0];
    for (size_t j = 1; j < n; j++)
        max = scores[j] > max ? scores[j] : max;
    for (size_t j = 0; j < n; j++)
        scores[j] = swg_exp(scores[j] - max);
    return 1 / swg_lanes_sum(scores, n);
}

static void attend(const swg_attention *a, size_t i)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i];
    float *scores = a->scores, *out = a->out[i];
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        for (size_t j = 0; j < p.n; j++)
            scores[p.first - begin + j] = dot(a, a->q[i], row_of(a, p.k, j)) * a->scale;
    const float inverse = exponentials(scores, end - begin);
    for (size_t d = 0; d < a->head_dim; d++) {
        float sum = 0;
        for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
            for (size_t j = 0; j < p.n; j++)
                sum = fmaf(scores[p.first - begin + j],
                           swg_kv_element(a->kv_type, row_of(a, p.v, j), d), sum);
        out[d] = sum * inverse;
    }
}

/* --- 8-bit integers --- */

/* codes[i] = rint(x[i] * (most / largest magnitude)); returns what a code is worth, 0 when the
 * magnitudes are too small. */
static float round_codes(const float *x, size_t n, int most, int32_t *codes)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    const bool is_zero = largest < SWG_ACT_MIN;
    const float factor = is_zero ? 0 : (float)most / largest;
    for (size_t i = 0; i < n; i++)
        codes[i] = (int32_t)rintf(x[i] * factor);
    return is_zero ? 0 : largest / (float)most;
}

static void int8_scores(const swg_attention *a, size_t i)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i];
    int32_t codes[SWG_INT8_HEAD_DIM];
    const float unit = round_codes(a->q[i], a->head_dim, SWG_QUERY_CODES, codes) * a->scale;
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        for (size_t j = 0; j < p.n; j++) {
            const int8_t *key = (const int8_t *)row_of(a, p.k, j);
            int32_t sum = 0;
            for (size_t d = 0; d < a->head_dim; d++)
                sum += codes[d] * key[d];
            a->scores[p.first - begin + j] = (float)sum * unit * p.k_scales[j];
        }
}

/* Add the values of keys [first, last), one block, times their weights to the sums. */
static void int8_add_block(const swg_attention *a, size_t i, size_t first, size_t last, float *sums)
{
    int32_t codes[SWG_WEIGHT_KEYS], block[SWG_INT8_HEAD_DIM] = {0};
    float *weights = a->scores + (first - a->key_begin[i]);
    for (swg_kv_piece p = swg_kv_first(a, first, last); p.n > 0; p = swg_kv_next(a, p, last))
        for (size_t j = 0; j < p.n; j++)
            weights[p.first - first + j] *= p.v_scales[j];
    const float unit = round_codes(weights, last - first, SWG_WEIGHT_CODES, codes);
    for (swg_kv_piece p = swg_kv_first(a, first, last); p.n > 0; p = swg_kv_next(a, p, last))
        for (size_t j = 0; j < p.n; j++)
            for (size_t d = 0; d < a->head_dim; d++)
                block[d] += codes[p.first - first + j] * ((const int8_t *)row_of(a, p.v, j))[d];
    for (size_t d = 0; d < a->head_dim; d++)
        sums[d] = fmaf((float)block[d], unit, sums[d]);
}

static void int8_attend(const swg_attention *a, size_t i)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i];
    float sums[SWG_INT8_HEAD_DIM] = {0};
    int8_scores(a, i);
    const float inverse = exponentials(a->scores, end - begin);
    for (size_t first = begin, last; first < end; first = last) {
        const size_t next = (first / SWG_WEIGHT_KEYS + 1) * SWG_WEIGHT_KEYS;
        last = next < end ? next : end;
        int8_add_block(a, i, first, last, sums);
    }
    for (size_t d = 0; d < a->head_dim; d++)
        a->out[i][d] = sums[d] * inverse;
}

void swg_attention__scalar(const swg_attention *a)
{
    for (size_t i = 0; i < a->n_queries; i++)
        if (a->kv_type == SWG_KV_INT8)
            int8_attend(a, i);
        else
            attend(a, i);
}
