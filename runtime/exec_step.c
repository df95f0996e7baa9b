/* Running an execution: pieces of sequences are split into batches, and each batch goes through the
 * architecture's begin, layers and end - all of them in one driver (run_batch), or part by part on
 * the caller's rows. */
#include "runtime/exec.h"

#include <string.h>

#include "runtime/arch/arch.h"
#include "runtime/exec_state.h"

/* --- Checks ----------------------------------------------------------------------------------- */

static swg_status check_rows(const swg_exec *exec, size_t sequence, size_t position, size_t n)
{
    if (sequence >= exec->options.sequences)
        return swg_error(SWG_USAGE, "sequence %zu of an execution with %zu sequences", sequence,
                         exec->options.sequences);
    if (position > exec->options.context || n > exec->options.context - position)
        return swg_error(SWG_LIMIT, "%zu tokens after %zu do not fit a context of %zu", n, position,
                         exec->options.context);
    return SWG_OK;
}

static swg_status check_ids(const swg_exec *exec, size_t position, const int32_t *ids,
                            const int32_t *types, size_t n)
{
    const swg_hparams *h = &exec->model->hparams;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= h->vocab)
            return swg_error(SWG_CORRUPT,
                             "token id %d at position %zu is outside the vocabulary of %lld",
                             ids[i], position + i, (long long)h->vocab);
    /* A model without token types takes those of a text for what they are, all 0. */
    const int64_t n_types = h->n_token_types > 0 ? h->n_token_types : 1;
    for (size_t i = 0; types && i < n; i++)
        if (types[i] < 0 || types[i] >= n_types)
            return swg_error(SWG_CORRUPT, "token type %d at position %zu; the model has %lld types",
                             types[i], position + i, (long long)h->n_token_types);
    return SWG_OK;
}

/* Where a piece begins: encoders read every text from its start. */
static size_t start_of(const swg_exec *exec, const swg_piece *piece)
{
    return exec->model->hparams.is_encoder ? 0 : exec->sequences[piece->sequence].position;
}

static swg_status check_pieces(swg_exec *exec, const swg_piece *pieces, size_t n_pieces)
{
    exec->n_steps++;
    for (size_t i = 0; i < n_pieces; i++) {
        const swg_piece *piece = &pieces[i];
        SWG_TRY(check_rows(exec, piece->sequence, 0, 0));
        if (piece->n == 0)
            return swg_error(SWG_USAGE, "no tokens for sequence %zu", piece->sequence);
        const size_t start = start_of(exec, piece);
        SWG_TRY(check_ids(exec, start, piece->ids, piece->types, piece->n));
        SWG_TRY(check_rows(exec, piece->sequence, start, piece->n));
        if (exec->sequences[piece->sequence].step == exec->n_steps)
            return swg_error(SWG_USAGE, "sequence %zu is listed twice in one step",
                             piece->sequence);
        exec->sequences[piece->sequence].step = exec->n_steps;
    }
    return SWG_OK;
}

/* --- Filling the batch ------------------------------------------------------------------------ */

/* Append rows of one sequence; ids and types may be NULL where nothing is looked up. */
static void add_span(swg_batch *batch, swg_span span, const int32_t *ids, const int32_t *types)
{
    span.row = batch->n;
    for (size_t i = 0; i < span.n; i++) {
        batch->ids[span.row + i] = ids ? ids[i] : 0;
        batch->types[span.row + i] = types ? types[i] : 0;
        batch->positions[span.row + i] = span.position + i;
    }
    batch->spans[batch->n_spans++] = span;
    batch->n += span.n;
}

/* Append tokens [at, at + n) of a piece, and note which of their logits are wanted. */
static void add_part(swg_exec *exec, const swg_piece *piece, size_t at, size_t n)
{
    swg_batch *batch = &exec->batch;
    const swg_hparams *h = &exec->model->hparams;
    const size_t row = batch->n, start = start_of(exec, piece);
    const swg_span span = {
        .n = n, .sequence = piece->sequence, .position = start + at, .length = start + piece->n};
    add_span(batch, span, piece->ids + at, piece->types ? piece->types + at : NULL);
    if (h->one_output) {
        batch->kept[batch->n_kept++] = h->output_is_last ? row + n - 1 : row;
        return;
    }
    for (size_t i = piece->first_logits > at ? piece->first_logits - at : 0; i < n; i++)
        batch->kept[batch->n_kept++] = row + i;
}

