/* Opening, loading and tokenizer in one step: see session.h. */
#include "runtime/session.h"

#include "runtime/base/numeric.h"

static swg_status make_tokenizer(swg_source *source, const swg_model *model, swg_tokenizer **out)
{
    SWG_TRY(swg_tokenizer_from_source(source, out));
    const swg_status status = swg_tokenizer_limit_ids(*out, (size_t)model->hparams.vocab);
    if (status != SWG_OK)
        swg_error_context(status, "%s", swg_source_path(source));
    return status;
}

swg_status swg_session_open(const char *path, const char *tokenizer_path, bool with_tokenizer,
                            size_t n_threads, const swg_progress *progress, swg_session *out)
{
    swg_status status = SWG_OK;
    swg_session loaded = {0};
    swg_source *source = NULL;
    swg_source_options options = swg_source_options_default();
    options.tokenizer = tokenizer_path;
    SWG_GO(swg_source_open(path, &options, &source));
    SWG_GO(swg_pool_new(n_threads, &loaded.pool));
    const swg_model_options how = {.size = sizeof how, .pool = loaded.pool, .progress = progress};
    SWG_GO(swg_model_load(source, &how, &loaded.model));
    if (with_tokenizer) {
        status = make_tokenizer(source, loaded.model, &loaded.tokenizer);
        /* The source knows it under the name it would have in a checkpoint. */
        if (status != SWG_OK && tokenizer_path)
            swg_error_context(status, "--tokenizer %s", tokenizer_path);
        SWG_GO(status);
        SWG_GO(swg_chat_from_source(source, &loaded.chat));
    }
    *out = loaded;
    loaded = (swg_session){0};
done:
    swg_session_close(&loaded);
    swg_source_close(&source);
    return status;
}

void swg_session_close(swg_session *loaded)
{
    swg_chat_free(&loaded->chat);
    swg_tokenizer_free(&loaded->tokenizer);
    swg_model_free(&loaded->model);
    swg_pool_free(&loaded->pool);
}

swg_status swg_check_logits(const float *logits, size_t rows, size_t columns)
{
    uint64_t first = 0;
    if (swg_count_nonfinite(SWG_F32, logits, (uint64_t)rows * columns, &first) == 0)
        return SWG_OK;
    return swg_error(SWG_FAILED,
                     "the model's logits are not finite (logit %zu of row %zu is %g): its weights "
                     "are damaged or too coarse; `swage verify` names tensors that hold NaN or "
                     "infinity",
                     (size_t)(first % columns), (size_t)(first / columns), (double)logits[first]);
}
