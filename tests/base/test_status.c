/* Statuses and the thread's sentence. */
#include "tests/harness.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

START_TEST(exit_codes_are_the_documented_ones)
{
    static const struct {
        swg_status status;
        int code;
    } rows[] = {{SWG_OK, 0},          {SWG_FAILED, 1},       {SWG_USAGE, 2}, {SWG_CORRUPT, 3},
                {SWG_UNSUPPORTED, 4}, {SWG_NO_MEMORY, 5},    {SWG_LIMIT, 5}, {SWG_IO, 6},
                {SWG_GATE, 7},        {SWG_INTERRUPTED, 130}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(swg_status_exit_code(rows[i].status), rows[i].code);
        ck_assert_str_ne(swg_status_meaning(rows[i].status), "unknown status");
    }
    ck_assert_int_eq(swg_status_exit_code((swg_status)999), 1);
    ck_assert_int_eq(swg_status_exit_code((swg_status)-1), 1);
    ck_assert_str_eq(swg_status_meaning((swg_status)999), "unknown status");
}
END_TEST

START_TEST(sentence_and_context)
{
    ck_assert_int_eq(swg_error(SWG_CORRUPT, "row %d of %s", 3, "w"), SWG_CORRUPT);
    ck_assert_str_eq(swg_error_message(), "row 3 of w");
    ck_assert_int_eq(swg_error_context(SWG_IO, "file %s", "a.swg"), SWG_IO);
    ck_assert_str_eq(swg_error_message(), "file a.swg: row 3 of w");
    swg_error_clear();
    ck_assert_str_eq(swg_error_message(), "");
    swg_error_context(SWG_IO, "alone");
    ck_assert_str_eq(swg_error_message(), "alone");
}
END_TEST

START_TEST(the_old_sentence_may_be_an_argument)
{
    swg_error(SWG_FAILED, "inner");
    swg_error(SWG_FAILED, "outer (%s)", swg_error_message());
    ck_assert_str_eq(swg_error_message(), "outer (inner)");
    swg_error_context(SWG_FAILED, "<%s>", swg_error_message());
    ck_assert_str_eq(swg_error_message(), "<outer (inner)>: outer (inner)");
}
END_TEST

START_TEST(long_sentences_are_cut)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    swg_error(SWG_FAILED, "%s", text);
    ck_assert_uint_eq(strlen(swg_error_message()), 1023);
    swg_error_context(SWG_FAILED, "abc");
    ck_assert_uint_eq(strlen(swg_error_message()), 1023);
    ck_assert_mem_eq(swg_error_message(), "abc: xxx", 8);
    swg_error_context(SWG_FAILED, "%s", text);
    ck_assert_uint_eq(strlen(swg_error_message()), 1023);
}
END_TEST

/* Tensor names from a file must not reach a terminal as control sequences. */
START_TEST(control_characters_do_not_reach_the_sentence)
{
    swg_error(SWG_CORRUPT, "tensor %s",
              "a\x1b[2Jb\r\n\x7f"
              "c");
    ck_assert_str_eq(swg_error_message(), "tensor a?[2Jb???c");
    swg_error(SWG_CORRUPT, "caf\xc3\xa9 \xc2\x9b"
                           "1m \xff \xc3");
    ck_assert_str_eq(swg_error_message(), "caf\xc3\xa9 ??1m ? ?");
    swg_error_context(SWG_CORRUPT, "%s", "a\tb");
    ck_assert_str_eq(swg_error_message(), "a?b: caf\xc3\xa9 ??1m ? ?");
}
END_TEST

static void *fail_elsewhere(void *context)
{
    (void)context;
    const bool was_empty = *swg_error_message() == '\0';
    swg_error(SWG_FAILED, "elsewhere");
    return was_empty ? "empty" : NULL;
}

START_TEST(each_thread_has_its_own_sentence)
{
    swg_error(SWG_FAILED, "here");
    pthread_t thread;
    void *result = NULL;
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, &result);
    ck_assert_ptr_nonnull(result);
    ck_assert_str_eq(swg_error_message(), "here");
}
END_TEST

static swg_status pass_on(swg_status status, int *reached)
{
    SWG_TRY(status);
    ++*reached;
    return SWG_OK;
}

START_TEST(try_passes_failures_on)
{
    int reached = 0;
    ck_assert_int_eq(pass_on(SWG_LIMIT, &reached), SWG_LIMIT);
    ck_assert_int_eq(reached, 0);
    ck_assert_int_eq(pass_on(SWG_OK, &reached), SWG_OK);
    ck_assert_int_eq(reached, 1);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("status");
    TCase *cases = tcase_create("status");
    tcase_add_test(cases, exit_codes_are_the_documented_ones);
    tcase_add_test(cases, sentence_and_context);
    tcase_add_test(cases, the_old_sentence_may_be_an_argument);
    tcase_add_test(cases, long_sentences_are_cut);
    tcase_add_test(cases, control_characters_do_not_reach_the_sentence);
    tcase_add_test(cases, each_thread_has_its_own_sentence);
    tcase_add_test(cases, try_passes_failures_on);
    suite_add_tcase(suite, cases);
    return suite;
}
