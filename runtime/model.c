/* The life of a model: see model.h. */
#include "runtime/model.h"

#include "runtime/model_build.h"

swg_model_options swg_model_options_default(void)
{
    return (swg_model_options){.size = sizeof(swg_model_options)};
}

swg_status swg_model_begin(const char *config, size_t length, const swg_model_options *given,
                           swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    const swg_model_options options = given ? *given : swg_model_options_default();
    SWG_TRY(swg_options_check("swg_model_options", options.size, sizeof options));
    SWG_GO(SWG_NEW(model, 1));
    model->revision = 1;
    model->pool = options.pool;
    model->progress = options.progress;
    SWG_GO(swg_hparams_read_among(options.archs ? options.archs : swg_archs, config, length,
                                  &model->arch, &model->hparams));
    if (options.without_head)
        SWG_GO(swg_hparams_leave_out_head(model->arch, &model->hparams));
    SWG_GO(swg_backend_choose(options.backend, &model->hparams, &model->backend));
    SWG_GO(swg_model_make_table(model));
    SWG_GO(swg_model_read_labels(model, config, length));
    *out = model;
    model = NULL;
done:
    swg_model_free(&model);
    return status;
}

void swg_model_free(swg_model **model)
{
    swg_model *m = *model;
    if (!m)
        return;
    m->source = NULL; /* may be closed by now */
    for (size_t layer = 0; m->layers && layer <= (size_t)m->hparams.n_layers; layer++)
        swg_model_unreserve(m, layer);
    swg_arena_deinit(&m->small);
    swg_free(m);
    *model = NULL;
}

swg_status swg_model_must_continue(const swg_model *model, const char *what)
{
    if (!model->hparams.is_encoder)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "architecture %s is an encoder: it reads whole texts and does not predict a "
                     "next token, so there is no %s",
                     model->arch->name, what);
}
