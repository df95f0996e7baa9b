/* Growing string and JSON writer: see strbuf.h. */
#include "runtime/base/strbuf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/utf8.h"

void swg_strbuf_append(swg_strbuf *buffer, const void *bytes, size_t length)
{
    size_t needed;
    if (buffer->failed)
        return;
    if (!swg_size_add(buffer->length, length, &needed) || !swg_size_add(needed, 1, &needed) ||
        swg_reserve((void **)&buffer->text, &buffer->capacity, needed, 1) != SWG_OK) {
        buffer->failed = true;
        return;
    }
    if (length)
        memcpy(buffer->text + buffer->length, bytes, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

void swg_strbuf_puts(swg_strbuf *buffer, const char *text)
{
    swg_strbuf_append(buffer, text, strlen(text));
}

void swg_strbuf_printf(swg_strbuf *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    size_t needed;
    if (length < 0 || buffer->failed ||
        !swg_size_add(buffer->length, (size_t)length + 1, &needed) ||
        swg_reserve((void **)&buffer->text, &buffer->capacity, needed, 1) != SWG_OK) {
        buffer->failed = true;
    } else {
        vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

swg_status swg_strbuf_status(const swg_strbuf *buffer)
{
    return buffer->failed ? swg_error(SWG_NO_MEMORY, "out of memory while building text") : SWG_OK;
}

const char *swg_strbuf_text(const swg_strbuf *buffer)
{
    return buffer->text ? buffer->text : "";
}

void swg_strbuf_deinit(swg_strbuf *buffer)
{
    swg_free(buffer->text);
    *buffer = (swg_strbuf){0};
}

enum { MAX_DEPTH = sizeof((swg_json_writer *)0)->has_items };

static void new_line(swg_json_writer *json)
{
    if (json->compact)
        return;
    swg_strbuf_puts(&json->out, "\n");
    for (unsigned i = 0; i < json->depth; i++)
        swg_strbuf_puts(&json->out, "  ");
}

static void quoted(swg_strbuf *out, const char *text, size_t length)
{
    swg_strbuf_puts(out, "\"");
    for (size_t i = 0; i < length;) {
        const unsigned char c = (unsigned char)text[i];
        const size_t step = swg_utf8_decode(text + i, length - i, NULL);
        if (step == 0)
            swg_strbuf_puts(out, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            swg_strbuf_printf(out, "\\%c", c);
        else if (c == '\n')
            swg_strbuf_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            swg_strbuf_printf(out, "\\u%04x", c);
        else
            swg_strbuf_append(out, text + i, step);
        i += step ? step : 1;
    }
    swg_strbuf_puts(out, "\"");
}

/* What stands before every value: comma, line break, key. */
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

void swg_json_int(swg_json_writer *json, const char *key, int64_t value)
{
    lead_in(json, key);
    swg_strbuf_printf(&json->out, "%lld", (long long)value);
}

void swg_json_uint(swg_json_writer *json, const char *key, uint64_t value)
{
    lead_in(json, key);
    swg_strbuf_printf(&json->out, "%llu", (unsigned long long)value);
}

void swg_json_double(swg_json_writer *json, const char *key, double value)
{
    lead_in(json, key);
    if (!isfinite(value)) {
        swg_strbuf_puts(&json->out, "null");
        return;
    }
    char digits[40];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    /* A program that uses the library may have chosen a locale with another decimal point, perhaps
     * of several bytes; JSON knows one. */
    const size_t whole = strspn(digits, "-0123456789");
    const size_t point = strcspn(digits + whole, "-+e0123456789");
    swg_strbuf_append(&json->out, digits, whole);
    if (point)
        swg_strbuf_puts(&json->out, ".");
    swg_strbuf_puts(&json->out, digits + whole + point);
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
