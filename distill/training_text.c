/* From files to windows of tokens. See training_text.h. */
#include "distill/training_text.h"

#include <string.h>

#include "quantize/calibration_text.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

/* Documents are tokenized in parts of at most this many bytes, cut after a line break where there is
 * one: progress is shown, and no text is limited in length. */
enum { PART_BYTES = 1 << 20 };

typedef struct reading {
    const swg_tokenizer *tokenizer;
    const swg_progress *progress;
    swg_ids *ids;
    uint64_t done, total; /* bytes of all files */
} reading;

static swg_status begin_document(const reading *r)
{
    const int32_t bos = swg_tokenizer_bos(r->tokenizer), eos = swg_tokenizer_eos(r->tokenizer);
    const int32_t id = bos >= 0 ? bos : eos;
    size_t capacity = r->ids->capacity;
    if (id < 0)
        return SWG_OK;
    SWG_TRY(swg_reserve((void **)&r->ids->data, &capacity, r->ids->count + 1,
                        sizeof *r->ids->data));
    r->ids->capacity = capacity;
    r->ids->data[r->ids->count++] = id;
    return SWG_OK;
}

/* Where a part of a long document ends: after the last line break within PART_BYTES. */
static size_t part_length(const char *at, size_t left)
{
    if (left <= PART_BYTES)
        return left;
    const char *last = memrchr(at, '\n', PART_BYTES);
    return last ? (size_t)(last + 1 - at) : PART_BYTES;
}

static swg_status add_document(reading *r, const char *at, const char *end)
{
    const swg_encode_options options = {.add_special = false, .parse_special = false};
    SWG_TRY(begin_document(r));
    while (at < end) {
        const size_t n = part_length(at, (size_t)(end - at));
        SWG_TRY(swg_tokenizer_encode(r->tokenizer, at, n, &options, r->ids));
        at += n;
        r->done += n;
        SWG_TRY(swg_progress_step(r->progress, "tokenizing", "B", r->done, r->total));
    }
    return SWG_OK;
}

static swg_status add_file(reading *r, const swg_map *file, bool documents)
{
    const char *at = (const char *)file->data, *end = at + file->size;
    if (!documents)
        return file->size ? add_document(r, at, end) : SWG_OK;
    while (at < end) {
        const char *stop = swg_document_end(at, end);
        if (stop > at)
            SWG_TRY(add_document(r, at, stop));
        for (at = stop; at < end && *at == '\n'; at++)
            r->done++;
    }
    return SWG_OK;
}

static swg_status add_files(reading *r, const char *const *paths, swg_map *files, size_t n,
                            bool documents, swg_strbuf *hashes)
{
    for (size_t i = 0; i < n; i++) {
        SWG_TRY(swg_map_open(paths[i], &files[i]));
        r->total += files[i].size;
    }
    for (size_t i = 0; i < n; i++) {
        char sha256[SWG_SHA256_TEXT];
        swg_sha256_text(files[i].data, files[i].size, sha256);
        swg_strbuf_puts(hashes, sha256);
        const swg_status status = add_file(r, &files[i], documents);
        if (status != SWG_OK)
            return swg_error_context(status, "%s", paths[i]);
    }
    return swg_strbuf_status(hashes);
}

swg_status swg_training_text_read(const swg_tokenizer *tokenizer, const char *const *paths,
                                  size_t n_paths, bool documents, size_t window,
                                  const swg_progress *progress, swg_training_text *out)
{
    swg_status status = SWG_OK;
    swg_map *files = NULL;
    swg_strbuf hashes = {0};
    swg_training_text text = {.window = window};
    reading r = {.tokenizer = tokenizer, .progress = progress, .ids = &text.ids};
    SWG_GO(SWG_NEW(files, n_paths));
    SWG_GO(add_files(&r, paths, files, n_paths, documents, &hashes));
    text.n_windows = text.ids.count / window;
    if (text.n_windows == 0)
        SWG_GO(
            swg_error(SWG_FAILED,
                      "the text has %zu token%s, less than one window of %zu: give a longer text "
                      "or a smaller --window",
                      text.ids.count, text.ids.count == 1 ? "" : "s", window));
    swg_sha256_text(hashes.text, hashes.length, text.sha256);
    *out = text;
    text = (swg_training_text){0};
done:
    for (size_t i = 0; files && i < n_paths; i++)
        swg_map_close(&files[i]);
    swg_free(files);
    swg_strbuf_deinit(&hashes);
    swg_training_text_deinit(&text);
    return status;
}

void swg_training_text_deinit(swg_training_text *text)
{
    swg_ids_deinit(&text->ids);
    *text = (swg_training_text){0};
}
