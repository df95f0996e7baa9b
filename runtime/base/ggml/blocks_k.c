/* Decoding ggml's types with scales of scales, blocks of 256 elements in sub-blocks of 16 or 32,
 * and the two that look codes up in a table. The bytes of each block are drawn above its function.
 * Every product is rounded once, in the order of the reference: w = (d * scale) * q - (dmin * min).
 */
#include <string.h>

#include "runtime/base/ggml/blocks.h"

enum { SUPER = SWG_BLOCK_SUPER_ELEMS };

/* u8 scales[16] (low nibble scale, high nibble min) | u8 q[64] | f16 d | f16 dmin.
 * q: two halves of 32 bytes; bits 2s, 2s+1 of byte b of half h are element 128h + 32s + b. */
void swg_block_q2_k_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block + 80), dmin = swg_block_half(block + 82);
    for (int e = 0; e < SUPER; e++) {
        const int half = e / 128, shift = e % 128 / 32 * 2;
        const uint8_t scale = block[e / 16];
        const int q = block[16 + half * 32 + e % 32] >> shift & 3;
        const float dl = d * (float)(scale & 15), ml = dmin * (float)(scale >> 4);
        out[e] = dl * (float)q - ml;
    }
}

/* u8 high[32] | u8 q[64] | u8 scales[12] | f16 d. q as in Q2_K; bit e / 32 of high[e % 32] adds 4
 * when it is set, and the code is 4 less throughout. Scale i, 6 bits less 32: low nibbles in bytes
 * 0-7 (i < 8 low, else high), upper two bits in byte 8 + i % 4 at bit i / 4 * 2. */
void swg_block_q3_k_decode(const uint8_t *block, float *out)
{
    const uint8_t *high = block, *quants = block + 32, *packed = block + 96;
    const float d = swg_block_half(block + 108);
    float scales[16];
    for (int i = 0; i < 16; i++) {
        const int low = packed[i % 8] >> (i / 8 * 4) & 15;
        const int upper = packed[8 + i % 4] >> (i / 4 * 2) & 3;
        scales[i] = d * (float)((low | upper << 4) - 32);
    }
    for (int e = 0; e < SUPER; e++) {
        const int q = quants[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2) & 3;
        const int offset = high[e % 32] >> (e / 32) & 1 ? 0 : 4;
        out[e] = scales[e / 16] * (float)(q - offset);
    }
}

/* Scale and min of sub-block i of Q4_K and Q5_K, 6 bits each: the first four in the low bits of
 * bytes 0-3 and 4-7, the others in the nibbles of bytes 8-11 with their upper two bits above the
 * first four's. */
static void k4_scale(const uint8_t packed[12], int i, float *scale, float *min)
{
    int s, m;
    if (i < 4) {
        s = packed[i] & 63;
        m = packed[i + 4] & 63;
    } else {
        s = (packed[i + 4] & 15) | packed[i - 4] >> 6 << 4;
        m = packed[i + 4] >> 4 | packed[i] >> 6 << 4;
    }
    *scale = (float)s;
    *min = (float)m;
}

/* f16 d | f16 dmin | u8 scales[12] | u8 q[128]. Four quarters of 32 bytes: low nibbles are the
 * first 32 elements of 64, high nibbles the next. */
void swg_block_q4_k_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block), dmin = swg_block_half(block + 2);
    for (int i = 0; i < 8; i++) {
        float scale, min;
        k4_scale(block + 4, i, &scale, &min);
        const float dl = d * scale, ml = dmin * min;
        const uint8_t *q = block + 16 + i / 2 * 32;
        for (int j = 0; j < 32; j++)
            out[i * 32 + j] = dl * (float)(q[j] >> (i % 2 * 4) & 15) - ml;
    }
}

/* f16 d | f16 dmin | u8 scales[12] | u8 high[32] | u8 q[128]: Q4_K with a fifth bit, bit i of
 * high[j] for element j of sub-block i. */
void swg_block_q5_k_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block), dmin = swg_block_half(block + 2);
    const uint8_t *high = block + 16;
    for (int i = 0; i < 8; i++) {
        float scale, min;
        k4_scale(block + 4, i, &scale, &min);
        const float dl = d * scale, ml = dmin * min;
        const uint8_t *q = block + 48 + i / 2 * 32;
        for (int j = 0; j < 32; j++) {
            const int code = (q[j] >> (i % 2 * 4) & 15) | (high[j] >> i & 1) << 4;
            out[i * 32 + j] = dl * (float)code - ml;
        }
    }
}

/* u8 q[128] | u8 high[64] | int8 scales[16] | f16 d. Element 128h + 32s + b, code less 32: low
 * nibble (s < 2) or high nibble of q[64h + 32(s % 2) + b], bits 2s, 2s+1 of high[32h + b]. */
void swg_block_q6_k_decode(const uint8_t *block, float *out)
{
    const uint8_t *quants = block, *high = block + 128, *scales = block + 192;
    const float d = swg_block_half(block + 208);
    for (int i = 0; i < 16; i++) {
        const float dl = d * (float)(int8_t)scales[i];
        for (int e = i * 16; e < (i + 1) * 16; e++) {
            const int half = e / 128, s = e % 128 / 32, b = e % 32;
            const int low = quants[half * 64 + s % 2 * 32 + b] >> (s / 2 * 4) & 15;
            const int upper = high[half * 32 + b] >> (2 * s) & 3;
            out[e] = dl * (float)((low | upper << 4) - 32);
        }
    }
}

/* f32 d | int8 q[256] | sums that products need, not used here. */
void swg_block_q8_k_decode(const uint8_t *block, float *out)
{
    const uint32_t bits = swg_block_u32(block);
    float d;
    memcpy(&d, &bits, sizeof d);
    for (int e = 0; e < SUPER; e++)
        out[e] = d * (float)(int8_t)block[4 + e];
}

static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

/* 16 bytes of nibbles, element j and j + 16 in byte j. */
static void decode_nonlinear(float scale, const uint8_t *q, float *out)
{
    for (int j = 0; j < 16; j++) {
        out[j] = scale * (float)nonlinear[q[j] & 15];
        out[j + 16] = scale * (float)nonlinear[q[j] >> 4];
    }
}

/* f16 d | 16 bytes. */
void swg_block_iq4_nl_decode(const uint8_t *block, float *out)
{
    decode_nonlinear(swg_block_half(block), block + 2, out);
}

/* f16 d | u16 upper two bits of 8 scales | 4 bytes with their low nibbles | 8 * 16 bytes. */
void swg_block_iq4_xs_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    const unsigned upper = swg_block_u16(block + 2);
    for (int i = 0; i < 8; i++) {
        const int low = block[4 + i / 2] >> (i % 2 * 4) & 15;
        const int scale = (low | (int)(upper >> (2 * i) & 3) << 4) - 32;
        decode_nonlinear(d * (float)scale, block + 8 + i * 16, out + i * 32);
    }
}
