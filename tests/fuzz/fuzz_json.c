/* The JSON reader: the checker and the tree agree on what JSON is. */
#include <stdio.h>
#include <stdlib.h>

#include "formats/json.h"
#include "formats/json_check.h"
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
    if (checked != parsed) {
        fprintf(stderr, "checked %d, parsed %d\n", (int)checked, (int)parsed);
        abort();
    }
    if (doc)
        walk(swg_json_root(doc));
    swg_json_free(&doc);
    return 0;
}
