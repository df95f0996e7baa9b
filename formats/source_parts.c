/* The parts of an open checkpoint: what its reader fills in, and look-up of tensors, files and texts. */
#include <string.h>

#include "formats/huggingface/carried_names.h"
#include "formats/json/json.h"
#include "formats/reader.h"
#include "runtime/base/file_kind.h"

/* --- What readers fill in --------------------------------------------------------------------- */

swg_status swg_source_map(const swg_source *source, const char *path, swg_map *out)
{
    if (source->memory.data && strcmp(path, source->path) == 0) {
        *out = source->memory;
        return SWG_OK;
    }
    SWG_TRY(swg_map_open(path, out));
    const swg_status status = swg_file_refuse_mistaken(path, out->data, out->size);
    if (status != SWG_OK)
        swg_map_close(out);
    return status;
}

/* Planes are taken from blocks, so that names lie close together: sorting 100,000 of them is half
 * of the opening of a checkpoint. */
enum { PLANES_AT_A_TIME = 256 };

swg_status swg_source_set_planes(swg_source *source, swg_stored_tensor *tensor)
{
    const swg_status status = swg_tensor_desc_check(&tensor->desc);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", source->path);
    if (source->n_spare_planes < SWG_PLANE_KINDS) {
        source->spare_planes =
            swg_arena_calloc(&source->arena, PLANES_AT_A_TIME, sizeof *source->spare_planes);
        if (!source->spare_planes)
            return SWG_NO_MEMORY;
        source->n_spare_planes = PLANES_AT_A_TIME;
    }
    tensor->planes = source->spare_planes;
    tensor->n_planes = swg_tensor_planes(&tensor->desc, source->spare_planes);
    source->spare_planes += tensor->n_planes;
    source->n_spare_planes -= tensor->n_planes;
    return SWG_OK;
}

swg_status swg_source_add_tensor(swg_source *source, const char *name, size_t name_length,
                                 swg_scheme scheme, uint32_t rank, const uint64_t *shape,
                                 swg_stored_tensor **out)
{
    if (name_length > SWG_MAX_NAME || memchr(name, '\0', name_length))
        return swg_error(SWG_CORRUPT,
                         "%s: a tensor name of %zu bytes is longer than %d or holds a "
                         "zero byte",
                         source->path, name_length, SWG_MAX_NAME);
    if (rank > SWG_MAX_RANK)
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %.*s has rank %u; at most %d is supported",
                         source->path, (int)name_length, name, rank, SWG_MAX_RANK);
    SWG_TRY(swg_reserve((void **)&source->tensors, &source->tensor_capacity, source->n_tensors + 1,
                        sizeof *source->tensors));
    swg_stored_tensor *tensor = &source->tensors[source->n_tensors];
    *tensor =
        (swg_stored_tensor){.same_as = source->n_tensors, .desc = {.scheme = scheme, .rank = rank}};
    tensor->desc.name = swg_arena_strndup(&source->arena, name, name_length);
    if (!tensor->desc.name)
        return SWG_NO_MEMORY;
    if (rank)
        memcpy(tensor->desc.shape, shape, rank * sizeof *shape);
    SWG_TRY(swg_source_set_planes(source, tensor));
    source->n_tensors++;
    *out = tensor;
    return SWG_OK;
}

/* The entry of that name, emptied, or a new one. */
static swg_status file_entry(swg_source *source, const char *name, swg_source_file_entry **out)
{
    size_t at = 0;
    if (!swg_folder_file_is_known(name))
        return swg_error(SWG_CORRUPT,
                         "%s carries a file called %s; only files of tokenizers and their settings "
                         "are carried",
                         source->path, name);
    while (at < source->n_files && strcmp(source->files[at].name, name) != 0)
        at++;
    if (at == SWG_MAX_FILES)
        return swg_error(SWG_UNSUPPORTED, "%s carries more than %d files", source->path,
                         SWG_MAX_FILES);
    SWG_TRY(swg_reserve((void **)&source->files, &source->file_capacity, at + 1,
                        sizeof *source->files));
    const char *copy = swg_arena_strndup(&source->arena, name, strlen(name));
    if (!copy)
        return SWG_NO_MEMORY;
    if (at == source->n_files)
        source->n_files++;
    else
        swg_free(source->files[at].data);
    source->files[at] = (swg_source_file_entry){.name = copy};
    *out = &source->files[at];
    return SWG_OK;
}

swg_status swg_source_add_file(swg_source *source, const char *name, const char *path, void *detail)
{
    swg_source_file_entry *entry;
    const char *path_copy = path ? swg_arena_strndup(&source->arena, path, strlen(path)) : NULL;
    if (path && !path_copy)
        return SWG_NO_MEMORY;
    SWG_TRY(file_entry(source, name, &entry));
    entry->path = path_copy;
    entry->detail = detail;
    return SWG_OK;
}

swg_status swg_source_add_file_copy(swg_source *source, swg_file_view file)
{
    swg_source_file_entry *entry;
    char *data = swg_strndup(file.data, file.length);
    if (!data)
        return SWG_NO_MEMORY;
    const swg_status status = file_entry(source, file.name, &entry);
    if (status != SWG_OK) {
        swg_free(data);
        return status;
    }
    entry->data = data;
    entry->length = file.length;
    return SWG_OK;
}

