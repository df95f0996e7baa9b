/* llama2.c's tokenizer: ids and text of the reference model, a small vocabulary made here, files
 * that are cut or changed. */
#include <stdio.h>

#include "tests/runtime/text/text_fixtures.h"

/* --- A small tokenizer.bin -------------------------------------------------------------------- */

typedef struct extra_token {
    const char *text;
    float score;
} extra_token;

/* Ties (equal scores), a merge that only a second merge makes possible, a multi-byte character. */
static const extra_token extra_tokens[] = {
    {" ", -1.0f},   {"a", -2.0f},  {"b", -3.0f},   {"ab", -0.5f},           {"ba", -0.5f},
    {"aba", -4.0f}, {" a", -0.9f}, {"abab", 2.0f}, {"\xe2\x82\xac", -5.0f}, {"aa", -1e10f},
};
enum { N_EXTRA = sizeof extra_tokens / sizeof *extra_tokens, EXTRA = 259 };

static void put_token(swg_strbuf *file, const char *text, float score)
{
    const int32_t length = (int32_t)strlen(text);
    swg_strbuf_append(file, &score, 4);
    swg_strbuf_append(file, &length, 4);
    swg_strbuf_append(file, text, strlen(text));
}

static swg_strbuf small_file(void)
{
    swg_strbuf file = {0};
    const int32_t longest = 7;
    swg_strbuf_append(&file, &longest, 4);
    put_token(&file, "<unk>", 0.0f);
    put_token(&file, "\n<s>\n", 0.0f);
    put_token(&file, "\n</s>\n", 0.0f);
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        put_token(&file, text, 0.0f);
    }
    for (size_t i = 0; i < N_EXTRA; i++)
        put_token(&file, extra_tokens[i].text, extra_tokens[i].score);
    ck_ok(swg_strbuf_status(&file));
    return file;
}

/* run.c's loop, step for step: the best pair of all, then again. */
static void reference_merge(swg_ids *ids)
{
    for (;;) {
        float best_score = -1e10f;
        size_t best_at = SIZE_MAX;
        int32_t best_id = -1;
        for (size_t i = 1; i + 1 < ids->count; i++) {
            if (ids->data[i] < EXTRA || ids->data[i + 1] < EXTRA)
                continue;
            char joined[32];
            snprintf(joined, sizeof joined, "%s%s", extra_tokens[ids->data[i] - EXTRA].text,
                     extra_tokens[ids->data[i + 1] - EXTRA].text);
            for (size_t t = 0; t < N_EXTRA; t++)
                if (strcmp(extra_tokens[t].text, joined) == 0 &&
                    extra_tokens[t].score > best_score) {
                    best_score = extra_tokens[t].score;
                    best_at = i;
                    best_id = EXTRA + (int32_t)t;
                }
        }
        if (best_at == SIZE_MAX)
            return;
        ids->data[best_at] = best_id;
        memmove(ids->data + best_at + 1, ids->data + best_at + 2,
                (ids->count - best_at - 2) * sizeof *ids->data);
        ids->count--;
    }
}

