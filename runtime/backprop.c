/* Forward and backward, layer by layer. See backprop.h. */
#include "runtime/backprop.h"

#include "runtime/base/mem.h"
#include "runtime/exec.h"

struct swg_backprop {
    swg_model *model;
    swg_exec *exec;
    swg_backprop_options options;
    size_t n_layers;
    bool streams;              /* layers are loaded for a pass and released */
    swg_tape_recording **kept; /* [n_layers][pieces], while a job runs that keeps its layers */
    float **rows;    /* [n_layers + 1][tokens][width]: what enters every layer */
    float *gradient; /* [tokens][widest] by the rows that were reached */
    float *logits;   /* [SWG_BACKPROP_END_ROWS][n_outputs] */
};

/* Windows [first, first + n) of a job, which are computed together. */
typedef struct piece {
    size_t index, n;
    size_t token; /* the first */
} piece;

static size_t tokens_of(const swg_backprop *b, const swg_backprop_job *job)
{
    return job->n_windows * b->options.window;
}

static size_t pieces_of(const swg_backprop *b, const swg_backprop_job *job)
{
    return swg_ceil_div(job->n_windows, b->options.together);
}

static piece piece_of(const swg_backprop *b, const swg_backprop_job *job, size_t index)
{
    const size_t first = index * b->options.together, left = job->n_windows - first;
    return (piece){.index = index,
                   .n = left < b->options.together ? left : b->options.together,
                   .token = first * b->options.window};
}

/* Where the recording of a layer's piece is kept. */
static swg_tape_recording **kept_of(const swg_backprop *b, const swg_backprop_job *job,
                                    size_t layer, const piece *p)
{
    return &b->kept[layer * pieces_of(b, job) + p->index];
}

static swg_status load(swg_backprop *b, size_t layer)
{
    return b->streams ? swg_model_load_layer(b->model, layer) : SWG_OK;
}

static void release(swg_backprop *b, size_t layer)
{
    if (b->streams)
        swg_model_release_layer(b->model, layer);
}

static swg_status forward_piece(swg_backprop *b, const swg_backprop_job *job, size_t layer,
                                const piece *p)
{
    const size_t from = swg_exec_width(b->exec, layer), to = swg_exec_width(b->exec, layer + 1);
    if (b->options.keeps_layers)
        swg_tape_record(b->exec);
    SWG_TRY(swg_exec_layer_texts(b->exec, layer, p->n, b->options.window,
                                 b->rows[layer] + p->token * from,
                                 b->rows[layer + 1] + p->token * to));
    return b->options.keeps_layers ? swg_tape_keep(b->exec, kept_of(b, job, layer, p)) : SWG_OK;
}

static swg_status forward_layer(swg_backprop *b, const swg_backprop_job *job, size_t layer)
{
    SWG_TRY(load(b, layer));
    SWG_TRY(
        SWG_NEW_UNINIT(b->rows[layer + 1], tokens_of(b, job) * swg_exec_width(b->exec, layer + 1)));
    for (size_t i = 0; i < pieces_of(b, job); i++) {
        const piece p = piece_of(b, job, i);
        SWG_TRY(forward_piece(b, job, layer, &p));
    }
    release(b, layer);
    return swg_progress_step(job->progress, "running forward", "layers", layer + 1, b->n_layers);
}

static swg_status forward(swg_backprop *b, const swg_backprop_job *job)
{
    const size_t width = swg_exec_width(b->exec, 0);
    SWG_TRY(SWG_NEW_UNINIT(b->rows[0], tokens_of(b, job) * width));
    for (size_t i = 0; i < pieces_of(b, job); i++) {
        const piece p = piece_of(b, job, i);
        SWG_TRY(swg_exec_begin_texts(b->exec, p.n, b->options.window, job->ids + p.token,
                                     b->rows[0] + p.token * width));
    }
    for (size_t layer = 0; layer < b->n_layers; layer++)
        SWG_TRY(forward_layer(b, job, layer));
    return SWG_OK;
}

/* What comes after the layers, a few rows at a time: rows of logits are long. */
static swg_status backward_end(swg_backprop *b, const swg_backprop_job *job)
{
    const size_t width = swg_exec_width(b->exec, b->n_layers), tokens = tokens_of(b, job);
    const size_t most = b->options.window * b->options.together; /* rows of a chunk */
    const size_t step = most < SWG_BACKPROP_END_ROWS ? most : SWG_BACKPROP_END_ROWS;
    for (size_t at = 0; at < tokens; at += step) {
        const size_t n = tokens - at < step ? tokens - at : step;
        swg_tape_record(b->exec);
        SWG_TRY(swg_exec_end(b->exec, n, b->rows[b->n_layers] + at * width, b->logits));
        SWG_TRY(job->slopes(job->context, at, n, b->logits));
        SWG_TRY(swg_tape_reverse(b->exec, b->logits, b->gradient + at * width, job->observer));
    }
    return SWG_OK;
}

