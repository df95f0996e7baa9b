/* Histories: entries with the hashes of every input, however many threads; reading them back, those
 * of earlier versions too; failures of the thread that hashes. */
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "formats/provenance.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "tests/formats/sample.h"
#include "tests/harness.h"

/* A folder of three files: weights, configuration, tokenizer. */
static const char *folder(void)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *path = swg_test_path("inputs");
    const swg_tensor_desc one = {
        .name = "w", .scheme = swg_scheme_plain(SWG_F32), .rank = 1, .shape = {2}};
    const float numbers[2] = {1, 2};
    const void *planes[SWG_PLANE_KINDS] = {numbers};
    swg_sink_options options = swg_sink_options_default();
    options.force = true;
    swg_sink *sink;
    ck_ok(swg_sink_open(path, &options, &s.meta, &one, 1, &sink));
    ck_ok(swg_sink_write(sink, 0, planes));
    ck_ok(swg_sink_finish(&sink, NULL));
    sample_deinit(&s);
    return path;
}

static swg_status history_of(const char *path, size_t n_threads, const swg_step *step, char **out)
{
    swg_source *source = NULL;
    swg_input_hashes *hashes = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(path, NULL, &source));
    SWG_GO(swg_input_hashes_start(source, n_threads, &hashes));
    SWG_GO(swg_provenance_add(source, step, hashes, out));
done:
    swg_input_hashes_free(&hashes);
    swg_source_close(&source);
    return status;
}

START_TEST(every_input_is_hashed)
{
    const swg_step step = {.command = "pack", .options = "{\"a\":1}", .recipe = "{\"recipe\":1}"};
    const char *path = folder();
    char *text[2] = {0};
    for (size_t i = 0; i < 2; i++)
        ck_ok(history_of(path, i + 1, &step, &text[i]));
    ck_assert_str_eq(text[0], text[1]);
    swg_json_doc *doc;
    ck_ok(swg_json_parse(text[0], strlen(text[0]), "history", &doc));
    const swg_json *entry = swg_json_at(swg_json_root(doc), 0);
    const swg_json *files = swg_json_get(swg_json_get(entry, "input"), "files");
    const char *word, *before = "";
    ck_assert(swg_json_as_string(swg_json_get(entry, "command"), &word));
    ck_assert_str_eq(word, "pack");
    ck_assert_uint_ge(swg_json_count(files), 3);
    for (const swg_json *file = swg_json_first(files); file; file = swg_json_next(file)) {
        const char *name, *hash;
        char wanted[SWG_HASH128_TEXT];
        int64_t bytes;
        size_t length;
        ck_assert(swg_json_as_string(swg_json_get(file, "name"), &name));
        ck_assert(swg_json_as_string(swg_json_get(file, "xxh3_128"), &hash));
        ck_assert(swg_json_as_int(swg_json_get(file, "bytes"), &bytes));
        char *joined = swg_path_join(path, name);
        uint8_t *data = swg_test_read_file(joined, &length);
        swg_hash128_text(data, length, wanted);
        ck_assert_str_eq(hash, wanted);
        ck_assert_int_eq(bytes, (int64_t)length);
        ck_assert_int_lt(strcmp(before, name), 0); /* in order, each once */
        before = name;
        swg_free(joined);
        swg_free(data);
    }
    swg_json_free(&doc);
    swg_free(text[0]);
    swg_free(text[1]);
}
END_TEST

