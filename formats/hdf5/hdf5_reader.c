/* Reading HDF5 checkpoints: the state-dict layout of docs/hdf5.md, Keras models (keras.c), alone,
 * in an archive or in a folder, and any other file whose datasets are all numbers: each is a tensor
 * named by its path. */
#include <stdlib.h>
#include <string.h>

#include "formats/hdf5/hdf5_names.h"
#include "formats/huggingface/shard_index.h"
#include "formats/json/json.h"
#include "formats/json/json_check.h"
#include "formats/keras/keras.h"

typedef struct h5_state {
    swg_map map; /* empty where `archive` has the file */
    swg_keras_archive archive;
    swg_h5_file *file;
} h5_state;

static bool claims(const swg_probe *probe)
{
    if (probe->is_directory)
        return swg_folder_has(probe->path, SWG_KERAS_WEIGHTS);
    return swg_keras_archive_claims(probe) ||
           (probe->head_bytes >= 8 && memcmp(probe->head, "\x89HDF\r\n\x1a\n", 8) == 0);
}

/* --- The state-dict layout -------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A text attribute, or NULL when there is none. */
static swg_status find_text(swg_source *source, const char *object, const char *name,
                            const char **out)
{
    h5_state *state = source->state;
    const char *const *texts;
    size_t count;
    *out = NULL;
    if (!swg_h5_has_attribute(state->file, object, name))
        return SWG_OK;
    SWG_TRY(swg_h5_read_texts(state->file, object, name, &source->arena, &texts, &count));
    if (count != 1)
        return swg_error(SWG_CORRUPT, "%s: attribute %s of %.300s has %zu texts, not one",
                         source->path, name, object, count);
    *out = texts[0];
    return SWG_OK;
}

static swg_status parse_shape(swg_source *source, const char *text, swg_h5_tensor *tensor)
{
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_json_parse(text, strlen(text), "attribute " SWG_H5_SHAPE, &doc));
    const swg_json *root = swg_json_root(doc);
    const size_t rank = swg_json_count(root);
    if (swg_json_kind_of(root) != SWG_JSON_ARRAY || rank > SWG_MAX_RANK)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: the shape of %.300s is not a list of at most %d sizes",
                         source->path, tensor->entry->path, SWG_MAX_RANK));
    tensor->rank = 0;
    for (const swg_json *item = swg_json_first(root); item; item = swg_json_next(item)) {
        int64_t size;
        if (!swg_json_as_int(item, &size) || size < 0)
            SWG_GO(swg_error(SWG_CORRUPT,
                             "%s: the shape of %.300s holds something that is not a size",
                             source->path, tensor->entry->path));
        tensor->shape[tensor->rank++] = (uint64_t)size;
    }
done:
    swg_json_free(&doc);
    return status;
}

/* The bytes of numbers narrower than a byte, as a matrix of the rows of their plane. */
static swg_status apply_packed(swg_source *source, swg_dtype meant, swg_h5_tensor *tensor)
{
    const char *shape, *const path = tensor->entry->path;
    const uint64_t *const stored = tensor->entry->shape;
    SWG_TRY(find_text(source, path, SWG_H5_SHAPE, &shape));
    if (!shape)
        return swg_error(SWG_CORRUPT, "%s: %.300s has no attribute " SWG_H5_SHAPE, source->path,
                         path);
    SWG_TRY(parse_shape(source, shape, tensor));
    swg_tensor_desc desc = {
        .name = tensor->name, .scheme = swg_scheme_plain(meant), .rank = tensor->rank};
    memcpy(desc.shape, tensor->shape, sizeof desc.shape);
    swg_plane planes[SWG_PLANE_KINDS];
    SWG_TRY(swg_tensor_desc_check(&desc));
    swg_tensor_planes(&desc, planes);
    if (tensor->entry->rank != 2 || stored[0] != planes[0].rows || stored[1] != planes[0].row_bytes)
        return swg_error(SWG_CORRUPT, "%s: %.300s does not hold %llu rows of %llu bytes",
                         source->path, path, (unsigned long long)planes[0].rows,
                         (unsigned long long)planes[0].row_bytes);
    tensor->dtype = meant;
    return SWG_OK;
}

/* A type that HDF5 has no name for is in an attribute of unsigned integers of its width. Files
 * of others may mean something else by that attribute. */
