/* GGUF's table of element types, and making blocks of the types with one scale for 32 elements
 * (runtime/base/ggml/blocks.c draws them). */
#include "formats/gguf/gguf_blocks.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "formats/bytes/bytes.h"
#include "runtime/base/numeric.h"

enum { BLOCK = SWG_BLOCK_ELEMS, HALF = BLOCK / 2, SCALE_BYTES = 2, HIGH_BYTES = 4 };

static void put_half(uint8_t *at, float value)
{
    swg_put_le(at, SCALE_BYTES, swg_f32_to_f16(value));
}

/* --- Integers and codes ------------------------------------------------------------------------
 */

void swg_gguf_q8_0_codes(const uint8_t *block, uint8_t codes[32])
{
    for (int j = 0; j < BLOCK; j++)
        codes[j] = block[SCALE_BYTES + j] ^ 0x80;
}

void swg_gguf_q4_0_codes(const uint8_t *block, uint8_t codes[16])
{
    const uint8_t *const quants = block + SCALE_BYTES;
    for (int i = 0; i < HALF / 2; i++) {
        codes[i] = (uint8_t)((quants[2 * i] & 15) | (quants[2 * i + 1] & 15) << 4);
        codes[i + HALF / 2] = (uint8_t)(quants[2 * i] >> 4 | (quants[2 * i + 1] & 0xf0));
    }
}

/* Types that hold any integers of a range, in order of their sizes. */
static const struct {
    uint32_t id;
    int least, most;
} integer_types[] = {
    {SWG_BLOCK_Q4_0, -8, 7}, {SWG_BLOCK_Q5_0, -16, 15}, {SWG_BLOCK_Q8_0, -128, 127}};
enum { N_INTEGER_TYPES = sizeof integer_types / sizeof integer_types[0] };

void swg_gguf_block_of(uint32_t id, uint16_t scale, uint16_t minimum, const int16_t integers[32],
                       uint8_t *block)
{
    const int offset = id == SWG_BLOCK_Q4_0 ? 8 : id == SWG_BLOCK_Q5_0 ? 16 : 0;
    uint8_t *quants = block + SCALE_BYTES;
    uint32_t high = 0;
    swg_put_le(block, SCALE_BYTES, scale);
    for (int j = 0; id == SWG_BLOCK_Q8_0 && j < BLOCK; j++)
        quants[j] = (uint8_t)integers[j];
    if (id == SWG_BLOCK_Q8_0)
        return;
    if (id == SWG_BLOCK_Q4_1) {
        swg_put_le(quants, SCALE_BYTES, minimum);
        quants += SCALE_BYTES;
    }
    quants += id == SWG_BLOCK_Q5_0 ? HIGH_BYTES : 0;
    for (int j = 0; j < HALF; j++) {
        const unsigned low = (unsigned)(integers[j] + offset);
        const unsigned upper = (unsigned)(integers[j + HALF] + offset);
        quants[j] = (uint8_t)((low & 15) | (upper & 15) << 4);
        high |= (low >> 4 & 1) << j | (upper >> 4 & 1) << (j + HALF);
    }
    if (id == SWG_BLOCK_Q5_0)
        swg_put_le(block + SCALE_BYTES, HIGH_BYTES, high);
}

const swg_gguf_type *swg_gguf_type_of_scheme(swg_scheme scheme)
{
    if (scheme.ggml)
        return swg_gguf_type_find(scheme.ggml);
    if (!swg_scheme_is_integer(scheme) || swg_scheme_has_row_scales(scheme) ||
        scheme.group % BLOCK != 0)
        return NULL;
    const int codes = 1 << scheme.bits;
    const int least = scheme.asymmetric ? 1 - codes : -codes / 2;
    const int most = scheme.asymmetric ? codes - 1 : codes / 2 - 1;
    for (size_t i = 0; i < N_INTEGER_TYPES; i++)
        if (least >= integer_types[i].least && most <= integer_types[i].most)
            return swg_gguf_type_find(integer_types[i].id);
    return NULL;
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

/* The encoder of a type, and its numbers. */
swg_gguf_encode *swg_gguf_encode_of(const swg_gguf_type *type)
{
    switch (type->id) {
    case SWG_BLOCK_Q8_0:
        return q8_0_encode;
    case SWG_BLOCK_Q4_0:
        return q4_0_encode;
    case SWG_BLOCK_Q4_1:
        return q4_1_encode;
    default:
        return NULL;
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static const swg_gguf_type types[] = {
    {SWG_GGUF_F32, "F32", 1, 4, false, SWG_F32},
    {SWG_GGUF_F16, "F16", 1, 2, false, SWG_F16},
    {SWG_GGUF_BF16, "BF16", 1, 2, false, SWG_BF16},
    {24, "I8", 1, 1, false, SWG_I8},
    {25, "I16", 1, 2, false, SWG_I16},
    {26, "I32", 1, 4, false, SWG_I32},
    {27, "I64", 1, 8, false, SWG_I64},
    {28, "F64", 1, 8, false, SWG_F64},
#define SWG_BLOCK_TYPE(name, NAME, number, bits, elems, bytes, half, half2)                        \
    {number, #NAME, elems, bytes, true, SWG_F32},
#include "runtime/base/ggml/blocks.def"
};
enum { N_TYPES = sizeof types / sizeof types[0] };

const swg_gguf_type *swg_gguf_type_find(uint32_t id)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const swg_gguf_type *swg_gguf_type_named(const char *name)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const char *swg_gguf_type_removed(uint32_t id)
{
    static const struct {
        uint32_t id;
        const char *name;
    } removed[] = {{4, "Q4_2"},        {5, "Q4_3"},        {9, "Q8_1"},
                   {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"},
                   {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}};
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        if (removed[i].id == id)
            return removed[i].name;
    return NULL;
}
