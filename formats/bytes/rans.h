/* Order-0 entropy coding of small alphabets: asymmetric numeral systems with ranges (Duda 2013,
 * arXiv 1311.2540), which spend fractions of a bit per symbol. Huffman codes spend whole bits, a
 * loss of 3 to 12 % where one symbol, such as the code of zero, is likelier than one half.
 *
 *     const size_t length = swg_rans_encode(symbols, count, out, capacity);
 *     SWG_TRY(swg_rans_decode(out, length, symbols, count)); */
#ifndef SWG_FORMATS_BYTES_RANS_H
#define SWG_FORMATS_BYTES_RANS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* The order-0 entropy of `count` bytes, in bytes: sum of -log2(frequency) / 8. 0 for none. */
double swg_order0_bytes(const uint8_t *symbols, size_t count);

/* Code `count` >= 1 symbols, one a byte, into `out`. Returns the length, or 0 where that would be
 * more than `capacity`. The same symbols give the same bytes everywhere. */
size_t swg_rans_encode(const uint8_t *symbols, size_t count, uint8_t *out, size_t capacity);

/* Decode exactly `count` symbols from `bytes` bytes. SWG_CORRUPT when they are not `count` symbols
 * and nothing else; then `symbols` is undefined. */
swg_status swg_rans_decode(const uint8_t *stored, size_t bytes, uint8_t *symbols, size_t count);

#endif
