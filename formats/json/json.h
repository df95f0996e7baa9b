/* Strict JSON: RFC 8259 and nothing more. Duplicate keys, trailing bytes, byte order marks, bad
 * UTF-8, raw control characters, leading zeros, "\u0000", unpaired surrogates, integers
 * beyond 2^53 that a double would round, numbers that it cannot hold at all, and nesting deeper
 * than 64 are refused with SWG_CORRUPT and the offset; more than 2^24 values with SWG_LIMIT. */
#ifndef SWG_FORMATS_JSON_JSON_H
#define SWG_FORMATS_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct swg_json_doc swg_json_doc;
typedef struct swg_json swg_json; /* one value; lives as long as its document */

typedef enum swg_json_kind {
    SWG_JSON_NULL,
    SWG_JSON_BOOL,
    SWG_JSON_NUMBER,
    SWG_JSON_STRING,
    SWG_JSON_ARRAY,
    SWG_JSON_OBJECT
} swg_json_kind;

/* Parse `length` bytes (no NUL needed). `what` names the text in messages ("config.json"). */
swg_status swg_json_parse(const char *text, size_t length, const char *what, swg_json_doc **out);
/* The same without keeping the document; its root must be of that kind besides. */
swg_status swg_json_require(const char *text, size_t length, const char *what, swg_json_kind kind);

void swg_json_free(swg_json_doc **doc);
const swg_json *swg_json_root(const swg_json_doc *doc);

swg_json_kind swg_json_kind_of(const swg_json *value);
bool swg_json_is_null(const swg_json *value);       /* NULL or null: absent or without a value */
const char *swg_json_kind_name(swg_json_kind kind); /* "string", "array", ... */

/* Arrays and objects: count, and iteration in file order: for (v = first; v; v = next). */
size_t swg_json_count(const swg_json *value);
const swg_json *swg_json_first(const swg_json *value);
const swg_json *swg_json_next(const swg_json *value);
const char *swg_json_key(const swg_json *value); /* of a member of an object; else NULL */

/* Member of an object, exact case; NULL when absent or `value` is not an object (or is NULL).
 * Linear for small objects, indexed (O(log n)) for large ones. */
const swg_json *swg_json_get(const swg_json *value, const char *key);
const swg_json *swg_json_at(const swg_json *value,
                            size_t index); /* array element, linear; or NULL */

/* Typed access; false (and *out untouched) when the value is NULL, of another kind, or out of
 * range. Strings are UTF-8 without NUL inside. */
bool swg_json_as_string(const swg_json *value, const char **out);
bool swg_json_as_int(const swg_json *value, int64_t *out);
bool swg_json_as_double(const swg_json *value, double *out);
bool swg_json_as_bool(const swg_json *value, bool *out);

#endif
