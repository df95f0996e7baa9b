/* Strict JSON: accepted texts read back correctly, all others are refused with the position. */
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "formats/json/json_check.h"
#include "formats/json/json_scan.h"
#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"
#include "tests/harness.h"
#include "tests/work_count.h"

static swg_status parse(const char *text)
{
    swg_json_doc *doc = NULL;
    const swg_status status = swg_json_parse(text, strlen(text), "text", &doc);
    ck_assert((status == SWG_OK) == (doc != NULL));
    swg_json_free(&doc);
    return status;
}

START_TEST(values_read_back)
{
    static const char text[] =
        "{\"a\": [1, -2.5e3, true, null], \"b\\u00e9\": \"x\\ud83d\\ude00\\n\","
        " \"c\": {\"d\": 9007199254740992, \"A\": false}} ";
    swg_json_doc *doc = NULL;
    ck_ok(swg_json_parse(text, sizeof text - 1, "text", &doc));
    const swg_json *root = swg_json_root(doc);
    ck_assert_int_eq(swg_json_kind_of(root), SWG_JSON_OBJECT);
    ck_assert_uint_eq(swg_json_count(root), 3);
    const swg_json *a = swg_json_get(root, "a");
    ck_assert_uint_eq(swg_json_count(a), 4);
    int64_t integer = 0;
    double number = 0;
    bool flag = false;
    const char *string = NULL;
    ck_assert(swg_json_as_int(swg_json_at(a, 0), &integer) && integer == 1);
    ck_assert(swg_json_as_double(swg_json_at(a, 1), &number) && number == -2500.0);
    ck_assert(swg_json_as_bool(swg_json_at(a, 2), &flag) && flag);
    ck_assert_int_eq(swg_json_kind_of(swg_json_at(a, 3)), SWG_JSON_NULL);
    ck_assert_ptr_null(swg_json_at(a, 4));
    ck_assert(swg_json_as_string(swg_json_get(root, "b\xc3\xa9"), &string));
    ck_assert_str_eq(string, "x\xf0\x9f\x98\x80\n");
    const swg_json *c = swg_json_get(root, "c");
    ck_assert(swg_json_as_int(swg_json_get(c, "d"), &integer));
    ck_assert_int_eq(integer, INT64_C(9007199254740992));
    ck_assert_ptr_null(swg_json_get(c, "a")); /* exact case */
    ck_assert_str_eq(swg_json_key(swg_json_first(c)), "d");
    ck_assert_str_eq(swg_json_key(swg_json_next(swg_json_first(c))), "A");
    ck_assert(!swg_json_as_int(swg_json_get(c, "A"), &integer));
    ck_assert(!swg_json_as_string(NULL, &string));
    swg_json_free(&doc);
}
END_TEST

/* What transformers write for "no longest text" is exactly the double 1e30: a number, no integer
 * that anything could count with. */
START_TEST(a_large_integer_that_is_a_double_is_kept)
{
    static const char text[] = "{\"model_max_length\": 1000000000000000019884624838656, \"a\": 7}";
    swg_json_doc *doc = NULL;
    int64_t integer;
    double number = 0;
    ck_ok(swg_json_parse(text, sizeof text - 1, "text", &doc));
    const swg_json *value = swg_json_get(swg_json_root(doc), "model_max_length");
    ck_assert(swg_json_as_double(value, &number) && number == 1e30);
    ck_assert(!swg_json_as_int(value, &integer));
    ck_assert(swg_json_as_int(swg_json_get(swg_json_root(doc), "a"), &integer) && integer == 7);
    swg_json_free(&doc);
    uint64_t count;
    swg_json_scan scan = swg_json_scan_begin("1000000000000000019884624838656", 31);
    ck_assert(!swg_json_scan_count(&scan, &count));
}
END_TEST

START_TEST(bad_text_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "[1 2]",
        "1 2",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "nulll",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\n\"",
        "\"\t\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\xef\xbb\xbf{}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "9007199254740993",
        "-9007199254740993",
        "100000000000000000000000",
        "1e400",
        "-1e400",
        "[1]]",
        "{}x",
        "\"a\x01\"",
        "[\"\\\"]",
        "0.0000000000000000000000000000000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const swg_status status = parse(bad[i]);
        ck_assert_msg(status == SWG_CORRUPT, "\"%s\" gave status %d", bad[i], (int)status);
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "text: bad JSON"));
    }
    /* A NUL is refused everywhere. */
    swg_json_doc *doc = NULL;
    ck_status_is(SWG_CORRUPT, swg_json_parse("{}\0", 3, "text", &doc));
    ck_status_is(SWG_CORRUPT, swg_json_parse("\"a\0b\"", 5, "text", &doc));
}
END_TEST

START_TEST(good_corner_cases_are_accepted)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "1e-400",
                                       "\"\"",
                                       "{}",
                                       "[]",
                                       " [ ] ",
                                       "1E5",
                                       "{\"\":{}}",
                                       "{\"a\":1,\"A\":2}",
                                       "-9007199254740992"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_ok(parse(good[i]));
}
END_TEST

