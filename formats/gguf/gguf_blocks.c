/* GGUF's table of element types, and the types with one scale a block of 32:
 *   Q4_0  f16 d | 16 bytes               w = d * (q - 8)
 *   Q4_1  f16 d | f16 m | 16 bytes       w = d * q + m
 *   Q5_0  f16 d | u32 high | 16 bytes    w = d * (q - 16)
 *   Q5_1  f16 d | f16 m | u32 high | 16  w = d * q + m
 *   Q8_0  f16 d | 32 int8                w = d * q
 * Byte j of 16 holds element j in its low nibble and element j + 16 in its high one; bit e of
 * `high` is bit 4 of element e. */
#include <math.h>
#include <strings.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf_blocks.h"
#include "runtime/base/numeric.h"

enum { BLOCK = SWG_GGUF_BLOCK, HALF = BLOCK / 2, SCALE_BYTES = 2 };

static float half_at(const uint8_t *at)
{
    return swg_f16_to_f32((uint16_t)swg_get_le(at, SCALE_BYTES));
}

static void put_half(uint8_t *at, float value)
{
    swg_put_le(at, SCALE_BYTES, swg_f32_to_f16(value));
}

/* --- Decoding --------------------------------------------------------------------------------- */

static void q4_0_decode(const uint8_t *block, float *out)
{
    const float d = half_at(block);
    const uint8_t *q = block + SCALE_BYTES;
    for (int j = 0; j < HALF; j++) {
        out[j] = d * (float)((q[j] & 15) - 8);
        out[j + HALF] = d * (float)((q[j] >> 4) - 8);
    }
}

