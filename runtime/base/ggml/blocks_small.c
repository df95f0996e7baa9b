/* Decoding ggml's types of three values (TQ) and of 4-bit floats (MXFP4, NVFP4). The bytes of each
 * block are drawn above its function. */
#include <math.h>
#include <string.h>

#include "runtime/base/ggml/blocks.h"

/* Five numbers 0 to 2 are a byte as a fraction of 256: multiplied by 3 the next is above the byte.
 */
static float ternary(float d, uint8_t byte, unsigned power)
{
    const uint8_t rest = (uint8_t)(byte * power);
    return d * (float)((int)(rest * 3u >> 8) - 1);
}

/* u8 q[48]: 32 bytes of five elements each, then 16 | u8 high[4] of four elements each | f16 d.
 * Element n of a byte follows element n - 1 of all bytes of its part. */
void swg_block_tq1_0_decode(const uint8_t *block, float *out)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    const float d = swg_block_half(block + 52);
    for (int n = 0; n < 5; n++) {
        for (int b = 0; b < 32; b++)
            out[32 * n + b] = ternary(d, block[b], powers[n]);
        for (int b = 0; b < 16; b++)
            out[160 + 16 * n + b] = ternary(d, block[32 + b], powers[n]);
        for (int b = 0; b < 4 && n < 4; b++)
            out[240 + 4 * n + b] = ternary(d, block[48 + b], powers[n]);
    }
}

/* u8 q[64] | f16 d. Bits 2s, 2s+1 of byte b of 32 are element 32s + b of 128, less 1. */
void swg_block_tq2_0_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block + 64);
    for (int e = 0; e < SWG_BLOCK_SUPER_ELEMS; e++) {
        const int q = block[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2) & 3;
        out[e] = d * (float)(q - 1);
    }
}

/* Twice the values of a 4-bit float of two exponent bits. */
static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* Half of 2^(e - 127). */
static float half_of_power(unsigned e)
{
    const uint32_t bits = e < 2 ? (uint32_t)0x00200000 << e : (uint32_t)(e - 1) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* u8 exponent | 16 bytes of nibbles, element j and j + 16 in byte j. */
void swg_block_mxfp4_decode(const uint8_t *block, float *out)
{
    const float d = half_of_power(block[0]);
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)doubled[block[1 + j] & 15];
        out[j + 16] = d * (float)doubled[block[1 + j] >> 4];
    }
}

/* Half of an unsigned float of 4 exponent and 3 mantissa bits; its NaN counts as 0. */
static float half_of_e4m3(unsigned code)
{
    const int exponent = (int)(code >> 3 & 15), mantissa = (int)(code & 7);
    if (code == 0x7f)
        return 0.0f;
    return 0.5f *
           (exponent ? ldexpf((float)(8 + mantissa), exponent - 10) : ldexpf((float)mantissa, -9));
}

/* u8 scales[4], each of 16 elements | 4 times 8 bytes of nibbles, element j and j + 8 in byte j. */
void swg_block_nvfp4_decode(const uint8_t *block, float *out)
{
    for (int i = 0; i < 4; i++) {
        const float d = half_of_e4m3(block[i]);
        const uint8_t *const q = block + 4 + 8 * i;
        for (int j = 0; j < 8; j++) {
            out[16 * i + j] = d * (float)doubled[q[j] & 15];
            out[16 * i + j + 8] = d * (float)doubled[q[j] >> 4];
        }
    }
}
