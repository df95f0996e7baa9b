/* Writing llama2.c's .bin (llama2c_layout.h): version 0 of floats, version 2 where the matrices are
 * int8 groups with F32 scales; "llama2c-v1" and "llama2c-v2" name the others, and the last turns
 * floats into groups as export.py does. run.c has much built in (silu, a rotary base of 10000, an
 * epsilon of 1e-5): a configuration that says otherwise is refused. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/json/json.h"
#include "formats/llama2c/llama2c_layout.h"
#include "formats/bytes/rotary.h"
#include "formats/writer.h"
#include "runtime/base/numeric.h"

enum { DEFAULT_GROUP = 64 };

/* Where a tensor of the sink goes. */
typedef struct llama2c_place {
    bool is_written; /* a tied head is not */
    swg_llama2c_kind kind;
    uint64_t offset;
} llama2c_place;

typedef struct llama2c_output {
    swg_llama2c_header header;
    llama2c_place *places; /* in the sink's order */
    uint64_t tables;       /* offset of the cosines; 0 = none */
    swg_file_writer *file;
} llama2c_output;

/* --- Configuration ---------------------------------------------------------------------------- */

static swg_status refuse(const swg_sink *sink, const char *key, const char *wanted)
{
    return swg_error(SWG_UNSUPPORTED, "%s: llama2.c has \"%s\" built in as %s", sink->path, key,
                     wanted);
}

static swg_status check_config(const swg_sink *sink, const swg_json *config)
{
    const char *type = "", *activation = "silu";
    double base = 10000, epsilon = 1e-6, rotated = 1;
    swg_json_as_string(swg_json_get(config, "model_type"), &type);
    swg_json_as_string(swg_json_get(config, "hidden_act"), &activation);
    swg_json_as_double(swg_json_get(config, "rope_theta"), &base);
    swg_json_as_double(swg_json_get(config, "rms_norm_eps"), &epsilon);
    if (strcmp(type, "llama") != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: a model of type \"%.60s\" is not written to a "
                         "llama2.c file; only llama is",
                         sink->path, type);
    if (strcmp(activation, "silu") != 0)
        return refuse(sink, "hidden_act", "silu");
    if (base != 10000)
        return refuse(sink, "rope_theta", "10000");
    swg_json_as_double(swg_json_get(config, "partial_rotary_factor"), &rotated);
    swg_json_as_double(
        swg_json_get(swg_json_get(config, "rope_parameters"), "partial_rotary_factor"), &rotated);
    if (rotated != 1)
        return refuse(sink, "partial_rotary_factor", "1");
    if (epsilon != 1e-5)
        return refuse(sink, "rms_norm_eps", "1e-5");
    return swg_json_is_null(swg_json_get(config, "rope_scaling"))
               ? SWG_OK
               : refuse(sink, "rope_scaling", "absent");
}

static swg_status read_config(const swg_sink *sink, unsigned version, swg_llama2c_header *out)
{
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    int64_t v[7] = {0}, head_dim = 0;
    static const char *const keys[7] = {
        "hidden_size",         "intermediate_size", "num_hidden_layers",      "num_attention_heads",
        "num_key_value_heads", "vocab_size",        "max_position_embeddings"};
    SWG_GO(swg_json_parse(sink->meta.config, sink->meta.config_length, "config.json", &doc));
    const swg_json *config = swg_json_root(doc);
    SWG_GO(check_config(sink, config));
    for (size_t i = 0; i < 7; i++) {
        const bool is_given = swg_json_as_int(swg_json_get(config, keys[i]), &v[i]);
        if (!is_given && i == 4)
            v[4] = v[3];
        if (v[i] < 1 || v[i] > INT32_MAX)
            SWG_GO(swg_error(SWG_UNSUPPORTED, "%s: config.json has no usable \"%s\"", sink->path,
                             keys[i]));
    }
    bool is_tied = false;
    swg_json_as_bool(swg_json_get(config, "tie_word_embeddings"), &is_tied);
    /* Through the reader's own checks. */
    uint8_t bytes[SWG_LLAMA2C_HEADER];
    const swg_llama2c_header sizes = {.dim = (uint64_t)v[0],
                                      .hidden = (uint64_t)v[1],
                                      .n_layers = (uint64_t)v[2],
                                      .n_heads = (uint64_t)v[3],
                                      .n_kv_heads = (uint64_t)v[4],
                                      .vocab = (uint64_t)v[5],
                                      .context = (uint64_t)v[6],
                                      .is_tied = is_tied};
    const size_t length = swg_llama2c_put(&sizes, bytes);
    if (!swg_llama2c_parse(bytes, length, out))
        SWG_GO(swg_error(SWG_UNSUPPORTED,
                         "%s: the sizes in config.json (%lld, %lld heads, %lld "
                         "kv heads) are beyond llama2.c",
                         sink->path, (long long)v[0], (long long)v[3], (long long)v[4]));
    if (swg_json_as_int(swg_json_get(config, "head_dim"), &head_dim) &&
        (uint64_t)head_dim != out->head_dim)
        SWG_GO(refuse(sink, "head_dim", "hidden_size / num_attention_heads"));
    out->version = version;
done:
    swg_json_free(&doc);
    return status;
}

