/* Reading a JSON text from front to back without building anything: for headers of a hundred
 * thousand members, and for the tree of json.c. The text must have passed swg_json_check, so
 * nothing here can meet bad grammar; what the caller expects of the values can still fail. */
#ifndef SWG_FORMATS_JSON_JSON_SCAN_H
#define SWG_FORMATS_JSON_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct swg_json_scan {
    const char *at, *end; /* `at`: the next byte that is not a space */
} swg_json_scan;

/* A string as it is between its quotes, escapes and all. */
typedef struct swg_json_text {
    const char *at;
    size_t length;
    bool has_escapes;
} swg_json_text;

/* Begin with the first value of a checked text. */
swg_json_scan swg_json_scan_begin(const char *text, size_t length);

/* Whether the next value begins with this byte: { [ " or that of a number. */
bool swg_json_scan_is(const swg_json_scan *scan, char first);

/* Step into the object or array that is next. */
void swg_json_scan_enter(swg_json_scan *scan);

/* Inside of one: whether there is a further member, to which the scan moves; after the last one
 * the object or array is left. */
bool swg_json_scan_more(swg_json_scan *scan);

/* The key of a member of an object; its value is next. */
swg_json_text swg_json_scan_key(swg_json_scan *scan);

/* The string or number that is next. False, with the scan where it was, for another kind, and for
 * numbers that are not written as a count (digits alone). */
bool swg_json_scan_string(swg_json_scan *scan, swg_json_text *out);
bool swg_json_scan_count(swg_json_scan *scan, uint64_t *out);

/* Step over the next value; its bytes. */
swg_json_text swg_json_scan_skip(swg_json_scan *scan);

/* The string with its escapes resolved and a NUL after it, to `out` (room for text->length + 1
 * bytes); its length. */
size_t swg_json_text_copy(const swg_json_text *text, char *out);

/* Whether the string is exactly that word. */
bool swg_json_text_is(const swg_json_text *text, const char *word);

#endif
