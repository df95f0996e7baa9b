/* Strict JSON grammar (RFC 8259): one pass over the bytes, recursive in values, at most 64 deep.
 * Builds nothing; every refusal says where. What json.h promises beyond the grammar is here too:
 * no "\u0000", no unpaired surrogates, no integers that a double would round. */
#include "formats/json/json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/utf8.h"

typedef struct checker {
    const char *text;
    size_t length, at;
    unsigned depth;
    size_t n_values;
    const char *what;
} checker;

static swg_status fail(const checker *c, const char *sentence)
{
    return swg_error(SWG_CORRUPT, "%s: bad JSON at byte %zu: %s", c->what, c->at, sentence);
}

/* The next byte; 0 at the end (a NUL in the text is refused wherever it can stand). */
static unsigned char peek(const checker *c)
{
    return c->at < c->length ? (unsigned char)c->text[c->at] : 0;
}

static void skip_space(checker *c)
{
    while (c->at < c->length) {
        const char byte = c->text[c->at];
        if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t')
            return;
        c->at++;
    }
}

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

static swg_status check_digits(checker *c)
{
    if (!is_digit(peek(c)))
        return fail(c, "a digit is missing");
    while (is_digit(peek(c)))
        c->at++;
    return SWG_OK;
}

/* Whether a double is the integer of these digits, as it is 1000000000000000019884624838656, which
 * tokenizers of transformers have for "no longest text". At most SWG_JSON_MAX_NUMBER digits. */
static bool double_is(const char *digits, size_t n)
{
    char given[SWG_JSON_MAX_NUMBER + 1], back[SWG_JSON_MAX_NUMBER + 2];
    memcpy(given, digits, n);
    given[n] = '\0';
    snprintf(back, sizeof back, "%.0f", strtod(given, NULL));
    return strcmp(given, back) == 0;
}

static swg_status check_number(checker *c)
{
    static const uint64_t largest_exact = UINT64_C(1) << 53;
    const size_t start = c->at;
    if (peek(c) == '-')
        c->at++;
    if (peek(c) == '0' && c->at + 1 < c->length && is_digit((unsigned char)c->text[c->at + 1]))
        return fail(c, "a number starts with 0");
    const size_t digits = c->at;
    SWG_TRY(check_digits(c));
    const size_t n_digits = c->at - digits;
    bool is_integer = true;
    if (peek(c) == '.') {
        is_integer = false;
        c->at++;
        SWG_TRY(check_digits(c));
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        is_integer = false;
        c->at++;
        if (peek(c) == '+' || peek(c) == '-')
            c->at++;
        SWG_TRY(check_digits(c));
    }
    if (c->at - start > SWG_JSON_MAX_NUMBER)
        return fail(c, "a number has more than 63 characters");
    if (is_integer) {
        uint64_t value = 0;
        for (size_t i = 0; i < n_digits && i < 18; i++)
            value = value * 10 + (uint64_t)(c->text[digits + i] - '0');
        if ((n_digits > 18 || value > largest_exact) && !double_is(c->text + digits, n_digits))
            return fail(c, "an integer is beyond 2^53");
    }
    return SWG_OK;
}

/* The four digits after "\u". */
static swg_status check_hex4(checker *c, uint32_t *out)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const unsigned char byte = peek(c);
        uint32_t digit;
        if (is_digit(byte))
            digit = byte - '0';
        else if (byte >= 'a' && byte <= 'f')
            digit = byte - 'a' + 10u;
        else if (byte >= 'A' && byte <= 'F')
            digit = byte - 'A' + 10u;
        else
            return fail(c, "\\u needs four hexadecimal digits");
        code = code << 4 | digit;
        c->at++;
    }
    *out = code;
    return SWG_OK;
}

