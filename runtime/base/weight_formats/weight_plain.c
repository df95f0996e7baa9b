/* plain: the elements as they are, row after row, of any element type. */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_format.h"

static bool parse(const char *text, size_t length, swg_scheme *out)
{
    return swg_dtype_parse_word(text, length, &out->dtype);
}

static void print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    swg_dtype_word(scheme.dtype, out);
}

static swg_status check(const swg_tensor_desc *desc)
{
    const swg_dtype dtype = desc->scheme.dtype;
    if (swg_tensor_elems(desc) * swg_dtype_bits(dtype) % 8 != 0)
        return swg_error(SWG_CORRUPT, "the %s elements of tensor %s do not fill whole bytes",
                         swg_dtype_name(dtype), desc->name);
    return SWG_OK;
}

static size_t planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const swg_dtype dtype = desc->scheme.dtype;
    const uint64_t rows = swg_tensor_rows(desc), cols = swg_tensor_cols(desc);
    const bool whole_rows = cols * swg_dtype_bits(dtype) % 8 == 0;
    out[0] = whole_rows ? swg_plane_of(SWG_PLANE_VALUES, dtype, rows, cols)
                        : swg_plane_of(SWG_PLANE_VALUES, dtype, 1, rows * cols);
    return 1;
}

/* An element of any type that swg_dtype_is_number accepts; what is beyond float32 is infinite. */
static float element(swg_dtype dtype, const void *array, size_t index)
{
    double number;
    if (dtype != SWG_F64)
        return swg_float_load(dtype, array, index);
    memcpy(&number, (const unsigned char *)array + index * sizeof number, sizeof number);
    return (float)number;
}

static swg_status read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                            uint64_t row_begin, uint64_t n_rows, float *out)
{
    const swg_dtype dtype = desc->scheme.dtype;
    const size_t count = (size_t)(n_rows * swg_tensor_cols(desc));
    if (!swg_dtype_is_number(dtype))
        return swg_error(SWG_UNSUPPORTED, "tensor %s has elements of type %s, which are not floats",
                         desc->name, swg_dtype_name(dtype));
    if (dtype == SWG_F32)
        return from->read(from->context, SWG_PLANE_VALUES, row_begin, n_rows, out);
    void *const stored = swg_malloc(count, swg_dtype_bits(dtype) / 8);
    if (!stored)
        return SWG_NO_MEMORY;
    const swg_status status =
        from->read(from->context, SWG_PLANE_VALUES, row_begin, n_rows, stored);
    for (size_t i = 0; status == SWG_OK && i < count; i++)
        out[i] = element(dtype, stored, i);
    swg_free(stored);
    return status;
}

const swg_weight_format swg_weight_format_plain = {
    .parse = parse,
    .print = print,
    .check = check,
    .planes = planes,
    .read_rows = read_rows,
};
