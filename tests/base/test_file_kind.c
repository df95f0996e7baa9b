/* What files are, by their first bytes, and what texts are refused or remarked upon. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/base/file_kind.h"
#include "runtime/base/notice.h"
#include "runtime/base/text_file.h"

#define KIND(bytes) swg_file_kind_of(bytes, sizeof(bytes) - 1)

START_TEST(files_are_known_by_their_first_bytes)
{
    ck_assert_int_eq(KIND("version https://git-lfs.github.com/spec/v1\noid"), SWG_FILE_LFS_POINTER);
    ck_assert_int_eq(KIND("\n <!DOCTYPE HTML>"), SWG_FILE_HTML);
    ck_assert_int_eq(KIND("\xef\xbb\xbf<html lang=en>"), SWG_FILE_HTML);
    ck_assert_int_eq(KIND("\xff\xfe\0\0h\0\0\0"), SWG_FILE_UTF32);
    ck_assert_int_eq(KIND("\xff\xfeh\0"), SWG_FILE_UTF16);
    ck_assert_int_eq(KIND("O\0n\0c\0e\0 \0u\0p\0o\0n\0"), SWG_FILE_UTF16); /* without a mark */
    ck_assert_int_eq(KIND("\0O\0n\0c\0e\0 \0u\0p\0o\0n"), SWG_FILE_UTF16);
    ck_assert_int_eq(KIND("\x1f\x8b\x08"), SWG_FILE_GZIP);
    ck_assert_int_eq(KIND("PK\3\4"), SWG_FILE_ZIP);
    ck_assert_int_eq(KIND("\x08\x07\x12\x07pytorch\x1a\x05"), SWG_FILE_ONNX);
    ck_assert_int_eq(KIND("%PDF-1.7"), SWG_FILE_PDF);
    ck_assert_int_eq(KIND("\x40\0\0\0\0\0\0\0{\"a\":"), SWG_FILE_SAFETENSORS);
    char archive[512] = "name";
    memcpy(archive + 257, "ustar", 5);
    ck_assert_int_eq(swg_file_kind_of(archive, sizeof archive), SWG_FILE_TAR);
    for (int kind = SWG_FILE_UNKNOWN + 1; kind <= SWG_FILE_SAFETENSORS; kind++)
        ck_assert_int_eq(strncmp(swg_file_kind_sentence((swg_file_kind)kind), "is ", 3), 0);
}
END_TEST

START_TEST(others_are_not_known)
{
    ck_assert_int_eq(KIND("Once upon a time"), SWG_FILE_UNKNOWN);
    ck_assert_int_eq(KIND("{\"a\": 1}"), SWG_FILE_UNKNOWN);
    ck_assert_int_eq(KIND("12345678{\"a\":1}"), SWG_FILE_UNKNOWN); /* text, not a length */
    ck_assert_int_eq(KIND("P"), SWG_FILE_UNKNOWN);
    ck_assert_int_eq(swg_file_kind_of("", 0), SWG_FILE_UNKNOWN);
}
END_TEST

START_TEST(readers_of_models_refuse_what_is_not_one)
{
    ck_status_is(SWG_UNSUPPORTED, swg_file_refuse_mistaken("a.bin", "\x1f\x8b", 2));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "a.bin is compressed by gzip"));
    ck_ok(swg_file_refuse_mistaken("a.bin", "GGUF", 4));
    ck_ok(swg_file_refuse_mistaken("a.bin", "", 0));
}
END_TEST

/* What is said of a text, and where it begins. */
static void check_text(const char *text, size_t length, size_t expected_begin, const char *notice)
{
    size_t begin = 99;
    char said[SWG_NOTICE_BYTES] = "";
    ck_ok(swg_text_check("t.txt", text, length, SWG_TEXT_PROSE, &begin));
    ck_assert_uint_eq(begin, expected_begin);
    const bool is_said = swg_notice_take(said);
    ck_assert_msg(is_said == (notice != NULL), "%s", said);
    ck_assert_msg(!notice || strstr(said, notice), "%s", said);
    ck_assert(!swg_notice_take(said));
}

START_TEST(oddities_of_texts_are_said)
{
#define TEXT(bytes, begin, notice) check_text(bytes, sizeof(bytes) - 1, begin, notice)
    TEXT("Once upon a time", 0, NULL);
    TEXT("caf\xc3\xa9", 0, NULL);
    TEXT("\xef\xbb\xbfOnce", 3, "byte-order mark, which is skipped");
    TEXT("caf\xe9 or", 0, "not UTF-8 at byte 3");
    TEXT("{\"text\": \"a\"}\n{\"text\": \"b\"}\n", 0, "a JSON object per line");
    TEXT("{\"text\": \"a\"}\r\n{\"text\": \"b\"}\r\n", 0, "a JSON object per line");
    TEXT("{braces} in a text\n", 0, NULL);
    TEXT("<html><body>", 0, "HTML");
    check_text("", 0, 0, NULL);
}
END_TEST

START_TEST(what_is_not_a_text_is_refused)
{
    size_t begin = 99;
    ck_status_is(SWG_CORRUPT, swg_text_check("t", "a\0b", 3, SWG_TEXT_DATA, &begin));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "byte 1 is NUL"));
    ck_status_is(SWG_UNSUPPORTED, swg_text_check("t", "\xff\xfe\x41\0", 4, SWG_TEXT_DATA, &begin));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "iconv"));
    ck_status_is(SWG_UNSUPPORTED, swg_text_check("t", "GGUF\3\0\0\0", 8, SWG_TEXT_PROSE, &begin));
    ck_assert_uint_eq(begin, 99);
}
END_TEST

/* The sentence about a path that is not there. */
static const char *missing(const char *path)
{
    ck_status_is(SWG_IO, swg_explain_missing(swg_error(SWG_IO, "cannot open it"), path));
    return swg_error_message();
}

START_TEST(names_of_models_elsewhere_are_explained)
{
    ck_assert_ptr_nonnull(
        strstr(missing("Owner/Model-1.1B"), "hf download Owner/Model-1.1B --local-dir Model-1.1B"));
    ck_assert_ptr_nonnull(strstr(missing("hf://Owner/Model"), "hf download Owner/Model "));
    ck_assert_ptr_nonnull(strstr(missing("https://example.org/m.gguf"), "curl -LO https://"));
    ck_assert_ptr_nonnull(strstr(missing("llama3:8b"), "ollama show --modelfile llama3:8b"));
    ck_assert_str_eq(missing("tests/none"), "cannot open it"); /* a folder of that name exists */
    ck_assert_str_eq(missing("./a/b"), "cannot open it");
    ck_assert_str_eq(missing("/a/b"), "cannot open it");
    ck_assert_str_eq(missing("none"), "cannot open it");
    ck_ok(swg_explain_missing(SWG_OK, "Owner/Model"));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("file_kind");
    TCase *cases = tcase_create("file_kind");
    tcase_add_test(cases, files_are_known_by_their_first_bytes);
    tcase_add_test(cases, others_are_not_known);
    tcase_add_test(cases, readers_of_models_refuse_what_is_not_one);
    tcase_add_test(cases, oddities_of_texts_are_said);
    tcase_add_test(cases, what_is_not_a_text_is_refused);
    tcase_add_test(cases, names_of_models_elsewhere_are_explained);
    suite_add_tcase(suite, cases);
    return suite;
}
