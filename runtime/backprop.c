/* Forward and backward, layer by layer. See backprop.h. */
#include "runtime/backprop.h"

#include "runtime/base/mem.h"
#include "runtime/exec.h"

/* Rows of logits computed together. */
enum { END_ROWS = 64 };

struct swg_backprop {
    swg_model *model;
    swg_exec *exec;
    size_t window, n_layers;
    bool streams;    /* layers are loaded for a pass and released */
    float **rows;    /* [n_layers + 1][tokens][width]: what enters every layer */
    float *gradient; /* [tokens][widest] by the rows that were reached */
    float *logits;   /* [END_ROWS][n_outputs] */
};

static size_t tokens_of(const swg_backprop *b, const swg_backprop_job *job)
{
    return job->n_windows * b->window;
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

static swg_status forward_layer(swg_backprop *b, const swg_backprop_job *job, size_t layer)
{
    const size_t from = swg_exec_width(b->exec, layer), to = swg_exec_width(b->exec, layer + 1);
    SWG_TRY(load(b, layer));
    SWG_TRY(SWG_NEW_UNINIT(b->rows[layer + 1], tokens_of(b, job) * to));
    for (size_t at = 0; at < tokens_of(b, job); at += b->window)
        SWG_TRY(swg_exec_layer(b->exec, layer, 0, 0, b->window, b->rows[layer] + at * from,
                               b->rows[layer + 1] + at * to));
    release(b, layer);
    return swg_progress_step(job->progress, "running forward", "layers", layer + 1, b->n_layers);
}

static swg_status forward(swg_backprop *b, const swg_backprop_job *job)
{
    const size_t width = swg_exec_width(b->exec, 0);
    SWG_TRY(SWG_NEW_UNINIT(b->rows[0], tokens_of(b, job) * width));
    for (size_t at = 0; at < tokens_of(b, job); at += b->window)
        SWG_TRY(
            swg_exec_begin(b->exec, 0, 0, job->ids + at, NULL, b->window, b->rows[0] + at * width));
    for (size_t layer = 0; layer < b->n_layers; layer++)
        SWG_TRY(forward_layer(b, job, layer));
    return SWG_OK;
}

/* What comes after the layers, a few rows at a time: rows of logits are long. */
static swg_status backward_end(swg_backprop *b, const swg_backprop_job *job)
{
    const size_t width = swg_exec_width(b->exec, b->n_layers), tokens = tokens_of(b, job);
    const size_t step = b->window < END_ROWS ? b->window : END_ROWS;
    for (size_t at = 0; at < tokens; at += step) {
        const size_t n = tokens - at < step ? tokens - at : step;
        swg_tape_record(b->exec);
        SWG_TRY(swg_exec_end(b->exec, n, b->rows[b->n_layers] + at * width, b->logits));
        SWG_TRY(job->slopes(job->context, at, n, b->logits));
        SWG_TRY(swg_tape_reverse(b->exec, b->logits, b->gradient + at * width, job->observer));
    }
    return SWG_OK;
}

static swg_status backward_layer(swg_backprop *b, const swg_backprop_job *job, size_t layer)
{
    const size_t from = swg_exec_width(b->exec, layer), to = swg_exec_width(b->exec, layer + 1);
    float *next; /* the gradient by the layer's input; of another width in recurrent models */
    SWG_TRY(load(b, layer));
    SWG_TRY(SWG_NEW_UNINIT(next, tokens_of(b, job) * from));
    swg_status status = SWG_OK;
    for (size_t at = 0; status == SWG_OK && at < tokens_of(b, job); at += b->window) {
        swg_tape_record(b->exec);
        status = swg_exec_layer(b->exec, layer, 0, 0, b->window, b->rows[layer] + at * from,
                                b->rows[layer + 1] + at * to); /* which are not needed again */
        if (status == SWG_OK)
            status =
                swg_tape_reverse(b->exec, b->gradient + at * to, next + at * from, job->observer);
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
    for (size_t at = 0; at < tokens_of(b, job); at += b->window) {
        swg_tape_record(b->exec);
        SWG_TRY(
            swg_exec_begin(b->exec, 0, 0, job->ids + at, NULL, b->window, b->rows[0] + at * width));
        SWG_TRY(swg_tape_reverse(b->exec, b->gradient + at * width, NULL, job->observer));
    }
    return SWG_OK;
}

static swg_status run(swg_backprop *b, const swg_backprop_job *job)
{
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
    SWG_FREE(b->gradient);
    return status;
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status begin(swg_backprop *b, swg_pool *pool)
{
    swg_exec_options options = swg_exec_options_default();
    SWG_TRY(swg_model_must_continue(b->model, "taking gradients"));
    if (b->window == 0)
        return swg_error(SWG_USAGE, "gradients of windows of 0 tokens");
    b->n_layers = (size_t)b->model->hparams.n_layers;
    b->streams = !swg_model_has_layer(b->model, 0);
    if (b->streams)
        SWG_TRY(swg_model_load_layer(b->model, b->n_layers));
    options.context = options.chunk = b->window;
    options.activations = SWG_ACT_F32;
    SWG_TRY(swg_exec_new(b->model, pool, &options, &b->exec));
    SWG_TRY(SWG_NEW(b->rows, b->n_layers + 1));
    return SWG_NEW_UNINIT(b->logits, END_ROWS * (size_t)b->model->hparams.n_outputs);
}

swg_status swg_backprop_new(swg_model *model, swg_pool *pool, size_t window, swg_backprop **out)
{
    swg_backprop *b;
    SWG_TRY(SWG_NEW(b, 1));
    b->model = model;
    b->window = window;
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