static void q4_1_decode(const uint8_t *block, float *out)
{
    const float d = half_at(block), m = half_at(block + SCALE_BYTES);
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

static void q5_0_decode(const uint8_t *block, float *out)
{
    const float d = half_at(block);
    const uint32_t high = (uint32_t)swg_get_le(block + SCALE_BYTES, 4);
    for (int j = 0; j < HALF; j++) {
        int q[2];
        q5_pair(block + SCALE_BYTES + 4, high, j, q);
        out[j] = d * (float)(q[0] - 16);
        out[j + HALF] = d * (float)(q[1] - 16);
    }
}

static void q5_1_decode(const uint8_t *block, float *out)
{
    const float d = half_at(block), m = half_at(block + SCALE_BYTES);
    const uint32_t high = (uint32_t)swg_get_le(block + 2 * SCALE_BYTES, 4);
    for (int j = 0; j < HALF; j++) {
        int q[2];
        q5_pair(block + 2 * SCALE_BYTES + 4, high, j, q);
        out[j] = d * (float)q[0] + m;
        out[j + HALF] = d * (float)q[1] + m;
    }
}

static void q8_0_decode(const uint8_t *block, float *out)
{
    const float d = half_at(block);
    for (int j = 0; j < BLOCK; j++)
        out[j] = (float)(int8_t)block[SCALE_BYTES + j] * d;
}

/* --- Parts ------------------------------------------------------------------------------------ */

void swg_gguf_q8_0_codes(const uint8_t *block, uint8_t codes[32])
{
    for (int j = 0; j < BLOCK; j++)
        codes[j] = block[SCALE_BYTES + j] ^ 0x80;
}

void swg_gguf_q8_0_block(uint16_t scale, const uint8_t codes[32], uint8_t *block)
{
    swg_put_le(block, SCALE_BYTES, scale);
    for (int j = 0; j < BLOCK; j++)
        block[SCALE_BYTES + j] = codes[j] ^ 0x80;
}

static uint8_t nibble(const uint8_t *bytes, int element)
{
    return bytes[element / 2] >> (element % 2 * 4) & 15;
}

void swg_gguf_q4_codes(const uint8_t *quants, uint8_t codes[16])
{
    for (int i = 0; i < HALF / 2; i++) {
        codes[i] = (uint8_t)((quants[2 * i] & 15) | (quants[2 * i + 1] & 15) << 4);
        codes[i + HALF / 2] = (uint8_t)(quants[2 * i] >> 4 | (quants[2 * i + 1] & 0xf0));
    }
}

void swg_gguf_q4_quants(const uint8_t codes[16], uint8_t *quants)
{
    for (int j = 0; j < HALF; j++)
        quants[j] = (uint8_t)(nibble(codes, j) | nibble(codes, j + HALF) << 4);
}

/* --- Encoding, as ggml's quantize_row_*_ref ----------------------------------------------------
 */

/* The element of the largest magnitude, the first of equals, with its sign. */
static float extreme(const float *values)
{
    float most = 0.0f, with_sign = 0.0f;
    for (int j = 0; j < BLOCK; j++)
        if (fabsf(values[j]) > most) {
            most = fabsf(values[j]);
            with_sign = values[j];
        }
    return with_sign;
}

/* Blocks of subnormal numbers have an infinite inverse; what the reference leaves undefined there
 * (infinity and NaN as integers) is clipped, NaN to 0. */
static uint8_t clip_nibble(float value)
{
    return value > 0.0f ? value < 15.0f ? (uint8_t)value : 15 : 0;
}

static int8_t clip_byte(float value)
{
    const float rounded = roundf(value);
    return rounded > -127.0f ? rounded < 127.0f ? (int8_t)rounded : 127 : rounded < 0 ? -127 : 0;
}

static void q8_0_encode(const float *values, uint8_t *block)
{
    const float d = fabsf(extreme(values)) / 127.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    put_half(block, d);
    for (int j = 0; j < BLOCK; j++)
        block[SCALE_BYTES + j] = (uint8_t)clip_byte(values[j] * inverse);
}

static void q4_0_encode(const float *values, uint8_t *block)
{
    const float d = extreme(values) / -8.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    put_half(block, d);
    for (int j = 0; j < HALF; j++)
        block[SCALE_BYTES + j] = (uint8_t)(clip_nibble(values[j] * inverse + 8.5f) |
                                           clip_nibble(values[j + HALF] * inverse + 8.5f) << 4);
}

static void q4_1_encode(const float *values, uint8_t *block)
{
    float least = values[0], most = values[0];
    for (int j = 1; j < BLOCK; j++) {
        least = values[j] < least ? values[j] : least;
        most = values[j] > most ? values[j] : most;
    }
    const float d = (most - least) / 15.0f;
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    put_half(block, d);
    put_half(block + SCALE_BYTES, least);
    for (int j = 0; j < HALF; j++)
        block[2 * SCALE_BYTES + j] =
            (uint8_t)(clip_nibble((values[j] - least) * inverse + 0.5f) |
                      clip_nibble((values[j + HALF] - least) * inverse + 0.5f) << 4);
}

/* --- The table -------------------------------------------------------------------------------- */

static const swg_gguf_type types[] = {
    {SWG_GGUF_F32, "F32", 1, 4, SWG_F32, NULL, NULL},
    {SWG_GGUF_F16, "F16", 1, 2, SWG_F16, NULL, NULL},
    {SWG_GGUF_BF16, "BF16", 1, 2, SWG_BF16, NULL, NULL},
    {SWG_GGUF_Q4_0, "Q4_0", BLOCK, 18, SWG_F32, q4_0_decode, q4_0_encode},
    {SWG_GGUF_Q4_1, "Q4_1", BLOCK, 20, SWG_F32, q4_1_decode, q4_1_encode},
    {6, "Q5_0", BLOCK, 22, SWG_F32, q5_0_decode, NULL},
    {7, "Q5_1", BLOCK, 24, SWG_F32, q5_1_decode, NULL},
    {SWG_GGUF_Q8_0, "Q8_0", BLOCK, 34, SWG_F32, q8_0_decode, q8_0_encode},
    {10, "Q2_K", SWG_GGUF_SUPER_BLOCK, 84, SWG_F32, swg_gguf_q2_k_decode, NULL},
    {11, "Q3_K", SWG_GGUF_SUPER_BLOCK, 110, SWG_F32, swg_gguf_q3_k_decode, NULL},
    {12, "Q4_K", SWG_GGUF_SUPER_BLOCK, 144, SWG_F32, swg_gguf_q4_k_decode, NULL},
    {13, "Q5_K", SWG_GGUF_SUPER_BLOCK, 176, SWG_F32, swg_gguf_q5_k_decode, NULL},
    {14, "Q6_K", SWG_GGUF_SUPER_BLOCK, 210, SWG_F32, swg_gguf_q6_k_decode, NULL},
    {20, "IQ4_NL", BLOCK, 18, SWG_F32, swg_gguf_iq4_nl_decode, NULL},
    {23, "IQ4_XS", SWG_GGUF_SUPER_BLOCK, 136, SWG_F32, swg_gguf_iq4_xs_decode, NULL},
    {24, "I8", 1, 1, SWG_I8, NULL, NULL},
    {25, "I16", 1, 2, SWG_I16, NULL, NULL},
    {26, "I32", 1, 4, SWG_I32, NULL, NULL},
    {27, "I64", 1, 8, SWG_I64, NULL, NULL},
    {28, "F64", 1, 8, SWG_F64, NULL, NULL},
};
enum { N_TYPES = sizeof types / sizeof types[0] };

const swg_gguf_type *swg_gguf_type_find(uint32_t id)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const swg_gguf_type *swg_gguf_type_of_scheme(swg_scheme scheme)
{
    static const struct {
        uint32_t id;
        swg_scheme scheme;
    } same[] = {
        {SWG_GGUF_Q8_0, SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = BLOCK)},
        {SWG_GGUF_Q4_0, SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = BLOCK)},
        {SWG_GGUF_Q4_1,
         SWG_SCHEME_INT(4, .asymmetric = true, .scale_type = SWG_F16, .group = BLOCK)},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (swg_scheme_equal(same[i].scheme, scheme))
            return swg_gguf_type_find(same[i].id);
    return NULL;
}

const swg_gguf_type *swg_gguf_type_named(const char *name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}
