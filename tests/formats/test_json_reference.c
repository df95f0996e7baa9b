/* The JSON tree against cJSON's: the same values for every valid JSON text. cJSON also accepts
 * invalid texts, so it judges only what our reader accepts. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"

#define CORPUS "tests/fuzz/corpus/json"

static void compare(const swg_json *ours, const cJSON *theirs)
{
    const char *text = NULL;
    double number = 0;
    bool flag = false;
    if (cJSON_IsString(theirs)) {
        ck_assert(swg_json_as_string(ours, &text));
        ck_assert_str_eq(text, theirs->valuestring);
    } else if (cJSON_IsNumber(theirs)) {
        ck_assert(swg_json_as_double(ours, &number));
        ck_assert_msg(number == theirs->valuedouble, "%.17g is not %.17g", number,
                      theirs->valuedouble);
    } else if (cJSON_IsBool(theirs)) {
        ck_assert(swg_json_as_bool(ours, &flag));
        ck_assert(flag == cJSON_IsTrue(theirs));
    } else if (cJSON_IsNull(theirs)) {
        ck_assert_int_eq(swg_json_kind_of(ours), SWG_JSON_NULL);
    } else {
        ck_assert_int_eq(swg_json_kind_of(ours),
                         cJSON_IsObject(theirs) ? SWG_JSON_OBJECT : SWG_JSON_ARRAY);
        ck_assert_uint_eq(swg_json_count(ours), (size_t)cJSON_GetArraySize(theirs));
        const cJSON *other = theirs->child;
        for (const swg_json *item = swg_json_first(ours); item; item = swg_json_next(item)) {
            if (cJSON_IsObject(theirs)) {
                ck_assert_str_eq(swg_json_key(item), other->string);
                ck_assert_ptr_eq(swg_json_get(ours, other->string), item);
            }
            compare(item, other);
            other = other->next;
        }
    }
}

/* Whether the text is valid JSON. */
static bool compare_text(const char *text, size_t length)
{
    swg_json_doc *doc = NULL;
    if (swg_json_parse(text, length, "text", &doc) != SWG_OK)
        return false;
    cJSON *theirs = cJSON_ParseWithLength(text, length);
    ck_assert_msg(theirs != NULL, "cJSON does not read %.*s", (int)length, text);
    compare(swg_json_root(doc), theirs);
    cJSON_Delete(theirs);
    swg_json_free(&doc);
    return true;
}

START_TEST(texts)
{
    static const char *const good[] = {
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\uDBFF\\uDFFF\"",
        "[0, -0, 0.0, -1, 9007199254740992, -9007199254740992, 123456789012345678e-3]",
        "[1e22, 1e23, 2.2250738585072014e-308, 4.9e-324, 1e-400, 1.7976931348623157e308, 0.1]",
        "[0.30000000000000004, 9007199254740993.0, 3.141592653589793238462643383279502884]",
        " { \"a\" : { \"b\" : [ { } , [ ] , \"\" ] } , \"\" : null, \"\\u0061b\" : false } ",
        "{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":[10]}",
        "true",
        "\"\\\\\"",
        "[\"\\\\\\\"\", \"\\\"\"]",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(compare_text(good[i], strlen(good[i])), "%s", swg_error_message());
}
END_TEST

START_TEST(corpus)
{
    size_t n_good = 0;
    DIR *folder = opendir(CORPUS);
    ck_assert_ptr_nonnull(folder);
    for (const struct dirent *file; (file = readdir(folder));) {
        char path[512];
        size_t length;
        if (file->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, CORPUS "/%s", file->d_name);
        uint8_t *bytes = swg_test_read_file(path, &length);
        n_good += compare_text((const char *)bytes, length);
        swg_free(bytes);
    }
    closedir(folder);
    printf("%zu texts of the corpus are good\n", n_good);
    ck_assert_uint_gt(n_good, 5);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("json_reference");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, texts);
    tcase_add_test(cases, corpus);
    suite_add_tcase(suite, cases);
    return suite;
}
