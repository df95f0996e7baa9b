/* Forward passes over windows. See predictor.h. */
#include "distill/predictor.h"

#include "runtime/base/mem.h"
#include "runtime/exec.h"

swg_status swg_predictor_init(swg_predictor *p, const swg_model *model, swg_pool *pool,
                              size_t batch, size_t window, bool keeps_rows)
{
    swg_exec_options options = swg_exec_options_default();
    size_t widest = 0;
    options.context = window;
    options.sequences = batch;
    options.chunk = batch * window;
    options.activations = SWG_ACT_F32;
    SWG_TRY(swg_exec_new(model, pool, &options, &p->exec));
    p->window = window;
    p->n_layers = (size_t)model->hparams.n_layers;
    p->width = swg_exec_width(p->exec, p->n_layers);
    for (size_t layer = 0; layer <= p->n_layers; layer++)
        if (swg_exec_width(p->exec, layer) > widest)
            widest = swg_exec_width(p->exec, layer);
    const size_t distinct = keeps_rows ? p->n_layers + 1 : 2, elems = options.chunk * widest;
    SWG_TRY(SWG_NEW(p->rows, p->n_layers + 1));
    SWG_TRY(SWG_NEW_UNINIT(p->memory, distinct * elems));
    for (size_t layer = 0; layer <= p->n_layers; layer++)
        p->rows[layer] = p->memory + layer % distinct * elems;
    return SWG_OK;
}

void swg_predictor_deinit(swg_predictor *p)
{
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
    return SWG_OK;
}

swg_status swg_predictor_logits(swg_predictor *p, const float *rows, size_t n, float *logits)
{
    return swg_exec_end(p->exec, n, rows, logits);
}
