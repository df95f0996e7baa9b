/* Protocols on token arrays: the exact windows, what is scored in them, and how documents are told
 * apart. Every token is one character, see eval_fixtures.h. */
#include "eval/windows.h"
#include "tests/eval/eval_fixtures.h"

typedef struct expected {
    swg_protocol protocol;
    const char *around, *text;
    size_t context, max_tokens;
    /* One window after the other, tokens as letters: "^" BOS, "[" CLS, "]" SEP, "n" is a letter,
     * "/" a line break, "\\" a carriage return; a scored token is a capital or, if it is not a
     * letter, follows a "'". Windows are separated by a blank. NULL = refused with `status`. */
    const char *windows;
    size_t tokens_total;
    swg_status status;
} expected;

#define GPTQ      SWG_PROTOCOL_gptq
#define LLAMA_CPP SWG_PROTOCOL_llama_cpp
#define PER_DOC   SWG_PROTOCOL_per_doc
#define PLL       SWG_PROTOCOL_pll

static const expected cases[] = {
    /* gptq: the tail is dropped; a text one token shorter than a window gives none. */
    {GPTQ, "", "abcdefgh", 4, 0, "aBCD eFGH", 8, SWG_OK},
    {GPTQ, "", "abcdefghi", 4, 0, "aBCD eFGH", 9, SWG_OK},
    {GPTQ, "", "abcdefg", 4, 0, "aBCD", 7, SWG_OK},
    {GPTQ, "", "abcd", 4, 0, "aBCD", 4, SWG_OK},
    {GPTQ, "", "abc", 4, 0, NULL, 0, SWG_USAGE},
    {GPTQ, "", "ab", 2, 0, "aB", 2, SWG_OK},
    {GPTQ, "s", "abcdefg", 4, 0, "^ABC dEFG", 8, SWG_OK},
    {GPTQ, "", "abcdefgh", 4, 7, "aBCD", 8, SWG_OK},
    {GPTQ, "", "abcdefgh", 4, 8, "aBCD eFGH", 8, SWG_OK},
    {GPTQ, "", "abcdefgh", 4, 100, "aBCD eFGH", 8, SWG_OK},
    {GPTQ, "", "abc\n\nd\r\n", 8, 0, "aBC'/'/D'\\'/", 8, SWG_OK},
    /* llama.cpp: tokens L/2 + 1 to L - 1; at least two windows; BOS replaces a token instead of
       being added. */
    {LLAMA_CPP, "", "abcdefgh", 4, 0, "abcD efgH", 8, SWG_OK},
    {LLAMA_CPP, "", "abcdefghijkl", 6, 0, "abcdEF ghijKL", 12, SWG_OK},
    {LLAMA_CPP, "", "abcdefghij", 5, 0, "abcDE fghIJ", 10, SWG_OK},
    {LLAMA_CPP, "s", "abcdefghi", 4, 0, "^abC ^efG", 10, SWG_OK},
    {LLAMA_CPP, "", "abcdef", 3, 0, "abC deF", 6, SWG_OK},
    {LLAMA_CPP, "", "abcdef", 2, 0, NULL, 0, SWG_USAGE}, /* scores nothing: the figure was NaN */
    {LLAMA_CPP, "", "abcdefg", 4, 0, NULL, 0, SWG_USAGE},
    {LLAMA_CPP, "", "abcdefgh", 4, 7, NULL, 0, SWG_USAGE},
    /* per-doc: blank lines, and the break that ends the file. */
    {PER_DOC, "s", "abc\n\nde\n", 8, 0, "^ABC ^DE", 5, SWG_OK},
    {PER_DOC, "s", "abc\n\nde", 8, 0, "^ABC ^DE", 5, SWG_OK},
    {PER_DOC, "s", "abc\n\nde\n\n", 8, 0, "^ABC ^DE", 5, SWG_OK},
    {PER_DOC, "s", "ab\ncd\n", 8, 0, "^AB'/CD", 5, SWG_OK},
    {PER_DOC, "s", "ab\n\n\ncd", 8, 0, "^AB ^'/CD", 5, SWG_OK},
    {PER_DOC, "s", "ab\n\n\n\ncd", 8, 0, "^AB ^CD", 4, SWG_OK},
    {PER_DOC, "s", "\n\nab", 8, 0, "^AB", 2, SWG_OK},
    {PER_DOC, "s", "ab\r\n\r\ncd\r\n", 8, 0, "^AB ^CD", 4, SWG_OK},
    {PER_DOC, "s", "ab\r\ncd\r\n", 8, 0, "^AB'\\'/CD", 6, SWG_OK},
    {PER_DOC, "s", "ab\n\r\ncd\r", 8, 0, "^AB ^CD'\\", 5, SWG_OK},
    {PER_DOC, "", "abc\n\nd\n\nef", 8, 0, "aBC eF", 6, SWG_OK}, /* one token predicts nothing */
    {PER_DOC, "s", "a", 2, 0, "^A", 1, SWG_OK},
    {PER_DOC, "", "a", 2, 0, NULL, 0, SWG_USAGE},
    {PER_DOC, "s", "\n", 8, 0, NULL, 0, SWG_USAGE},
    {PER_DOC, "s", "ab\n\nabc", 4, 0, "^AB ^ABC", 5, SWG_OK},
    {PER_DOC, "s", "ab\n\nabcd", 4, 0, NULL, 0, SWG_LIMIT},
    {PER_DOC, "s", "abc\n\ndef\n\nghi", 8, 3, "^ABC", 3, SWG_OK}, /* BOS does not count */
    {PER_DOC, "s", "abc\n\ndef\n\nghi", 8, 5, "^ABC ^DE", 6, SWG_OK},
    {PER_DOC, "s", "abcdefgh", 4, 3, "^ABC", 8, SWG_OK},
    /* pll: pieces as equal as can be, each between the special tokens. */
    {PLL, "cs", "abc\n\nd\n", 8, 0, "[ABC] [D]", 4, SWG_OK},
    {PLL, "cs", "abcdef", 8, 0, "[ABCDEF]", 6, SWG_OK},
    {PLL, "cs", "abcdefg", 8, 0, "[ABCD] [EFG]", 7, SWG_OK},
    {PLL, "cs", "abcdefgh", 5, 0, "[ABC] [DEF] [GH]", 8, SWG_OK},
    {PLL, "cs", "abc", 3, 0, "[A] [B] [C]", 3, SWG_OK},
    {PLL, "", "abcde", 4, 0, "ABC DE", 5, SWG_OK},
    {PLL, "s", "abc", 3, 0, "^AB ^C", 3, SWG_OK},
    {PLL, "cs", "abc", 2, 0, NULL, 0, SWG_LIMIT},
    {PLL, "cs", "\n\n\n\n", 8, 0, NULL, 0, SWG_USAGE},
    {PLL, "cs", "abc\r\n\r\ndef", 8, 4, "[ABC] [D]", 6, SWG_OK},
};

