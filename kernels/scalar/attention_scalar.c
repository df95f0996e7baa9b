/* Attention of queries that share one key/value head: the definition.
 *
 *     s_j = dot(q, k_j) * scale;  p_j = exp(s_j - max s);  out = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * dot and the sum of p in 16 lanes; every element of out is one chain of fused multiply-adds over
 * j. Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>

#include "kernels/exp.h"
#include "kernels/scalar/lanes.h"

static void attend(const swg_attention *a, size_t i)
{
    const size_t begin = a->key_begin[i], n_keys = a->key_end[i] - begin;
    const float *k = a->k + begin * a->kv_stride, *v = a->v + begin * a->kv_stride;
    float *p = a->scores, *out = a->out[i];
    for (size_t j = 0; j < n_keys; j++)
        p[j] = swg_lanes_dot(a->q[i], k + j * a->kv_stride, a->head_dim) * a->scale;
    float max = p[0];
    for (size_t j = 1; j < n_keys; j++)
        max = p[j] > max ? p[j] : max;
    for (size_t j = 0; j < n_keys; j++)
        p[j] = swg_exp(p[j] - max);
    const float inverse = 1 / swg_lanes_sum(p, n_keys);
    for (size_t d = 0; d < a->head_dim; d++) {
        float sum = 0;
        for (size_t j = 0; j < n_keys; j++)
            sum = fmaf(p[j], v[j * a->kv_stride + d], sum);
        out[d] = sum * inverse;
    }
}

void swg_attention__scalar(const swg_attention *a)
{
    for (size_t i = 0; i < a->n_queries; i++)
        attend(a, i);
}
