/* See text_fixtures.h. */
#include "tests/runtime/text/text_fixtures.h"

#include <stdio.h>

swg_status tokenizer_from(const char *name, const void *data, size_t length, swg_tokenizer **out)
{
    const swg_file_view file = {name, data, length};
    return swg_tokenizer_from_files(&file, 1, NULL, out);
}

swg_tokenizer *tokenizer_at(const char *path)
{
    swg_tokenizer *tokenizer = NULL;
    ck_ok(swg_tokenizer_from_path(path, &tokenizer));
    return tokenizer;
}

swg_ids ids_of_json(const swg_json *array)
{
    swg_ids ids = {.capacity = swg_json_count(array)};
    ids.data = swg_calloc(ids.capacity, sizeof *ids.data);
    for (const swg_json *item = swg_json_first(array); item; item = swg_json_next(item)) {
        int64_t id = -1;
        ck_assert(swg_json_as_int(item, &id));
        ids.data[ids.count++] = (int32_t)id;
    }
    return ids;
}

swg_json_doc *json_at(const char *path)
{
    size_t length;
    swg_json_doc *doc = NULL;
    uint8_t *text = swg_test_read_file(path, &length);
    ck_ok(swg_json_parse((const char *)text, length, path, &doc));
    swg_free(text);
    return doc;
}

void check_ids(const char *what, const swg_ids *got, const int32_t *wanted, size_t n_wanted)
{
    for (size_t i = 0; i < got->count && i < n_wanted; i++)
        ck_assert_msg(got->data[i] == wanted[i], "%s: id %zu is %d, not %d", what, i, got->data[i],
                      wanted[i]);
    ck_assert_msg(got->count == n_wanted, "%s: %zu ids, not %zu", what, got->count, n_wanted);
}

void check_encoding(const swg_tokenizer *tokenizer, const char *text, size_t length,
                    const swg_encode_options *options, const int32_t *wanted, size_t n_wanted)
{
    swg_ids ids = {0};
    ck_ok(swg_tokenizer_encode(tokenizer, text, length, options, &ids));
    char what[64];
    snprintf(what, sizeof what, "\"%.50s\"", text);
    check_ids(what, &ids, wanted, n_wanted);
    swg_ids_deinit(&ids);
}

void check_round_trip(const swg_tokenizer *tokenizer, const char *text, size_t length)
{
    swg_ids ids = {0};
    swg_strbuf back = {0};
    ck_ok(swg_tokenizer_encode(tokenizer, text, length, NULL, &ids));
    ck_ok(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &back));
    ck_assert_uint_eq(back.length, length);
    ck_assert(length == 0 || memcmp(back.text, text, length) == 0);
    swg_strbuf_deinit(&back);
    swg_ids_deinit(&ids);
}
