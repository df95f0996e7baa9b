/* Reading llama2.c's .bin in all its versions (llama2c_layout.h). Version 2's int8 groups are a
 * scheme of ours where a group is 32, 64, 128 or 256 columns of one row; other group lengths are
 * read as F32. Tables of cosines and sines are skipped, as run.c does. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/llama2c/llama2c_layout.h"
#include "formats/reader.h"
#include "formats/bytes/rotary.h"
#include "runtime/base/folder.h"
#include "runtime/base/json_writer.h"

typedef struct llama2c_state {
    swg_map map;
    swg_llama2c_header header;
} llama2c_state;

/* How a tensor is stored; of swg_stored_tensor.detail. */
typedef struct llama2c_rows {
    uint64_t head_dim; /* rows are permuted within that many; 0 = as they are */
    size_t scales;     /* offset of version 2's scales; 0 = F32 */
    size_t bytes;      /* in the file */
} llama2c_rows;

static bool claims(const swg_probe *probe)
{
    swg_llama2c_header header;
    return !probe->is_directory && swg_llama2c_parse(probe->head, probe->head_bytes, &header);
}

/* --- Tensors ---------------------------------------------------------------------------------- */

static swg_scheme presented_scheme(const swg_llama2c_header *h, const swg_llama2c_kind *kind)
{
    const bool is_scheme = h->group == 32 || h->group == 64 || h->group == 128 || h->group == 256;
    if (!kind->is_quantized || !is_scheme || kind->shape[1] % h->group != 0)
        return swg_scheme_plain(SWG_F32);
    return (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F32, .group = (uint32_t)h->group);
}

static swg_status add_tensor(swg_source *source, const swg_llama2c_kind *kind, uint64_t layer,
                             uint64_t offset)
{
    llama2c_state *state = source->state;
    char name[96];
    if (kind->every_layer)
        snprintf(name, sizeof name, "model.layers.%llu.%s", (unsigned long long)layer, kind->name);
    else
        snprintf(name, sizeof name, "%s", kind->name);
    swg_stored_tensor *tensor;
    SWG_TRY(swg_source_add_tensor(source, name, strlen(name),
                                  presented_scheme(&state->header, kind), kind->rank, kind->shape,
                                  &tensor));
    tensor->map = &state->map;
    tensor->offset = (size_t)offset;
    llama2c_rows *rows = swg_arena_calloc(&source->arena, 1, sizeof *rows);
    if (!rows)
        return SWG_NO_MEMORY;
    rows->bytes = (size_t)swg_llama2c_bytes(&state->header, kind);
    if (kind->permuted_heads)
        rows->head_dim = kind->shape[0] / kind->permuted_heads;
    if (kind->is_quantized)
        rows->scales = (size_t)(offset + swg_llama2c_elems(kind));
    tensor->detail = rows;
    return SWG_OK;
}

static swg_status add_tensors(swg_source *source)
{
    const llama2c_state *state = source->state;
    const swg_llama2c_header *h = &state->header;
    swg_llama2c_kind kinds[SWG_LLAMA2C_KINDS];
    const size_t n_kinds = swg_llama2c_kinds(h, kinds);
    const uint64_t due = swg_llama2c_file_bytes(h);
    if (due != state->map.size)
        return swg_error(SWG_CORRUPT, "%s: the llama2.c header means %llu bytes, the file has %zu",
                         source->path, (unsigned long long)due, state->map.size);
    uint64_t offset = swg_llama2c_header_bytes(h);
    for (size_t i = 0; i < n_kinds; i++) {
        const uint64_t copies = kinds[i].every_layer ? h->n_layers : 1;
        for (uint64_t layer = 0; layer < copies; layer++) {
            if (kinds[i].name)
                SWG_TRY(add_tensor(source, &kinds[i], layer, offset));
            offset += swg_llama2c_bytes(h, &kinds[i]);
        }
    }
    return SWG_OK;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static swg_status write_config(swg_source *source, const swg_llama2c_header *h)
{
    swg_json_writer json = {0};
    swg_json_begin_object(&json, NULL);
    swg_json_begin_array(&json, "architectures");
    swg_json_string(&json, NULL, "LlamaForCausalLM");
    swg_json_end_array(&json);
    swg_json_string(&json, "model_type", "llama");
    swg_json_uint(&json, "hidden_size", h->dim);
    swg_json_uint(&json, "intermediate_size", h->hidden);
    swg_json_uint(&json, "num_hidden_layers", h->n_layers);
    swg_json_uint(&json, "num_attention_heads", h->n_heads);
    swg_json_uint(&json, "num_key_value_heads", h->n_kv_heads);
    swg_json_uint(&json, "head_dim", h->head_dim);
    swg_json_uint(&json, "vocab_size", h->vocab);
    swg_json_uint(&json, "max_position_embeddings", h->context);
    /* What run.c has built in. */
    swg_json_double(&json, "rms_norm_eps", 1e-5);
    swg_json_double(&json, "rope_theta", 10000.0);
    swg_json_string(&json, "hidden_act", "silu");
    swg_json_bool(&json, "tie_word_embeddings", h->is_tied);
    swg_json_int(&json, "bos_token_id", 1);
    swg_json_int(&json, "eos_token_id", 2);
    swg_json_string(&json, "torch_dtype", "float32");
    swg_json_end_object(&json);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        status = swg_source_set_config(source, json.out.text, json.out.length);
    swg_json_deinit(&json);
    return status;
}

static swg_status add_tokenizer(swg_source *source)
{
    if (source->memory.data)
        return SWG_OK;
    swg_status status = SWG_OK;
    bool is_there = false;
    char *path = NULL;
    char *folder = swg_path_dirname(source->path);
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    path = swg_path_join(folder, "tokenizer.bin");
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_path_find(path, &is_there));
    if (is_there) {
        SWG_GO(swg_source_add_file(source, "tokenizer.bin", path, NULL));
        SWG_GO(swg_source_add_input(source, path));
    }
done:
    swg_free(path);
    swg_free(folder);
    return status;
}

