/* Making tokenizers and asking about them: see tokenizer.h. The reader of the first row of
 * text_sources.def whose files are there does the work; what the files beside the vocabulary add is
 * put on top by settings.c. */
#include "runtime/text/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/folder.h"
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
    N_SIDE_FILES = 5,
    MAX_FILES = 2 * N_TEXT_SOURCES + N_SIDE_FILES,
    MAX_TOKENIZER_BYTES = 1 << 30
};
static const char *const side_files[N_SIDE_FILES] = {"tokenizer_config.json",
                                                     "special_tokens_map.json", "added_tokens.json",
                                                     "generation_config.json", "config.json"};

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
    tokenizer->normalizers[tokenizer->n_normalizers++] =
        (swg_normalize_step){.run = run, .data = data};
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

/* --- Making ----------------------------------------------------------------------------------- */

/* The object that a file beside the vocabulary holds, or NULL where there is no such file. */
static swg_status parse_side_file(const swg_text_files *files, const char *name, swg_json_doc **doc,
                                  const swg_json **out)
{
    const swg_file_view *file = swg_text_file(files, name);
    if (!file)
        return SWG_OK;
    SWG_TRY(swg_json_parse(file->data, file->length, name, doc));
    *out = swg_json_root(*doc);
    return SWG_OK;
}

static swg_status build_tokenizer(const swg_text_files *files, swg_tokenizer **out)
{
    swg_status status = SWG_FAILED;
    swg_tokenizer *tokenizer = NULL;
    const struct text_source *source = NULL;
    for (size_t i = 0; i < N_TEXT_SOURCES && !source; i++)
        if (swg_text_file(files, text_sources[i].first) &&
            (!text_sources[i].second || swg_text_file(files, text_sources[i].second)))
            source = &text_sources[i];
    if (!source)
        return swg_error(SWG_FAILED, "there is no tokenizer: none of its usual files was found; "
                                     "put one beside the weights or name it with --tokenizer");
    SWG_GO(SWG_NEW(tokenizer, 1));
    tokenizer->bos = tokenizer->eos = -1;
    tokenizer->file = source->first;
    swg_work_begin(&tokenizer->work, source->first, swg_text_file(files, source->first)->length);
    SWG_GO(source->read(tokenizer, files));
    SWG_GO(swg_tokenizer_apply_settings(tokenizer, files));
    *out = tokenizer;
    tokenizer = NULL;
done:
    swg_tokenizer_free(&tokenizer);
    return status;
}

static swg_status read_tokenizer(swg_text_files *files, swg_tokenizer **out)
{
    swg_json_doc *settings = NULL, *special = NULL, *added = NULL, *generation = NULL;
    swg_status status;
    SWG_GO(parse_side_file(files, side_files[0], &settings, &files->settings));
    SWG_GO(parse_side_file(files, side_files[1], &special, &files->special));
    SWG_GO(parse_side_file(files, side_files[2], &added, &files->added));
    SWG_GO(parse_side_file(files, side_files[3], &generation, &files->generation));
    SWG_GO(build_tokenizer(files, out));
done:
    swg_json_free(&generation);
    swg_json_free(&settings);
    swg_json_free(&special);
    swg_json_free(&added);
    return status;
}

swg_status swg_tokenizer_from_files(const swg_file_view *files, size_t n_files, const char *config,
                                    swg_tokenizer **out)
{
    swg_json_doc *doc = NULL;
    if (config)
        SWG_TRY(swg_json_parse(config, strlen(config), "config.json", &doc));
    swg_text_files all = {
        .files = files, .n_files = n_files, .config = doc ? swg_json_root(doc) : NULL};
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
    bool is_there = false;
    swg_status status = path ? swg_path_find(path, &is_there) : SWG_NO_MEMORY;
    size_t length;
    if (status == SWG_OK && is_there) {
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
    for (size_t i = 0; i < N_SIDE_FILES; i++)
        SWG_TRY(load_file(folder, side_files[i], views, n));
    return SWG_OK;
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

/* How many of the ids from `limit` on are added tokens or unused. */
static size_t count_added(const swg_tokenizer *tokenizer, size_t limit)
{
    const swg_added_set *const sets[] = {&tokenizer->raw_tokens, &tokenizer->normalized_tokens};
    size_t n = 0, length;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        for (size_t k = 0; k < sets[i]->count; k++)
            n += (size_t)sets[i]->tokens[k].id >= limit;
    for (size_t id = limit; id < tokenizer->vocab.n_ids; id++)
        n += swg_vocab_text(&tokenizer->vocab, (int64_t)id, &length) == NULL;
    return n;
}

swg_status swg_tokenizer_limit_ids(swg_tokenizer *tokenizer, size_t n_ids)
{
    const size_t have = tokenizer->vocab.n_ids;
    if (have > n_ids && (count_added(tokenizer, n_ids) < have - n_ids ||
                         (tokenizer->bos >= 0 && (size_t)tokenizer->bos >= n_ids) ||
                         (tokenizer->eos >= 0 && (size_t)tokenizer->eos >= n_ids)))
        return swg_error(SWG_CORRUPT, "the tokenizer has %zu ids, the model's vocabulary %zu", have,
                         n_ids);
    tokenizer->id_limit = n_ids;
    return SWG_OK;
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
