/* Well-known split patterns, matched by hand because that is several times faster than any regular
 * expression engine. Each is chosen by its exact text; the tests hold it against PCRE2. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"
#include "runtime/text/match/unicode.h"

const char swg_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

typedef enum char_class { OTHER, LETTER, NUMBER, SPACE } char_class;

/* Class and length of the character at `text` (valid UTF-8, `length` > 0). */
static char_class class_at(const char *text, size_t length, size_t *step)
{
    uint32_t code = (unsigned char)text[0];
    *step = 1;
    if (code >= 0x80) {
        const size_t decoded = swg_utf8_decode(text, length, &code);
        *step = decoded ? decoded : 1;
    }
    return swg_char_is_letter(code)   ? LETTER
           : swg_char_is_number(code) ? NUMBER
           : swg_char_is_space(code)  ? SPACE
                                      : OTHER;
}

/* End of the run of at most `most` characters of `wanted` class at `at`. */
static size_t run_end(const char *text, size_t length, size_t at, char_class wanted, size_t most)
{
    size_t step;
    for (; most > 0 && at < length && class_at(text + at, length - at, &step) == wanted; most--)
        at += step;
    return at;
}

/* Bytes of 's 't 're 've 'm 'll 'd at the quote `text` points to, or 0. */
static size_t contraction(const char *text, size_t length, bool any_case)
{
    char a = length > 1 ? text[1] : 0, b = length > 2 ? text[2] : 0;
    if (any_case) {
        a |= 0x20;
        b |= 0x20;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    const bool is_long = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
    return is_long ? 3 : 0;
}

/* \s+(?!\S)|\s+ : white space, less its last character when something follows. */
static size_t space_end(const char *text, size_t length, size_t at)
{
    size_t last = at, end = at, step;
    while (end < length && class_at(text + end, length - end, &step) == SPACE) {
        last = end;
        end += step;
    }
    return end < length && last > at ? last : end;
}

static size_t gpt2_end(const char *text, size_t length, size_t at)
{
    if (text[at] == '\'') {
        const size_t n = contraction(text + at, length - at, false);
        if (n > 0)
            return at + n;
    }
    size_t step;
    const size_t start = at + (text[at] == ' ');
    if (start < length) {
        const char_class kind = class_at(text + start, length - start, &step);
        if (kind != SPACE)
            return run_end(text, length, start + step, kind, SIZE_MAX);
    }
    return space_end(text, length, at);
}

swg_pattern_end *swg_pattern_find(const char *pattern)
{
    static const struct {
        const char *pattern;
        swg_pattern_end *end;
    } known[] = {
        {swg_pattern_gpt2, gpt2_end},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(pattern, known[i].pattern) == 0)
            return known[i].end;
    return NULL;
}
