/* compressed-tensors, format "pack-quantized" (compressors/pack_quantized):
 *   weight_packed      i32 [N, ceil(K * bits / 32)]  our packed rows, filled up to whole words
 *   weight_scale       [N, G]                        W = scale * (code - zero)
 *   weight_shape       i64 [2]                       N, K
 *   weight_zero_point  i32 [ceil(N * bits / 32), G]  packed along N; of asymmetric codes only
 *   weight_g_idx       i32 [K]                       the group of each column; seldom there
 * Codes and zero points are both 2^(bits - 1) above its signed ones, as ours are. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/packed/packed_codes.h"
#include "formats/packed/packed_schemes.h"
#include "runtime/base/codes.h"

enum { PACKED, SCALE, SHAPE, ZERO_POINT, G_IDX, WORD_BITS = 32, WORD_BYTES = 4 };

static uint64_t words_of(uint64_t count, unsigned bits)
{
    return (count * bits + WORD_BITS - 1) / WORD_BITS;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static const char *why_not(const swg_tensor_desc *desc)
{
    const char *const why = swg_packed_why_not(desc);
    if (why)
        return why;
    return desc->scheme.bits == 4 || desc->scheme.bits == 8
               ? NULL
               : "compressed-tensors' releases agree on codes of 4 and 8 bits only";
}

static size_t parts(const swg_tensor_desc *desc, swg_packed_part out[SWG_PACKED_PARTS])
{
    const uint64_t n = desc->shape[0], k = desc->shape[1];
    const unsigned bits = desc->scheme.bits;
    const uint64_t groups = swg_scheme_groups(desc->scheme, (size_t)k);
    out[PACKED] = (swg_packed_part){".weight_packed", SWG_I32, 2, {n, words_of(k, bits)}};
    out[SCALE] = (swg_packed_part){".weight_scale", desc->scheme.scale_type, 2, {n, groups}};
    out[SHAPE] = (swg_packed_part){".weight_shape", SWG_I64, 1, {2, 0}};
    out[ZERO_POINT] =
        (swg_packed_part){".weight_zero_point", SWG_I32, 2, {words_of(n, bits), groups}};
    return desc->scheme.asymmetric ? ZERO_POINT + 1 : ZERO_POINT;
}

static swg_status put_zeros(const char *path, const swg_tensor_desc *desc,
                            const void *const planes[SWG_PLANE_KINDS], uint8_t *out)
{
    const size_t n = (size_t)desc->shape[0], bits = desc->scheme.bits;
    const size_t n_groups = swg_scheme_groups(desc->scheme, (size_t)desc->shape[1]);
    const size_t words = (size_t)words_of(n, (unsigned)bits);
    uint8_t *zeros = NULL, *packed = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(packed, words * WORD_BYTES));
    SWG_GO(SWG_NEW_UNINIT(zeros, n));
    for (size_t g = 0; g < n_groups; g++) {
        for (size_t r = 0; r < n; r++)
            SWG_GO(swg_packed_zero(path, desc, planes, r, g, &zeros[r]));
        swg_codes_pack_row((unsigned)bits, zeros, n, packed);
        for (size_t w = 0; w < words; w++)
            memcpy(out + (w * n_groups + g) * WORD_BYTES, packed + w * WORD_BYTES, WORD_BYTES);
    }
done:
    swg_free(packed);
    swg_free(zeros);
    return status;
}

static swg_status fill(const char *path, const swg_tensor_desc *desc,
                       const void *const planes[SWG_PLANE_KINDS], size_t part, void *out)
{
    const size_t n = (size_t)desc->shape[0], k = (size_t)desc->shape[1];
    const size_t row_bytes = swg_codes_bytes(desc->scheme.bits, k);
    const size_t word_bytes = (size_t)words_of(k, desc->scheme.bits) * WORD_BYTES;
    uint8_t *const bytes = out;
    switch (part) {
    case PACKED:
        memset(bytes, 0, n * word_bytes);
        for (size_t r = 0; r < n; r++)
            memcpy(bytes + r * word_bytes, (const uint8_t *)planes[SWG_PLANE_CODES] + r * row_bytes,
                   row_bytes);
        return SWG_OK;
    case SCALE:
        memcpy(bytes, planes[SWG_PLANE_SCALES],
               n * swg_scheme_groups(desc->scheme, k) * swg_dtype_bits(desc->scheme.scale_type) /
                   8);
        return SWG_OK;
    case SHAPE:
        swg_put_le(bytes, 8, n);
        swg_put_le(bytes + 8, 8, k);
        return SWG_OK;
    default:
        return put_zeros(path, desc, planes, bytes);
    }
}

static void put_config(const swg_packed_model *model, swg_json_writer *json)
{
    swg_packed_put_schemes(model, "pack-quantized", false, json);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool claims(const swg_json *config)
{
    return swg_packed_schemes_are(config, "pack-quantized");
}

/* Rows and columns as weight_shape says them. */
static swg_status read_shape(const swg_packed_weight *weight, uint64_t shape[2])
{
    SWG_TRY(swg_packed_check_part(weight, ".weight_shape", SHAPE, SWG_I64, 2, 0));
    const uint8_t *const numbers = swg_packed_part_bytes(weight, SHAPE);
    shape[0] = swg_get_le(numbers, 8);
    shape[1] = swg_get_le(numbers + 8, 8);
    if (shape[0] > 0 && shape[1] > 0 && shape[0] <= INT32_MAX && shape[1] <= INT32_MAX)
        return SWG_OK;
    return swg_error(SWG_CORRUPT, "%s: %s says [%llu, %llu]", weight->path,
                     weight->parts[SHAPE]->desc.name, (unsigned long long)shape[0],
                     (unsigned long long)shape[1]);
}

