/* Executions: setting one up, and feeding chunks of tokens to an architecture's forward function.
 * The operations that such a function calls are in forward.c. */
#include "runtime/exec.h"

#include <string.h>

#include "runtime/arch/arch.h"
#include "runtime/exec_state.h"

enum { DEFAULT_CHUNK = 256 };

swg_exec_options swg_exec_options_default(void)
{
    return (swg_exec_options){.size = sizeof(swg_exec_options)};
}

/* Options with their defaults filled in. An encoder's text is one chunk: every position sees all.
 */
static swg_status resolve_options(const swg_model *model, const swg_exec_options *given,
                                  swg_exec_options *out)
{
    const swg_hparams *h = &model->hparams;
    swg_exec_options options = swg_exec_options_default();
    if (given && given->size != sizeof options)
        return swg_error(SWG_USAGE,
                         "swg_exec_options has a size of %zu bytes instead of %zu; fill it with "
                         "swg_exec_options_default",
                         given->size, sizeof options);
    if (given)
        options = *given;
    const size_t most = (size_t)h->max_positions;
    if (options.context == 0)
        options.context = most;
    if (h->learned_positions && options.context > most)
        return swg_error(SWG_UNSUPPORTED,
                         "a text of %zu positions; this model has learned %zu and no more",
                         options.context, most);
    if (options.chunk == 0)
        options.chunk = DEFAULT_CHUNK;
    if (options.chunk > options.context || h->is_encoder)
        options.chunk = options.context;
    *out = options;
    return SWG_OK;
}

/* Keys and values of all layers; encoders forget a layer's when the next begins. */
static swg_status init_cache(swg_exec *exec, const swg_hparams *h)
{
    if (h->n_heads == 0)
        return SWG_OK;
    return swg_kvcache_init(&exec->cache, h->is_encoder ? 1 : (size_t)h->n_layers,
                            (size_t)h->n_kv_heads, (size_t)h->head_dim, exec->options.context);
}

static swg_status init_state(swg_exec *exec, const swg_hparams *h)
{
    for (int64_t layer = 0; h->units[0] > 0 && layer < h->n_layers; layer++)
        if ((size_t)h->units[layer] > exec->widest)
            exec->widest = (size_t)h->units[layer];
    if (exec->widest == 0)
        return SWG_OK;
    SWG_TRY(SWG_NEW(exec->state, (size_t)h->n_layers * 2 * exec->widest));
    return SWG_NEW(exec->state_gates, 4 * exec->widest);
}

swg_status swg_exec_new(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
                        swg_exec **out)
{
    swg_status status = SWG_OK;
    swg_exec *exec = NULL;
    SWG_GO(SWG_NEW(exec, 1));
    exec->model = model;
    exec->pool = pool;
    SWG_GO(swg_backend_find(NULL, &exec->backend));
    SWG_GO(resolve_options(model, options, &exec->options));
    SWG_GO(init_cache(exec, &model->hparams));
    SWG_GO(init_state(exec, &model->hparams));
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
    swg_free(e->state);
    swg_free(e->state_gates);
    swg_kvcache_deinit(&e->cache);
    swg_free(e);
    *exec = NULL;
}

static swg_status check_ids(const swg_exec *exec, const int32_t *ids, size_t n)
{
    const int64_t vocab = exec->model->hparams.vocab;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return swg_error(SWG_CORRUPT,
                             "token id %d at position %zu is outside the vocabulary of %lld",
                             ids[i], exec->position + i, (long long)vocab);
    if (n > exec->options.context - exec->position)
        return swg_error(SWG_LIMIT, "%zu tokens after %zu do not fit a context of %zu", n,
                         exec->position, exec->options.context);
    return SWG_OK;
}

/* One chunk through the architecture. */
static swg_status forward_chunk(swg_exec *exec, const int32_t *ids, size_t n, size_t first_logits,
                                float *logits)
{
    exec->ids = ids;
    exec->n_tokens = n;
    exec->n_rows = n;
    exec->first_logits = first_logits;
    exec->logits = logits;
    exec->next_value = 0;
    return exec->model->arch->forward(exec);
}

swg_status swg_exec_run(swg_exec *exec, const int32_t *ids, size_t n, size_t first_logits,
                        float *logits)
{
    SWG_TRY(swg_model_must_continue(exec->model, "running it token by token"));
    SWG_TRY(check_ids(exec, ids, n));
    const size_t start = exec->position;
    exec->types = NULL;
    exec->backend->begin_text(exec, start + n);
    for (size_t at = 0; at < n;) {
        const size_t left = n - at;
        const size_t count = left < exec->options.chunk ? left : exec->options.chunk;
        const size_t skipped = first_logits > at ? first_logits - at : 0;
        const size_t first = skipped < count ? skipped : count;
        const swg_status status = forward_chunk(exec, ids + at, count, first, logits);
        if (status != SWG_OK) {
            exec->position = start;
            return status;
        }
        if (logits)
            logits += (count - first) * (size_t)exec->model->hparams.n_outputs;
        exec->position += count;
        at += count;
    }
    return SWG_OK;
}

static swg_status check_types(const swg_exec *exec, const int32_t *types, size_t n)
{
    const int64_t known = exec->model->hparams.n_token_types;
    for (size_t i = 0; i < n; i++)
        if (types[i] < 0 || types[i] >= known)
            return swg_error(SWG_CORRUPT, "token type %d at position %zu; the model has %lld types",
                             types[i], i, (long long)known);
    return SWG_OK;
}

swg_status swg_exec_encode(swg_exec *exec, const int32_t *ids, const int32_t *types, size_t n,
                           float *logits)
{
    if (!exec->model->hparams.is_encoder)
        return swg_error(SWG_UNSUPPORTED, "architecture %s is not an encoder",
                         exec->model->arch->name);
    SWG_TRY(check_ids(exec, ids, n));
    if (types)
        SWG_TRY(check_types(exec, types, n));
    exec->types = types;
    return forward_chunk(exec, ids, n, 0, logits);
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
    const size_t elems = (size_t)exec->model->hparams.n_layers * 2 * exec->widest;
    if (elems)
        memset(exec->state, 0, elems * sizeof *exec->state);
}
