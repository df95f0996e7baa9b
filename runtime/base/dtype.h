/* Element types: of plain tensors, scales and everything else that is stored as numbers. */
#ifndef SWG_RUNTIME_BASE_DTYPE_H
#define SWG_RUNTIME_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum swg_dtype {
#define SWG_DTYPE(name, bits, text) SWG_##name,
#include "runtime/base/dtype.def"
#undef SWG_DTYPE
    SWG_DTYPE_COUNT
} swg_dtype;

unsigned swg_dtype_bits(swg_dtype dtype);
const char *swg_dtype_name(swg_dtype dtype); /* as safetensors spells it: "BF16" */

/* The type with that safetensors name (case-sensitive, `length` bytes); false when unknown. */
bool swg_dtype_parse(const char *text, size_t length, swg_dtype *out);

/* The name in lower case, as files and options of this project spell it ("bf16"), and the
 * reverse. */
enum { SWG_DTYPE_WORD_BYTES = 16 };
const char *swg_dtype_word(swg_dtype dtype, char out[SWG_DTYPE_WORD_BYTES]);
bool swg_dtype_parse_word(const char *text, size_t length, swg_dtype *out);

/* Whether weights and scales of this type are computed with: F32, F16 and BF16. */
bool swg_dtype_is_float(swg_dtype dtype);

/* Whether numbers of this type can be read as float32, rounded to nearest: those and F64. */
bool swg_dtype_is_number(swg_dtype dtype);

#endif