static swg_status apply_dtype(swg_source *source, bool is_ours, swg_h5_tensor *tensor)
{
    const swg_dtype stored = tensor->dtype;
    const char *text;
    swg_dtype meant;
    if (stored != SWG_U8 && stored != SWG_U16 && stored != SWG_U32 && stored != SWG_U64)
        return SWG_OK;
    SWG_TRY(find_text(source, tensor->entry->path, SWG_H5_DTYPE, &text));
    if (!text)
        return SWG_OK;
    const bool is_known =
        swg_dtype_parse(text, strlen(text), &meant) ||
        (strcmp(text, "bfloat16") == 0 && swg_dtype_parse("BF16", strlen("BF16"), &meant));
    if (is_known && is_ours && swg_dtype_bits(meant) < 8 && stored == SWG_U8)
        return apply_packed(source, meant, tensor);
    if (is_known && swg_dtype_bits(meant) == swg_dtype_bits(stored))
        tensor->dtype = meant;
    else if (is_ours)
        return swg_error(SWG_CORRUPT, "%s: %.300s is \"%.40s\" by its attribute, but %s as stored",
                         source->path, tensor->entry->path, text, swg_dtype_name(stored));
    return SWG_OK;
}

static swg_status read_json(swg_source *source, const swg_h5_entry *entry, const char **out,
                            size_t *length)
{
    h5_state *state = source->state;
    char *text;
    SWG_TRY(swg_h5_read_bytes(state->file, entry, &source->arena, &text, length));
    const swg_status status = swg_json_check(text, *length, entry->path);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", source->path);
    *out = text;
    return SWG_OK;
}

static swg_status add_metadata(swg_source *source, const swg_h5_entry *entry)
{
    const char *text = NULL;
    size_t length = 0;
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    SWG_TRY(read_json(source, entry, &text, &length));
    SWG_GO(swg_json_parse(text, length, SWG_H5_METADATA, &doc));
    const swg_json *root = swg_json_root(doc);
    if (swg_json_kind_of(root) != SWG_JSON_ARRAY)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: " SWG_H5_METADATA " is not a list", source->path));
    for (const swg_json *item = swg_json_first(root); item; item = swg_json_next(item)) {
        const char *key, *value;
        if (swg_json_count(item) != 2 || !swg_json_as_string(swg_json_at(item, 0), &key) ||
            !swg_json_as_string(swg_json_at(item, 1), &value))
            SWG_GO(swg_error(SWG_CORRUPT,
                             "%s: " SWG_H5_METADATA " holds something that is not a pair of texts",
                             source->path));
        SWG_GO(swg_source_add_metadata(source, key, value));
    }
done:
    swg_json_free(&doc);
    return status;
}

/* A dataset that is not a tensor. */
static swg_status add_other(swg_source *source, const swg_h5_entry *entry)
{
    size_t length = 0;
    const char *text = NULL;
    if (strcmp(entry->path, SWG_H5_CONFIG) == 0)
        return read_json(source, entry, &source->config, &source->config_length);
    if (strcmp(entry->path, SWG_H5_PROVENANCE) == 0) {
        SWG_TRY(read_json(source, entry, &text, &length));
        const swg_status status = swg_json_require(text, length, entry->path, SWG_JSON_ARRAY);
        source->provenance = text;
        return status == SWG_OK ? SWG_OK : swg_error_context(status, "%s", source->path);
    }
    if (strcmp(entry->path, SWG_H5_METADATA) == 0)
        return add_metadata(source, entry);
    if (starts_with(entry->path, SWG_H5_FILES))
        return swg_source_add_file(source, entry->path + strlen(SWG_H5_FILES), NULL, (void *)entry);
    return swg_error(SWG_UNSUPPORTED, "%s: %.300s is not part of the state-dict layout",
                     source->path, entry->path);
}

static swg_status open_state_dict(swg_source *source, swg_h5_tensors *tensors, bool is_ours)
{
    const h5_state *state = source->state;
    const char *layout;
    SWG_TRY(find_text(source, "", SWG_H5_LAYOUT, &layout));
    if (is_ours && (!layout || strcmp(layout, SWG_H5_LAYOUT_NAME) != 0))
        return swg_error(SWG_UNSUPPORTED, "%s: the layout \"%.60s\"; this program reads \"%s\"",
                         source->path, layout ? layout : "", SWG_H5_LAYOUT_NAME);
    for (size_t i = 0; i < swg_h5_n_entries(state->file); i++) {
        const swg_h5_entry *entry = swg_h5_entry_at(state->file, i);
        if (is_ours && !starts_with(entry->path, SWG_H5_TENSORS)) {
            SWG_TRY(add_other(source, entry));
            continue;
        }
        const char *const name = entry->path + (is_ours ? strlen(SWG_H5_TENSORS) : 0);
        SWG_TRY(swg_h5_tensors_add(source, tensors, name, entry, SWG_H5_WHOLE, 0));
        SWG_TRY(apply_dtype(source, is_ours, &tensors->list[tensors->count - 1]));
    }
    return SWG_OK;
}

