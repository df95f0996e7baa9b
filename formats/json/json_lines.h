/* Labelled texts and other items of data: one JSON object per line. */
#ifndef SWG_FORMATS_JSON_JSON_LINES_H
#define SWG_FORMATS_JSON_JSON_LINES_H

#include <stddef.h>

#include "formats/json/json.h"
#include "runtime/base/progress.h"

/* Handles the object `root` of one line; `where` is "PATH: line N", for messages. Views of the
 * object's strings end with the call. */
typedef swg_status swg_json_line(void *context, const swg_json *root, const char *where);

/* Every line of `data` [length], in order. SWG_CORRUPT, naming the line, for one that is not an
 * object of strict JSON, and for an empty one; SWG_FAILED for no line at all; the first failure of
 * `line` ends it. `doing` names the work for `progress`. */
swg_status swg_json_lines_each(const char *path, const char *data, size_t length, const char *doing,
                               const swg_progress *progress, swg_json_line *line, void *context);

/* The string member `key` of an object, SWG_CORRUPT naming `where` when it is missing or not one.
 */
swg_status swg_json_line_string(const swg_json *root, const char *key, const char *where,
                                const char **out);

#endif
