/* vocab.txt: the ids of BERT's class for the settings of tokenizer_config.json, special tokens by
 * role, lines that end in carriage returns, and refusals. */
#include "tests/runtime/text/text_fixtures.h"

/* [PAD] to [MASK] are 0 to 4. */
static const char lines[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nann\n##s\nAnn\ncafe\n"
    "caf\xc3\xa9\n.\n\xe4\xbd\xa0\n\xe5\xa5\xbd\n\xe4\xbd\xa0\xe5\xa5\xbd\n";

static swg_status tokenizer_with(const char *text, size_t length, const char *settings,
                                 swg_tokenizer **out)
{
    const swg_file_view files[] = {{"vocab.txt", text, length},
                                   {"tokenizer_config.json", settings, strlen(settings)}};
    return swg_tokenizer_from_files(files, 2, "{\"model_type\": \"bert\"}", out);
}

#define CASED "\"do_lower_case\": false"
static const struct {
    const char *settings, *text;
    int32_t ids[8];
    size_t n_ids;
} cases[] = {
    {"{}", "Anns.", {2, 5, 6, 10, 3}, 5},
    {"{\"tokenizer_class\": \"BertTokenizerFast\", " CASED "}", "Ann ann", {2, 7, 5, 3}, 4},
    {"{\"tokenizer_class\": \"DistilBertTokenizer\"}", "caf\xc3\xa9", {2, 8, 3}, 3},
    {"{\"strip_accents\": false}", "CAF\xc3\x89", {2, 9, 3}, 3},
    {"{" CASED ", \"strip_accents\": true}", "caf\xc3\xa9", {2, 8, 3}, 3},
    {"{}", "\xe4\xbd\xa0\xe5\xa5\xbd", {2, 11, 12, 3}, 4},
    {"{\"tokenize_chinese_chars\": false}", "\xe4\xbd\xa0\xe5\xa5\xbd", {2, 13, 3}, 3},
    {"{}", "ann [MASK] bob", {2, 5, 4, 1, 3}, 5},
    {"{\"cls_token\": {\"content\": \"ann\"}, \"sep_token\": \".\"}", "cafe", {5, 8, 10}, 3},
};

START_TEST(encodes_as_the_class_does)
{
    swg_tokenizer *tokenizer = NULL;
    ck_ok(tokenizer_with(lines, sizeof lines - 1, cases[_i].settings, &tokenizer));
    ck_assert_uint_eq(swg_tokenizer_vocab_size(tokenizer), 14);
    check_encoding(tokenizer, cases[_i].text, strlen(cases[_i].text), NULL, cases[_i].ids,
                   cases[_i].n_ids);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(ends_of_lines_are_not_part_of_pieces)
{
    static const char other[] = "[UNK]\r\n[CLS]\r\n[SEP]\r\nann\r\nbob";
    swg_tokenizer *tokenizer = NULL;
    ck_ok(tokenizer_with(other, sizeof other - 1, "{}", &tokenizer));
    check_encoding(tokenizer, "ann bob", 7, NULL, (int32_t[]){1, 3, 4, 2}, 4);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(other_files_are_refused)
{
    static const struct {
        const char *lines;
        size_t length;
        const char *settings;
        swg_status status;
        const char *words;
    } refused[] = {
#define LINES(text) text, sizeof(text) - 1
        {LINES("[UNK]\n[CLS]\nann\n"), "{}", SWG_CORRUPT, "has no line \"[SEP]\", the sep_token"},
        {LINES("[UNK]\n[CLS]\n[SEP]\na\na\n"), "{}", SWG_CORRUPT, "\"a\""},
        {LINES("[UNK]\n[CLS]\n[SEP]\n\xff\n"), "{}", SWG_CORRUPT, "vocab.txt is not UTF-8"},
        {LINES("[UNK]\n[CLS]\n[SEP]\na\0b\n"), "{}", SWG_CORRUPT, "vocab.txt: byte 19 is NUL"},
        {LINES(""), "{}", SWG_CORRUPT, "has no line \"[UNK]\""},
        {LINES("[UNK]\n[CLS]\n[SEP]\n"), "{\"tokenizer_class\": \"MPNetTokenizer\"}",
         SWG_UNSUPPORTED, "\"MPNetTokenizer\""},
        {LINES("[UNK]\n[CLS]\n[SEP]\n"), "{\"do_basic_tokenize\": false}", SWG_UNSUPPORTED,
         "do_basic_tokenize"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        swg_tokenizer *tokenizer = NULL;
        ck_status_is(refused[i].status, tokenizer_with(refused[i].lines, refused[i].length,
                                                       refused[i].settings, &tokenizer));
        ck_assert_msg(strstr(swg_error_message(), refused[i].words) != NULL, "%s",
                      swg_error_message());
    }
}
END_TEST

static swg_status make_one(void *context)
{
    swg_tokenizer *tokenizer = NULL;
    (void)context;
    const swg_status status = tokenizer_with(lines, sizeof lines - 1, "{}", &tokenizer);
    swg_tokenizer_free(&tokenizer);
    return status;
}

START_TEST(survives_failing_allocations)
{
    swg_test_each_allocation_fails(make_one, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("vocab_txt");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, encodes_as_the_class_does, 0, sizeof cases / sizeof *cases);
    tcase_add_test(all, ends_of_lines_are_not_part_of_pieces);
    tcase_add_test(all, other_files_are_refused);
    tcase_add_test(all, survives_failing_allocations);
    suite_add_tcase(suite, all);
    return suite;
}
