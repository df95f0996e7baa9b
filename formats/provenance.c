/* The history of checkpoints. See provenance.h. */
#include "formats/provenance.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json.h"
#include "formats/reader.h"
#include "runtime/base/hash.h"
#include "runtime/base/utf8.h"

/* --- Hashes of the inputs --------------------------------------------------------------------- */

typedef struct input_hash {
    const char *path; /* the source's */
    bool is_directory_hash;
    uint64_t bytes; /* of the file; 0 with a directory's hash */
    char text[SWG_HASH128_TEXT];
} input_hash;

struct swg_input_hashes {
    swg_source *source;
    input_hash *files; /* in the order of their paths */
    size_t n_files;
    pthread_t thread;
    bool is_running; /* the thread is there and was not waited for */
    bool is_done;
    bool is_unwanted; /* set by another thread: stop */
    swg_status status;
    char message[1024]; /* of a failure, carried over from the thread */
};

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const input_hash *)a)->path, ((const input_hash *)b)->path);
}

/* One entry per file: a file may have been read for several purposes. */
static swg_status list_inputs(swg_input_hashes *hashes)
{
    const swg_source *source = hashes->source;
    SWG_TRY(SWG_NEW(hashes->files, source->n_inputs));
    for (size_t i = 0; i < source->n_inputs; i++)
        hashes->files[i].path = source->inputs[i];
    qsort(hashes->files, source->n_inputs, sizeof *hashes->files, compare_paths);
    for (size_t i = 0; i < source->n_inputs; i++)
        if (hashes->n_files == 0 ||
            strcmp(hashes->files[i].path, hashes->files[hashes->n_files - 1].path) != 0)
            hashes->files[hashes->n_files++] = hashes->files[i];
    for (size_t i = 0; i < hashes->n_files; i++)
        hashes->files[i].is_directory_hash =
            source->reader->fingerprint && strcmp(hashes->files[i].path, source->path) == 0;
    return SWG_OK;
}

static swg_status hash_file(const swg_input_hashes *hashes, input_hash *file)
{
    static const size_t piece = (size_t)8 << 20; /* what is in memory at a time */
    swg_map map = {0};
    swg_status status = SWG_OK;
    swg_hash_stream *stream = swg_hash_stream_new();
    SWG_GO(stream ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_source_map(hashes->source, file->path, &map));
    file->bytes = map.size;
    for (size_t at = 0; at < map.size; at += piece) {
        const size_t bytes = map.size - at < piece ? map.size - at : piece;
        if (swg_is_interrupted() || __atomic_load_n(&hashes->is_unwanted, __ATOMIC_RELAXED))
            SWG_GO(swg_error(SWG_INTERRUPTED, "interrupted while hashing %s", file->path));
        swg_hash_stream_add(stream, map.data + at, bytes);
        swg_map_release(&map, at, bytes);
    }
    swg_hash_stream_text(&stream, file->text);
done:
    swg_map_close(&map);
    swg_hash_stream_free(&stream);
    return status;
}

static swg_status hash_all(swg_input_hashes *hashes)
{
    for (size_t i = 0; i < hashes->n_files; i++) {
        input_hash *file = &hashes->files[i];
        SWG_TRY(file->is_directory_hash
                    ? hashes->source->reader->fingerprint(hashes->source, file->text)
                    : hash_file(hashes, file));
    }
    return SWG_OK;
}

static void *hash_in_background(void *context)
{
    swg_input_hashes *hashes = context;
    hashes->status = hash_all(hashes);
    if (hashes->status != SWG_OK)
        snprintf(hashes->message, sizeof hashes->message, "%s", swg_error_message());
    return NULL;
}

swg_status swg_input_hashes_start(swg_source *source, size_t n_threads, swg_input_hashes **out)
{
    swg_input_hashes *hashes;
    SWG_TRY(SWG_NEW(hashes, 1));
    hashes->source = source;
    const swg_status status = list_inputs(hashes);
    if (status != SWG_OK) {
        swg_input_hashes_free(&hashes);
        return status;
    }
    /* Without a thread the caller hashes when it asks. */
    hashes->is_running =
        n_threads != 1 && pthread_create(&hashes->thread, NULL, hash_in_background, hashes) == 0;
    *out = hashes;
    return SWG_OK;
}

