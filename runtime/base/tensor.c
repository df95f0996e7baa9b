/* Tensor descriptions: types, schemes, plane sizes. All size arithmetic on shapes from files is
 * done, checked, in swg_tensor_desc_check; the getters rely on it. */
#include "runtime/base/tensor.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/utf8.h"

static const struct {
    unsigned bits;
    const char *text;
} dtypes[] = {
#define SWG_DTYPE(name, bits, text) {bits, text},
#include "runtime/base/dtype.def"
#undef SWG_DTYPE
};

/* Sizes from here on are refused: they cannot be a file's, and below it the bits of a plane fit
 * 64 bits too. */
static const uint64_t max_tensor_bytes = UINT64_C(1) << 62;

unsigned swg_dtype_bits(swg_dtype dtype)
{
    return dtypes[dtype].bits;
}

const char *swg_dtype_name(swg_dtype dtype)
{
    return dtypes[dtype].text;
}

bool swg_dtype_parse(const char *text, size_t length, swg_dtype *out)
{
    for (int i = 0; i < SWG_DTYPE_COUNT; i++)
        if (strlen(dtypes[i].text) == length && memcmp(dtypes[i].text, text, length) == 0) {
            *out = (swg_dtype)i;
            return true;
        }
    return false;
}

bool swg_scheme_equal(swg_scheme a, swg_scheme b)
{
    return a.bits == b.bits && a.asymmetric == b.asymmetric && a.dtype == b.dtype &&
           a.group == b.group;
}

size_t swg_scheme_group_length(swg_scheme scheme, size_t k)
{
    return scheme.group ? scheme.group : k;
}

size_t swg_scheme_groups(swg_scheme scheme, size_t k)
{
    return scheme.group ? swg_ceil_div(k, scheme.group) : 1;
}

void swg_scheme_dequantize_row(swg_scheme scheme, size_t cols, const uint8_t *codes,
                               const void *scales, size_t first_scale, const uint8_t *zeros,
                               float *out)
{
    const size_t group = swg_scheme_group_length(scheme, cols);
    for (size_t c = 0; c < cols; c++) {
        const size_t g = c / group;
        const int32_t code = scheme.bits == 8 ? codes[c] : codes[c / 2] >> (c % 2 * 4) & 15;
        const int32_t zero = zeros ? zeros[g] : (int32_t)swg_scheme_symmetric_zero(scheme);
        out[c] = (float)(code - zero) * swg_float_load(scheme.dtype, scales, first_scale + g);
    }
}

/* Lower-case copy of an element type's name. */
static void lower_dtype_name(swg_dtype dtype, char out[16])
{
    size_t i = 0;
    for (const char *s = dtypes[dtype].text; *s; s++)
        out[i++] = (*s >= 'A' && *s <= 'Z') ? (char)(*s - 'A' + 'a') : *s;
    out[i] = '\0';
}

const char *swg_scheme_name(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    char type[16], group[16];
    lower_dtype_name(scheme.dtype, type);
    if (!swg_scheme_is_quantized(scheme))
        return strcpy(out, type);
    if (scheme.group)
        snprintf(group, sizeof group, "g%u", scheme.group);
    else
        snprintf(group, sizeof group, "row");
    snprintf(out, SWG_SCHEME_NAME_BYTES, "int%u-%s-%s-%s", scheme.bits, group,
             scheme.asymmetric ? "asym" : "sym", type);
    return out;
}

swg_status swg_scheme_parse(const char *text, size_t length, swg_scheme *out)
{
    /* The set is small and finite: compare with every name that writing can produce. */
    static const uint8_t bits[] = {4, 8};
    static const uint32_t groups[] = {0, 32, 64, 128, 256};
    static const swg_dtype scales[] = {SWG_F16, SWG_BF16, SWG_F32};
    char name[SWG_SCHEME_NAME_BYTES];
    for (int i = 0; i < SWG_DTYPE_COUNT; i++) {
        const swg_scheme plain = swg_scheme_plain((swg_dtype)i);
        if (strlen(swg_scheme_name(plain, name)) == length && memcmp(name, text, length) == 0) {
            *out = plain;
            return SWG_OK;
        }
    }
    for (size_t i = 0; i < 2 * 5 * 2 * 3; i++) {
        const swg_scheme scheme = {.bits = bits[i % 2],
                                   .asymmetric = i / 2 % 2,
                                   .group = groups[i / 4 % 5],
                                   .dtype = scales[i / 20]};
        if (strlen(swg_scheme_name(scheme, name)) == length && memcmp(name, text, length) == 0) {
            *out = scheme;
            return SWG_OK;
        }
    }
    return swg_error(SWG_UNSUPPORTED, "unknown weight scheme \"%.*s\"",
                     (int)(length < 64 ? length : 64), text);
}

uint64_t swg_tensor_cols(const swg_tensor_desc *desc)
{
    return desc->rank ? desc->shape[desc->rank - 1] : 1;
}

uint64_t swg_tensor_rows(const swg_tensor_desc *desc)
{
    uint64_t rows = 1;
    for (uint32_t i = 0; i + 1 < desc->rank; i++)
        rows *= desc->shape[i];
    return rows;
}