/* --- Layout ----------------------------------------------------------------------------------- */

static bool is_int8_group(swg_scheme scheme)
{
    return scheme.format == SWG_FORMAT_int8 && !scheme.asymmetric && scheme.scale_type == SWG_F32 &&
           scheme.group != 0;
}

/* The version that the tensors ask for, and the group length of version 2. */
static swg_status choose_version(const swg_sink *sink, swg_llama2c_header *h)
{
    uint32_t group = 0;
    for (size_t i = 0; i < sink->n_tensors; i++) {
        const swg_tensor_desc *desc = &sink->tensors[i];
        char name[SWG_SCHEME_NAME_BYTES];
        if (swg_scheme_is_plain(desc->scheme))
            continue;
        if (!is_int8_group(desc->scheme) || h->version == 1 ||
            (group && group != desc->scheme.group))
            return swg_error(SWG_UNSUPPORTED,
                             "%s: llama2.c cannot hold tensor %s, which is %s, beside the others; "
                             "swage convert --dequantize writes it as floats",
                             sink->path, desc->name, swg_scheme_name(desc->scheme, name));
        group = desc->scheme.group;
        h->version = 2;
    }
    if (h->version != 2)
        return SWG_OK;
    h->group = group ? group : DEFAULT_GROUP;
    /* runq.c leaves out what is after a row's last whole group. export.py halves for the width
     * alone, and writes files that runq.c computes nonsense from. */
    while (!group && (h->dim % h->group != 0 || h->hidden % h->group != 0))
        h->group /= 2;
    return SWG_OK;
}

/* Whether a tensor's name is the kind's for a layer, which goes to *layer. */
static bool names_kind(const swg_llama2c_header *h, const swg_llama2c_kind *kind, const char *name,
                       uint64_t *layer)
{
    *layer = 0;
    if (!kind->name)
        return false;
    if (!kind->every_layer)
        return strcmp(kind->name, name) == 0;
    char expected[96];
    unsigned long long number;
    if (sscanf(name, "model.layers.%9llu.", &number) != 1 || number >= h->n_layers)
        return false;
    snprintf(expected, sizeof expected, "model.layers.%llu.%s", number, kind->name);
    *layer = number;
    return strcmp(expected, name) == 0;
}

