/* Reading safetensors: one file, or the shards of an index, with the config and tokenizer of their
 * folder. Format: 8 bytes header length, a JSON header, the buffer that the tensors tile without
 * gap or overlap. (https://github.com/huggingface/safetensors, README and tensor.rs.) */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes.h"
#include "formats/conv1d.h"
#include "formats/json.h"
#include "formats/reader.h"
#include "formats/shard_index.h"
#include "runtime/base/header_limit.h"

static const uint64_t max_header_bytes = 100000000; /* the reference's limit */
static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

typedef struct shards {
    swg_map *maps;
    size_t n_maps;
} shards;

static bool is_index_path(const char *path)
{
    static const char ending[] = ".safetensors.index.json";
    const size_t length = strlen(path);
    return length >= sizeof ending - 1 && strcmp(path + length - (sizeof ending - 1), ending) == 0;
}

static bool claims(const swg_probe *probe)
{
    if (probe->is_directory)
        return swg_folder_has(probe->path, single_name) || swg_folder_has(probe->path, index_name);
    if (is_index_path(probe->path))
        return true;
    /* A length of 2^40 or more is no length; what is merely too long is told so. */
    return probe->head_bytes > 8 && probe->head[8] == '{' && swg_get_le(probe->head + 5, 3) == 0;
}

/* Where the bytes of one tensor are in its shard's buffer. */
typedef struct span {
    uint64_t begin, end;
    const char *name;
} span;

static int compare_spans(const void *a, const void *b)
{
    const span *left = a, *right = b;
    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    return left->end < right->end ? -1 : left->end > right->end;
}

static swg_status check_tiling(const char *path, span *spans, size_t count, uint64_t buffer_bytes)
{
    qsort(spans, count, sizeof *spans, compare_spans);
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].begin != end)
            return swg_error(
                SWG_CORRUPT, "%s: tensor %s starts at byte %llu of the buffer, where %llu is due",
                path, spans[i].name, (unsigned long long)spans[i].begin, (unsigned long long)end);
        end = spans[i].end;
    }
    if (end != buffer_bytes)
        return swg_error(SWG_CORRUPT, "%s: the tensors end at byte %llu of a buffer of %llu bytes",
                         path, (unsigned long long)end, (unsigned long long)buffer_bytes);
    return SWG_OK;
}

static swg_status parse_shape(const char *path, const swg_json *entry, uint32_t *rank,
                              uint64_t shape[SWG_MAX_RANK])
{
    const swg_json *array = swg_json_get(entry, "shape");
    const char *const name = swg_json_key(entry);
    if (!array || swg_json_kind_of(array) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s: tensor %.200s has no shape", path, name);
    const size_t count = swg_json_count(array);
    if (count > SWG_MAX_RANK)
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %.200s has rank %zu; at most %d is supported",
                         path, name, count, SWG_MAX_RANK);
    *rank = (uint32_t)count;
    size_t i = 0;
    for (const swg_json *item = swg_json_first(array); item; item = swg_json_next(item)) {
        int64_t dimension;
        if (!swg_json_as_int(item, &dimension) || dimension < 0)
            return swg_error(SWG_CORRUPT, "%s: a dimension of tensor %.200s is not a count", path,
                             name);
        shape[i++] = (uint64_t)dimension;
    }
    return SWG_OK;
}

static swg_status parse_offsets(const char *path, const swg_json *entry, span *out)
{
    const swg_json *array = swg_json_get(entry, "data_offsets");
    int64_t begin, end;
    if (swg_json_count(array) != 2 || !swg_json_as_int(swg_json_at(array, 0), &begin) ||
        !swg_json_as_int(swg_json_at(array, 1), &end) || begin < 0 || end < begin)
        return swg_error(SWG_CORRUPT, "%s: tensor %.200s has no valid data_offsets", path,
                         swg_json_key(entry));
    *out = (span){.begin = (uint64_t)begin, .end = (uint64_t)end};
    return SWG_OK;
}

static swg_status add_tensor(swg_source *source, const char *path, const swg_json *entry,
                             const swg_map *map, uint64_t buffer, span *where)
{
    const char *const name = swg_json_key(entry);
    const char *type_name;
    swg_dtype dtype;
    if (swg_json_count(entry) != 3 || !swg_json_as_string(swg_json_get(entry, "dtype"), &type_name))
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %.200s is not described by dtype, shape and data_offsets",
                         path, name);
    if (!swg_dtype_parse(type_name, strlen(type_name), &dtype))
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %.200s has the unknown dtype \"%.40s\"", path,
                         name, type_name);
    uint32_t rank = 0;
    uint64_t shape[SWG_MAX_RANK];
    SWG_TRY(parse_shape(path, entry, &rank, shape));
    SWG_TRY(parse_offsets(path, entry, where));
    swg_stored_tensor *tensor;
    SWG_TRY(swg_source_add_tensor(source, name, strlen(name), swg_scheme_plain(dtype), rank, shape,
                                  &tensor));
    where->name = tensor->desc.name;
    const uint64_t bytes = swg_tensor_bytes(&tensor->desc);
    if (bytes != where->end - where->begin)
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %s needs %llu bytes by its shape and dtype, its data_offsets "
                         "give %llu",
                         path, name, (unsigned long long)bytes,
                         (unsigned long long)(where->end - where->begin));
    tensor->map = map;
    tensor->offset = (size_t)(buffer + where->begin);
    return SWG_OK;
}

