/* Text for HTML, SVG and Markdown: see markup.h. */
#include "eval/report/markup.h"

#include <stdint.h>
#include <string.h>

#include "runtime/base/utf8.h"

static const char replacement[] = "\xEF\xBF\xBD";

/* Marks and overrides of direction would let a name rearrange the text around it. */
static bool is_harmless(uint32_t code)
{
    if (code < 0x20)
        return code == '\n' || code == '\t';
    return !(code >= 0x7F && code <= 0x9F) && !(code >= 0x200E && code <= 0x200F) &&
           !(code >= 0x2028 && code <= 0x202E) && !(code >= 0x2066 && code <= 0x2069) &&
           code != 0x61C && code != 0xFEFF && (code & 0xFFFE) != 0xFFFE;
}

static void put_character(swg_strbuf *out, const char *bytes, size_t length, uint32_t code)
{
    switch (code) {
    case '&':
        swg_strbuf_puts(out, "&amp;");
        break;
    case '<':
        swg_strbuf_puts(out, "&lt;");
        break;
    case '>':
        swg_strbuf_puts(out, "&gt;");
        break;
    case '"':
        swg_strbuf_puts(out, "&quot;");
        break;
    case '\'':
        swg_strbuf_puts(out, "&#39;");
        break;
    default:
        if (is_harmless(code))
            swg_strbuf_append(out, bytes, length);
        else
            swg_strbuf_puts(out, replacement);
    }
}

/* Bytes of the next character and its scalar value; a byte that is not UTF-8 is U+FFFE, which is
 * replaced. */
static size_t next_character(const char *text, size_t length, uint32_t *code)
{
    const size_t bytes = swg_utf8_decode(text, length, code);
    if (bytes > 0)
        return bytes;
    *code = 0xFFFE;
    return 1;
}

void swg_markup_short(swg_strbuf *out, const char *text, size_t most)
{
    const size_t length = strlen(text);
    size_t n = 0;
    for (size_t at = 0; at < length; n++) {
        uint32_t code;
        const size_t bytes = next_character(text + at, length - at, &code);
        if (n == most) {
            swg_strbuf_puts(out, "\xE2\x80\xA6"); /* an ellipsis */
            return;
        }
        put_character(out, text + at, bytes, code);
        at += bytes;
    }
}

void swg_markup_text(swg_strbuf *out, const char *text)
{
    swg_markup_short(out, text, SIZE_MAX);
}

void swg_markup_markdown(swg_strbuf *out, const char *text)
{
    const size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        uint32_t code;
        const size_t bytes = next_character(text + at, length - at, &code);
        if (code == '\n' || code == '\t') {
            swg_strbuf_puts(out, " ");
        } else {
            if (code < 0x80 && code > 0 && strchr("\\`*_{}[]()#+!|~", (int)code))
                swg_strbuf_puts(out, "\\");
            put_character(out, text + at, bytes, code);
        }
        at += bytes;
    }
}

/* Laying out JSON: a cursor over its bytes. */
typedef struct layout {
    swg_strbuf *out;
    const char *at;
    size_t depth;
    bool in_string, is_escaped;
    bool is_leaf; /* within an object or array that holds no other: it stays on one line */
} layout;

static void new_line(const layout *l)
{
    enum { MOST = 32 };
    swg_strbuf_puts(l->out, "\n");
    for (size_t i = 0; i < l->depth && i < MOST; i++)
        swg_strbuf_puts(l->out, "  ");
}

/* Whether the object or array that begins here ends before another one begins. */
static bool begins_leaf(const char *at)
{
    bool in_string = false, is_escaped = false;
    for (at++; *at; at++) {
        if (in_string) {
            if (!is_escaped && *at == '"')
                in_string = false;
            is_escaped = !is_escaped && *at == '\\';
        } else if (*at == '"') {
            in_string = true;
        } else if (*at == '{' || *at == '[') {
            return false;
        } else if (*at == '}' || *at == ']') {
            return true;
        }
    }
    return true;
}

static void put_structure(layout *l)
{
    const char c = *l->at;
    if (c == '}' || c == ']') {
        l->depth -= l->depth > 0;
        if (!l->is_leaf)
            new_line(l);
        l->is_leaf = false;
    }
    put_character(l->out, l->at, 1, (unsigned char)c);
    if (c == '{' || c == '[') {
        l->depth++;
        l->is_leaf = begins_leaf(l->at);
        if (!l->is_leaf)
            new_line(l);
    } else if (c == ',' && !l->is_leaf) {
        new_line(l);
    } else if (c == ',' || c == ':') {
        swg_strbuf_puts(l->out, " ");
    }
}

void swg_markup_json(swg_strbuf *out, const char *json, size_t most)
{
    const size_t length = strlen(json);
    layout l = {.out = out, .at = json};
    while (*l.at) {
        uint32_t code;
        const size_t bytes = next_character(l.at, length - (size_t)(l.at - json), &code);
        if ((size_t)(l.at - json) + bytes > most) {
            swg_strbuf_printf(out, "\n\xE2\x80\xA6 %zu bytes more", length - (size_t)(l.at - json));
            return;
        }
        if (l.in_string) {
            put_character(out, l.at, bytes, code);
            if (!l.is_escaped && *l.at == '"')
                l.in_string = false;
            l.is_escaped = !l.is_escaped && *l.at == '\\';
        } else if (*l.at == '"') {
            l.in_string = true;
            put_character(out, l.at, bytes, code);
        } else if (strchr("{}[],:", *l.at)) {
            put_structure(&l);
        } else if (!strchr(" \t\r\n", *l.at)) {
            put_character(out, l.at, bytes, code);
        }
        l.at += bytes;
    }
}