static void clear_batch(swg_batch *batch)
{
    batch->n = batch->n_spans = batch->n_kept = 0;
    batch->is_whole = false;
}

/* The next rows of the pieces, from token `at` of pieces[*next] on. An encoder's text is not split.
 */
static void fill_batch(swg_exec *exec, const swg_piece *pieces, size_t n_pieces, size_t *next,
                       size_t *at)
{
    swg_batch *batch = &exec->batch;
    clear_batch(batch);
    while (*next < n_pieces && batch->n < exec->options.chunk) {
        const swg_piece *piece = &pieces[*next];
        const size_t room = exec->options.chunk - batch->n, left = piece->n - *at;
        if (exec->model->hparams.is_encoder && left > room)
            return;
        const size_t n = left < room ? left : room;
        add_part(exec, piece, *at, n);
        *at += n;
        if (*at == piece->n) {
            *at = 0;
            (*next)++;
        }
    }
}

/* --- The driver ------------------------------------------------------------------------------- */

/* The first n rows of x, with the columns that enter `layer`; scratch values have n rows too. */
static swg_value rows_of(swg_exec *exec, size_t n, size_t layer)
{
    for (size_t i = 0; i < exec->model->arch->n_values; i++)
        exec->values[i].rows = n;
    return (swg_value){.data = exec->x.data, .rows = n, .columns = swg_exec_width(exec, layer)};
}

static void run_begin(swg_exec *exec)
{
    exec->model->arch->begin(exec, exec->values, rows_of(exec, exec->batch.n, 0));
}

static void run_layer(swg_exec *exec, size_t layer)
{
    exec->model->arch->layer(exec, exec->values, layer, rows_of(exec, exec->batch.n, layer));
}

/* Logits of the first n rows of x; without a head, the rows themselves. */
static void run_end(swg_exec *exec, size_t n, float *logits)
{
    const swg_hparams *h = &exec->model->hparams;
    if (h->task == SWG_OUTPUT_HIDDEN_STATE) {
        exec->backend->download(exec, rows_of(exec, n, (size_t)h->n_layers), logits);
        return;
    }
    const swg_value out = exec->backend->output(exec, logits, n, (size_t)h->n_outputs);
    exec->model->arch->end(exec, exec->values, rows_of(exec, n, (size_t)h->n_layers), out);
    exec->backend->download(exec, out, logits);
}

/* Layers [begin, end) must be in memory; n_layers means the weights outside layers. */
static swg_status check_loaded(const swg_exec *exec, size_t begin, size_t end)
{
    for (size_t layer = begin; layer < end; layer++)
        if (!swg_model_has_layer(exec->model, layer))
            return swg_error(SWG_USAGE, "layer %zu of %lld is not loaded", layer,
                             (long long)exec->model->hparams.n_layers);
    return SWG_OK;
}

static swg_status run_batch(swg_exec *exec, float *logits)
{
    const size_t n_layers = (size_t)exec->model->hparams.n_layers;
    swg_batch *batch = &exec->batch;
    batch->is_whole = true;
    exec->backend->begin(exec);
    run_begin(exec);
    for (size_t layer = 0; layer < n_layers; layer++)
        run_layer(exec, layer);
    if (batch->n_kept > 0) {
        exec->backend->gather(exec, rows_of(exec, batch->n, n_layers), batch->kept, batch->n_kept);
        run_end(exec, batch->n_kept, logits);
    }
    return exec->backend->finish(exec);
}

swg_status swg_exec_step(swg_exec *exec, const swg_piece *pieces, size_t n_pieces, float *logits)
{
    SWG_TRY(check_pieces(exec, pieces, n_pieces));
    SWG_TRY(check_loaded(exec, 0, (size_t)exec->model->hparams.n_layers + 1));
    const size_t columns = (size_t)exec->model->hparams.n_outputs;
    for (size_t next = 0, at = 0; next < n_pieces;) {
        fill_batch(exec, pieces, n_pieces, &next, &at);
        SWG_TRY(run_batch(exec, logits));
        if (logits)
            logits += exec->batch.n_kept * columns;
    }
    for (size_t i = 0; i < n_pieces && !exec->model->hparams.is_encoder; i++)
        exec->sequences[pieces[i].sequence].position += pieces[i].n;
    return SWG_OK;
}