static void put_token(swg_strbuf *out, int32_t id, bool is_scored)
{
    static const char others[] = "^m[]";
    const bool is_letter = id >= TOY_A && id < TOY_LF;
    char c = id < TOY_A ? others[id] : id == TOY_LF ? '/' : id == TOY_CR ? '\\' : ' ';
    if (is_letter)
        c = (char)((is_scored ? 'A' : 'a') + (id - TOY_A));
    swg_strbuf_printf(out, "%s%c", is_scored && !is_letter ? "'" : "", c);
}

static void draw(const swg_windows *windows, swg_strbuf *out)
{
    for (size_t w = 0; w < windows->n_windows; w++) {
        const swg_window *window = &windows->windows[w];
        ck_assert_uint_le(window->begin + window->count, windows->n_ids);
        swg_strbuf_puts(out, w ? " " : "");
        for (size_t i = 0; i < window->count; i++)
            put_token(out, windows->ids[window->begin + i],
                      i >= window->first_scored && i < window->first_scored + window->n_scored);
    }
}

static swg_status make(const expected *e, const swg_tokenizer *tokenizer, swg_windows *out)
{
    swg_window_options options = swg_window_options_default();
    options.context = e->context;
    options.max_tokens = e->max_tokens;
    return swg_windows_make(e->protocol, tokenizer, e->text, strlen(e->text), &options, out);
}

