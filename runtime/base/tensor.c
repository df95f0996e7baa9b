/* Tensor descriptions and the sizes of planes. All size arithmetic on shapes from files is done,
 * checked, in swg_tensor_desc_check; the getters and the formats rely on it. */
#include "runtime/base/tensor.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/utf8.h"
#include "runtime/base/weight_format.h"

/* Sizes from here on are refused: no file can have them, and below this the bit count of a plane
 * fits 64 bits too. */
static const uint64_t max_tensor_bytes = UINT64_C(1) << 62;

static const struct {
    const char *text;
    bool is_finite;
} kinds[SWG_PLANE_KINDS] = {
#define SWG_PLANE_KIND(name, text, is_finite) {text, is_finite},
#include "runtime/base/plane_kinds.def"
#undef SWG_PLANE_KIND
};

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
    return kinds[kind].text;
}

bool swg_plane_must_be_finite(const swg_plane *plane)
{
    return kinds[plane->kind].is_finite && swg_dtype_is_float(plane->type);
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
    /* 16 bytes per element cover all planes of any scheme together. */
    uint64_t bound;
    if (!swg_u64_mul(elems, 16, &bound) || bound >= max_tensor_bytes)
        return swg_error(SWG_CORRUPT, "the shape of tensor %s means 2^62 bytes or more",
                         desc->name);
    /* With a zero dimension the product says nothing about the others. */
    for (uint32_t i = 0; i < desc->rank; i++)
        if (desc->shape[i] >= max_tensor_bytes / 16)
            return swg_error(SWG_CORRUPT, "a dimension of tensor %s is %llu", desc->name,
                             (unsigned long long)desc->shape[i]);
    const bool is_counted = swg_weight_format_of(desc->scheme)->is_counted;
    if (desc->n_stored > (is_counted ? elems : 0))
        return swg_error(SWG_CORRUPT, "tensor %s stores %llu of %llu elements", desc->name,
                         (unsigned long long)desc->n_stored, (unsigned long long)elems);
    return swg_weight_format_of(desc->scheme)->check(desc);
}

swg_plane swg_plane_of(swg_plane_kind kind, swg_dtype type, uint64_t rows, uint64_t row_elems)
{
    const unsigned bits = swg_dtype_bits(type);
    const uint64_t row_bytes = row_elems * bits / 8;
    return (swg_plane){.kind = kind,
                       .type = type,
                       .rows = rows,
                       .row_bytes = row_bytes,
                       .bytes = rows * row_bytes,
                       .elem_bytes = bits < 8 ? 1 : bits / 8,
                       .symbol_bits = 8};
}

size_t swg_tensor_planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    return swg_weight_format_of(desc->scheme)->planes(desc, out);
}

float swg_scale_load(swg_scheme scheme, const void *scales, size_t at, float row_scale)
{
    return swg_scheme_has_row_scales(scheme) ? (float)((const int8_t *)scales)[at] * row_scale
                                             : swg_float_load(scheme.scale_type, scales, at);
}

float swg_row_scale_load(const void *row_scales, size_t row)
{
    return row_scales ? swg_float_load(SWG_BF16, row_scales, row) : 1;
}

const swg_plane *swg_plane_find(const swg_plane *planes, size_t n, swg_plane_kind kind)
{
    for (size_t i = 0; i < n; i++)
        if (planes[i].kind == kind)
            return &planes[i];
    return NULL;
}

uint64_t swg_tensor_bytes(const swg_tensor_desc *desc)
{
    swg_plane planes[SWG_PLANE_KINDS];
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

/* --- Planes in memory ------------------------------------------------------------------------- */

typedef struct memory_planes {
    swg_plane shapes[SWG_PLANE_KINDS];
    size_t n;
    const void *const *data; /* by kind */
} memory_planes;

static swg_status read_memory(void *context, swg_plane_kind kind, uint64_t row_begin,
                              uint64_t n_rows, void *out)
{
    const memory_planes *m = context;
    const swg_plane *plane = swg_plane_find(m->shapes, m->n, kind);
    const size_t bytes = (size_t)(n_rows * plane->row_bytes);
    if (bytes)
        memcpy(out, (const uint8_t *)m->data[kind] + row_begin * plane->row_bytes, bytes);
    return SWG_OK;
}

swg_status swg_tensor_rows_f32(const swg_tensor_desc *desc,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t row_begin,
                               uint64_t n_rows, float *out)
{
    memory_planes m = {.data = planes};
    m.n = swg_tensor_planes(desc, m.shapes);
    const swg_plane_reader from = {.read = read_memory, .context = &m};
    return swg_weight_format_of(desc->scheme)->read_rows(desc, &from, row_begin, n_rows, out);
}
