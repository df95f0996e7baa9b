/* Opening, loading and tokenizer in one step: see session.h. */
#include "runtime/session.h"

#include "runtime/base/numeric.h"

static swg_status make_tokenizer(swg_source *source, const swg_model *model, swg_tokenizer **out)
{
    SWG_TRY(swg_tokenizer_needed(swg_tokenizer_from_source(source, out)));
    const swg_status status = swg_tokenizer_limit_ids(*out, (size_t)model->hparams.vocab);
    if (status != SWG_OK)
        swg_error_context(status, "%s", swg_source_path(source));
    return status;
}

/* What a session is opened with. */
typedef struct opening {
    const char *path, *tokenizer_path, *device;
    bool with_tokenizer, without_head;
    size_t n_threads;
    const swg_progress *progress;
} opening;

static swg_status load(const opening *o, swg_source *source, swg_session *out)
{
    bool is_declared;
    SWG_TRY(swg_sentence_is_declared(source, &is_declared));
    const swg_model_options how = {.size = sizeof how,
                                   .pool = out->pool,
                                   .progress = o->progress,
                                   .backend = o->device,
                                   .without_head = o->without_head || is_declared};
    SWG_TRY(swg_model_load(source, &how, &out->model));
    if (out->model->hparams.task == SWG_OUTPUT_HIDDEN_STATE)
        SWG_TRY(swg_sentence_read(source, &out->sentence));
    if (!o->with_tokenizer)
        return SWG_OK;
    const swg_status status = make_tokenizer(source, out->model, &out->tokenizer);
    /* The source knows it under the name it would have in a checkpoint. */
    if (status != SWG_OK && o->tokenizer_path)
        swg_error_context(status, "--tokenizer %s", o->tokenizer_path);
    SWG_TRY(status);
    return swg_chat_from_source(source, &out->chat);
}

static swg_status open_session(const opening *o, swg_session *out)
{
    swg_status status = SWG_OK;
    swg_session loaded = {0};
    swg_source *source = NULL;
    swg_source_options options = swg_source_options_default();
    options.tokenizer = o->tokenizer_path;
    SWG_GO(swg_source_open(o->path, &options, &source));
    SWG_GO(swg_pool_new(o->n_threads, &loaded.pool));
    SWG_GO(load(o, source, &loaded));
    *out = loaded;
    loaded = (swg_session){0};
done:
    swg_session_close(&loaded);
    swg_source_close(&source);
    return status;
}

swg_status swg_session_open_on(const char *device, const char *path, const char *tokenizer_path,
                               bool with_tokenizer, size_t n_threads, const swg_progress *progress,
                               swg_session *out)
{
    const opening o = {.path = path,
                       .device = device,
                       .tokenizer_path = tokenizer_path,
                       .with_tokenizer = with_tokenizer,
                       .n_threads = n_threads,
                       .progress = progress};
    return open_session(&o, out);
}

swg_status swg_session_open(const char *path, const char *tokenizer_path, bool with_tokenizer,
                            size_t n_threads, const swg_progress *progress, swg_session *out)
{
    return swg_session_open_on(NULL, path, tokenizer_path, with_tokenizer, n_threads, progress,
                               out);
}

swg_status swg_session_open_encoder(const char *path, const char *tokenizer_path, size_t n_threads,
                                    const swg_progress *progress, swg_session *out)
{
    const opening o = {.path = path,
                       .tokenizer_path = tokenizer_path,
                       .with_tokenizer = true,
                       .without_head = true,
                       .n_threads = n_threads,
                       .progress = progress};
    return open_session(&o, out);
}

void swg_session_close(swg_session *loaded)
{
    swg_sentence_deinit(&loaded->sentence);
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