swg_status swg_exec_run(swg_exec *exec, const int32_t *ids, size_t n, size_t first_logits,
                        float *logits)
{
    SWG_TRY(swg_model_must_continue(exec->model, "running it token by token"));
    const swg_piece piece = {.n = n, .ids = ids, .first_logits = first_logits};
    return swg_exec_step(exec, &piece, 1, logits);
}

swg_status swg_exec_encode(swg_exec *exec, const int32_t *ids, const int32_t *types, size_t n,
                           float *logits)
{
    if (!exec->model->hparams.is_encoder)
        return swg_error(SWG_UNSUPPORTED, "architecture %s is not an encoder",
                         exec->model->arch->name);
    const swg_piece piece = {.n = n, .ids = ids, .types = types};
    return swg_exec_step(exec, &piece, 1, logits);
}

/* --- Part by part ----------------------------------------------------------------------------- */

/* A batch of the positions [position + at, ...) of a text of n rows; returns how many. */
static size_t begin_part(swg_exec *exec, swg_span text, size_t at, const int32_t *ids,
                         const int32_t *types)
{
    const size_t left = text.n - at, chunk = exec->options.chunk;
    const swg_span span = {.n = left < chunk ? left : chunk,
                           .sequence = text.sequence,
                           .position = text.position + at,
                           .length = text.position + text.n};
    clear_batch(&exec->batch);
    add_span(&exec->batch, span, ids ? ids + at : NULL, types ? types + at : NULL);
    exec->backend->begin(exec);
    return span.n;
}

swg_status swg_exec_begin(swg_exec *exec, size_t sequence, size_t position, const int32_t *ids,
                          const int32_t *types, size_t n, float *x)
{
    SWG_TRY(check_rows(exec, sequence, position, n));
    SWG_TRY(check_ids(exec, position, ids, types, n));
    const size_t outside = (size_t)exec->model->hparams.n_layers;
    SWG_TRY(check_loaded(exec, outside, outside + 1));
    const swg_span text = {.n = n, .sequence = sequence, .position = position};
    const size_t columns = swg_exec_width(exec, 0);
    for (size_t at = 0, count; at < n; at += count) {
        count = begin_part(exec, text, at, ids, types);
        run_begin(exec);
        exec->backend->download(exec, rows_of(exec, count, 0), x + at * columns);
        SWG_TRY(exec->backend->finish(exec));
    }
    return SWG_OK;
}

static swg_status check_layer(const swg_exec *exec, size_t layer)
{
    const size_t n_layers = (size_t)exec->model->hparams.n_layers;
    return layer < n_layers
               ? SWG_OK
               : swg_error(SWG_USAGE, "layer %zu of a model with %zu", layer, n_layers);
}

/* Begin a layer at a point, NULL: at its beginning. */
static void begin_layer(swg_exec *exec, const swg_layer_point *from)
{
    exec->point = (swg_layer_point){0};
    exec->from = from ? *from : (swg_layer_point){0};
    exec->is_resuming = exec->from.input || exec->from.n_sums > 0;
}

static swg_status check_point(const swg_exec *exec, const swg_layer_point *from, size_t n)
{
    if (!from)
        return SWG_OK;
    if (!exec->model->arch->is_resumable)
        return swg_error(SWG_UNSUPPORTED, "layers of architecture %s cannot be resumed",
                         exec->model->arch->name);
    if (n > exec->options.chunk)
        return swg_error(SWG_LIMIT, "a layer is resumed on %zu rows, chunks are of %zu", n,
                         exec->options.chunk);
    return SWG_OK;
}