START_TEST(windows_are_exactly_so)
{
    const expected *e = &cases[_i];
    swg_tokenizer *tokenizer = toy_tokenizer(e->around);
    swg_windows windows = {0};
    swg_strbuf drawn = {0};
    ck_status_is(e->status, make(e, tokenizer, &windows));
    if (e->windows) {
        draw(&windows, &drawn);
        ck_assert_str_eq(swg_strbuf_text(&drawn), e->windows);
        ck_assert_uint_eq(windows.tokens_total, e->tokens_total);
    } else {
        ck_assert_ptr_null(windows.ids);
        ck_assert_uint_gt(strlen(swg_error_message()), 0);
    }
    swg_strbuf_deinit(&drawn);
    swg_windows_deinit(&windows);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* Windows drawn as above, "*" after one whose weight is one token less. */
START_TEST(strides_overlap)
{
    static const struct {
        const char *around, *text;
        size_t context, stride, max_tokens;
        const char *windows; /* NULL = refused with `status` */
        swg_status status;
    } rows[] = {
        {"", "abcdefgh", 4, 0, 0, "aBCD cdEF* efGH*", SWG_OK}, /* half of the context */
        {"", "abcdefghi", 4, 0, 0, "aBCD cdEF* efGH* ghI*", SWG_OK},
        {"", "abcdefgh", 5, 0, 0, "aBCDE cdeFG* efgH*", SWG_OK},
        {"", "abcdefgh", 4, 1, 0, "aBCD bcdE* cdeF* defG* efgH*", SWG_OK},
        {"", "abcdefgh", 4, 3, 0, "aBCD dEFG* gH*", SWG_OK},
        {"", "abcdefgh", 4, 4, 0, "aBCD eFGH", SWG_OK},      /* no overlap: as gptq, */
        {"", "abcdefghij", 4, 4, 0, "aBCD eFGH iJ", SWG_OK}, /* with the tail */
        {"", "abcdefghi", 4, 4, 0, "aBCD eFGH", SWG_OK},     /* one token predicts nothing */
        {"", "abc", 4, 2, 0, "aBC", SWG_OK},
        {"", "abcd", 4, 2, 0, "aBCD", SWG_OK},
        {"s", "abcdef", 4, 2, 0, "^ABC bcDE* deF*", SWG_OK},
        {"", "abcdefgh", 4, 2, 5, "aBCD cdE*", SWG_OK},
        {"", "a", 4, 2, 0, NULL, SWG_USAGE},
        {"", "abcdefgh", 4, 5, 0, NULL, SWG_USAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        swg_tokenizer *tokenizer = toy_tokenizer(rows[i].around);
        swg_windows windows = {0};
        swg_strbuf drawn = {0}, marked = {0};
        swg_window_options options = swg_window_options_default();
        options.context = rows[i].context;
        options.stride = rows[i].stride;
        options.max_tokens = rows[i].max_tokens;
        ck_status_is(rows[i].status,
                     swg_windows_make(SWG_PROTOCOL_hf_stride, tokenizer, rows[i].text,
                                      strlen(rows[i].text), &options, &windows));
        if (rows[i].windows) {
            draw(&windows, &drawn);
            const char *word = drawn.text;
            for (size_t w = 0; w < windows.n_windows; w++) {
                const size_t length = strcspn(word, " ");
                swg_strbuf_printf(&marked, "%s%.*s%s", w ? " " : "", (int)length, word,
                                  windows.windows[w].n_uncounted ? "*" : "");
                word += length + 1;
            }
            ck_assert_str_eq(swg_strbuf_text(&marked), rows[i].windows);
            ck_assert_uint_eq(windows.stride,
                              rows[i].stride ? rows[i].stride : rows[i].context / 2);
        }
        swg_strbuf_deinit(&marked);
        swg_strbuf_deinit(&drawn);
        swg_windows_deinit(&windows);
        swg_tokenizer_free(&tokenizer);
    }
}
END_TEST

START_TEST(disjoint_windows_have_no_stride)
{
    swg_tokenizer *tokenizer = toy_tokenizer("s");
    swg_windows windows = {0};
    swg_window_options options = swg_window_options_default();
    options.context = 4;
    options.stride = 2;
    ck_status_is(SWG_USAGE, swg_windows_make(GPTQ, tokenizer, "abcdefgh", 8, &options, &windows));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "protocol gptq has disjoint windows"));
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(a_long_document_is_named)
{
    swg_tokenizer *tokenizer = toy_tokenizer("s");
    swg_windows windows = {0};
    const expected e = {.protocol = PER_DOC, .text = "ab\n\n\n\ncd\n\nefghi", .context = 4};
    ck_status_is(SWG_LIMIT, make(&e, tokenizer, &windows));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "document 3 has 6 tokens"));
    swg_tokenizer_free(&tokenizer);
}
END_TEST

