/* What all writers have in common: choosing one, checking and copying what the caller wants
 * written, and the order of calls. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/huggingface/carried_names.h"
#include "formats/json/json.h"
#include "formats/reader.h"
#include "formats/writer.h"
#include "runtime/base/folder.h"
#include "runtime/base/numeric.h"
#include "runtime/base/utf8.h"

static const struct {
    const swg_writer *writer;
    const char *word, *endings;
} writers[] = {
#define SWG_WRITER(name, word, endings, meaning) {&swg_writer_##name, word, endings},
#include "formats/formats.def"
};
enum { N_WRITERS = sizeof writers / sizeof writers[0] };

/* Endings of files that nothing writes. */
static const char *const other_endings[] = {
#define SWG_READER(name, endings) endings,
#define SWG_FOREIGN(endings)      endings,
#include "formats/formats.def"
};
enum { N_OTHERS = sizeof other_endings / sizeof other_endings[0] };

enum { MAX_LEVEL = 22 };

/* Whether the path ends with one of these, which a space separates. */
static bool ends_with_one_of(const char *path, const char *endings)
{
    for (size_t length; *endings; endings += length + (endings[length] == ' ')) {
        length = strcspn(endings, " ");
        if (swg_path_ends_with(path, endings, length))
            return true;
    }
    return false;
}

static swg_status no_format(const char *path)
{
    char known[256] = "";
    for (size_t i = 0; i < N_WRITERS; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used && *writers[i].endings ? " " : "",
                 writers[i].endings);
    }
    return swg_error(
        SWG_UNSUPPORTED,
        "%s: no format is written under that name; use the name of a folder, or a file "
        "that ends with one of: %s",
        path, known);
}

/* The writer's row: by the format's word, else by the path's ending; what is a folder, or has the
 * ending of no format, is written as a folder. */
static swg_status choose_writer(const char *path, const char *format, size_t *out)
{
    const bool is_folder = swg_path_is_directory(path);
    size_t folders = 0;
    for (size_t i = 0; i < N_WRITERS; i++) {
        if (format ? strcmp(writers[i].word, format) == 0
                   : !is_folder && ends_with_one_of(path, writers[i].endings)) {
            *out = i;
            return SWG_OK;
        }
        folders = writers[i].writer->writes_folders ? i : folders;
    }
    if (format)
        return swg_error(SWG_UNSUPPORTED, "there is no writer of the format \"%.60s\"", format);
    for (size_t i = 0; i < N_OTHERS; i++)
        if (!is_folder && ends_with_one_of(path, other_endings[i]))
            return no_format(path);
    *out = folders;
    return SWG_OK;
}

/* --- Places for outputs ----------------------------------------------------------------------- */

/* The first entry by name, so that the message does not depend on the file system. */
static swg_status note_first(void *context, const char *name, bool is_folder)
{
    char *first = context;
    (void)is_folder;
    if (!*first || strcmp(name, first) < 0)
        snprintf(first, NAME_MAX + 1, "%s", name);
    return SWG_OK;
}

swg_status swg_sink_check_empty(const char *path)
{
    char first[NAME_MAX + 1] = "";
    SWG_TRY(swg_folder_visit(path, note_first, first));
    return *first ? swg_error(SWG_USAGE,
                              "output folder %s is not empty (it holds %s); --force writes into it "
                              "and removes the checkpoint that is there",
                              path, first)
                  : SWG_OK;
}

