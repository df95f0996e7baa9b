/* Writing GGUF version 3. Plain tensors and blocks keep their type, integer codes become the
 * smallest of Q4_0, Q5_0 and Q8_0 that holds them: all without changing a number
 * (gguf_write_rows.c). Vectors of half precision are widened to F32, because engines compute with
 * nothing else; keys of our own remember which, for the way back. So are the few matrices that
 * engines add to activations. Floats become blocks only when the caller names a type. */
#include <math.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_write.h"
#include "formats/bytes/rotary.h"
#include "runtime/base/notice.h"
#include "runtime/base/numeric.h"

typedef struct gguf_tensor {
    const swg_gguf_tensor_row *row; /* NULL = the frequency factors */
    uint64_t layer, head_dim;       /* head_dim 0: rows as they are */
    const swg_gguf_type *type;      /* NULL: not written */
    uint64_t offset, row_bytes;     /* offset from the data's begin */
} gguf_tensor;

typedef struct gguf_output {
    const swg_gguf_arch *arch;
    gguf_tensor *tensors; /* in the sink's order */
    size_t n_written;     /* of them */
    bool has_factors;
    swg_gguf_rope rope;
    uint64_t factors_offset;
    uint64_t vocab_size;
    swg_gguf_values values;
    swg_strbuf header;
    uint64_t bytes;
    uint64_t n_rounded; /* minima of Q4_1 that are not exact */
    swg_file_writer *file;
} gguf_output;

/* --- Types ------------------------------------------------------------------------------------ */

/* The type that means the same numbers as one of our schemes; NULL when there is none. Asked for
 * Q4_1, 4-bit codes with zero points become that, which rounds their minima. */
static const swg_gguf_type *type_of_scheme(const swg_sink *sink, const swg_tensor_desc *desc)
{
    const swg_gguf_type *wanted =
        sink->element_type ? swg_gguf_type_named(sink->element_type) : NULL;
    const swg_gguf_type *type = swg_gguf_type_of_scheme(desc->scheme);
    if (type && type->id == SWG_BLOCK_Q5_0 && wanted && wanted->id == SWG_BLOCK_Q4_1 &&
        desc->scheme.bits == 4 && desc->scheme.asymmetric)
        type = wanted;
    return type && swg_tensor_cols(desc) % type->block_elems == 0 ? type : NULL;
}

static const swg_gguf_type *type_of_dtype(swg_dtype dtype)
{
    return swg_gguf_type_find(dtype == SWG_F32   ? SWG_GGUF_F32
                              : dtype == SWG_F16 ? SWG_GGUF_F16
                                                 : SWG_GGUF_BF16);
}

static swg_status choose_type(const swg_sink *sink, const swg_tensor_desc *desc,
                              const swg_gguf_tensor_row *row, const swg_gguf_type **out)
{
    char scheme[SWG_SCHEME_NAME_BYTES];
    const bool is_plain = swg_scheme_is_plain(desc->scheme);
    if (!is_plain && (row->flags & SWG_GGUF_F32_ONLY)) {
        *out = swg_gguf_type_find(SWG_GGUF_F32);
        return SWG_OK;
    }
    if (!is_plain) {
        *out = type_of_scheme(sink, desc);
        return *out ? SWG_OK
                    : swg_error(SWG_UNSUPPORTED,
                                "%s: no block type of GGUF holds tensor %s, which is %s with rows "
                                "of %llu; swage convert --dequantize-rest writes it as floats",
                                sink->path, desc->name, swg_scheme_name(desc->scheme, scheme),
                                (unsigned long long)desc->shape[1]);
    }
    if (!swg_dtype_is_float(desc->scheme.dtype))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: tensor %s holds %s; only F32, F16 and BF16 are written to a GGUF%s",
                         sink->path, desc->name, swg_dtype_name(desc->scheme.dtype),
                         desc->scheme.dtype == SWG_F64 ? "; --dequantize f32 makes them of it"
                                                       : "");
    *out = type_of_dtype(desc->scheme.dtype);
    if ((row->flags & SWG_GGUF_F32_ONLY) || desc->rank < 2) {
        *out = swg_gguf_type_find(SWG_GGUF_F32);
    } else if (sink->element_type) {
        const swg_gguf_type *wanted = swg_gguf_type_named(sink->element_type);
        /* What does not divide into blocks stays as it is. */
        if (swg_tensor_cols(desc) % wanted->block_elems == 0)
            *out = wanted;
    }
    return SWG_OK;
}