static swg_status add_metadata(swg_source *source, const char *path, const swg_json *metadata)
{
    if (swg_json_kind_of(metadata) != SWG_JSON_OBJECT)
        return swg_error(SWG_CORRUPT, "%s: __metadata__ is not an object", path);
    for (const swg_json *item = swg_json_first(metadata); item; item = swg_json_next(item)) {
        const char *value;
        if (!swg_json_as_string(item, &value))
            return swg_error(SWG_CORRUPT, "%s: \"%.200s\" of __metadata__ is not a string", path,
                             swg_json_key(item));
        size_t known = 0; /* shards repeat their metadata */
        while (known < source->n_metadata &&
               strcmp(source->metadata[2 * known], swg_json_key(item)) != 0)
            known++;
        if (known == source->n_metadata)
            SWG_TRY(swg_source_add_metadata(source, swg_json_key(item), value));
    }
    return SWG_OK;
}

/* All of one mapped file. */
static swg_status add_header(swg_source *source, const char *path, const swg_map *map)
{
    if (map->size < 8)
        return swg_error(SWG_CORRUPT, "%s has %zu bytes; the header length alone takes 8", path,
                         map->size);
    const uint64_t length = swg_get_le(map->data, 8);
    SWG_TRY(swg_header_limit_check(path, "the header", length));
    if (length > max_header_bytes)
        return swg_error(SWG_CORRUPT, "%s: a header of %llu bytes; at most %llu are accepted", path,
                         (unsigned long long)length, (unsigned long long)max_header_bytes);
    if (length > map->size - 8)
        return swg_error(SWG_CORRUPT, "%s: a header of %llu bytes in a file of %zu", path,
                         (unsigned long long)length, map->size);
    if (length == 0 || map->data[8] != '{')
        return swg_error(SWG_CORRUPT, "%s: the header does not start with {", path);
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    span *spans = NULL;
    SWG_GO(swg_json_parse((const char *)map->data + 8, (size_t)length, path, &doc));
    const swg_json *root = swg_json_root(doc);
    SWG_GO(SWG_NEW(spans, swg_json_count(root)));
    size_t n_spans = 0;
    for (const swg_json *entry = swg_json_first(root); entry; entry = swg_json_next(entry)) {
        if (strcmp(swg_json_key(entry), "__metadata__") == 0)
            SWG_GO(add_metadata(source, path, entry));
        else
            SWG_GO(add_tensor(source, path, entry, map, 8 + length, &spans[n_spans++]));
    }
    SWG_GO(check_tiling(path, spans, n_spans, map->size - 8 - length));
    SWG_GO(swg_source_add_input(source, path));
done:
    swg_free(spans);
    swg_json_free(&doc);
    return status;
}

static swg_status prepare_shards(swg_source *source, size_t count)
{
    shards *state = swg_arena_calloc(&source->arena, 1, sizeof *state);
    if (!state)
        return SWG_NO_MEMORY;
    source->state = state;
    state->maps = swg_arena_calloc(&source->arena, count, sizeof *state->maps);
    return state->maps ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status open_shard(swg_source *source, const char *path)
{
    shards *state = source->state;
    SWG_TRY(swg_map_open(path, &state->maps[state->n_maps]));
    return add_header(source, path, &state->maps[state->n_maps++]);
}

static swg_status open_single(swg_source *source, const char *path)
{
    SWG_TRY(prepare_shards(source, 1));
    return open_shard(source, path);
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    swg_status status = SWG_OK;
    char *folder = probe->is_directory ? swg_strdup(probe->path) : swg_path_dirname(probe->path);
    char *path = NULL;
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    if (probe->is_directory) {
        path =
            swg_path_join(folder, swg_folder_has(folder, single_name) ? single_name : index_name);
    } else {
        path = swg_strdup(probe->path);
    }
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(is_index_path(path) ? swg_shard_index_read(source, path, prepare_shards, open_shard)
                               : open_single(source, path));
    SWG_GO(swg_source_add_folder(source, folder));
    SWG_GO(swg_conv1d_turn(source));
done:
    swg_free(path);
    swg_free(folder);
    return status;
}

static void close_source(swg_source *source)
{
    shards *state = source->state;
    for (size_t i = 0; state && i < state->n_maps; i++)
        swg_map_close(&state->maps[i]);
}

const swg_reader swg_reader_safetensors = {
    .name = "safetensors",
    .summary = "safetensors, or a Hugging Face folder with model.safetensors",
    .claims = claims,
    .open = open_source,
    .close = close_source,
};
