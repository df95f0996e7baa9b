/* Attention on the CPU: new keys and values go to the cache, then work items - a key/value head
 * and a block of tokens each - are taken from a common counter (causal blocks differ in cost).
 * Every item's result is the same whichever thread computes it. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/backend/cpu_state.h"

typedef struct attend_job {
    swg_exec *exec;
    size_t layer;
    size_t window; /* 0 = unlimited */
    bool sees_all; /* the whole text, not only what came before */
    swg_value q, k, v, y;
    size_t n_blocks, n_items;
    atomic_size_t next;
} attend_job;

static void store_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const attend_job *job = context;
    const size_t head_dim = exec->cache.head_dim;
    for (size_t head = 0; head < exec->cache.n_heads; head++) {
        float *keys = swg_kvcache_keys(&exec->cache, job->layer, head);
        float *values = swg_kvcache_values(&exec->cache, job->layer, head);
        for (size_t t = begin; t < end; t++) {
            const size_t from = t * job->k.columns + head * head_dim;
            const size_t to = (exec->position + t) * head_dim;
            memcpy(keys + to, job->k.data + from, head_dim * sizeof *keys);
            memcpy(values + to, job->v.data + from, head_dim * sizeof *values);
        }
    }
}

/* One key/value head, one block of tokens, all query heads that share it. */
static void attend_item(const attend_job *job, size_t item)
{
    swg_exec *exec = job->exec;
    const swg_cpu *cpu = swg_cpu_of(exec);
    const swg_cpu_thread *scratch = &cpu->threads[swg_pool_thread_index()];
    const size_t head_dim = exec->cache.head_dim;
    const size_t sharing = job->q.columns / head_dim / exec->cache.n_heads;
    const size_t kv_head = item / job->n_blocks;
    const size_t begin = item % job->n_blocks * SWG_ATTENTION_TOKENS;
    const size_t end = begin + SWG_ATTENTION_TOKENS < exec->n_tokens ? begin + SWG_ATTENTION_TOKENS
                                                                     : exec->n_tokens;
    size_t n = 0;
    for (size_t t = begin; t < end; t++)
        for (size_t s = 0; s < sharing; s++, n++) {
            const size_t at = (kv_head * sharing + s) * head_dim;
            scratch->q[n] = job->q.data + t * job->q.columns + at;
            scratch->out[n] = job->y.data + t * job->y.columns + at;
            const size_t visible = exec->position + t + 1;
            scratch->key_begin[n] =
                (uint32_t)(job->window && visible > job->window ? visible - job->window : 0);
            scratch->key_end[n] =
                (uint32_t)(job->sees_all ? exec->position + exec->n_tokens : visible);
        }
    const swg_attention a = {
        .n_queries = n,
        .head_dim = head_dim,
        .q = scratch->q,
        .out = scratch->out,
        .key_begin = scratch->key_begin,
        .key_end = scratch->key_end,
        .k = swg_kvcache_keys(&exec->cache, job->layer, kv_head),
        .v = swg_kvcache_values(&exec->cache, job->layer, kv_head),
        .kv_stride = head_dim,
        .scale = 1.0f / sqrtf((float)head_dim),
        .scores = scratch->scores,
        .scores_stride = swg_round_up(exec->options.context, 16),
    };
    cpu->kernels->attention(&a);
}

static void attend_work(void *context, size_t thread, size_t n_threads)
{
    (void)thread;
    (void)n_threads;
    attend_job *job = context;
    for (;;) {
        const size_t item = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (item >= job->n_items)
            return;
        /* Later blocks see more keys: starting with them evens out the end. */
        attend_item(job, job->n_items - 1 - item);
    }
}

void swg_cpu_attend(swg_exec *exec, size_t layer, size_t window, swg_value q, swg_value k,
                    swg_value v, swg_value y)
{
    attend_job job = {.exec = exec,
                      .layer = layer,
                      .window = window,
                      .q = q,
                      .k = k,
                      .v = v,
                      .y = y,
                      .sees_all = exec->model->hparams.is_encoder};
    job.n_blocks = swg_ceil_div(exec->n_tokens, SWG_ATTENTION_TOKENS);
    job.n_items = job.n_blocks * exec->cache.n_heads;
    atomic_init(&job.next, 0);
    swg_cpu_over_rows(exec, exec->n_tokens, exec->n_tokens * k.columns, store_rows, &job);
    const size_t work = exec->n_tokens * q.columns * (exec->position + exec->n_tokens);
    swg_pool_run(work < 16384 ? NULL : exec->pool, attend_work, &job);
}
