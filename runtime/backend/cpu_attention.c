/* Attention on the CPU: new keys and values go to the cache, then threads take work items - each a
 * key/value head and a block of one sequence's rows - from a common counter (causal blocks differ
 * in cost). An item's result does not depend on the thread that computes it, nor on the rest of the
 * batch. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/backend/cpu_state.h"

typedef struct attend_job {
    swg_exec *exec;
    size_t layer; /* of the cache */
    swg_attend_options options;
    swg_value q, k, v, y;
    size_t n_items;
    atomic_size_t next;
} attend_job;

/* Store rows [begin, end) of the batch, as far as they are in this span, in its sequence's
 * cache. */
static void store_span(const attend_job *job, const swg_span *span, size_t begin, size_t end)
{
    const swg_cpu *cpu = swg_cpu_of(job->exec);
    const size_t head_dim = cpu->cache.shape.head_dim;
    begin = begin > span->row ? begin : span->row;
    end = end < span->row + span->n ? end : span->row + span->n;
    for (size_t head = 0; head < cpu->cache.shape.n_heads; head++)
        for (size_t t = begin; t < end; t++)
            swg_kvcache_store(&cpu->cache, cpu->kernels, span->sequence, job->layer, head,
                              span->position + t - span->row,
                              swg_cpu_row(job->k, t) + head * head_dim,
                              swg_cpu_row(job->v, t) + head * head_dim);
}

static void store_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    for (size_t s = 0; s < exec->batch.n_spans; s++)
        store_span(context, &exec->batch.spans[s], begin, end);
}

/* Queries of a block's rows for all query heads that share the key/value head; returns how many. */
static size_t list_queries(const attend_job *job, const swg_cpu_block *block, size_t kv_head,
                           const swg_cpu_thread *scratch)
{
    const swg_kvcache_shape *cache = &swg_cpu_of(job->exec)->cache.shape;
    const size_t head_dim = cache->head_dim;
    const size_t sharing = job->q.columns / head_dim / cache->n_heads;
    const swg_span *span = block->span;
    const size_t window = job->options.window, left = span->n - block->begin;
    const size_t rows = left < SWG_ATTENTION_TOKENS ? left : SWG_ATTENTION_TOKENS;
    size_t n = 0;
    for (size_t t = block->begin; t < block->begin + rows; t++)
        for (size_t s = 0; s < sharing; s++, n++) {
            const size_t at = (kv_head * sharing + s) * head_dim;
            const size_t visible = span->position + t + 1;
            scratch->q[n] = swg_cpu_row(job->q, span->row + t) + at;
            scratch->out[n] = swg_cpu_row(job->y, span->row + t) + at;
            scratch->key_begin[n] = (uint32_t)(window && visible > window ? visible - window : 0);
            scratch->key_end[n] =
                (uint32_t)(job->options.sees_all ? span->position + span->n : visible);
        }
    return n;
}

/* One key/value head, one block of rows. */
static void attend_item(const attend_job *job, size_t item)
{
    const swg_cpu *cpu = swg_cpu_of(job->exec);
    const swg_cpu_thread *scratch = &cpu->threads[swg_pool_thread_index()];
    const swg_cpu_block *block = &cpu->blocks[item % cpu->n_blocks];
    const size_t kv_head = item / cpu->n_blocks, sequence = block->span->sequence;
    const float scale = job->options.scale;
    const swg_kv_run run = swg_kvcache_run(&cpu->cache, sequence, job->layer, kv_head);
    const size_t head_dim = cpu->cache.shape.head_dim;
    const swg_attention a = {
        .n_queries = list_queries(job, block, kv_head, scratch),
        .head_dim = head_dim,
        .q = scratch->q,
        .out = scratch->out,
        .key_begin = scratch->key_begin,
        .key_end = scratch->key_end,
        .runs = &run,
        .n_runs = 1,
        .kv_type = cpu->cache.shape.type,
        .kv_stride = cpu->cache.stride,
        .scale = scale != 0 ? scale : 1.0f / sqrtf((float)head_dim),
        .scores = scratch->scores,
        .scores_stride = swg_round_up(job->exec->options.context, 16),
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
        /* Later blocks see more keys: starting with them balances the load at the end. */
        attend_item(job, job->n_items - 1 - item);
    }
}

/* Roughly the number of rows times the number of keys that they see. */
static size_t visible_keys(const swg_batch *batch)
{
    size_t sum = 0;
    for (size_t s = 0; s < batch->n_spans; s++)
        sum += batch->spans[s].n * (batch->spans[s].position + batch->spans[s].n);
    return sum;
}

void swg_cpu_attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                    swg_value k, swg_value v, swg_value y)
{
    const swg_cpu *cpu = swg_cpu_of(exec);
    attend_job job = {.exec = exec,
                      .layer = layer % cpu->cache.shape.n_layers,
                      .options = options,
                      .q = q,
                      .k = k,
                      .v = v,
                      .y = y,
                      .n_items = cpu->n_blocks * cpu->cache.shape.n_heads};
    atomic_init(&job.next, 0);
    swg_cpu_over_rows(exec, q.rows, q.rows * k.columns, store_rows, &job);
    const size_t work = q.columns * visible_keys(&exec->batch);
    swg_pool_run(work < 16384 ? NULL : exec->pool, attend_work, &job);
}
