/* Lines of JSON: see json_lines.h. */
#include "formats/json/json_lines.h"

#include <stdio.h>
#include <string.h>

static swg_status handle(const char *at, size_t bytes, const char *where, swg_json_line *line,
                         void *context)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    SWG_GO(swg_json_parse(at, bytes, where, &doc));
    if (swg_json_kind_of(swg_json_root(doc)) != SWG_JSON_OBJECT)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: this is not a JSON object", where));
    SWG_GO(line(context, swg_json_root(doc), where));
done:
    swg_json_free(&doc);
    return status;
}

swg_status swg_json_lines_each(const char *path, const char *data, size_t length, const char *doing,
                               const swg_progress *progress, swg_json_line *line, void *context)
{
    const char *at = data, *const end = data + length;
    char where[512];
    if (length == 0)
        return swg_error(SWG_FAILED, "%s has no items", path);
    for (size_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t bytes = (size_t)((stop ? stop : end) - at);
        SWG_TRY(swg_progress_step(progress, doing, "B", (uint64_t)(at - data), length));
        snprintf(where, sizeof where, "%s: line %zu", path, number);
        SWG_TRY(handle(at, bytes, where, line, context));
        at += bytes + (stop != NULL);
    }
    return swg_progress_step(progress, doing, "B", length, length);
}

swg_status swg_json_line_string(const swg_json *root, const char *key, const char *where,
                                const char **out)
{
    if (swg_json_as_string(swg_json_get(root, key), out))
        return SWG_OK;
    return swg_error(SWG_CORRUPT, "%s: \"%s\" is missing or not a string", where, key);
}
