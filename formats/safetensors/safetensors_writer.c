/* Writing safetensors: a single .safetensors file (tensors and metadata only), or a Hugging Face
 * folder: config.json and carried files as they are, and model.safetensors or, above a limit,
 * shards of it and their index. A shard holds tensors that the caller writes one after the other,
 * so one shard is open at a time; inside it they stand in the reference writer's order - wide types
 * first, then by name - so that every tensor is aligned.
 *
 * All files of a folder are made durable before the first gets its name; model.safetensors or the
 * index gets its name last, so a folder with one of them is complete. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/bytes/bytes.h"
#include "formats/huggingface/conv1d.h"
#include "formats/huggingface/carried_names.h"
#include "formats/writer.h"
#include "runtime/base/folder.h"
#include "runtime/base/json_writer.h"

enum {
    HEADER_ALIGNMENT = 8,
    LENGTH_BYTES = 8,
    MAX_SHARDS = 2048,     /* writers that wait for their commit */
    PIECE_BYTES = 4 << 20, /* of a tensor, written by one thread */
    SHARD_NAME_BYTES = 64
};
static const char file_ending[] = ".safetensors";
static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

/* Tensors [first, first + count) of the caller's list, in a file of their own. */
typedef struct shard {
    size_t first, count;
    swg_strbuf header; /* length, JSON, padding */
    uint64_t bytes;    /* of the file */
    swg_file_writer *file;
    bool is_committed;
} shard;

/* A small file beside the weights. */
typedef struct companion {
    swg_file_writer *file;
    const char *name; /* in the folder; of the sink's arena */
    char *path;
} companion;

typedef struct st_output {
    shard *shards;
    size_t n_shards, current; /* the shard that is being written */
    uint64_t *offsets;        /* of each tensor in its file */
    bool has_conv1d;          /* some tensors are stored [in, out] (conv1d.h) */
    uint64_t bytes;           /* of all weights' files, and of the index */
    uint64_t carried_bytes;   /* of the other files */
    swg_strbuf index;         /* text; empty for a single file */
    companion *carried;       /* the index is the last */
    size_t n_carried;
    bool made_folder, is_finished;
} st_output;

static bool is_single_file(const swg_sink *sink)
{
    return swg_path_ends_with(sink->path, file_ending, strlen(file_ending)) &&
           !swg_path_is_directory(sink->path);
}

static swg_status check(const swg_sink *sink)
{
    if (sink->max_shard_bytes && is_single_file(sink))
        return swg_error(SWG_USAGE, "%s is one file; name a folder for shards", sink->path);
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const swg_tensor_desc *desc = &sink->tensors[i];
        char scheme[SWG_SCHEME_NAME_BYTES];
        if (!swg_scheme_is_plain(desc->scheme))
            return swg_error(
                SWG_UNSUPPORTED,
                "%s: safetensors cannot hold tensor %s, which is %s; swage convert --dequantize "
                "writes it as floats",
                sink->path, desc->name, swg_scheme_name(desc->scheme, scheme));
        if (strcmp(desc->name, "__metadata__") == 0)
            return swg_error(SWG_UNSUPPORTED, "%s: safetensors reserves the name %s", sink->path,
                             desc->name);
    }
    return SWG_OK;
}

/* --- Header ----------------------------------------------------------------------------------- */

/* The reference's order of types; later ones come first in a file. */
static int type_rank(swg_dtype dtype)
{
    static const swg_dtype order[] = {
        SWG_BOOL,    SWG_F4,      SWG_F6_E2M3, SWG_F6_E3M2,     SWG_U8,          SWG_I8,
        SWG_F8_E5M2, SWG_F8_E4M3, SWG_F8_E8M0, SWG_F8_E4M3FNUZ, SWG_F8_E5M2FNUZ, SWG_I16,
        SWG_U16,     SWG_F16,     SWG_BF16,    SWG_I32,         SWG_U32,         SWG_F32,
        SWG_C64,     SWG_F64,     SWG_I64,     SWG_U64};
    int rank = 0;
    while (order[rank] != dtype)
        rank++;
    return rank;
}

