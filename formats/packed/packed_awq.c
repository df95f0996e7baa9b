/* AWQ, version "gemm" (awq/modules/linear/gemm.py), 4 bits:
 *   qweight  i32 [K, N / 8]  packed along N: bits 4i to 4i + 3 of word c are row 8c + order[i]
 *   qzeros   i32 [G, N / 8]  zero points in the same order
 *   scales   f16 [G, N]      W = scale * (code - zero) */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/huggingface/conv1d.h"
#include "formats/packed/packed_codes.h"
#include "runtime/base/codes.h"

enum { QWEIGHT, QZEROS, SCALES, BITS = 4, PER_WORD = 8, WORD_BYTES = 4, PARTS = 3 };

static const unsigned order[PER_WORD] = {0, 2, 4, 6, 1, 3, 5, 7};
/* The slot of a row within its word: the inverse. */
static const unsigned slots[PER_WORD] = {0, 4, 1, 5, 2, 6, 3, 7};

/* Eight codes, `stride` apart, as a word. */
static void put_word(const uint8_t *codes, size_t stride, uint8_t *out)
{
    uint32_t word = 0;
    for (unsigned i = 0; i < PER_WORD; i++)
        word |= (uint32_t)codes[order[i] * stride] << (BITS * i);
    swg_put_le(out, WORD_BYTES, word);
}

