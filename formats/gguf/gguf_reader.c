/* Reading GGUF: tensors under their Hugging Face names, rotary rows in halves, matrices of Q8_0 and
 * Q4_0 as the schemes of ours that mean the same numbers, other blocks as they are (schemes of
 * their own, "q4_k"). Tensors and architectures that no table knows keep the names they have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_parts.h"
#include "formats/bytes/rotary.h"
#include "runtime/base/numeric.h"

/* Tensors that this project's writer widened to F32, and what they were; sorted. */
typedef struct widened_names {
    swg_gguf_text *names;
    size_t n;
} widened_names;

typedef struct gguf_state {
    swg_gguf_parts parts;
    const swg_gguf_arch *arch; /* NULL = not known */
    int64_t n_heads, n_kv_heads;
    bool has_classifier;
    widened_names widened[2];
} gguf_state;

/* How a tensor's rows are stored; of swg_stored_tensor.detail. */
typedef struct gguf_rows {
    const swg_gguf_type *type;
    size_t row_bytes, n_blocks;
    uint64_t head_dim; /* rows are permuted within that many; 0 = as they are */
} gguf_rows;

static bool claims(const swg_probe *probe)
{
    return !probe->is_directory && probe->head_bytes >= 4 && memcmp(probe->head, "GGUF", 4) == 0;
}

/* --- Tensors ---------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
    const swg_gguf_text *x = a, *y = b;
    const int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static const swg_dtype widened_types[2] = {SWG_F16, SWG_BF16};

static swg_status find_widened(swg_source *source)
{
    static const char *const keys[2] = {"swage.widened_f16", "swage.widened_bf16"};
    gguf_state *state = source->state;
    for (size_t k = 0; k < 2; k++) {
        const swg_gguf_value *value = swg_gguf_find(&state->parts.header, keys[k]);
        widened_names *widened = &state->widened[k];
        if (!value)
            continue;
        if (!swg_gguf_is_array(value, SWG_GGUF_STRING))
            return swg_error(SWG_CORRUPT, "%s: %s is not an array of strings", source->path,
                             keys[k]);
        widened->names =
            swg_arena_calloc(&source->arena, (size_t)value->count, sizeof *widened->names);
        if (!widened->names)
            return SWG_NO_MEMORY;
        for (size_t at = 0; widened->n < value->count; widened->n++)
            swg_gguf_next_text(value, &at, &widened->names[widened->n]);
        if (widened->n > 1)
            qsort(widened->names, widened->n, sizeof *widened->names, compare_texts);
    }
    return SWG_OK;
}

static swg_scheme presented_scheme(const gguf_state *state, const swg_gguf_tensor *tensor)
{
    for (size_t k = 0; k < 2 && tensor->type->id == SWG_GGUF_F32; k++)
        if (state->widened[k].n && bsearch(&tensor->name, state->widened[k].names,
                                           state->widened[k].n, sizeof tensor->name, compare_texts))
            return swg_scheme_plain(widened_types[k]);
    const bool is_matrix = tensor->rank == 2 && tensor->shape[0] > 0 && tensor->shape[1] > 0;
    if (is_matrix && tensor->type->id == SWG_BLOCK_Q8_0)
        return (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = SWG_BLOCK_ELEMS);
    if (is_matrix && tensor->type->id == SWG_BLOCK_Q4_0)
        return (swg_scheme)SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = SWG_BLOCK_ELEMS);
    if (tensor->type->is_block)
        return swg_scheme_ggml(tensor->type->id, swg_block_type_find(tensor->type->id)->bits);
    return swg_scheme_plain(tensor->type->dtype);
}

/* Rows of a head, from the number of heads. A vector has its elements for rows. */
static swg_status find_head_dim(const swg_source *source, const swg_gguf_tensor *tensor,
                                unsigned flags, uint64_t *head_dim)
{
    const gguf_state *state = source->state;
    *head_dim = 0;
    if (!(flags & (SWG_GGUF_QUERY_ROWS | SWG_GGUF_KEY_ROWS)))
        return SWG_OK;
    const uint64_t heads =
        (uint64_t)(flags & SWG_GGUF_QUERY_ROWS ? state->n_heads : state->n_kv_heads);
    const uint64_t rows = tensor->rank ? tensor->shape[0] : 0;
    if (heads == 0 || rows == 0 || tensor->rank > 2 || rows % (2 * heads) != 0 ||
        (tensor->rank == 1 && tensor->type->is_block))
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %.*s has %llu rows of rank %u, which are not %llu heads of "
                         "an even size",
                         source->path, (int)tensor->name.length, tensor->name.text,
                         (unsigned long long)rows, tensor->rank, (unsigned long long)heads);
    *head_dim = rows / heads;
    return SWG_OK;
}