/* A folder that is there already, or one that can be made. */
static swg_status check_folder(const char *path, bool force)
{
    size_t length = strlen(path);
    if (swg_path_is_directory(path))
        return force ? SWG_OK : swg_sink_check_empty(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *const name = swg_strndup(path, length);
    if (!name)
        return SWG_NO_MEMORY;
    const swg_status status = swg_file_check_target(name, false);
    swg_free(name);
    return status;
}

swg_status swg_sink_check_path(const char *path, bool force)
{
    size_t row;
    SWG_TRY(choose_writer(path, NULL, &row));
    const bool is_file =
        !swg_path_is_directory(path) && ends_with_one_of(path, writers[row].endings);
    return is_file ? swg_file_check_target(path, force) : check_folder(path, force);
}

/* --- Copies ----------------------------------------------------------------------------------- */

static swg_status copy_text(swg_sink *sink, const char *text, size_t length, const char **out)
{
    *out = swg_arena_strndup(&sink->arena, text, length);
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status copy_tensors(swg_sink *sink, const swg_tensor_desc *tensors, size_t count)
{
    sink->tensors = swg_arena_calloc(&sink->arena, count, sizeof *sink->tensors);
    sink->by_name = swg_arena_calloc(&sink->arena, count, sizeof *sink->by_name);
    sink->stored_bytes = swg_arena_calloc(&sink->arena, count, sizeof *sink->stored_bytes);
    if (!sink->tensors || !sink->by_name || !sink->stored_bytes)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        SWG_TRY(swg_tensor_desc_check(&tensors[i]));
        sink->tensors[i] = tensors[i];
        SWG_TRY(copy_text(sink, tensors[i].name, strlen(tensors[i].name), &sink->tensors[i].name));
        sink->by_name[i] = i;
    }
    sink->n_tensors = count;
    return SWG_OK;
}

static int compare_names(const void *a, const void *b, void *context)
{
    const swg_tensor_desc *tensors = context;
    return strcmp(tensors[*(const size_t *)a].name, tensors[*(const size_t *)b].name);
}

static swg_status sort_names(swg_sink *sink)
{
    qsort_r(sink->by_name, sink->n_tensors, sizeof *sink->by_name, compare_names, sink->tensors);
    for (size_t i = 1; i < sink->n_tensors; i++)
        if (compare_names(&sink->by_name[i - 1], &sink->by_name[i], sink->tensors) == 0)
            return swg_error(SWG_FAILED, "%s: duplicate tensor %s", sink->path,
                             sink->tensors[sink->by_name[i]].name);
    return SWG_OK;
}

static swg_status copy_meta(swg_sink *sink, const swg_sink_meta *meta)
{
    swg_sink_meta *to = &sink->meta;
    *to = *meta;
    SWG_TRY(copy_text(sink, meta->config ? meta->config : "{}",
                      meta->config ? meta->config_length : 2, &to->config));
    to->config_length = meta->config ? meta->config_length : 2;
    SWG_TRY(swg_json_require(to->config, to->config_length, "config", SWG_JSON_OBJECT));
    const char **metadata = swg_arena_calloc(&sink->arena, 2 * meta->n_metadata, sizeof *metadata);
    if (!metadata)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < 2 * meta->n_metadata; i++)
        SWG_TRY(copy_text(sink, meta->metadata[i], strlen(meta->metadata[i]), &metadata[i]));
    to->metadata = metadata;
    swg_extension *extensions =
        swg_arena_calloc(&sink->arena, meta->n_extensions, sizeof *extensions);
    if (!extensions)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < meta->n_extensions; i++) {
        extensions[i] = meta->extensions[i];
        const char *copy;
        SWG_TRY(copy_text(sink, extensions[i].data, extensions[i].length, &copy));
        extensions[i].data = copy;
    }
    to->extensions = extensions;
    return swg_sink_set_provenance(sink, meta->provenance ? meta->provenance : "[]");
}

/* Carried files and metadata. A file's name becomes a path of the output folder of some formats. */
static swg_status check_extras(const swg_sink *sink)
{
    if (sink->meta.n_files > SWG_MAX_FILES || sink->meta.n_metadata > SWG_MAX_METADATA)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: %zu files and %zu metadata entries; at most %d and %d are carried",
                         sink->path, sink->meta.n_files, sink->meta.n_metadata, SWG_MAX_FILES,
                         SWG_MAX_METADATA);
    for (size_t i = 0; i < sink->meta.n_metadata; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(sink->meta.metadata[2 * i], sink->meta.metadata[2 * j]) == 0)
                return swg_error(SWG_FAILED, "%s: two metadata entries of one name", sink->path);
    for (size_t i = 0; i < sink->meta.n_files; i++) {
        const char *const name = sink->meta.files[i].name;
        const size_t length = strlen(name);
        if (length == 0 || length > SWG_MAX_NAME || !swg_name_is_printable(name, length))
            return swg_error(SWG_FAILED, "%s: a carried file's name is not the name of a file",
                             sink->path);
        if (!swg_folder_file_is_known(name))
            return swg_error(SWG_FAILED,
                             "%s: no file called %s is carried: only those of tokenizers and their "
                             "settings are",
                             sink->path, name);
        if (sink->meta.files[i].length > SWG_MAX_CARRIED_BYTES)
            return swg_error(SWG_LIMIT, "%s: carried file %s has %zu bytes; at most %d are carried",
                             sink->path, name, sink->meta.files[i].length, SWG_MAX_CARRIED_BYTES);
        for (size_t j = 0; j < i; j++)
            if (strcmp(sink->meta.files[j].name, name) == 0)
                return swg_error(SWG_FAILED, "%s: two carried files are called %s", sink->path,
                                 name);
    }
    return SWG_OK;
}