static swg_status check_tensor(const swg_sink *sink, const swg_tensor_desc *desc,
                               const llama2c_place *place, const swg_llama2c_header *h)
{
    const swg_llama2c_kind *kind = &place->kind;
    const bool is_quantized = !swg_scheme_is_plain(desc->scheme);
    const bool may_widen = sink->element_type && strcmp(sink->element_type, "f32") == 0 &&
                           (desc->scheme.dtype == SWG_F16 || desc->scheme.dtype == SWG_BF16);
    if (desc->rank != kind->rank || desc->shape[0] != kind->shape[0] ||
        (kind->rank == 2 && desc->shape[1] != kind->shape[1]))
        return swg_error(SWG_CORRUPT,
                         "%s: tensor %s has %llu rows and rank %u, config.json means %llu and %u",
                         sink->path, desc->name, (unsigned long long)desc->shape[0], desc->rank,
                         (unsigned long long)kind->shape[0], kind->rank);
    if (is_quantized && (!kind->is_quantized || desc->shape[1] % h->group != 0))
        return swg_error(SWG_UNSUPPORTED, "%s: llama2.c holds tensor %s as floats only", sink->path,
                         desc->name);
    if (!is_quantized && desc->scheme.dtype != SWG_F32 && !may_widen)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: llama2.c holds F32, tensor %s is %s; --element-type f32 allows "
                         "widening",
                         sink->path, desc->name, swg_dtype_name(desc->scheme.dtype));
    if (!is_quantized && kind->is_quantized && sink->writer == &swg_writer_llama2c)
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %s is not quantized like the others",
                         sink->path, desc->name);
    if (kind->is_quantized && swg_llama2c_elems(kind) % h->group != 0)
        return swg_error(SWG_UNSUPPORTED, "%s: tensor %s is not a whole number of groups of %llu",
                         sink->path, desc->name, (unsigned long long)h->group);
    return SWG_OK;
}

static swg_status place_tensor(const swg_sink *sink, size_t index, size_t *n_placed)
{
    llama2c_output *output = sink->state;
    const swg_llama2c_header *h = &output->header;
    const swg_tensor_desc *desc = &sink->tensors[index];
    swg_llama2c_kind kinds[SWG_LLAMA2C_KINDS];
    const size_t n_kinds = swg_llama2c_kinds(h, kinds);
    uint64_t offset = swg_llama2c_header_bytes(h), layer;
    for (size_t i = 0; i < n_kinds; i++) {
        llama2c_place *place = &output->places[index];
        const uint64_t bytes = swg_llama2c_bytes(h, &kinds[i]);
        if (names_kind(h, &kinds[i], desc->name, &layer)) {
            *place = (llama2c_place){true, kinds[i], offset + layer * bytes};
            (*n_placed)++;
            return check_tensor(sink, desc, place, h);
        }
        offset += bytes * (kinds[i].every_layer ? h->n_layers : 1);
    }
    if (h->is_tied && strcmp(desc->name, "lm_head.weight") == 0)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED, "%s: llama2.c has no tensor %s", sink->path, desc->name);
}

static swg_status make_output(swg_sink *sink, unsigned version)
{
    llama2c_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    if (!output)
        return SWG_NO_MEMORY;
    sink->state = output;
    output->places = swg_arena_calloc(&sink->arena, sink->n_tensors, sizeof *output->places);
    if (!output->places)
        return SWG_NO_MEMORY;
    swg_llama2c_header *h = &output->header;
    SWG_TRY(read_config(sink, version, h));
    SWG_TRY(choose_version(sink, h));
    size_t n_placed = 0;
    for (size_t i = 0; i < sink->n_tensors; i++)
        SWG_TRY(place_tensor(sink, i, &n_placed));
    swg_llama2c_kind kinds[SWG_LLAMA2C_KINDS];
    const size_t n_kinds = swg_llama2c_kinds(h, kinds);
    uint64_t n_due = 0, offset = swg_llama2c_header_bytes(h);
    for (size_t i = 0; i < n_kinds; i++) {
        const uint64_t copies = kinds[i].every_layer ? h->n_layers : 1;
        if (kinds[i].name)
            n_due += copies;
        else if (!output->tables)
            output->tables = offset;
        offset += swg_llama2c_bytes(h, &kinds[i]) * copies;
    }
    if (n_placed != n_due)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: %zu of the %llu tensors of a llama2.c file are there", sink->path,
                         n_placed, (unsigned long long)n_due);
    return SWG_OK;
}

/* --- Tensors ---------------------------------------------------------------------------------- */