/* The name in Hugging Face's convention, or the one it has. Encoders without a classifier have no
 * prefix there. */
static void present_name(const gguf_state *state, const swg_gguf_tensor_row *row, uint64_t layer,
                         char out[SWG_MAX_NAME])
{
    const char *const prefix = state->arch->prefix;
    const char *pattern = row->hf;
    if (state->arch->encoder && !state->has_classifier &&
        strncmp(pattern, prefix, strlen(prefix)) == 0)
        pattern += strlen(prefix);
    swg_gguf_row_name(pattern, layer, out, SWG_MAX_NAME);
}

static swg_status add_tensor(swg_source *source, const swg_gguf_tensor *from)
{
    gguf_state *state = source->state;
    uint64_t layer = 0, head_dim = 0;
    char name[SWG_MAX_NAME];
    const swg_gguf_tensor_row *row =
        state->arch ? swg_gguf_row_of_gguf(state->arch, from->name.text, from->name.length, &layer)
                    : NULL;
    swg_stored_tensor *tensor;
    /* Its content is in the configuration (gguf_rope.c). */
    if (state->arch && state->arch->has_rope && swg_gguf_text_is(from->name, "rope_freqs.weight"))
        return SWG_OK;
    if (row) {
        SWG_TRY(find_head_dim(source, from, row->flags, &head_dim));
        present_name(state, row, layer, name);
    }
    SWG_TRY(swg_source_add_tensor(source, row ? name : from->name.text,
                                  row ? strlen(name) : from->name.length,
                                  presented_scheme(state, from), from->rank, from->shape, &tensor));
    tensor->map = from->map;
    tensor->offset = from->offset;
    gguf_rows *rows = swg_arena_calloc(&source->arena, 1, sizeof *rows);
    if (!rows)
        return SWG_NO_MEMORY;
    const uint64_t cols = swg_tensor_cols(&tensor->desc);
    *rows = (gguf_rows){.type = from->type,
                        .n_blocks = (size_t)(cols / from->type->block_elems),
                        .head_dim = head_dim};
    rows->row_bytes = rows->n_blocks * from->type->block_bytes;
    tensor->detail = rows;
    return SWG_OK;
}

static swg_status add_tensors(swg_source *source)
{
    gguf_state *state = source->state;
    const swg_gguf_header *header = &state->parts.header;
    state->n_heads = 0;
    SWG_TRY(swg_gguf_arch_int(source->path, header, "attention.head_count", &state->n_heads));
    state->n_kv_heads = state->n_heads;
    SWG_TRY(swg_gguf_arch_int(source->path, header, "attention.head_count_kv", &state->n_kv_heads));
    SWG_TRY(find_widened(source));
    if (state->arch && state->arch->encoder)
        state->has_classifier =
            swg_gguf_find_tensor(header, state->arch->encoder->gguf_head) != NULL;
    for (size_t i = 0; i < header->n_tensors; i++)
        SWG_TRY(add_tensor(source, &header->tensors[i]));
    return SWG_OK;
}

/* --- Configuration, files, metadata ----------------------------------------------------------- */

static swg_status add_config(swg_source *source)
{
    const gguf_state *state = source->state;
    swg_json_writer json = {0};
    swg_status status = swg_gguf_config(source->path, &state->parts.header, state->arch, &json);
    if (status == SWG_OK)
        status = swg_source_set_config(source, json.out.text, json.out.length);
    swg_json_deinit(&json);
    return status;
}

