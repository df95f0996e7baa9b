/* UTF-8, one scalar value at a time (RFC 3629: no overlong forms, no surrogates). */
#ifndef SWG_RUNTIME_BASE_UTF8_H
#define SWG_RUNTIME_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the well-formed sequence at the start of the `length` >= 1 bytes at `text`, its
 * scalar value in *code; 0, with *code untouched, when there is none. `code` may be NULL. */
size_t swg_utf8_decode(const char *text, size_t length, uint32_t *code);

/* Write a scalar value; returns its bytes (1 to 4). */
size_t swg_utf8_encode(uint32_t code, char out[4]);

/* Length of the longest prefix of `text` that ends on a character boundary: what can be printed
 * before the rest of a character arrives. Bytes that can never become valid count as complete. */
size_t swg_utf8_complete_prefix(const char *text, size_t length);

bool swg_utf8_is_valid(const char *text, size_t length);

/* Whether `length` bytes are valid UTF-8 without control characters: names in files. */
bool swg_name_is_printable(const char *text, size_t length);

#endif
