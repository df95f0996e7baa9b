/* Packed codes: rows of unsigned integers of 1 to 8 bits without gaps. This is the only place that
 * knows the packing:
 *
 *   code c of a row is bits [c * bits, (c + 1) * bits) of the row, bit 0 being the lowest bit of
 *   its first byte; the bits after the last code are 0.
 *
 * So 8 codes fill `bits` whole bytes, and with 4-bit codes the even column is in the low nibble. */
#ifndef SWG_RUNTIME_BASE_CODES_H
#define SWG_RUNTIME_BASE_CODES_H

#include <stddef.h>
#include <stdint.h>

enum { SWG_CODE_MAX_BITS = 8 };

/* Bytes of `count` codes of `bits` (1 to 8) bits. */
static inline size_t swg_codes_bytes(unsigned bits, size_t count)
{
    return count / 8 * bits + (count % 8 * bits + 7) / 8;
}

/* `count` codes at the start of a packed row, one per byte. */
void swg_codes_unpack_row(unsigned bits, const uint8_t *row, size_t count, uint8_t *codes);

/* The reverse; bits of a code beyond `bits` are dropped. */
void swg_codes_pack_row(unsigned bits, const uint8_t *codes, size_t count, uint8_t *row);

/* Code `index` of a packed row. For single look-ups; whole rows are faster unpacked. */
static inline uint8_t swg_codes_at(unsigned bits, const uint8_t *row, size_t index)
{
    const size_t bit = index * bits, shift = bit % 8;
    const unsigned low = row[bit / 8];
    const unsigned high = shift + bits > 8 ? row[bit / 8 + 1] : 0;
    return (uint8_t)((low | high << 8) >> shift & ((1u << bits) - 1));
}

#endif
