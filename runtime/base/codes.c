/* Packing and unpacking codes, eight at a time: eight codes of b bits are one number of b bytes. */
#include "runtime/base/codes.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* `bytes` bytes (at most 8) as a little-endian number, and the reverse. */
INLINE uint64_t load(const uint8_t *at, size_t bytes)
{
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

INLINE void store(uint8_t *at, size_t bytes, uint64_t word)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(word >> 8 * i);
}

INLINE void unpack_word(const unsigned bits, uint64_t word, size_t count, uint8_t *codes)
{
    for (size_t i = 0; i < count; i++)
        codes[i] = (uint8_t)(word >> i * bits & ((1u << bits) - 1));
}

INLINE uint64_t pack_word(const unsigned bits, const uint8_t *codes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)(codes[i] & ((1u << bits) - 1)) << i * bits;
    return word;
}

/* `bits` is a compile-time constant in every caller, so that the loops are unrolled. */
INLINE void unpack(const unsigned bits, const uint8_t *row, size_t count, uint8_t *codes)
{
    for (; count >= 8; count -= 8, row += bits, codes += 8)
        unpack_word(bits, load(row, bits), 8, codes);
    unpack_word(bits, load(row, swg_codes_bytes(bits, count)), count, codes);
}

INLINE void pack(const unsigned bits, const uint8_t *codes, size_t count, uint8_t *row)
{
    for (; count >= 8; count -= 8, codes += 8, row += bits)
        store(row, bits, pack_word(bits, codes, 8));
    store(row, swg_codes_bytes(bits, count), pack_word(bits, codes, count));
}

/* The usual width, in a form that compilers vectorise. */
static void unpack_nibbles(const uint8_t *row, size_t count, uint8_t *codes)
{
    for (size_t i = 0; i < count / 2; i++) {
        codes[2 * i] = row[i] & 15;
        codes[2 * i + 1] = row[i] >> 4;
    }
    if (count % 2)
        codes[count - 1] = row[count / 2] & 15;
}

static void pack_nibbles(const uint8_t *codes, size_t count, uint8_t *row)
{
    for (size_t i = 0; i < count / 2; i++)
        row[i] = (uint8_t)((codes[2 * i] & 15) | codes[2 * i + 1] << 4);
    if (count % 2)
        row[count / 2] = codes[count - 1] & 15;
}

void swg_codes_unpack_row(unsigned bits, const uint8_t *row, size_t count, uint8_t *codes)
{
    switch (bits) {
    case 1:
        unpack(1, row, count, codes);
        break;
    case 2:
        unpack(2, row, count, codes);
        break;
    case 3:
        unpack(3, row, count, codes);
        break;
    case 4:
        unpack_nibbles(row, count, codes);
        break;
    case 5:
        unpack(5, row, count, codes);
        break;
    case 6:
        unpack(6, row, count, codes);
        break;
    case 7:
        unpack(7, row, count, codes);
        break;
    case 8:
        memcpy(codes, row, count);
        break;
    }
}

void swg_codes_pack_row(unsigned bits, const uint8_t *codes, size_t count, uint8_t *row)
{
    switch (bits) {
    case 1:
        pack(1, codes, count, row);
        break;
    case 2:
        pack(2, codes, count, row);
        break;
    case 3:
        pack(3, codes, count, row);
        break;
    case 4:
        pack_nibbles(codes, count, row);
        break;
    case 5:
        pack(5, codes, count, row);
        break;
    case 6:
        pack(6, codes, count, row);
        break;
    case 7:
        pack(7, codes, count, row);
        break;
    case 8:
        memcpy(row, codes, count);
        break;
    }
}
