/* Attention of queries that share one key/value head: the definition.
 *
 *     s_j = dot(q, k_j) * scale;  p_j = exp(s_j - max s);  out = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * dot and the sum of p in 16 lanes; every element of out is one chain of fused multiply-adds over
 * j. Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp.h"
#include "kernels/kv_pieces.h"
#include "kernels/scalar/lanes.h"

static void attend(const swg_attention *a, size_t i)
{
    const size_t begin = a->key_begin[i], end = a->key_end[i], n_keys = end - begin;
    float *scores = a->scores, *out = a->out[i];
    for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
        for (size_t j = 0; j < p.n; j++)
            scores[p.first - begin + j] =
                swg_lanes_dot(a->q[i], p.k + j * a->kv_stride, a->head_dim) * a->scale;
    float max = scores[0];
    for (size_t j = 1; j < n_keys; j++)
        max = scores[j] > max ? scores[j] : max;
    for (size_t j = 0; j < n_keys; j++)
        scores[j] = swg_exp(scores[j] - max);
    const float inverse = 1 / swg_lanes_sum(scores, n_keys);
    for (size_t d = 0; d < a->head_dim; d++) {
        float sum = 0;
        for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
            for (size_t j = 0; j < p.n; j++)
                sum = fmaf(scores[p.first - begin + j], p.v[j * a->kv_stride + d], sum);
        out[d] = sum * inverse;
    }
}

void swg_attention__scalar(const swg_attention *a)
{
    for (size_t i = 0; i < a->n_queries; i++)
        attend(a, i);
}
