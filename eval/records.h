/* A file of records: what a measurement found, piece by piece, as lines of JSON. The first line
 * says what is measured (model, text, protocol ...), so that a file that ends early can be
 * continued, and one of another measurement is refused.
 *
 *     swg_records records = {.path = path, .resume = resume};
 *     swg_records_begin(&records);
 *     swg_json_string(&records.head, "model_hash", hash);    ... what the figures depend on ...
 *     SWG_TRY(swg_records_open(&records, take_line, context));
 *     SWG_TRY(swg_records_append(&records, &json));          ... for every piece ...
 *     swg_records_deinit(&records); */
#ifndef SWG_EVAL_RECORDS_H
#define SWG_EVAL_RECORDS_H

#include <stdbool.h>

#include "formats/json/json_lines.h"
#include "runtime/base/json_writer.h"

enum { SWG_RECORDS_VERSION = 1 };

typedef struct swg_records {
    const char *path;
    bool resume;          /* continue a file that is there; false: it must not be there */
    swg_json_writer head; /* an open object of strings and whole numbers, in one line */
} swg_records;

void swg_records_begin(swg_records *records);
void swg_records_deinit(swg_records *records);

/* Close the head and start the file with it; or, to resume, compare it with that of the file and
 * hand every record that is there to `line`. A last line without its line break, which a killed
 * writer left, is left out with a notice. SWG_USAGE when a file is there and not to be resumed, and
 * for a head that differs, naming the member and both values; SWG_CORRUPT naming the line; SWG_IO,
 * SWG_NO_MEMORY, and whatever `line` returns. */
swg_status swg_records_open(swg_records *records, swg_json_line *line, void *context);

/* The reading alone: `text` [length] of a file called `path`, whose first line must equal the
 * closed head [head_length]. *n_used: bytes of whole lines. */
swg_status swg_records_parse(const char *path, const char *text, size_t length, const char *head,
                             size_t head_length, swg_json_line *line, void *context,
                             size_t *n_used);

/* Append a compact object and flush it to the disk; the writer is emptied. SWG_IO, SWG_NO_MEMORY.
 */
swg_status swg_records_append(const swg_records *records, swg_json_writer *record);

#endif