/* general.* strings other than those that a writer sets itself. */
static swg_status add_metadata(swg_source *source)
{
    const gguf_state *state = source->state;
    static const char prefix[] = "general.";
    for (size_t i = 0; i < state->parts.header.n_values; i++) {
        const swg_gguf_value *value = &state->parts.header.values[i];
        swg_gguf_text text;
        if (value->key.length < sizeof prefix ||
            memcmp(value->key.text, prefix, sizeof prefix - 1) ||
            swg_gguf_text_is(value->key, "general.architecture") || !swg_gguf_as_text(value, &text))
            continue;
        char *key = swg_arena_strndup(&source->arena, value->key.text, value->key.length);
        char *copy = swg_arena_strndup(&source->arena, text.text, text.length);
        if (!key || !copy)
            return SWG_NO_MEMORY;
        SWG_TRY(swg_source_add_metadata(source, key, copy));
    }
    return SWG_OK;
}

typedef swg_status text_maker(const char *path, const swg_gguf_header *header,
                              swg_json_writer *json);

typedef struct made_file {
    text_maker *make;
} made_file;

static swg_status carried_tokenizer(const char *path, const swg_gguf_header *header,
                                    swg_json_writer *json)
{
    swg_gguf_text text;
    if (!swg_gguf_as_text(swg_gguf_find(header, "tokenizer.huggingface.json"), &text))
        return swg_error(SWG_CORRUPT, "%s: tokenizer.huggingface.json is not a string", path);
    swg_strbuf_append(&json->out, text.text, text.length);
    return swg_strbuf_status(&json->out);
}

static const made_file carried = {carried_tokenizer}, made = {swg_gguf_tokenizer_json},
                       settings = {swg_gguf_tokenizer_settings};

static swg_status add_files(swg_source *source)
{
    const gguf_state *state = source->state;
    const bool has_json = swg_gguf_find(&state->parts.header, "tokenizer.huggingface.json") != NULL;
    const bool has_model = swg_gguf_find(&state->parts.header, "tokenizer.ggml.model") != NULL;
    swg_gguf_text model;
    /* "none" and "no_vocab" are how engines spell a model without tokenizer. */
    if (swg_gguf_as_text(swg_gguf_find(&state->parts.header, "tokenizer.ggml.model"), &model) &&
        (swg_gguf_text_is(model, "none") || swg_gguf_text_is(model, "no_vocab")))
        return SWG_OK;
    if (has_json || has_model)
        SWG_TRY(swg_source_add_file(source, "tokenizer.json", NULL,
                                    (void *)(has_json ? &carried : &made)));
    return has_model ? swg_source_add_file(source, "tokenizer_config.json", NULL, (void *)&settings)
                     : SWG_OK;
}

static swg_status load_file(swg_source *source, swg_source_file_entry *file)
{
    const gguf_state *state = source->state;
    const made_file *how = file->detail;
    swg_json_writer json = {0};
    swg_status status = how->make(source->path, &state->parts.header, &json);
    if (status == SWG_OK) {
        file->data = swg_strndup(swg_strbuf_text(&json.out), json.out.length);
        file->length = json.out.length;
        status = file->data ? SWG_OK : SWG_NO_MEMORY;
    }
    swg_json_deinit(&json);
    return status;
}

static swg_status open_source(swg_source *source, const swg_probe *probe)
{
    gguf_state *state = swg_arena_calloc(&source->arena, 1, sizeof *state);
    if (!state)
        return SWG_NO_MEMORY;
    source->state = state;
    SWG_TRY(swg_gguf_parts_open(source, probe->path, &state->parts));
    swg_gguf_text name = {"", 0};
    const swg_gguf_value *value = swg_gguf_find(&state->parts.header, "general.architecture");
    if (value && !swg_gguf_as_text(value, &name))
        return swg_error(SWG_CORRUPT, "%s: general.architecture is not a string", source->path);
    state->arch = swg_gguf_arch_find(name.text, name.length);
    SWG_TRY(add_config(source));
    SWG_TRY(add_tensors(source));
    SWG_TRY(add_metadata(source));
    SWG_TRY(swg_gguf_add_sentence(source, &state->parts.header, state->arch));
    return add_files(source);
}

