/* A cursor over checked JSON. Between calls it is at the first byte of a value, a key, a comma
 * or a closing bracket, or at the end of the text. */
#include "formats/json/json_scan.h"

#include <string.h>

#include "runtime/base/utf8.h"

/* Past `bytes` and the space after them. */
static void step(swg_json_scan *scan, size_t bytes)
{
    scan->at += bytes;
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
        scan->at++;
}

swg_json_scan swg_json_scan_begin(const char *text, size_t length)
{
    swg_json_scan scan = {.at = text, .end = text + length};
    step(&scan, 0);
    return scan;
}

bool swg_json_scan_is(const swg_json_scan *scan, char first)
{
    return scan->at < scan->end && *scan->at == first;
}

void swg_json_scan_enter(swg_json_scan *scan)
{
    step(scan, 1);
}

bool swg_json_scan_more(swg_json_scan *scan)
{
    if (swg_json_scan_is(scan, ',')) {
        step(scan, 1);
        return true;
    }
    if (!swg_json_scan_is(scan, '}') && !swg_json_scan_is(scan, ']'))
        return true; /* the first member */
    step(scan, 1);
    return false;
}

/* The bytes from the opening quote to the closing one; the grammar says that there is one. */
static swg_json_text quoted(const swg_json_scan *scan)
{
    const char *const begin = scan->at + 1;
    const char *at = memchr(begin, '"', (size_t)(scan->end - begin));
    swg_json_text text = {.at = begin};
    if (at)
        text.has_escapes = memchr(begin, '\\', (size_t)(at - begin)) != NULL;
    if (text.has_escapes) /* the quote may be one of them */
        for (at = begin; at < scan->end && *at != '"';)
            at += *at == '\\' ? 2 : 1;
    text.length = at ? (size_t)(at - begin) : 0;
    return text;
}

swg_json_text swg_json_scan_key(swg_json_scan *scan)
{
    const swg_json_text key = quoted(scan);
    step(scan, key.length + 2);
    step(scan, 1); /* the colon */
    return key;
}

bool swg_json_scan_string(swg_json_scan *scan, swg_json_text *out)
{
    if (!swg_json_scan_is(scan, '"'))
        return false;
    *out = quoted(scan);
    step(scan, out->length + 2);
    return true;
}

bool swg_json_scan_count(swg_json_scan *scan, uint64_t *out)
{
    enum { MAX_DIGITS = 18 }; /* more than any count has */
    uint64_t value = 0;
    size_t n = 0;
    while (n < MAX_DIGITS && scan->at + n < scan->end && scan->at[n] >= '0' && scan->at[n] <= '9')
        value = value * 10 + (uint64_t)(scan->at[n++] - '0');
    const char next = scan->at + n < scan->end ? scan->at[n] : '\0';
    if (n == 0 || next == '.' || next == 'e' || next == 'E' || (next >= '0' && next <= '9'))
        return false;
    *out = value;
    step(scan, n);
    return true;
}

swg_json_text swg_json_scan_skip(swg_json_scan *scan)
{
    const char *const begin = scan->at;
    size_t depth = 0;
    const char *at = begin;
    do { /* to the end of a string, a bracket's partner, or a number's or word's last byte */
        if (*at == '"') {
            const swg_json_scan inner = {.at = at, .end = scan->end};
            at += quoted(&inner).length + 2;
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            depth--;
            at++;
        } else {
            at++;
        }
    } while (at < scan->end && (depth > 0 || !strchr(",]} \n\r\t", *at)));
    const swg_json_text text = {.at = begin, .length = (size_t)(at - begin)};
    step(scan, text.length);
    return text;
}

static uint32_t hex4(const char *digits)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t digit = (unsigned char)digits[i];
        code = code << 4 | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    return code;
}

/* What an escape stands for, to `out`; *at moves past it. */
static size_t unescape(const char **at, char *out)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char letter = (*at)[1];
    *at += 2;
    if (letter != 'u') {
        const char *const found = strchr(letters, letter);
        *out = found ? meant[found - letters] : letter;
        return 1;
    }
    uint32_t code = hex4(*at);
    *at += 4;
    if (code >= 0xd800 && code <= 0xdbff) { /* the second half of the pair follows */
        code = 0x10000 + ((code & 0x3ff) << 10 | (hex4(*at + 2) & 0x3ff));
        *at += 6;
    }
    return swg_utf8_encode(code, out);
}

size_t swg_json_text_copy(const swg_json_text *text, char *out)
{
    const char *at = text->at, *const end = at + text->length;
    size_t length = 0;
    if (!text->has_escapes) {
        memcpy(out, at, text->length);
        length = text->length;
    }
    while (text->has_escapes && at < end)
        if (*at == '\\')
            length += unescape(&at, out + length);
        else
            out[length++] = *at++;
    out[length] = '\0';
    return length;
}

bool swg_json_text_is(const swg_json_text *text, const char *word)
{
    return !text->has_escapes && text->length == strlen(word) &&
           memcmp(text->at, word, text->length) == 0;
}