static swg_status describe(const swg_packed_weight *weight, const swg_json *config,
                           swg_scheme *scheme, uint64_t shape[2])
{
    const swg_tensor_desc *codes = &weight->parts[PACKED]->desc;
    const swg_stored_tensor *scales = weight->parts[SCALE];
    (void)config; /* groups of weights may differ: shapes tell more */
    SWG_TRY(read_shape(weight, shape));
    unsigned bits = codes->rank == 2 ? (unsigned)(codes->shape[1] * WORD_BITS / shape[1]) : 0;
    if (bits != 4 && bits != 8)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: %s has codes of %u bits; 4 and 8 are read of compressed-tensors, "
                         "since its releases pack others in different ways",
                         weight->path, codes->name, bits);
    const uint64_t groups = scales && scales->desc.rank == 2 ? scales->desc.shape[1] : 0;
    const swg_dtype type = scales ? scales->desc.scheme.dtype : SWG_F32;
    SWG_TRY(swg_packed_check_part(weight, ".weight_packed", PACKED, SWG_I32, shape[0],
                                  words_of(shape[1], bits)));
    SWG_TRY(swg_packed_check_part(weight, ".weight_scale", SCALE, type, shape[0], groups));
    if (weight->parts[ZERO_POINT])
        SWG_TRY(swg_packed_check_part(weight, ".weight_zero_point", ZERO_POINT, SWG_I32,
                                      words_of(shape[0], bits), groups));
    SWG_TRY(swg_packed_scheme(weight, bits, shape[1], groups, 0, type,
                              weight->parts[ZERO_POINT] != NULL, scheme));
    return swg_packed_check_order(weight, ".weight_g_idx", G_IDX, shape[1],
                                  swg_scheme_group_length(*scheme, (size_t)shape[1]));
}

static swg_status read_rows(const swg_packed_weight *weight, const swg_tensor_desc *desc,
                            const swg_plane *plane, size_t row_begin, size_t n_rows, uint8_t *out)
{
    const size_t k = (size_t)desc->shape[1], n_groups = swg_scheme_groups(desc->scheme, k);
    const unsigned bits = desc->scheme.bits, per_word = WORD_BITS / bits;
    const size_t row_bytes = (size_t)plane->row_bytes;
    if (plane->kind == SWG_PLANE_CODES) {
        const size_t word_bytes = (size_t)words_of(k, bits) * WORD_BYTES;
        const uint8_t *from = swg_packed_part_bytes(weight, PACKED) + row_begin * word_bytes;
        for (size_t r = 0; r < n_rows; r++)
            memcpy(out + r * row_bytes, from + r * word_bytes, row_bytes);
    } else if (plane->kind == SWG_PLANE_SCALES) {
        memcpy(out, swg_packed_part_bytes(weight, SCALE) + row_begin * row_bytes,
               n_rows * row_bytes);
    } else {
        const uint8_t *const words = swg_packed_part_bytes(weight, ZERO_POINT);
        for (size_t r = 0; r < n_rows; r++)
            for (size_t g = 0; g < n_groups; g++) {
                const size_t row = row_begin + r;
                const uint8_t *const word = words + (row / per_word * n_groups + g) * WORD_BYTES;
                out[r * n_groups + g] = swg_codes_at(bits, word, row % per_word);
            }
    }
    return SWG_OK;
}

const swg_packed_layout swg_packed_compressed = {
    .word = "compressed-tensors",
    .endings = {".weight_packed", ".weight_scale", ".weight_shape", ".weight_zero_point",
                ".weight_g_idx", NULL},
    .code_type = SWG_I32,
    .holds = "codes of 4 or 8 bits",
    .why_not = why_not,
    .parts = parts,
    .fill = fill,
    .may_mix = true,
    .put_config = put_config,
    .claims = claims,
    .describe = describe,
    .read = read_rows,
};