/* "[1,1,1 ... 1]": two bytes of text per value, and many times that of memory. */
START_TEST(values_end_at_2_to_the_24)
{
    enum { ITEMS = SWG_JSON_MAX_VALUES }; /* and the array itself: one too many */
    const size_t length = 2 * (size_t)ITEMS + 1;
    char *text = swg_malloc(length, 1);
    swg_json_doc *doc = NULL;
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < length; i++)
        text[i] = i % 2 ? '1' : ',';
    text[0] = '[';
    text[length - 1] = ']';
    swg_mem_set_limit(swg_mem_in_use()); /* nothing is built */
    ck_status_is(SWG_LIMIT, swg_json_parse(text, length, "many", &doc));
    swg_mem_set_limit(0);
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "more than 16777216 values"));
    text[length - 3] = ']';
    ck_ok(swg_json_check(text, length - 2, "as many as may be"));
    swg_free(text);
}
END_TEST

START_TEST(nesting_ends_at_64)
{
    char text[2 * 65 + 1];
    for (size_t depth = 64; depth <= 65; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        ck_status_is(depth == 64 ? SWG_OK : SWG_CORRUPT, parse(text));
    }
}
END_TEST

START_TEST(truncation_and_flips_never_crash)
{
    static const char text[] =
        "{\"k\":[1,2.5,\"\\u00e9\\ud83d\\ude00\",true,null],\"\xc3\xa9\":{\"x\":-1e5}}";
    const size_t length = sizeof text - 1;
    swg_json_doc *doc = NULL;
    for (size_t cut = 0; cut < length; cut++)
        ck_status_is(SWG_CORRUPT, swg_json_parse(text, cut, "text", &doc));
    char copy[sizeof text];
    for (size_t at = 0; at < length; at++)
        for (int value = 0; value < 256; value++) {
            memcpy(copy, text, sizeof text);
            copy[at] = (char)value;
            const swg_status status = swg_json_parse(copy, length, "text", &doc);
            ck_assert(status == SWG_OK || status == SWG_CORRUPT);
            swg_json_free(&doc);
        }
}
END_TEST

/* String comparisons and allocations that it takes to parse an object of `count` keys and to look
 * each of them up. */
static swg_test_work_count work_of_keys(int count)
{
    swg_strbuf text = {0};
    swg_json_doc *doc = NULL;
    swg_strbuf_puts(&text, "{");
    for (int i = 0; i < count; i++)
        swg_strbuf_printf(&text, "%s\"key%d\":%d", i ? "," : "", i, i);
    swg_strbuf_puts(&text, "}");
    ck_ok(swg_strbuf_status(&text));
    swg_test_count_work();
    ck_ok(swg_json_parse(text.text, text.length, "text", &doc));
    for (int i = 0; i < count; i++) {
        char key[16];
        int64_t value = -1;
        snprintf(key, sizeof key, "key%d", i);
        ck_assert(swg_json_as_int(swg_json_get(swg_json_root(doc), key), &value) && value == i);
    }
    const swg_test_work_count work = swg_test_counted_work();
    ck_assert_ptr_null(swg_json_get(swg_json_root(doc), "absent"));
    swg_json_free(&doc);
    text.length--;
    swg_strbuf_puts(&text, ",\"key500\":0}");
    ck_status_is(SWG_CORRUPT, swg_json_parse(text.text, text.length, "text", &doc));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "duplicate key \"key500\""));
    swg_strbuf_deinit(&text);
    return work;
}

START_TEST(work_for_large_objects_is_not_quadratic)
{
    swg_test_compare_work(work_of_keys(25000), work_of_keys(100000), 4);
}
END_TEST

static swg_status parse_work(void *context)
{
    swg_json_doc *doc = NULL;
    const swg_strbuf *text = context;
    SWG_TRY(swg_json_parse(text->text, text->length, "text", &doc));
    swg_json_free(&doc);
    return SWG_OK;
}

START_TEST(each_allocation_may_fail)
{
    swg_strbuf text = {0};
    swg_strbuf_puts(&text, "[{");
    for (int i = 0; i < 3000; i++)
        swg_strbuf_printf(&text, "%s\"key%d\":[\"%d\"]", i ? "," : "", i, i);
    swg_strbuf_puts(&text, "}]");
    swg_test_each_allocation_fails(parse_work, &text);
    swg_strbuf_deinit(&text);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *cases = tcase_create("json");
    tcase_add_test(cases, values_read_back);
    tcase_add_test(cases, a_large_integer_that_is_a_double_is_kept);
    tcase_add_test(cases, bad_text_is_refused);
    tcase_add_test(cases, good_corner_cases_are_accepted);
    tcase_add_test(cases, values_end_at_2_to_the_24);
    tcase_add_test(cases, nesting_ends_at_64);
    tcase_add_test(cases, truncation_and_flips_never_crash);
    tcase_add_test(cases, work_for_large_objects_is_not_quadratic);
    tcase_add_test(cases, each_allocation_may_fail);
    suite_add_tcase(suite, cases);
    return suite;
}
