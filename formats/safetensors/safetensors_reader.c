/* Reading safetensors: one file, or the shards of an index, with the config and tokenizer of their
 * folder. Format: 8 bytes header length, a JSON header, the buffer that the tensors tile without
 * gap or overlap. (https://github.com/huggingface/safetensors, README and tensor.rs.) */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/huggingface/conv1d.h"
#include "formats/json/json.h"
#include "formats/json/json_check.h"
#include "formats/json/json_scan.h"
#include "formats/packed/packed.h"
#include "formats/reader.h"
#include "formats/huggingface/shard_index.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/namesort.h"

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
    return swg_path_ends_with(path, ending, sizeof ending - 1);
}

static bool claims(const swg_probe *probe)
{
    if (probe->is_directory)
        return swg_folder_has(probe->path, single_name) || swg_folder_has(probe->path, index_name);
    if (is_index_path(probe->path))
        return true;
    /* 2^40 or more cannot be a header length, so this is another format; a length that is only too
     * large is reported by open(). */
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

/* Tensors of one name mostly claim the same bytes; the name is what is wrong then. */
static swg_status check_distinct(const char *path, const span *spans, size_t count)
{
    swg_name_item *items;
    swg_status status = SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(items, count));
    for (size_t i = 0; i < count; i++)
        items[i] = (swg_name_item){.name = spans[i].name};
    swg_sort_names(items, count);
    for (size_t i = 1; i < count; i++)
        if (strcmp(items[i - 1].name, items[i].name) == 0)
            SWG_GO(swg_error(SWG_CORRUPT, "%s: duplicate tensor %.200s in the header", path,
                             items[i].name));
done:
    swg_free(items);
    return status;
}

static swg_status check_tiling(const char *path, span *spans, size_t count, uint64_t buffer_bytes)
{
    size_t n_sorted = count ? 1 : 0; /* mostly they are */
    while (n_sorted < count && compare_spans(&spans[n_sorted - 1], &spans[n_sorted]) <= 0)
        n_sorted++;
    if (n_sorted < count)
        qsort(spans, count, sizeof *spans, compare_spans);
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].begin != end) {
            SWG_TRY(check_distinct(path, spans, count));
            return swg_error(
                SWG_CORRUPT, "%s: tensor %s starts at byte %llu of the buffer; expected %llu", path,
                spans[i].name, (unsigned long long)spans[i].begin, (unsigned long long)end);
        }
        end = spans[i].end;
    }
    if (end != buffer_bytes)
        return swg_error(SWG_CORRUPT, "%s: the tensors end at byte %llu of a buffer of %llu bytes",
                         path, (unsigned long long)end, (unsigned long long)buffer_bytes);
    return SWG_OK;
}

/* A tensor's name. */
static swg_status read_name(const char *path, const swg_json_text *raw, char out[SWG_MAX_NAME + 1])
{
    enum {
        ESCAPE_BYTES = 6,
        MAX_RAW_BYTES = ESCAPE_BYTES * SWG_MAX_NAME
    }; /* "\\u0041" is one byte */
    char text[MAX_RAW_BYTES + 1];
    size_t length = raw->length;
    if (length <= MAX_RAW_BYTES)
        length = swg_json_text_copy(raw, text);
    if (length > SWG_MAX_NAME)
        return swg_error(SWG_CORRUPT, "%s: a tensor name of %zu bytes is longer than %d", path,
                         length, SWG_MAX_NAME);
    memcpy(out, text, length + 1);
    return SWG_OK;
}

/* What the header says of a tensor. */
typedef struct entry {
    const char *name;
    bool has_type, has_shape, has_offsets;
    swg_json_text type;
    uint32_t rank;
    uint64_t shape[SWG_MAX_RANK];
    uint64_t begin, end;
} entry;

static swg_status parse_shape(const char *path, swg_json_scan *scan, entry *e)
{
    if (!swg_json_scan_is(scan, '['))
        return swg_error(SWG_CORRUPT, "%s: tensor %.200s has no shape", path, e->name);
    size_t rank = 0;
    for (swg_json_scan_enter(scan); swg_json_scan_more(scan); rank++) {
        uint64_t dimension;
        if (!swg_json_scan_count(scan, &dimension))
            return swg_error(SWG_CORRUPT, "%s: a dimension of tensor %.200s is not a count", path,
                             e->name);
        if (rank < SWG_MAX_RANK)
            e->shape[rank] = dimension;
    }
    if (rank > SWG_MAX_RANK)
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %.200s has rank %zu; at most %d is supported",
                         path, e->name, rank, SWG_MAX_RANK);
    e->rank = (uint32_t)rank;
    return SWG_OK;
}

static swg_status parse_offsets(const char *path, swg_json_scan *scan, entry *e)
{
    uint64_t offsets[2] = {0, 0};
    size_t count = 0;
    bool is_right = swg_json_scan_is(scan, '[');
    if (is_right)
        for (swg_json_scan_enter(scan); is_right && swg_json_scan_more(scan); count++)
            is_right = count < 2 && swg_json_scan_count(scan, &offsets[count]);
    if (!is_right || count != 2 || offsets[1] < offsets[0])
        return swg_error(SWG_CORRUPT, "%s: tensor %.200s has no valid data_offsets", path, e->name);
    e->begin = offsets[0];
    e->end = offsets[1];
    return SWG_OK;
}