swg_status swg_exec_layer_from(swg_exec *exec, size_t layer, size_t sequence, size_t position,
                               size_t n, const swg_layer_point *point, const float *x, float *y)
{
    SWG_TRY(check_layer(exec, layer));
    SWG_TRY(check_rows(exec, sequence, position, n));
    SWG_TRY(check_loaded(exec, layer, layer + 1));
    SWG_TRY(check_point(exec, point, n));
    const swg_span text = {.n = n, .sequence = sequence, .position = position};
    const size_t from = swg_exec_width(exec, layer), to = swg_exec_width(exec, layer + 1);
    for (size_t at = 0, count; at < n; at += count) {
        count = begin_part(exec, text, at, NULL, NULL);
        begin_layer(exec, point);
        exec->backend->upload(exec, x + at * from, rows_of(exec, count, layer));
        run_layer(exec, layer);
        const bool was_reached = !exec->is_resuming;
        exec->is_resuming = false;
        exec->backend->download(exec, rows_of(exec, count, layer + 1), y + at * to);
        SWG_TRY(exec->backend->finish(exec));
        if (!was_reached)
            return swg_error(SWG_USAGE, "layer %zu has no product %zu or no sum %zu to resume at",
                             layer, point->n_products, point->n_sums);
    }
    return SWG_OK;
}

swg_status swg_exec_layer(swg_exec *exec, size_t layer, size_t sequence, size_t position, size_t n,
                          const float *x, float *y)
{
    return swg_exec_layer_from(exec, layer, sequence, position, n, NULL, x, y);
}

swg_layer_point swg_exec_layer_point(const swg_exec *exec)
{
    return exec->point;
}

/* A batch of whole texts of n rows each. */
static swg_status begin_texts(swg_exec *exec, size_t n_texts, size_t n, const int32_t *ids)
{
    const size_t chunk = exec->options.chunk;
    if (n == 0 || n_texts > chunk / n)
        return swg_error(SWG_USAGE, "%zu texts of %zu tokens do not fit a chunk of %zu rows",
                         n_texts, n, chunk);
    SWG_TRY(check_rows(exec, n_texts ? n_texts - 1 : 0, 0, n));
    clear_batch(&exec->batch);
    for (size_t i = 0; i < n_texts; i++)
        add_span(&exec->batch, (swg_span){.n = n, .sequence = i, .length = n},
                 ids ? ids + i * n : NULL, NULL);
    exec->backend->begin(exec);
    return SWG_OK;
}

swg_status swg_exec_begin_texts(swg_exec *exec, size_t n_texts, size_t n, const int32_t *ids,
                                float *x)
{
    const size_t outside = (size_t)exec->model->hparams.n_layers;
    for (size_t i = 0; i < n_texts; i++)
        SWG_TRY(check_ids(exec, 0, ids + i * n, NULL, n));
    SWG_TRY(check_loaded(exec, outside, outside + 1));
    SWG_TRY(begin_texts(exec, n_texts, n, ids));
    run_begin(exec);
    exec->backend->download(exec, rows_of(exec, n_texts * n, 0), x);
    return exec->backend->finish(exec);
}

swg_status swg_exec_layer_texts(swg_exec *exec, size_t layer, size_t n_texts, size_t n,
                                const float *x, float *y)
{
    SWG_TRY(check_layer(exec, layer));
    SWG_TRY(check_loaded(exec, layer, layer + 1));
    SWG_TRY(begin_texts(exec, n_texts, n, NULL));
    begin_layer(exec, NULL);
    exec->backend->upload(exec, x, rows_of(exec, n_texts * n, layer));
    run_layer(exec, layer);
    exec->backend->download(exec, rows_of(exec, n_texts * n, layer + 1), y);
    return exec->backend->finish(exec);
}

swg_status swg_exec_end(swg_exec *exec, size_t n, const float *x, float *logits)
{
    const swg_hparams *h = &exec->model->hparams;
    SWG_TRY(check_loaded(exec, (size_t)h->n_layers, (size_t)h->n_layers + 1));
    const size_t from = swg_exec_width(exec, (size_t)h->n_layers), chunk = exec->options.chunk;
    for (size_t at = 0; at < n; at += chunk) {
        const size_t count = n - at < chunk ? n - at : chunk;
        clear_batch(&exec->batch);
        begin_layer(exec, NULL);
        exec->backend->begin(exec);
        exec->backend->upload(exec, x + at * from, rows_of(exec, count, (size_t)h->n_layers));
        run_end(exec, count, logits + at * (size_t)h->n_outputs);
        SWG_TRY(exec->backend->finish(exec));
    }
    return SWG_OK;
}
