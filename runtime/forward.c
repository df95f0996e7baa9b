/* The vocabulary of forward.h, and the loop that feeds chunks of tokens to an architecture's
 * forward function. Looks up weights by role and hands the work to the backend. */
#include "runtime/forward.h"

#include <string.h>

#include "runtime/arch/arch.h"
#include "runtime/exec_state.h"

enum { DEFAULT_CHUNK = 256 };

swg_status swg_exec_new(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
                        swg_exec **out)
{
    swg_status status = SWG_OK;
    swg_exec *exec = NULL;
    const swg_hparams *h = &model->hparams;
    SWG_GO(SWG_NEW(exec, 1));
    exec->model = model;
    exec->pool = pool;
    exec->backend = &swg_backend_cpu;
    if (options)
        exec->options = *options;
    if (exec->options.context == 0)
        exec->options.context = (size_t)h->max_positions;
    if (exec->options.chunk == 0)
        exec->options.chunk = DEFAULT_CHUNK;
    if (exec->options.chunk > exec->options.context)
        exec->options.chunk = exec->options.context;
    SWG_GO(swg_kvcache_init(&exec->cache, (size_t)h->n_layers, (size_t)h->n_kv_heads,
                            (size_t)h->head_dim, exec->options.context));
    SWG_GO(exec->backend->init(exec));
    *out = exec;
    exec = NULL;
done:
    swg_exec_free(&exec);
    return status;
}

void swg_exec_free(swg_exec **exec)
{
    swg_exec *e = *exec;
    if (!e)
        return;
    if (e->backend_state)
        e->backend->deinit(e);
    for (size_t i = 0; i < e->n_values; i++)
        swg_free(e->values[i].data);
    swg_kvcache_deinit(&e->cache);
    swg_free(e);
    *exec = NULL;
}

static swg_status check_ids(const swg_exec *exec, const int32_t *ids, size_t n)
{
    const int64_t vocab = exec->model->hparams.vocab;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return swg_error(SWG_CORRUPT, "token id %d at position %zu is outside the vocabulary of %lld",
                             ids[i], exec->position + i, (long long)vocab);
    if (n > exec->options.context - exec->position)
        return swg_error(SWG_LIMIT, "%zu tokens after %zu do not fit a context of %zu", n,
                         exec->position, exec->options.context);
    return SWG_OK;
}

swg_status swg_exec_run(swg_exec *exec, const int32_t *ids, size_t n, size_t first_logits,
                        float *logits)
{
    SWG_TRY(check_ids(exec, ids, n));
    const size_t start = exec->position;
    for (size_t at = 0; at < n;) {
        const size_t left = n - at;
        exec->ids = ids + at;
        exec->n_tokens = left < exec->options.chunk ? left : exec->options.chunk;
        const size_t skipped = first_logits > at ? first_logits - at : 0;
        exec->first_logits = skipped < exec->n_tokens ? skipped : exec->n_tokens;
        exec->logits = logits;
        exec->next_value = 0;
        const swg_status status = exec->model->arch->forward(exec);
        if (status != SWG_OK) {
            exec->position = start;
            return status;
        }
        if (logits)
            logits += (exec->n_tokens - exec->first_logits) * (size_t)exec->model->hparams.vocab;
        exec->position += exec->n_tokens;
        at += exec->n_tokens;
    }
    return SWG_OK;
}

size_t swg_exec_position(const swg_exec *exec)
{
    return exec->position;
}

size_t swg_exec_context(const swg_exec *exec)
{
    return exec->options.context;
}

void swg_exec_reset(swg_exec *exec)
{
    exec->position = 0;
}

const swg_hparams *swg_exec_hparams(const swg_exec *exec)
{
    return &exec->model->hparams;
}

swg_status swg_scratch(swg_exec *exec, size_t columns, swg_value *out)
{
    if (exec->next_value == exec->n_values) {
        if (exec->n_values == SWG_MAX_SCRATCH_VALUES)
            return swg_error(SWG_LIMIT, "an architecture needs more than %d scratch values",
                             SWG_MAX_SCRATCH_VALUES);
        size_t elems;
        if (!swg_size_mul(exec->options.chunk, columns, &elems))
            return swg_error(SWG_LIMIT, "a chunk of %zu tokens is too large", exec->options.chunk);
        swg_value value = {.columns = columns};
        SWG_TRY(SWG_NEW(value.data, elems));
        exec->values[exec->n_values++] = value;
    }
    *out = exec->values[exec->next_value++];
    return SWG_OK;
}

void swg_embed(swg_exec *exec, swg_role role, swg_value x)
{
    exec->backend->embed(exec, swg_model_weight(exec->model, role, 0), x);
}

void swg_rmsnorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    exec->backend->rmsnorm(exec, swg_model_weight(exec->model, role, layer), exec->n_tokens, x, y);
}

void swg_linears(swg_exec *exec, size_t layer, swg_value x, size_t count, const swg_role *roles,
                 const swg_value *y)
{
    const swg_weight *weights[SWG_MAX_JOINT_LINEARS];
    for (size_t i = 0; i < count; i++)
        weights[i] = swg_model_weight(exec->model, roles[i], layer);
    exec->backend->linears(exec, exec->n_tokens, x, count, weights, y);
}

void swg_linear(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    swg_linears(exec, layer, x, 1, &role, &y);
}

void swg_rope(swg_exec *exec, swg_value x)
{
    exec->backend->rope(exec, x);
}

void swg_attend(swg_exec *exec, size_t layer, swg_value q, swg_value k, swg_value v, swg_value y)
{
    exec->backend->attend(exec, layer, q, k, v, y);
}

void swg_silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    exec->backend->silu_mul(exec, gate, up);
}

void swg_add(swg_exec *exec, swg_value x, swg_value y)
{
    exec->backend->add(exec, x, y);
}

swg_status swg_output(swg_exec *exec, swg_role norm, swg_role head, swg_value x)
{
    const size_t wanted = exec->n_tokens - exec->first_logits;
    if (wanted == 0)
        return SWG_OK;
    swg_value normed;
    SWG_TRY(swg_scratch(exec, x.columns, &normed));
    const swg_weight *weight = swg_model_weight(exec->model, head, 0);
    const swg_value from = {.data = x.data + exec->first_logits * x.columns, .columns = x.columns};
    const swg_value logits = {.data = exec->logits, .columns = weight->n};
    exec->backend->rmsnorm(exec, swg_model_weight(exec->model, norm, 0), wanted, from, normed);
    exec->backend->linears(exec, wanted, normed, 1, &weight, &logits);
    return SWG_OK;
}
