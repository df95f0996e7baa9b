/* Number formats and random numbers: see numeric.h. */
#include "runtime/base/numeric.h"

#include <math.h>
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

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

swg_rng swg_rng_seeded(uint64_t seed)
{
    swg_rng rng;
    for (int i = 0; i < 4; i++)
        rng.state[i] = splitmix(&seed);
    return rng;
}

uint64_t swg_rng_next(swg_rng *rng)
{
    uint64_t *s = rng->state;
    const uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double swg_rng_uniform(swg_rng *rng)
{
    return (double)(swg_rng_next(rng) >> 11) * 0x1p-53;
}

float swg_rng_normal(swg_rng *rng)
{
    const double u = 1.0 - swg_rng_uniform(rng); /* (0, 1]: the logarithm stays finite */
    const double v = swg_rng_uniform(rng);
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}
