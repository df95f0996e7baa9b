/* See cmd_quantize_verify.h. */
#include "quantize/cmd_quantize_verify.h"

#include <string.h>

#include "runtime/base/mem.h"

/* Each window scored from its second token on. */
static swg_status make_windows(const swg_calibration_text *text, swg_windows *out)
{
    const size_t n = text->n_windows * text->window;
    SWG_TRY(SWG_NEW_UNINIT(out->ids, n));
    memcpy(out->ids, text->ids, n * sizeof *out->ids);
    SWG_TRY(SWG_NEW(out->windows, text->n_windows));
    out->n_ids = out->tokens_total = n;
    out->n_windows = text->n_windows;
    for (size_t w = 0; w < text->n_windows; w++)
        out->windows[w] = (swg_window){.begin = w * text->window,
                                       .count = text->window,
                                       .first_scored = 1,
                                       .n_scored = text->window - 1};
    return SWG_OK;
}

/* A model, on the threads of the work. */
static swg_status load(const swg_quantize_state *j, swg_source *source, swg_model **model,
                       swg_exec **exec)
{
    swg_model_options options = swg_model_options_default();
    swg_exec_options exec_options = swg_exec_options_default();
    options.pool = j->pool;
    exec_options.context = j->calibration.held_out.window;
    exec_options.activations = SWG_ACT_F32;
    SWG_TRY(swg_model_load(source, &options, model));
    return swg_exec_new(*model, j->pool, &exec_options, exec);
}

static swg_status begin(swg_verifier *v, const swg_quantize_state *j)
{
    const swg_calibration_text *text = &j->calibration.held_out;
    swg_mem_return_freed(); /* of quantizing */
    SWG_TRY(make_windows(text, &v->windows));
    SWG_TRY(load(j, j->source, &v->original, &v->exec));
    const uint64_t rows = text->n_windows * (text->window - 1);
    const uint64_t row_bytes = (uint64_t)v->original->hparams.vocab * sizeof(float);
    if (rows * row_bytes <= SWG_VERIFIER_KEPT_BYTES)
        SWG_TRY(SWG_NEW_UNINIT(v->kept.logits, rows * row_bytes / sizeof(float)));
    return SWG_OK;
}

/* The model is not needed any more when its logits are kept. */
static void release_original(swg_verifier *v)
{
    swg_exec_free(&v->exec);
    swg_model_free(&v->original);
}

swg_status swg_verifier_measure(swg_verifier *v, const swg_quantize_state *j, const char *path,
                                swg_divergence *out)
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    swg_status status = SWG_OK;
    if (!v->windows.ids)
        SWG_GO(begin(v, j));
    SWG_GO(swg_source_open(path, NULL, &source));
    SWG_GO(load(j, source, &model, &exec));
    SWG_GO(swg_divergence_measure_kept(exec, v->exec, (size_t)model->hparams.vocab, j->pool,
                                       &v->windows, &v->kept, j->cli->progress, out));
    if (v->kept.is_complete)
        release_original(v);
done:
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
    return status;
}

void swg_verifier_deinit(swg_verifier *v)
{
    release_original(v);
    swg_windows_deinit(&v->windows);
    SWG_FREE(v->kept.logits);
}
