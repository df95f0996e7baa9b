/* See packed_codes.h. */
#include "formats/packed/packed_codes.h"

#include <string.h>

#include "runtime/base/numeric.h"

/* Parts of the names (between dots) of matrices that are not linear layers to these programs. */
static const char *const other_modules[] = {"embed_tokens",
                                            "wte",
                                            "wpe",
                                            "word_embeddings",
                                            "position_embeddings",
                                            "token_type_embeddings",
                                            "embed_positions",
                                            "embedding",
                                            "lm_head",
                                            "embed_out",
                                            "head"};

static bool is_linear_name(const char *name)
{
    static const char ending[] = ".weight";
    const size_t length = strlen(name), n_ending = sizeof ending - 1;
    if (length <= n_ending || strcmp(name + length - n_ending, ending) != 0)
        return false;
    for (const char *part = name; *part;) {
        const size_t n = strcspn(part, ".");
        for (size_t i = 0; i < sizeof other_modules / sizeof *other_modules; i++)
            if (strlen(other_modules[i]) == n && memcmp(other_modules[i], part, n) == 0)
                return false;
        part += n + (part[n] == '.');
    }
    return true;
}

const char *swg_packed_why_not(const swg_tensor_desc *desc)
{
    if (!swg_scheme_is_integer(desc->scheme))
        return "it is not of integer codes";
    if (swg_scheme_has_row_scales(desc->scheme))
        return "its scales are integers under a scale per row";
    if (desc->rank != 2 || !is_linear_name(desc->name))
        return "only linear layers but the head have packed codes there";
    if (desc->scheme.group && desc->shape[1] % desc->scheme.group != 0)
        return "the last group of a row is short";
    return NULL;
}

int64_t swg_packed_group_size(swg_scheme scheme)
{
    return scheme.group ? (int64_t)scheme.group : -1;
}

swg_status swg_packed_zero(const char *path, const swg_tensor_desc *desc,
                           const void *const planes[SWG_PLANE_KINDS], size_t row, size_t group,
                           uint8_t *out)
{
    const uint8_t *const zeros = planes[SWG_PLANE_ZEROS];
    const size_t n_groups = swg_scheme_groups(desc->scheme, (size_t)desc->shape[1]);
    *out = zeros ? zeros[row * n_groups + group] : (uint8_t)swg_scheme_symmetric_zero(desc->scheme);
    if (*out >> desc->scheme.bits == 0)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: the zero point of group %zu in row %zu of tensor %s is %u, beyond the "
                     "codes of %u bits",
                     path, group, row, desc->name, *out, desc->scheme.bits);
}

swg_status swg_packed_put_half_scales(const char *path, const swg_tensor_desc *desc,
                                      const void *const planes[SWG_PLANE_KINDS], uint16_t *out)
{
    const size_t rows = (size_t)desc->shape[0];
    const size_t n_groups = swg_scheme_groups(desc->scheme, (size_t)desc->shape[1]);
    for (size_t r = 0; r < rows; r++)
        for (size_t g = 0; g < n_groups; g++) {
            const float scale =
                swg_float_load(desc->scheme.scale_type, planes[SWG_PLANE_SCALES], r * n_groups + g);
            const uint16_t half = swg_f32_to_f16(scale);
            if (swg_f16_to_f32(half) != scale)
                return swg_error(
                    SWG_UNSUPPORTED,
                    "%s: the scale of group %zu in row %zu of tensor %s is %.9g, which "
                    "is not a half-precision number, as the format needs",
                    path, g, r, desc->name, (double)scale);
            out[g * rows + r] = half;
        }
    return SWG_OK;
}

swg_status swg_packed_check_part(const swg_packed_weight *weight, const char *ending, size_t part,
                                 swg_dtype dtype, uint64_t rows, uint64_t columns)
{
    const swg_stored_tensor *t = weight->parts[part];
    const uint32_t rank = columns ? 2 : 1;
    char shape[SWG_SHAPE_TEXT_BYTES];
    if (!t)
        return swg_error(SWG_CORRUPT, "%s: weight %s has no tensor %s beside it", weight->path,
                         weight->name, ending);
    if (swg_scheme_is_plain(t->desc.scheme) && t->desc.scheme.dtype == dtype &&
        t->desc.rank == rank && t->desc.shape[0] == rows &&
        (!columns || t->desc.shape[1] == columns))
        return SWG_OK;
    return swg_error(SWG_CORRUPT,
                     "%s: tensor %s is %s of type %s; by the others of its weight it would be "
                     "[%llu, %llu] of %s",
                     weight->path, t->desc.name, swg_tensor_shape_text(&t->desc, shape),
                     swg_dtype_name(t->desc.scheme.dtype), (unsigned long long)rows,
                     (unsigned long long)columns, swg_dtype_name(dtype));
}

swg_status swg_packed_scheme(const swg_packed_weight *weight, unsigned bits, uint64_t columns,
                             uint64_t groups, int64_t group, swg_dtype scale_type, bool asymmetric,
                             swg_scheme *out)
{
    static const uint32_t known[] = {32, 64, 128, 256};
    if (groups == 0)
        return swg_error(SWG_CORRUPT, "%s: weight %s has no scales", weight->path, weight->name);
    const bool fits = group > 0 && (columns + (uint64_t)group - 1) / (uint64_t)group == groups;
    const uint64_t length = groups == 1 ? columns : fits ? (uint64_t)group : columns / groups;
    bool is_known = groups == 1;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known = is_known || length == known[i];
    if (!is_known || (columns + length - 1) / length != groups)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: weight %s has %llu groups in rows of %llu columns; groups of 32, 64, "
                         "128 or 256 columns, or one per row, are read",
                         weight->path, weight->name, (unsigned long long)groups,
                         (unsigned long long)columns);
    if (!swg_dtype_is_float(scale_type))
        return swg_error(SWG_UNSUPPORTED, "%s: weight %s has scales of type %s", weight->path,
                         weight->name, swg_dtype_name(scale_type));
    return swg_scheme_of_bits(bits, groups == 1 ? 0 : (uint32_t)length, asymmetric, scale_type,
                              out);
}

const uint8_t *swg_packed_part_bytes(const swg_packed_weight *weight, size_t part)
{
    return weight->parts[part]->map->data + weight->parts[part]->offset;
}

swg_status swg_packed_check_order(const swg_packed_weight *weight, const char *ending, size_t part,
                                  uint64_t k, size_t group)
{
    if (!weight->parts[part])
        return SWG_OK;
    SWG_TRY(swg_packed_check_part(weight, ending, part, SWG_I32, k, 0));
    const uint8_t *const indices = swg_packed_part_bytes(weight, part);
    for (size_t c = 0; c < k; c++) {
        int32_t index;
        memcpy(&index, indices + c * sizeof index, sizeof index);
        if (index < 0 || (size_t)index != c / group)
            return swg_error(SWG_UNSUPPORTED,
                             "%s: the columns of weight %s are not grouped in order (act-order: "
                             "column %zu is in group %d), which is not read; quantize without "
                             "desc_act",
                             weight->path, weight->name, c, index);
    }
    return SWG_OK;
}
