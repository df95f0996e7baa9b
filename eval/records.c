/* Files of records: see records.h. */
#include "eval/records.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/line_log.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"

static const size_t max_bytes = (size_t)1 << 30;

void swg_records_begin(swg_records *records)
{
    records->head = (swg_json_writer){.compact = true};
    swg_json_begin_object(&records->head, NULL);
    swg_json_int(&records->head, "records_version", SWG_RECORDS_VERSION);
}

void swg_records_deinit(swg_records *records)
{
    swg_json_deinit(&records->head);
}

/* --- The head --------------------------------------------------------------------------------- */

enum { VALUE_TEXT = 96 };

/* A member's value for messages and comparison; "nothing" where there is none. */
static const char *text_of(const swg_json *value, char out[VALUE_TEXT])
{
    const char *text;
    int64_t number;
    if (swg_json_as_string(value, &text))
        snprintf(out, VALUE_TEXT, "\"%s\"", text);
    else if (swg_json_as_int(value, &number))
        snprintf(out, VALUE_TEXT, "%lld", (long long)number);
    else
        snprintf(out, VALUE_TEXT, "%s",
                 value ? swg_json_kind_name(swg_json_kind_of(value)) : "nothing");
    return out;
}

/* Whether all members of `a` are in `b` with the same values. */
static swg_status compare_members(const swg_json *a, const swg_json *b, bool is_swapped,
                                  const char *where)
{
    for (const swg_json *v = swg_json_first(a); v; v = swg_json_next(v)) {
        char mine[VALUE_TEXT], other[VALUE_TEXT];
        const char *const key = swg_json_key(v);
        text_of(v, mine);
        text_of(swg_json_get(b, key), other);
        if (strcmp(mine, other) != 0)
            return swg_error(SWG_USAGE,
                             "%s: these are records of another measurement: their \"%s\" is %s, "
                             "but this one's is %s; give another file",
                             where, key, is_swapped ? mine : other, is_swapped ? other : mine);
    }
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

typedef struct reading {
    const swg_json *head;
    swg_json_line *line;
    void *context;
    bool has_head;
} reading;

static swg_status take_line(void *context, const swg_json *root, const char *where)
{
    reading *r = context;
    if (r->has_head)
        return r->line(r->context, root, where);
    r->has_head = true;
    if (!swg_json_get(root, "records_version"))
        return swg_error(SWG_CORRUPT,
                         "%s: this is not a file of records: it does not begin with a "
                         "\"records_version\"",
                         where);
    SWG_TRY(compare_members(r->head, root, false, where));
    return compare_members(root, r->head, true, where);
}

swg_status swg_records_parse(const char *path, const char *text, size_t length, const char *head,
                             size_t head_length, swg_json_line *line, void *context, size_t *n_used)
{
    swg_status status = SWG_OK;
    swg_json_doc *wanted = NULL;
    const char *const last = length ? memrchr(text, '\n', length) : NULL;
    const size_t used = last ? (size_t)(last - text) + 1 : 0;
    SWG_GO(swg_json_parse(head, head_length, "the head of the records", &wanted));
    reading r = {.head = swg_json_root(wanted), .line = line, .context = context};
    /* A cut head is the beginning of this one's. */
    if (used == 0 && length > 0 && (length > head_length || memcmp(text, head, length) != 0))
        SWG_GO(swg_error(SWG_CORRUPT, "%s is not a file of records of this measurement", path));
    if (used > 0)
        SWG_GO(swg_json_lines_each(path, text, used, "reading records", NULL, take_line, &r));
    *n_used = used;
done:
    swg_json_free(&wanted);
    return status;
}

static swg_status read_file(const swg_records *records, swg_json_line *line, void *context,
                            size_t *n_used)
{
    swg_status status = SWG_OK;
    char *text = NULL;
    size_t length = 0;
    SWG_GO(swg_file_read(records->path, max_bytes, &text, &length));
    SWG_GO(swg_records_parse(records->path, text, length, swg_strbuf_text(&records->head.out),
                             records->head.out.length, line, context, n_used));
    if (*n_used < length)
        swg_notice("%s: the last line was not finished; its %zu bytes are left out, and what it is "
                   "about is measured again",
                   records->path, length - *n_used);
done:
    swg_free(text);
    return status;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static swg_status append_text(const swg_records *records, const swg_strbuf *object)
{
    swg_strbuf line = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_strbuf_status(object));
    swg_strbuf_append(&line, object->text, object->length);
    swg_strbuf_puts(&line, "\n");
    SWG_GO(swg_strbuf_status(&line));
    SWG_GO(swg_line_log_append(records->path, line.text, line.length));
done:
    swg_strbuf_deinit(&line);
    return status;
}

swg_status swg_records_append(const swg_records *records, swg_json_writer *record)
{
    const swg_status status = append_text(records, &record->out);
    swg_json_deinit(record);
    *record = (swg_json_writer){.compact = true};
    return status;
}

swg_status swg_records_open(swg_records *records, swg_json_line *line, void *context)
{
    size_t n_used = 0;
    swg_json_end_object(&records->head);
    SWG_TRY(swg_strbuf_status(&records->head.out));
    if (swg_path_exists(records->path)) {
        if (!records->resume)
            return swg_error(SWG_USAGE,
                             "%s exists: --resume continues it, another name starts anew",
                             records->path);
        SWG_TRY(read_file(records, line, context, &n_used));
    }
    return n_used > 0 ? SWG_OK : append_text(records, &records->head.out);
}
