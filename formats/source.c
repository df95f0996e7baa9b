/* Opening a checkpoint: choosing the reader, and what it found in the order of names. What readers
 * fill in and look-up are in source_parts.c, numbers in source_read.c, hashes in source_verify.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/huggingface/tokenizer_files.h"
#include "formats/json/json.h"
#include "formats/reader.h"
#include "runtime/base/file_kind.h"
#include "runtime/base/namesort.h"
#include "runtime/base/strbuf.h"
#include "runtime/base/utf8.h"

static const swg_reader *const readers[] = {
#define SWG_READER(name, endings) &swg_reader_##name,
#include "formats/formats.def"
};
enum { N_READERS = sizeof readers / sizeof readers[0] };

/* --- Opening ---------------------------------------------------------------------------------- */

static swg_status probe_bytes(const char *path, const swg_map *map, swg_probe *out)
{
    *out = (swg_probe){.path = path, .file_bytes = map->size};
    out->head_bytes = map->size < SWG_PROBE_BYTES ? map->size : SWG_PROBE_BYTES;
    if (out->head_bytes)
        memcpy(out->head, map->data, out->head_bytes);
    return out->file_bytes ? SWG_OK : swg_error(SWG_CORRUPT, "%s is empty", path);
}

static swg_status probe_path(const char *path, swg_probe *out)
{
    *out = (swg_probe){.path = path, .is_directory = swg_path_is_directory(path)};
    if (out->is_directory)
        return SWG_OK;
    swg_map map = {0};
    SWG_TRY(swg_explain_missing(swg_map_open(path, &map), path));
    const swg_status status = probe_bytes(path, &map, out);
    swg_map_close(&map);
    return status;
}

/* The first reader that claims the path; NULL when none does. */
static const swg_reader *claiming_reader(const swg_probe *probe)
{
    for (size_t i = 0; i < N_READERS; i++)
        if (readers[i]->claims(probe))
            return readers[i];
    return NULL;
}

/* The reader whose files have the path's ending; NULL when there is none. */
static const swg_reader *reader_by_ending(const swg_probe *probe)
{
    for (size_t i = 0; i < N_READERS && !probe->is_directory; i++)
        if (readers[i]->ending &&
            swg_path_ends_with(probe->path, readers[i]->ending, strlen(readers[i]->ending)))
            return readers[i];
    return NULL;
}

static bool is_text(const swg_probe *probe)
{
    const char *const head = (const char *)probe->head;
    return !probe->is_directory && !memchr(head, 0, probe->head_bytes) &&
           swg_utf8_is_valid(head, swg_utf8_complete_prefix(head, probe->head_bytes));
}

static swg_status choose_reader(const swg_probe *probe, const swg_reader **out)
{
    *out = claiming_reader(probe);
    if (*out)
        return SWG_OK;
    SWG_TRY(swg_file_refuse_mistaken(probe->path, probe->head, probe->head_bytes));
    *out = reader_by_ending(probe);
    if (*out)
        return SWG_OK;
    if (is_text(probe))
        return swg_error(SWG_UNSUPPORTED,
                         "%s is a text, not a checkpoint; of a model that is a folder, give the "
                         "folder",
                         probe->path);
    char known[256] = "";
    for (size_t i = 0; i < N_READERS; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? "; " : "", readers[i]->summary);
    }
    return probe->is_directory
               ? swg_folder_refuse(probe->path, known)
               : swg_error(SWG_UNSUPPORTED, "%s is not a checkpoint of a known format (%s)",
                           probe->path, known);
}

/* torch.compile and data-parallel training wrap a model, which puts a prefix before every name of
 * its state; the model itself is what the names are about. */