/* `next` [tokens][width] = the gradient by the layer's input. */
static swg_status backward_piece(swg_backprop *b, const swg_backprop_job *job, size_t layer,
                                 const piece *p, float *next)
{
    const size_t from = swg_exec_width(b->exec, layer), to = swg_exec_width(b->exec, layer + 1);
    const float *dy = b->gradient + p->token * to;
    float *dx = next + p->token * from;
    if (b->options.keeps_layers) {
        swg_tape_recording **kept = kept_of(b, job, layer, p);
        SWG_TRY(swg_tape_reverse_kept(b->exec, *kept, dy, dx, job->observer));
        swg_tape_recording_free(kept);
        return SWG_OK;
    }
    swg_tape_record(b->exec);
    SWG_TRY(swg_exec_layer_texts(b->exec, layer, p->n, b->options.window,
                                 b->rows[layer] + p->token * from,
                                 b->rows[layer + 1] + p->token * to)); /* not needed again */
    return swg_tape_reverse(b->exec, dy, dx, job->observer);
}

static swg_status backward_layer(swg_backprop *b, const swg_backprop_job *job, size_t layer)
{
    float *next; /* of another width than the gradient in recurrent models */
    if (job->rows)
        SWG_TRY(job->rows(job->context, layer, tokens_of(b, job), b->rows[layer + 1], b->gradient));
    SWG_TRY(load(b, layer));
    SWG_TRY(SWG_NEW_UNINIT(next, tokens_of(b, job) * swg_exec_width(b->exec, layer)));
    swg_status status = SWG_OK;
    for (size_t i = 0; status == SWG_OK && i < pieces_of(b, job); i++) {
        const piece p = piece_of(b, job, i);
        status = backward_piece(b, job, layer, &p, next);
    }
    swg_free(b->gradient);
    b->gradient = next;
    SWG_FREE(b->rows[layer + 1]);
    release(b, layer);
    SWG_TRY(status);
    return swg_progress_step(job->progress, "running backward", "layers", b->n_layers - layer,
                             b->n_layers);
}

static swg_status backward_begin(swg_backprop *b, const swg_backprop_job *job)
{
    const size_t width = swg_exec_width(b->exec, 0);
    for (size_t i = 0; i < pieces_of(b, job); i++) {
        const piece p = piece_of(b, job, i);
        swg_tape_record(b->exec);
        SWG_TRY(swg_exec_begin_texts(b->exec, p.n, b->options.window, job->ids + p.token,
                                     b->rows[0] + p.token * width));
        SWG_TRY(swg_tape_reverse(b->exec, b->gradient + p.token * width, NULL, job->observer));
    }
    return SWG_OK;
}

static swg_status run(swg_backprop *b, const swg_backprop_job *job)
{
    if (b->options.keeps_layers)
        SWG_TRY(SWG_NEW(b->kept, b->n_layers * pieces_of(b, job)));
    SWG_TRY(forward(b, job));
    SWG_TRY(SWG_NEW_UNINIT(b->gradient, tokens_of(b, job) * swg_exec_width(b->exec, b->n_layers)));
    SWG_TRY(backward_end(b, job));
    for (size_t layer = b->n_layers; layer-- > 0;)
        SWG_TRY(backward_layer(b, job, layer));
    return backward_begin(b, job);
}

swg_status swg_backprop_run(swg_backprop *b, const swg_backprop_job *job)
{
    const swg_status status = run(b, job);
    for (size_t i = 0; i <= b->n_layers; i++)
        SWG_FREE(b->rows[i]);
    for (size_t i = 0; b->kept && i < b->n_layers * pieces_of(b, job); i++)
        swg_tape_recording_free(&b->kept[i]);
    SWG_FREE(b->kept);
    SWG_FREE(b->gradient);
    return status;
}

/* --- Memory ----------------------------------------------------------------------------------- */

/* Floats per token. */
typedef struct columns {
    size_t rows;                    /* of all rows between layers */
    size_t widest;                  /* of those of one layer */
    size_t all_saved;               /* of all layers */
    size_t one_saved, one_reversed; /* at most of one, without and with gradients of its values */
    swg_tape_columns end;
} columns;

