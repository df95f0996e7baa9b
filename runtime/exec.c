/* Executions: set-up with scratch values, and the positions of sequences. Running is in
 * exec_step.c; the operations that architectures call are in forward.c. */
#include "runtime/exec.h"

#include "runtime/arch/arch.h"
#include "runtime/base/notice.h"
#include "runtime/exec_state.h"

enum { DEFAULT_CHUNK = 256, MAX_SEQUENCES = 1 << 16 };

swg_exec_options swg_exec_options_default(void)
{
    return (swg_exec_options){.size = sizeof(swg_exec_options)};
}

static swg_status check_options(const swg_model *model, const swg_exec_options *options)
{
    const size_t most = (size_t)model->hparams.max_positions;
    SWG_TRY(swg_options_check("swg_exec_options", options->size, sizeof *options));
    if (options->sequences > MAX_SEQUENCES)
        return swg_error(SWG_LIMIT, "%zu sequences are more than %d", options->sequences,
                         MAX_SEQUENCES);
    if (model->hparams.learned_positions && options->context > most)
        return swg_error(SWG_UNSUPPORTED,
                         "a text of %zu positions; this model supports at most %zu",
                         options->context, most);
    return SWG_OK;
}

/* Options with their defaults filled in. An encoder's text is never split, since every position
 * sees all others, so a chunk holds the longest text. */
static swg_status resolve_options(const swg_model *model, const swg_exec_options *given,
                                  swg_exec_options *out)
{
    swg_exec_options options = given ? *given : swg_exec_options_default();
    SWG_TRY(check_options(model, &options));
    size_t all;
    if (options.context == 0)
        options.context = (size_t)model->hparams.max_positions;
    if (options.sequences == 0)
        options.sequences = 1;
    if (!swg_size_mul(options.context, options.sequences, &all))
        return swg_error(SWG_LIMIT, "%zu sequences of %zu positions are too many",
                         options.sequences, options.context);
    if (options.chunk == 0)
        options.chunk = DEFAULT_CHUNK;
    if (model->hparams.is_encoder && options.chunk < options.context)
        options.chunk = options.context;
    if (options.chunk > all)
        options.chunk = all;
    *out = options;
    return SWG_OK;
}

size_t swg_exec_width(const swg_exec *exec, size_t layer)
{
    const swg_hparams *h = &exec->model->hparams;
    return (size_t)(h->recurrent.units[0] > 0 && layer > 0 ? h->recurrent.units[layer - 1]
                                                           : h->d_model);
}

static swg_status make_batch(swg_batch *batch, const swg_exec_options *options)
{
    const size_t rows = options->chunk;
    const size_t spans = rows < options->sequences ? rows : options->sequences;
    SWG_TRY(SWG_NEW(batch->ids, rows));
    SWG_TRY(SWG_NEW(batch->types, rows));
    SWG_TRY(SWG_NEW(batch->positions, rows));
    SWG_TRY(SWG_NEW(batch->kept, rows));
    return SWG_NEW(batch->spans, spans);
}

static swg_status make_values(swg_exec *exec)
{
    const swg_arch *arch = exec->model->arch;
    const size_t rows = exec->options.chunk;
    size_t widest = 0;
    for (size_t layer = 0; layer <= (size_t)exec->model->hparams.n_layers; layer++)
        if (swg_exec_width(exec, layer) > widest)
            widest = swg_exec_width(exec, layer);
    SWG_TRY(exec->backend->value_new(exec, rows, widest, &exec->x));
    SWG_TRY(SWG_NEW(exec->values, arch->n_values));
    arch->shape(&exec->model->hparams, exec->values);
    for (size_t i = 0; i < arch->n_values; i++)
        SWG_TRY(exec->backend->value_new(exec, rows, exec->values[i].columns, &exec->values[i]));
    return SWG_OK;
}

/* A model computes something beyond the positions that it was made for, but nothing sensible.
 * Dynamic scaling and recurrent layers have no such limit. */
