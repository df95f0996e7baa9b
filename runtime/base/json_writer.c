/* JSON text: commas, indentation, escapes, and numbers that read back equal. Runs of plain text are
 * appended at once: names are most of a listing of 100,000 tensors. */
#include "runtime/base/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/utf8.h"

enum { MAX_DEPTH = sizeof((swg_json_writer *)0)->has_items };

static void new_line(swg_json_writer *json)
{
    static const char indent[2 * MAX_DEPTH + 1] = {[0 ... 2 * MAX_DEPTH - 1] = ' '};
    if (json->compact)
        return;
    swg_strbuf_append(&json->out, "\n", 1);
    swg_strbuf_append(&json->out, indent, 2 * (size_t)json->depth);
}

/* The bytes of a character that needs no escape - ASCII, or a complete UTF-8 sequence - or 0. */
static size_t plain_bytes(const char *text, size_t length)
{
    const unsigned char c = (unsigned char)*text;
    if (c >= 0x80)
        return swg_utf8_decode(text, length, NULL);
    return c >= 0x20 && c != 0x7f && c != '"' && c != '\\';
}

static void escaped(swg_strbuf *out, unsigned char c)
{
    if (c == '"' || c == '\\')
        swg_strbuf_printf(out, "\\%c", c);
    else if (c == '\n')
        swg_strbuf_puts(out, "\\n");
    else if (c < 0x80)
        swg_strbuf_printf(out, "\\u%04x", c);
    else /* not UTF-8 */
        swg_strbuf_puts(out, "\xef\xbf\xbd");
}

static void quoted(swg_strbuf *out, const char *text, size_t length)
{
    swg_strbuf_append(out, "\"", 1);
    for (size_t at = 0; at < length;) {
        const size_t begin = at;
        for (size_t bytes; at < length && (bytes = plain_bytes(text + at, length - at)) > 0;)
            at += bytes;
        swg_strbuf_append(out, text + begin, at - begin);
        if (at < length)
            escaped(out, (unsigned char)text[at++]);
    }
    swg_strbuf_append(out, "\"", 1);
}

/* What precedes every value: comma, line break, key. */
static void lead_in(swg_json_writer *json, const char *key)
{
    if (json->depth > 0) {
        bool *has_items = &json->has_items[json->depth - 1];
        if (*has_items)
            swg_strbuf_puts(&json->out, ",");
        *has_items = true;
        new_line(json);
    }
    if (key) {
        quoted(&json->out, key, strlen(key));
        swg_strbuf_puts(&json->out, json->compact ? ":" : ": ");
    }
}

static void begin(swg_json_writer *json, const char *key, const char *bracket)
{
    lead_in(json, key);
    swg_strbuf_puts(&json->out, bracket);
    if (json->depth == MAX_DEPTH) {
        json->out.failed = true;
        return;
    }
    json->has_items[json->depth++] = false;
}

static void end(swg_json_writer *json, const char *bracket)
{
    if (json->depth == 0) {
        json->out.failed = true;
        return;
    }
    json->depth--;
    if (json->has_items[json->depth])
        new_line(json);
    swg_strbuf_puts(&json->out, bracket);
}

void swg_json_begin_object(swg_json_writer *json, const char *key)
{
    begin(json, key, "{");
}

void swg_json_end_object(swg_json_writer *json)
{
    end(json, "}");
}

void swg_json_begin_array(swg_json_writer *json, const char *key)
{
    begin(json, key, "[");
}

void swg_json_end_array(swg_json_writer *json)
{
    end(json, "]");
}

void swg_json_string_n(swg_json_writer *json, const char *key, const char *value, size_t length)
{
    lead_in(json, key);
    quoted(&json->out, value, length);
}

void swg_json_string(swg_json_writer *json, const char *key, const char *value)
{
    swg_json_string_n(json, key, value, strlen(value));
}

static void digits(swg_strbuf *out, uint64_t value)
{
    enum { MOST_DIGITS = 20 };
    char text[MOST_DIGITS];
    size_t n = 0;
    do
        text[MOST_DIGITS - ++n] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    swg_strbuf_append(out, text + MOST_DIGITS - n, n);
}

void swg_json_int(swg_json_writer *json, const char *key, int64_t value)
{
    lead_in(json, key);
    if (value < 0)
        swg_strbuf_append(&json->out, "-", 1);
    digits(&json->out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void swg_json_uint(swg_json_writer *json, const char *key, uint64_t value)
{
    lead_in(json, key);
    digits(&json->out, value);
}

void swg_json_double(swg_json_writer *json, const char *key, double value)
{
    lead_in(json, key);
    if (!isfinite(value)) {
        swg_strbuf_puts(&json->out, "null");
        return;
    }
    char number[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(number, sizeof number, "%.*g", precision, value);
        if (strtod(number, NULL) == value)
            break;
    }
    /* A program that uses the library may have set a locale with another decimal point, perhaps of
     * several bytes; JSON has only one. */
    const size_t whole = strspn(number, "-0123456789");
    const size_t point = strcspn(number + whole, "-+e0123456789");
    swg_strbuf_append(&json->out, number, whole);
    if (point)
        swg_strbuf_puts(&json->out, ".");
    swg_strbuf_puts(&json->out, number + whole + point);
}

void swg_json_bool(swg_json_writer *json, const char *key, bool value)
{
    lead_in(json, key);
    swg_strbuf_puts(&json->out, value ? "true" : "false");
}

void swg_json_null(swg_json_writer *json, const char *key)
{
    lead_in(json, key);
    swg_strbuf_puts(&json->out, "null");
}

void swg_json_raw(swg_json_writer *json, const char *key, const char *text, size_t length)
{
    lead_in(json, key);
    swg_strbuf_append(&json->out, text, length);
}

void swg_json_deinit(swg_json_writer *json)
{
    swg_strbuf_deinit(&json->out);
}