uint64_t swg_tensor_elems(const swg_tensor_desc *desc)
{
    return swg_tensor_rows(desc) * swg_tensor_cols(desc);
}

const char *swg_plane_name(swg_plane_kind kind)
{
    static const char *const names[SWG_PLANE_KINDS] = {"values", "codes", "scales", "zeros"};
    return names[kind];
}

bool swg_name_is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        if (text[i] >= 0x20 && text[i] < 0x7f) { /* nearly all */
            i++;
            continue;
        }
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(text + i, length - i, &code);
        const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        if (step == 0 || is_control)
            return false;
        i += step;
    }
    return true;
}

swg_status swg_tensor_desc_check(const swg_tensor_desc *desc)
{
    const size_t name_length = strlen(desc->name);
    if (name_length == 0 || name_length > SWG_MAX_NAME ||
        !swg_name_is_printable(desc->name, name_length))
        return swg_error(SWG_CORRUPT,
                         "a tensor name of %zu bytes is empty, longer than %d or not printable",
                         name_length, SWG_MAX_NAME);
    if (desc->rank > SWG_MAX_RANK)
        return swg_error(SWG_UNSUPPORTED, "tensor %s has rank %u; at most %d is supported",
                         desc->name, desc->rank, SWG_MAX_RANK);
    uint64_t elems = 1;
    for (uint32_t i = 0; i < desc->rank; i++)
        if (!swg_u64_mul(elems, desc->shape[i], &elems))
            return swg_error(SWG_CORRUPT, "the shape of tensor %s overflows", desc->name);
    /* 16 bytes an element covers every plane of every scheme together. */
    uint64_t bound;
    if (!swg_u64_mul(elems, 16, &bound) || bound >= max_tensor_bytes)
        return swg_error(SWG_CORRUPT, "the shape of tensor %s means 2^62 bytes or more",
                         desc->name);
    /* With a zero dimension the product says nothing about the others. */
    for (uint32_t i = 0; i < desc->rank; i++)
        if (desc->shape[i] >= max_tensor_bytes / 16)
            return swg_error(SWG_CORRUPT, "a dimension of tensor %s is %llu", desc->name,
                             (unsigned long long)desc->shape[i]);
    if (swg_scheme_is_quantized(desc->scheme)) {
        if (desc->rank != 2 || elems == 0)
            return swg_error(SWG_CORRUPT, "quantized tensor %s is not a matrix", desc->name);
    } else if (elems * swg_dtype_bits(desc->scheme.dtype) % 8 != 0) {
        return swg_error(SWG_CORRUPT, "the %s elements of tensor %s do not fill whole bytes",
                         swg_dtype_name(desc->scheme.dtype), desc->name);
    }
    return SWG_OK;
}

static swg_plane plane_of(swg_plane_kind kind, uint64_t rows, uint64_t row_bytes,
                          uint32_t elem_bytes)
{
    return (swg_plane){.kind = kind,
                       .rows = rows,
                       .row_bytes = row_bytes,
                       .bytes = rows * row_bytes,
                       .elem_bytes = elem_bytes};
}

size_t swg_tensor_planes(const swg_tensor_desc *desc, swg_plane out[SWG_MAX_PLANES])
{
    const swg_scheme scheme = desc->scheme;
    const uint64_t rows = swg_tensor_rows(desc), cols = swg_tensor_cols(desc);
    const unsigned bits = swg_dtype_bits(scheme.dtype);
    if (!swg_scheme_is_quantized(scheme)) {
        const bool whole_rows = cols * bits % 8 == 0;
        out[0] = plane_of(SWG_PLANE_VALUES, whole_rows ? rows : 1,
                          (whole_rows ? cols : rows * cols) * bits / 8, bits < 8 ? 1 : bits / 8);
        return 1;
    }
    const uint64_t groups = swg_scheme_groups(scheme, cols);
    out[0] = plane_of(SWG_PLANE_CODES, rows, (cols * scheme.bits + 7) / 8, 1);
    out[1] = plane_of(SWG_PLANE_SCALES, rows, groups * bits / 8, bits / 8);
    if (!scheme.asymmetric)
        return 2;
    out[2] = plane_of(SWG_PLANE_ZEROS, rows, groups, 1);
    return 3;
}

uint64_t swg_tensor_bytes(const swg_tensor_desc *desc)
{
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n = swg_tensor_planes(desc, planes);
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += planes[i].bytes;
    return bytes;
}

const char *swg_tensor_shape_text(const swg_tensor_desc *desc, char out[SWG_SHAPE_TEXT_BYTES])
{
    size_t used = (size_t)snprintf(out, SWG_SHAPE_TEXT_BYTES, "[");
    for (uint32_t i = 0; i < desc->rank; i++)
        used += (size_t)snprintf(out + used, SWG_SHAPE_TEXT_BYTES - used, "%s%llu", i ? ", " : "",
                                 (unsigned long long)desc->shape[i]);
    snprintf(out + used, SWG_SHAPE_TEXT_BYTES - used, "]");
    return out;
}