static void close_source(swg_source *source)
{
    gguf_state *state = source->state;
    if (state)
        swg_gguf_parts_close(&state->parts);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* A stored row of Q8_0 or Q4_0 as a row of codes or scales. */
static void split_row(const gguf_rows *rows, swg_plane_kind kind, const uint8_t *from, uint8_t *out)
{
    const swg_gguf_type *const type = rows->type;
    for (size_t b = 0; b < rows->n_blocks; b++, from += type->block_bytes)
        if (kind == SWG_PLANE_SCALES)
            memcpy(out + 2 * b, from, 2);
        else if (type->id == SWG_BLOCK_Q8_0)
            swg_gguf_q8_0_codes(from, out + SWG_BLOCK_ELEMS * b);
        else
            swg_gguf_q4_0_codes(from, out + SWG_BLOCK_ELEMS / 2 * b);
}

/* A row of widened numbers as what it was. */
static swg_status narrow_row(const swg_source *source, const swg_stored_tensor *tensor,
                             const uint8_t *from, size_t count, uint8_t *out)
{
    const swg_dtype dtype = tensor->desc.scheme.dtype;
    for (size_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, from + i * sizeof value, sizeof value);
        swg_float_store(dtype, out, i, value);
        const float back = swg_float_load(dtype, out, i);
        if (back != value && value == value)
            return swg_error(SWG_CORRUPT,
                             "%s: element %zu of a row of tensor %s is no %s, as the "
                             "file says it was",
                             source->path, i, tensor->desc.name, swg_dtype_name(dtype));
    }
    return SWG_OK;
}

/* Elements of a vector whose elements are a matrix's rows. */
static swg_status read_permuted_vector(const swg_source *source, const swg_stored_tensor *tensor,
                                       bool is_widened, uint8_t *out)
{
    const gguf_rows *rows = tensor->detail;
    const size_t stored = rows->type->block_bytes, bytes = is_widened ? 2 : stored;
    for (uint64_t i = 0; i < tensor->desc.shape[0]; i++) {
        const uint8_t *from =
            tensor->map->data + tensor->offset + swg_neighbour_row(i, rows->head_dim) * stored;
        if (is_widened)
            SWG_TRY(narrow_row(source, tensor, from, 1, out + i * bytes));
        else
            memcpy(out + i * bytes, from, bytes);
    }
    return SWG_OK;
}

static swg_status read_rows(swg_source *source, const swg_stored_tensor *tensor, const swg_plane *p,
                            uint64_t row_begin, uint64_t n_rows, void *out)
{
    const gguf_rows *rows = tensor->detail;
    const bool is_split = p->kind == SWG_PLANE_CODES || p->kind == SWG_PLANE_SCALES;
    const bool is_widened = !rows->type->is_block && rows->type->dtype != tensor->desc.scheme.dtype;
    if (!is_split && !rows->head_dim && !is_widened) {
        swg_source_read_mapped(tensor, p, row_begin, n_rows, out);
        return SWG_OK;
    }
    if (rows->head_dim && tensor->desc.rank == 1)
        return n_rows ? read_permuted_vector(source, tensor, is_widened, out) : SWG_OK;
    for (uint64_t i = 0; i < n_rows; i++) {
        const uint64_t row =
            rows->head_dim ? swg_neighbour_row(row_begin + i, rows->head_dim) : row_begin + i;
        const uint8_t *from = tensor->map->data + tensor->offset + row * rows->row_bytes;
        uint8_t *to = (uint8_t *)out + i * p->row_bytes;
        if (is_widened)
            SWG_TRY(narrow_row(source, tensor, from, rows->n_blocks, to));
        else if (is_split)
            split_row(rows, p->kind, from, to);
        else if (p->row_bytes)
            memcpy(to, from, p->row_bytes);
    }
    return SWG_OK;
}

static uint64_t stored_bytes(const swg_stored_tensor *tensor)
{
    const gguf_rows *rows = tensor->detail;
    return swg_tensor_rows(&tensor->desc) * rows->row_bytes;
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    (void)source;
    swg_map_release(tensor->map, tensor->offset, (size_t)stored_bytes(tensor));
}

const swg_reader swg_reader_gguf = {
    .name = "gguf",
    .summary = "GGUF",
    .claims = claims,
    .ending = ".gguf",
    .open = open_source,
    .close = close_source,
    .read = read_rows,
    .stored_bytes = stored_bytes,
    .release = release,
    .load_file = load_file,
};
