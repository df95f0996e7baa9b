/* The derivative of attention. With P = softmax(s Q K^T) over the keys that each query sees and
 * y = P V, per query head:
 *
 *     dV += P^T dy,  dP = dy V^T,  dS = P (dP - rowsum(P dP)),  dQ += s dS K,  dK += s dS^T Q
 *
 * P is computed again rather than kept: n^2 floats for one head at a time. Work is split by
 * sequence and key/value head, whose gradients its query heads share. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/backend/tape_state.h"

typedef struct attend_job {
    swg_tape *tape;
    const swg_tape_entry *entry;
    size_t n_kv_heads, head_dim;
    float scale;
    const float *dy; /* [rows][query columns] */
    float *dq, *dk, *dv;
} attend_job;

/* The keys [*begin, *end) that query t of n sees. */
static void visible_keys(const swg_attend_options *options, size_t t, size_t n, size_t *begin,
                         size_t *end)
{
    *begin = options->window && t + 1 > options->window ? t + 1 - options->window : 0;
    *end = options->sees_all ? n : t + 1;
}

/* Scores to probabilities, row by row; zero where a key is not seen. */
static void softmax_rows(const swg_attend_options *options, size_t n, float *p)
{
    for (size_t t = 0; t < n; t++, p += n) {
        size_t begin, end;
        visible_keys(options, t, n, &begin, &end);
        float most = p[begin];
        double sum = 0;
        for (size_t j = begin; j < end; j++)
            most = p[j] > most ? p[j] : most;
        for (size_t j = 0; j < n; j++) {
            p[j] = j >= begin && j < end ? expf(p[j] - most) : 0;
            sum += (double)p[j];
        }
        for (size_t j = begin; j < end; j++)
            p[j] = (float)((double)p[j] / sum);
    }
}

/* dp becomes s P (dP - rowsum(P dP)). */
static void softmax_slopes(size_t n, float scale, const float *p, float *dp)
{
    for (size_t t = 0; t < n; t++, p += n, dp += n) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += (double)p[j] * (double)dp[j];
        for (size_t j = 0; j < n; j++)
            dp[j] = scale * p[j] * (dp[j] - (float)sum);
    }
}

/* One query head of one span; p and dp are [n][n]. */
static void reverse_head(const attend_job *job, const swg_span *span, size_t head, size_t kv_head,
                         float *p, float *dp)
{
    const swg_linalg *la = swg_linalg_get();
    const swg_tape_entry *e = job->entry;
    const size_t n = span->n, dim = job->head_dim, qs = e->x.columns, ks = e->k.columns;
    const size_t at_q = span->row * qs + head * dim, at_k = span->row * ks + kv_head * dim;
    const float *q = e->saved + at_q, *k = e->saved_k + at_k, *v = e->saved_v + at_k;
    const float *dy = job->dy + at_q;
    la->sgemm(false, true, n, n, dim, job->scale, q, qs, k, ks, 0, p, n);
    softmax_rows(&e->attend, n, p);
    la->sgemm(true, false, n, dim, n, 1, p, n, dy, qs, 1, job->dv + at_k, ks);
    la->sgemm(false, true, n, n, dim, 1, dy, qs, v, ks, 0, dp, n);
    softmax_slopes(n, job->scale, p, dp);
    la->sgemm(false, false, n, dim, n, 1, dp, n, k, ks, 1, job->dq + at_q, qs);
    la->sgemm(true, false, n, dim, n, 1, dp, n, q, qs, 1, job->dk + at_k, ks);
}

static swg_status attend_item(void *context, size_t index)
{
    const attend_job *job = context;
    const swg_span *span = &job->tape->inner.batch.spans[index / job->n_kv_heads];
    const size_t kv_head = index % job->n_kv_heads;
    const size_t sharing = job->entry->x.columns / job->head_dim / job->n_kv_heads;
    size_t square;
    float *p;
    if (!swg_size_mul(span->n, span->n, &square))
        return swg_error(SWG_LIMIT, "a text of %zu positions is too long for gradients", span->n);
    SWG_TRY(SWG_NEW_UNINIT(p, 2 * square));
    for (size_t s = 0; s < sharing; s++)
        reverse_head(job, span, kv_head * sharing + s, kv_head, p, p + square);
    swg_free(p);
    return SWG_OK;
}

swg_status swg_tape_attend(swg_tape *tape, const swg_tape_entry *entry)
{
    const swg_hparams *h = &tape->inner.model->hparams;
    const size_t elems = entry->y.rows * entry->y.columns, head_dim = (size_t)h->head_dim;
    float *dy = swg_tape_gradient_of(tape, entry->y), *copy;
    attend_job job = {.tape = tape,
                      .entry = entry,
                      .n_kv_heads = (size_t)h->n_kv_heads,
                      .head_dim = head_dim,
                      .scale = entry->attend.scale != 0 ? entry->attend.scale
                                                        : 1 / sqrtf((float)head_dim),
                      .dq = swg_tape_gradient_of(tape, entry->x),
                      .dk = swg_tape_gradient_of(tape, entry->k),
                      .dv = swg_tape_gradient_of(tape, entry->v)};
    if (!dy || !job.dq || !job.dk || !job.dv)
        return tape->status;
    SWG_TRY(SWG_NEW_UNINIT(copy, elems)); /* y may be q */
    memcpy(copy, dy, elems * sizeof *copy);
    memset(dy, 0, elems * sizeof *dy);
    job.dy = copy;
    const swg_status status = swg_pool_for(
        tape->inner.pool, tape->inner.batch.n_spans * job.n_kv_heads, attend_item, &job);
    swg_free(copy);
    return status;
}
