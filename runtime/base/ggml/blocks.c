/* The table of block types, and those with one scale for a block of 32:
 *   Q4_0  f16 d | 16 bytes               w = d * (q - 8)
 *   Q4_1  f16 d | f16 m | 16 bytes       w = d * q + m
 *   Q5_0  f16 d | u32 high | 16 bytes    w = d * (q - 16)
 *   Q5_1  f16 d | f16 m | u32 high | 16  w = d * q + m
 *   Q8_0  f16 d | 32 int8                w = d * q
 * Byte j of 16 holds element j in its low nibble and element j + 16 in its high one; bit e of
 * `high` is bit 4 of element e. */
#include <math.h>
#include <string.h>

#include "runtime/base/ggml/blocks.h"

enum { BLOCK = SWG_BLOCK_ELEMS, HALF = BLOCK / 2, SCALE_BYTES = 2 };

void swg_block_q4_0_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    const uint8_t *q = block + SCALE_BYTES;
    for (int j = 0; j < HALF; j++) {
        out[j] = d * (float)((q[j] & 15) - 8);
        out[j + HALF] = d * (float)((q[j] >> 4) - 8);
    }
}

void swg_block_q4_1_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block), m = swg_block_half(block + SCALE_BYTES);
    const uint8_t *q = block + 2 * SCALE_BYTES;
    for (int j = 0; j < HALF; j++) {
        out[j] = d * (float)(q[j] & 15) + m;
        out[j + HALF] = d * (float)(q[j] >> 4) + m;
    }
}

/* Five bits of element j and j + 16. */
static void q5_pair(const uint8_t *q, uint32_t high, int j, int out[2])
{
    out[0] = (q[j] & 15) | (int)(high >> j & 1) << 4;
    out[1] = q[j] >> 4 | (int)(high >> (j + HALF) & 1) << 4;
}

void swg_block_q5_0_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    const uint32_t high = swg_block_u32(block + SCALE_BYTES);
    for (int j = 0; j < HALF; j++) {
        int q[2];
        q5_pair(block + SCALE_BYTES + 4, high, j, q);
        out[j] = d * (float)(q[0] - 16);
        out[j + HALF] = d * (float)(q[1] - 16);
    }
}

void swg_block_q5_1_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block), m = swg_block_half(block + SCALE_BYTES);
    const uint32_t high = swg_block_u32(block + 2 * SCALE_BYTES);
    for (int j = 0; j < HALF; j++) {
        int q[2];
        q5_pair(block + 2 * SCALE_BYTES + 4, high, j, q);
        out[j] = d * (float)q[0] + m;
        out[j + HALF] = d * (float)q[1] + m;
    }
}

void swg_block_q8_0_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int j = 0; j < BLOCK; j++)
        out[j] = (float)(int8_t)block[SCALE_BYTES + j] * d;
}

/* --- The table -------------------------------------------------------------------------------- */

static const swg_block_type types[] = {
#define SWG_BLOCK_TYPE(name, NAME, number, bits, elems, bytes, half, half2)                        \
    {number, #name, bits, elems, bytes, {half, half2}, swg_block_##name##_decode},
#include "runtime/base/ggml/blocks.def"
};
enum { N_TYPES = sizeof types / sizeof types[0] };

const swg_block_type *swg_block_type_find(unsigned id)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const swg_block_type *swg_block_type_named(const char *name, size_t length)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strlen(types[i].name) == length && memcmp(types[i].name, name, length) == 0)
            return &types[i];
    return NULL;
}

static bool is_finite(const swg_block_type *type, const uint8_t *block)
{
    float values[SWG_BLOCK_MAX_ELEMS];
    if (type->halves[0] >= 0)
        return isfinite(swg_block_half(block + type->halves[0])) &&
               (type->halves[1] < 0 || isfinite(swg_block_half(block + type->halves[1])));
    type->decode(block, values);
    for (size_t e = 0; e < type->elems; e++)
        if (!isfinite(values[e]))
            return false;
    return true;
}

bool swg_blocks_are_finite(const swg_block_type *type, const uint8_t *blocks, size_t n, size_t *bad)
{
    for (size_t b = 0; b < n; b++)
        if (!is_finite(type, blocks + b * type->bytes)) {
            *bad = b;
            return false;
        }
    return true;
}
