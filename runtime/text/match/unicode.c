/* Characters: see unicode.h. Sole user of utf8proc, whose version of Unicode (15 in
 * Debian 12) decides about young characters. */
#include "runtime/text/match/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "runtime/base/mem.h"
#include "runtime/base/utf8.h"

enum {
    SHORT_TEXT = 128, /* characters that are normalized without an allocation */
    FEW_MARKS = 16    /* marks in a row that real text has */
};

static bool category_between(uint32_t code, utf8proc_category_t first, utf8proc_category_t last)
{
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= first && category <= last;
}

bool swg_char_is_space(uint32_t code)
{
    if (code < 0x80)
        return code == ' ' || (code >= '\t' && code <= '\r');
    return code == 0x85 || category_between(code, UTF8PROC_CATEGORY_ZS, UTF8PROC_CATEGORY_ZP);
}

bool swg_char_is_letter(uint32_t code)
{
    if (code < 0x80)
        return (code | 0x20) - 'a' < 26;
    return category_between(code, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

bool swg_char_is_number(uint32_t code)
{
    if (code < 0x80)
        return code - '0' < 10;
    return category_between(code, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO);
}

bool swg_char_is_mark(uint32_t code)
{
    return category_between(code, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME);
}

bool swg_char_is_nonspacing(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_MN;
}

bool swg_char_is_word(uint32_t code)
{
    /* Alphabetic though they are symbols, and the two joiners. */
    static const uint32_t others[][2] = {{0x200c, 0x200d},
                                         {0x24b6, 0x24e9},
                                         {0x1f130, 0x1f149},
                                         {0x1f150, 0x1f169},
                                         {0x1f170, 0x1f189}};
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    if (category_between(code, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_NL) ||
        category == UTF8PROC_CATEGORY_PC)
        return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (code >= others[i][0] && code <= others[i][1])
            return true;
    return false;
}

bool swg_char_is_control(uint32_t code)
{
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category == UTF8PROC_CATEGORY_CN ||
           category_between(code, UTF8PROC_CATEGORY_CC, UTF8PROC_CATEGORY_CO);
}

bool swg_char_is_punctuation(uint32_t code)
{
    if (code < 0x80)
        return code > 0x20 && code < 0x7f && !swg_char_is_letter(code) && !swg_char_is_number(code);
    return category_between(code, UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO);
}

size_t swg_utf8_previous(const char *text, size_t end)
{
    size_t start = end - 1;
    while (start > 0 && end - start < 4 && ((unsigned char)text[start] & 0xc0) == 0x80)
        start--;
    return start;
}

void swg_char_append(swg_strbuf *out, uint32_t code)
{
    char bytes[4];
    swg_strbuf_append(out, bytes, swg_utf8_encode(code, bytes));
}

void swg_char_append_lower(swg_strbuf *out, uint32_t code)
{
    if (code == 0x130) /* the one character whose lower case is two: i and a dot above */
        swg_strbuf_puts(out, "i\xcc\x87");
    else
        swg_char_append(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)code));
}

void swg_char_append_upper(swg_strbuf *out, uint32_t code)
{
    if (code == 0xdf) /* sharp s: two letters */
        swg_strbuf_puts(out, "SS");
    else
        swg_char_append(out, (uint32_t)utf8proc_toupper((utf8proc_int32_t)code));
}

static unsigned combining_class(utf8proc_int32_t code)
{
    return (unsigned)utf8proc_get_property(code)->combining_class;
}

/* Sort a run of marks by class, equal classes in their order. */
static void sort_few_marks(utf8proc_int32_t *marks, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const utf8proc_int32_t mark = marks[i];
        size_t at = i;
        for (; at > 0 && combining_class(marks[at - 1]) > combining_class(mark); at--)
            marks[at] = marks[at - 1];
        marks[at] = mark;
    }
}

static swg_status sort_many_marks(utf8proc_int32_t *marks, size_t n)
{
    size_t next[256] = {0}; /* place of the next mark of a class */
    utf8proc_int32_t *sorted = swg_malloc(n, sizeof *sorted);
    if (!sorted)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        next[combining_class(marks[i])]++;
    for (size_t class = 0, place = 0; class < 256; class ++) {
        const size_t count = next[class];
        next[class] = place;
        place += count;
    }
    for (size_t i = 0; i < n; i++)
        sorted[next[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, sorted, n * sizeof *marks);
    swg_free(sorted);
    return SWG_OK;
}

/* Put every run of marks in canonical order. */
static swg_status sort_marks(utf8proc_int32_t *codes, size_t n_codes)
{
    for (size_t at = 0, n; at < n_codes; at += n + 1) {
        n = 0;
        while (at + n < n_codes && combining_class(codes[at + n]) > 0)
            n++;
        if (n > FEW_MARKS)
            SWG_TRY(sort_many_marks(codes + at, n));
        else
            sort_few_marks(codes + at, n);
    }
    return SWG_OK;
}

/* Decompose valid UTF-8 to `codes`, which has room for exactly what it becomes. This is
 * utf8proc_decompose but for the time that a long run of marks takes, which there is quadratic. */
static swg_status decompose(const char *text, size_t length, utf8proc_option_t options,
                            utf8proc_int32_t *codes, size_t n_codes)
{
    size_t n = 0;
    int bound_class = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        at += swg_utf8_decode(text + at, length - at, &code);
        n +=
            (size_t)utf8proc_decompose_char((utf8proc_int32_t)code, codes + n,
                                            (utf8proc_ssize_t)(n_codes - n), options, &bound_class);
    }
    return sort_marks(codes, n_codes);
}

swg_status swg_unicode_normalize(swg_normal_form form, const char *text, size_t length,
                                 swg_strbuf *out)
{
    static const utf8proc_option_t options[] = {
        [SWG_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [SWG_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [SWG_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [SWG_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    /* A character decomposes to 18 at most; the first call says how many there are in all. */
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    const utf8proc_ssize_t needed =
        utf8proc_decompose(bytes, (utf8proc_ssize_t)length, NULL, 0, options[form]);
    if (needed < 0)
        return swg_error(SWG_FAILED, "text cannot be normalized: %s", utf8proc_errmsg(needed));
    utf8proc_int32_t few[SHORT_TEXT], *codes = few;
    if (needed >= SHORT_TEXT && !(codes = swg_malloc((size_t)needed + 1, sizeof *codes)))
        return SWG_NO_MEMORY;
    swg_status status = decompose(text, length, options[form], codes, (size_t)needed);
    const utf8proc_ssize_t written =
        status == SWG_OK ? utf8proc_reencode(codes, needed, options[form]) : 0;
    if (written < 0)
        status = swg_error(SWG_FAILED, "text cannot be normalized: %s", utf8proc_errmsg(written));
    else
        swg_strbuf_append(out, codes, (size_t)written);
    if (codes != few)
        swg_free(codes);
    return status == SWG_OK ? swg_strbuf_status(out) : status;
}
