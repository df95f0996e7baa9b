/* Half-precision floats and finiteness. Reference conversions, one value at a time; the bulk
 * conversions are kernels. Rounding is always to nearest, ties to even. */
#ifndef SWG_RUNTIME_BASE_NUMERIC_H
#define SWG_RUNTIME_BASE_NUMERIC_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/dtype.h"

/* IEEE 754 binary16 and bfloat16, held as their bits. NaN stays NaN (quieted, except by
 * swg_bf16_to_f32, which only moves the bits), values beyond the largest finite become infinity,
 * subnormals are kept. */
float swg_f16_to_f32(uint16_t bits);
uint16_t swg_f32_to_f16(float value);
float swg_bf16_to_f32(uint16_t bits);
uint16_t swg_f32_to_bf16(float value);

/* Element `index` of an array of F32, F16 or BF16 as float, and the reverse. Passing another type
 * is the caller's mistake. */
float swg_float_load(swg_dtype dtype, const void *array, size_t index);
void swg_float_store(swg_dtype dtype, void *array, size_t index, float value);

/* How many of `count` elements of any type are NaN or infinite (types without such values: none),
 * and the first of them in *first, which is written only when there is one. A complex number counts
 * as two elements. */
uint64_t swg_count_nonfinite(swg_dtype dtype, const void *array, uint64_t count, uint64_t *first);

#endif