/* --- Opening and reading ---------------------------------------------------------------------- */

/* The HDF5 file itself, which `path` leads to. */
static swg_status open_file(swg_source *source, const swg_probe *probe, const char *path)
{
    h5_state *state = source->state;
    const swg_map *map = &state->map;
    if (!probe->is_directory && swg_keras_archive_claims(probe)) {
        SWG_TRY(swg_keras_archive_open(source, path, &state->archive));
        map = &state->archive.weights;
    } else {
        SWG_TRY(swg_source_map(source, path, &state->map));
    }
    SWG_TRY(swg_h5_open(path, map, &state->file));
    return swg_source_add_input(source, path);
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    h5_state *state = swg_arena_calloc(&source->arena, 1, sizeof *state);
    if (!state)
        return SWG_NO_MEMORY;
    source->state = state;
    swg_h5_tensors tensors = {0};
    swg_status status = SWG_OK;
    char *path = probe->is_directory ? swg_path_join(probe->path, SWG_KERAS_WEIGHTS)
                                     : swg_strdup(probe->path);
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(open_file(source, probe, path));
    if (swg_h5_has_attribute(state->file, "", SWG_H5_LAYOUT))
        SWG_GO(open_state_dict(source, &tensors, true));
    else if (swg_keras_claims(state->file))
        SWG_GO(swg_keras_open(source, path, state->file, &state->archive, &tensors));
    else
        SWG_GO(open_state_dict(source, &tensors, false));
    SWG_GO(swg_h5_tensors_into_source(source, &tensors));
done:
    swg_free(path);
    swg_free(tensors.list);
    return status;
}

static void close_source(swg_source *source)
{
    h5_state *state = source->state;
    if (!state)
        return;
    swg_h5_close(&state->file);
    swg_keras_archive_close(&state->archive);
    swg_map_close(&state->map);
}

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor,
                            const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    (void)plane;
    h5_state *state = source->state;
    const swg_h5_tensor *from = tensor->detail;
    switch (from->view) {
    case SWG_H5_TRANSPOSED:
        return swg_h5_read_columns(state->file, from->entry, row_begin, n_rows, out);
    case SWG_H5_ONE_ROW:
        return swg_h5_read_rows(state->file, from->entry, from->row, 1, out);
    case SWG_H5_WHOLE:
        break;
    }
    return swg_h5_read_rows(state->file, from->entry, row_begin, n_rows, out);
}

static uint64_t rows_per_read(const swg_stored_tensor *tensor, const swg_plane *plane)
{
    const swg_h5_tensor *from = tensor->detail;
    const uint64_t chunk = from->entry->rows_per_chunk;
    if (from->view != SWG_H5_WHOLE || chunk == 0)
        return swg_plane_rows_per_frame(plane);
    return chunk < plane->rows ? chunk : plane->rows ? plane->rows : 1;
}

static uint64_t stored_bytes(const swg_stored_tensor *tensor)
{
    const swg_h5_tensor *from = tensor->detail;
    return from->entry->stored_bytes;
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    const h5_state *state = source->state;
    const swg_h5_tensor *from = tensor->detail;
    swg_h5_release(state->file, from->entry);
}

static swg_status load_file(swg_source *source, swg_source_file_entry *file)
{
    h5_state *state = source->state;
    const swg_h5_entry *entry = file->detail;
    if (!entry->is_numeric || entry->dtype != SWG_U8 || entry->rank != 1)
        return swg_error(SWG_CORRUPT, "%s: %.300s is not a text (bytes in one dimension)",
                         source->path, entry->path);
    char *data;
    SWG_TRY(SWG_NEW(data, (size_t)entry->shape[0] + 1));
    const swg_status status = swg_h5_read_rows(state->file, entry, 0, 1, data);
    if (status != SWG_OK) {
        swg_free(data);
        return status;
    }
    file->data = data;
    file->length = (size_t)entry->shape[0];
    return SWG_OK;
}

const swg_reader swg_reader_hdf5 = {
    .name = "hdf5",
    .summary = "HDF5 (state dict or Keras), or a .keras archive",
    .claims = claims,
    .open = open_source,
    .close = close_source,
    .read = read_rows,
    .rows_per_read = rows_per_read,
    .stored_bytes = stored_bytes,
    .release = release,
    .load_file = load_file,
};
