/* UTF-8: every code point, every class of malformed sequence, boundaries of prefixes. */
#include "tests/harness.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

START_TEST(every_scalar_value_round_trips)
{
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        char text[4];
        uint32_t back = 0;
        const size_t length = swg_utf8_encode(code, text);
        bool ok = length == (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        ok = ok && swg_utf8_decode(text, length, &back) == length && back == code;
        for (size_t cut = 1; cut < length; cut++)
            ok = ok && swg_utf8_decode(text, cut, &back) == 0 &&
                 swg_utf8_complete_prefix(text, cut) == 0;
        if (!ok || swg_utf8_complete_prefix(text, length) != length)
            ck_abort_msg("U+%04X", code);
    }
}
END_TEST

/* Strings of one to three bytes, all of them, against the definition: a sequence is well formed
 * when encoding some scalar value gives it. */
START_TEST(exactly_the_encodings_are_well_formed)
{
    static unsigned char two[0x10000], three[0x1000000 / 8];
    char text[4];
    for (uint32_t code = 0x80; code <= 0xffff; code++) {
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        const size_t length = swg_utf8_encode(code, text);
        const unsigned char *s = (const unsigned char *)text;
        if (length == 2)
            two[s[0] << 8 | s[1]] = 1;
        else
            three[(s[0] << 16 | s[1] << 8 | s[2]) >> 3] |= (unsigned char)(1u << (s[2] & 7));
    }
    /* Counted by hand: one assertion per sequence would take longer than the decoding. */
    size_t n_wrong = 0;
    for (uint32_t lead = 0x80; lead < 0x100; lead++)
        for (uint32_t second = 0; second < 0x100; second++) {
            text[0] = (char)lead;
            text[1] = (char)second;
            const bool is_two = two[lead << 8 | second] != 0;
            n_wrong += swg_utf8_decode(text, 2, NULL) != (is_two ? 2 : 0);
            for (uint32_t third = 0; third < 0x100; third++) {
                text[2] = (char)third;
                const uint32_t all = lead << 16 | second << 8 | third;
                const bool is_three = three[all >> 3] >> (third & 7) & 1;
                n_wrong += swg_utf8_decode(text, 3, NULL) != (is_two ? 2 : is_three ? 3 : 0);
            }
        }
    ck_assert_uint_eq(n_wrong, 0);
}
END_TEST

START_TEST(malformed_sequences_are_refused)
{
    static const char *const texts[] = {
        "\x80",             /* continuation alone */
        "\xbf\x80",         /* two of them */
        "\xc0\x80",         /* overlong NUL */
        "\xc1\xbf",         /* overlong of two */
        "\xe0\x9f\xbf",     /* overlong of three */
        "\xf0\x8f\xbf\xbf", /* overlong of four */
        "\xed\xa0\x80",     /* first surrogate */
        "\xed\xbf\xbf",     /* last surrogate */
        "\xf4\x90\x80\x80", /* U+110000 */
        "\xf5\x80\x80\x80", /* lead beyond Unicode */
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xe2\x82",     /* cut */
        "\xe2\x28\xa1", /* second is none */
        "\xf0\x9f\x98",
        "\xf0\x9f\x28\x80",
        "\xf0\x9f\x98\x28",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint32_t code = 77;
        ck_assert_uint_eq(swg_utf8_decode(texts[i], strlen(texts[i]), &code), 0);
        ck_assert_uint_eq(code, 77);
        ck_assert(!swg_utf8_is_valid(texts[i], strlen(texts[i])));
        char inside[16];
        snprintf(inside, sizeof inside, "ab%sc", texts[i]);
        ck_assert(!swg_utf8_is_valid(inside, strlen(inside)));
    }
    ck_assert(swg_utf8_is_valid("", 0));
    ck_assert(swg_utf8_is_valid("a\0\xc3\xa9", 4));
}
END_TEST

START_TEST(complete_prefix_holds_back_only_what_may_become_valid)
{
    static const struct {
        const char *text;
        size_t complete;
    } rows[] = {
        {"", 0},
        {"abc", 3},
        {"ab\xc3", 2},
        {"ab\xe2\x82", 2},
        {"ab\xf0\x9f\x98", 2},
        {"ab\xf0\x9f\x98\x80", 6},
        {"ab\xe2\x28", 4},     /* the second byte is none */
        {"ab\xe0\x80", 4},     /* would be overlong */
        {"ab\xed\xa0", 4},     /* would be a surrogate */
        {"ab\xf4\x90\x80", 5}, /* would be beyond Unicode */
        {"ab\x80\x80\x80", 5}, /* no lead */
        {"ab\xc3\xa9\xc3", 4},
        {"\xe2\xe2", 1}, /* the first can never become valid, the second can */
        {"ab\xff", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(swg_utf8_complete_prefix(rows[i].text, strlen(rows[i].text)) ==
                          rows[i].complete,
                      "row %zu", i);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("utf8");
    TCase *cases = tcase_create("utf8");
    tcase_add_test(cases, every_scalar_value_round_trips);
    tcase_add_test(cases, exactly_the_encodings_are_well_formed);
    tcase_add_test(cases, malformed_sequences_are_refused);
    tcase_add_test(cases, complete_prefix_holds_back_only_what_may_become_valid);
    suite_add_tcase(suite, cases);
    return suite;
}
