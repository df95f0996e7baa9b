/* The files beside a vocabulary: added tokens in each place where they can stand, roles, the class
 * that says how a text is split, and tokens that the model has no row for. */
#include "tests/runtime/text/text_fixtures.h"

/* Ids: a b . n (line break) L ' are 0 to 5, then merges and the end of text. */
#define VOCAB                                                                                      \
    "{\"a\":0,\"b\":1,\".\":2,\"\xc4\x8a\":3,\"L\":4,\"'\":5,\"LL\":6,\"'LL\":7,"                  \
    "\".\xc4\x8a\":8,\"\xc3\x83\":9,\"\xc2\xa9\":10,\"\xc3\x83\xc2\xa9\":11,\"<end>\":12}"
static const char vocab[] = VOCAB;
static const char merges[] = "L L\n' LL\n. \xc4\x8a\n\xc3\x83 \xc2\xa9\n";

/* From the pair of files, or tokenizer.json, and up to two more (NULL = none). */
typedef struct side_case {
    bool is_fast;
    const char *settings, *special, *added, *config;
} side_case;

static swg_status tokenizer_of(side_case c, swg_tokenizer **out)
{
    static const char fast[] = "{\"added_tokens\":[],\"pre_tokenizer\":{\"type\":\"ByteLevel\","
                               "\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"},"
                               "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":" VOCAB "}}";
    swg_file_view files[5];
    size_t n = 0;
    if (c.is_fast)
        files[n++] = (swg_file_view){"tokenizer.json", fast, sizeof fast - 1};
    else {
        files[n++] = (swg_file_view){"vocab.json", vocab, sizeof vocab - 1};
        files[n++] = (swg_file_view){"merges.txt", merges, sizeof merges - 1};
    }
    const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json",
                                 "added_tokens.json"};
    const char *const texts[] = {c.settings, c.special, c.added};
    for (size_t i = 0; i < 3; i++)
        if (texts[i])
            files[n++] = (swg_file_view){names[i], texts[i], strlen(texts[i])};
    return swg_tokenizer_from_files(files, n, c.config, out);
}

#define DECODER(rest) "\"added_tokens_decoder\":{\"14\":{\"content\":\"<im>\"" rest "}}"

START_TEST(finds_added_tokens_wherever_they_stand)
{
    static const side_case cases[] = {
        {.settings = "{" DECODER("") "}"},
        {.added = "{\"<im>\": 14}"},
        {.is_fast = true, .settings = "{" DECODER(",\"normalized\":true") "}"},
        {.is_fast = true, .added = "{\"<im>\": 14}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_tokenizer *tokenizer = NULL;
        ck_ok(tokenizer_of(cases[i], &tokenizer));
        ck_assert_uint_eq(swg_tokenizer_vocab_size(tokenizer), 15);
        check_encoding(tokenizer, "a<im>b", 6, NULL, (int32_t[]){0, 14, 1}, 3);
        check_round_trip(tokenizer, "a<im>b", 6);
        ck_assert(!swg_tokenizer_is_special(tokenizer, 14));
        swg_tokenizer_free(&tokenizer);
    }
}
END_TEST

START_TEST(knows_special_tokens_by_their_roles)
{
    static const side_case cases[] = {
        {.added = "{\"<im>\": 13}",
         .special = "{\"eos_token\": {\"content\": \"<end>\"},"
                    "\"additional_special_tokens\": [\"<im>\"]}"},
        {.is_fast = true,
         .added = "{\"<im>\": 13}",
         .settings = "{\"eos_token\": \"<end>\", \"pad_token\": \"<im>\"}"},
    };
    static const swg_encode_options untrusted = {.add_special = true, .parse_special = false};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_tokenizer *tokenizer = NULL;
        swg_ids ids = {0};
        ck_ok(tokenizer_of(cases[i], &tokenizer));
        check_encoding(tokenizer, "a<im>b<end>", 11, NULL, (int32_t[]){0, 13, 1, 12}, 4);
        ck_assert_int_eq(swg_tokenizer_eos(tokenizer), 12);
        ck_assert(swg_tokenizer_is_special(tokenizer, 12));
        ck_assert(swg_tokenizer_is_special(tokenizer, 13));
        ck_ok(swg_tokenizer_encode(tokenizer, "a<end>", 6, &untrusted, &ids));
        ck_assert(ids.count == 0 || ids.data[ids.count - 1] != 12);
        swg_ids_deinit(&ids);
        swg_tokenizer_free(&tokenizer);
    }
}
END_TEST

