/* Files of statistics; see stats_file.h. */
#include "runtime/stats_file.h"

#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/json_writer.h"

enum {
    SUPERBLOCK_BYTES = 64,
    DIRECTORY_OFFSET = 8, /* u64 */
    DIRECTORY_BYTES = 16, /* u64 */
    DIRECTORY_HASH = 24,  /* u64 */
    SUPERBLOCK_HASH = 56  /* u64, of the bytes before */
};
/* The digit is the version of this layout. */
static const char magic[9] = "swgstat1";

/* Bytes read between two releases of the mapped pages. */
static const size_t piece_bytes = (size_t)8 << 20;

/* Bytes of an input of k columns; false when they do not fit a size. */
static bool input_bytes(uint64_t k, uint64_t *out)
{
    uint64_t triangle;
    if (k == 0 || k > UINT32_MAX || !swg_u64_mul(k, k + 1, &triangle))
        return false;
    return swg_u64_add(triangle / 2 * sizeof(float), k * 2 * sizeof(double), out);
}

/* --- Writing ---------------------------------------------------------------------------------- */

struct swg_stats_writer {
    swg_file_writer *file;
    swg_json_writer directory;
};

swg_status swg_stats_writer_new(const char *path, const char *key, swg_stats_writer **out)
{
    static const char superblock[SUPERBLOCK_BYTES]; /* known at the end */
    swg_status status = SWG_OK;
    swg_stats_writer *w = NULL;
    SWG_GO(SWG_NEW(w, 1));
    SWG_GO(swg_file_create(path, true, 0, &w->file));
    SWG_GO(swg_file_append(w->file, superblock, sizeof superblock));
    w->directory.compact = true;
    swg_json_begin_object(&w->directory, NULL);
    swg_json_raw(&w->directory, "key", key, strlen(key));
    swg_json_begin_array(&w->directory, "inputs");
    *out = w;
    w = NULL;
done:
    swg_stats_writer_abort(&w);
    return status;
}

/* Append bytes that the hash covers. */
static swg_status put(swg_stats_writer *w, swg_hash_stream *hash, const void *data, size_t bytes)
{
    swg_hash_stream_add(hash, data, bytes);
    return swg_file_append(w->file, data, bytes);
}

static swg_status put_values(swg_stats_writer *w, swg_hash_stream *hash,
                             const swg_layer_stats *stats)
{
    const size_t k = stats->k;
    SWG_TRY(put(w, hash, stats->mean_abs, k * sizeof *stats->mean_abs));
    SWG_TRY(put(w, hash, stats->mean_square, k * sizeof *stats->mean_square));
    for (size_t i = 0; i < k; i++)
        SWG_TRY(put(w, hash, stats->hessian + i * k, (i + 1) * sizeof(float)));
    return SWG_OK;
}