/* The code of a row in a row of words. */
static uint8_t code_at(const uint8_t *words, size_t row)
{
    const unsigned slot = slots[row % PER_WORD];
    return words[row / PER_WORD * WORD_BYTES + slot / 2] >> (slot % 2 * BITS) & 15;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static const char *why_not(const swg_tensor_desc *desc)
{
    const char *const why = swg_packed_why_not(desc);
    if (why)
        return why;
    if (desc->scheme.bits != BITS)
        return "AWQ has codes of 4 bits";
    return desc->shape[0] % PER_WORD == 0 ? NULL : "AWQ needs rows in multiples of 8";
}

static size_t parts(const swg_tensor_desc *desc, swg_packed_part out[SWG_PACKED_PARTS])
{
    const uint64_t n = desc->shape[0], k = desc->shape[1];
    const uint64_t groups = swg_scheme_groups(desc->scheme, (size_t)k);
    out[QWEIGHT] = (swg_packed_part){".qweight", SWG_I32, 2, {k, n / PER_WORD}};
    out[QZEROS] = (swg_packed_part){".qzeros", SWG_I32, 2, {groups, n / PER_WORD}};
    out[SCALES] = (swg_packed_part){".scales", SWG_F16, 2, {groups, n}};
    return PARTS;
}

static swg_status put_codes(const swg_tensor_desc *desc, const uint8_t *packed, uint8_t *out)
{
    const size_t n = (size_t)desc->shape[0], k = (size_t)desc->shape[1];
    const size_t row_bytes = swg_codes_bytes(BITS, k);
    uint8_t *codes; /* of eight rows */
    SWG_TRY(SWG_NEW_UNINIT(codes, PER_WORD * k));
    for (size_t r = 0; r < n; r += PER_WORD) {
        for (size_t i = 0; i < PER_WORD; i++)
            swg_codes_unpack_row(BITS, packed + (r + i) * row_bytes, k, codes + i * k);
        for (size_t c = 0; c < k; c++)
            put_word(codes + c, k, out + (c * (n / PER_WORD) + r / PER_WORD) * WORD_BYTES);
    }
    swg_free(codes);
    return SWG_OK;
}

static swg_status put_zeros(const char *path, const swg_tensor_desc *desc,
                            const void *const planes[SWG_PLANE_KINDS], uint8_t *out)
{
    const size_t n = (size_t)desc->shape[0];
    const size_t n_groups = swg_scheme_groups(desc->scheme, (size_t)desc->shape[1]);
    for (size_t g = 0; g < n_groups; g++)
        for (size_t r = 0; r < n; r += PER_WORD, out += WORD_BYTES) {
            uint8_t zeros[PER_WORD];
            for (size_t i = 0; i < PER_WORD; i++)
                SWG_TRY(swg_packed_zero(path, desc, planes, r + i, g, &zeros[i]));
            put_word(zeros, 1, out);
        }
    return SWG_OK;
}

static swg_status fill(const char *path, const swg_tensor_desc *desc,
                       const void *const planes[SWG_PLANE_KINDS], size_t part, void *out)
{
    return part == QWEIGHT  ? put_codes(desc, planes[SWG_PLANE_CODES], out)
           : part == QZEROS ? put_zeros(path, desc, planes, out)
                            : swg_packed_put_half_scales(path, desc, planes, out);
}

static void put_config(const swg_packed_model *model, swg_json_writer *json)
{
    swg_json_string(json, "quant_method", "awq");
    swg_json_string(json, "version", "gemm");
    swg_json_uint(json, "bits", BITS);
    swg_json_int(json, "group_size", swg_packed_group_size(model->scheme));
    swg_json_bool(json, "zero_point", true);
    swg_json_begin_array(json, "modules_to_not_convert");
    for (size_t i = 0; i < model->n_tensors; i++) {
        swg_tensor_desc coded = model->tensors[i];
        coded.scheme = model->scheme;
        if (!model->is_packed[i] && !swg_packed_why_not(&coded))
            swg_json_string_n(json, NULL, coded.name, strlen(coded.name) - strlen(".weight"));
    }
    swg_json_end_array(json);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool claims(const swg_json *config)
{
    const char *method = "", *version = "gemm";
    swg_json_as_string(swg_json_get(config, "quant_method"), &method);
    swg_json_as_string(swg_json_get(config, "version"), &version);
    return strcmp(method, "awq") == 0 &&
           (strcmp(version, "gemm") == 0 || strcmp(version, "GEMM") == 0);
}

static swg_status describe(const swg_packed_weight *weight, const swg_json *config,
                           swg_scheme *scheme, uint64_t shape[2])
{
    const swg_tensor_desc *codes = &weight->parts[QWEIGHT]->desc;
    int64_t bits = BITS, group = 0;
    swg_json_as_int(swg_json_get(config, "bits"), &bits);
    swg_json_as_int(swg_json_get(config, "group_size"), &group);
    if (bits != BITS)
        return swg_error(SWG_UNSUPPORTED, "%s: codes of %lld bits; 4 are read of AWQ", weight->path,
                         (long long)bits);
    if (codes->rank != 2 || swg_tensor_elems(codes) == 0)
        return swg_error(SWG_CORRUPT, "%s: %s is not a matrix", weight->path, codes->name);
    const uint64_t k = codes->shape[0], n = codes->shape[1] * PER_WORD;
    const uint64_t groups = weight->parts[SCALES] ? weight->parts[SCALES]->desc.shape[0] : 0;
    const swg_dtype type =
        weight->parts[SCALES] ? weight->parts[SCALES]->desc.scheme.dtype : SWG_F16;
    SWG_TRY(swg_packed_check_part(weight, ".qweight", QWEIGHT, SWG_I32, k, n / PER_WORD));
    SWG_TRY(swg_packed_check_part(weight, ".scales", SCALES, type, groups, n));
    SWG_TRY(swg_packed_check_part(weight, ".qzeros", QZEROS, SWG_I32, groups, n / PER_WORD));
    const uint8_t *const zeros = swg_packed_part_bytes(weight, QZEROS);
    bool asymmetric = false; /* unless every nibble is 8 */
    for (uint64_t i = 0; i < groups * n / 2 && !asymmetric; i++)
        asymmetric = zeros[i] != 0x88;
    SWG_TRY(swg_packed_scheme(weight, BITS, k, groups, group, type, asymmetric, scheme));
    shape[0] = n;
    shape[1] = k;
    return SWG_OK;
}

static swg_status read_rows(const swg_packed_weight *weight, const swg_tensor_desc *desc,
                            const swg_plane *plane, size_t row_begin, size_t n_rows, uint8_t *out)
{
    const size_t n = (size_t)desc->shape[0], k = (size_t)desc->shape[1];
    const size_t n_groups = swg_scheme_groups(desc->scheme, k);
    const size_t row_bytes = n / PER_WORD * WORD_BYTES;
    if (plane->kind == SWG_PLANE_SCALES) {
        swg_transposed_rows(swg_packed_part_bytes(weight, SCALES), n_groups, n, plane->elem_bytes,
                            row_begin, n_rows, out);
        return SWG_OK;
    }
    const bool is_codes = plane->kind == SWG_PLANE_CODES;
    const size_t count = is_codes ? k : n_groups;
    const uint8_t *const words = swg_packed_part_bytes(weight, is_codes ? QWEIGHT : QZEROS);
    uint8_t *codes;
    SWG_TRY(SWG_NEW_UNINIT(codes, count));
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t c = 0; c < count; c++)
            codes[c] = code_at(words + c * row_bytes, row_begin + r);
        if (is_codes)
            swg_codes_pack_row(BITS, codes, count, out + r * plane->row_bytes);
        else
            memcpy(out + r * count, codes, count);
    }
    swg_free(codes);
    return SWG_OK;
}

const swg_packed_layout swg_packed_awq = {
    .word = "awq",
    .endings = {".qweight", ".qzeros", ".scales", NULL},
    .code_type = SWG_I32,
    .holds = "codes of 4 bits",
    .why_not = why_not,
    .parts = parts,
    .fill = fill,
    .put_config = put_config,
    .claims = claims,
    .describe = describe,
    .read = read_rows,
};