/* GPT-2 splits I'LL and .\n; Qwen2 keeps them, and composes e with an accent. */
START_TEST(splits_as_the_class_does)
{
    static const side_case qwen2[] = {
        {.settings = "{\"tokenizer_class\": \"Qwen2Tokenizer\"}"},
        {.settings = "{\"tokenizer_class\": \"Qwen2TokenizerFast\"}"},
        {.config = "{\"model_type\": \"qwen3\"}"},
    };
    static const side_case gpt2[] = {
        {.settings = "{\"tokenizer_class\": \"GPT2Tokenizer\"}"},
        {.config = "{\"model_type\": \"gpt2\"}"},
        {.settings = "{}"},
    };
    static const char text[] = "a'LLb.\n.\n";
    swg_tokenizer *tokenizer = NULL;
    for (size_t i = 0; i < sizeof qwen2 / sizeof *qwen2; i++) {
        ck_ok(tokenizer_of(qwen2[i], &tokenizer));
        check_encoding(tokenizer, text, sizeof text - 1, NULL, (int32_t[]){0, 7, 1, 8, 8}, 5);
        swg_tokenizer_free(&tokenizer);
    }
    for (size_t i = 0; i < sizeof gpt2 / sizeof *gpt2; i++) {
        ck_ok(tokenizer_of(gpt2[i], &tokenizer));
        check_encoding(tokenizer, text, sizeof text - 1, NULL, (int32_t[]){0, 5, 6, 1, 2, 3, 2, 3},
                       8);
        swg_tokenizer_free(&tokenizer);
    }
    const side_case unknown = {.settings = "{\"tokenizer_class\": \"CLIPTokenizer\"}"};
    ck_status_is(SWG_UNSUPPORTED, tokenizer_of(unknown, &tokenizer));
    ck_assert(strstr(swg_error_message(), "CLIPTokenizer") != NULL);
}
END_TEST

START_TEST(refuses_what_contradicts_the_vocabulary)
{
    static const struct {
        side_case files;
        const char *words;
    } cases[] = {
        {{.added = "{\"<im>\": 3}"}, "added_tokens.json: token 3 is \"<im>\""},
        {{.added = "{\"<im>\": -1}"}, "the id of token \"<im>\""},
        {{.added = "{\"<im>\": 99999999}"}, "has the id 99999999"},
        {{.added = "{\"<im>\": 13, \"<in>\": 13}"}, "token 13 is \"<in>\""},
        {{.is_fast = true, .settings = "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}"},
         "added_tokens_decoder has \"x\""},
        {{.settings = "{\"added_tokens_decoder\": {\"13\": {}}}"},
         "added_tokens_decoder has \"13\""},
        {{.settings = "{" DECODER(",\"special\":1") "}"}, "special"},
        {{.special = "{\"eos_token\": \"<none>\"}"}, "special_tokens_map.json: eos_token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_tokenizer *tokenizer = NULL;
        ck_status_is(SWG_CORRUPT, tokenizer_of(cases[i].files, &tokenizer));
        ck_assert_msg(strstr(swg_error_message(), cases[i].words) != NULL, "\"%s\" lacks \"%s\"",
                      swg_error_message(), cases[i].words);
    }
}
END_TEST

/* A model with fewer rows than ids: fine until a text needs one of them. */
START_TEST(keeps_to_the_rows_of_the_model)
{
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    ck_ok(tokenizer_of((side_case){.added = "{\"<pad>\": 13}"}, &tokenizer));
    ck_status_is(SWG_CORRUPT, swg_tokenizer_limit_ids(tokenizer, 12));
    ck_ok(swg_tokenizer_limit_ids(tokenizer, 13));
    check_encoding(tokenizer, "ab", 2, NULL, (int32_t[]){0, 1}, 2);
    ck_status_is(SWG_CORRUPT, swg_tokenizer_encode(tokenizer, "a<pad>", 6, NULL, &ids));
    ck_assert(strstr(swg_error_message(), "\"<pad>\" has the id 13") != NULL);
    ck_assert_uint_eq(ids.count, 0);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

static swg_status everything(void *context)
{
    swg_tokenizer *tokenizer = NULL;
    const swg_status status = tokenizer_of(*(const side_case *)context, &tokenizer);
    swg_tokenizer_free(&tokenizer);
    return status;
}

START_TEST(survives_failing_allocations)
{
    side_case files = {.settings = "{\"tokenizer_class\":\"Qwen2Tokenizer\"," DECODER("") "}",
                       .special = "{\"eos_token\": \"<end>\"}"};
    swg_test_each_allocation_fails(everything, &files);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("side_files");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, finds_added_tokens_wherever_they_stand);
    tcase_add_test(cases, knows_special_tokens_by_their_roles);
    tcase_add_test(cases, splits_as_the_class_does);
    tcase_add_test(cases, refuses_what_contradicts_the_vocabulary);
    tcase_add_test(cases, keeps_to_the_rows_of_the_model);
    tcase_add_test(cases, survives_failing_allocations);
    suite_add_tcase(suite, cases);
    return suite;
}
