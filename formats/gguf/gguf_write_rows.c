/* One row of a tensor as a GGUF holds it: blocks and plain numbers as they are, integer codes as
 * blocks that mean the same numbers, floats rounded to blocks or to another type. */
#include <math.h>
#include <string.h>

#include "formats/gguf/gguf_write.h"
#include "runtime/base/codes.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_format.h"

/* --- Integer codes ---------------------------------------------------------------------------- */

/* A scale of ours as the half-precision number that blocks have. */
static swg_status half_scale(const swg_sink *sink, const swg_tensor_desc *desc,
                             const swg_gguf_type *type, const void *const planes[SWG_PLANE_KINDS],
                             uint64_t row, size_t g, uint16_t *out)
{
    const size_t n_groups = swg_scheme_groups(desc->scheme, (size_t)desc->shape[1]);
    const float scale =
        swg_scale_load(desc->scheme, planes[SWG_PLANE_SCALES], (size_t)row * n_groups + g,
                       swg_row_scale_load(planes[SWG_PLANE_ROW_SCALES], (size_t)row));
    *out = swg_f32_to_f16(scale);
    if (swg_f16_to_f32(*out) == scale)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: the scale of group %zu in row %llu of tensor %s is %.9g, which is not a "
                     "half-precision number, as blocks of %s need; --dequantize writes floats",
                     sink->path, g, (unsigned long long)row, desc->name, (double)scale, type->name);
}

/* The minimum of a block of Q4_1, -scale * zero as half-precision number; whether it was rounded.
 */
static bool half_minimum(uint16_t scale, uint8_t zero, uint16_t *out)
{
    const float least = -(swg_f16_to_f32(scale) * (float)zero);
    *out = swg_f32_to_f16(least);
    return swg_f16_to_f32(*out) != least;
}

/* One row of integer codes as blocks. */
static swg_status put_integers(const swg_sink *sink, const swg_tensor_desc *desc,
                               const swg_gguf_type *type, const void *const planes[SWG_PLANE_KINDS],
                               uint64_t row, uint8_t *out, uint64_t *n_rounded)
{
    const swg_scheme scheme = desc->scheme;
    const size_t cols = (size_t)desc->shape[1], n_groups = swg_scheme_groups(scheme, cols);
    const uint8_t *const codes =
        (const uint8_t *)planes[SWG_PLANE_CODES] + row * swg_codes_bytes(scheme.bits, cols);
    const uint8_t *const zeros = planes[SWG_PLANE_ZEROS];
    for (size_t c = 0; c < cols; c += SWG_BLOCK_ELEMS, out += type->block_bytes) {
        const size_t g = c / swg_scheme_group_length(scheme, cols);
        const uint8_t zero =
            zeros ? zeros[row * n_groups + g] : (uint8_t)swg_scheme_symmetric_zero(scheme);
        if (zero >> scheme.bits)
            return swg_error(SWG_UNSUPPORTED,
                             "%s: the zero point of group %zu in row %llu of tensor %s is %u, "
                             "beyond the codes of %u bits; --dequantize writes floats",
                             sink->path, g, (unsigned long long)row, desc->name, zero, scheme.bits);
        uint8_t bytes[SWG_BLOCK_ELEMS];
        int16_t integers[SWG_BLOCK_ELEMS];
        uint16_t scale, minimum = 0;
        SWG_TRY(half_scale(sink, desc, type, planes, row, g, &scale));
        const bool has_minimum = type->id == SWG_BLOCK_Q4_1;
        if (has_minimum && half_minimum(scale, zero, &minimum))
            __atomic_fetch_add(n_rounded, 1, __ATOMIC_RELAXED);
        swg_codes_unpack_row(scheme.bits, codes + c / 8 * scheme.bits, SWG_BLOCK_ELEMS, bytes);
        for (size_t i = 0; i < SWG_BLOCK_ELEMS; i++)
            integers[i] = (int16_t)(bytes[i] - (has_minimum ? 0 : zero));
        swg_gguf_block_of(type->id, scale, minimum, integers, out);
    }
    return SWG_OK;
}

/* --- Floats ----------------------------------------------------------------------------------- */

/* One row of a quantized scheme as F32: for tables of positions and token types, which engines add
 * to the activations. llama.cpp cannot add blocks; it ends the process. */
static swg_status put_dequantized(swg_sink *sink, const swg_tensor_desc *desc,
                                  const void *const planes[SWG_PLANE_KINDS], uint64_t row,
                                  uint8_t *out)
{
    const size_t cols = (size_t)desc->shape[1];
    SWG_TRY(swg_tensor_rows_f32(desc, planes, row, 1, (float *)(void *)out));
    uint64_t at = 0;
    const uint64_t n = swg_count_nonfinite(SWG_F32, out, cols, &at);
    __atomic_fetch_add(&sink->n_nonfinite, n, __ATOMIC_RELAXED);
    if (n == 0 || sink->keep_nonfinite)
        return SWG_OK;
    return swg_error(
        SWG_UNSUPPORTED,
        "%s: element [%llu, %llu] of tensor %s is beyond the range of F32; --nonfinite "
        "keep makes it infinite",
        sink->path, (unsigned long long)row, (unsigned long long)at, desc->name);
}