static int compare_places(const void *a, const void *b, void *context)
{
    const swg_tensor_desc *tensors = context;
    const swg_tensor_desc *left = &tensors[*(const size_t *)a];
    const swg_tensor_desc *right = &tensors[*(const size_t *)b];
    const int by_type = type_rank(right->scheme.dtype) - type_rank(left->scheme.dtype);
    return by_type ? by_type : strcmp(left->name, right->name);
}

static void put_entry(swg_json_writer *json, const swg_tensor_desc *desc, bool is_transposed,
                      uint64_t begin, uint64_t end)
{
    swg_json_begin_object(json, desc->name);
    swg_json_string(json, "dtype", swg_dtype_name(desc->scheme.dtype));
    swg_json_begin_array(json, "shape");
    for (uint32_t i = 0; i < desc->rank; i++)
        swg_json_uint(json, NULL, desc->shape[is_transposed ? desc->rank - 1 - i : i]);
    swg_json_end_array(json);
    swg_json_begin_array(json, "data_offsets");
    swg_json_uint(json, NULL, begin);
    swg_json_uint(json, NULL, end);
    swg_json_end_array(json);
    swg_json_end_object(json);
}

static void put_metadata(swg_json_writer *json, const swg_sink_meta *meta)
{
    if (meta->n_metadata == 0)
        return;
    swg_json_begin_object(json, "__metadata__");
    for (size_t i = 0; i < meta->n_metadata; i++)
        swg_json_string(json, meta->metadata[2 * i], meta->metadata[2 * i + 1]);
    swg_json_end_object(json);
}

/* A shard's header text, and where each of its tensors goes. */
static swg_status lay_out_shard(const swg_sink *sink, st_output *output, shard *to)
{
    swg_status status = SWG_OK;
    swg_json_writer json = {.compact = true};
    size_t *order = NULL;
    uint64_t end = 0;
    SWG_GO(SWG_NEW(order, to->count));
    for (size_t i = 0; i < to->count; i++)
        order[i] = to->first + i;
    qsort_r(order, to->count, sizeof *order, compare_places, sink->tensors);
    swg_json_begin_object(&json, NULL);
    put_metadata(&json, &sink->meta);
    for (size_t i = 0; i < to->count; i++) {
        const swg_tensor_desc *desc = &sink->tensors[order[i]];
        const uint64_t begin = end;
        /* Cannot overflow: plan_shards added all tensors up. */
        end += swg_tensor_bytes(desc);
        output->offsets[order[i]] = begin;
        put_entry(&json, desc, output->has_conv1d && swg_conv1d_is_weight(desc), begin, end);
    }
    swg_json_end_object(&json);
    while (json.out.length % HEADER_ALIGNMENT != 0 && !json.out.failed)
        swg_strbuf_puts(&json.out, " ");
    SWG_GO(swg_strbuf_status(&json.out));
    uint8_t length[LENGTH_BYTES];
    swg_put_le(length, LENGTH_BYTES, json.out.length);
    swg_strbuf_append(&to->header, length, sizeof length);
    swg_strbuf_append(&to->header, json.out.text, json.out.length);
    SWG_GO(swg_strbuf_status(&to->header));
    for (size_t i = 0; i < to->count; i++)
        output->offsets[to->first + i] += to->header.length;
    to->bytes = to->header.length + end;
    output->bytes += to->bytes;
done:
    swg_free(order);
    swg_json_deinit(&json);
    return status;
}

/* --- Shards and their index ------------------------------------------------------------------- */

/* Cut the caller's list wherever the next tensor would make a shard larger than the limit, which
 * counts tensors without the header, as Hugging Face's does. A tensor beyond the limit is alone. */
