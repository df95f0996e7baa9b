/* White space of Unicode: see white_space.h. */
#include "eval/white_space.h"

#include <stddef.h>
#include <string.h>

/* Bytes of the white space that begins at `at`, 0 if there is none: what Python's \s matches. */
static size_t space_at(const char *at, const char *end)
{
    static const char *const wide[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
    const unsigned char c = (unsigned char)*at;
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        const size_t n = strlen(wide[i]);
        if ((size_t)(end - at) >= n && memcmp(at, wide[i], n) == 0)
            return n;
    }
    return 0;
}

const char *swg_skip_space(const char *at, const char *end)
{
    for (size_t n; at < end && (n = space_at(at, end)); at += n)
        ;
    return at;
}

const char *swg_trim_end(const char *at, const char *end)
{
    const char *last = at;
    while (at < end) {
        const size_t n = space_at(at, end);
        at += n ? n : 1;
        if (!n)
            last = at;
    }
    return last;
}