/* Numbers of another type than before, from element `first` of the tensor on. */
static swg_status check_finite(swg_sink *sink, const swg_tensor_desc *desc,
                               const swg_gguf_type *type, const void *plane, uint64_t first,
                               const uint8_t *out, size_t count)
{
    uint64_t at = 0;
    const uint64_t n = swg_count_nonfinite(type->dtype, out, count, &at);
    __atomic_fetch_add(&sink->n_nonfinite, n, __ATOMIC_RELAXED);
    if (n == 0 || sink->keep_nonfinite)
        return SWG_OK;
    const float value = swg_float_load(desc->scheme.dtype, plane, (size_t)(first + at));
    if (isfinite(value))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: element %llu of tensor %s is %g, beyond the range of %s; "
                         "--nonfinite keep makes it infinite",
                         sink->path, (unsigned long long)(first + at), desc->name, (double)value,
                         type->name);
    return swg_error(
        SWG_CORRUPT,
        "%s: element %llu of tensor %s is not finite; --nonfinite keep converts it all "
        "the same",
        sink->path, (unsigned long long)(first + at), desc->name);
}

/* A block whose scale its 16 bits cannot hold would be read back as NaN. `column`: the block's
 * first element. */
static swg_status check_block(swg_sink *sink, const swg_tensor_desc *desc,
                              const swg_gguf_type *type, const float values[SWG_BLOCK_ELEMS],
                              const uint8_t *block, uint64_t row, size_t column)
{
    float decoded[SWG_BLOCK_ELEMS];
    uint64_t at = 0;
    swg_block_type_find(type->id)->decode(block, decoded);
    const uint64_t n = swg_count_nonfinite(SWG_F32, decoded, SWG_BLOCK_ELEMS, &at);
    __atomic_fetch_add(&sink->n_nonfinite, n, __ATOMIC_RELAXED);
    if (n == 0 || sink->keep_nonfinite)
        return SWG_OK;
    size_t most = 0;
    for (size_t i = 1; i < SWG_BLOCK_ELEMS; i++)
        if (fabsf(values[i]) > fabsf(values[most]))
            most = i;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: element [%llu, %zu] of tensor %s is %g, too large for the scale of a "
                     "block of %s; --nonfinite keep writes the block all the same",
                     sink->path, (unsigned long long)row, column + most, desc->name,
                     (double)values[most], type->name);
}

/* One row of floats, from `first` of the plane on. */
static swg_status put_floats(swg_sink *sink, const swg_tensor_desc *desc, const swg_gguf_type *type,
                             const void *plane, uint64_t row, uint8_t *out)
{
    const size_t cols = (size_t)swg_tensor_cols(desc);
    const size_t first = (size_t)row * cols;
    swg_gguf_encode *const encode = swg_gguf_encode_of(type);
    if (!encode) {
        for (size_t c = 0; c < cols; c++)
            swg_float_store(type->dtype, out, c,
                            swg_float_load(desc->scheme.dtype, plane, first + c));
        return check_finite(sink, desc, type, plane, first, out, cols);
    }
    for (size_t c = 0; c < cols; c += SWG_BLOCK_ELEMS, out += type->block_bytes) {
        float values[SWG_BLOCK_ELEMS];
        for (size_t i = 0; i < SWG_BLOCK_ELEMS; i++) {
            values[i] = swg_float_load(desc->scheme.dtype, plane, first + c + i);
            if (!isfinite(values[i]))
                return swg_error(SWG_UNSUPPORTED,
                                 "%s: element [%llu, %zu] of tensor %s is not finite; blocks of %s "
                                 "cannot hold it",
                                 sink->path, (unsigned long long)row, c + i, desc->name,
                                 type->name);
        }
        encode(values, out);
        SWG_TRY(check_block(sink, desc, type, values, out, row, c));
    }
    return SWG_OK;
}

/* --- A row ------------------------------------------------------------------------------------ */

bool swg_gguf_row_is_as_is(const swg_tensor_desc *desc, const swg_gguf_type *type)
{
    if (desc->scheme.ggml)
        return desc->scheme.ggml == type->id;
    return swg_scheme_is_plain(desc->scheme) && !type->is_block &&
           type->dtype == desc->scheme.dtype;
}

swg_status swg_gguf_put_row(swg_sink *sink, const swg_tensor_desc *desc, const swg_gguf_type *type,
                            const void *const planes[SWG_PLANE_KINDS], uint64_t row, uint8_t *out,
                            uint64_t *n_rounded)
{
    if (swg_gguf_row_is_as_is(desc, type)) {
        const swg_plane_kind kind = desc->scheme.ggml ? SWG_PLANE_GGML : SWG_PLANE_VALUES;
        const size_t bytes = (size_t)swg_tensor_cols(desc) / type->block_elems * type->block_bytes;
        memcpy(out, (const uint8_t *)planes[kind] + row * bytes, bytes);
        return SWG_OK;
    }
    if (swg_scheme_is_plain(desc->scheme))
        return put_floats(sink, desc, type, planes[SWG_PLANE_VALUES], row, out);
    if (type->is_block)
        return put_integers(sink, desc, type, planes, row, out, n_rounded);
    return put_dequantized(sink, desc, planes, row, out);
}
