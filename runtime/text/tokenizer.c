/* Making tokenizers and asking about them: see tokenizer.h. The reader of the first row of
 * text_sources.def whose files are there does the work; what tokenizer_config.json and config.json
 * add - which ids begin and end a text - is put on top here. */
#include "runtime/text/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/text/tokenizer_parts.h"

static const struct text_source {
    const char *first, *second;
    swg_tokenizer_reader *read;
} text_sources[] = {
#define SWG_TEXT_SOURCE(first, second, reader) {first, second, reader},
#include "runtime/text/text_sources.def"
#undef SWG_TEXT_SOURCE
};
enum {
    N_TEXT_SOURCES = sizeof text_sources / sizeof *text_sources,
    MAX_FILES = 2 * N_TEXT_SOURCES + 2,
    MAX_TOKENIZER_BYTES = 1 << 30
};
static const char settings_name[] = "tokenizer_config.json";

const swg_file_view *swg_text_file(const swg_text_files *files, const char *name)
{
    for (size_t i = 0; i < files->n_files; i++)
        if (strcmp(files->files[i].name, name) == 0)
            return &files->files[i];
    return NULL;
}

static swg_status too_many_steps(void)
{
    return swg_error(SWG_UNSUPPORTED, "tokenizer.json: more than %d steps of one kind",
                     SWG_TEXT_STEPS);
}

swg_status swg_tokenizer_add_normalizer(swg_tokenizer *tokenizer, swg_normalize_run *run,
                                        const void *data)
{
    if (tokenizer->n_normalizers == SWG_TEXT_STEPS)
        return too_many_steps();
    tokenizer->normalizers[tokenizer->n_normalizers++] = (swg_normalize_step){run, data};
    return SWG_OK;
}

swg_status swg_tokenizer_add_split(swg_tokenizer *tokenizer, swg_split_run *run, const void *data)
{
    if (tokenizer->n_splits == SWG_TEXT_STEPS)
        return too_many_steps();
    tokenizer->splits[tokenizer->n_splits++] = (swg_split_step){run, data};
    return SWG_OK;
}

swg_status swg_tokenizer_add_decoder(swg_tokenizer *tokenizer, swg_decode_run *run,
                                     const void *data)
{
    if (tokenizer->n_decoders == SWG_TEXT_STEPS)
        return too_many_steps();
    tokenizer->decoders[tokenizer->n_decoders++] = (swg_decode_step){run, data};
    return SWG_OK;
}

int swg_byte_token_value(const char *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        const char c = text[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

void swg_byte_tokens(const swg_vocab *vocab, int32_t out[256])
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        out[byte] = swg_vocab_find(vocab, name, 6);
    }
}

/* --- What the configurations add -------------------------------------------------------------- */

static void add_end(swg_tokenizer *tokenizer, int64_t id)
{
    if (id >= 0 && (uint64_t)id < tokenizer->vocab.n_ids && tokenizer->n_ends < SWG_END_IDS)
        tokenizer->ends[tokenizer->n_ends++] = (int32_t)id;
}

/* Ids from config.json, where the tokenizer's own files name none. */
static void apply_config(swg_tokenizer *tokenizer, const swg_json *config)
{
    int64_t id;
    if (tokenizer->bos < 0 && swg_json_as_int(swg_json_get(config, "bos_token_id"), &id) &&
        id >= 0 && (uint64_t)id < tokenizer->vocab.n_ids)
        tokenizer->bos = (int32_t)id;
    const swg_json *eos = swg_json_get(config, "eos_token_id");
    if (swg_json_as_int(eos, &id))
        add_end(tokenizer, id);
    else if (eos && swg_json_kind_of(eos) == SWG_JSON_ARRAY)
        for (const swg_json *item = swg_json_first(eos); item; item = swg_json_next(item))
            if (swg_json_as_int(item, &id))
                add_end(tokenizer, id);
    if (tokenizer->eos < 0 && tokenizer->n_ends > 0)
        tokenizer->eos = tokenizer->ends[0];
}

/* "bos_token": "<s>" or {"content": "<s>", ...} or null. */
static swg_status named_token(const swg_tokenizer *tokenizer, const swg_json *settings,
                              const char *key, int32_t *id)
{
    const swg_json *value = swg_json_get(settings, key);
    const char *text;
    if (value && swg_json_kind_of(value) == SWG_JSON_OBJECT)
        value = swg_json_get(value, "content");
    if (!swg_json_as_string(value, &text))
        return SWG_OK;
    const int32_t found = swg_tokenizer_find(tokenizer, text, strlen(text));
    if (found < 0)
        return swg_error(SWG_CORRUPT, "%s: %s is \"%s\", which is not a token of the vocabulary",
                         settings_name, key, text);
    *id = found;
    return SWG_OK;
}