static swg_status strip_wrappers(swg_source *source)
{
    static const char *const wrappers[] = {"_orig_mod.", "module."};
    enum { N_WRAPPERS = sizeof wrappers / sizeof *wrappers };
    const char *const whole = source->n_tensors ? source->tensors[0].desc.name : "";
    for (size_t w = 0; source->n_tensors > 0 && w < N_WRAPPERS;) {
        const size_t n = strlen(wrappers[w]);
        bool wraps_all = true;
        for (size_t i = 0; i < source->n_tensors && wraps_all; i++)
            wraps_all = strncmp(source->tensors[i].desc.name, wrappers[w], n) == 0 &&
                        source->tensors[i].desc.name[n];
        for (size_t i = 0; wraps_all && i < source->n_tensors; i++)
            source->tensors[i].desc.name += n;
        w = wraps_all ? 0 : w + 1; /* wrappers may wrap each other */
    }
    const size_t n_removed = source->n_tensors ? (size_t)(source->tensors[0].desc.name - whole) : 0;
    source->removed_prefix = swg_arena_strndup(&source->arena, whole, n_removed);
    return source->removed_prefix ? SWG_OK : SWG_NO_MEMORY;
}

/* Into the order of names. Of tied tensors the first by name becomes the one that is stored. */
static swg_status reorder_tensors(swg_source *source, const size_t *order, size_t *place,
                                  size_t *first)
{
    const size_t count = source->n_tensors;
    swg_stored_tensor *sorted;
    SWG_TRY(SWG_NEW_UNINIT(sorted, count));
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

swg_status swg_source_sort_tensors(swg_source *source)
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
    SWG_GO(SWG_NEW_UNINIT(numbers, 3 * count));
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

/* The tokenizer that a path of the caller's leads to, instead of the one found. */
static swg_status replace_tokenizer(swg_source *source, const char *path)
{
    swg_probe probe;
    swg_source *from = NULL;
    SWG_TRY(probe_path(path, &probe));
    if (!claiming_reader(&probe))
        return swg_source_take_tokenizer_file(source, path);
    SWG_TRY(swg_source_open(path, NULL, &from));
    const swg_status status = swg_source_take_tokenizer(source, from);
    swg_source_close(&from);
    return status;
}

/* `memory` is empty for a file or folder. */
static swg_status open_probed(const swg_probe *probe, swg_map memory,
                              const swg_source_options *options, swg_source **out)
{
    swg_status status = SWG_OK;
    swg_source *source = NULL;
    if (options)
        SWG_TRY(swg_options_check("swg_source_options", options->size, sizeof *options));
    SWG_GO(SWG_NEW(source, 1));
    pthread_mutex_init(&source->mutex, NULL);
    source->memory = memory;
    source->path = swg_arena_strndup(&source->arena, probe->path, strlen(probe->path));
    SWG_GO(source->path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(choose_reader(probe, &source->reader));
    SWG_GO(source->reader->open(source, probe));
    SWG_GO(strip_wrappers(source));
    SWG_GO(swg_source_sort_tensors(source));
    source->left_out = "";
    if (probe->is_directory)
        SWG_GO(swg_source_list_left_out(source));
    if (!source->config)
        SWG_GO(swg_source_set_config(source, "{}", 2));
    if (!source->provenance)
        source->provenance = "[]";
    if (options && options->tokenizer)
        SWG_GO(replace_tokenizer(source, options->tokenizer));
    *out = source;
    source = NULL;
done:
    swg_source_close(&source);
    return status;
}

swg_source_options swg_source_options_default(void)
{
    return (swg_source_options){.size = sizeof(swg_source_options)};
}

/* Whatever part of a reader failed, the sentence says in which file. */
static swg_status name_path(swg_status status, const char *path)
{
    const bool is_named =
        status == SWG_OK || status == SWG_INTERRUPTED || strstr(swg_error_message(), path) != NULL;
    return is_named ? status : swg_error_context(status, "%s", path);
}

swg_status swg_source_open(const char *path, const swg_source_options *options, swg_source **out)
{
    swg_probe probe;
    SWG_TRY(probe_path(path, &probe));
    return name_path(open_probed(&probe, (swg_map){0}, options, out), path);
}

swg_status swg_source_open_bytes(const char *name, const void *bytes, size_t size,
                                 const swg_source_options *options, swg_source **out)
{
    swg_probe probe;
    const swg_map memory = {.data = bytes, .size = size, .is_borrowed = true};
    SWG_TRY(probe_bytes(name, &memory, &probe));
    return name_path(open_probed(&probe, memory, options, out), name);
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
