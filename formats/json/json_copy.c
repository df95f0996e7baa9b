/* Copying a parsed JSON value to a writer: see json_copy.h. */
#include "formats/json/json_copy.h"

/* Levels of a writer, of which the caller may have opened some. */
static swg_status check_depth(const swg_json_writer *json)
{
    enum { MOST = sizeof json->has_items / sizeof *json->has_items };
    return json->depth + 1 < MOST
               ? SWG_OK
               : swg_error(SWG_LIMIT, "JSON that nests deeper than %d levels", MOST - 1);
}

swg_status swg_json_copy(const swg_json *value, swg_json_writer *json, const char *key)
{
    const swg_json_kind kind = swg_json_kind_of(value);
    const char *text;
    int64_t whole;
    double number;
    bool flag;
    if (kind == SWG_JSON_ARRAY || kind == SWG_JSON_OBJECT) {
        SWG_TRY(check_depth(json));
        kind == SWG_JSON_ARRAY ? swg_json_begin_array(json, key) : swg_json_begin_object(json, key);
        for (const swg_json *v = swg_json_first(value); v; v = swg_json_next(v))
            SWG_TRY(swg_json_copy(v, json, swg_json_key(v)));
        kind == SWG_JSON_ARRAY ? swg_json_end_array(json) : swg_json_end_object(json);
    } else if (swg_json_as_string(value, &text)) {
        swg_json_string(json, key, text);
    } else if (swg_json_as_int(value, &whole)) {
        swg_json_int(json, key, whole);
    } else if (swg_json_as_double(value, &number)) {
        swg_json_double(json, key, number);
    } else if (swg_json_as_bool(value, &flag)) {
        swg_json_bool(json, key, flag);
    } else {
        swg_json_null(json, key);
    }
    return SWG_OK;
}