static swg_status plan_shards(swg_sink *sink, st_output *output)
{
    const uint64_t limit = sink->max_shard_bytes ? sink->max_shard_bytes : UINT64_MAX;
    output->shards = swg_arena_calloc(&sink->arena, MAX_SHARDS, sizeof *output->shards);
    if (!output->shards)
        return SWG_NO_MEMORY;
    output->n_shards = 1;
    uint64_t in_shard = 0, total = 0;
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const uint64_t bytes = swg_tensor_bytes(&sink->tensors[i]);
        if (!swg_u64_add(total, bytes, &total) || total > (uint64_t)1 << 62)
            return swg_error(SWG_UNSUPPORTED, "%s: the tensors together are too large", sink->path);
        /* An empty tensor never starts a shard. */
        if (in_shard > 0 && bytes > 0 && (bytes > limit || in_shard > limit - bytes)) {
            if (output->n_shards == MAX_SHARDS)
                return swg_error(
                    SWG_LIMIT, "%s: shards of %llu bytes would be more than %d; allow larger ones",
                    sink->path, (unsigned long long)limit, MAX_SHARDS);
            output->shards[output->n_shards++].first = i;
            in_shard = 0;
        }
        output->shards[output->n_shards - 1].count++;
        in_shard += bytes;
    }
    return SWG_OK;
}

static const char *shard_name(const st_output *output, size_t index, char out[SHARD_NAME_BYTES])
{
    if (output->n_shards == 1)
        return single_name;
    snprintf(out, SHARD_NAME_BYTES, "model-%05zu-of-%05zu.safetensors", index + 1,
             output->n_shards);
    return out;
}

static swg_status write_index_text(const swg_sink *sink, st_output *output)
{
    swg_status status = SWG_OK;
    swg_json_writer json = {0};
    uint32_t *shard_of = NULL;
    uint64_t total = 0;
    SWG_GO(SWG_NEW(shard_of, sink->n_tensors));
    for (size_t s = 0; s < output->n_shards; s++)
        for (size_t i = 0; i < output->shards[s].count; i++)
            shard_of[output->shards[s].first + i] = (uint32_t)s;
    for (size_t i = 0; i < sink->n_tensors; i++)
        total += swg_tensor_bytes(&sink->tensors[i]);
    swg_json_begin_object(&json, NULL);
    swg_json_begin_object(&json, "metadata");
    swg_json_uint(&json, "total_size", total);
    swg_json_end_object(&json);
    swg_json_begin_object(&json, "weight_map");
    for (size_t place = 0; place < sink->n_tensors; place++) {
        const size_t tensor = sink->by_name[place];
        char name[SHARD_NAME_BYTES];
        swg_json_string(&json, sink->tensors[tensor].name,
                        shard_name(output, shard_of[tensor], name));
    }
    swg_json_end_object(&json);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    swg_strbuf_append(&output->index, json.out.text, json.out.length);
    swg_strbuf_puts(&output->index, "\n");
    SWG_GO(swg_strbuf_status(&output->index));
    output->bytes += output->index.length;
done:
    swg_free(shard_of);
    swg_json_deinit(&json);
    return status;
}

static swg_status lay_out(swg_sink *sink, st_output *output)
{
    SWG_TRY(plan_shards(sink, output));
    for (size_t s = 0; s < output->n_shards; s++)
        SWG_TRY(lay_out_shard(sink, output, &output->shards[s]));
    return output->n_shards > 1 ? write_index_text(sink, output) : SWG_OK;
}

static swg_status make_output(swg_sink *sink)
{
    st_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    if (!output)
        return SWG_NO_MEMORY;
    sink->state = output;
    output->offsets = swg_arena_calloc(&sink->arena, sink->n_tensors, sizeof *output->offsets);
    /* The carried files, config.json and the index. */
    output->carried =
        swg_arena_calloc(&sink->arena, sink->meta.n_files + 2, sizeof *output->carried);
    if (!output->offsets || !output->carried)
        return SWG_NO_MEMORY;
    if (!is_single_file(sink)) {
        output->carried_bytes = sink->meta.config_length;
        for (size_t i = 0; i < sink->meta.n_files; i++)
            output->carried_bytes += sink->meta.files[i].length;
    }
    SWG_TRY(swg_conv1d_in_config(sink->meta.config, sink->meta.config_length, &output->has_conv1d));
    return lay_out(sink, output);
}