/* What follows a versioned header up to the tensors is zero, or of a version to come. */
static swg_status check_padding(const swg_source *source)
{
    const llama2c_state *state = source->state;
    const size_t begin = state->header.version == 2 ? SWG_LLAMA2C_PROBE : SWG_LLAMA2C_PROBE - 4;
    for (size_t i = begin; state->header.version && i < SWG_LLAMA2C_HEADER; i++)
        if (state->map.data[i] != 0)
            return swg_error(SWG_UNSUPPORTED, "%s: byte %zu of the llama2.c header is not zero",
                             source->path, i);
    return SWG_OK;
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    llama2c_state *state = swg_arena_calloc(&source->arena, 1, sizeof *state);
    if (!state)
        return SWG_NO_MEMORY;
    source->state = state;
    SWG_TRY(swg_source_map(source, probe->path, &state->map));
    if (!swg_llama2c_parse(state->map.data, state->map.size, &state->header))
        return swg_error(SWG_CORRUPT, "%s: not a llama2.c header", probe->path);
    SWG_TRY(add_tensors(source));
    SWG_TRY(check_padding(source));
    SWG_TRY(write_config(source, &state->header));
    SWG_TRY(swg_source_add_input(source, probe->path));
    return add_tokenizer(source);
}

static void close_source(swg_source *source)
{
    llama2c_state *state = source->state;
    if (state)
        swg_map_close(&state->map);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Row `row` of the file, as a row of one plane; false when a scale of it is not finite. Unaligned:
 * version 2's scales begin where the codes end. */
static bool present_row(const swg_source *source, const swg_stored_tensor *tensor,
                        const swg_plane *plane, uint64_t row, uint8_t *out)
{
    const llama2c_state *state = source->state;
    const llama2c_rows *rows = tensor->detail;
    const size_t cols = (size_t)swg_tensor_cols(&tensor->desc), first = (size_t)row * cols;
    const uint8_t *codes = state->map.data + tensor->offset + first;
    const uint8_t *scales = state->map.data + rows->scales;
    const size_t group = (size_t)state->header.group;
    if (plane->kind == SWG_PLANE_SCALES) {
        memcpy(out, scales + first / group * sizeof(float), plane->row_bytes);
        return true; /* checked with the plane */
    }
    if (plane->kind == SWG_PLANE_CODES) {
        for (size_t c = 0; c < cols; c++)
            out[c] = codes[c] ^ 0x80;
        return true;
    }
    for (size_t c = 0; c < cols; c++) {
        float scale;
        memcpy(&scale, scales + (first + c) / group * sizeof scale, sizeof scale);
        if (!isfinite(scale))
            return false;
        const float value = (float)(int8_t)codes[c] * scale;
        memcpy(out + c * sizeof value, &value, sizeof value);
    }
    return true;
}

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor,
                            const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    const llama2c_rows *rows = tensor->detail;
    if (!rows->head_dim && !rows->scales) {
        swg_source_read_mapped(tensor, plane, row_begin, n_rows, out);
        return SWG_OK;
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        const uint64_t row =
            rows->head_dim ? swg_neighbour_row(row_begin + i, rows->head_dim) : row_begin + i;
        uint8_t *to = (uint8_t *)out + i * plane->row_bytes;
        if (rows->scales && !present_row(source, tensor, plane, row, to))
            return swg_error(SWG_CORRUPT, "%s: a scale in row %llu of tensor %s is not finite",
                             source->path, (unsigned long long)row, tensor->desc.name);
        if (!rows->scales)
            swg_source_read_mapped(tensor, plane, row, 1, to);
    }
    return SWG_OK;
}

static uint64_t stored_bytes(const swg_stored_tensor *tensor)
{
    return ((const llama2c_rows *)tensor->detail)->bytes;
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    (void)source;
    swg_map_release(tensor->map, tensor->offset, (size_t)stored_bytes(tensor));
}

const swg_reader swg_reader_llama2c = {
    .name = "llama2c",
    .summary = "llama2.c .bin",
    .claims = claims,
    .open = open_source,
    .close = close_source,
    .read = read_rows,
    .stored_bytes = stored_bytes,
    .release = release,
};
