/* UTF-8: see utf8.h. */
#include "runtime/base/utf8.h"

/* Length that a lead byte announces; 0 for a byte that cannot lead. */
static size_t announced_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

/* Whether `second` may follow `lead`: this is where overlong forms, surrogates and values beyond
 * U+10FFFF are refused. */
static bool may_follow(unsigned char lead, unsigned char second)
{
    const unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

/* Valid bytes at the start of a sequence, up to its announced length. */
static size_t valid_start(const unsigned char *s, size_t length, size_t announced)
{
    size_t n = 1;
    while (n < announced && n < length) {
        const bool ok = n == 1 ? may_follow(s[0], s[1]) : (s[n] & 0xc0) == 0x80;
        if (!ok)
            break;
        n++;
    }
    return n;
}

size_t swg_utf8_decode(const char *text, size_t length, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    const size_t announced = announced_length(s[0]);
    if (announced == 0 || announced > length || valid_start(s, length, announced) < announced)
        return 0;
    uint32_t value = announced == 1 ? s[0] : s[0] & (0x7fu >> announced);
    for (size_t i = 1; i < announced; i++)
        value = value << 6 | (s[i] & 0x3f);
    if (code)
        *code = value;
    return announced;
}

size_t swg_utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(leads[length] | code);
    return length;
}

size_t swg_utf8_complete_prefix(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        const size_t start = length - back;
        const size_t announced = announced_length(s[start]);
        if (announced > back && valid_start(s + start, back, announced) == back)
            return start;
        if (announced != 0)
            break;
    }
    return length;
}

bool swg_utf8_is_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        const size_t step = swg_utf8_decode(text + i, length - i, NULL);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

bool swg_name_is_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        if (text[i] >= 0x20 && text[i] < 0x7f) { /* nearly all */
            i++;
            continue;
        }
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(text + i, length - i, &code);
        const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        if (step == 0 || is_control)
            return false;
        i += step;
    }
    return true;
}