/* --- Files ------------------------------------------------------------------------------------ */

/* The folder that a carried file's name begins with, if it does. */
static swg_status make_inner_folder(const char *path, const char *name)
{
    if (!strchr(name, '/'))
        return SWG_OK;
    swg_status status = SWG_OK;
    char *folder = swg_path_dirname(path);
    if (!folder)
        return SWG_NO_MEMORY;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        status = swg_error(SWG_IO, "cannot make the folder %s: %s", folder, strerror(errno));
    swg_free(folder);
    return status;
}

static swg_status write_carried(swg_sink *sink, const char *name, const char *data, size_t length)
{
    st_output *output = sink->state;
    companion *to = &output->carried[output->n_carried++];
    to->name = swg_arena_strndup(&sink->arena, name, strlen(name));
    to->path = swg_path_join(sink->path, name);
    if (!to->name || !to->path)
        return SWG_NO_MEMORY;
    SWG_TRY(make_inner_folder(to->path, name));
    SWG_TRY(swg_file_create(to->path, sink->force, length, &to->file));
    SWG_TRY(swg_file_append(to->file, data, length));
    return swg_file_seal(to->file);
}

static swg_status open_shard(swg_sink *sink, size_t index)
{
    st_output *output = sink->state;
    shard *to = &output->shards[index];
    char name[SHARD_NAME_BYTES];
    char *path = is_single_file(sink) ? swg_strdup(sink->path)
                                      : swg_path_join(sink->path, shard_name(output, index, name));
    if (!path)
        return SWG_NO_MEMORY;
    const swg_status status = swg_file_create(path, sink->force, to->bytes, &to->file);
    swg_free(path);
    SWG_TRY(status);
    return swg_file_append(to->file, to->header.text, to->header.length);
}

/* Tensors were written at their places: the end is known, not appended to. */
static swg_status seal_shard(const shard *s)
{
    swg_file_extend(s->file, s->bytes);
    return swg_file_seal(s->file);
}

static swg_status open_folder(swg_sink *sink)
{
    st_output *output = sink->state;
    if (mkdir(sink->path, 0777) == 0)
        output->made_folder = true;
    else if (errno != EEXIST || !swg_path_is_directory(sink->path))
        return swg_error(errno == EEXIST ? SWG_USAGE : SWG_IO, "cannot make the folder %s: %s",
                         sink->path, strerror(errno));
    if (!sink->force)
        SWG_TRY(swg_sink_check_empty(sink->path));
    SWG_TRY(open_shard(sink, 0));
    const swg_sink_meta *meta = &sink->meta;
    SWG_TRY(write_carried(sink, "config.json", meta->config, meta->config_length));
    for (size_t i = 0; i < meta->n_files; i++)
        SWG_TRY(
            write_carried(sink, meta->files[i].name, meta->files[i].data, meta->files[i].length));
    return output->n_shards > 1
               ? write_carried(sink, index_name, output->index.text, output->index.length)
               : SWG_OK;
}

static swg_status open_output(swg_sink *sink)
{
    SWG_TRY(make_output(sink));
    return is_single_file(sink) ? open_shard(sink, 0) : open_folder(sink);
}

/* A tensor's bytes at its place. In pieces: copying them is most of the work of a conversion. */
typedef struct placing {
    swg_file_writer *file;
    const uint8_t *data;
    uint64_t offset, bytes;
} placing;

