/* GPTQ (gptqmodel/nn_modules/qlinear):
 *   qweight  i32 [K * bits / 32, N]  our packed rows, word by word, transposed
 *   qzeros   i32 [G, N * bits / 32]  zero points packed along N, code 0 in the lowest bits
 *   scales   f16 [G, N]              W = scale * (code - zero)
 *   g_idx    i32 [K]                 the group of each column
 * Version 1 stores zero points less 1. Its writers subtract 1 in every field of a packed word at
 * once, so that a zero point of 0 borrows from its neighbour, and readers add it at once; not all
 * do, hence such zero points are read and not written. */
#include <string.h>

#include "formats/huggingface/conv1d.h"
#include "formats/packed/packed_codes.h"
#include "runtime/base/codes.h"

enum { QWEIGHT, QZEROS, SCALES, G_IDX, PARTS, WORD_BITS = 32, WORD_BYTES = 4 };

static bool has_width(unsigned bits)
{
    return bits == 2 || bits == 3 || bits == 4 || bits == 8;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static const char *why_not(const swg_tensor_desc *desc)
{
    const char *const why = swg_packed_why_not(desc);
    if (why)
        return why;
    if (!has_width(desc->scheme.bits))
        return "GPTQ has codes of 2, 3, 4 and 8 bits";
    if (desc->shape[1] % WORD_BITS != 0 || desc->shape[0] * desc->scheme.bits % WORD_BITS != 0)
        return "GPTQ needs rows and columns of whole 32-bit words";
    return NULL;
}

static size_t parts(const swg_tensor_desc *desc, swg_packed_part out[SWG_PACKED_PARTS])
{
    const uint64_t n = desc->shape[0], k = desc->shape[1], bits = desc->scheme.bits;
    const uint64_t groups = swg_scheme_groups(desc->scheme, (size_t)k);
    out[QWEIGHT] = (swg_packed_part){".qweight", SWG_I32, 2, {k * bits / WORD_BITS, n}};
    out[QZEROS] = (swg_packed_part){".qzeros", SWG_I32, 2, {groups, n * bits / WORD_BITS}};
    out[SCALES] = (swg_packed_part){".scales", SWG_F16, 2, {groups, n}};
    out[G_IDX] = (swg_packed_part){".g_idx", SWG_I32, 1, {k, 0}};
    return PARTS;
}

/* `less` is subtracted from each. */
static swg_status put_zeros(const char *path, const swg_tensor_desc *desc,
                            const void *const planes[SWG_PLANE_KINDS], unsigned less, uint8_t *out)
{
    const size_t n = (size_t)desc->shape[0], bits = desc->scheme.bits;
    const size_t n_groups = swg_scheme_groups(desc->scheme, (size_t)desc->shape[1]);
    uint8_t *zeros;
    swg_status status = SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(zeros, n));
    for (size_t g = 0; g < n_groups; g++) {
        for (size_t r = 0; r < n; r++) {
            SWG_GO(swg_packed_zero(path, desc, planes, r, g, &zeros[r]));
            if (zeros[r] < less)
                SWG_GO(swg_error(SWG_UNSUPPORTED,
                                 "%s: the zero point of group %zu in row %zu of tensor %s is 0, "
                                 "which programs read in different ways from version 1 of GPTQ; "
                                 "--format gptq-v2 holds it",
                                 path, g, r, desc->name));
            zeros[r] = (uint8_t)(zeros[r] - less);
        }
        swg_codes_pack_row((unsigned)bits, zeros, n, out + g * swg_codes_bytes((unsigned)bits, n));
    }
done:
    swg_free(zeros);
    return status;
}

static swg_status fill(const char *path, const swg_tensor_desc *desc,
                       const void *const planes[SWG_PLANE_KINDS], size_t part, unsigned less,
                       void *out)
{
    const size_t n = (size_t)desc->shape[0], k = (size_t)desc->shape[1];
    const size_t words = k * desc->scheme.bits / WORD_BITS;
    const size_t group = swg_scheme_group_length(desc->scheme, k);
    int32_t *const indices = out;
    switch (part) {
    case QWEIGHT:
        swg_transposed_rows(planes[SWG_PLANE_CODES], n, words, WORD_BYTES, 0, words, out);
        return SWG_OK;
    case QZEROS:
        return put_zeros(path, desc, planes, less, out);
    case SCALES:
        return swg_packed_put_half_scales(path, desc, planes, out);
    default:
        for (size_t c = 0; c < k; c++)
            indices[c] = (int32_t)(c / group);
        return SWG_OK;
    }
}

static swg_status fill_v1(const char *path, const swg_tensor_desc *desc,
                          const void *const planes[SWG_PLANE_KINDS], size_t part, void *out)
{
    return fill(path, desc, planes, part, 1, out);
}

static swg_status fill_v2(const char *path, const swg_tensor_desc *desc,
                          const void *const planes[SWG_PLANE_KINDS], size_t part, void *out)
{
    return fill(path, desc, planes, part, 0, out);
}

