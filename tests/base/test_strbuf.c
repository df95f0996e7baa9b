/* The growing string and the JSON writer. */
#include "tests/harness.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/base/json_writer.h"

START_TEST(pieces_add_up)
{
    swg_strbuf buffer = {0};
    ck_assert_str_eq(swg_strbuf_text(&buffer), "");
    swg_strbuf_append(&buffer, NULL, 0);
    swg_strbuf_puts(&buffer, "a");
    swg_strbuf_append(&buffer, "b\0c", 3);
    swg_strbuf_printf(&buffer, "%d%s", 42, "");
    ck_ok(swg_strbuf_status(&buffer));
    ck_assert_uint_eq(buffer.length, 6);
    ck_assert_mem_eq(swg_strbuf_text(&buffer), "ab\0c42", 7);
    for (int i = 0; i < 5000; i++)
        swg_strbuf_printf(&buffer, "%07d", i);
    ck_assert_uint_eq(buffer.length, 6 + 35000);
    ck_assert_str_eq(buffer.text + 6 + 7 * 4999, "0004999");
    swg_strbuf_deinit(&buffer);
    ck_assert_ptr_null(buffer.text);
    swg_strbuf_deinit(&buffer);
}
END_TEST

START_TEST(failure_is_sticky)
{
    swg_strbuf buffer = {0};
    swg_mem_fail_at(1, false);
    swg_strbuf_puts(&buffer, "lost");
    swg_mem_fail_at(0, false);
    swg_strbuf_puts(&buffer, "late");
    swg_strbuf_printf(&buffer, "late");
    ck_assert_uint_eq(buffer.length, 0);
    ck_status_is(SWG_NO_MEMORY, swg_strbuf_status(&buffer));
    ck_assert_str_ne(swg_error_message(), "");
    swg_strbuf_deinit(&buffer);
}
END_TEST

static void writes(swg_json_writer *json, const char *wanted)
{
    ck_ok(swg_strbuf_status(&json->out));
    ck_assert_str_eq(swg_strbuf_text(&json->out), wanted);
    swg_json_deinit(json);
    *json = (swg_json_writer){.compact = true};
}

START_TEST(values_and_layout)
{
    swg_json_writer json = {0};
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "name", "w");
    swg_json_begin_array(&json, "shape");
    swg_json_int(&json, NULL, INT64_MIN);
    swg_json_uint(&json, NULL, UINT64_MAX);
    swg_json_end_array(&json);
    swg_json_begin_object(&json, "empty");
    swg_json_end_object(&json);
    swg_json_bool(&json, "yes", true);
    swg_json_bool(&json, "no", false);
    swg_json_null(&json, "none");
    swg_json_raw(&json, "raw", "[1,2]", 5);
    swg_json_end_object(&json);
    writes(&json, "{\n  \"name\": \"w\",\n  \"shape\": [\n    -9223372036854775808,\n"
                  "    18446744073709551615\n  ],\n  \"empty\": {},\n  \"yes\": true,\n"
                  "  \"no\": false,\n  \"none\": null,\n  \"raw\": [1,2]\n}");
    swg_json_begin_array(&json, NULL);
    swg_json_begin_array(&json, NULL);
    swg_json_end_array(&json);
    swg_json_begin_object(&json, NULL);
    swg_json_int(&json, "a", 1);
    swg_json_int(&json, "b", 2);
    swg_json_end_object(&json);
    swg_json_end_array(&json);
    writes(&json, "[[],{\"a\":1,\"b\":2}]");
}
END_TEST

START_TEST(strings_are_escaped)
{
    swg_json_writer json = {.compact = true};
    swg_json_string(&json, NULL, "quote \" backslash \\ slash / line\n tab\t bell\a \x1f \x7f");
    writes(&json, "\"quote \\\" backslash \\\\ slash / line\\n tab\\u0009 bell\\u0007 \\u001f "
                  "\\u007f\"");
    swg_json_string_n(&json, NULL, "a\0b", 3);
    writes(&json, "\"a\\u0000b\"");
    swg_json_string(&json, NULL, "\xc3\xa9 \xf0\x9f\x98\x80");
    writes(&json, "\"\xc3\xa9 \xf0\x9f\x98\x80\"");
    swg_json_string(&json, NULL, "cut \xe2\x82 surrogate \xed\xa0\x80 end");
    writes(&json, "\"cut \xef\xbf\xbd\xef\xbf\xbd surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                  "end\"");
    swg_json_begin_object(&json, NULL);
    swg_json_int(&json, "key \"x\"\n", 1);
    swg_json_end_object(&json);
    writes(&json, "{\"key \\\"x\\\"\\n\":1}");
}
END_TEST