static swg_status place_piece(void *context, size_t index)
{
    const placing *p = context;
    const uint64_t at = (uint64_t)index * PIECE_BYTES, left = p->bytes - at;
    return swg_file_write_at(p->file, p->offset + at, p->data + at,
                             (size_t)(left < PIECE_BYTES ? left : PIECE_BYTES));
}

static swg_status place(const swg_sink *sink, size_t tensor, const void *data)
{
    const st_output *output = sink->state;
    placing p = {.file = output->shards[output->current].file,
                 .data = data,
                 .offset = output->offsets[tensor],
                 .bytes = swg_tensor_bytes(&sink->tensors[tensor])};
    return swg_pool_for(sink->pool, (size_t)((p.bytes + PIECE_BYTES - 1) / PIECE_BYTES),
                        place_piece, &p);
}

/* A Conv1D's weight, back to [in, out]. */
static swg_status write_transposed(const swg_sink *sink, size_t tensor, const void *plane)
{
    const swg_tensor_desc *desc = &sink->tensors[tensor];
    const size_t rows = (size_t)desc->shape[0], columns = (size_t)desc->shape[1];
    uint8_t *transposed;
    SWG_TRY(SWG_NEW_UNINIT(transposed, (size_t)swg_tensor_bytes(desc)));
    swg_transposed_rows(plane, rows, columns, swg_dtype_bits(desc->scheme.dtype) / 8, 0, columns,
                        transposed);
    const swg_status status = place(sink, tensor, transposed);
    swg_free(transposed);
    return status;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t *stored_bytes)
{
    st_output *output = sink->state;
    const swg_tensor_desc *desc = &sink->tensors[tensor];
    if (tensor == output->shards[output->current].first + output->shards[output->current].count) {
        SWG_TRY(seal_shard(&output->shards[output->current]));
        SWG_TRY(open_shard(sink, ++output->current));
    }
    *stored_bytes = swg_tensor_bytes(desc);
    return output->has_conv1d && swg_conv1d_is_weight(desc)
               ? write_transposed(sink, tensor, planes[SWG_PLANE_VALUES])
               : place(sink, tensor, planes[SWG_PLANE_VALUES]);
}

/* --- What --force replaces -------------------------------------------------------------------- */

/* Remove a file of the old checkpoint. */
static swg_status remove_stale(const swg_sink *sink, const char *name)
{
    char *path = swg_path_join(sink->path, name);
    if (!path)
        return SWG_NO_MEMORY;
    const bool is_gone =
        unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR || errno == EISDIR;
    const swg_status status =
        is_gone ? SWG_OK : swg_error(SWG_IO, "cannot remove the old %s: %s", path, strerror(errno));
    swg_free(path);
    return status;
}

/* Whether the name is that of a shard: model-00001-of-00002.safetensors. */
static bool is_shard_name(const char *name)
{
    unsigned number, count;
    int used = 0;
    return sscanf(name, "model-%5u-of-%5u.safetensors%n", &number, &count, &used) == 2 &&
           used > 0 && name[used] == '\0';
}

static bool is_written(const swg_sink *sink, const char *name)
{
    const st_output *output = sink->state;
    char other[SHARD_NAME_BYTES];
    bool found = false;
    for (size_t i = 0; i < output->n_carried && !found; i++)
        found = strcmp(output->carried[i].name, name) == 0;
    for (size_t i = 0; i < output->n_shards && !found; i++)
        found = strcmp(shard_name(output, i, other), name) == 0;
    return found;
}

/* Carried files of the old checkpoint, which the new one would adopt as its own. */
static swg_status remove_carried(const swg_sink *sink)
{
    for (const swg_folder_file *file = swg_folder_files; file->name; file++)
        if (!is_written(sink, file->name))
            SWG_TRY(remove_stale(sink, file->name));
    return SWG_OK;
}

/* Shards of the old checkpoint: dead weight. */
static swg_status remove_old_shard(void *context, const char *name, bool is_folder)
{
    const swg_sink *sink = context;
    const bool is_old = !is_folder && is_shard_name(name) && !is_written(sink, name);
    return is_old ? remove_stale(sink, name) : SWG_OK;
}