swg_status swg_source_add_metadata(swg_source *source, const char *key, const char *value)
{
    if (source->n_metadata == SWG_MAX_METADATA)
        return swg_error(SWG_UNSUPPORTED, "%s has more than %d metadata entries", source->path,
                         SWG_MAX_METADATA);
    for (size_t i = 0; i < source->n_metadata; i++)
        if (strcmp(source->metadata[2 * i], key) == 0)
            return swg_error(SWG_CORRUPT, "%s has two metadata entries of one name", source->path);
    SWG_TRY(swg_reserve((void **)&source->metadata, &source->metadata_capacity,
                        2 * source->n_metadata + 2, sizeof *source->metadata));
    const char *const key_copy = swg_arena_strndup(&source->arena, key, strlen(key));
    const char *const value_copy = swg_arena_strndup(&source->arena, value, strlen(value));
    if (!key_copy || !value_copy)
        return SWG_NO_MEMORY;
    source->metadata[2 * source->n_metadata] = key_copy;
    source->metadata[2 * source->n_metadata + 1] = value_copy;
    source->n_metadata++;
    return SWG_OK;
}

swg_status swg_source_add_input(swg_source *source, const char *path)
{
    SWG_TRY(swg_reserve((void **)&source->inputs, &source->input_capacity, source->n_inputs + 1,
                        sizeof *source->inputs));
    const char *const copy = swg_arena_strndup(&source->arena, path, strlen(path));
    if (!copy)
        return SWG_NO_MEMORY;
    source->inputs[source->n_inputs++] = copy;
    return SWG_OK;
}

swg_status swg_source_set_config(swg_source *source, const char *text, size_t length)
{
    const swg_status status = swg_json_require(text, length, "the configuration", SWG_JSON_OBJECT);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", source->path);
    source->config = swg_arena_strndup(&source->arena, text, length);
    source->config_length = length;
    return source->config ? SWG_OK : SWG_NO_MEMORY;
}

/* --- Plain questions -------------------------------------------------------------------------- */

const char *swg_source_format(const swg_source *source)
{
    return source->reader->name;
}

const char *swg_source_path(const swg_source *source)
{
    return source->path;
}

bool swg_source_reads(const swg_source *source, const char *path)
{
    for (size_t i = 0; i < source->n_inputs; i++)
        if (!(source->memory.data && strcmp(source->inputs[i], source->path) == 0) &&
            swg_path_is_same(source->inputs[i], path))
            return true;
    return false;
}

size_t swg_source_n_tensors(const swg_source *source)
{
    return source->n_tensors;
}

const char *swg_source_removed_prefix(const swg_source *source)
{
    return source->removed_prefix;
}

const swg_tensor_desc *swg_source_tensor(const swg_source *source, size_t index)
{
    return &source->tensors[index].desc;
}

size_t swg_source_find(const swg_source *source, const char *name)
{
    size_t low = 0, high = source->n_tensors;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(source->tensors[middle].desc.name, name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

size_t swg_source_same_as(const swg_source *source, size_t index)
{
    return source->tensors[index].same_as;
}

const char *swg_source_config(const swg_source *source, size_t *length)
{
    if (length)
        *length = source->config_length;
    return source->config;
}

const char *swg_source_left_out(const swg_source *source)
{
    return source->left_out;
}

size_t swg_source_n_metadata(const swg_source *source)
{
    return source->n_metadata;
}

void swg_source_metadata(const swg_source *source, size_t index, const char **key,
                         const char **value)
{
    *key = source->metadata[2 * index];
    *value = source->metadata[2 * index + 1];
}

const char *swg_source_provenance(const swg_source *source)
{
    return source->provenance;
}

const swg_extension *swg_source_extensions(const swg_source *source, size_t *count)
{
    *count = source->n_extensions;
    return source->extensions;
}

uint64_t swg_source_stored_bytes(const swg_source *source, size_t tensor)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    return source->reader->stored_bytes ? source->reader->stored_bytes(t)
                                        : swg_tensor_bytes(&t->desc);
}

uint64_t swg_source_plane_stored_bytes(const swg_source *source, size_t tensor, size_t plane)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    return source->reader->plane_stored_bytes ? source->reader->plane_stored_bytes(t, plane)
                                              : t->planes[plane].bytes;
}

void swg_source_release(swg_source *source, size_t tensor)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    if (source->reader->release)
        source->reader->release(source, t);
    else if (t->map) /* else its parts lie in several places */
        swg_map_release(t->map, t->offset, swg_tensor_bytes(&t->desc));
}
/* --- Carried files ---------------------------------------------------------------------------- */

size_t swg_source_n_files(const swg_source *source)
{
    return source->n_files;
}

const char *swg_source_file_name(const swg_source *source, size_t index)
{
    return source->files[index].name;
}

swg_status swg_source_file(swg_source *source, size_t index, swg_file_view *out)
{
    swg_source_file_entry *file = &source->files[index];
    swg_status status = SWG_OK;
    pthread_mutex_lock(&source->mutex);
    if (!file->data && file->path)
        status = swg_file_read(file->path, SWG_MAX_CARRIED_BYTES, &file->data, &file->length);
    else if (!file->data)
        status = source->reader->load_file(source, file);
    pthread_mutex_unlock(&source->mutex);
    if (status == SWG_OK)
        *out = (swg_file_view){.name = file->name, .data = file->data, .length = file->length};
    return status;
}

swg_status swg_source_find_file(swg_source *source, const char *name, swg_file_view *out)
{
    for (size_t i = 0; i < source->n_files; i++)
        if (strcmp(source->files[i].name, name) == 0)
            return swg_source_file(source, i, out);
    return swg_error(SWG_FAILED, "%s carries no %s", source->path, name);
}
