/* Preparing texts: rows and joins, pages, every rule of the detokenizer, against the originals'
 * results; WikiText's test text whole against hashes that the originals gave. */
#include <string.h>

#include "eval/text_prep.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "tests/harness.h"

static swg_prepared_text prepared(swg_text_prep prep, const char *text)
{
    swg_prepared_text made = {0};
    ck_ok(swg_text_prepare(prep, text, strlen(text), &made));
    return made;
}

static void check_text(swg_text_prep prep, const char *text, const char *wanted)
{
    swg_prepared_text made = prepared(prep, text);
    ck_assert_str_eq(swg_strbuf_text(&made.text), wanted);
    swg_prepared_text_deinit(&made);
}

START_TEST(raw_is_as_read)
{
    swg_prepared_text made = prepared(SWG_TEXT_PREP_raw, " a  b\n");
    ck_assert_str_eq(made.text.text, " a  b\n");
    ck_assert_uint_eq(made.n_documents, 1);
    ck_assert_uint_eq(made.ends[0], 6);
    ck_assert_uint_eq(made.bytes, 6);
    ck_assert_uint_eq(made.words,
                      4); /* re.split(r"\s+", " a  b\n") has empty pieces at both ends */
    swg_prepared_text_deinit(&made);
}
END_TEST

START_TEST(rows_are_joined)
{
    check_text(SWG_TEXT_PREP_hf_join, " \n = A = \n \nx\ny", "\n\n = A = \n\n\n\n\nx\n\n\ny");
    check_text(SWG_TEXT_PREP_hf_join, "\xc2\xa0\nx\n", "\n\nx\n");
    check_text(SWG_TEXT_PREP_hf_join, "", "");
}
END_TEST

START_TEST(pages_are_split_at_titles)
{
    swg_prepared_text made = prepared(
        SWG_TEXT_PREP_lm_eval, " \n = One = \n \n text a \n = = Part = = \n b \n = Two = \n c \n");
    ck_assert_uint_eq(made.n_documents, 2);
    ck_assert_uint_eq(made.ends[0], strlen(" = One =\n\ntext a\n== Part ==\nb "));
    ck_assert_str_eq(made.text.text, " = One =\n\ntext a\n== Part ==\nb  = Two =\nc\n");
    swg_prepared_text_deinit(&made);
}
END_TEST

START_TEST(every_rule_of_the_detokenizer)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"dogs ' tails", "dogs' tails"},
        {"a /' 7/ b", "a /'[0-9]/ b"},
        {"well @-@ known 1 @,@ 000 2 @.@ 5", "well-known 1,000 2.5"},
        {"a : b ; c . d ! e ? f , g", "a: b; c. d! e? f, g"},
        {"x ( a b ) y", "x (a b) y"},
        {"x (\n a ( b ) c ) y", "x (a ( b) c ) y"},
        {"[ a ] { b } ( )", "[a] {b} ()"},
        {"say \" a b \" and \" c", "say \"a b\" and \" c"},
        {"the ' big ' one", "the 'big' one"},
        {"x = = = = y = = = z = = w", "x ==== y === z == w"},
        {"5 \xc2\xb0 C", "5\xc2\xb0"
                         "C"},
        {"a \n b", "a\nb"},
        {"a N b", "a 1 b"},
        {"it 's", "it's"},
        {"( \xe2\x80\x89 a \xc2\xa0)", "(a)"},
        {"(never closed", "(never closed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_text(SWG_TEXT_PREP_lm_eval, rows[i].from, rows[i].to);
}
END_TEST

START_TEST(wikitext_is_what_the_originals_make)
{
    static const struct {
        swg_text_prep prep;
        size_t length, documents, words, bytes;
        const char *sha256;
    } rows[] = {
        {SWG_TEXT_PREP_lm_eval, 1240466, 62, 241335, 1290527,
         "d6535ca809061590d5e672ac43d8d2d5e1fb500c3005768f6050dcc007786165"},
        {SWG_TEXT_PREP_hf_join, 1296370, 1, 241213, 1290590,
         "696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83"},
    };
    const char *path = swg_test_shared("text/wiki.test.raw");
    if (!path)
        return;
    swg_map map;
    ck_ok(swg_map_open(path, &map));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        swg_prepared_text made = {0};
        char sha256[SWG_SHA256_TEXT];
        ck_ok(swg_text_prepare(rows[i].prep, (const char *)map.data, map.size, &made));
        swg_sha256_text((const uint8_t *)made.text.text, made.text.length, sha256);
        ck_assert_str_eq(sha256, rows[i].sha256);
        ck_assert_uint_eq(made.text.length, rows[i].length);
        ck_assert_uint_eq(made.n_documents, rows[i].documents);
        ck_assert_uint_eq(made.words, rows[i].words);
        ck_assert_uint_eq(made.bytes, rows[i].bytes);
        swg_prepared_text_deinit(&made);
    }
    swg_map_close(&map);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("text_prep");
    TCase *tcase = tcase_create("preparations");
    tcase_add_test(tcase, raw_is_as_read);
    tcase_add_test(tcase, rows_are_joined);
    tcase_add_test(tcase, pages_are_split_at_titles);
    tcase_add_test(tcase, every_rule_of_the_detokenizer);
    tcase_add_test(tcase, wikitext_is_what_the_originals_make);
    suite_add_tcase(suite, tcase);
    return suite;
}