static void double_is(double value, const char *wanted)
{
    swg_json_writer json = {.compact = true};
    swg_json_double(&json, NULL, value);
    writes(&json, wanted);
}

START_TEST(doubles_are_short_and_read_back)
{
    double_is(0, "0");
    double_is(-0.0, "-0");
    double_is(0.1, "0.1");
    double_is(1.0 / 3, "0.3333333333333333");
    double_is(1e21, "1e+21");
    double_is(5e-324, "5e-324");
    double_is(1.7976931348623157e308, "1.7976931348623157e+308");
    double_is(NAN, "null");
    double_is(INFINITY, "null");
    double_is(-INFINITY, "null");
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (int i = 0; i < 20000; i++) {
        const uint64_t bits = swg_rng_next(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        swg_json_writer json = {0};
        swg_json_double(&json, NULL, value);
        const double back = strtod(swg_strbuf_text(&json.out), NULL);
        if (memcmp(&back, &value, sizeof back) != 0)
            ck_abort_msg("%a became %s", value, swg_strbuf_text(&json.out));
        swg_json_deinit(&json);
    }
}
END_TEST

/* A German locale would write "0,5". */
START_TEST(doubles_do_not_depend_on_the_locale)
{
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fa_IR.UTF-8"};
    size_t i = 0;
    while (i < sizeof locales / sizeof locales[0] && !setlocale(LC_NUMERIC, locales[i]))
        i++;
    if (i == sizeof locales / sizeof locales[0]) {
        swg_test_skip("no locale with a decimal comma is installed");
        return;
    }
    double_is(0.5, "0.5");
    double_is(-1.25e-7, "-1.25e-07");
    double_is(1e21, "1e+21");
    double_is(-3, "-3");
    setlocale(LC_NUMERIC, "C");
}
END_TEST

START_TEST(unbalanced_and_deep_nesting_fail)
{
    swg_json_writer json = {0};
    swg_json_end_array(&json);
    ck_assert_int_ne(swg_strbuf_status(&json.out), SWG_OK);
    swg_json_deinit(&json);
    json = (swg_json_writer){.compact = true};
    for (int i = 0; i < 32; i++)
        swg_json_begin_array(&json, NULL);
    ck_ok(swg_strbuf_status(&json.out));
    swg_json_begin_array(&json, NULL);
    ck_assert_int_ne(swg_strbuf_status(&json.out), SWG_OK);
    swg_json_deinit(&json);
}
END_TEST

static swg_status build(void *context)
{
    (void)context;
    swg_json_writer json = {0};
    swg_json_begin_object(&json, NULL);
    for (int i = 0; i < 30; i++)
        swg_json_string(&json, "key", "a value of some length");
    swg_json_end_object(&json);
    const swg_status status = swg_strbuf_status(&json.out);
    swg_json_deinit(&json);
    return status;
}

START_TEST(each_failing_allocation_is_reported)
{
    swg_test_each_allocation_fails(build, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("strbuf");
    TCase *cases = tcase_create("strbuf");
    tcase_add_test(cases, pieces_add_up);
    tcase_add_test(cases, failure_is_sticky);
    tcase_add_test(cases, values_and_layout);
    tcase_add_test(cases, strings_are_escaped);
    tcase_add_test(cases, doubles_are_short_and_read_back);
    tcase_add_test(cases, doubles_do_not_depend_on_the_locale);
    tcase_add_test(cases, unbalanced_and_deep_nesting_fail);
    tcase_add_test(cases, each_failing_allocation_is_reported);
    suite_add_tcase(suite, cases);
    return suite;
}