void swg_input_hashes_free(swg_input_hashes **hashes)
{
    swg_input_hashes *h = *hashes;
    if (!h)
        return;
    __atomic_store_n(&h->is_unwanted, true, __ATOMIC_RELAXED);
    if (h->is_running)
        pthread_join(h->thread, NULL);
    swg_free(h->files);
    SWG_FREE(*hashes);
}

static swg_status wait_for(swg_input_hashes *hashes)
{
    if (hashes->is_running) {
        pthread_join(hashes->thread, NULL);
        hashes->is_running = false;
        hashes->is_done = true;
        if (hashes->status != SWG_OK)
            return swg_error(hashes->status, "%s", hashes->message);
    }
    if (!hashes->is_done)
        SWG_TRY(hash_all(hashes));
    hashes->is_done = true;
    return hashes->status;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Files of a folder by their names; the one that the user named has none of its own. */
static void write_inputs(const swg_input_hashes *hashes, swg_json_writer *json)
{
    const swg_source *source = hashes->source;
    swg_json_begin_object(json, "input");
    swg_json_string(json, "format", swg_source_format(source));
    swg_json_begin_array(json, "files");
    for (size_t i = 0; i < hashes->n_files; i++) {
        const input_hash *file = &hashes->files[i];
        swg_json_begin_object(json, NULL);
        if (strcmp(file->path, source->path) != 0)
            swg_json_string(json, "name", swg_path_basename(file->path));
        if (!file->is_directory_hash)
            swg_json_uint(json, "bytes", file->bytes);
        swg_json_string(json, file->is_directory_hash ? "directory_xxh3_128" : "xxh3_128",
                        file->text);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
    swg_json_end_object(json);
}

swg_status swg_input_hashes_write(swg_input_hashes *hashes, swg_json_writer *json)
{
    SWG_TRY(wait_for(hashes));
    write_inputs(hashes, json);
    return SWG_OK;
}

swg_status swg_provenance_add(swg_source *source, const swg_step *step, swg_input_hashes *hashes,
                              char **out)
{
    swg_json_writer json = {.compact = true};
    swg_input_hashes *unknown = NULL;
    swg_status status = SWG_OK;
    if (hashes) {
        SWG_GO(wait_for(hashes));
    } else {
        SWG_GO(SWG_NEW(unknown, 1));
        unknown->source = source;
        SWG_GO(list_inputs(unknown));
        for (size_t i = 0; i < unknown->n_files; i++)
            memset(unknown->files[i].text, '0', SWG_HASH128_TEXT - 1);
    }
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "command", step->command);
    swg_json_string(&json, "tool", "swage");
    swg_json_string(&json, "version", SWAGE_VERSION);
    if (step->options)
        swg_json_raw(&json, "options", step->options, strlen(step->options));
    if (step->recipe)
        swg_json_raw(&json, "recipe", step->recipe, strlen(step->recipe));
    write_inputs(hashes ? hashes : unknown, &json);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(swg_provenance_append(source, swg_strbuf_text(&json.out), out));
done:
    swg_input_hashes_free(&unknown);
    swg_json_deinit(&json);
    return status;
}

static swg_status parse_history(const swg_source *source, swg_json_doc **out)
{
    SWG_TRY(swg_json_parse(source->provenance, strlen(source->provenance), "provenance", out));
    if (swg_json_kind_of(swg_json_root(*out)) == SWG_JSON_ARRAY)
        return SWG_OK;
    swg_json_free(out);
    return swg_error(SWG_CORRUPT, "%s: the provenance is not an array", source->path);
}

swg_status swg_provenance_append(const swg_source *source, const char *entry, char **out)
{
    swg_status status = SWG_OK;
    swg_json_doc *old = NULL;
    swg_strbuf text = {0};
    SWG_GO(parse_history(source, &old));
    SWG_GO(swg_json_require(entry, strlen(entry), "provenance entry", SWG_JSON_OBJECT));
    /* The old text up to its closing bracket stays as it is. */
    const char *const closing = strrchr(source->provenance, ']');
    swg_strbuf_append(&text, source->provenance, (size_t)(closing - source->provenance));
    swg_strbuf_puts(&text, swg_json_count(swg_json_root(old)) ? "," : "");
    swg_strbuf_puts(&text, entry);
    swg_strbuf_puts(&text, "]");
    SWG_GO(swg_strbuf_status(&text));
    *out = swg_strdup(swg_strbuf_text(&text));
    SWG_GO(*out ? SWG_OK : SWG_NO_MEMORY);
done:
    swg_strbuf_deinit(&text);
    swg_json_free(&old);
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Deeper than any recipe; a history may hold anything. */
enum { MAX_DEPTH = 16 };

static bool is_shallow(const swg_json *value, int depth)
{
    const swg_json_kind kind = swg_json_kind_of(value);
    if (kind != SWG_JSON_ARRAY && kind != SWG_JSON_OBJECT)
        return true;
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item))
        if (depth == MAX_DEPTH || !is_shallow(item, depth + 1))
            return false;
    return true;
}