START_TEST(merges_as_the_plain_loop_does)
{
    swg_strbuf file = small_file();
    swg_tokenizer *tokenizer = NULL;
    ck_ok(tokenizer_from("tokenizer.bin", file.text, file.length, &tokenizer));
    for (unsigned pattern = 0; pattern < 3 * 3 * 3 * 3 * 3 * 3 * 3; pattern++) {
        char text[8] = {0};
        int32_t ids[9] = {1, EXTRA};
        unsigned rest = pattern;
        for (size_t i = 0; i < 7; i++, rest /= 3) {
            text[i] = "ab "[rest % 3];
            ids[i + 2] = EXTRA + (rest % 3 == 0 ? 1 : rest % 3 == 1 ? 2 : 0);
        }
        swg_ids wanted = {ids, 9, 9};
        reference_merge(&wanted);
        check_encoding(tokenizer, text, 7, NULL, wanted.data, wanted.count);
    }
    swg_tokenizer_free(&tokenizer);
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(falls_back_to_bytes)
{
    swg_strbuf file = small_file();
    swg_tokenizer *tokenizer = NULL;
    ck_ok(tokenizer_from("tokenizer.bin", file.text, file.length, &tokenizer));
    check_encoding(tokenizer, "", 0, NULL, (int32_t[]){1}, 1);
    check_encoding(tokenizer, "\xe2\x82\xac", 3, NULL, (int32_t[]){1, EXTRA, EXTRA + 8}, 3);
    check_encoding(tokenizer, "\xc3\xa9", 2, NULL, (int32_t[]){1, EXTRA, 0xc3 + 3, 0xa9 + 3}, 4);
    check_encoding(tokenizer, "\0\xff", 2, NULL, (int32_t[]){1, EXTRA, 3, 0xff + 3}, 4);
    const swg_encode_options bare = {.add_special = false};
    check_encoding(tokenizer, "a", 1, &bare, (int32_t[]){EXTRA + 6}, 1);
    check_round_trip(tokenizer, "ab \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xff\x80", 15);
    swg_tokenizer_free(&tokenizer);
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(streams_whole_characters)
{
    swg_strbuf file = small_file(), out = {0};
    swg_tokenizer *tokenizer = NULL;
    swg_decoder *decoder = NULL;
    ck_ok(tokenizer_from("tokenizer.bin", file.text, file.length, &tokenizer));
    ck_ok(swg_decoder_new(tokenizer, NULL, &decoder));
    static const int32_t ids[] = {1,        EXTRA + 6, 0xf0 + 3, 0x9f + 3,
                                  0x98 + 3, 0x80 + 3,  EXTRA,    0xe2 + 3};
    static const size_t lengths[] = {0, 1, 1, 1, 1, 5, 6, 6};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        ck_ok(swg_decoder_feed(decoder, ids[i], &out));
        ck_assert_uint_eq(out.length, lengths[i]);
    }
    ck_ok(swg_decoder_finish(decoder, &out));
    ck_assert_str_eq(out.text, "a\xf0\x9f\x98\x80 \xe2");
    ck_status_is(SWG_CORRUPT, swg_decoder_feed(decoder, EXTRA + N_EXTRA, &out));
    ck_status_is(SWG_CORRUPT, swg_decoder_feed(decoder, -1, &out));
    swg_decoder_free(&decoder);
    swg_tokenizer_free(&tokenizer);
    swg_strbuf_deinit(&out);
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(knows_its_facts)
{
    swg_strbuf file = small_file();
    swg_tokenizer *tokenizer = NULL;
    size_t length;
    ck_ok(tokenizer_from("tokenizer.bin", file.text, file.length, &tokenizer));
    ck_assert_uint_eq(swg_tokenizer_vocab_size(tokenizer), EXTRA + N_EXTRA);
    ck_assert_int_eq(swg_tokenizer_bos(tokenizer), 1);
    ck_assert_int_eq(swg_tokenizer_eos(tokenizer), 2);
    ck_assert(swg_tokenizer_is_end(tokenizer, 2) && !swg_tokenizer_is_end(tokenizer, 1));
    ck_assert(swg_tokenizer_adds_bos(tokenizer));
    ck_assert(swg_tokenizer_is_special(tokenizer, 1) && !swg_tokenizer_is_special(tokenizer, 5));
    ck_assert(!swg_tokenizer_is_special(tokenizer, -1));
    ck_assert_str_eq(swg_tokenizer_token(tokenizer, EXTRA + 3, &length), "ab");
    ck_assert_uint_eq(length, 2);
    ck_assert_ptr_null(swg_tokenizer_token(tokenizer, EXTRA + N_EXTRA, &length));
    ck_assert_int_eq(swg_tokenizer_find(tokenizer, "aba", 3), EXTRA + 5);
    ck_assert_int_eq(swg_tokenizer_find(tokenizer, "zzz", 3), -1);
    swg_tokenizer_free(&tokenizer);
    swg_strbuf_deinit(&file);
}
END_TEST

/* --- Hostile files ---------------------------------------------------------------------------- */

START_TEST(refuses_every_truncation)
{
    swg_strbuf file = small_file();
    for (size_t length = 0; length < file.length; length++) {
        char *exact = swg_malloc(length, 1); /* so that reading past the end is noticed */
        memcpy(exact, file.text, length);
        swg_tokenizer *tokenizer = NULL;
        const swg_status status = tokenizer_from("tokenizer.bin", exact, length, &tokenizer);
        ck_assert(status == SWG_CORRUPT || status == SWG_OK); /* OK: cut between two tokens */
        ck_assert((status == SWG_OK) == (tokenizer != NULL));
        swg_tokenizer_free(&tokenizer);
        swg_free(exact);
    }
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(survives_every_flipped_byte)
{
    swg_strbuf file = small_file();
    size_t refused = 0;
    for (size_t i = 0; i < file.length; i++) {
        file.text[i] ^= (char)0xff;
        swg_tokenizer *tokenizer = NULL;
        swg_ids ids = {0};
        const swg_status status =
            tokenizer_from("tokenizer.bin", file.text, file.length, &tokenizer);
        ck_assert(status == SWG_OK || status == SWG_CORRUPT);
        if (tokenizer)
            ck_ok(swg_tokenizer_encode(tokenizer, "ab aba\xc3\xa9", 8, NULL, &ids));
        refused += status == SWG_CORRUPT;
        swg_ids_deinit(&ids);
        swg_tokenizer_free(&tokenizer);
        file.text[i] ^= (char)0xff;
    }
    ck_assert_uint_gt(refused, 100);
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(refuses_another_vocabulary_size)
{
    swg_strbuf file = small_file();
    swg_tokenizer *tokenizer = NULL;
    const swg_file_view view = {"tokenizer.bin", file.text, file.length};
    ck_status_is(SWG_CORRUPT,
                 swg_tokenizer_from_files(&view, 1, "{\"vocab_size\": 270}", &tokenizer));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "269"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "270"));
    ck_ok(swg_tokenizer_from_files(&view, 1, "{\"vocab_size\": 269}", &tokenizer));
    swg_tokenizer_free(&tokenizer);
    ck_status_is(SWG_FAILED, tokenizer_from("other.bin", file.text, file.length, &tokenizer));
    swg_strbuf_deinit(&file);
}
END_TEST

static swg_status everything(void *context)
{
    const swg_strbuf *file = context;
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    swg_strbuf text = {0};
    swg_status status;
    SWG_GO(tokenizer_from("tokenizer.bin", file->text, file->length, &tokenizer));
    SWG_GO(swg_tokenizer_encode(tokenizer, "abab aab", 8, NULL, &ids));
    SWG_GO(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &text));
done:
    swg_strbuf_deinit(&text);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
    return status;
}

START_TEST(survives_failing_allocations)
{
    swg_strbuf file = small_file();
    swg_test_each_allocation_fails(everything, &file);
    swg_strbuf_deinit(&file);
}
END_TEST

/* --- The reference model ---------------------------------------------------------------------- */

/* Stories are separated by one blank line. */
static void check_stories(const swg_tokenizer *tokenizer, const char *text, const swg_json *wanted)
{
    size_t n = 0;
    for (const swg_json *item = swg_json_first(wanted); item; item = swg_json_next(item), n++) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        if (!end && length > 0 && text[length - 1] == '\n')
            length--;
        swg_ids ids = ids_of_json(item);
        check_encoding(tokenizer, text, length, NULL, ids.data, ids.count);
        swg_ids_deinit(&ids);
        text += end ? length + 2 : length;
    }
    ck_assert_uint_eq(n, 40);
}

