/* Formats of integer codes: names, planes and the meaning of a row. See weight_integers.h. */
#include "runtime/base/weight_formats/weight_integers.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* --- Names ------------------------------------------------------------------------------------ */

/* Cut off the next part of a name, up to a '-' or its end. */
static bool take_part(const char **text, size_t *left, const char **part, size_t *length)
{
    if (*left == 0)
        return false;
    const char *const dash = memchr(*text, '-', *left);
    *part = *text;
    *length = dash ? (size_t)(dash - *text) : *left;
    const size_t step = *length + (dash != NULL);
    *text += step;
    *left -= step;
    return true;
}

static bool part_is(const char *part, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(part, word, length) == 0;
}

static bool parse_group(const char *part, size_t length, uint32_t *out)
{
    static const uint32_t groups[] = {32, 64, 128, 256};
    *out = 0;
    if (part_is(part, length, "row"))
        return true;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        char word[16];
        snprintf(word, sizeof word, "g%u", groups[i]);
        if (part_is(part, length, word))
            *out = groups[i];
    }
    return *out != 0;
}

bool swg_integers_parse(const char *text, size_t length, swg_scheme *out)
{
    char word[16];
    const char *part;
    size_t part_length;
    snprintf(word, sizeof word, "int%u", out->bits);
    if (!take_part(&text, &length, &part, &part_length) || !part_is(part, part_length, word) ||
        !take_part(&text, &length, &part, &part_length) ||
        !parse_group(part, part_length, &out->group) ||
        !take_part(&text, &length, &part, &part_length))
        return false;
    out->asymmetric = part_is(part, part_length, "asym");
    if (!out->asymmetric && !part_is(part, part_length, "sym"))
        return false;
    return take_part(&text, &length, &part, &part_length) && length == 0 &&
           swg_dtype_parse_word(part, part_length, &out->scale_type) &&
           swg_dtype_is_float(out->scale_type);
}

void swg_integers_print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    char type[SWG_DTYPE_WORD_BYTES], group[16] = "row";
    if (scheme.group)
        snprintf(group, sizeof group, "g%u", scheme.group);
    snprintf(out, SWG_SCHEME_NAME_BYTES, "int%u-%s-%s-%s", scheme.bits, group,
             scheme.asymmetric ? "asym" : "sym", swg_dtype_word(scheme.scale_type, type));
}

/* --- Planes ----------------------------------------------------------------------------------- */

swg_status swg_integers_check(const swg_tensor_desc *desc)
{
    if (desc->rank != 2 || swg_tensor_elems(desc) == 0)
        return swg_error(SWG_CORRUPT, "quantized tensor %s is not a matrix", desc->name);
    if (!swg_dtype_is_float(desc->scheme.scale_type))
        return swg_error(SWG_UNSUPPORTED, "tensor %s cannot have scales of type %s", desc->name,
                         swg_dtype_name(desc->scheme.scale_type));
    return SWG_OK;
}

size_t swg_integers_planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const swg_scheme scheme = desc->scheme;
    const uint64_t rows = desc->shape[0], cols = desc->shape[1];
    const uint64_t groups = swg_scheme_groups(scheme, cols);
    out[0] = swg_plane_of(SWG_PLANE_CODES, SWG_U8, rows, swg_codes_bytes(scheme.bits, cols));
    out[0].symbol_bits = scheme.bits;
    out[1] = swg_plane_of(SWG_PLANE_SCALES, scheme.scale_type, rows, groups);
    if (!scheme.asymmetric)
        return 2;
    out[2] = swg_plane_of(SWG_PLANE_ZEROS, SWG_U8, rows, groups);
    return 3;
}

/* --- Values ----------------------------------------------------------------------------------- */

/* out[c] = (float)(code[c] - zero[g]) * scale[g]; zeros NULL = symmetric. */
static void row_values(swg_scheme scheme, size_t cols, const uint8_t *codes, const void *scales,
                       size_t first_scale, const uint8_t *zeros, float *out)
{
    const size_t group = swg_scheme_group_length(scheme, cols);
    for (size_t begin = 0, g = 0; begin < cols; begin += group, g++) {
        const size_t end = cols - begin < group ? cols : begin + group;
        const int32_t zero = zeros ? zeros[g] : (int32_t)swg_scheme_symmetric_zero(scheme);
        const float scale = swg_float_load(scheme.scale_type, scales, first_scale + g);
        for (size_t c = begin; c < end; c++)
            out[c] = (float)(codes[c] - zero) * scale;
    }
}

swg_status swg_integers_read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                  uint64_t row_begin, uint64_t n_rows, float *out)
{
    const swg_scheme scheme = desc->scheme;
    const size_t cols = (size_t)desc->shape[1], groups = swg_scheme_groups(scheme, cols);
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_integers_planes(desc, planes);
    uint8_t *data[SWG_PLANE_KINDS] = {0}, *codes = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(codes, cols));
    for (size_t p = 0; p < n_planes; p++) {
        const swg_plane_kind kind = planes[p].kind;
        SWG_GO(SWG_NEW_UNINIT(data[kind], (size_t)(n_rows * planes[p].row_bytes)));
        SWG_GO(from->read(from->context, kind, row_begin, n_rows, data[kind]));
    }
    const uint8_t *const zeros = data[SWG_PLANE_ZEROS];
    const size_t row_bytes = swg_codes_bytes(scheme.bits, cols);
    for (size_t r = 0; r < n_rows; r++) {
        swg_codes_unpack_row(scheme.bits, data[SWG_PLANE_CODES] + r * row_bytes, cols, codes);
        row_values(scheme, cols, codes, data[SWG_PLANE_SCALES], r * groups,
                   zeros ? zeros + r * groups : NULL, out + r * cols);
    }
done:
    for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++)
        swg_free(data[kind]);
    swg_free(codes);
    return status;
}