swg_status swg_stats_writer_add(swg_stats_writer *w, const swg_layer_stats *stats, size_t layer,
                                const char *const *tensors, size_t n_tensors)
{
    char text[SWG_HASH128_TEXT];
    const uint64_t offset = swg_file_tell(w->file);
    swg_hash_stream *hash = swg_hash_stream_new();
    if (!hash)
        return SWG_NO_MEMORY;
    const swg_status status = put_values(w, hash, stats);
    swg_hash_stream_text(&hash, text);
    SWG_TRY(status);
    swg_json_begin_object(&w->directory, NULL);
    swg_json_begin_array(&w->directory, "tensors");
    for (size_t i = 0; i < n_tensors; i++)
        swg_json_string(&w->directory, NULL, tensors[i]);
    swg_json_end_array(&w->directory);
    swg_json_uint(&w->directory, "layer", layer);
    swg_json_uint(&w->directory, "columns", stats->k);
    swg_json_uint(&w->directory, "tokens", stats->n_tokens);
    swg_json_uint(&w->directory, "offset", offset);
    swg_json_string(&w->directory, "xxh3_128", text);
    swg_json_end_object(&w->directory);
    return swg_strbuf_status(&w->directory.out);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static swg_status finish(swg_stats_writer *w)
{
    uint8_t superblock[SUPERBLOCK_BYTES] = {0};
    swg_json_end_array(&w->directory);
    swg_json_end_object(&w->directory);
    SWG_TRY(swg_strbuf_status(&w->directory.out));
    const char *text = w->directory.out.text;
    const size_t length = w->directory.out.length;
    memcpy(superblock, magic, sizeof magic - 1);
    put_u64(superblock + DIRECTORY_OFFSET, swg_file_tell(w->file));
    put_u64(superblock + DIRECTORY_BYTES, length);
    put_u64(superblock + DIRECTORY_HASH, swg_hash64(text, length));
    put_u64(superblock + SUPERBLOCK_HASH, swg_hash64(superblock, SUPERBLOCK_HASH));
    SWG_TRY(swg_file_append(w->file, text, length));
    SWG_TRY(swg_file_write_at(w->file, 0, superblock, sizeof superblock));
    return swg_file_commit(&w->file);
}

swg_status swg_stats_writer_commit(swg_stats_writer **writer)
{
    const swg_status status = finish(*writer);
    swg_stats_writer_abort(writer);
    return status;
}

void swg_stats_writer_abort(swg_stats_writer **writer)
{
    swg_stats_writer *w = *writer;
    if (!w)
        return;
    swg_file_abort(&w->file);
    swg_json_deinit(&w->directory);
    SWG_FREE(*writer);
}

/* --- The directory ---------------------------------------------------------------------------- */

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* The directory's bytes, checked against their hash. */
static swg_status find_directory(const swg_stats_file *file, const char **text, size_t *length)
{
    const uint8_t *data = file->map.data;
    const size_t size = file->map.size;
    if (size < SUPERBLOCK_BYTES || memcmp(data, magic, sizeof magic - 1) != 0)
        return swg_error(SWG_CORRUPT, "%s is not a file of statistics of this version", file->path);
    if (get_u64(data + SUPERBLOCK_HASH) != swg_hash64(data, SUPERBLOCK_HASH))
        return swg_error(SWG_CORRUPT, "%s: the superblock does not match its hash", file->path);
    const uint64_t offset = get_u64(data + DIRECTORY_OFFSET);
    const uint64_t bytes = get_u64(data + DIRECTORY_BYTES);
    if (offset > size || bytes != size - offset)
        return swg_error(SWG_CORRUPT,
                         "%s: the directory takes %llu bytes from %llu on, and the file has %zu",
                         file->path, (unsigned long long)bytes, (unsigned long long)offset, size);
    if (get_u64(data + DIRECTORY_HASH) != swg_hash64(data + offset, (size_t)bytes))
        return swg_error(SWG_CORRUPT, "%s: the directory does not match its hash", file->path);
    *text = (const char *)data + offset;
    *length = (size_t)bytes;
    return SWG_OK;
}

/* Text of a value as swg_stats_writer wrote it: keys are compared as text. */
static bool has_key(const char *text, size_t length, const char *key)
{
    static const char before[] = "{\"key\":", after[] = ",\"inputs\":[";
    const size_t n = strlen(key), head = sizeof before - 1, tail = sizeof after - 1;
    return length > head + n + tail && memcmp(text, before, head) == 0 &&
           memcmp(text + head, key, n) == 0 && memcmp(text + head + n, after, tail) == 0;
}

static bool as_size(const swg_json *value, uint64_t *out)
{
    int64_t number;
    if (!swg_json_as_int(value, &number) || number < 0)
        return false;
    *out = (uint64_t)number;
    return true;
}

static swg_status take_tensors(swg_stats_file *file, const swg_json *list, swg_stats_input *in)
{
    in->tensors = swg_arena_calloc(&file->arena, swg_json_count(list), sizeof *in->tensors);
    if (!in->tensors)
        return SWG_NO_MEMORY;
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v)) {
        const char *name;
        if (!swg_json_as_string(v, &name))
            return swg_error(SWG_CORRUPT, "%s: a tensor's name is not a string", file->path);
        in->tensors[in->n_tensors] = swg_arena_strndup(&file->arena, name, strlen(name));
        if (!in->tensors[in->n_tensors++])
            return SWG_NO_MEMORY;
    }
    return SWG_OK;
}

static swg_status take_input(swg_stats_file *file, const swg_json *value, swg_stats_input *in)
{
    uint64_t layer, k, bytes, end;
    const char *hash;
    if (!as_size(swg_json_get(value, "layer"), &layer) ||
        !as_size(swg_json_get(value, "columns"), &k) ||
        !as_size(swg_json_get(value, "tokens"), &in->n_tokens) || in->n_tokens == 0 ||
        !as_size(swg_json_get(value, "offset"), &in->offset) ||
        !swg_json_as_string(swg_json_get(value, "xxh3_128"), &hash) || !input_bytes(k, &bytes) ||
        !swg_u64_add(in->offset, bytes, &end) || end > file->map.size)
        return swg_error(SWG_CORRUPT, "%s: the directory lists an input that the file cannot hold",
                         file->path);
    in->layer = (size_t)layer;
    in->k = (size_t)k;
    in->hash = swg_arena_strndup(&file->arena, hash, strlen(hash));
    if (!in->hash)
        return SWG_NO_MEMORY;
    return take_tensors(file, swg_json_get(value, "tensors"), in);
}

