/* Copying a parsed JSON value to a writer. */
#ifndef SWG_FORMATS_JSON_JSON_COPY_H
#define SWG_FORMATS_JSON_JSON_COPY_H

#include "formats/json/json.h"
#include "runtime/base/json_writer.h"

/* Write `value` (not NULL) as a member `key` of the open object, or with NULL as an element or the
 * outermost value. Numbers that are integers up to 2^53 are written as such. SWG_LIMIT for values
 * that nest deeper than a writer does. */
swg_status swg_json_copy(const swg_json *value, swg_json_writer *json, const char *key);

#endif