/* The file that the user names is not named in the history: its name must not change the output. */
START_TEST(a_container_is_known_by_its_directory)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    char *text[2];
    const swg_step step = {.command = "pack"};
    for (int i = 0; i < 2; i++) {
        const char *path = swg_test_path(i ? "b.swg" : "a.swg");
        ck_ok(sample_write(&s, path,
                           &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
        ck_ok(history_of(path, 2, &step, &text[i]));
    }
    ck_assert_str_eq(text[0], text[1]);
    ck_assert_ptr_nonnull(strstr(text[0], "\"files\":[{\"directory_xxh3_128\":\""));
    ck_assert_ptr_nonnull(strstr(text[0], "[{\"tool\":\"test\"},{\"command\":\"pack\""));
    swg_free(text[0]);
    swg_free(text[1]);
    sample_deinit(&s);
}
END_TEST

/* A source with that history. */
static swg_source *source_with(const char *provenance)
{
    sample s;
    swg_source *source = NULL;
    const char *path = swg_test_path("history.swg");
    sample_init(&s);
    sample_add_small(&s);
    s.meta.provenance = provenance;
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    ck_ok(swg_source_open(path, NULL, &source));
    sample_deinit(&s);
    return source;
}

START_TEST(entries_are_appended)
{
    char *text = NULL;
    swg_source *source = source_with("[{\"tool\":\"test\"}]");
    ck_ok(swg_provenance_append(source, "{\"a\":1}", &text));
    ck_assert_str_eq(text, "[{\"tool\":\"test\"},{\"a\":1}]");
    swg_free(text);
    ck_status_is(SWG_CORRUPT, swg_provenance_append(source, "{", &text));
    ck_status_is(SWG_CORRUPT, swg_provenance_append(source, "[]", &text));
    /* A dry run's entry is as long as the one that will be written. */
    const swg_step step = {.command = "pack"};
    swg_input_hashes *hashes = NULL;
    char *dry = NULL;
    ck_ok(swg_input_hashes_start(source, 2, &hashes));
    ck_ok(swg_provenance_add(source, &step, hashes, &text));
    ck_ok(swg_provenance_add(source, &step, NULL, &dry));
    ck_assert_uint_eq(strlen(text), strlen(dry));
    swg_free(text);
    swg_free(dry);
    swg_input_hashes_free(&hashes);
    swg_source_close(&source);
}
END_TEST

/* As written before there was one writer, and by this one. */
static const char old_and_new[] =
    "[{\"tool\":\"swage\",\"version\":\"0.1.0\",\"command\":\"convert\",\"recipe\":{},"
    "\"input\":{\"format\":\"gguf\",\"xxh3_128\":\"0\"}},"
    "{\"step\":\"quantize\",\"tool\":\"swage\",\"version\":\"0.1.0\",\"recipe\":{\"method\":"
    "\"rtn\"}},"
    "{\"command\":\"quantize\",\"tool\":\"swage\",\"version\":\"0.2\",\"recipe\":{\"recipe\":1,"
    "\"seed\":3,\"rules\":[{\"a\":[1.5,true,null,\"x\"]}]},\"input\":{\"format\":\"swg\"}},"
    "{\"nothing\":\"known\"}]";

START_TEST(histories_are_told)
{
    swg_source *source = source_with(old_and_new);
    swg_strbuf told = {0};
    ck_ok(swg_provenance_describe(source, &told));
    ck_assert_str_eq(swg_strbuf_text(&told), "  convert by swage 0.1.0, from gguf\n"
                                             "  quantize by swage 0.1.0\n"
                                             "  quantize by swage 0.2, from swg\n"
                                             "  an unknown step by an unknown tool \n");
    swg_strbuf_deinit(&told);
    swg_json_writer json = {.compact = true};
    bool found = false;
    ck_ok(swg_provenance_write_recipe(source, &json, NULL, &found));
    ck_assert(found);
    ck_assert_str_eq(json.out.text,
                     "{\"recipe\":1,\"seed\":3,\"rules\":[{\"a\":[1.5,true,null,\"x\"]}]}");
    swg_json_deinit(&json);
    swg_source_close(&source);
}
END_TEST

START_TEST(histories_without_a_recipe)
{
    static const char deep[] =
        "[{\"recipe\":{\"recipe\":1,\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]"
        "]]]]]]]]]]]]]]]]]]]]}}]";
    const char *const histories[] = {"[]", "[{\"recipe\":{\"method\":\"rtn\"}}]", "[1,\"x\",null]",
                                     deep};
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++) {
        swg_source *source = source_with(histories[i]);
        swg_json_writer json = {0};
        bool found = true;
        ck_ok(swg_provenance_write_recipe(source, &json, "recipe", &found));
        ck_assert(!found);
        ck_assert_uint_eq(json.out.length, 0);
        swg_source_close(&source);
    }
}
END_TEST

START_TEST(an_input_that_goes_away_is_an_error)
{
    const char *path = folder();
    for (size_t n_threads = 1; n_threads <= 2; n_threads++) {
        swg_source *source = NULL;
        swg_input_hashes *hashes = NULL;
        char *text = NULL, *config = swg_path_join(path, "config.json"),
             *away = swg_path_join(path, "x");
        const swg_step step = {.command = "pack"};
        ck_ok(swg_source_open(path, NULL, &source));
        ck_assert_int_eq(rename(config, away), 0);
        ck_ok(swg_input_hashes_start(source, n_threads, &hashes));
        ck_status_is(SWG_IO, swg_provenance_add(source, &step, hashes, &text));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "config.json"));
        swg_input_hashes_free(&hashes);
        ck_assert_int_eq(rename(away, config), 0);
        swg_free(config);
        swg_free(away);
        swg_source_close(&source);
    }
}
END_TEST

static swg_status once(void *context)
{
    const swg_step step = {.command = "pack", .recipe = "{\"recipe\":1}"};
    char *text = NULL;
    const swg_status status = history_of(context, 1, &step, &text);
    swg_free(text);
    return status;
}

START_TEST(lack_of_memory_is_an_error)
{
    char path[1024];
    snprintf(path, sizeof path, "%s", folder());
    swg_test_each_allocation_fails(once, path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("provenance");
    TCase *c = tcase_create("histories");
    tcase_add_test(c, every_input_is_hashed);
    tcase_add_test(c, a_container_is_known_by_its_directory);
    tcase_add_test(c, entries_are_appended);
    tcase_add_test(c, histories_are_told);
    tcase_add_test(c, histories_without_a_recipe);
    tcase_add_test(c, an_input_that_goes_away_is_an_error);
    tcase_add_test(c, lack_of_memory_is_an_error);
    suite_add_tcase(suite, c);
    return suite;
}
