/* Little-endian numbers in bytes, and a cursor that never leaves its buffer. */
#ifndef SWG_FORMATS_BYTES_BYTES_H
#define SWG_FORMATS_BYTES_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The unsigned number in `bytes` (1 to 8) bytes at `at`, and the reverse. */
static inline uint64_t swg_get_le(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}
static inline void swg_put_le(uint8_t *at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* Bytes still to be read. A read beyond the end yields zero (NULL) and sets `is_short`, once and
 * for all, so that a parser may check after each record. */
typedef struct swg_cursor {
    const uint8_t *at;
    size_t left;
    bool is_short;
} swg_cursor;

static inline const uint8_t *swg_cursor_take(swg_cursor *cursor, uint64_t bytes)
{
    if (cursor->is_short || bytes > cursor->left) {
        cursor->is_short = true;
        return NULL;
    }
    const uint8_t *const at = cursor->at;
    cursor->at += bytes;
    cursor->left -= (size_t)bytes;
    return at;
}
static inline uint64_t swg_cursor_number(swg_cursor *cursor, unsigned bytes)
{
    const uint8_t *const at = swg_cursor_take(cursor, bytes);
    return at ? swg_get_le(at, bytes) : 0;
}

#endif