/* A pattern that matches a module's name alone, with what is done to it before: "+:" or "-:". */
static void begin_rule(swg_json_writer *json, const char *action, const swg_tensor_desc *desc)
{
    char pattern[2 * SWG_MAX_NAME + 8];
    size_t at = 0;
    const size_t length = strlen(desc->name) - strlen(".weight");
    at += strlen(strcpy(pattern, action));
    pattern[at++] = '^';
    for (size_t i = 0; i < length; i++) {
        if (desc->name[i] == '.')
            pattern[at++] = '\\';
        pattern[at++] = desc->name[i];
    }
    strcpy(pattern + at, "$");
    swg_json_begin_object(json, pattern);
}

/* Layers of other widths or groups than most, and those that stay floats. */
static void put_rules(const swg_packed_model *model, swg_json_writer *json)
{
    swg_json_begin_object(json, "dynamic");
    for (size_t i = 0; i < model->n_tensors; i++) {
        const swg_tensor_desc *desc = &model->tensors[i];
        swg_tensor_desc coded = *desc;
        coded.scheme = model->scheme;
        if (model->is_packed[i] && (desc->scheme.bits != model->scheme.bits ||
                                    desc->scheme.group != model->scheme.group)) {
            begin_rule(json, "+:", desc);
            swg_json_uint(json, "bits", desc->scheme.bits);
            swg_json_int(json, "group_size", swg_packed_group_size(desc->scheme));
            swg_json_end_object(json);
        } else if (!model->is_packed[i] && !swg_packed_why_not(&coded)) {
            begin_rule(json, "-:", desc);
            swg_json_end_object(json);
        }
    }
    swg_json_end_object(json);
}

static bool is_symmetric(const swg_packed_model *model)
{
    for (size_t i = 0; i < model->n_tensors; i++)
        if (model->is_packed[i] && model->tensors[i].scheme.asymmetric)
            return false;
    return true;
}

static void put_config(const swg_packed_model *model, const char *version, swg_json_writer *json)
{
    swg_json_uint(json, "bits", model->scheme.bits);
    swg_json_int(json, "group_size", swg_packed_group_size(model->scheme));
    swg_json_bool(json, "desc_act", false);
    swg_json_bool(json, "sym", is_symmetric(model));
    swg_json_bool(json, "lm_head", false);
    swg_json_string(json, "quant_method", "gptq");
    swg_json_string(json, "checkpoint_format", version);
    swg_json_string(json, "pack_dtype", "int32");
    put_rules(model, json);
}

static void put_config_v1(const swg_packed_model *model, swg_json_writer *json)
{
    put_config(model, "gptq", json);
}