static swg_status check_element_type(const swg_sink *sink)
{
    const swg_gguf_type *type = sink->element_type ? swg_gguf_type_named(sink->element_type) : NULL;
    if (!sink->element_type || (type && (type->is_block ? swg_gguf_encode_of(type) != NULL
                                                        : swg_dtype_is_float(type->dtype))))
        return SWG_OK;
    return swg_error(SWG_USAGE,
                     "%s: \"%.40s\" is not an element type that is written to a GGUF "
                     "(f32, f16, bf16, q8_0, q4_0, q4_1)",
                     sink->path, sink->element_type);
}

/* --- Layout ----------------------------------------------------------------------------------- */

static int64_t config_int(const swg_json *config, const char *key, const char *or_key)
{
    int64_t value = 0;
    if (!swg_json_as_int(swg_json_get(config, key), &value) && or_key)
        swg_json_as_int(swg_json_get(config, or_key), &value);
    return value;
}

static swg_status find_head_dim(const swg_sink *sink, const swg_json *config,
                                const swg_tensor_desc *desc, gguf_tensor *tensor)
{
    if (!(tensor->row->flags & (SWG_GGUF_QUERY_ROWS | SWG_GGUF_KEY_ROWS)))
        return SWG_OK;
    const bool is_query = (tensor->row->flags & SWG_GGUF_QUERY_ROWS) != 0;
    const int64_t heads = config_int(
        config, is_query ? "num_attention_heads" : "num_key_value_heads", "num_attention_heads");
    const uint64_t rows = desc->rank ? desc->shape[0] : 0;
    if (heads < 1 || rows == 0 || desc->rank > 2 || rows % (2 * (uint64_t)heads) != 0)
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %s has %llu rows, which are not %lld heads of an even size",
                         sink->path, desc->name, (unsigned long long)rows, (long long)heads);
    tensor->head_dim = rows / (uint64_t)heads;
    return SWG_OK;
}

static swg_status place_tensor(swg_sink *sink, const swg_json *config, size_t index, uint64_t *end)
{
    gguf_output *output = sink->state;
    gguf_tensor *tensor = &output->tensors[index];
    const swg_tensor_desc *desc = &sink->tensors[index];
    tensor->row = swg_gguf_row_of_hf(output->arch, desc->name, &tensor->layer);
    if (!tensor->row)
        return swg_error(SWG_UNSUPPORTED, "%s: architecture %s has no tensor %s in a GGUF",
                         sink->path, output->arch->name, desc->name);
    if (!tensor->row->gguf)
        return SWG_OK;
    SWG_TRY(choose_type(sink, desc, tensor->row, &tensor->type));
    SWG_TRY(find_head_dim(sink, config, desc, tensor));
    if (strcmp(tensor->row->gguf, "token_embd.weight") == 0 && desc->rank == 2)
        output->vocab_size = desc->shape[0];
    tensor->row_bytes =
        swg_tensor_cols(desc) / tensor->type->block_elems * tensor->type->block_bytes;
    tensor->offset = *end;
    uint64_t bytes;
    if (!swg_u64_mul(tensor->row_bytes, swg_tensor_rows(desc), &bytes) ||
        !swg_u64_add(*end, bytes, end) || *end > (uint64_t)1 << 60)
        return swg_error(SWG_UNSUPPORTED, "%s: the tensors together are too large", sink->path);
    *end = swg_round_up(*end, SWG_GGUF_ALIGNMENT);
    output->n_written++;
    return SWG_OK;
}

