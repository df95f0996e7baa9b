/* Formats of codes in groups: names, planes and the meaning of a row. See weight_integers.h. */
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

/* The part that begins every name: "int4", "codebook4". */
static void family_of(swg_scheme scheme, char out[16])
{
    snprintf(out, 16, "%s%u", swg_scheme_has_codebook(scheme) ? "codebook" : "int", scheme.bits);
}

bool swg_integers_parse(const char *text, size_t length, swg_scheme *out)
{
    char word[16];
    const char *part;
    size_t part_length;
    family_of(*out, word);
    if (!take_part(&text, &length, &part, &part_length) || !part_is(part, part_length, word) ||
        !take_part(&text, &length, &part, &part_length) ||
        !parse_group(part, part_length, &out->group))
        return false;
    if (!swg_scheme_has_codebook(*out)) {
        if (!take_part(&text, &length, &part, &part_length))
            return false;
        out->asymmetric = part_is(part, part_length, "asym");
        if (!out->asymmetric && !part_is(part, part_length, "sym"))
            return false;
    }
    return take_part(&text, &length, &part, &part_length) && length == 0 &&
           swg_dtype_parse_word(part, part_length, &out->scale_type) &&
           swg_scale_type_is_known(out->scale_type);
}

void swg_integers_print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    char family[16], type[SWG_DTYPE_WORD_BYTES], group[16] = "row";
    const char *const zeros = swg_scheme_has_codebook(scheme) ? ""
                              : scheme.asymmetric             ? "asym-"
                                                              : "sym-";
    family_of(scheme, family);
    if (scheme.group)
        snprintf(group, sizeof group, "g%u", scheme.group);
    snprintf(out, SWG_SCHEME_NAME_BYTES, "%s-%s-%s%s", family, group, zeros,
             swg_dtype_word(scheme.scale_type, type));
}

/* --- Planes ----------------------------------------------------------------------------------- */

swg_status swg_integers_check(const swg_tensor_desc *desc)
{
    if (desc->rank != 2 || swg_tensor_elems(desc) == 0)
        return swg_error(SWG_CORRUPT, "quantized tensor %s is not a matrix", desc->name);
    if (!swg_scale_type_is_known(desc->scheme.scale_type))
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
    size_t n = 1;
    out[n++] = swg_plane_of(SWG_PLANE_SCALES, scheme.scale_type, rows, groups);
    if (swg_scheme_has_row_scales(scheme))
        out[n++] = swg_plane_of(SWG_PLANE_ROW_SCALES, SWG_BF16, rows, 1);
    if (scheme.asymmetric)
        out[n++] = swg_plane_of(SWG_PLANE_ZEROS, SWG_U8, rows, groups);
    if (swg_scheme_has_codebook(scheme))
        out[n++] = swg_plane_of(SWG_PLANE_CODEBOOK, SWG_I8, 1, (uint64_t)1 << scheme.bits);
    return n;
}

/* --- Values ----------------------------------------------------------------------------------- */

/* The planes of some rows, in memory. */
typedef struct rows_of_planes {
    swg_scheme scheme;
    size_t cols, groups;
    uint8_t *data[SWG_PLANE_KINDS];
} rows_of_planes;

/* out[c] = (float)(number of the code) * scale[g] of row r: code - zero, or the codebook's. */
static void row_values(const rows_of_planes *p, size_t r, const uint8_t *codes, float *out)
{
    const swg_scheme scheme = p->scheme;
    const size_t group = swg_scheme_group_length(scheme, p->cols);
    const int8_t *const book = (const int8_t *)p->data[SWG_PLANE_CODEBOOK];
    const uint8_t *const zeros = p->data[SWG_PLANE_ZEROS];
    const float row_scale = swg_row_scale_load(p->data[SWG_PLANE_ROW_SCALES], r);
    for (size_t begin = 0, g = r * p->groups; begin < p->cols; begin += group, g++) {
        const size_t end = p->cols - begin < group ? p->cols : begin + group;
        const int32_t zero = zeros ? zeros[g] : (int32_t)swg_scheme_symmetric_zero(scheme);
        const float scale = swg_scale_load(scheme, p->data[SWG_PLANE_SCALES], g, row_scale);
        for (size_t c = begin; c < end; c++)
            out[c] = (float)(book ? book[codes[c]] : codes[c] - zero) * scale;
    }
}

/* Rows of the tensor's planes; a plane with a single row for the whole matrix is read as it is. */
static swg_status read_planes(const swg_tensor_desc *desc, const swg_plane_reader *from,
                              uint64_t row_begin, uint64_t n_rows, rows_of_planes *out)
{
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_integers_planes(desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        const swg_plane_kind kind = planes[p].kind;
        const bool is_shared = swg_plane_is_shared(kind);
        const uint64_t n = is_shared ? 1 : n_rows;
        SWG_TRY(SWG_NEW_UNINIT(out->data[kind], (size_t)(n * planes[p].row_bytes)));
        SWG_TRY(from->read(from->context, kind, is_shared ? 0 : row_begin, n, out->data[kind]));
    }
    return SWG_OK;
}

swg_status swg_integers_read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                  uint64_t row_begin, uint64_t n_rows, float *out)
{
    const swg_scheme scheme = desc->scheme;
    const size_t cols = (size_t)desc->shape[1];
    const size_t row_bytes = swg_codes_bytes(scheme.bits, cols);
    rows_of_planes planes = {
        .scheme = scheme, .cols = cols, .groups = swg_scheme_groups(scheme, cols)};
    uint8_t *codes = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(codes, cols));
    SWG_GO(read_planes(desc, from, row_begin, n_rows, &planes));
    for (size_t r = 0; r < n_rows; r++) {
        swg_codes_unpack_row(scheme.bits, planes.data[SWG_PLANE_CODES] + r * row_bytes, cols,
                             codes);
        row_values(&planes, r, codes, out + r * cols);
    }
done:
    for (size_t kind = 0; kind < SWG_PLANE_KINDS; kind++)
        swg_free(planes.data[kind]);
    swg_free(codes);
    return status;
}
