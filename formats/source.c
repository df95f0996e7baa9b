/* A checkpoint that is open for reading: choosing the reader, what readers fill in, and look-up.
 * Numbers are read in source_read.c, hashes checked in source_verify.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/huggingface/tokenizer_files.h"
#include "formats/json/json.h"
#include "formats/reader.h"
#include "runtime/base/namesort.h"
#include "runtime/base/strbuf.h"

static const swg_reader *const readers[] = {
#define SWG_READER(name) &swg_reader_##name,
#define SWG_WRITER(name)
#include "formats/formats.def"
#undef SWG_READER
#undef SWG_WRITER
};
enum { N_READERS = sizeof readers / sizeof readers[0] };

/* --- Opening ---------------------------------------------------------------------------------- */

static swg_status probe_path(const char *path, swg_probe *out)
{
    *out = (swg_probe){.path = path, .is_directory = swg_path_is_directory(path)};
    if (out->is_directory)
        return SWG_OK;
    swg_map map = {0};
    SWG_TRY(swg_map_open(path, &map));
    out->file_bytes = map.size;
    out->head_bytes = map.size < SWG_PROBE_BYTES ? map.size : SWG_PROBE_BYTES;
    if (out->head_bytes)
        memcpy(out->head, map.data, out->head_bytes);
    swg_map_close(&map);
    return out->file_bytes ? SWG_OK : swg_error(SWG_CORRUPT, "%s is empty", path);
}

/* The first reader that claims the path; NULL when none does. */
static const swg_reader *claiming_reader(const swg_probe *probe)
{
    for (size_t i = 0; i < N_READERS; i++)
        if (readers[i]->claims(probe))
            return readers[i];
    return NULL;
}

static swg_status choose_reader(const swg_probe *probe, const swg_reader **out)
{
    *out = claiming_reader(probe);
    if (*out)
        return SWG_OK;
    char known[256] = "";
    for (size_t i = 0; i < N_READERS; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? "; " : "", readers[i]->summary);
    }
    return swg_error(SWG_UNSUPPORTED, "%s is not a checkpoint of a known format (%s)", probe->path,
                     known);
}

swg_status swg_source_is_claimed(const char *path, bool *out)
{
    swg_probe probe;
    SWG_TRY(probe_path(path, &probe));
    *out = claiming_reader(&probe) != NULL;
    return SWG_OK;
}

/* Into the order of names. Of tied tensors the first by name becomes the one that is stored. */
static swg_status reorder_tensors(swg_source *source, const size_t *order, size_t *place,
                                  size_t *first)
{
    const size_t count = source->n_tensors;
    swg_stored_tensor *sorted;
    SWG_TRY(SWG_NEW(sorted, count));
    for (size_t i = 0; i < count; i++) {
        place[order[i]] = i;
        first[i] = SIZE_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = source->tensors[order[i]];
        size_t *owner = &first[place[sorted[i].same_as]];
        *owner = *owner < i ? *owner : i;
        sorted[i].same_as = *owner;
    }
    swg_free(source->tensors);
    source->tensors = sorted;
    source->tensor_capacity = count;
    return SWG_OK;
}

static swg_status sort_tensors(swg_source *source)
{
    bool is_sorted = true;
    for (size_t i = 1; i < source->n_tensors && is_sorted; i++)
        is_sorted = strcmp(source->tensors[i - 1].desc.name, source->tensors[i].desc.name) < 0;
    if (is_sorted)
        return SWG_OK;
    swg_status status = SWG_OK;
    const size_t count = source->n_tensors;
    swg_name_item *items = NULL;
    size_t *numbers = NULL; /* order, place, first */
    SWG_GO(SWG_NEW_UNINIT(items, count));
    SWG_GO(SWG_NEW(numbers, 3 * count));
    for (size_t i = 0; i < count; i++)
        items[i] = (swg_name_item){.name = source->tensors[i].desc.name, .of = &source->tensors[i]};
    swg_sort_names(items, count);
    for (size_t i = 1; i < count; i++)
        if (strcmp(items[i - 1].name, items[i].name) == 0)
            SWG_GO(swg_error(SWG_CORRUPT, "%s: duplicate tensor %s", source->path, items[i].name));
    for (size_t i = 0; i < count; i++)
        numbers[i] = (size_t)((const swg_stored_tensor *)items[i].of - source->tensors);
    SWG_GO(reorder_tensors(source, numbers, numbers + count, numbers + 2 * count));
done:
    swg_free(items);
    swg_free(numbers);
    return status;
}