static swg_status place_tensors(swg_sink *sink, const swg_json *config, uint64_t *end)
{
    gguf_output *output = sink->state;
    *end = 0;
    output->tensors = swg_arena_calloc(&sink->arena, sink->n_tensors, sizeof *output->tensors);
    if (!output->tensors)
        return SWG_NO_MEMORY;
    output->has_factors =
        output->arch->has_rope_factors && swg_gguf_config_rope(config, &output->rope);
    for (size_t i = 0; i < sink->n_tensors; i++)
        SWG_TRY(place_tensor(sink, config, i, end));
    if (output->has_factors) {
        output->factors_offset = *end;
        *end = swg_round_up(*end + 4 * output->rope.n_pairs, SWG_GGUF_ALIGNMENT);
    }
    return SWG_OK;
}

/* --- Header ----------------------------------------------------------------------------------- */

/* What llama.cpp calls the file as a whole: by the type that most numbers of matrices have. */
static uint32_t file_type(const swg_sink *sink)
{
    static const uint32_t types[][2] = {
        {SWG_GGUF_F32, 0},       {SWG_GGUF_F16, 1},       {SWG_GGUF_BF16, 32},
        {SWG_BLOCK_Q4_0, 2},     {SWG_BLOCK_Q4_1, 3},     {SWG_BLOCK_Q8_0, 7},
        {SWG_BLOCK_Q5_0, 8},     {SWG_BLOCK_Q5_1, 9},     {SWG_BLOCK_Q2_K, 10},
        {SWG_BLOCK_Q3_K, 12},    {SWG_BLOCK_Q4_K, 15},    {SWG_BLOCK_Q5_K, 17},
        {SWG_BLOCK_Q6_K, 18},    {SWG_BLOCK_IQ2_XXS, 19}, {SWG_BLOCK_IQ2_XS, 20},
        {SWG_BLOCK_IQ3_XXS, 23}, {SWG_BLOCK_IQ1_S, 24},   {SWG_BLOCK_IQ4_NL, 25},
        {SWG_BLOCK_IQ3_S, 26},   {SWG_BLOCK_IQ2_S, 28},   {SWG_BLOCK_IQ4_XS, 30},
        {SWG_BLOCK_IQ1_M, 31},   {SWG_BLOCK_TQ1_0, 36},   {SWG_BLOCK_TQ2_0, 37},
        {SWG_BLOCK_MXFP4, 38},   {SWG_BLOCK_NVFP4, 39}};
    const gguf_output *output = sink->state;
    uint64_t most = 0;
    uint32_t result = 0;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        uint64_t elems = 0;
        for (size_t i = 0; i < sink->n_tensors; i++)
            if (output->tensors[i].type && output->tensors[i].type->id == types[t][0] &&
                !(output->tensors[i].row->flags & SWG_GGUF_F32_ONLY))
                elems += swg_tensor_elems(&sink->tensors[i]);
        if (elems > most) {
            most = elems;
            result = types[t][1];
        }
    }
    return result;
}

static void put_general(swg_sink *sink)
{
    gguf_output *output = sink->state;
    static const char *const own[] = {"general.architecture", "general.alignment",
                                      "general.file_type", "general.quantization_version"};
    swg_gguf_values *values = &output->values;
    bool has_blocks = false;
    for (size_t i = 0; i < sink->n_tensors; i++)
        has_blocks = has_blocks || (output->tensors[i].type && output->tensors[i].type->is_block);
    swg_gguf_put_text(values, "general.architecture", output->arch->name,
                      strlen(output->arch->name));
    for (size_t i = 0; i < sink->meta.n_metadata; i++) {
        const char *const key = sink->meta.metadata[2 * i];
        const char *const value = sink->meta.metadata[2 * i + 1];
        bool is_own = false;
        for (size_t j = 0; j < sizeof own / sizeof *own; j++)
            is_own = is_own || strcmp(key, own[j]) == 0;
        if (strncmp(key, "general.", 8) == 0 && !is_own)
            swg_gguf_put_text(values, key, value, strlen(value));
    }
    swg_gguf_put_u32(values, "general.file_type", file_type(sink));
    if (has_blocks)
        swg_gguf_put_u32(values, "general.quantization_version", 2);
}

