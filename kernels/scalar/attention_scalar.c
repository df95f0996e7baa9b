/* Attention of queries that share one key/value head: the definition.
 *
 *     s_j = dot(q, k_j) * scale;  p_j = exp(s_j - max s);  out = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * with the scales of keys and values where they have them; dot and the sum of p in 16 lanes; every
 * element of out is one chain of fused multiply-adds over j. Exactness: same bytes. */
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

static void attend(const swg_attention *a, size_t i)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i], n_keys = end - begin;
    float *scores = a->scores, *out = a->out[i];
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        for (size_t j = 0; j < p.n; j++) {
            const float score = dot(a, a->q[i], row_of(a, p.k, j)) * a->scale;
            scores[p.first - begin + j] = p.k_scales ? score * p.k_scales[j] : score;
        }
    float max = scores[0];
    for (size_t j = 1; j < n_keys; j++)
        max = scores[j] > max ? scores[j] : max;
    for (size_t j = 0; j < n_keys; j++)
        scores[j] = swg_exp(scores[j] - max);
    const float inverse = 1 / swg_lanes_sum(scores, n_keys);
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        for (size_t j = 0; p.v_scales && j < p.n; j++)
            scores[p.first - begin + j] *= p.v_scales[j];
    for (size_t d = 0; d < a->head_dim; d++) {
        float sum = 0;
        for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
            for (size_t j = 0; j < p.n; j++)
                sum = fmaf(scores[p.first - begin + j],
                           swg_kv_element(a->kv_type, row_of(a, p.v, j), d), sum);
        out[d] = sum * inverse;
    }
}

void swg_attention__scalar(const swg_attention *a)
{
    for (size_t i = 0; i < a->n_queries; i++)
        attend(a, i);
}