static swg_status read_directory(swg_stats_file *file, const char *key)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    const char *text = NULL;
    size_t length = 0;
    SWG_GO(find_directory(file, &text, &length));
    if (!has_key(text, length, key))
        SWG_GO(swg_error(SWG_CORRUPT, "%s was collected of another model or text", file->path));
    SWG_GO(swg_json_parse(text, length, file->path, &doc));
    const swg_json *list = swg_json_get(swg_json_root(doc), "inputs");
    file->inputs = swg_arena_calloc(&file->arena, swg_json_count(list), sizeof *file->inputs);
    SWG_GO(file->inputs ? SWG_OK : SWG_NO_MEMORY);
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v))
        SWG_GO(take_input(file, v, &file->inputs[file->n_inputs++]));
done:
    swg_json_free(&doc);
    return status;
}

swg_status swg_stats_file_open(const char *path, const char *key, swg_stats_file *out)
{
    swg_status status = SWG_OK;
    swg_stats_file file = {0};
    file.path = swg_strdup(path);
    SWG_GO(file.path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_map_open(path, &file.map));
    SWG_GO(read_directory(&file, key));
    *out = file;
    file = (swg_stats_file){0};
done:
    swg_stats_file_close(&file);
    return status;
}

void swg_stats_file_close(swg_stats_file *file)
{
    swg_map_close(&file->map);
    swg_arena_deinit(&file->arena);
    swg_free(file->path);
    *file = (swg_stats_file){0};
}

/* --- One input -------------------------------------------------------------------------------- */

/* Bytes of the file in order, hashed as they are taken; pages are given back on the way. */
typedef struct cursor {
    const swg_map *map;
    size_t at, released;
    swg_hash_stream *hash;
} cursor;

static void take(cursor *c, void *out, size_t bytes)
{
    memcpy(out, c->map->data + c->at, bytes);
    swg_hash_stream_add(c->hash, out, bytes);
    c->at += bytes;
    if (c->at - c->released < piece_bytes)
        return;
    swg_map_release(c->map, c->released, c->at - c->released);
    c->released = c->at;
}

static void take_values(cursor *c, size_t k, const swg_stats_values *values)
{
    take(c, values->mean_abs, k * sizeof *values->mean_abs);
    take(c, values->mean_square, k * sizeof *values->mean_square);
    for (size_t i = 0; i < k; i++) {
        float *row = values->hessian + i * k;
        take(c, row, (i + 1) * sizeof *row);
        for (size_t j = 0; j < i; j++)
            values->hessian[j * k + i] = row[j];
    }
    swg_map_release(c->map, c->released, c->at - c->released);
}

swg_status swg_stats_file_read(const swg_stats_file *file, size_t index, swg_stats_values *out)
{
    const swg_stats_input *in = &file->inputs[index];
    char text[SWG_HASH128_TEXT];
    swg_status status = SWG_OK;
    swg_stats_values values = {0};
    cursor c = {.map = &file->map, .at = (size_t)in->offset, .released = (size_t)in->offset};
    SWG_GO(SWG_NEW_UNINIT(values.mean_abs, in->k));
    SWG_GO(SWG_NEW_UNINIT(values.mean_square, in->k));
    SWG_GO(SWG_NEW_UNINIT(values.hessian, in->k * in->k));
    c.hash = swg_hash_stream_new();
    SWG_GO(c.hash ? SWG_OK : SWG_NO_MEMORY);
    take_values(&c, in->k, &values);
    swg_hash_stream_text(&c.hash, text);
    if (strcmp(text, in->hash) != 0)
        SWG_GO(swg_error(SWG_CORRUPT,
                         "%s: the statistics of the input of %s do not match their "
                         "hash",
                         file->path, in->n_tensors ? in->tensors[0] : "a weight"));
    *out = values;
    values = (swg_stats_values){0};
done:
    swg_hash_stream_free(&c.hash);
    swg_stats_values_deinit(&values);
    return status;
}

void swg_stats_values_deinit(swg_stats_values *values)
{
    SWG_FREE(values->hessian);
    SWG_FREE(values->mean_abs);
    SWG_FREE(values->mean_square);
}
