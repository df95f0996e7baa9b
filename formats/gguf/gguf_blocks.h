/* The element types of GGUF: plain ones and ggml's blocks (runtime/base/ggml), and how blocks of
 * the simple types are made: of floats, as ggml's reference quantizers do it, or of integers. */
#ifndef SWG_FORMATS_GGUF_GGUF_BLOCKS_H
#define SWG_FORMATS_GGUF_GGUF_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/ggml/blocks.h"
#include "runtime/base/tensor.h"

enum { SWG_GGUF_F32 = 0, SWG_GGUF_F16 = 1, SWG_GGUF_BF16 = 30 };

typedef struct swg_gguf_type {
    uint32_t id;
    const char *name;
    uint32_t block_elems, block_bytes;
    bool is_block;
    swg_dtype dtype; /* of plain types */
} swg_gguf_type;

/* The type of that number, or of that name in any case ("q8_0"); NULL when it is not read. */
const swg_gguf_type *swg_gguf_type_find(uint32_t id);
const swg_gguf_type *swg_gguf_type_named(const char *name);

/* The name of a type that ggml had and no longer reads; NULL for other numbers. */
const char *swg_gguf_type_removed(uint32_t id);

/* One block from floats, as ggml's reference does it. */
typedef void swg_gguf_encode(const float *values, uint8_t *block);
/* NULL where this project does not write the type from floats. */
swg_gguf_encode *swg_gguf_encode_of(const swg_gguf_type *type);

/* The type whose blocks hold the numbers of that scheme of ours exactly, and the fewest bytes; NULL
 * when there is none. Rows must be whole blocks, and scales half-precision numbers. */
const swg_gguf_type *swg_gguf_type_of_scheme(swg_scheme scheme);

/* A block of Q4_0 (integers -8 to 7), Q5_0 (-16 to 15), Q8_0 (-128 to 127), w = scale * integer, or
 * Q4_1 (0 to 15), w = scale * integer + minimum; scale and minimum in half precision. */
void swg_gguf_block_of(uint32_t id, uint16_t scale, uint16_t minimum, const int16_t integers[32],
                       uint8_t *block);
/* The codes of a block of Q8_0 or Q4_0 as ours: 32 unsigned bytes, or nibbles (codes.h). */
void swg_gguf_q8_0_codes(const uint8_t *block, uint8_t codes[32]);
void swg_gguf_q4_0_codes(const uint8_t *block, uint8_t codes[16]);

#endif
