/* compressed-tensors, format "int-quantized": whole bytes, which engines multiply with activations
 * that they round to 8 bits per token.
 *   weight             i8 [N, K]  codes less 128
 *   weight_scale       [N, G]     W = scale * (code - zero)
 *   weight_zero_point  i8 [N, G]  likewise less 128; of asymmetric codes only
 * Written is one scale per row, without zero points: what engines load. */
#include <string.h>

#include "formats/packed/packed_codes.h"
#include "formats/packed/packed_schemes.h"

enum { WEIGHT, SCALE, ZERO_POINT, PARTS = 2, BITS = 8, SIGN = 0x80 };

static void flip_signs(const uint8_t *from, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = from[i] ^ SIGN;
}

static const char *why_not(const swg_tensor_desc *desc)
{
    const char *const why = swg_packed_why_not(desc);
    if (why)
        return why;
    return desc->scheme.bits == BITS && desc->scheme.group == 0 && !desc->scheme.asymmetric
               ? NULL
               : "it holds symmetric codes of 8 bits with one scale per row (--bits 8 --group-size "
                 "row)";
}

static size_t parts(const swg_tensor_desc *desc, swg_packed_part out[SWG_PACKED_PARTS])
{
    const uint64_t n = desc->shape[0], k = desc->shape[1];
    out[WEIGHT] = (swg_packed_part){".weight", SWG_I8, 2, {n, k}};
    out[SCALE] = (swg_packed_part){".weight_scale", desc->scheme.scale_type, 2, {n, 1}};
    return PARTS;
}

static swg_status fill(const char *path, const swg_tensor_desc *desc,
                       const void *const planes[SWG_PLANE_KINDS], size_t part, void *out)
{
    const size_t n = (size_t)desc->shape[0];
    (void)path; /* every number fits */
    if (part == WEIGHT)
        flip_signs(planes[SWG_PLANE_CODES], n * (size_t)desc->shape[1], out);
    else
        memcpy(out, planes[SWG_PLANE_SCALES], n * swg_dtype_bits(desc->scheme.scale_type) / 8);
    return SWG_OK;
}

static void put_config(const swg_packed_model *model, swg_json_writer *json)
{
    swg_packed_put_schemes(model, "int-quantized", true, json);
}

static bool claims(const swg_json *config)
{
    return swg_packed_schemes_are(config, "int-quantized");
}

static swg_status describe(const swg_packed_weight *weight, const swg_json *config,
                           swg_scheme *scheme, uint64_t shape[2])
{
    const swg_tensor_desc *codes = &weight->parts[WEIGHT]->desc;
    const swg_stored_tensor *scales = weight->parts[SCALE];
    (void)config; /* shapes tell more */
    if (codes->rank != 2 || swg_tensor_elems(codes) == 0)
        return swg_error(SWG_CORRUPT, "%s: %s is not a matrix", weight->path, codes->name);
    memcpy(shape, codes->shape, 2 * sizeof *shape);
    const uint64_t groups = scales && scales->desc.rank == 2 ? scales->desc.shape[1] : 0;
    const swg_dtype type = scales ? scales->desc.scheme.dtype : SWG_F32;
    SWG_TRY(swg_packed_check_part(weight, ".weight", WEIGHT, SWG_I8, shape[0], shape[1]));
    SWG_TRY(swg_packed_check_part(weight, ".weight_scale", SCALE, type, shape[0], groups));
    if (weight->parts[ZERO_POINT])
        SWG_TRY(swg_packed_check_part(weight, ".weight_zero_point", ZERO_POINT, SWG_I8, shape[0],
                                      groups));
    return swg_packed_scheme(weight, BITS, shape[1], groups, 0, type,
                             weight->parts[ZERO_POINT] != NULL, scheme);
}

static swg_status read_rows(const swg_packed_weight *weight, const swg_tensor_desc *desc,
                            const swg_plane *plane, size_t row_begin, size_t n_rows, uint8_t *out)
{
    const size_t begin = row_begin * (size_t)plane->row_bytes;
    const size_t bytes = n_rows * (size_t)plane->row_bytes;
    (void)desc;
    if (plane->kind == SWG_PLANE_SCALES)
        memcpy(out, swg_packed_part_bytes(weight, SCALE) + begin, bytes);
    else
        flip_signs(
            swg_packed_part_bytes(weight, plane->kind == SWG_PLANE_CODES ? WEIGHT : ZERO_POINT) +
                begin,
            bytes, out);
    return SWG_OK;
}

const swg_packed_layout swg_packed_w8a8 = {
    .word = "w8a8",
    .endings = {".weight", ".weight_scale", ".weight_zero_point", NULL},
    .code_type = SWG_I8,
    .holds = "symmetric codes of 8 bits with one scale per row",
    .why_not = why_not,
    .parts = parts,
    .fill = fill,
    .put_config = put_config,
    .claims = claims,
    .describe = describe,
    .read = read_rows,
};