START_TEST(gives_the_ids_of_80_stories)
{
    const char *folder = swg_test_need("models/stories260K");
    if (!folder)
        return;
    swg_tokenizer *tokenizer = tokenizer_at(swg_test_shared("models/stories260K/tokenizer.bin"));
    swg_json_doc *doc = json_at(swg_test_shared("models/stories260K/story_ids.json"));
    static const char *const names[][2] = {{"eval", "text/stories-eval.txt"},
                                           {"calib", "text/stories-calib.txt"}};
    for (size_t i = 0; i < 2; i++) {
        size_t length;
        uint8_t *text = swg_test_read_file(swg_test_shared(names[i][1]), &length);
        check_stories(tokenizer, (const char *)text, swg_json_get(swg_json_root(doc), names[i][0]));
        swg_free(text);
    }
    swg_json_free(&doc);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(prints_the_reference_text)
{
    if (!swg_test_need("models/stories260K"))
        return;
    swg_tokenizer *tokenizer = tokenizer_at(swg_test_shared("models/stories260K/tokenizer.bin"));
    swg_json_doc *doc = json_at(swg_test_shared("models/stories260K/reference.json"));
    swg_ids ids = ids_of_json(swg_json_get(swg_json_root(doc), "input_ids"));
    swg_strbuf text = {0};
    size_t length;
    uint8_t *expected =
        swg_test_read_file(swg_test_shared("models/stories260K/expected_greedy.txt"), &length);
    check_encoding(tokenizer, (const char *)expected, strcspn((const char *)expected, "\n"), NULL,
                   ids.data, 62);
    ck_ok(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &text));
    ck_assert_uint_le(text.length, length);
    ck_assert(memcmp(text.text, expected, text.length) == 0);
    swg_free(expected);
    swg_strbuf_deinit(&text);
    swg_ids_deinit(&ids);
    swg_json_free(&doc);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tokenizer_llama2c");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, merges_as_the_plain_loop_does);
    tcase_add_test(cases, falls_back_to_bytes);
    tcase_add_test(cases, streams_whole_characters);
    tcase_add_test(cases, knows_its_facts);
    tcase_add_test(cases, refuses_every_truncation);
    tcase_add_test(cases, survives_every_flipped_byte);
    tcase_add_test(cases, refuses_another_vocabulary_size);
    tcase_add_test(cases, survives_failing_allocations);
    tcase_add_test(cases, gives_the_ids_of_80_stories);
    tcase_add_test(cases, prints_the_reference_text);
    suite_add_tcase(suite, cases);
    return suite;
}
