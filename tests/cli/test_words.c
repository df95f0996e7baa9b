/* Suggestions, patterns, sizes. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/cli/cli.h"

static const char *const names[] = {"group-size", "output", "force", "calibration", "run", "sweep"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static const char *nearest(const char *word)
{
    const char *found = swg_nearest_word(word, names, N_NAMES);
    return found ? found : "(none)";
}

START_TEST(nearest_word_finds_slips_of_the_keyboard)
{
    ck_assert_str_eq(nearest("group-size"), "group-size");
    ck_assert_str_eq(nearest("group_size"), "group-size"); /* another letter */
    ck_assert_str_eq(nearest("outptu"), "output");         /* swapped */
    ck_assert_str_eq(nearest("ouput"), "output");          /* missing */
    ck_assert_str_eq(nearest("forrce"), "force");          /* doubled */
    ck_assert_str_eq(nearest("calibratoin"), "calibration");
}
END_TEST

START_TEST(nearest_word_stops_at_a_third_of_the_length)
{
    ck_assert_str_eq(nearest("swxxp"), "(none)"); /* two of five */
    ck_assert_str_eq(nearest("sweexx"), "sweep"); /* two of six */
    ck_assert_str_eq(nearest("ru"), "run");       /* too short for a typing error, but a prefix */
    ck_assert_str_eq(nearest("rx"), "(none)");
    ck_assert_str_eq(nearest(""), "(none)");
    ck_assert_str_eq(nearest("entirely different"), "(none)");
}
END_TEST

START_TEST(nearest_word_completes_only_what_is_unique)
{
    static const char *const alike[] = {"max-tokens", "max-bytes", "group"};
    ck_assert_str_eq(swg_nearest_word("g", alike, 3), "group");
    ck_assert_ptr_null(swg_nearest_word("max", alike, 3));
    ck_assert_str_eq(swg_nearest_word("max-t", alike, 3), "max-tokens");
    ck_assert_ptr_null(swg_nearest_word("x", alike, 0));
}
END_TEST

START_TEST(nearest_word_takes_any_length)
{
    char word[4096];
    memset(word, 'a', sizeof word);
    for (size_t length = 120; length < 140; length++) {
        word[length] = '\0';
        const char *const one[] = {word};
        const char *found = swg_nearest_word(word, one, 1);
        ck_assert_int_eq(found == word, length <= 127);
        ck_assert_ptr_null(swg_nearest_word("b", one, 1));
        word[length] = 'a';
    }
}
END_TEST

START_TEST(counts_of_bytes)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0 = refused */
    } cases[] = {
        {"1", 1},
        {"1K", 1024},
        {"20000000K", UINT64_C(20480000000)},
        {"5G", UINT64_C(5) << 30},
        {"9007199254740991", (UINT64_C(1) << 53) - 1},
        {"8388607G", UINT64_C(8388607) << 30},
        {"9007199254740992", 0},
        {"8388608G", 0},
        {"99999999999999999999", 0},
        {"0", 0},
        {"0K", 0},
        {"", 0},
        {"K", 0},
        {"-1", 0},
        {"1.5G", 0},
        {"1KB", 0},
        {"1T", 0},
        {" 1", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 7;
        const swg_status status = swg_parse_bytes("max-memory", cases[i].text, &bytes);
        ck_assert_msg(status == (cases[i].bytes ? SWG_OK : SWG_USAGE), "\"%s\"", cases[i].text);
        ck_assert_uint_eq(bytes, cases[i].bytes ? cases[i].bytes : 7);
        if (!cases[i].bytes)
            ck_assert_ptr_nonnull(strstr(swg_error_message(), "--max-memory"));
    }
}
END_TEST

START_TEST(pattern_without_wildcards_matches_whole_parts)
{
    const char *name = "model.layers.10.q_proj.weight";
    ck_assert(swg_pattern_matches("q_proj", name));
    ck_assert(swg_pattern_matches("model", name));
    ck_assert(swg_pattern_matches("weight", name));
    ck_assert(swg_pattern_matches("layers.10", name));
    ck_assert(swg_pattern_matches(name, name));
    ck_assert(!swg_pattern_matches("layers.1", name));
    ck_assert(!swg_pattern_matches("proj", name));
    ck_assert(!swg_pattern_matches("odel", name));
    ck_assert(!swg_pattern_matches("weigh", name));
    ck_assert(!swg_pattern_matches("", name));
    ck_assert(swg_pattern_matches("", ""));
    ck_assert(swg_pattern_matches("aa", "baa.aa")); /* the first occurrence is not a whole part */
}
END_TEST

START_TEST(pattern_with_wildcards_matches_the_whole_name)
{
    ck_assert(swg_pattern_matches("*", ""));
    ck_assert(swg_pattern_matches("*", "anything.at.all"));
    ck_assert(swg_pattern_matches("*.weight", "a.b.weight"));
    ck_assert(!swg_pattern_matches("*.weight", "a.b.weights"));
    ck_assert(swg_pattern_matches("layers.?.q", "layers.7.q"));
    ck_assert(!swg_pattern_matches("layers.?.q", "layers.17.q"));
    ck_assert(!swg_pattern_matches("?", ""));
    ck_assert(swg_pattern_matches("**a**", "bab"));
    ck_assert(swg_pattern_matches("*ab*ab*c", "ababxabc"));
    ck_assert(!swg_pattern_matches("*ab*ab*c", "abxabx"));
    ck_assert(!swg_pattern_matches("q*", "model.q"));
}
END_TEST

START_TEST(pattern_counts_characters_not_bytes)
{
    ck_assert(swg_pattern_matches("a?c", "a\xc3\xa9"
                                         "c"));
    ck_assert(!swg_pattern_matches("a?\xa9*", "a\xc3\xa9"));
    ck_assert(swg_pattern_matches("a?c", "a\xff"
                                         "c"));
}
END_TEST

START_TEST(hostile_pattern_takes_no_exponential_time)
{
    char name[2001], pattern[201];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < sizeof pattern - 1; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[sizeof pattern - 2] = 'b';
    pattern[sizeof pattern - 1] = '\0';
    ck_assert(!swg_pattern_matches(pattern, name));
}
END_TEST

START_TEST(bytes_are_shown_in_binary_units)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {17, "17 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {12288, "12.0 KiB"},
        {1572864, "1.5 MiB"},
        {(1u << 20) - 1, "1.0 MiB"},
        {(1u << 20) - 100, "1023.9 KiB"},
        {UINT64_C(1) << 30, "1.0 GiB"},
        {(UINT64_C(1) << 40) - 1, "1.0 TiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_str_eq(swg_format_bytes(rows[i].bytes, text), rows[i].text);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("words");
    TCase *cases = tcase_create("words");
    tcase_add_test(cases, counts_of_bytes);
    tcase_add_test(cases, nearest_word_finds_slips_of_the_keyboard);
    tcase_add_test(cases, nearest_word_stops_at_a_third_of_the_length);
    tcase_add_test(cases, nearest_word_completes_only_what_is_unique);
    tcase_add_test(cases, nearest_word_takes_any_length);
    tcase_add_test(cases, pattern_without_wildcards_matches_whole_parts);
    tcase_add_test(cases, pattern_with_wildcards_matches_the_whole_name);
    tcase_add_test(cases, pattern_counts_characters_not_bytes);
    tcase_add_test(cases, hostile_pattern_takes_no_exponential_time);
    tcase_add_test(cases, bytes_are_shown_in_binary_units);
    suite_add_tcase(suite, cases);
    return suite;
}
