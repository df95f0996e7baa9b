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

/* A mask of the lowest `bits` bits of every `lane` bits of a word. */
INLINE uint64_t lowest(unsigned lane, unsigned bits)
{
    uint64_t mask = 0;
    for (unsigned at = 0; at < 64; at += lane)
        mask |= ((UINT64_C(1) << bits) - 1) << at;
    return mask;
}

/* Eight neighbouring codes to one a byte: the two halves of the word move apart, then the quarters,
 * then the eighths. */
INLINE uint64_t spread(const unsigned bits, uint64_t x)
{
    const uint64_t halves = (UINT64_C(1) << 4 * bits) - 1;
    const uint64_t quarters = lowest(32, 2 * bits), eighths = lowest(16, bits);
    x = (x & halves) | (x >> 4 * bits & halves) << 32;
    x = (x & quarters) | (x >> 2 * bits & quarters) << 16;
    return (x & eighths) | (x >> bits & eighths) << 8;
}

/* The reverse; bits of a byte beyond its code are dropped. */
INLINE uint64_t gather(const unsigned bits, uint64_t x)
{
    const uint64_t halves = (UINT64_C(1) << 4 * bits) - 1;
    const uint64_t quarters = lowest(32, 2 * bits), eighths = lowest(16, bits);
    x = (x & eighths) | (x >> 8 & eighths) << bits;
    x = (x & quarters) | (x >> 16 & quarters) << 2 * bits;
    return (x & halves) | (x >> 32 & halves) << 4 * bits;
}

/* `bits` is a compile-time constant in every caller, so that the loops are unrolled. */
INLINE void unpack(const unsigned bits, const uint8_t *row, size_t count, uint8_t *codes)
{
    for (; count >= 8; count -= 8, row += bits, codes += 8)
        store(codes, 8, spread(bits, load(row, bits)));
    store(codes, count, spread(bits, load(row, swg_codes_bytes(bits, count))));
}

INLINE void pack(const unsigned bits, const uint8_t *codes, size_t count, uint8_t *row)
{
    for (; count >= 8; count -= 8, codes += 8, row += bits)
        store(row, bits, gather(bits, load(codes, 8)));
    store(row, swg_codes_bytes(bits, count), gather(bits, load(codes, count)));
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
