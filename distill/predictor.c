/* Forward passes over windows. See predictor.h. */
#include "distill/predictor.h"

#include <string.h>

#include "runtime/base/mem.h"

static swg_status copy_rows(const float **kept, const float *rows, size_t n, size_t most)
{
    float *to = (float *)*kept;
    if (!to)
        SWG_TRY(SWG_NEW_UNINIT(to, most));
    memcpy(to, rows, n * sizeof *to);
    *kept = to;
    return SWG_OK;
}

/* swg_observer.scores: keep those of a layer until the next run. */
static void keep_scores(void *context, const swg_scored *rows)
{
    swg_predictor *p = context;
    swg_scored *kept = &p->scored[rows->layer];
    const swg_scored before = *kept;
    const size_t q = rows->n_heads * rows->head_dim, k = rows->n_kv_heads * rows->head_dim;
    const size_t most = p->batch * p->window;
    *kept = *rows;
    kept->q = before.q;
    kept->k = before.k;
    if (p->status == SWG_OK)
        p->status = copy_rows(&kept->q, rows->q, rows->rows * q, most * q);
    if (p->status == SWG_OK)
        p->status = copy_rows(&kept->k, rows->k, rows->rows * k, most * k);
}

swg_status swg_predictor_init(swg_predictor *p, const swg_model *model, swg_pool *pool,
                              size_t batch, size_t window, unsigned keeps)
{
    swg_exec_options options = swg_exec_options_default();
    size_t widest = 0;
    options.context = window;
    options.sequences = batch;
    options.chunk = batch * window;
    options.activations = SWG_ACT_F32;
    p->batch = batch;
    p->window = window;
    p->n_layers = (size_t)model->hparams.n_layers;
    p->observer = (swg_observer){.context = p, .scores = keep_scores};
    if (keeps & SWG_PREDICTOR_KEEPS_SCORES) {
        SWG_TRY(SWG_NEW(p->scored, p->n_layers));
        options.observer = &p->observer;
    }
    SWG_TRY(swg_exec_new(model, pool, &options, &p->exec));
    p->width = swg_exec_width(p->exec, p->n_layers);
    for (size_t layer = 0; layer <= p->n_layers; layer++)
        if (swg_exec_width(p->exec, layer) > widest)
            widest = swg_exec_width(p->exec, layer);
    const size_t distinct = keeps & SWG_PREDICTOR_KEEPS_ROWS ? p->n_layers + 1 : 2;
    const size_t elems = options.chunk * widest;
    SWG_TRY(SWG_NEW(p->rows, p->n_layers + 1));
    SWG_TRY(SWG_NEW_UNINIT(p->memory, distinct * elems));
    for (size_t layer = 0; layer <= p->n_layers; layer++)
        p->rows[layer] = p->memory + layer % distinct * elems;
    return SWG_OK;
}

void swg_predictor_deinit(swg_predictor *p)
{
    for (size_t layer = 0; p->scored && layer < p->n_layers; layer++) {
        swg_free((float *)p->scored[layer].q);
        swg_free((float *)p->scored[layer].k);
    }
    swg_free(p->scored);
    swg_free(p->rows);
    swg_free(p->memory);
    swg_exec_free(&p->exec);
    *p = (swg_predictor){0};
}

swg_status swg_predictor_run(swg_predictor *p, const int32_t *ids, size_t n, const float **out)
{
    SWG_TRY(swg_exec_begin_texts(p->exec, n, p->window, ids, p->rows[0]));
    for (size_t layer = 0; layer < p->n_layers; layer++)
        SWG_TRY(
            swg_exec_layer_texts(p->exec, layer, n, p->window, p->rows[layer], p->rows[layer + 1]));
    *out = p->rows[p->n_layers];
    return p->status;
}

swg_status swg_predictor_logits(swg_predictor *p, const float *rows, size_t n, float *logits)
{
    return swg_exec_end(p->exec, n, rows, logits);
}
