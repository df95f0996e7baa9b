/* The derivative of attention. With P = softmax(s Q K^T) over the keys that each query sees and
 * y = P V, per query head:
 *
 *     dV += P^T dy,  dP = dy V^T,  dS = P (dP - rowsum(P dP)),  dQ += s dS K,  dK += s dS^T Q
 *
 * P is computed again rather than kept, for a block of queries and the keys that any of them sees
 * at a time. Work is split by sequence and key/value head, whose gradients its query heads share.
 */
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

/* Queries of a block: enough for the products, few enough that a causal block sees few keys in
 * vain. */
enum { BLOCK = 64 };

/* Queries [query, query + n) of a span and the keys [key, key + n_keys) that they see. */
typedef struct block {
    size_t query, n, key, n_keys;
} block;

static block block_of(const swg_attend_options *options, size_t query, size_t n)
{
    block b = {.query = query, .n = n - query < BLOCK ? n - query : BLOCK};
    size_t begin, end;
    swg_attend_keys(options, query, n, &b.key, &end);
    swg_attend_keys(options, query + b.n - 1, n, &begin, &end);
    b.n_keys = end - b.key;
    return b;
}

/* Of a block's query t: the keys that it sees, counted from the block's first. */
static void seen_keys(const swg_attend_options *options, const block *b, size_t t, size_t n,
                      size_t *begin, size_t *end)
{
    swg_attend_keys(options, b->query + t, n, begin, end);
    *begin -= b->key;
    *end -= b->key;
}

/* Scores to probabilities, row by row; zero where a key is not seen. */
static void softmax_rows(const swg_kernels *kernels, const swg_attend_options *options,
                         const block *b, size_t n, float *p)
{
    for (size_t t = 0; t < b->n; t++, p += b->n_keys) {
        size_t begin, end;
        seen_keys(options, b, t, n, &begin, &end);
        kernels->softmax(p + begin, end - begin);
        memset(p, 0, begin * sizeof *p);
        memset(p + end, 0, (b->n_keys - end) * sizeof *p);
    }
}

/* dp becomes s P (dP - rowsum(P dP)). Eight sums in turn, so that they need not wait for another.
 */
static void softmax_slopes(const block *b, float scale, const float *p, float *dp)
{
    enum { LANES = 8 };
    for (size_t t = 0; t < b->n; t++, p += b->n_keys, dp += b->n_keys) {
        float sums[LANES] = {0}, sum = 0;
        size_t j = 0;
        for (; j + LANES <= b->n_keys; j += LANES)
            for (size_t l = 0; l < LANES; l++)
                sums[l] += p[j + l] * dp[j + l];
        for (; j < b->n_keys; j++)
            sum += p[j] * dp[j];
        for (size_t l = 0; l < LANES; l++)
            sum += sums[l];
        for (j = 0; j < b->n_keys; j++)
            dp[j] = scale * p[j] * (dp[j] - sum);
    }
}

/* One query head of one span, a block of queries; p and dp have room for [BLOCK][span->n]. */
static void reverse_block(const attend_job *job, const swg_span *span, size_t head, size_t kv_head,
                          const block *b, float *p, float *dp)
{
    const swg_linalg *la = swg_linalg_get();
    const swg_tape_entry *e = job->entry;
    const size_t dim = job->head_dim, qs = e->x.columns, ks = e->k.columns, n = b->n_keys;
    const size_t at_q = (span->row + b->query) * qs + head * dim;
    const size_t at_k = (span->row + b->key) * ks + kv_head * dim;
    const float *q = e->saved + at_q, *k = e->saved_k + at_k, *v = e->saved_v + at_k;
    const float *dy = job->dy + at_q;
    la->sgemm(false, true, b->n, n, dim, job->scale, q, qs, k, ks, 0, p, n);
    softmax_rows(swg_cpu_of(&job->tape->inner)->kernels, &e->attend, b, span->n, p);
    la->sgemm(true, false, n, dim, b->n, 1, p, n, dy, qs, 1, job->dv + at_k, ks);
    la->sgemm(false, true, b->n, n, dim, 1, dy, qs, v, ks, 0, dp, n);
    softmax_slopes(b, job->scale, p, dp);
    la->sgemm(false, false, b->n, dim, n, 1, dp, n, k, ks, 1, job->dq + at_q, qs);
    la->sgemm(true, false, n, dim, b->n, 1, dp, n, q, qs, 1, job->dk + at_k, ks);
}

static swg_status attend_item(void *context, size_t index)
{
    const attend_job *job = context;
    const swg_span *span = &job->tape->inner.batch.spans[index / job->n_kv_heads];
    const size_t kv_head = index % job->n_kv_heads;
    const size_t sharing = job->entry->x.columns / job->head_dim / job->n_kv_heads;
    const size_t elems = BLOCK * span->n; /* fewer than the span's rows have */
    float *p;
    SWG_TRY(SWG_NEW_UNINIT(p, 2 * elems));
    for (size_t s = 0; s < sharing; s++)
        for (size_t query = 0; query < span->n; query += BLOCK) {
            const block b = block_of(&job->entry->attend, query, span->n);
            reverse_block(job, span, kv_head * sharing + s, kv_head, &b, p, p + elems);
        }
    swg_free(p);
    return SWG_OK;
}

/* Let a loss of the scores add its gradients. */
static swg_status observe_scores(const swg_tape *tape, const attend_job *job)
{
    const swg_gradient_observer *observer = tape->observer;
    const swg_tape_entry *e = job->entry;
    const swg_scored rows = {.layer = e->layer,
                             .rows = e->x.rows,
                             .n_heads = e->x.columns / job->head_dim,
                             .n_kv_heads = job->n_kv_heads,
                             .head_dim = job->head_dim,
                             .options = e->attend,
                             .q = e->saved,
                             .k = e->saved_k};
    return observer->scores ? observer->scores(observer->context, &rows, job->dq, job->dk) : SWG_OK;
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
                      .scale = swg_attend_scale(&entry->attend, head_dim),
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
    SWG_TRY(status);
    return observe_scores(tape, &job);
}
