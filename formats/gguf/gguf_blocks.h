/* The element types of GGUF: how a block of each is laid out, decoded and, for the simple ones,
 * encoded. Sources: ggml's ggml-quants.c (the reference quantizers) and the gguf Python package's
 * quants.py; decoding is bit-equal to both in binary32. */
#ifndef SWG_FORMATS_GGUF_GGUF_BLOCKS_H
#define SWG_FORMATS_GGUF_GGUF_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/tensor.h"

enum {
    SWG_GGUF_F32 = 0,
    SWG_GGUF_F16 = 1,
    SWG_GGUF_Q4_0 = 2,
    SWG_GGUF_Q4_1 = 3,
    SWG_GGUF_Q8_0 = 8,
    SWG_GGUF_BF16 = 30
};

/* Elements of a block of the simple types, and of the "K" types. */
enum { SWG_GGUF_BLOCK = 32, SWG_GGUF_SUPER_BLOCK = 256 };

typedef struct swg_gguf_type {
    uint32_t id;
    const char *name;
    uint32_t block_elems, block_bytes;
    swg_dtype dtype; /* of plain types */
    /* One block to floats; NULL for plain types. */
    void (*decode)(const uint8_t *block, float *out);
    /* One block from floats, as ggml's reference does it; NULL where this project does not write
     * the type from floats. */
    void (*encode)(const float *values, uint8_t *block);
} swg_gguf_type;

/* The type of that number, or of that name in any case ("q8_0"); NULL when it is not read. */
const swg_gguf_type *swg_gguf_type_find(uint32_t id);
const swg_gguf_type *swg_gguf_type_named(const char *name);

/* The type whose blocks hold the numbers of that scheme of ours; NULL when there is none. Rows must
 * be whole blocks. */
const swg_gguf_type *swg_gguf_type_of_scheme(swg_scheme scheme);

/* Blocks of Q8_0, Q4_0 and Q4_1 are made of these parts. Codes are ours: unsigned, 8 or 4 bits,
 * the low nibble first (tensor.h); GGUF's nibble j holds elements j and j + 16 of a block. */
void swg_gguf_q8_0_codes(const uint8_t *block, uint8_t codes[32]);
void swg_gguf_q4_codes(const uint8_t *quants, uint8_t codes[16]);
void swg_gguf_q8_0_block(uint16_t scale, const uint8_t codes[32], uint8_t *block);
void swg_gguf_q4_quants(const uint8_t codes[16], uint8_t *quants);

/* The K types and the non-linear ones (gguf_kquants.c). */
void swg_gguf_q2_k_decode(const uint8_t *block, float *out);
void swg_gguf_q3_k_decode(const uint8_t *block, float *out);
void swg_gguf_q4_k_decode(const uint8_t *block, float *out);
void swg_gguf_q5_k_decode(const uint8_t *block, float *out);
void swg_gguf_q6_k_decode(const uint8_t *block, float *out);
void swg_gguf_iq4_nl_decode(const uint8_t *block, float *out);
void swg_gguf_iq4_xs_decode(const uint8_t *block, float *out);

#endif
