/* Decoding ggml's types that look up several elements at once: an index names a point of a grid (8
 * elements of a 1- or 2-bit type, 4 of a 3-bit one), signs are stored beside it. All have blocks of
 * 256; the bytes of each are drawn above its function. Where seven bits stand for eight signs, the
 * eighth makes their number even. */
#include "runtime/base/ggml/blocks.h"

enum { SUPER = SWG_BLOCK_SUPER_ELEMS };

/* The magnitudes that a code of a grid means. */
static const uint8_t magnitudes2[4] = {8, 25, 43, 0};
static const uint8_t magnitudes3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const uint8_t magnitudes3_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};

static unsigned even_signs(unsigned seven)
{
    return seven | (unsigned)(__builtin_popcount(seven) & 1) << 7;
}

/* out[j] = scale * magnitude of element j, with the signs' bits from `first_sign` on. */
static void put_point(float scale, unsigned point, unsigned bits, const uint8_t *magnitudes,
                      unsigned signs, unsigned first_sign, float *out)
{
    const unsigned n = bits == 2 ? 8 : 4;
    for (unsigned j = 0; j < n; j++) {
        const float value = scale * (float)magnitudes[point >> (bits * j) & ((1u << bits) - 1)];
        out[j] = signs >> (first_sign + j) & 1 ? -value : value;
    }
}

/* f16 d | 8 times { u8 index[4] | u32: signs of 7 bits times 4, scale of 4 bits }. */
void swg_block_iq2_xxs_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int i = 0; i < 8; i++) {
        const uint8_t *index = block + 2 + 8 * i;
        const uint32_t rest = swg_block_u32(index + 4);
        const float scale = d * (0.5f + (float)(rest >> 28)) * 0.25f;
        for (int k = 0; k < 4; k++)
            put_point(scale, swg_block_iq2_xxs_grid[index[k]], 2, magnitudes2,
                      even_signs(rest >> (7 * k) & 127), 0, out + 32 * i + 8 * k);
    }
}

/* f16 d | u16[32]: index of 9 bits, signs of 7 | u8 scales[8], 4 bits for 16 elements. */
void swg_block_iq2_xs_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int k = 0; k < 32; k++) {
        const unsigned word = swg_block_u16(block + 2 + 2 * k);
        const unsigned code = block[66 + k / 4] >> (k / 2 % 2 * 4) & 15;
        const float scale = d * (0.5f + (float)code) * 0.25f;
        put_point(scale, swg_block_iq2_xs_grid[word & 511], 2, magnitudes2, even_signs(word >> 9),
                  0, out + 8 * k);
    }
}

/* f16 d | u8 index[32] | u8 signs[32] | u8 high[8], 2 bits for an index | u8 scales[8]. */
void swg_block_iq2_s_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int k = 0; k < 32; k++) {
        const unsigned high = block[66 + k / 4] >> (k % 4 * 2) & 3;
        const unsigned code = block[74 + k / 4] >> (k / 2 % 2 * 4) & 15;
        const float scale = d * (0.5f + (float)code) * 0.25f;
        put_point(scale, swg_block_iq2_s_grid[block[2 + k] | high << 8], 2, magnitudes2,
                  block[34 + k], 0, out + 8 * k);
    }
}

/* f16 d | u8 index[64] | u32[8]: signs of 7 bits times 4, scale of 4 bits. */
void swg_block_iq3_xxs_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int i = 0; i < 8; i++) {
        const uint32_t rest = swg_block_u32(block + 66 + 4 * i);
        const float scale = d * (0.5f + (float)(rest >> 28)) * 0.5f;
        for (int k = 0; k < 8; k++)
            put_point(scale, swg_block_iq3_xxs_grid[block[2 + 8 * i + k]], 3, magnitudes3_xxs,
                      even_signs(rest >> (k / 2 * 7) & 127), k % 2 * 4, out + 32 * i + 4 * k);
    }
}

/* f16 d | u8 index[64] | u8 high[8], a bit for an index | u8 signs[32] | u8 scales[4]. */
void swg_block_iq3_s_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int k = 0; k < 64; k++) {
        const unsigned high = block[66 + k / 8] >> (k % 8) & 1;
        const unsigned code = block[106 + k / 16] >> (k / 8 % 2 * 4) & 15;
        const float scale = d * (float)(1 + 2 * code);
        put_point(scale, swg_block_iq3_s_grid[block[2 + k] | high << 8], 3, magnitudes3_s,
                  block[74 + k / 2], k % 2 * 4, out + 4 * k);
    }
}

/* Eight elements of -1, 0 or 1, moved by an eighth to one side. */
static void put_ternary(float scale, float delta, unsigned point, float *out)
{
    for (int j = 0; j < 8; j++)
        out[j] = scale * ((float)(int)(point >> (2 * j) & 3) - 1.0f + delta);
}

/* f16 d | u8 index[32] | u16[8]: 3 upper bits for each of 4 indices, scale of 3 bits, side. */
void swg_block_iq1_s_decode(const uint8_t *block, float *out)
{
    const float d = swg_block_half(block);
    for (int k = 0; k < 32; k++) {
        const unsigned word = swg_block_u16(block + 34 + k / 4 * 2);
        const float scale = d * (float)(2 * (word >> 12 & 7) + 1);
        const float delta = word & 0x8000 ? -0.125f : 0.125f;
        const unsigned high = word >> (k % 4 * 3) & 7;
        put_ternary(scale, delta, swg_block_iq1_grid[block[2 + k] | high << 8], out + 8 * k);
    }
}

/* u8 index[32] | u8[16]: 3 upper bits and side for each of 2 indices | u16 scales[4]: 3 bits for 16
 * elements, and in their upper four the half-precision d, lowest nibble first. */
void swg_block_iq1_m_decode(const uint8_t *block, float *out)
{
    unsigned bits = 0;
    for (int i = 0; i < 4; i++)
        bits |= (swg_block_u16(block + 48 + 2 * i) >> 12) << (4 * i);
    const float d = swg_f16_to_f32((uint16_t)bits);
    for (int k = 0; k < 32; k++) {
        const unsigned scales = swg_block_u16(block + 48 + k / 8 * 2);
        const float scale = d * (float)(2 * (scales >> (k / 2 % 4 * 3) & 7) + 1);
        const unsigned high = block[32 + k / 2] >> (k % 2 * 4);
        const float delta = high & 8 ? -0.125f : 0.125f;
        put_ternary(scale, delta, swg_block_iq1_grid[block[k] | (high & 7) << 8], out + 8 * k);
    }
}