swg_sink_options swg_sink_options_default(void)
{
    return (swg_sink_options){.size = sizeof(swg_sink_options)};
}

/* Everything but opening. */
static swg_status prepare(const char *path, const swg_sink_options *options,
                          const swg_sink_meta *meta, const swg_tensor_desc *tensors,
                          size_t n_tensors, swg_sink **out)
{
    const swg_sink_options defaults = swg_sink_options_default();
    const swg_sink_options *o = options ? options : &defaults;
    swg_status status = SWG_OK;
    swg_sink *sink = NULL;
    SWG_TRY(swg_options_check("swg_sink_options", o->size, sizeof *o));
    SWG_GO(SWG_NEW(sink, 1));
    sink->force = o->force;
    sink->level = o->level;
    sink->max_shard_bytes = o->max_shard_bytes;
    sink->pool = o->pool;
    sink->element_type = o->element_type;
    sink->keep_nonfinite = o->keep_nonfinite;
    SWG_GO(copy_text(sink, path, strlen(path), &sink->path));
    size_t row = 0;
    SWG_GO(choose_writer(path, o->format, &row));
    sink->writer = writers[row].writer;
    sink->format = writers[row].word;
    if (o->level < 0 || o->level > MAX_LEVEL)
        SWG_GO(swg_error(SWG_USAGE, "compression level %d is not between 0 and %d", o->level,
                         MAX_LEVEL));
    if (o->max_shard_bytes && !sink->writer->can_shard)
        SWG_GO(swg_error(SWG_USAGE, "%s: %s is always one file; name a folder for shards", path,
                         sink->format));
    if (o->element_type &&
        !(sink->writer->takes_element_type && sink->writer->takes_element_type(o->element_type)))
        SWG_GO(swg_error(SWG_USAGE, "%s: nothing of element type %.40s is written as %s", path,
                         o->element_type, sink->format));
    SWG_GO(copy_tensors(sink, tensors, n_tensors));
    SWG_GO(sort_names(sink));
    SWG_GO(copy_meta(sink, meta));
    SWG_GO(check_extras(sink));
    if (sink->writer->check)
        SWG_GO(sink->writer->check(sink));
    *out = sink;
    sink = NULL;
done:
    swg_sink_abort(&sink);
    return status;
}

bool swg_sink_keeps_provenance(const char *path, const char *format)
{
    size_t row;
    return choose_writer(path, format, &row) == SWG_OK && writers[row].writer->keeps_provenance;
}

bool swg_sink_translates_config(const char *path, const char *format)
{
    size_t row;
    return choose_writer(path, format, &row) == SWG_OK && writers[row].writer->translates_config;
}

bool swg_sink_holds(const char *path, const char *format, const swg_tensor_desc *desc)
{
    size_t row;
    if (choose_writer(path, format, &row) != SWG_OK)
        return false;
    const swg_writer *const writer = writers[row].writer;
    return writer->holds ? writer->holds(desc) : swg_scheme_is_plain(desc->scheme);
}

bool swg_sink_takes_element_type(const char *path, const char *format, const char *word)
{
    size_t row;
    if (choose_writer(path, format, &row) != SWG_OK)
        return false;
    const swg_writer *const writer = writers[row].writer;
    return writer->takes_element_type && writer->takes_element_type(word);
}

/* --- The calls -------------------------------------------------------------------------------- */

swg_status swg_sink_open(const char *path, const swg_sink_options *options,
                         const swg_sink_meta *meta, const swg_tensor_desc *tensors,
                         size_t n_tensors, swg_sink **out)
{
    swg_sink *sink = NULL;
    SWG_TRY(prepare(path, options, meta, tensors, n_tensors, &sink));
    const swg_status status = sink->writer->open(sink);
    if (status != SWG_OK) {
        swg_sink_abort(&sink);
        return status;
    }
    sink->meta.files = NULL;
    sink->meta.n_files = 0;
    *out = sink;
    return SWG_OK;
}

