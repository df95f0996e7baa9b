/* Number formats: see numeric.h. */
#include "runtime/base/numeric.h"

#include <string.h>

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float swg_f16_to_f32(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
    if (exponent == 0x1f) /* infinity, NaN */
        return bits_float(sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
    if (exponent == 0) { /* zero, subnormal: mantissa * 2^-24 */
        const float magnitude = (float)mantissa * 0x1p-24f;
        return bits_float(sign | float_bits(magnitude));
    }
    return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t swg_f32_to_f16(float value)
{
    const uint32_t bits = float_bits(value);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
    if (magnitude >= 0x477ff000) /* rounds to 65520 or more */
        return sign | 0x7c00;
    if (magnitude < 0x38800000) /* subnormal result: adding 0.5 aligns the last bit to 2^-24 */
        return (uint16_t)(sign | (float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000));
    const uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

float swg_bf16_to_f32(uint16_t bits)
{
    return bits_float((uint32_t)bits << 16);
}

uint16_t swg_f32_to_bf16(float value)
{
    const uint32_t bits = float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float swg_float_load(swg_dtype dtype, const void *array, size_t index)
{
    const unsigned char *at = (const unsigned char *)array + index * (dtype == SWG_F32 ? 4 : 2);
    if (dtype == SWG_F32) {
        float value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return dtype == SWG_F16 ? swg_f16_to_f32(bits) : swg_bf16_to_f32(bits);
}

void swg_float_store(swg_dtype dtype, void *array, size_t index, float value)
{
    unsigned char *at = (unsigned char *)array + index * (dtype == SWG_F32 ? 4 : 2);
    if (dtype == SWG_F32) {
        memcpy(at, &value, sizeof value);
        return;
    }
    const uint16_t bits = dtype == SWG_F16 ? swg_f32_to_f16(value) : swg_f32_to_bf16(value);
    memcpy(at, &bits, sizeof bits);
}

/* Elements in which all bits of `mask` are set or, with `is_exact`, that equal `mask`. */
typedef struct bit_test {
    uint64_t mask;
    unsigned bytes;
    bool is_exact;
} bit_test;

static bit_test nonfinite_test(swg_dtype dtype)
{
    switch (dtype) {
    case SWG_F32:
    case SWG_C64: /* two of them */
        return (bit_test){.mask = 0x7f800000, .bytes = 4};
    case SWG_F64:
        return (bit_test){.mask = UINT64_C(0x7ff0000000000000), .bytes = 8};
    case SWG_F16:
        return (bit_test){.mask = 0x7c00, .bytes = 2};
    case SWG_BF16:
        return (bit_test){.mask = 0x7f80, .bytes = 2};
    case SWG_F8_E4M3: /* no infinity; one NaN of either sign */
        return (bit_test){.mask = 0x7f, .bytes = 1};
    case SWG_F8_E5M2:
        return (bit_test){.mask = 0x7c, .bytes = 1};
    case SWG_F8_E4M3FNUZ: /* the pattern of minus zero */
    case SWG_F8_E5M2FNUZ:
        return (bit_test){.mask = 0x80, .bytes = 1, .is_exact = true};
    case SWG_F8_E8M0:
        return (bit_test){.mask = 0xff, .bytes = 1};
    default:
        return (bit_test){0};
    }
}

static bool is_hit(bit_test test, uint64_t bits)
{
    return test.is_exact ? bits == test.mask : (bits & test.mask) == test.mask;
}

/* One loop per width, with the width a constant, so that compilers vectorise the common ones.
 */
#define COUNT_HITS(type)                                                                           \
    for (uint64_t i = 0; i < count; i++) {                                                         \
        type bits;                                                                                 \
        memcpy(&bits, at + i * sizeof bits, sizeof bits);                                          \
        hits += (bits & (type)test.mask) == (type)test.mask;                                       \
    }

static uint64_t count_hits(bit_test test, const unsigned char *at, uint64_t count)
{
    uint64_t hits = 0;
    if (test.is_exact)
        for (uint64_t i = 0; i < count; i++)
            hits += at[i] == test.mask;
    else if (test.bytes == 8)
        COUNT_HITS(uint64_t)
    else if (test.bytes == 4)
        COUNT_HITS(uint32_t)
    else if (test.bytes == 2)
        COUNT_HITS(uint16_t)
    else
        COUNT_HITS(uint8_t)
    return hits;
}

uint64_t swg_count_nonfinite(swg_dtype dtype, const void *array, uint64_t count, uint64_t *first)
{
    const bit_test test = nonfinite_test(dtype);
    if (test.bytes == 0)
        return 0;
    const uint64_t elems = dtype == SWG_C64 ? 2 * count : count;
    const uint64_t hits = count_hits(test, array, elems);
    for (uint64_t i = 0; hits > 0; i++) {
        uint64_t bits = 0; /* little-endian */
        memcpy(&bits, (const unsigned char *)array + i * test.bytes, test.bytes);
        if (is_hit(test, bits)) {
            *first = i;
            break;
        }
    }
    return hits;
}
