/* The grammar of strict JSON, checked over the bytes before anything is built from them. */
#ifndef SWG_FORMATS_JSON_JSON_CHECK_H
#define SWG_FORMATS_JSON_JSON_CHECK_H

#include <stddef.h>

#include "runtime/base/status.h"

/* Deepest nesting, and longest number in characters (more digits than any double needs). */
enum { SWG_JSON_MAX_DEPTH = 64, SWG_JSON_MAX_NUMBER = 63 };

/* Most values in one text. A tree takes 40 bytes per value, and a value may be two bytes of text;
 * the header of a million tensors has nine million. */
enum { SWG_JSON_MAX_VALUES = 1 << 24 };

/* SWG_OK when `text` is one JSON value as json.h wants it, apart from duplicate keys and numbers
 * beyond a double's range, which show only in the parsed form. SWG_LIMIT for too many
 * values, SWG_CORRUPT with the offset otherwise. */
swg_status swg_json_check(const char *text, size_t length, const char *what);

#endif
