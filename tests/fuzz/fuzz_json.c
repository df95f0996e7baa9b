/* The JSON reader: the parser refuses everything that the checker refuses, and beyond that
 * only what shows in the tree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json.h"
#include "formats/json/json_check.h"
#include "tests/fuzz/fuzz.h"

static size_t walk(const swg_json *value)
{
    size_t count = 1;
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        const char *key = swg_json_key(item);
        if (key && swg_json_get(value, key) != item)
            abort();
        count += walk(item);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_json_doc *doc = NULL;
    const swg_status checked = swg_json_check((const char *)data, size, "input");
    const swg_status parsed = swg_json_parse((const char *)data, size, "input", &doc);
    const bool shows_in_the_tree = checked == SWG_OK && parsed == SWG_CORRUPT &&
                                   (strstr(swg_error_message(), "duplicate") ||
                                    strstr(swg_error_message(), "beyond a double's range"));
    if (checked != parsed && !shows_in_the_tree) {
        fprintf(stderr, "checked %d, parsed %d\n", (int)checked, (int)parsed);
        abort();
    }
    if (doc)
        walk(swg_json_root(doc));
    swg_json_free(&doc);
    return 0;
}