typedef struct attempt {
    const swg_tokenizer *tokenizer;
    const expected *expected;
} attempt;

static swg_status try_making(void *context)
{
    const attempt *a = context;
    swg_windows windows = {0};
    const swg_status status = make(a->expected, a->tokenizer, &windows);
    swg_windows_deinit(&windows);
    return status;
}

START_TEST(allocations_may_fail)
{
    static const expected some[] = {
        {.protocol = GPTQ, .around = "s", .text = "abcdefgh", .context = 4},
        {.protocol = LLAMA_CPP, .around = "s", .text = "abcdefgh", .context = 4},
        {.protocol = PER_DOC, .around = "s", .text = "abc\n\ndef", .context = 4},
        {.protocol = PLL, .around = "cs", .text = "abc\n\ndefghijk", .context = 5},
    };
    attempt a = {.tokenizer = toy_tokenizer(some[_i].around), .expected = &some[_i]};
    swg_test_each_allocation_fails(try_making, &a);
    swg_tokenizer *tokenizer = (swg_tokenizer *)a.tokenizer;
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(protocols_are_found_by_name)
{
    for (int i = 0; i < SWG_PROTOCOL_COUNT; i++) {
        swg_protocol found;
        ck_ok(swg_protocol_parse(swg_protocol_name((swg_protocol)i), &found));
        ck_assert_int_eq(found, i);
        ck_assert_uint_gt(strlen(swg_protocol_text(found)), 0);
        ck_assert_uint_gt(strlen(swg_protocol_bos_rule(found)), 0);
    }
    swg_protocol none;
    ck_status_is(SWG_USAGE, swg_protocol_parse("gptq2", &none));
    ck_assert_ptr_nonnull(
        strstr(swg_error_message(), "gptq, llama.cpp, per-doc, hf-stride, lm-eval, pll"));
    ck_assert_int_eq(swg_protocol_output(PLL), SWG_OUTPUT_MASKED_TOKEN);
    ck_assert_int_eq(swg_protocol_output(PER_DOC), SWG_OUTPUT_NEXT_TOKEN);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("protocols");
    TCase *tests = tcase_create("protocols");
    tcase_add_loop_test(tests, windows_are_exactly_so, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(tests, strides_overlap);
    tcase_add_test(tests, disjoint_windows_have_no_stride);
    tcase_add_test(tests, a_long_document_is_named);
    tcase_add_loop_test(tests, allocations_may_fail, 0, 4);
    tcase_add_test(tests, protocols_are_found_by_name);
    suite_add_tcase(suite, tests);
    return suite;
}
