/* Undoing deflate (RFC 1951), bare or in a zlib wrapper (RFC 1950). */
#ifndef SWG_FORMATS_BYTES_INFLATE_H
#define SWG_FORMATS_BYTES_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Deflate makes nothing smaller than by this factor, so a larger claim is a lie. */
enum { SWG_MOST_DEFLATED = 1032 };

/* A zlib stream into `out` of *length bytes; *length becomes what it gave. False when it is damaged
 * or gives more. */
bool swg_inflate_zlib(const uint8_t *bytes, size_t n, uint8_t *out, size_t *length);

/* A bare stream that gives exactly `length` bytes and has no byte after its end. False otherwise.
 */
bool swg_inflate_bare(const uint8_t *bytes, size_t n, uint8_t *out, size_t length);

#endif
