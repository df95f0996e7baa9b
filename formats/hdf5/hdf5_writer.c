/* Writing the state-dict layout of docs/hdf5.md: a dataset a tensor under "tensors", what else the
 * checkpoint holds as datasets of bytes. Types that HDF5 has no name for are unsigned integers of
 * their width with an attribute that says what they are. */
#include <stdlib.h>
#include <string.h>

#include "formats/hdf5/format/hdf5_write.h"
#include "formats/hdf5/hdf5_names.h"
#include "formats/writer.h"
#include "runtime/base/json_writer.h"

typedef struct h5_output {
    swg_file_writer *file;
    swg_h5_output *h5;
} h5_output;

/* --- What cannot be represented --------------------------------------------------------------- */

static int compare_with_name(const void *key, const void *index, void *tensors)
{
    return strcmp(key, ((const swg_tensor_desc *)tensors)[*(const size_t *)index].name);
}

static bool has_tensor(const swg_sink *sink, const char *name)
{
    size_t low = 0, high = sink->n_tensors;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_with_name(name, &sink->by_name[middle], sink->tensors);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* A slash in a key is a group of HDF5: its parts must be names, and no tensor's key. */
static swg_status check_key(const swg_sink *sink, const char *key)
{
    char part[SWG_MAX_NAME + 1];
    size_t begin = 0;
    for (size_t i = 0;; i++) {
        if (key[i] != '/' && key[i] != '\0') {
            part[i] = key[i];
            continue;
        }
        part[i] = '\0';
        if (i == begin || strcmp(part + begin, ".") == 0)
            return swg_error(SWG_UNSUPPORTED,
                             "%s: HDF5 cannot hold a tensor called %s: a part of its path is empty "
                             "or a dot",
                             sink->path, key);
        if (key[i] == '\0')
            return SWG_OK;
        if (has_tensor(sink, part))
            return swg_error(SWG_UNSUPPORTED,
                             "%s: HDF5 cannot hold both a tensor %s and a tensor %s", sink->path,
                             part, key);
        part[i] = '/';
        begin = i + 1;
    }
}

static swg_status check(const swg_sink *sink)
{
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const swg_tensor_desc *desc = &sink->tensors[i];
        char scheme[SWG_SCHEME_NAME_BYTES];
        if (!swg_scheme_is_plain(desc->scheme))
            return swg_error(
                SWG_UNSUPPORTED,
                "%s: HDF5 cannot hold tensor %s, which is %s; swage convert --dequantize writes it "
                "as floats",
                sink->path, desc->name, swg_scheme_name(desc->scheme, scheme));
        SWG_TRY(check_key(sink, desc->name));
    }
    return SWG_OK;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static swg_status put_bytes(swg_h5_output *h5, const char *path, const void *data, size_t length)
{
    const uint64_t shape[1] = {length};
    return swg_h5_put(h5, path, SWG_U8, 1, shape, data, NULL, NULL);
}

static swg_status put_metadata(swg_h5_output *h5, const swg_sink_meta *meta)
{
    swg_json_writer json = {.compact = true};
    swg_status status = SWG_OK;
    swg_json_begin_array(&json, NULL);
    for (size_t i = 0; i < meta->n_metadata; i++) {
        swg_json_begin_array(&json, NULL);
        swg_json_string(&json, NULL, meta->metadata[2 * i]);
        swg_json_string(&json, NULL, meta->metadata[2 * i + 1]);
        swg_json_end_array(&json);
    }
    swg_json_end_array(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(put_bytes(h5, SWG_H5_METADATA, json.out.text, json.out.length));
done:
    swg_json_deinit(&json);
    return status;
}

/* All that comes before the tensors. */
static swg_status put_extras(swg_h5_output *h5, const swg_sink_meta *meta)
{
    SWG_TRY(swg_h5_put_text(h5, SWG_H5_LAYOUT, SWG_H5_LAYOUT_NAME));
    SWG_TRY(put_bytes(h5, SWG_H5_CONFIG, meta->config, meta->config_length));
    if (meta->n_metadata)
        SWG_TRY(put_metadata(h5, meta));
    for (size_t i = 0; i < meta->n_files; i++) {
        char path[sizeof SWG_H5_FILES + SWG_MAX_NAME] = SWG_H5_FILES;
        strcat(path, meta->files[i].name);
        SWG_TRY(put_bytes(h5, path, meta->files[i].data, meta->files[i].length));
    }
    return SWG_OK;
}

static swg_status open_output(swg_sink *sink)
{
    h5_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    if (!output)
        return SWG_NO_MEMORY;
    sink->state = output;
    SWG_TRY(swg_file_create(sink->path, sink->force, 0, &output->file));
    SWG_TRY(swg_h5_create(output->file, &output->h5));
    return put_extras(output->h5, &sink->meta);
}

/* The integer of that width that a type is stored as. */
static swg_dtype stored_as(swg_dtype dtype)
{
    switch (dtype) {
    case SWG_BF16:
        return SWG_U16;
    case SWG_C64:
        return SWG_U64;
    case SWG_BOOL:
    case SWG_F8_E4M3:
    case SWG_F8_E5M2:
    case SWG_F8_E4M3FNUZ:
    case SWG_F8_E5M2FNUZ:
    case SWG_F8_E8M0:
    case SWG_F6_E2M3:
    case SWG_F6_E3M2:
    case SWG_F4:
        return SWG_U8;
    default:
        return dtype;
    }
}

static swg_status put_shape(swg_h5_output *h5, const swg_tensor_desc *desc)
{
    swg_json_writer json = {.compact = true};
    swg_json_begin_array(&json, NULL);
    for (uint32_t i = 0; i < desc->rank; i++)
        swg_json_uint(&json, NULL, desc->shape[i]);
    swg_json_end_array(&json);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        status = swg_h5_put_text(h5, SWG_H5_SHAPE, json.out.text);
    swg_json_deinit(&json);
    return status;
}

static swg_status put_tensor(swg_h5_output *h5, const swg_tensor_desc *desc, const void *data,
                             swg_pool *pool, uint64_t *stored)
{
    const swg_dtype meant = desc->scheme.dtype, dtype = stored_as(meant);
    char path[sizeof SWG_H5_TENSORS + SWG_MAX_NAME] = SWG_H5_TENSORS;
    strcat(path, desc->name);
    const bool is_packed = swg_dtype_bits(meant) < 8;
    swg_plane all[SWG_PLANE_KINDS];
    swg_tensor_planes(desc, all);
    const uint64_t packed_shape[2] = {all[0].rows, all[0].row_bytes};
    SWG_TRY(swg_h5_put(h5, path, dtype, is_packed ? 2 : desc->rank,
                       is_packed ? packed_shape : desc->shape, data, pool, stored));
    if (dtype != meant)
        SWG_TRY(swg_h5_put_text(h5, SWG_H5_DTYPE, swg_dtype_name(meant)));
    return is_packed ? put_shape(h5, desc) : SWG_OK;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t *stored)
{
    const h5_output *output = sink->state;
    return put_tensor(output->h5, &sink->tensors[tensor], planes[SWG_PLANE_VALUES], sink->pool, stored);
}

/* The history, last because it is known last, and the end. */
static swg_status put_end(swg_h5_output **h5, const char *provenance, uint64_t *bytes)
{
    SWG_TRY(put_bytes(*h5, SWG_H5_PROVENANCE, provenance, strlen(provenance)));
    return swg_h5_finish(h5, bytes);
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    h5_output *output = sink->state;
    SWG_TRY(put_end(&output->h5, sink->meta.provenance, bytes));
    return swg_file_commit(&output->file);
}

static void close_output(swg_sink *sink)
{
    h5_output *output = sink->state;
    swg_h5_abort(&output->h5);
    swg_file_abort(&output->file);
}

/* The same calls without a file. */
static swg_status plan(swg_sink *sink, uint64_t *bytes, bool *is_exact)
{
    swg_status status = SWG_OK;
    swg_h5_output *h5 = NULL;
    SWG_GO(swg_h5_create(NULL, &h5));
    SWG_GO(put_extras(h5, &sink->meta));
    for (size_t i = 0; i < sink->n_tensors; i++)
        SWG_GO(put_tensor(h5, &sink->tensors[i], NULL, NULL, NULL));
    SWG_GO(put_end(&h5, sink->meta.provenance, bytes));
    *is_exact = true;
done:
    swg_h5_abort(&h5);
    return status;
}

const swg_writer swg_writer_hdf5 = {
    .check = check,
    .open = open_output,
    .write = write_tensor,
    .finish = finish,
    .close = close_output,
    .plan = plan,
    .keeps_provenance = true,
};