static swg_status check_unicode_escape(checker *c)
{
    uint32_t code = 0, low = 0;
    SWG_TRY(check_hex4(c, &code));
    if (code == 0)
        return fail(c, "\\u0000 is not accepted");
    if (code >= 0xdc00 && code <= 0xdfff)
        return fail(c, "an unpaired surrogate");
    if (code < 0xd800 || code > 0xdbff)
        return SWG_OK;
    if (peek(c) != '\\' || c->at + 1 >= c->length || c->text[c->at + 1] != 'u')
        return fail(c, "an unpaired surrogate");
    c->at += 2;
    SWG_TRY(check_hex4(c, &low));
    return low >= 0xdc00 && low <= 0xdfff ? SWG_OK : fail(c, "an unpaired surrogate");
}

static swg_status check_escape(checker *c)
{
    c->at++;
    const unsigned char byte = peek(c);
    if (byte == 0 || !strchr("\"\\/bfnrtu", byte))
        return fail(c, "an unknown escape");
    c->at++;
    return byte == 'u' ? check_unicode_escape(c) : SWG_OK;
}

/* Bytes of a string that mean themselves. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static swg_status check_string(checker *c)
{
    c->at++;
    for (;;) {
        size_t at = c->at;
        while (at < c->length && is_plain((unsigned char)c->text[at]))
            at++;
        c->at = at;
        if (at == c->length)
            return fail(c, "a string does not end");
        const unsigned char byte = (unsigned char)c->text[at];
        if (byte == '"') {
            c->at++;
            return SWG_OK;
        }
        if (byte < 0x20)
            return fail(c, "a control character inside a string");
        if (byte == '\\') {
            SWG_TRY(check_escape(c));
        } else {
            const size_t step = swg_utf8_decode(c->text + at, c->length - at, NULL);
            if (step == 0)
                return fail(c, "bytes that are not UTF-8");
            c->at += step;
        }
    }
}

static swg_status check_value(checker *c);

/* Elements up to the closing bracket, which `closing` names; keys before them in objects. */
static swg_status check_members(checker *c, char closing)
{
    if (++c->depth > SWG_JSON_MAX_DEPTH)
        return fail(c, "nested deeper than 64");
    c->at++;
    skip_space(c);
    if (peek(c) == (unsigned char)closing) {
        c->at++;
        c->depth--;
        return SWG_OK;
    }
    for (;;) {
        if (closing == '}') {
            skip_space(c);
            if (peek(c) != '"')
                return fail(c, "a key is missing");
            SWG_TRY(check_string(c));
            skip_space(c);
            if (peek(c) != ':')
                return fail(c, "':' is missing");
            c->at++;
        }
        SWG_TRY(check_value(c));
        skip_space(c);
        const unsigned char byte = peek(c);
        if (byte == (unsigned char)closing)
            break;
        if (byte != ',')
            return fail(c, closing == '}' ? "',' or '}' is missing" : "',' or ']' is missing");
        c->at++;
    }
    c->at++;
    c->depth--;
    return SWG_OK;
}

static swg_status check_word(checker *c, const char *word)
{
    const size_t length = strlen(word);
    if (c->length - c->at < length || memcmp(c->text + c->at, word, length) != 0)
        return fail(c, "an unknown word");
    c->at += length;
    return SWG_OK;
}

static swg_status check_value(checker *c)
{
    skip_space(c);
    if (++c->n_values > SWG_JSON_MAX_VALUES)
        return swg_error(SWG_LIMIT, "%s: more than %d values in one JSON text", c->what,
                         SWG_JSON_MAX_VALUES);
    const unsigned char byte = peek(c);
    switch (byte) {
    case '{':
        return check_members(c, '}');
    case '[':
        return check_members(c, ']');
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        if (byte == '-' || is_digit(byte))
            return check_number(c);
        return fail(c, c->at < c->length ? "a value is missing" : "the text ends early");
    }
}

swg_status swg_json_check(const char *text, size_t length, const char *what)
{
    checker c = {.text = text, .length = length, .what = what};
    SWG_TRY(check_value(&c));
    skip_space(&c);
    return c.at == c.length ? SWG_OK : fail(&c, "something follows the value");
}