swg_status swg_source_open(const char *path, const swg_source_options *options, swg_source **out)
{
    swg_probe probe;
    SWG_TRY(probe_path(path, &probe));
    swg_status status = SWG_OK;
    swg_source *source = NULL;
    SWG_GO(SWG_NEW(source, 1));
    pthread_mutex_init(&source->mutex, NULL);
    source->path = swg_arena_strndup(&source->arena, path, strlen(path));
    SWG_GO(source->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(choose_reader(&probe, &source->reader));
    SWG_GO(source->reader->open(source, &probe));
    SWG_GO(sort_tensors(source));
    if (!source->config)
        SWG_GO(swg_source_set_config(source, "{}", 2));
    if (!source->provenance)
        source->provenance = "[]";
    if (options && options->tokenizer)
        SWG_GO(swg_source_replace_tokenizer(source, options->tokenizer));
    *out = source;
    source = NULL;
done:
    swg_source_close(&source);
    return status;
}

void swg_source_close(swg_source **source)
{
    swg_source *s = *source;
    if (!s)
        return;
    if (s->reader && s->reader->close)
        s->reader->close(s);
    for (size_t i = 0; i < s->n_files; i++)
        swg_free(s->files[i].data);
    swg_free(s->files);
    swg_free(s->tensors);
    swg_free(s->metadata);
    swg_free(s->inputs);
    swg_free(s->extensions);
    swg_arena_deinit(&s->arena);
    pthread_mutex_destroy(&s->mutex);
    swg_free(s);
    *source = NULL;
}

/* --- What readers fill in --------------------------------------------------------------------- */

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
    const swg_status status = swg_tensor_desc_check(&tensor->desc);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", source->path);
    source->n_tensors++;
    *out = tensor;
    return SWG_OK;
}

/* The entry of that name, emptied, or a new one. */
static swg_status file_entry(swg_source *source, const char *name, swg_source_file_entry **out)
{
    size_t at = 0;
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
        if (swg_path_is_same(source->inputs[i], path))
            return true;
    return false;
}

size_t swg_source_n_tensors(const swg_source *source)
{
    return source->n_tensors;
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

void swg_source_release(swg_source *source, size_t tensor)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    if (source->reader->release)
        source->reader->release(source, t);
    else
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
/* --- Handing over to a writer ----------------------------------------------------------------- */

swg_status swg_sink_meta_from_source(swg_source *source, swg_sink_meta *out)
{
    swg_file_view *files = NULL;
    const char **metadata = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(files, source->n_files));
    for (size_t i = 0; i < source->n_files; i++)
        SWG_GO(swg_source_file(source, i, &files[i]));
    SWG_GO(SWG_NEW(metadata, 2 * source->n_metadata));
    for (size_t i = 0; i < 2 * source->n_metadata; i++)
        metadata[i] = source->metadata[i];
    *out = (swg_sink_meta){.config = source->config,
                           .config_length = source->config_length,
                           .files = files,
                           .n_files = source->n_files,
                           .metadata = metadata,
                           .n_metadata = source->n_metadata,
                           .provenance = source->provenance,
                           .extensions = source->extensions,
                           .n_extensions = source->n_extensions,
                           .optional_features = source->optional_features};
    files = NULL;
    metadata = NULL;
done:
    swg_free(files);
    swg_free(metadata);
    return status;
}

void swg_sink_meta_deinit(swg_sink_meta *meta)
{
    swg_free((void *)meta->files);
    swg_free((void *)meta->metadata);
    *meta = (swg_sink_meta){0};
}

swg_status swg_provenance_append(const swg_source *source, const char *entry, char **out)
{
    swg_status status = SWG_OK;
    swg_json_doc *old = NULL, *added = NULL;
    swg_strbuf text = {0};
    SWG_GO(swg_json_parse(source->provenance, strlen(source->provenance), "provenance", &old));
    SWG_GO(swg_json_parse(entry, strlen(entry), "provenance entry", &added));
    const swg_json *root = swg_json_root(old);
    if (swg_json_kind_of(root) != SWG_JSON_ARRAY)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: the provenance is not an array", source->path));
    /* The old text up to its closing bracket stays as it is. */
    const char *const closing = strrchr(source->provenance, ']');
    swg_strbuf_append(&text, source->provenance, (size_t)(closing - source->provenance));
    swg_strbuf_puts(&text, swg_json_count(root) ? "," : "");
    swg_strbuf_puts(&text, entry);
    swg_strbuf_puts(&text, "]");
    SWG_GO(swg_strbuf_status(&text));
    *out = swg_strdup(swg_strbuf_text(&text));
    SWG_GO(*out ? SWG_OK : SWG_NO_MEMORY);
done:
    swg_strbuf_deinit(&text);
    swg_json_free(&old);
    swg_json_free(&added);
    return status;
}