/* Names of the tensors that were widened from that type. */
static void put_widened(swg_sink *sink, const char *key, swg_dtype dtype)
{
    gguf_output *output = sink->state;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t n = 0;
        for (size_t i = 0; i < sink->n_tensors; i++) {
            const gguf_tensor *tensor = &output->tensors[i];
            const swg_scheme scheme = sink->tensors[i].scheme;
            char name[SWG_MAX_NAME];
            if (!tensor->type || !swg_scheme_is_plain(scheme) || scheme.dtype != dtype ||
                tensor->type->id != SWG_GGUF_F32 || sink->element_type)
                continue;
            n++;
            swg_gguf_row_name(tensor->row->gguf, tensor->layer, name, sizeof name);
            if (pass)
                swg_gguf_append_text(&output->values.out, name, strlen(name));
        }
        if (n == 0)
            return;
        if (pass == 0)
            swg_gguf_put_array(&output->values, key, SWG_GGUF_STRING, n);
    }
}

static void put_tensor_info(swg_strbuf *out, const char *name, uint32_t rank, const uint64_t *shape,
                            uint32_t type, uint64_t offset)
{
    swg_gguf_append_text(out, name, strlen(name));
    swg_gguf_append_number(out, 4, rank);
    for (uint32_t i = rank; i > 0; i--)
        swg_gguf_append_number(out, 8, shape[i - 1]);
    swg_gguf_append_number(out, 4, type);
    swg_gguf_append_number(out, 8, offset);
}

static swg_status build_header(swg_sink *sink, uint64_t data_bytes)
{
    gguf_output *output = sink->state;
    swg_strbuf *out = &output->header;
    SWG_TRY(swg_strbuf_status(&output->values.out));
    swg_strbuf_append(out, "GGUF", 4);
    swg_gguf_append_number(out, 4, SWG_GGUF_VERSION);
    swg_gguf_append_number(out, 8, output->n_written + output->has_factors);
    swg_gguf_append_number(out, 8, output->values.count);
    swg_strbuf_append(out, output->values.out.text, output->values.out.length);
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const gguf_tensor *tensor = &output->tensors[i];
        char name[SWG_MAX_NAME];
        if (!tensor->type)
            continue;
        swg_gguf_row_name(tensor->row->gguf, tensor->layer, name, sizeof name);
        put_tensor_info(out, name, sink->tensors[i].rank, sink->tensors[i].shape, tensor->type->id,
                        tensor->offset);
    }
    const uint64_t n_pairs = output->rope.n_pairs;
    if (output->has_factors)
        put_tensor_info(out, "rope_freqs.weight", 1, &n_pairs, SWG_GGUF_F32,
                        output->factors_offset);
    static const char zeros[SWG_GGUF_ALIGNMENT];
    swg_strbuf_append(out, zeros, swg_round_up(out->length, SWG_GGUF_ALIGNMENT) - out->length);
    output->bytes = out->length + data_bytes;
    return swg_strbuf_status(out);
}