static void notice_long_context(const swg_hparams *h, size_t context)
{
    const bool has_limit = h->n_heads > 0 && h->rope.scaling != SWG_ROPE_DYNAMIC;
    if (has_limit && context > (size_t)h->max_positions)
        swg_notice("the context of %zu tokens is longer than the %lld positions that the model was "
                   "made for: beyond them its predictions mean little",
                   context, (long long)h->max_positions);
}

swg_status swg_exec_new(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
                        swg_exec **out)
{
    swg_status status = SWG_OK;
    swg_exec *exec = NULL;
    SWG_GO(SWG_NEW(exec, 1));
    exec->model = model;
    exec->pool = pool;
    exec->backend = model->backend;
    SWG_GO(resolve_options(model, options, &exec->options));
    SWG_GO(SWG_NEW(exec->sequences, exec->options.sequences));
    SWG_GO(make_batch(&exec->batch, &exec->options));
    SWG_GO(exec->backend->init(exec));
    SWG_GO(make_values(exec));
    notice_long_context(&model->hparams, exec->options.context);
    *out = exec;
    exec = NULL;
done:
    swg_exec_free(&exec);
    return status;
}

static void free_backend_side(swg_exec *e)
{
    if (!e->backend_state)
        return;
    e->backend->value_free(e, &e->x);
    for (size_t i = 0; e->values && i < e->model->arch->n_values; i++)
        e->backend->value_free(e, &e->values[i]);
    e->backend->deinit(e);
}

void swg_exec_free(swg_exec **exec)
{
    swg_exec *e = *exec;
    if (!e)
        return;
    free_backend_side(e);
    swg_free(e->values);
    swg_free(e->batch.ids);
    swg_free(e->batch.types);
    swg_free(e->batch.positions);
    swg_free(e->batch.kept);
    swg_free(e->batch.spans);
    swg_free(e->sequences);
    swg_free(e);
    *exec = NULL;
}

size_t swg_exec_position(const swg_exec *exec)
{
    return swg_exec_position_of(exec, 0);
}

size_t swg_exec_position_of(const swg_exec *exec, size_t sequence)
{
    return exec->sequences[sequence].position;
}

size_t swg_exec_context(const swg_exec *exec)
{
    return exec->options.context;
}

size_t swg_exec_chunk(const swg_exec *exec)
{
    return exec->options.chunk;
}

swg_kvcache_shape swg_exec_cache_shape(const swg_exec *exec)
{
    const swg_hparams *h = &exec->model->hparams;
    return (swg_kvcache_shape){.type = exec->options.kv_type,
                               .n_sequences = exec->options.sequences,
                               .n_layers = h->is_encoder ? 1 : (size_t)h->n_layers,
                               .n_heads = h->n_heads ? (size_t)h->n_kv_heads : 0,
                               .head_dim = (size_t)h->head_dim,
                               .context = exec->options.context};
}

size_t swg_exec_cache_bytes(const swg_exec *exec)
{
    const swg_kvcache_shape shape = swg_exec_cache_shape(exec);
    size_t bytes = 0;
    swg_kvcache_bytes(&shape, &bytes); /* the cache exists: this cannot fail */
    return bytes;
}

void swg_exec_reset(swg_exec *exec)
{
    for (size_t i = 0; i < exec->options.sequences; i++)
        exec->sequences[i].position = 0;
}

swg_status swg_exec_truncate(swg_exec *exec, size_t sequence, size_t position)
{
    if (sequence >= exec->options.sequences)
        return swg_error(SWG_USAGE, "sequence %zu of an execution with %zu sequences", sequence,
                         exec->options.sequences);
    const size_t now = exec->sequences[sequence].position;
    if (position > now)
        return swg_error(SWG_USAGE, "sequence %zu has %zu positions and cannot be cut to %zu",
                         sequence, now, position);
    if (position != now && position != 0 && exec->model->hparams.recurrent.units[0] > 0)
        return swg_error(
            SWG_UNSUPPORTED,
            "a recurrent model keeps only its last state: it can go back to the start, "
            "not from position %zu to %zu",
            now, position);
    exec->sequences[sequence].position = position;
    return SWG_OK;
}