static void copy_value(const swg_json *value, swg_json_writer *json, const char *key)
{
    const swg_json_kind kind = swg_json_kind_of(value);
    const char *text = "";
    int64_t whole = 0;
    double number = 0;
    bool flag = false;
    if (kind == SWG_JSON_ARRAY || kind == SWG_JSON_OBJECT) {
        const bool is_array = kind == SWG_JSON_ARRAY;
        is_array ? swg_json_begin_array(json, key) : swg_json_begin_object(json, key);
        for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item))
            copy_value(item, json, swg_json_key(item));
        is_array ? swg_json_end_array(json) : swg_json_end_object(json);
    } else if (swg_json_as_string(value, &text)) {
        swg_json_string(json, key, text);
    } else if (swg_json_as_int(value, &whole)) {
        swg_json_int(json, key, whole);
    } else if (swg_json_as_double(value, &number)) {
        swg_json_double(json, key, number);
    } else if (swg_json_as_bool(value, &flag)) {
        swg_json_bool(json, key, flag);
    } else {
        swg_json_null(json, key);
    }
}

/* The recipe of a step; NULL when it has none, or one without a version. */
static const swg_json *recipe_of(const swg_json *step)
{
    const swg_json *recipe = swg_json_get(step, "recipe");
    int64_t version;
    return swg_json_as_int(swg_json_get(recipe, "recipe"), &version) && is_shallow(recipe, 0)
               ? recipe
               : NULL;
}

swg_status swg_provenance_write_recipe(const swg_source *source, swg_json_writer *json,
                                       const char *key, bool *found)
{
    swg_json_doc *doc = NULL;
    const swg_json *newest = NULL;
    SWG_TRY(parse_history(source, &doc));
    for (const swg_json *step = swg_json_first(swg_json_root(doc)); step;
         step = swg_json_next(step)) {
        const swg_json *recipe = recipe_of(step);
        newest = recipe ? recipe : newest;
    }
    if (newest)
        copy_value(newest, json, key);
    *found = newest != NULL;
    swg_json_free(&doc);
    return SWG_OK;
}

/* A printable string member, or `fallback`. */
static const char *text_of(const swg_json *object, const char *key, const char *fallback)
{
    const char *text;
    return swg_json_as_string(swg_json_get(object, key), &text) &&
                   swg_name_is_printable(text, strlen(text))
               ? text
               : fallback;
}

swg_status swg_provenance_describe(const swg_source *source, swg_strbuf *out)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(parse_history(source, &doc));
    for (const swg_json *step = swg_json_first(swg_json_root(doc)); step;
         step = swg_json_next(step)) {
        const char *format = text_of(swg_json_get(step, "input"), "format", NULL);
        swg_strbuf_printf(out, "  %s by %s %s%s%s\n",
                          text_of(step, "command", text_of(step, "step", "an unknown step")),
                          text_of(step, "tool", "an unknown tool"), text_of(step, "version", ""),
                          format ? ", from " : "", format ? format : "");
    }
    swg_json_free(&doc);
    return SWG_OK;
}
