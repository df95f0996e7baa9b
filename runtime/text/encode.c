/* Text to ids: the stages of tokenizer_parts.h in their order. Nothing is kept between calls. */
#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"

swg_encode_options swg_encode_options_default(void)
{
    return (swg_encode_options){.add_special = true, .parse_special = true};
}

static swg_status normalized_part(swg_encoder *encoder, const char *text, size_t length,
                                  bool is_first, int32_t id)
{
    return id >= 0 ? swg_ids_push(encoder->out, id)
                   : swg_encoder_emit(encoder, 0, text, length, is_first);
}

static swg_status raw_part(swg_encoder *encoder, const char *text, size_t length, bool is_first,
                           int32_t id)
{
    const swg_tokenizer *tokenizer = encoder->tokenizer;
    if (id >= 0)
        return swg_ids_push(encoder->out, id);
    for (size_t i = 0, n_run = 0; i < tokenizer->n_normalizers; i++) {
        const swg_normalize_step *step = &tokenizer->normalizers[i];
        if (step->place == (is_first ? SWG_TEXT_INSIDE : SWG_TEXT_AT_START))
            continue;
        swg_strbuf *out = &encoder->normalized[n_run++ % 2];
        SWG_TRY(swg_normalize(step, &encoder->work, text, length, out));
        text = swg_strbuf_text(out);
        length = out->length;
    }
    return swg_added_split(&tokenizer->normalized_tokens, encoder, text, length, is_first,
                           normalized_part);
}

/* Length of the valid UTF-8 (or, when there is none, of the bytes that are not) at the start. */
static size_t run_length(const char *text, size_t length, bool *is_valid)
{
    size_t at = swg_utf8_decode(text, length, NULL);
    *is_valid = at > 0;
    if (at == 0)
        at = 1;
    while (at < length) {
        const size_t step = swg_utf8_decode(text + at, length - at, NULL);
        if ((step > 0) != *is_valid)
            break;
        at += step ? step : 1;
    }
    return at;
}

static swg_status encode_text(swg_encoder *encoder, const char *text, size_t length)
{
    const swg_tokenizer *tokenizer = encoder->tokenizer;
    if (tokenizer->takes_any_bytes)
        return swg_added_split(&tokenizer->raw_tokens, encoder, text, length, true, raw_part);
    for (size_t at = 0; at < length;) {
        bool is_valid;
        const size_t run = run_length(text + at, length - at, &is_valid);
        if (is_valid)
            SWG_TRY(swg_added_split(&tokenizer->raw_tokens, encoder, text + at, run, at == 0,
                                    raw_part));
        else
            SWG_TRY(swg_encoder_emit(encoder, tokenizer->n_splits, text + at, run, at == 0));
        at += run;
    }
    return SWG_OK;
}

static void encoder_deinit(swg_encoder *encoder)
{
    swg_merger_deinit(&encoder->merger);
    swg_regex_scratch_deinit(&encoder->regex);
    for (size_t i = 0; i < 2; i++)
        swg_strbuf_deinit(&encoder->normalized[i]);
    for (size_t i = 0; i < SWG_TEXT_STEPS; i++)
        swg_strbuf_deinit(&encoder->scratch[i]);
    swg_strbuf_deinit(&encoder->word);
}

static swg_status push_all(swg_ids *out, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        SWG_TRY(swg_ids_push(out, ids[i]));
    return SWG_OK;
}

/* Ids that the model has no row for. */
static swg_status check_limit(const swg_tokenizer *tokenizer, const swg_ids *ids, size_t begin)
{
    for (size_t i = begin; tokenizer->id_limit && i < ids->count; i++)
        if ((size_t)ids->data[i] >= tokenizer->id_limit) {
            size_t length;
            const char *token = swg_vocab_text(&tokenizer->vocab, ids->data[i], &length);
            return swg_error(SWG_CORRUPT,
                             "token \"%.100s\" has the id %d, but the model's vocabulary only %zu "
                             "rows",
                             token, (int)ids->data[i], tokenizer->id_limit);
        }
    return SWG_OK;
}

swg_status swg_tokenizer_encode(const swg_tokenizer *tokenizer, const char *text, size_t length,
                                const swg_encode_options *options, swg_ids *out)
{
    const swg_encode_options how = options ? *options : swg_encode_options_default();
    const size_t before = out->count;
    swg_encoder encoder = {.tokenizer = tokenizer, .out = out, .parse_special = how.parse_special};
    swg_status status;
    if (length > INT32_MAX)
        return swg_error(SWG_LIMIT, "a text of %zu bytes is too long to encode at once", length);
    swg_work_begin(&encoder.work, tokenizer->file, length);
    encoder.regex.work = encoder.merger.work = &encoder.work;
    if (how.add_special)
        SWG_GO(push_all(out, tokenizer->before, tokenizer->n_before));
    SWG_GO(encode_text(&encoder, text, length));
    if (how.add_special)
        SWG_GO(push_all(out, tokenizer->after, tokenizer->n_after));
    SWG_GO(check_limit(tokenizer, out, before));
done:
    encoder_deinit(&encoder);
    if (status != SWG_OK)
        out->count = before;
    return status;
}
