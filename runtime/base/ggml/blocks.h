/* The block types of ggml: numbers stored in blocks of equal size, each with scales of its own, row
 * after row. Their names are those of llama.cpp in lower case ("q4_k"); what a block means is what
 * the gguf Python package decodes it to, bit for bit in binary32. */
#ifndef SWG_RUNTIME_BASE_GGML_BLOCKS_H
#define SWG_RUNTIME_BASE_GGML_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/numeric.h"

/* Elements of a block: of the simple types, of those with scales of scales, and of any. */
enum { SWG_BLOCK_ELEMS = 32, SWG_BLOCK_SUPER_ELEMS = 256, SWG_BLOCK_MAX_ELEMS = 256 };

/* ggml's numbers of the types. */
enum {
#define SWG_BLOCK_TYPE(name, NAME, number, bits, elems, bytes, half, half2)                        \
    SWG_BLOCK_##NAME = number,
#include "runtime/base/ggml/blocks.def"
};

typedef struct swg_block_type {
    uint8_t id; /* ggml's number; 0 is none */
    const char *name;
    uint8_t bits; /* of a code, without what scales add */
    uint16_t elems, bytes;
    int16_t halves[2]; /* offsets of the half-precision numbers that alone can make it infinite; -1:
                          none. Without any, decoded numbers tell. */
    void (*decode)(const uint8_t *block, float *out);
} swg_block_type;

/* By ggml's number, or by name; NULL when there is no such type. */
const swg_block_type *swg_block_type_find(unsigned id);
const swg_block_type *swg_block_type_named(const char *name, size_t length);

/* Whether the numbers of `n` blocks are finite; if not, the first block that holds others in
 * *bad. */
bool swg_blocks_are_finite(const swg_block_type *type, const uint8_t *blocks, size_t n,
                           size_t *bad);

/* --- For the files of this folder --------------------------------------------------------------
 */

static inline uint32_t swg_block_u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}
static inline uint32_t swg_block_u32(const uint8_t *at)
{
    return swg_block_u16(at) | swg_block_u16(at + 2) << 16;
}
static inline float swg_block_half(const uint8_t *at)
{
    return swg_f16_to_f32((uint16_t)swg_block_u16(at));
}

#define SWG_BLOCK_TYPE(name, NAME, number, bits, elems, bytes, half, half2)                        \
    void swg_block_##name##_decode(const uint8_t *block, float *out);
#include "runtime/base/ggml/blocks.def"

/* The points of the types that look several elements up at once (block_grids.c), one u16 each,
 * element 0 in the lowest bits: 8 elements of 2 bits, or 4 of 3 bits for the IQ3 types. */
extern const uint16_t swg_block_iq1_grid[2048];
extern const uint16_t swg_block_iq2_xxs_grid[256];
extern const uint16_t swg_block_iq2_xs_grid[512];
extern const uint16_t swg_block_iq2_s_grid[1024];
extern const uint16_t swg_block_iq3_xxs_grid[256];
extern const uint16_t swg_block_iq3_s_grid[512];

#endif
