/* From a file to windows: see calibration_text.h. */
#include "quantize/calibration_text.h"

#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text_file.h"

enum { DEFAULT_WINDOW = 512 };

const char *swg_document_end(const char *at, const char *end)
{
    for (const char *s = at; s + 1 < end; s++)
        if (s[0] == '\n' && s[1] == '\n')
            return s;
    return end;
}

/* Tokenize the text until there are enough tokens. */
static swg_status encode(const swg_tokenizer *tokenizer, const swg_text_file *file, bool documents,
                         size_t enough, swg_ids *ids)
{
    const swg_encode_options options = {.add_special = true, .parse_special = false};
    const char *at = file->text, *end = at + file->length;
    if (!documents)
        return swg_tokenizer_encode(tokenizer, at, file->length, &options, ids);
    while (at < end && ids->count < enough) {
        const char *stop = swg_document_end(at, end);
        if (stop > at)
            SWG_TRY(swg_tokenizer_encode(tokenizer, at, (size_t)(stop - at), &options, ids));
        at = stop;
        while (at < end && *at == '\n')
            at++;
    }
    return SWG_OK;
}

/* Windows of a text of `n` that are held out, of `wanted`. */
static size_t n_held_out(size_t n, size_t used, size_t wanted)
{
    if (wanted == 0 || n - used >= wanted)
        return wanted;
    const size_t quarter = n / 4 > 1 ? n / 4 : 1;
    return quarter < wanted ? quarter : wanted;
}

static swg_status cut(const swg_calibration_source *from, const swg_tokenizer *tokenizer,
                      size_t window, swg_calibration_ids *out)
{
    const size_t most = from->max_tokens / window, least = from->held_out ? 2 : 1;
    const size_t n = out->ids.count / window;
    if (n < least || most == 0) {
        const size_t n_tokens =
            out->ids.count < from->max_tokens ? out->ids.count : from->max_tokens;
        return swg_error(SWG_FAILED,
                         "%s gives %zu token%s, less than %s of %zu: give a longer text, use more "
                         "of its tokens, or make the window smaller",
                         from->path, n_tokens, n_tokens == 1 ? "" : "s",
                         least == 1 ? "one window" : "two windows", window);
    }
    const size_t held = n_held_out(n, most < n ? most : n, from->held_out);
    const size_t used = n - held < most ? n - held : most;
    out->text = (swg_calibration_text){.ids = out->ids.data, .n_windows = used, .window = window};
    out->held_out = (swg_calibration_text){
        .ids = out->ids.data + (n - held) * window, .n_windows = held, .window = window};
    for (size_t w = 0; swg_tokenizer_adds_bos(tokenizer) && w < n; w++)
        out->ids.data[w * window] = swg_tokenizer_bos(tokenizer);
    return SWG_OK;
}

swg_status swg_calibration_ids_read(swg_source *source, const swg_calibration_source *from,
                                    size_t max_window, swg_calibration_ids *out)
{
    swg_status status = SWG_OK;
    swg_tokenizer *tokenizer = NULL;
    swg_text_file file = {0};
    swg_calibration_ids read = {0};
    const size_t usual = max_window < DEFAULT_WINDOW ? max_window : DEFAULT_WINDOW;
    const size_t window = from->window ? from->window : usual;
    if (window > max_window)
        return swg_error(SWG_USAGE,
                         "calibration windows of %zu tokens; the model has %zu positions", window,
                         max_window);
    SWG_GO(swg_tokenizer_needed(swg_tokenizer_from_source(source, &tokenizer)));
    SWG_GO(swg_text_file_open(from->path, SWG_TEXT_PROSE, &file));
    swg_sha256_text(file.bytes.data, file.bytes.size, read.sha256);
    SWG_GO(encode(tokenizer, &file, from->documents, from->max_tokens + from->held_out * window,
                  &read.ids));
    SWG_GO(cut(from, tokenizer, window, &read));
    *out = read;
    read = (swg_calibration_ids){0};
done:
    swg_calibration_ids_deinit(&read);
    swg_text_file_close(&file);
    swg_tokenizer_free(&tokenizer);
    return status;
}

swg_status swg_calibration_ids_sample(const swg_calibration_ids *ids, size_t max_tokens,
                                      swg_calibration_ids *out)
{
    const swg_calibration_text *text = &ids->text;
    const size_t fitting = max_tokens / text->window, most = fitting > 1 ? fitting : 1;
    const size_t n = text->n_windows < most ? text->n_windows : most;
    swg_calibration_ids sample = {.text = *text};
    SWG_TRY(SWG_NEW_UNINIT(sample.ids.data, n * text->window));
    for (size_t w = 0; w < n; w++)
        memcpy(sample.ids.data + w * text->window,
               text->ids + w * text->n_windows / n * text->window,
               text->window * sizeof *text->ids);
    sample.ids.count = n * text->window;
    sample.text.ids = sample.ids.data;
    sample.text.n_windows = n;
    memcpy(sample.sha256, ids->sha256, sizeof sample.sha256);
    *out = sample;
    return SWG_OK;
}

void swg_calibration_ids_deinit(swg_calibration_ids *ids)
{
    swg_ids_deinit(&ids->ids);
    *ids = (swg_calibration_ids){0};
}