static swg_status parse_member(const char *path, swg_json_scan *scan, entry *e)
{
    const swg_json_text key = swg_json_scan_key(scan);
    bool *const has = swg_json_text_is(&key, "dtype")          ? &e->has_type
                      : swg_json_text_is(&key, "shape")        ? &e->has_shape
                      : swg_json_text_is(&key, "data_offsets") ? &e->has_offsets
                                                               : NULL;
    if (has && *has)
        return swg_error(SWG_CORRUPT, "%s: duplicate key \"%.*s\" of tensor %.200s", path,
                         (int)key.length, key.at, e->name);
    if (has == &e->has_shape)
        SWG_TRY(parse_shape(path, scan, e));
    else if (has == &e->has_offsets)
        SWG_TRY(parse_offsets(path, scan, e));
    if (!has || (has == &e->has_type && !swg_json_scan_string(scan, &e->type)))
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %.200s is not described by dtype, shape and data_offsets",
                         path, e->name);
    *has = true;
    return SWG_OK;
}

static swg_status parse_entry(const char *path, swg_json_scan *scan, entry *e, swg_dtype *dtype)
{
    if (swg_json_scan_is(scan, '{'))
        for (swg_json_scan_enter(scan); swg_json_scan_more(scan);)
            SWG_TRY(parse_member(path, scan, e));
    if (!e->has_type || !e->has_shape || !e->has_offsets)
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %.200s is not described by dtype, shape and data_offsets",
                         path, e->name);
    if (e->type.has_escapes || !swg_dtype_parse(e->type.at, e->type.length, dtype))
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %.200s has the unknown dtype \"%.*s\"", path,
                         e->name, e->type.length < 40 ? (int)e->type.length : 40, e->type.at);
    return SWG_OK;
}

static swg_status add_tensor(swg_source *source, const char *path, const char *name,
                             swg_json_scan *scan, const swg_map *map, uint64_t buffer, span *where)
{
    entry e = {.name = name};
    swg_dtype dtype = SWG_F32;
    SWG_TRY(parse_entry(path, scan, &e, &dtype));
    swg_stored_tensor *tensor;
    SWG_TRY(swg_source_add_tensor(source, name, strlen(name), swg_scheme_plain(dtype), e.rank,
                                  e.shape, &tensor));
    *where = (span){.begin = e.begin, .end = e.end, .name = tensor->desc.name};
    const uint64_t bytes = swg_tensor_bytes(&tensor->desc);
    if (bytes != e.end - e.begin)
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %s needs %llu bytes by its shape and dtype, its data_offsets "
                         "give %llu",
                         path, name, (unsigned long long)bytes,
                         (unsigned long long)(e.end - e.begin));
    tensor->map = map;
    tensor->offset = (size_t)(buffer + e.begin);
    return SWG_OK;
}

static swg_status add_pair(swg_source *source, const char *path, const swg_json *item)
{
    const char *value;
    if (!swg_json_as_string(item, &value))
        return swg_error(SWG_CORRUPT, "%s: \"%.200s\" of __metadata__ is not a string", path,
                         swg_json_key(item));
    size_t known = 0; /* shards repeat their metadata */
    while (known < source->n_metadata &&
           strcmp(source->metadata[2 * known], swg_json_key(item)) != 0)
        known++;
    return known < source->n_metadata ? SWG_OK
                                      : swg_source_add_metadata(source, swg_json_key(item), value);
}

static swg_status add_metadata(swg_source *source, const char *path, swg_json_text text)
{
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_json_parse(text.at, text.length, path, &doc));
    const swg_json *root = swg_json_root(doc);
    if (swg_json_kind_of(root) != SWG_JSON_OBJECT)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: __metadata__ is not an object", path));
    for (const swg_json *item = swg_json_first(root); item; item = swg_json_next(item))
        SWG_GO(add_pair(source, path, item));
done:
    swg_json_free(&doc);
    return status;
}

/* The members of a header: tensors, and texts about the whole. */
static swg_status add_members(swg_source *source, const char *path, swg_json_scan scan,
                              const swg_map *map, uint64_t buffer)
{
    span *spans = NULL;
    size_t n_spans = 0, capacity = 0;
    bool has_metadata = false;
    swg_status status = SWG_OK;
    for (swg_json_scan_enter(&scan); swg_json_scan_more(&scan);) {
        const swg_json_text key = swg_json_scan_key(&scan);
        char name[SWG_MAX_NAME + 1];
        SWG_GO(read_name(path, &key, name));
        if (strcmp(name, "__metadata__") == 0) {
            if (has_metadata)
                SWG_GO(swg_error(SWG_CORRUPT, "%s: duplicate __metadata__ in the header", path));
            has_metadata = true;
            SWG_GO(add_metadata(source, path, swg_json_scan_skip(&scan)));
            continue;
        }
        SWG_GO(swg_reserve((void **)&spans, &capacity, n_spans + 1, sizeof *spans));
        SWG_GO(add_tensor(source, path, name, &scan, map, buffer, &spans[n_spans]));
        n_spans++;
    }
    SWG_GO(check_tiling(path, spans, n_spans, map->size - buffer));
done:
    swg_free(spans);
    return status;
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
    const char *const text = (const char *)map->data + 8;
    SWG_TRY(swg_json_check(text, (size_t)length, path));
    SWG_TRY(add_members(source, path, swg_json_scan_begin(text, (size_t)length), map, 8 + length));
    return swg_source_add_input(source, path);
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
    SWG_TRY(swg_source_map(source, path, &state->maps[state->n_maps]));
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
    SWG_GO(swg_packed_present(source));
    SWG_GO(swg_conv1d_transpose(source));
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
    .ending = ".safetensors",
    .open = open_source,
    .close = close_source,
};
