/* Strict JSON: what the grammar's check refuses is never parsed, what it takes can be walked, and
 * every member is found under its key. */
#include "formats/json.h"
#include "formats/json_check.h"
#include "tests/fuzz/fuzz.h"

static void walk(const swg_json *value)
{
    const char *string;
    double number;
    int64_t integer;
    bool flag;
    size_t count = 0;
    (void)swg_json_as_string(value, &string);
    (void)swg_json_as_bool(value, &flag);
    if (swg_json_as_int(value, &integer) &&
        (!swg_json_as_double(value, &number) || number != (double)integer))
        fuzz_fail("an integer is the same number as a double");
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        const char *const key = swg_json_key(item);
        if (key && swg_json_get(value, key) != item)
            fuzz_fail("a member is found under its key");
        walk(item);
        count++;
    }
    if (count != swg_json_count(value))
        fuzz_fail("a container's count is that of its items");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_json_doc *doc = NULL;
    const swg_status checked = swg_json_check((const char *)data, size, "input");
    const swg_status parsed = swg_json_parse((const char *)data, size, "input", &doc);
    if (checked != SWG_OK && parsed == SWG_OK)
        fuzz_fail("what the check refuses is not parsed");
    if (parsed == SWG_OK)
        walk(swg_json_root(doc));
    swg_json_free(&doc);
    return 0;
}
