/* Perplexity protocols: how a text becomes windows, and what is refused. The tokenizer makes
 * one token per letter, and adds BOS where its settings say so. */
#include "eval/windows.h"

#include <string.h>

#include "tests/harness.h"

static const char letters[] =
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"<s>\":0,\"a\":1,\"b\":2,\"c\":3,\"\\u010a\":4},"
    "\"merges\":[]},\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true}],"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"decoder\":{\"type\":\"ByteLevel\"}}";

static swg_tokenizer *tokenizer;

static void use_tokenizer(bool adds_bos)
{
    static const char with[] = "{\"add_bos_token\":true,\"bos_token\":\"<s>\"}";
    static const char without[] = "{\"add_bos_token\":false,\"bos_token\":\"<s>\"}";
    const char *settings = adds_bos ? with : without;
    const swg_file_view files[] = {{"tokenizer.json", letters, sizeof letters - 1},
                                   {"tokenizer_config.json", settings, strlen(settings)}};
    swg_tokenizer_free(&tokenizer);
    ck_ok(swg_tokenizer_from_files(files, 2, "{\"vocab_size\":5}", &tokenizer));
    ck_assert(swg_tokenizer_adds_bos(tokenizer) == adds_bos);
}

static void drop_tokenizer(void)
{
    swg_tokenizer_free(&tokenizer);
}

static swg_status make(swg_protocol protocol, const char *text, size_t context, size_t max_tokens,
                       swg_windows *out)
{
    swg_window_options options = swg_window_options_default();
    options.context = context;
    options.max_tokens = max_tokens;
    return swg_windows_make(protocol, tokenizer, text, strlen(text), &options, out);
}

static void check_window(const swg_windows *w, size_t i, size_t begin, size_t count, size_t scored)
{
    ck_assert_uint_lt(i, w->n_windows);
    ck_assert_uint_eq(w->windows[i].begin, begin);
    ck_assert_uint_eq(w->windows[i].count, count);
    ck_assert_uint_eq(w->windows[i].first_scored, scored);
}

START_TEST(gptq_cuts_disjoint_windows)
{
    swg_windows w = {0};
    use_tokenizer(false);
    ck_ok(make(SWG_PROTOCOL_gptq, "abcabcabca", 4, 0, &w));
    ck_assert_uint_eq(w.tokens_total, 10);
    ck_assert_uint_eq(w.n_windows, 2); /* the tail of 2 is dropped */
    check_window(&w, 0, 0, 4, 1);
    check_window(&w, 1, 4, 4, 1);
    ck_assert_int_eq(w.ids[0], 1);
    swg_windows_deinit(&w);
    ck_ok(make(SWG_PROTOCOL_gptq, "abcabcabca", 4, 7, &w)); /* 7 tokens hold one window */
    ck_assert_uint_eq(w.n_windows, 1);
    ck_assert_uint_eq(w.tokens_total, 10);
    swg_windows_deinit(&w);
    use_tokenizer(true); /* BOS once, at the start of the text */
    ck_ok(make(SWG_PROTOCOL_gptq, "abcabca", 4, 0, &w));
    ck_assert_uint_eq(w.n_windows, 2);
    ck_assert_int_eq(w.ids[0], 0);
    ck_assert_int_eq(w.ids[4], 1);
    swg_windows_deinit(&w);
}
END_TEST

START_TEST(llama_cpp_scores_second_halves)
{
    swg_windows w = {0};
    use_tokenizer(true);
    ck_ok(make(SWG_PROTOCOL_llama_cpp, "abcabcabcab", 4, 0, &w)); /* with BOS: 12 tokens */
    ck_assert_uint_eq(w.n_windows, 3);
    for (size_t i = 0; i < 3; i++) {
        check_window(&w, i, 4 * i, 4, 3);
        ck_assert_int_eq(w.ids[4 * i], 0); /* replaced by BOS */
    }
    swg_windows_deinit(&w);
    use_tokenizer(false);
    ck_ok(make(SWG_PROTOCOL_llama_cpp, "abcabcab", 4, 0, &w));
    ck_assert_int_eq(w.ids[4], 2); /* kept */
    swg_windows_deinit(&w);
    ck_status_is(SWG_USAGE, make(SWG_PROTOCOL_llama_cpp, "abcabca", 4, 0, &w));
}
END_TEST

/* Windows of 2 have nothing to score after their first half: the figure was NaN. */
START_TEST(llama_cpp_refuses_windows_without_scored_tokens)
{
    swg_windows w = {0};
    use_tokenizer(false);
    ck_status_is(SWG_USAGE, make(SWG_PROTOCOL_llama_cpp, "abcabcab", 2, 0, &w));
    ck_ok(make(SWG_PROTOCOL_llama_cpp, "abcabcab", 3, 0, &w));
    check_window(&w, 0, 0, 3, 2);
    swg_windows_deinit(&w);
}
END_TEST