/* add_bos_token: true puts BOS in front where the post-processor does not, false takes it away. */
static void apply_add_bos(swg_tokenizer *tokenizer, bool add_bos)
{
    const bool has_bos = swg_tokenizer_adds_bos(tokenizer);
    const size_t kept = has_bos ? tokenizer->n_before - 1 : tokenizer->n_before;
    if (tokenizer->bos < 0 || add_bos == has_bos || (add_bos && kept == SWG_SPECIAL_IDS))
        return;
    memmove(tokenizer->before + (add_bos ? 1 : 0), tokenizer->before + (has_bos ? 1 : 0),
            kept * sizeof *tokenizer->before);
    if (add_bos)
        tokenizer->before[0] = tokenizer->bos;
    tokenizer->n_before = add_bos ? kept + 1 : kept;
}

/* add_eos_token: the same after a text. */
static void apply_add_eos(swg_tokenizer *tokenizer, bool add_eos)
{
    const size_t n = tokenizer->n_after;
    const bool has_eos = n > 0 && tokenizer->after[n - 1] == tokenizer->eos;
    if (tokenizer->eos < 0 || add_eos == has_eos || (add_eos && n == SWG_SPECIAL_IDS))
        return;
    if (add_eos)
        tokenizer->after[n] = tokenizer->eos;
    tokenizer->n_after = add_eos ? n + 1 : n - 1;
}

static swg_status apply_settings(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *file = swg_text_file(files, settings_name);
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    bool add_bos, add_eos;
    if (file) {
        SWG_GO(swg_json_parse(file->data, file->length, settings_name, &doc));
        const swg_json *settings = swg_json_root(doc);
        SWG_GO(named_token(tokenizer, settings, "bos_token", &tokenizer->bos));
        SWG_GO(named_token(tokenizer, settings, "eos_token", &tokenizer->eos));
    }
    add_end(tokenizer, tokenizer->eos);
    apply_config(tokenizer, files->config);
    if (tokenizer->bos < 0 && tokenizer->n_before > 0)
        tokenizer->bos = tokenizer->before[0]; /* what every text begins with */
    if (doc && swg_json_as_bool(swg_json_get(swg_json_root(doc), "add_bos_token"), &add_bos))
        apply_add_bos(tokenizer, add_bos);
    if (doc && swg_json_as_bool(swg_json_get(swg_json_root(doc), "add_eos_token"), &add_eos))
        apply_add_eos(tokenizer, add_eos);
done:
    swg_json_free(&doc);
    return status;
}

/* --- Making ----------------------------------------------------------------------------------- */

static swg_status read_tokenizer(const swg_text_files *files, swg_tokenizer **out)
{
    swg_status status = SWG_FAILED;
    swg_tokenizer *tokenizer = NULL;
    swg_tokenizer_reader *read = NULL;
    for (size_t i = 0; i < N_TEXT_SOURCES && !read; i++)
        if (swg_text_file(files, text_sources[i].first) &&
            (!text_sources[i].second || swg_text_file(files, text_sources[i].second)))
            read = text_sources[i].read;
    if (!read)
        return swg_error(SWG_FAILED, "there is no tokenizer: none of its usual files was found");
    SWG_GO(SWG_NEW(tokenizer, 1));
    tokenizer->bos = tokenizer->eos = -1;
    SWG_GO(read(tokenizer, files));
    SWG_GO(apply_settings(tokenizer, files));
    *out = tokenizer;
    tokenizer = NULL;
done:
    swg_tokenizer_free(&tokenizer);
    return status;
}

swg_status swg_tokenizer_from_files(const swg_file_view *files, size_t n_files, const char *config,
                                    swg_tokenizer **out)
{
    swg_json_doc *doc = NULL;
    if (config)
        SWG_TRY(swg_json_parse(config, strlen(config), "config.json", &doc));
    const swg_text_files all = {files, n_files, doc ? swg_json_root(doc) : NULL};
    const swg_status status = read_tokenizer(&all, out);
    swg_json_free(&doc);
    return status;
}

