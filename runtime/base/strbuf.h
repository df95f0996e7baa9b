/* A growing string, and a JSON writer on top of it. Failure is sticky: appending after an
 * allocation failure does nothing, and swg_strbuf_status tells at the end, so callers check once.
 */
#ifndef SWG_RUNTIME_BASE_STRBUF_H
#define SWG_RUNTIME_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Zero-initialise to start. `text` is NUL-terminated once anything was appended. */
typedef struct swg_strbuf {
    char *text;
    size_t length, capacity;
    bool failed;
} swg_strbuf;

void swg_strbuf_append(swg_strbuf *buffer, const void *bytes, size_t length);
void swg_strbuf_puts(swg_strbuf *buffer, const char *text);
__attribute__((format(printf, 2, 3))) void swg_strbuf_printf(swg_strbuf *buffer,
                                                             const char *format, ...);
swg_status swg_strbuf_status(const swg_strbuf *buffer);
const char *swg_strbuf_text(const swg_strbuf *buffer); /* "" when empty; never NULL */
void swg_strbuf_deinit(swg_strbuf *buffer);

/* Writes JSON text: commas, indentation (two spaces), escapes. Keys are NULL inside arrays and for
 * the outermost value. Numbers that JSON cannot hold (NaN, infinity) become null. Doubles are
 * printed with the fewest digits that read back equal. Bytes that are not UTF-8 become U+FFFD. */
typedef struct swg_json_writer {
    swg_strbuf out;
    unsigned depth;
    bool has_items[32];
    bool compact; /* no line breaks; set before the first call */
} swg_json_writer;

void swg_json_begin_object(swg_json_writer *json, const char *key);
void swg_json_end_object(swg_json_writer *json);
void swg_json_begin_array(swg_json_writer *json, const char *key);
void swg_json_end_array(swg_json_writer *json);
void swg_json_string(swg_json_writer *json, const char *key, const char *value);
void swg_json_string_n(swg_json_writer *json, const char *key, const char *value, size_t length);
void swg_json_int(swg_json_writer *json, const char *key, int64_t value);
void swg_json_uint(swg_json_writer *json, const char *key, uint64_t value);
void swg_json_double(swg_json_writer *json, const char *key, double value);
void swg_json_bool(swg_json_writer *json, const char *key, bool value);
void swg_json_null(swg_json_writer *json, const char *key);
/* `text` must be valid JSON; it is copied as it is. */
void swg_json_raw(swg_json_writer *json, const char *key, const char *text, size_t length);
void swg_json_deinit(swg_json_writer *json);

#endif