START_TEST(documents_stand_alone)
{
    swg_windows w = {0};
    use_tokenizer(false); /* per-doc adds BOS regardless of the settings */
    ck_ok(make(SWG_PROTOCOL_per_doc, "abc\n\na\nb\n\nc\n", 100, 0, &w));
    ck_assert_uint_eq(w.n_windows, 3);
    check_window(&w, 0, 0, 4, 1);
    check_window(&w, 1, 4, 4, 1); /* one line break separates nothing */
    check_window(&w, 2, 8, 2, 1); /* the last line break belongs to none */
    ck_assert_int_eq(w.ids[4], 0);
    ck_assert_uint_eq(w.tokens_total, 7);
    ck_assert_uint_eq(swg_windows_longest(&w), 4);
    swg_windows_deinit(&w);
    ck_status_is(SWG_LIMIT, make(SWG_PROTOCOL_per_doc, "a\n\nabcab", 5, 0, &w));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "6 tokens"));
}
END_TEST

/* Windows of lm-evaluation-harness's get_rolling_token_windows and make_disjoint_window, with a
 * longest input of 4: a document of 10 tokens as (prefix + 3 | 4), (1 | 4), (3 | 2). */
START_TEST(lm_eval_scores_every_token_once)
{
    static const size_t ends[] = {10, 12, 12, 13};
    swg_windows w = {0};
    swg_window_options options = swg_window_options_default();
    use_tokenizer(true);
    options.context = 4;
    options.ends = ends;
    options.n_documents = 4;
    ck_ok(swg_windows_make(SWG_PROTOCOL_lm_eval, tokenizer, "abcabcabcaccb", 13, &options, &w));
    ck_assert_uint_eq(w.n_windows, 5);
    check_window(&w, 0, 0, 5, 1);
    check_window(&w, 1, 4, 5, 1);
    check_window(&w, 2, 6, 5, 3);
    check_window(&w, 3, 11, 3, 1);
    check_window(&w, 4, 14, 2, 1);
    size_t scored = 0;
    for (size_t i = 0; i < w.n_windows; i++) {
        scored += w.windows[i].n_scored;
        ck_assert_uint_eq(w.windows[i].first_scored + w.windows[i].n_scored, w.windows[i].count);
    }
    ck_assert_uint_eq(scored, 13);
    ck_assert_uint_eq(w.tokens_total, 13);
    ck_assert_uint_eq(w.bytes_total, 13);
    ck_assert_uint_eq(swg_windows_longest(&w), 4);
    ck_assert_int_eq(w.ids[0], 0); /* the prefix */
    ck_assert_int_eq(w.ids[11], 0);
    ck_assert_int_eq(w.ids[14], 0);
    swg_windows_deinit(&w);
}
END_TEST

START_TEST(texts_without_windows_are_refused)
{
    swg_windows w = {0};
    use_tokenizer(false);
    ck_status_is(SWG_USAGE, make(SWG_PROTOCOL_gptq, "abc", 4, 0, &w));
    ck_status_is(SWG_USAGE, make(SWG_PROTOCOL_per_doc, "\n\n\n\n", 4, 0, &w));
    ck_status_is(SWG_USAGE, make(SWG_PROTOCOL_gptq, "", 4, 0, &w));
    ck_assert_ptr_null(w.ids);
}
END_TEST

START_TEST(protocols_are_found_by_name)
{
    for (int i = 0; i < SWG_PROTOCOL_COUNT; i++) {
        swg_protocol found = SWG_PROTOCOL_COUNT;
        ck_ok(swg_protocol_parse(swg_protocol_name((swg_protocol)i), &found));
        ck_assert_int_eq(found, i);
    }
    swg_protocol none;
    ck_status_is(SWG_USAGE, swg_protocol_parse("llama", &none));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "gptq, llama.cpp, per-doc"));
}
END_TEST

static swg_status make_documents(void *context)
{
    swg_windows w = {0};
    const swg_status status = make(SWG_PROTOCOL_per_doc, context, 100, 0, &w);
    swg_windows_deinit(&w);
    return status;
}

START_TEST(failing_allocations_are_survived)
{
    char text[] = "abc\n\nab\n\nc";
    use_tokenizer(false);
    swg_test_each_allocation_fails(make_documents, text);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("windows");
    TCase *cases = tcase_create("protocols");
    tcase_add_checked_fixture(cases, NULL, drop_tokenizer);
    tcase_add_test(cases, gptq_cuts_disjoint_windows);
    tcase_add_test(cases, llama_cpp_scores_second_halves);
    tcase_add_test(cases, llama_cpp_refuses_windows_without_scored_tokens);
    tcase_add_test(cases, documents_stand_alone);
    tcase_add_test(cases, lm_eval_scores_every_token_once);
    tcase_add_test(cases, texts_without_windows_are_refused);
    tcase_add_test(cases, protocols_are_found_by_name);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
