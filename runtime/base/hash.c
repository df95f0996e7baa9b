/* Hashes: see hash.h. The only file that includes xxHash. SHA-256 is written out here because none
 * of the project's libraries has it and it hashes only one text per run. */
#include "runtime/base/hash.h"

#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* exposes the state's size, so that mem.h can allocate it */
#include <xxhash.h>

#include "runtime/base/mem.h"

uint64_t swg_hash64(const void *data, size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

static void hash128_digits(XXH128_hash_t hash, char out[SWG_HASH128_TEXT])
{
    snprintf(out, SWG_HASH128_TEXT, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void swg_hash128_text(const void *data, size_t bytes, char out[SWG_HASH128_TEXT])
{
    hash128_digits(XXH3_128bits(data, bytes), out);
}

struct swg_hash_stream {
    XXH3_state_t state; /* needs 64-byte alignment, which mem.h gives */
};

swg_hash_stream *swg_hash_stream_new(void)
{
    swg_hash_stream *stream = swg_calloc(1, sizeof *stream);
    if (stream)
        XXH3_128bits_reset(&stream->state);
    return stream;
}

void swg_hash_stream_add(swg_hash_stream *stream, const void *data, size_t bytes)
{
    XXH3_128bits_update(&stream->state, data, bytes);
}

void swg_hash_stream_text(swg_hash_stream **stream, char out[SWG_HASH128_TEXT])
{
    hash128_digits(XXH3_128bits_digest(&(*stream)->state), out);
    swg_hash_stream_free(stream);
}

void swg_hash_stream_free(swg_hash_stream **stream)
{
    SWG_FREE(*stream);
}

/* Fractional parts of the cube roots of the first 64 primes. */
static const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

static void sha256_block(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        const uint32_t a = w[t - 15], b = w[t - 2];
        w[t] = w[t - 16] + (rotate_right(a, 7) ^ rotate_right(a, 18) ^ a >> 3) + w[t - 7] +
               (rotate_right(b, 17) ^ rotate_right(b, 19) ^ b >> 10);
    }
    uint32_t s[8];
    memcpy(s, state, sizeof s);
    for (int t = 0; t < 64; t++) {
        const uint32_t big1 =
            rotate_right(s[4], 6) ^ rotate_right(s[4], 11) ^ rotate_right(s[4], 25);
        const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        const uint32_t t1 = s[7] + big1 + choice + sha256_constants[t] + w[t];
        const uint32_t big0 =
            rotate_right(s[0], 2) ^ rotate_right(s[0], 13) ^ rotate_right(s[0], 22);
        const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += t1;
        s[0] = t1 + big0 + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

void swg_sha256_text(const void *data, size_t bytes, char out[SWG_SHA256_TEXT])
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const uint8_t *at = data;
    size_t left = bytes;
    for (; left >= 64; left -= 64, at += 64)
        sha256_block(state, at);
    /* The tail, a one bit, zeros, and the length in bits as 64 big-endian bits: one block or two. */
    uint8_t tail[128] = {0};
    if (left)
        memcpy(tail, at, left);
    tail[left] = 0x80;
    const size_t tail_bytes = left < 56 ? 64 : 128;
    const uint64_t length_bits = (uint64_t)bytes * 8;
    for (size_t i = 0; i < 8; i++)
        tail[tail_bytes - 1 - i] = (uint8_t)(length_bits >> (8 * i));
    for (size_t i = 0; i < tail_bytes; i += 64)
        sha256_block(state, tail + i);
    for (size_t i = 0; i < 8; i++)
        snprintf(out + 8 * i, 9, "%08x", state[i]);
}
