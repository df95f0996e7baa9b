/* Forward and backward of a classifier. See text_gradients.h. */
#include "runtime/text_gradients.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/exec.h"

struct swg_text_gradients {
    swg_exec *exec;
    size_t n_layers;
    size_t longest;
    bool output_is_last;
    float **rows;   /* [n_layers + 1][longest][width]: what enters every layer */
    float *dy, *dx; /* [longest][widest], a layer's output's and input's in turn */
    float *unused;  /* [longest][widest]: what a layer gives again */
    float *logits;  /* [n_outputs] */
};

static swg_status forward(swg_text_gradients *g, const swg_text_job *job)
{
    SWG_TRY(swg_exec_begin(g->exec, 0, 0, job->ids, job->types, job->n, g->rows[0]));
    for (size_t layer = 0; layer < g->n_layers; layer++)
        SWG_TRY(swg_exec_layer(g->exec, layer, 0, 0, job->n, g->rows[layer], g->rows[layer + 1]));
    return SWG_OK;
}

/* g->dy = the gradient by what leaves the last layer: zero but in the row that is read. */
static swg_status backward_end(swg_text_gradients *g, const swg_text_job *job,
                               const swg_gradient_observer *observer)
{
    const size_t width = swg_exec_width(g->exec, g->n_layers);
    const size_t at = g->output_is_last ? (job->n - 1) * width : 0;
    memset(g->dy, 0, job->n * width * sizeof *g->dy);
    swg_tape_record(g->exec);
    SWG_TRY(swg_exec_end(g->exec, 1, g->rows[g->n_layers] + at, g->logits));
    SWG_TRY(job->slopes(job->context, g->logits));
    return swg_tape_reverse(g->exec, g->logits, g->dy + at, observer);
}

static swg_status backward_layer(swg_text_gradients *g, const swg_text_job *job, size_t layer,
                                 const swg_gradient_observer *observer)
{
    float *const dy = g->dy;
    swg_tape_record(g->exec);
    SWG_TRY(swg_exec_layer(g->exec, layer, 0, 0, job->n, g->rows[layer], g->unused));
    SWG_TRY(swg_tape_reverse(g->exec, dy, g->dx, observer));
    g->dy = g->dx;
    g->dx = dy;
    return SWG_OK;
}

swg_status swg_text_gradients_run(swg_text_gradients *g, const swg_text_job *job,
                                  const swg_gradient_observer *observer)
{
    SWG_TRY(forward(g, job));
    SWG_TRY(backward_end(g, job, observer));
    for (size_t layer = g->n_layers; layer-- > 0;)
        SWG_TRY(backward_layer(g, job, layer, observer));
    swg_tape_record(g->exec);
    SWG_TRY(swg_exec_begin(g->exec, 0, 0, job->ids, job->types, job->n, g->rows[0]));
    return swg_tape_reverse(g->exec, g->dy, NULL, observer);
}

swg_status swg_text_gradients_bytes(swg_text_gradients *g, uint64_t *out)
{
    const int32_t id = 0;
    swg_tape_columns c;
    size_t most = 0;
    SWG_TRY(swg_exec_begin(g->exec, 0, 0, &id, NULL, 1, g->rows[0]));
    for (size_t layer = 0; layer < g->n_layers; layer++) {
        swg_tape_record(g->exec);
        SWG_TRY(swg_exec_layer(g->exec, layer, 0, 0, 1, g->rows[layer], g->rows[layer + 1]));
        SWG_TRY(swg_tape_measure(g->exec, &c));
        most = c.saved + c.gradients > most ? c.saved + c.gradients : most;
    }
    *out = (uint64_t)g->longest * most * sizeof(float);
    return SWG_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status begin(swg_text_gradients *g, const swg_model *model, swg_pool *pool,
                        size_t longest)
{
    swg_exec_options options = swg_exec_options_default();
    size_t widest = 0;
    if (!model->hparams.one_output)
        return swg_error(SWG_UNSUPPORTED, "this model does not classify texts");
    g->n_layers = (size_t)model->hparams.n_layers;
    g->output_is_last = model->hparams.output_is_last;
    g->longest = longest;
    options.context = options.chunk = longest;
    options.activations = SWG_ACT_F32;
    SWG_TRY(swg_exec_new(model, pool, &options, &g->exec));
    SWG_TRY(SWG_NEW(g->rows, g->n_layers + 1));
    for (size_t layer = 0; layer <= g->n_layers; layer++) {
        const size_t width = swg_exec_width(g->exec, layer);
        widest = width > widest ? width : widest;
        SWG_TRY(SWG_NEW_UNINIT(g->rows[layer], longest * width));
    }
    SWG_TRY(SWG_NEW_UNINIT(g->dy, longest * widest));
    SWG_TRY(SWG_NEW_UNINIT(g->dx, longest * widest));
    SWG_TRY(SWG_NEW_UNINIT(g->unused, longest * widest));
    return SWG_NEW_UNINIT(g->logits, (size_t)model->hparams.n_outputs);
}

swg_status swg_text_gradients_new(const swg_model *model, swg_pool *pool, size_t longest,
                                  swg_text_gradients **out)
{
    swg_text_gradients *g;
    SWG_TRY(SWG_NEW(g, 1));
    const swg_status status = begin(g, model, pool, longest);
    if (status == SWG_OK) {
        *out = g;
        g = NULL;
    }
    swg_text_gradients_free(&g);
    return status;
}

void swg_text_gradients_free(swg_text_gradients **gradients)
{
    swg_text_gradients *g = *gradients;
    if (!g)
        return;
    for (size_t layer = 0; g->rows && layer <= g->n_layers; layer++)
        swg_free(g->rows[layer]);
    swg_free(g->rows);
    swg_free(g->dy);
    swg_free(g->dx);
    swg_free(g->unused);
    swg_free(g->logits);
    swg_exec_free(&g->exec);
    swg_free(g);
    *gradients = NULL;
}
