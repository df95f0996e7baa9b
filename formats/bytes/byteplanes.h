/* Rearranging bytes so that what is alike is together: the byte planes of numbers, and packed
 * codes one a byte. */
#ifndef SWG_FORMATS_BYTES_BYTEPLANES_H
#define SWG_FORMATS_BYTES_BYTEPLANES_H

#include <stddef.h>
#include <stdint.h>

/* `count` numbers of `width` bytes <-> `width` blocks of `count` bytes, least byte first. */
void swg_planes_split(const uint8_t *numbers, size_t count, unsigned width, uint8_t *planes);
void swg_planes_merge(const uint8_t *planes, size_t count, unsigned width, uint8_t *numbers);

/* `count` bytes of packed codes of `bits` (1 to 7) bits <-> ceil(8 * count / bits) symbols, one a
 * byte, low bits first; the last may have fewer bits. */
void swg_symbols_split(const uint8_t *bytes, size_t count, unsigned bits, uint8_t *symbols);
void swg_symbols_merge(const uint8_t *symbols, size_t count, unsigned bits, uint8_t *bytes);

#endif