static void put_config_v2(const swg_packed_model *model, swg_json_writer *json)
{
    put_config(model, "gptq_v2", json);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool has_format(const swg_json *config, const char *wanted)
{
    /* Older folders say the rest in quantize_config.json alone. */
    const char *method = swg_json_get(config, "bits") ? "gptq" : "", *format = "gptq";
    swg_json_as_string(swg_json_get(config, "quant_method"), &method);
    if (!swg_json_as_string(swg_json_get(config, "checkpoint_format"), &format))
        swg_json_as_string(swg_json_get(config, "format"), &format);
    return strcmp(method, "gptq") == 0 && strcmp(format, wanted) == 0;
}

static bool claims_v1(const swg_json *config)
{
    return has_format(config, "gptq");
}

static bool claims_v2(const swg_json *config)
{
    return has_format(config, "gptq_v2");
}

static bool always(const swg_json *config)
{
    return config != NULL;
}

/* The zero point of a row, whose group has those words. */
static uint8_t zero_at(const swg_packed_weight *weight, unsigned bits, const uint8_t *words,
                       size_t row)
{
    if (!weight->counts_from_one)
        return swg_codes_at(bits, words, row);
    if (WORD_BITS % bits != 0)
        return (uint8_t)((swg_codes_at(bits, words, row) + 1) & ((1u << bits) - 1));
    const size_t per_word = WORD_BITS / bits;
    uint32_t word, ones = 0;
    memcpy(&word, words + row / per_word * WORD_BYTES, sizeof word);
    for (unsigned at = 0; at < WORD_BITS; at += bits)
        ones |= 1u << at;
    return (uint8_t)((word + ones) >> (row % per_word * bits) & ((1u << bits) - 1));
}

static bool has_zeros(const swg_packed_weight *weight, unsigned bits, size_t rows, size_t groups)
{
    const size_t row_bytes = swg_codes_bytes(bits, rows);
    const uint8_t *const words = swg_packed_part_bytes(weight, QZEROS);
    for (size_t g = 0; g < groups; g++)
        for (size_t r = 0; r < rows; r++)
            if (zero_at(weight, bits, words + g * row_bytes, r) != 1u << (bits - 1))
                return true;
    return false;
}

static swg_status describe(const swg_packed_weight *weight, const swg_json *config,
                           swg_scheme *scheme, uint64_t shape[2])
{
    const swg_tensor_desc *codes = &weight->parts[QWEIGHT]->desc;
    int64_t bits = 0, group = 0;
    swg_json_as_int(swg_json_get(config, "bits"), &bits);
    swg_json_as_int(swg_json_get(config, "group_size"), &group);
    if (codes->rank != 2 || swg_tensor_elems(codes) == 0)
        return swg_error(SWG_CORRUPT, "%s: %s is not a matrix", weight->path, codes->name);
    /* Layers may have widths of their own; the number of columns tells them. */
    if (weight->parts[G_IDX] && weight->parts[G_IDX]->desc.rank == 1 &&
        weight->parts[G_IDX]->desc.shape[0] > 0)
        bits = (int64_t)(codes->shape[0] * WORD_BITS / weight->parts[G_IDX]->desc.shape[0]);
    if (bits < 0 || bits > SWG_CODE_MAX_BITS || !has_width((unsigned)bits))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: weight %s has codes of %lld bits; 2, 3, 4 and 8 are "
                         "read of GPTQ",
                         weight->path, weight->name, (long long)bits);
    const uint64_t n = codes->shape[1], k = codes->shape[0] * WORD_BITS / (uint64_t)bits;
    const uint64_t groups = weight->parts[SCALES] ? weight->parts[SCALES]->desc.shape[0] : 0;
    if (k * (uint64_t)bits != codes->shape[0] * WORD_BITS || n * (uint64_t)bits % WORD_BITS != 0)
        return swg_error(SWG_CORRUPT, "%s: %s does not hold whole rows", weight->path, codes->name);
    const swg_dtype type =
        weight->parts[SCALES] ? weight->parts[SCALES]->desc.scheme.dtype : SWG_F16;
    SWG_TRY(swg_packed_check_part(weight, ".qweight", QWEIGHT, SWG_I32, codes->shape[0], n));
    SWG_TRY(swg_packed_check_part(weight, ".scales", SCALES, type, groups, n));
    SWG_TRY(swg_packed_check_part(weight, ".qzeros", QZEROS, SWG_I32, groups,
                                  n * (uint64_t)bits / WORD_BITS));
    SWG_TRY(swg_packed_scheme(weight, (unsigned)bits, k, groups, group, type, false, scheme));
    SWG_TRY(swg_packed_check_order(weight, ".g_idx", G_IDX, k,
                                   swg_scheme_group_length(*scheme, (size_t)k)));
    scheme->asymmetric = has_zeros(weight, (unsigned)bits, (size_t)n, (size_t)groups);
    shape[0] = n;
    shape[1] = k;
    return SWG_OK;
}

static swg_status read_rows(const swg_packed_weight *weight, const swg_tensor_desc *desc,
                            const swg_plane *plane, size_t row_begin, size_t n_rows, uint8_t *out)
{
    const size_t n = (size_t)desc->shape[0], k = (size_t)desc->shape[1];
    const size_t n_groups = swg_scheme_groups(desc->scheme, k), bits = desc->scheme.bits;
    if (plane->kind == SWG_PLANE_CODES) {
        swg_transposed_rows(swg_packed_part_bytes(weight, QWEIGHT), k * bits / WORD_BITS, n,
                            WORD_BYTES, row_begin, n_rows, out);
    } else if (plane->kind == SWG_PLANE_SCALES) {
        swg_transposed_rows(swg_packed_part_bytes(weight, SCALES), n_groups, n, plane->elem_bytes,
                            row_begin, n_rows, out);
    } else {
        const uint8_t *const words = swg_packed_part_bytes(weight, QZEROS);
        for (size_t r = 0; r < n_rows; r++)
            for (size_t g = 0; g < n_groups; g++)
                out[r * n_groups + g] =
                    zero_at(weight, (unsigned)bits, words + g * swg_codes_bytes((unsigned)bits, n),
                            row_begin + r);
    }
    return SWG_OK;
}

#define LAYOUT                                                                                     \
    .holds = "codes of 2, 3, 4 or 8 bits", .code_type = SWG_I32,                                   \
    .endings = {".qweight", ".qzeros", ".scales", ".g_idx", NULL}, .why_not = why_not,             \
    .parts = parts, .may_mix = true, .config_file = "quantize_config.json", .describe = describe,  \
    .read = read_rows

const swg_packed_layout swg_packed_gptq = {LAYOUT,
                                           .word = "gptq",
                                           .fill = fill_v1,
                                           .put_config = put_config_v1,
                                           .claims = claims_v1,
                                           .counts_from_one = always};

const swg_packed_layout swg_packed_gptq_v2 = {LAYOUT, .word = "gptq-v2", .fill = fill_v2,
                                              .put_config = put_config_v2, .claims = claims_v2};