swg_status swg_tokenizer_from_source(swg_source *source, swg_tokenizer **out)
{
    swg_file_view *files = NULL;
    swg_status status;
    const size_t n_files = swg_source_n_files(source);
    size_t config_length;
    SWG_GO(SWG_NEW(files, n_files));
    for (size_t i = 0; i < n_files; i++)
        SWG_GO(swg_source_file(source, i, &files[i]));
    SWG_GO(
        swg_tokenizer_from_files(files, n_files, swg_source_config(source, &config_length), out));
done:
    if (status != SWG_OK)
        swg_error_context(status, "%s", swg_source_path(source));
    swg_free(files);
    return status;
}

/* Read "folder/name" into the next view, if it is there. */
static swg_status load_file(const char *folder, const char *name, swg_file_view *views, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(views[i].name, name) == 0)
            return SWG_OK;
    char *path = swg_path_join(folder, name), *data = NULL;
    swg_status status = path ? SWG_OK : SWG_NO_MEMORY;
    size_t length;
    if (path && swg_path_exists(path)) {
        status = swg_file_read(path, MAX_TOKENIZER_BYTES, &data, &length);
        if (status == SWG_OK)
            views[(*n)++] = (swg_file_view){name, data, length};
    }
    swg_free(path);
    return status;
}

static swg_status load_folder(const char *folder, swg_file_view *views, size_t *n)
{
    for (size_t i = 0; i < N_TEXT_SOURCES; i++) {
        SWG_TRY(load_file(folder, text_sources[i].first, views, n));
        if (text_sources[i].second)
            SWG_TRY(load_file(folder, text_sources[i].second, views, n));
    }
    SWG_TRY(load_file(folder, settings_name, views, n));
    return load_file(folder, "config.json", views, n);
}

static swg_status load_single(const char *path, swg_file_view *view)
{
    char *data = NULL;
    size_t length;
    SWG_TRY(swg_file_read(path, MAX_TOKENIZER_BYTES, &data, &length));
    *view = (swg_file_view){swg_tokenizer_file_name(data, length), data, length};
    return SWG_OK;
}

swg_status swg_tokenizer_from_path(const char *path, swg_tokenizer **out)
{
    swg_file_view views[MAX_FILES];
    size_t n = 0;
    swg_status status;
    if (swg_path_is_directory(path)) {
        SWG_GO(load_folder(path, views, &n));
    } else {
        SWG_GO(load_single(path, views));
        n = 1;
    }
    const swg_file_view *config =
        swg_text_file(&(swg_text_files){.files = views, .n_files = n}, "config.json");
    SWG_GO(swg_tokenizer_from_files(views, n, config ? config->data : NULL, out));
done:
    if (status != SWG_OK)
        swg_error_context(status, "%s", path);
    for (size_t i = 0; i < n; i++)
        swg_free((char *)(uintptr_t)views[i].data);
    return status;
}

void swg_tokenizer_free(swg_tokenizer **tokenizer)
{
    if (!*tokenizer)
        return;
    swg_regex_free_list(&(*tokenizer)->patterns);
    swg_arena_deinit(&(*tokenizer)->arena);
    SWG_FREE(*tokenizer);
}

/* --- Facts ------------------------------------------------------------------------------------ */

size_t swg_tokenizer_vocab_size(const swg_tokenizer *tokenizer)
{
    return tokenizer->vocab.n_ids;
}

int32_t swg_tokenizer_bos(const swg_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t swg_tokenizer_eos(const swg_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

bool swg_tokenizer_is_end(const swg_tokenizer *tokenizer, int32_t id)
{
    for (size_t i = 0; i < tokenizer->n_ends; i++)
        if (tokenizer->ends[i] == id)
            return true;
    return false;
}

bool swg_tokenizer_adds_bos(const swg_tokenizer *tokenizer)
{
    return tokenizer->bos >= 0 && tokenizer->n_before > 0 && tokenizer->before[0] == tokenizer->bos;
}

bool swg_tokenizer_is_special(const swg_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && (size_t)id < tokenizer->vocab.n_ids && tokenizer->is_special[id];
}

const char *swg_tokenizer_token(const swg_tokenizer *tokenizer, int32_t id, size_t *length)
{
    return swg_vocab_text(&tokenizer->vocab, id, length);
}

int32_t swg_tokenizer_find(const swg_tokenizer *tokenizer, const char *text, size_t length)
{
    return swg_vocab_find(&tokenizer->vocab, text, length);
}