static swg_status make_output(swg_sink *sink)
{
    gguf_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    const char *model_type = "";
    uint64_t data_bytes = 0;
    if (!output)
        return SWG_NO_MEMORY;
    sink->state = output;
    SWG_GO(check_element_type(sink));
    SWG_GO(swg_json_parse(sink->meta.config, sink->meta.config_length, "config.json", &doc));
    const swg_json *config = swg_json_root(doc);
    swg_json_as_string(swg_json_get(config, "model_type"), &model_type);
    output->arch = swg_gguf_arch_of_model(model_type);
    char known[SWG_GGUF_MODEL_TYPES_BYTES];
    if (!output->arch)
        SWG_GO(swg_error(SWG_UNSUPPORTED,
                         "%s: models of type \"%.60s\" are not written to a GGUF (%s are)",
                         sink->path, model_type, swg_gguf_model_types_text(known)));
    output->values.arch = output->arch->name;
    SWG_GO(place_tensors(sink, config, &data_bytes));
    put_general(sink);
    SWG_GO(swg_gguf_put_config(sink, output->arch, config, output->vocab_size, &output->values));
    SWG_GO(swg_gguf_put_tokenizer(sink, config, output->vocab_size, &output->values));
    put_widened(sink, "swage.widened_f16", SWG_F16);
    put_widened(sink, "swage.widened_bf16", SWG_BF16);
    SWG_GO(build_header(sink, data_bytes));
done:
    swg_json_free(&doc);
    return status;
}

/* --- Tensors ---------------------------------------------------------------------------------- */

/* A vector of a matrix's rows: its elements move as those rows do. */
static swg_status put_permuted_vector(swg_sink *sink, const swg_tensor_desc *desc,
                                      const gguf_tensor *tensor, const void *plane, uint8_t *out)
{
    const swg_dtype from = desc->scheme.dtype, to = tensor->type->dtype;
    if (from != to) /* wider: vectors become F32 */
        SWG_TRY(swg_sink_check_finite(sink, desc->name, from, plane, desc->shape[0]));
    for (uint64_t i = 0; i < desc->shape[0]; i++)
        swg_float_store(to, out, (size_t)i,
                        swg_float_load(from, plane, (size_t)swg_half_row(i, tensor->head_dim)));
    return SWG_OK;
}

/* Rows of a tensor that are made anew, in pieces that threads share. */
typedef struct remaking {
    swg_sink *sink;
    size_t index; /* of the tensor */
    const void *const *planes;
    uint64_t rows, rows_per_piece, at; /* at: of the first row in the file */
    uint8_t *scratch;                  /* a piece for each thread */
} remaking;

static swg_status write_piece(void *context, size_t number)
{
    const remaking *const r = context;
    gguf_output *const output = r->sink->state;
    const gguf_tensor *const tensor = &output->tensors[r->index];
    const swg_tensor_desc *const desc = &r->sink->tensors[r->index];
    const uint64_t begin = number * r->rows_per_piece, left = r->rows - begin;
    const uint64_t n = left < r->rows_per_piece ? left : r->rows_per_piece;
    uint8_t *const piece =
        r->scratch + swg_pool_thread_index() * r->rows_per_piece * tensor->row_bytes;
    for (uint64_t i = 0; i < n; i++)
        if (tensor->head_dim && desc->rank == 1)
            SWG_TRY(put_permuted_vector(r->sink, desc, tensor, r->planes[SWG_PLANE_VALUES], piece));
        else
            SWG_TRY(swg_gguf_put_row(r->sink, desc, tensor->type, r->planes,
                                     tensor->head_dim ? swg_half_row(begin + i, tensor->head_dim)
                                                      : begin + i,
                                     piece + i * tensor->row_bytes, &output->n_rounded));
    return swg_file_write_at(output->file, r->at + begin * tensor->row_bytes, piece,
                             (size_t)(n * tensor->row_bytes));
}

