/* Writing safetensors: a single .safetensors file (tensors and metadata only), or a Hugging Face
 * folder: config.json and carried files as they are, and model.safetensors. Tensors stand in the
 * reference writer's order - wide types first, then by name - so that every tensor is aligned.
 * All files of a folder are made durable before the first gets its name; the weights get theirs
 * last, so a folder with a model.safetensors is complete. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/conv1d.h"
#include "formats/writer.h"
#include "runtime/base/strbuf.h"

enum { HEADER_ALIGNMENT = 8, LENGTH_BYTES = 8 };
static const char file_ending[] = ".safetensors";

typedef struct st_output {
    swg_strbuf header;      /* length, JSON, padding */
    uint64_t *offsets;      /* of each tensor in the file */
    bool has_conv1d;        /* some tensors are stored [in, out] (conv1d.h) */
    uint64_t bytes;         /* of the weights' file */
    uint64_t carried_bytes; /* of the other files */
    swg_file_writer *weights;
    swg_file_writer **carried;
    char **carried_paths;
    size_t n_carried;
    bool made_folder, is_finished;
} st_output;

static bool has_ending(const char *path, const char *ending)
{
    const size_t length = strlen(path), ending_length = strlen(ending);
    return length > ending_length && strcmp(path + length - ending_length, ending) == 0;
}

/* Anything that is no file name of another format is a folder. */
static bool takes(const char *path)
{
    static const char *const others[] = {".bin", ".gguf", ".h5",  ".hdf5", ".keras", ".pt",
                                         ".pth", ".onnx", ".npz", ".json", ".swg"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has_ending(path, others[i]) && !swg_path_is_directory(path))
            return false;
    return true;
}

static bool is_single_file(const swg_sink *sink)
{
    return has_ending(sink->path, file_ending) && !swg_path_is_directory(sink->path);
}

