/* Writing JSON text. As with strings (strbuf.h), failure is sticky and checked once, on `out`. */
#ifndef SWG_RUNTIME_BASE_JSON_WRITER_H
#define SWG_RUNTIME_BASE_JSON_WRITER_H

#include "runtime/base/strbuf.h"

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
