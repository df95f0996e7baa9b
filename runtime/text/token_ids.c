/* Lists of ids, and ids written as text. */
#include "runtime/text/tokenizer_parts.h"

void swg_ids_deinit(swg_ids *ids)
{
    swg_free(ids->data);
    *ids = (swg_ids){0};
}

swg_status swg_ids_push(swg_ids *ids, int32_t id)
{
    SWG_TRY(swg_reserve((void **)&ids->data, &ids->capacity, ids->count + 1, sizeof *ids->data));
    ids->data[ids->count++] = id;
    return SWG_OK;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The number at text[*at ..], up to a separator or the end; -1, *at unchanged, when there is none
 * that is an id. */
static int32_t parse_id(const char *text, size_t length, size_t *at)
{
    int64_t value = 0;
    size_t end = *at;
    for (; end < length && !is_separator(text[end]); end++) {
        if (text[end] < '0' || text[end] > '9')
            return -1;
        value = value * 10 + (text[end] - '0');
        if (value > INT32_MAX)
            return -1;
    }
    *at = end;
    return (int32_t)value;
}

enum { MOST_SHOWN = 20 };

swg_status swg_ids_parse(const char *text, size_t length, const char *what, swg_ids *out)
{
    const size_t before = out->count;
    swg_status status = SWG_OK;
    for (size_t at = 0; at < length;) {
        if (is_separator(text[at])) {
            at++;
            continue;
        }
        const int32_t id = parse_id(text, length, &at);
        if (id < 0) {
            int shown = 0;
            while (shown < MOST_SHOWN && at + (size_t)shown < length &&
                   !is_separator(text[at + (size_t)shown]))
                shown++;
            SWG_GO(
                swg_error(SWG_CORRUPT, "%s: \"%.*s\" is not a token id", what, shown, text + at));
        }
        SWG_GO(swg_ids_push(out, id));
    }
done:
    if (status != SWG_OK)
        out->count = before;
    return status;
}