/* One group: scale = largest magnitude / 127, codes rounded to even. */
static swg_status encode_group(const swg_sink *sink, const char *name, const float *values,
                               size_t group, uint8_t *codes, float *scale)
{
    float most = 0;
    for (size_t i = 0; i < group; i++) {
        if (!isfinite(values[i]))
            return swg_error(SWG_UNSUPPORTED,
                             "%s: tensor %s holds a number that is not finite, which int8 groups "
                             "cannot",
                             sink->path, name);
        most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
    }
    *scale = most / 127.0f;
    for (size_t i = 0; i < group; i++) {
        const float code = *scale > 0 ? rintf(values[i] / *scale) : 0;
        codes[i] = (uint8_t)(int8_t)(code > 127 ? 127 : code < -127 ? -127 : code);
    }
    return SWG_OK;
}

/* A row of the file's order in ours. */
static uint64_t source_row(const swg_llama2c_kind *kind, uint64_t row)
{
    return kind->permuted_heads ? swg_half_row(row, kind->shape[0] / kind->permuted_heads) : row;
}

/* Floats in the file's order of rows. */
static void gather_floats(const swg_tensor_desc *desc, const swg_llama2c_kind *kind,
                          const void *plane, float *out)
{
    const size_t cols = (size_t)swg_tensor_cols(desc);
    const uint64_t rows = swg_tensor_rows(desc);
    for (uint64_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            out[r * cols + c] =
                swg_float_load(desc->scheme.dtype, plane, (size_t)source_row(kind, r) * cols + c);
}

static swg_status write_groups(const swg_sink *sink, const swg_tensor_desc *desc,
                               const llama2c_place *place, float *values)
{
    const llama2c_output *output = sink->state;
    const size_t group = (size_t)output->header.group;
    const size_t elems = (size_t)swg_llama2c_elems(&place->kind);
    uint8_t *bytes;
    swg_status status = SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(bytes, (size_t)swg_llama2c_bytes(&output->header, &place->kind)));
    for (size_t g = 0; g < elems / group; g++) {
        float scale = 0;
        SWG_GO(
            encode_group(sink, desc->name, values + g * group, group, bytes + g * group, &scale));
        memcpy(bytes + elems + g * sizeof scale, &scale, sizeof scale);
    }
    SWG_GO(swg_file_write_at(output->file, place->offset, bytes,
                             (size_t)swg_llama2c_bytes(&output->header, &place->kind)));
done:
    swg_free(bytes);
    return status;
}

static swg_status write_floats(swg_sink *sink, const swg_tensor_desc *desc,
                               const llama2c_place *place, const void *plane)
{
    const llama2c_output *output = sink->state;
    const size_t elems = (size_t)swg_llama2c_elems(&place->kind);
    const swg_dtype dtype = desc->scheme.dtype;
    float *values;
    if (dtype != SWG_F32)
        SWG_TRY(swg_sink_check_finite(sink, desc->name, dtype, plane, swg_tensor_elems(desc)));
    SWG_TRY(SWG_NEW_UNINIT(values, elems));
    gather_floats(desc, &place->kind, plane, values);
    const swg_status status =
        place->kind.is_quantized
            ? write_groups(sink, desc, place, values)
            : swg_file_write_at(output->file, place->offset, values, elems * sizeof *values);
    swg_free(values);
    return status;
}

/* Our codes and scales are the file's, but for the offset of the codes and the order of rows. */
static swg_status write_quantized(const swg_sink *sink, const swg_tensor_desc *desc,
                                  const llama2c_place *place,
                                  const void *const planes[SWG_PLANE_KINDS])
{
    const llama2c_output *output = sink->state;
    const size_t cols = (size_t)desc->shape[1], elems = (size_t)swg_tensor_elems(desc);
    const size_t scales = cols / (size_t)output->header.group * sizeof(float);
    const size_t bytes = (size_t)swg_llama2c_bytes(&output->header, &place->kind);
    uint8_t *out;
    SWG_TRY(SWG_NEW_UNINIT(out, bytes));
    for (uint64_t r = 0; r < desc->shape[0]; r++) {
        const size_t from = (size_t)source_row(&place->kind, r);
        for (size_t c = 0; c < cols; c++)
            out[r * cols + c] = ((const uint8_t *)planes[SWG_PLANE_CODES])[from * cols + c] ^ 0x80;
        memcpy(out + elems + r * scales, (const uint8_t *)planes[SWG_PLANE_SCALES] + from * scales,
               scales);
    }
    const swg_status status = swg_file_write_at(output->file, place->offset, out, bytes);
    swg_free(out);
    return status;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t *stored_bytes)
{
    const llama2c_output *output = sink->state;
    const llama2c_place *place = &output->places[tensor];
    const swg_tensor_desc *desc = &sink->tensors[tensor];
    *stored_bytes = place->is_written ? swg_llama2c_bytes(&output->header, &place->kind) : 0;
    if (!place->is_written)
        return SWG_OK;
    return !swg_scheme_is_plain(desc->scheme)
               ? write_quantized(sink, desc, place, planes)
               : write_floats(sink, desc, place, planes[SWG_PLANE_VALUES]);
}

