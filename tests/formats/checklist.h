/* How the rows of test_checklist.c are run: a valid file is made, one thing in it is changed, the
 * lengths and hashes around it are corrected, and the reader must refuse it with the status and a
 * word of the message that the row names. */
#ifndef SWG_TESTS_FORMATS_CHECKLIST_H
#define SWG_TESTS_FORMATS_CHECKLIST_H

#include "runtime/base/strbuf.h"
#include "tests/formats/sample.h"

typedef struct format format;

typedef struct row {
    const char *item; /* "L1" */
    swg_status status;
    const char *word; /* that the message must contain */
    /* What is changed: `drop` bytes are replaced by `put`, at `skip` bytes after the first place
     * where `at` ends; without `at` from the start, or with `from_end` from the end. */
    const char *at;
    size_t at_length, skip, drop;
    const char *put;
    size_t put_length;
    bool from_end;
    bool is_outer; /* of the whole file, not of the part inside lengths and hashes */
    /* Instead of a change: a way of using the valid file. */
    swg_status (*run)(const format *f, const char *path);
    void (*make)(swg_strbuf *inner); /* NULL: the format's */
} row;

/* A text with its length, zero bytes within it counted. */
#define TEXT(text) text, sizeof(text) - 1
/* The first `from` becomes `to`. */
#define SWAP(from, to)                                                                             \
    .at = "" from, .at_length = sizeof(from) - 1, .skip = 0, .drop = sizeof(from) - 1, .put = to,  \
    .put_length = sizeof(to) - 1
/* Bytes that are `far` after the first `text` are overwritten. */
#define BEHIND(text, far, bytes)                                                                   \
    .at = text, .at_length = sizeof(text) - 1, .skip = sizeof(text) - 1 + (far),                   \
    .drop = sizeof(bytes) - 1, .put = bytes, .put_length = sizeof(bytes) - 1
/* Bytes at a place of the file are overwritten. */
#define AT(place, bytes)                                                                           \
    .skip = (place), .drop = sizeof(bytes) - 1, .put = bytes, .put_length = sizeof(bytes) - 1
/* The same, counted from the end. */
#define BEFORE_END(place, bytes) AT(place, bytes), .from_end = true
/* The file lacks its last bytes, or has some more. */
#define CUT(bytes) .is_outer = true, .from_end = true, .skip = (bytes), .drop = (bytes)
#define JUNK(bytes)                                                                                \
    .is_outer = true, .from_end = true, .put = bytes, .put_length = sizeof(bytes) - 1

struct format {
    const char *name, *file; /* what is written */
    void (*make)(swg_strbuf *inner);
    void (*wrap)(const swg_strbuf *inner, swg_strbuf *whole); /* NULL: inner is the file */
    swg_status (*use)(const char *path);
    const row *rows;
    size_t n_rows;
    const char
        *absent; /* items that do not apply to the format: "L8 L13 " (docs/hostile-input.md) */
};

/* The valid file is read, every row is refused, and every item has a row or is said to be absent.
 */
void checklist_format(const format *f);

#endif
