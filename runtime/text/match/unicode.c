/* Characters: see unicode.h. Sole user of utf8proc, whose version of Unicode (15 in
 * Debian 12) decides about young characters. */
#include "runtime/text/match/unicode.h"

#include <utf8proc.h>

#include "runtime/base/mem.h"
#include "runtime/base/utf8.h"

enum { SHORT_TEXT = 128 }; /* characters that are normalized without an allocation */

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
    utf8proc_decompose(bytes, (utf8proc_ssize_t)length, codes, needed, options[form]);
    const utf8proc_ssize_t written = utf8proc_reencode(codes, needed, options[form]);
    if (written >= 0)
        swg_strbuf_append(out, codes, (size_t)written);
    if (codes != few)
        swg_free(codes);
    return written < 0
               ? swg_error(SWG_FAILED, "text cannot be normalized: %s", utf8proc_errmsg(written))
               : swg_strbuf_status(out);
}