static swg_status check(const swg_sink *sink)
{
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const swg_tensor_desc *desc = &sink->tensors[i];
        char scheme[SWG_SCHEME_NAME_BYTES];
        if (swg_scheme_is_quantized(desc->scheme))
            return swg_error(SWG_UNSUPPORTED,
                             "%s: safetensors cannot hold tensor %s, which is %s; --dequantize "
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

static void put_entry(swg_json_writer *json, const swg_tensor_desc *desc, bool is_turned,
                      uint64_t begin, uint64_t end)
{
    swg_json_begin_object(json, desc->name);
    swg_json_string(json, "dtype", swg_dtype_name(desc->scheme.dtype));
    swg_json_begin_array(json, "shape");
    for (uint32_t i = 0; i < desc->rank; i++)
        swg_json_uint(json, NULL, desc->shape[is_turned ? desc->rank - 1 - i : i]);
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

/* Header text and where each tensor goes. */
static swg_status lay_out(const swg_sink *sink, st_output *output)
{
    swg_status status = SWG_OK;
    swg_json_writer json = {.compact = true};
    size_t *order = NULL;
    uint64_t end = 0;
    SWG_GO(SWG_NEW(order, sink->n_tensors));
    for (size_t i = 0; i < sink->n_tensors; i++)
        order[i] = i;
    qsort_r(order, sink->n_tensors, sizeof *order, compare_places, sink->tensors);
    swg_json_begin_object(&json, NULL);
    put_metadata(&json, &sink->meta);
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const swg_tensor_desc *desc = &sink->tensors[order[i]];
        const uint64_t begin = end;
        if (!swg_u64_add(begin, swg_tensor_bytes(desc), &end) || end > (uint64_t)1 << 62)
            SWG_GO(
                swg_error(SWG_UNSUPPORTED, "%s: the tensors together are too large", sink->path));
        output->offsets[order[i]] = begin;
        put_entry(&json, desc, output->has_conv1d && swg_conv1d_is_weight(desc), begin, end);
    }
    swg_json_end_object(&json);
    while (json.out.length % HEADER_ALIGNMENT != 0 && !json.out.failed)
        swg_strbuf_puts(&json.out, " ");
    SWG_GO(swg_strbuf_status(&json.out));
    uint8_t length[LENGTH_BYTES];
    swg_put_le(length, LENGTH_BYTES, json.out.length);
    swg_strbuf_append(&output->header, length, sizeof length);
    swg_strbuf_append(&output->header, json.out.text, json.out.length);
    SWG_GO(swg_strbuf_status(&output->header));
    for (size_t i = 0; i < sink->n_tensors; i++)
        output->offsets[i] += output->header.length;
    output->bytes = output->header.length + end;
done:
    swg_free(order);
    swg_json_deinit(&json);
    return status;
}

static swg_status make_output(swg_sink *sink)
{
    st_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    if (!output)
        return SWG_NO_MEMORY;
    sink->state = output;
    output->offsets = swg_arena_calloc(&sink->arena, sink->n_tensors, sizeof *output->offsets);
    /* The carried files and config.json. */
    output->carried =
        swg_arena_calloc(&sink->arena, sink->meta.n_files + 1, sizeof(swg_file_writer *));
    output->carried_paths = swg_arena_calloc(&sink->arena, sink->meta.n_files + 1, sizeof(char *));
    if (!output->offsets || !output->carried || !output->carried_paths)
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

static swg_status write_carried(swg_sink *sink, const char *name, const char *data, size_t length)
{
    st_output *output = sink->state;
    const size_t index = output->n_carried++;
    output->carried_paths[index] = swg_path_join(sink->path, name);
    if (!output->carried_paths[index])
        return SWG_NO_MEMORY;
    SWG_TRY(swg_file_create(output->carried_paths[index], sink->force, length,
                            &output->carried[index]));
    return swg_file_append(output->carried[index], data, length);
}

static swg_status create_weights(swg_sink *sink)
{
    st_output *output = sink->state;
    char *path = swg_path_join(sink->path, "model.safetensors");
    if (!path)
        return SWG_NO_MEMORY;
    const swg_status status = swg_file_create(path, sink->force, output->bytes, &output->weights);
    swg_free(path);
    return status;
}

static swg_status open_folder(swg_sink *sink)
{
    st_output *output = sink->state;
    if (mkdir(sink->path, 0777) == 0)
        output->made_folder = true;
    else if (errno != EEXIST || !swg_path_is_directory(sink->path))
        return swg_error(errno == EEXIST ? SWG_USAGE : SWG_IO, "cannot make the folder %s: %s",
                         sink->path, strerror(errno));
    SWG_TRY(create_weights(sink));
    const swg_sink_meta *meta = &sink->meta;
    SWG_TRY(write_carried(sink, "config.json", meta->config, meta->config_length));
    for (size_t i = 0; i < meta->n_files; i++)
        SWG_TRY(
            write_carried(sink, meta->files[i].name, meta->files[i].data, meta->files[i].length));
    return SWG_OK;
}

static swg_status open_output(swg_sink *sink)
{
    SWG_TRY(make_output(sink));
    st_output *output = sink->state;
    if (is_single_file(sink))
        SWG_TRY(swg_file_create(sink->path, sink->force, output->bytes, &output->weights));
    else
        SWG_TRY(open_folder(sink));
    return swg_file_append(output->weights, output->header.text, output->header.length);
}

/* A Conv1D's weight, back to [in, out]. */
static swg_status write_turned(const st_output *output, size_t tensor, const swg_tensor_desc *desc,
                               const void *plane)
{
    const size_t rows = (size_t)desc->shape[0], columns = (size_t)desc->shape[1];
    const size_t bytes = (size_t)swg_tensor_bytes(desc);
    uint8_t *turned;
    SWG_TRY(SWG_NEW_UNINIT(turned, bytes));
    swg_transposed_rows(plane, rows, columns, swg_dtype_bits(desc->scheme.dtype) / 8, 0, columns,
                        turned);
    const swg_status status =
        swg_file_write_at(output->weights, output->offsets[tensor], turned, bytes);
    swg_free(turned);
    return status;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_MAX_PLANES], uint64_t *stored_bytes)
{
    const st_output *output = sink->state;
    const swg_tensor_desc *desc = &sink->tensors[tensor];
    *stored_bytes = swg_tensor_bytes(desc);
    if (output->has_conv1d && swg_conv1d_is_weight(desc))
        return write_turned(output, tensor, desc, planes[0]);
    return swg_file_write_at(output->weights, output->offsets[tensor], planes[0],
                             (size_t)*stored_bytes);
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    st_output *output = sink->state;
    /* Tensors were written at their places: the end is known, not appended to. */
    swg_file_extend(output->weights, output->bytes);
    SWG_TRY(swg_file_seal(output->weights));
    for (size_t i = 0; i < output->n_carried; i++)
        SWG_TRY(swg_file_seal(output->carried[i]));
    for (size_t i = 0; i < output->n_carried; i++)
        SWG_TRY(swg_file_commit(&output->carried[i]));
    SWG_TRY(swg_file_commit(&output->weights));
    output->is_finished = true;
    *bytes = output->bytes + output->carried_bytes;
    return SWG_OK;
}

static void close_output(swg_sink *sink)
{
    st_output *output = sink->state;
    const bool undo_folder = output->made_folder && !output->is_finished;
    swg_file_abort(&output->weights);
    for (size_t i = 0; i < output->n_carried; i++) {
        swg_file_abort(&output->carried[i]);
        /* A folder that was not there before goes again, with what had its name already. */
        if (undo_folder && output->carried_paths[i])
            (void)unlink(output->carried_paths[i]);
        swg_free(output->carried_paths[i]);
    }
    if (undo_folder)
        (void)rmdir(sink->path);
    swg_strbuf_deinit(&output->header);
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
    .name = "safetensors",
    .takes = takes,
    .check = check,
    .open = open_output,
    .write = write_tensor,
    .finish = finish,
    .close = close_output,
    .plan = plan,
};