static swg_status write_rows(swg_sink *sink, size_t index,
                             const void *const planes[SWG_PLANE_KINDS])
{
    enum { PIECE_BYTES = 1 << 20 };
    gguf_output *output = sink->state;
    const gguf_tensor *tensor = &output->tensors[index];
    const swg_tensor_desc *desc = &sink->tensors[index];
    const uint64_t rows = swg_tensor_rows(desc), at = output->header.length + tensor->offset;
    const bool is_as_is = !tensor->head_dim && swg_gguf_row_is_as_is(desc, tensor->type);
    if (rows * tensor->row_bytes == 0)
        return SWG_OK;
    if (is_as_is)
        return swg_file_write_at(output->file, at,
                                 planes[desc->scheme.ggml ? SWG_PLANE_GGML : SWG_PLANE_VALUES],
                                 (size_t)(rows * tensor->row_bytes));
    const uint64_t most = tensor->row_bytes < PIECE_BYTES ? PIECE_BYTES / tensor->row_bytes : 1;
    remaking r = {.sink = sink, .index = index, .planes = planes, .rows = rows, .at = at};
    r.rows_per_piece = most < rows ? most : rows;
    SWG_TRY(SWG_NEW_UNINIT(r.scratch, swg_pool_threads(sink->pool) * (size_t)r.rows_per_piece *
                                          tensor->row_bytes));
    const swg_status status =
        swg_pool_for(sink->pool, (size_t)((rows - 1) / r.rows_per_piece + 1), write_piece, &r);
    swg_free(r.scratch);
    return status;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t *stored_bytes)
{
    const gguf_output *output = sink->state;
    const gguf_tensor *t = &output->tensors[tensor];
    *stored_bytes = t->type ? t->row_bytes * swg_tensor_rows(&sink->tensors[tensor]) : 0;
    return t->type ? write_rows(sink, tensor, planes) : SWG_OK;
}

static swg_status write_factors(const gguf_output *output)
{
    float *factors;
    SWG_TRY(SWG_NEW(factors, output->rope.n_pairs));
    swg_gguf_rope_factors(&output->rope, factors);
    const swg_status status =
        swg_file_write_at(output->file, output->header.length + output->factors_offset, factors,
                          output->rope.n_pairs * sizeof *factors);
    swg_free(factors);
    return status;
}

/* --- The file --------------------------------------------------------------------------------- */

static swg_status open_output(swg_sink *sink)
{
    SWG_TRY(make_output(sink));
    gguf_output *output = sink->state;
    SWG_TRY(swg_file_create(sink->path, sink->force, output->bytes, &output->file));
    SWG_TRY(swg_file_append(output->file, output->header.text, output->header.length));
    /* The padding behind the last tensor, whichever is written last. */
    if (output->bytes > output->header.length)
        SWG_TRY(swg_file_write_at(output->file, output->bytes - 1, "", 1));
    return output->has_factors ? write_factors(output) : SWG_OK;
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    gguf_output *output = sink->state;
    swg_file_extend(output->file, output->bytes);
    SWG_TRY(swg_file_commit(&output->file));
    *bytes = output->bytes;
    if (output->n_rounded)
        swg_notice("%s: %llu minima of blocks of Q4_1 were rounded to half precision", sink->path,
                   (unsigned long long)output->n_rounded);
    return SWG_OK;
}

static void close_output(swg_sink *sink)
{
    gguf_output *output = sink->state;
    swg_file_abort(&output->file);
    swg_strbuf_deinit(&output->values.out);
    swg_strbuf_deinit(&output->header);
}

static swg_status plan(swg_sink *sink, uint64_t *bytes, bool *is_exact)
{
    SWG_TRY(make_output(sink));
    const gguf_output *output = sink->state;
    *bytes = output->bytes;
    *is_exact = true;
    return SWG_OK;
}

static bool holds(const swg_tensor_desc *desc)
{
    const swg_gguf_type *type = swg_gguf_type_of_scheme(desc->scheme);
    return swg_scheme_is_plain(desc->scheme) ||
           (type && swg_tensor_cols(desc) % type->block_elems == 0);
}

/* Which types there are is checked when the output is opened. */
static bool takes_element_type(const char *word)
{
    return word != NULL;
}

const swg_writer swg_writer_gguf = {
    .holds = holds,
    .takes_element_type = takes_element_type,
    .open = open_output,
    .write = write_tensor,
    .finish = finish,
    .close = close_output,
    .plan = plan,
    .translates_config = true,
};