static size_t most_of(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Record one token's rows in every layer and after them. */
static swg_status measure(swg_backprop *b, float *x, float *y, columns *out)
{
    const int32_t id = 0;
    swg_tape_columns c;
    SWG_TRY(swg_exec_begin_texts(b->exec, 1, 1, &id, x));
    for (size_t layer = 0; layer < b->n_layers; layer++) {
        SWG_TRY(load(b, layer));
        swg_tape_record(b->exec);
        SWG_TRY(swg_exec_layer_texts(b->exec, layer, 1, 1, x, y));
        SWG_TRY(swg_tape_measure(b->exec, &c));
        release(b, layer);
        out->rows += swg_exec_width(b->exec, layer);
        out->all_saved += c.saved;
        out->one_saved = most_of(out->one_saved, c.saved);
        out->one_reversed = most_of(out->one_reversed, c.saved + c.gradients);
    }
    swg_tape_record(b->exec);
    SWG_TRY(swg_exec_end(b->exec, 1, x, b->logits));
    SWG_TRY(swg_tape_measure(b->exec, &out->end));
    out->rows += swg_exec_width(b->exec, b->n_layers);
    return SWG_OK;
}

static swg_status measure_columns(swg_backprop *b, columns *out)
{
    float *x;
    *out = (columns){0};
    for (size_t layer = 0; layer <= b->n_layers; layer++)
        out->widest = most_of(out->widest, swg_exec_width(b->exec, layer));
    SWG_TRY(SWG_NEW(x, 2 * out->widest));
    const swg_status status = measure(b, x, x + out->widest, out);
    swg_free(x);
    return status;
}

swg_status swg_backprop_bytes(swg_backprop *b, size_t n_windows, uint64_t *out)
{
    const uint64_t tokens = (uint64_t)n_windows * b->options.window;
    const uint64_t together = (uint64_t)b->options.together * b->options.window;
    const uint64_t chunk = together < tokens ? together : tokens;
    const uint64_t end = chunk < SWG_BACKPROP_END_ROWS ? chunk : SWG_BACKPROP_END_ROWS;
    columns c;
    SWG_TRY(measure_columns(b, &c));
    const uint64_t held =
        tokens * (c.rows + c.widest + (b->options.keeps_layers ? c.all_saved : 0));
    const uint64_t at_end = end * (c.end.saved + c.end.gradients);
    /* What was kept of the layer that is reversed counts as its own. */
    const uint64_t in_layer =
        tokens * c.widest + chunk * (c.one_reversed - (b->options.keeps_layers ? c.one_saved : 0));
    *out = sizeof(float) * (held + (at_end > in_layer ? at_end : in_layer));
    return SWG_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status begin(swg_backprop *b, swg_pool *pool)
{
    swg_exec_options options = swg_exec_options_default();
    SWG_TRY(swg_model_must_continue(b->model, "taking gradients"));
    if (b->options.window == 0)
        return swg_error(SWG_USAGE, "gradients of windows of 0 tokens");
    if (b->options.together == 0)
        b->options.together = 1;
    b->n_layers = (size_t)b->model->hparams.n_layers;
    b->streams = !swg_model_has_layer(b->model, 0);
    if (b->streams && b->options.keeps_layers)
        return swg_error(SWG_USAGE, "layers that are not loaded cannot be kept");
    if (b->streams)
        SWG_TRY(swg_model_load_layer(b->model, b->n_layers));
    options.context = b->options.window;
    options.sequences = b->options.together;
    if (!swg_size_mul(options.context, options.sequences, &options.chunk))
        return swg_error(SWG_LIMIT, "%zu windows of %zu tokens are too many", options.sequences,
                         options.context);
    options.activations = SWG_ACT_F32;
    SWG_TRY(swg_exec_new(b->model, pool, &options, &b->exec));
    SWG_TRY(SWG_NEW(b->rows, b->n_layers + 1));
    return SWG_NEW_UNINIT(b->logits, SWG_BACKPROP_END_ROWS * (size_t)b->model->hparams.n_outputs);
}

swg_status swg_backprop_new(swg_model *model, swg_pool *pool, const swg_backprop_options *options,
                            swg_backprop **out)
{
    swg_backprop *b;
    SWG_TRY(SWG_NEW(b, 1));
    b->model = model;
    b->options = *options;
    const swg_status status = begin(b, pool);
    if (status == SWG_OK) {
        *out = b;
        b = NULL;
    }
    swg_backprop_free(&b);
    return status;
}

void swg_backprop_free(swg_backprop **backprop)
{
    swg_backprop *b = *backprop;
    if (!b)
        return;
    swg_free(b->logits);
    swg_free(b->rows);
    swg_exec_free(&b->exec);
    swg_free(b);
    *backprop = NULL;
}