/* --- The file --------------------------------------------------------------------------------- */

/* Cosines, then sines, of position * 10000^(-2i / head_dim), angles in binary32 as export.py. */
static swg_status write_tables(const llama2c_output *output)
{
    const swg_llama2c_header *h = &output->header;
    const size_t half = (size_t)h->head_dim / 2, count = (size_t)h->context * half;
    float *tables;
    SWG_TRY(SWG_NEW_UNINIT(tables, 2 * count));
    for (size_t position = 0; position < h->context; position++)
        for (size_t i = 0; i < half; i++) {
            const float frequency =
                1.0f / (float)pow(10000.0, (double)(2 * i) / (double)h->head_dim);
            const float angle = (float)position * frequency;
            tables[position * half + i] = (float)cos(angle);
            tables[count + position * half + i] = (float)sin(angle);
        }
    const swg_status status =
        swg_file_write_at(output->file, output->tables, tables, 2 * count * sizeof *tables);
    swg_free(tables);
    return status;
}

static swg_status start(swg_sink *sink, unsigned version)
{
    uint8_t bytes[SWG_LLAMA2C_HEADER];
    SWG_TRY(make_output(sink, version));
    llama2c_output *output = sink->state;
    const size_t length = swg_llama2c_put(&output->header, bytes);
    SWG_TRY(swg_file_create(sink->path, sink->force, swg_llama2c_file_bytes(&output->header),
                            &output->file));
    SWG_TRY(swg_file_append(output->file, bytes, length));
    return output->tables ? write_tables(output) : SWG_OK;
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    llama2c_output *output = sink->state;
    *bytes = swg_llama2c_file_bytes(&output->header);
    swg_file_extend(output->file, *bytes);
    return swg_file_commit(&output->file);
}

static void close_output(swg_sink *sink)
{
    llama2c_output *output = sink->state;
    swg_file_abort(&output->file);
}

static swg_status plan_version(swg_sink *sink, unsigned version, uint64_t *bytes, bool *is_exact)
{
    SWG_TRY(make_output(sink, version));
    *bytes = swg_llama2c_file_bytes(&((const llama2c_output *)sink->state)->header);
    *is_exact = true;
    return SWG_OK;
}

static bool holds(const swg_tensor_desc *desc)
{
    return swg_scheme_is_plain(desc->scheme) || is_int8_group(desc->scheme);
}

static bool takes_element_type(const char *word)
{
    return strcmp(word, "f32") == 0;
}

#define WRITER(symbol, version)                                                                    \
    static swg_status open_##symbol(swg_sink *sink)                                                \
    {                                                                                              \
        return start(sink, version);                                                               \
    }                                                                                              \
    static swg_status plan_##symbol(swg_sink *sink, uint64_t *bytes, bool *is_exact)               \
    {                                                                                              \
        return plan_version(sink, version, bytes, is_exact);                                       \
    }                                                                                              \
    const swg_writer swg_writer_##symbol = {.open = open_##symbol,                                 \
                                            .write = write_tensor,                                 \
                                            .finish = finish,                                      \
                                            .close = close_output,                                 \
                                            .plan = plan_##symbol,                                 \
                                            .holds = holds,                                        \
                                            .takes_element_type = takes_element_type,              \
                                            .translates_config = true}

WRITER(llama2c, 0);
WRITER(llama2c_v1, 1);
WRITER(llama2c_v2, 2);