static swg_status check_planes(const swg_sink *sink, const swg_tensor_desc *desc,
                               const void *const planes[SWG_PLANE_KINDS])
{
    swg_plane all[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(desc, all);
    for (size_t p = 0; p < n_planes; p++) {
        size_t bad;
        if (!swg_plane_is_valid(&all[p], planes[all[p].kind],
                                (size_t)(all[p].bytes / all[p].elem_bytes), &bad))
            return swg_error(SWG_CORRUPT, "%s: number %zu of the %s of tensor %s is not finite",
                             sink->path, bad, swg_plane_name(all[p].kind), desc->name);
    }
    return SWG_OK;
}

swg_status swg_sink_write(swg_sink *sink, size_t tensor, const void *const planes[SWG_PLANE_KINDS])
{
    if (tensor != sink->n_written || tensor >= sink->n_tensors)
        return swg_error(SWG_FAILED, "%s: tensor %zu was written; expected %zu", sink->path, tensor,
                         sink->n_written);
    SWG_TRY(check_planes(sink, &sink->tensors[tensor], planes));
    SWG_TRY(sink->writer->write(sink, tensor, planes, &sink->stored_bytes[tensor]));
    sink->n_written++;
    return SWG_OK;
}

swg_status swg_sink_change_scheme(swg_sink *sink, size_t tensor, swg_scheme scheme)
{
    if (tensor < sink->n_written || tensor >= sink->n_tensors || !sink->writer->change_scheme)
        return swg_error(SWG_FAILED, "%s: the scheme of tensor %zu cannot change any more",
                         sink->path, tensor);
    swg_tensor_desc changed = sink->tensors[tensor];
    changed.scheme = scheme;
    changed.n_stored = 0;
    SWG_TRY(swg_tensor_desc_check(&changed));
    sink->tensors[tensor] = changed;
    return sink->writer->change_scheme(sink, tensor);
}

swg_status swg_sink_check_finite(swg_sink *sink, const char *name, swg_dtype dtype,
                                 const void *numbers, uint64_t count)
{
    uint64_t at = 0;
    const uint64_t n = swg_count_nonfinite(dtype, numbers, count, &at);
    __atomic_fetch_add(&sink->n_nonfinite, n, __ATOMIC_RELAXED);
    if (n == 0 || sink->keep_nonfinite)
        return SWG_OK;
    return swg_error(SWG_CORRUPT,
                     "%s: element %llu of tensor %s is not finite; --nonfinite keep converts it "
                     "anyway",
                     sink->path, (unsigned long long)at, name);
}

uint64_t swg_sink_nonfinite(const swg_sink *sink)
{
    return sink->n_nonfinite;
}

uint64_t swg_sink_stored_bytes(const swg_sink *sink, size_t tensor)
{
    return sink->stored_bytes[tensor];
}

swg_status swg_sink_set_provenance(swg_sink *sink, const char *provenance)
{
    SWG_TRY(swg_json_require(provenance, strlen(provenance), "provenance", SWG_JSON_ARRAY));
    char *copy = swg_strdup(provenance);
    if (!copy)
        return SWG_NO_MEMORY;
    swg_free(sink->provenance);
    sink->provenance = copy;
    sink->meta.provenance = copy;
    return SWG_OK;
}

swg_status swg_sink_finish(swg_sink **sink, uint64_t *bytes)
{
    swg_sink *s = *sink;
    swg_status status = SWG_OK;
    uint64_t written = 0;
    if (s->n_written != s->n_tensors)
        SWG_GO(swg_error(SWG_FAILED, "%s: %zu of %zu tensors were written", s->path, s->n_written,
                         s->n_tensors));
    SWG_GO(s->writer->finish(s, &written));
    if (bytes)
        *bytes = written;
done:
    swg_sink_abort(sink);
    return status;
}

void swg_sink_abort(swg_sink **sink)
{
    swg_sink *s = *sink;
    if (!s)
        return;
    if (s->state)
        s->writer->close(s);
    swg_free(s->provenance);
    swg_arena_deinit(&s->arena);
    SWG_FREE(*sink);
}

swg_status swg_sink_plan_bytes(const char *path, const swg_sink_options *options,
                               const swg_sink_meta *meta, const swg_tensor_desc *tensors,
                               size_t n_tensors, uint64_t *bytes, bool *is_exact)
{
    swg_sink *sink = NULL;
    SWG_TRY(prepare(path, options, meta, tensors, n_tensors, &sink));
    const swg_status status = sink->writer->plan(sink, bytes, is_exact);
    swg_sink_abort(&sink);
    return status;
}