/* Names, in an order that never shows a reader old and new weights as one checkpoint: an old index
 * goes before the first shard comes, since shards may have the names that it lists; an old
 * model.safetensors, which readers prefer to an index, goes when the new index is there. Carried
 * files that the new checkpoint does not have go before its weights get their name. */
static swg_status commit_all(swg_sink *sink)
{
    st_output *output = sink->state;
    const size_t n_plain = output->n_carried - (output->n_shards > 1);
    const bool replaces = sink->force && !is_single_file(sink);
    for (size_t i = 0; i < n_plain; i++)
        SWG_TRY(swg_file_commit(&output->carried[i].file));
    if (replaces)
        SWG_TRY(remove_carried(sink));
    if (output->n_shards > 1 && sink->force)
        SWG_TRY(remove_stale(sink, index_name));
    for (size_t i = 0; i < output->n_shards; i++) {
        SWG_TRY(swg_file_commit(&output->shards[i].file));
        output->shards[i].is_committed = true;
    }
    if (output->n_shards > 1)
        SWG_TRY(swg_file_commit(&output->carried[n_plain].file));
    output->is_finished = true;
    if (!replaces)
        return SWG_OK;
    SWG_TRY(remove_stale(sink, output->n_shards > 1 ? single_name : index_name));
    return swg_folder_visit(sink->path, remove_old_shard, sink);
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    st_output *output = sink->state;
    SWG_TRY(seal_shard(&output->shards[output->current]));
    SWG_TRY(commit_all(sink));
    *bytes = output->bytes + output->carried_bytes;
    return SWG_OK;
}

/* Shards that have their names already, of an output that failed before all had theirs: nobody can
 * read them, and without --force they replaced nothing. */
static void remove_shards(const swg_sink *sink)
{
    const st_output *output = sink->state;
    for (size_t i = 0; i < output->n_shards && output->shards[i].is_committed; i++) {
        char name[SHARD_NAME_BYTES];
        char *path = swg_path_join(sink->path, shard_name(output, i, name));
        if (path)
            (void)unlink(path);
        swg_free(path);
    }
}

static void remove_inner_folder(const char *path, const char *name)
{
    char *folder = name && strchr(name, '/') ? swg_path_dirname(path) : NULL;
    if (folder)
        (void)rmdir(folder);
    swg_free(folder);
}

static void close_output(swg_sink *sink)
{
    st_output *output = sink->state;
    const bool undo_folder = output->made_folder && !output->is_finished;
    if (!output->is_finished && !sink->force && !is_single_file(sink))
        remove_shards(sink);
    for (size_t i = 0; i < output->n_shards; i++) {
        swg_file_abort(&output->shards[i].file);
        swg_strbuf_deinit(&output->shards[i].header);
    }
    for (size_t i = 0; i < output->n_carried; i++) {
        companion *c = &output->carried[i];
        swg_file_abort(&c->file);
        /* Remove the folder if this run created it, with files already renamed into place. */
        if (undo_folder && c->path) {
            (void)unlink(c->path);
            remove_inner_folder(c->path, c->name);
        }
        swg_free(c->path);
    }
    if (undo_folder) {
        remove_shards(sink);
        (void)rmdir(sink->path);
    }
    swg_strbuf_deinit(&output->index);
}

static swg_status plan(swg_sink *sink, uint64_t *bytes, bool *is_exact)
{
    SWG_TRY(make_output(sink));
    const st_output *output = sink->state;
    *bytes = output->bytes + output->carried_bytes;
    *is_exact = true;
    return SWG_OK;
}

const swg_writer swg_writer_safetensors = {
    .check = check,
    .open = open_output,
    .write = write_tensor,
    .finish = finish,
    .close = close_output,
    .plan = plan,
    .writes_folders = true,
    .can_shard = true,
};
