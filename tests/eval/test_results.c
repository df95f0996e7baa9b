/* Records of measurements: what is written reads back, what is not a record is refused with its
 * line, and what a killed writer leaves neither hides other records nor stays. */
#include "eval/results.h"

#include <stdio.h>
#include <string.h>

#include "eval/results_keys.h"
#include "runtime/base/file.h"
#include "tests/harness.h"

static const double edges[] = {1, 2, 4.5};
static const int64_t counts[] = {3, 0};
static const swg_result_histogram histogram = {
    .name = "tpot_ms", .edges = edges, .counts = counts, .n_bins = 2};

static swg_result example(const char *id, swg_result_tensor tensors[2])
{
    swg_result result = swg_result_default();
    result.id = id;
    result.recipe = "{\"recipe\": 1,\n \"rules\": []}";
    result.file_bytes = 80590974;
    result.kld_mean = 0.15241;
    result.sparsity = 0.5;
    tensors[0] = tensors[1] = swg_result_tensor_default();
    tensors[0].name = "a";
    tensors[0].layer = 3;
    tensors[0].sensitivity_kld = 1e-5;
    tensors[1].name = "b, \"quoted\"";
    result.tensors = tensors;
    result.n_tensors = 2;
    result.histograms = &histogram;
    result.n_histograms = 1;
    return result;
}

START_TEST(what_is_written_reads_back)
{
    swg_result_tensor tensors[2];
    const swg_result result = example("int4", tensors);
    const char *path = swg_test_path("records.jsonl");
    swg_results read;
    ck_ok(swg_result_append(path, &result));
    ck_ok(swg_results_read(path, &read));
    ck_assert_uint_eq(read.count, 1);
    ck_assert_uint_eq(read.cut_line, 0);
    const swg_result *got = swg_results_find(&read, "int4");
    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->recipe, "{\"recipe\": 1,  \"rules\": []}");
    ck_assert_int_eq(got->file_bytes, 80590974);
    ck_assert_double_eq(got->kld_mean, 0.15241);
    ck_assert(isnan(got->perplexity) && got->seed == -1 && !got->series);
    ck_assert_uint_eq(got->n_tensors, 2);
    ck_assert_int_eq(got->tensors[0].layer, 3);
    ck_assert_double_eq(got->tensors[0].sensitivity_kld, 1e-5);
    ck_assert_int_eq(got->tensors[1].layer, -1);
    ck_assert_str_eq(got->tensors[1].name, "b, \"quoted\"");
    ck_assert_uint_eq(got->histograms[0].n_bins, 2);
    ck_assert_double_eq(got->histograms[0].edges[2], 4.5);
    ck_assert_int_eq(got->histograms[0].counts[0], 3);
    ck_assert_ptr_null(swg_results_find(&read, "int8"));
    swg_results_deinit(&read);
}
END_TEST

/* Every key of the table, each with a value of its own. */
START_TEST(every_key_reads_back)
{
    swg_strbuf line = {0};
    swg_result result = swg_result_default();
    swg_results read;
    for (size_t i = 0; i < swg_n_result_keys; i++) {
        const swg_result_key *key = &swg_result_keys[i];
        void *field = (char *)&result + key->offset;
        if (key->kind == SWG_RESULT_IS_COUNT)
            *(int64_t *)field = (int64_t)i;
        else if (key->kind == SWG_RESULT_IS_NUMBER)
            *(double *)field = 1 / (double)(i + 1);
        else if (key->kind == SWG_RESULT_IS_JSON)
            *(const char **)field = "{}";
        else if (strcmp(key->name, "status") != 0)
            *(const char **)field = key->name;
    }
    ck_ok(swg_result_write(&result, &line));
    ck_ok(swg_results_parse(line.text, line.length, "written", &read));
    for (size_t i = 0; i < swg_n_result_keys; i++) {
        const swg_result_key *key = &swg_result_keys[i];
        ck_assert_msg(swg_result_has(key, &read.items[0]), "%s", key->name);
        if (key->kind == SWG_RESULT_IS_COUNT)
            ck_assert_int_eq(swg_result_count_at(key, &read.items[0]), (int64_t)i);
        else if (key->kind == SWG_RESULT_IS_NUMBER)
            ck_assert_double_eq(swg_result_number_at(key, &read.items[0]), 1 / (double)(i + 1));
        else
            ck_assert_str_eq(swg_result_text_at(key, &read.items[0]),
                             swg_result_text_at(key, &result));
    }
    swg_results_deinit(&read);
    swg_strbuf_deinit(&line);
}
END_TEST

static void row_is_documented(const char *docs, const swg_result_key *key)
{
    static const char *const kinds[] = {"string", "object", "count", "number"};
    char row[512];
    snprintf(row, sizeof row, "\n| `%s` | %s | %s |\n", key->name, kinds[key->kind], key->text);
    ck_assert_msg(strstr(docs, row), "docs/results-format.md lacks the row %s", row);
}

START_TEST(the_documentation_lists_every_key)
{
    size_t length;
    char *docs = (char *)swg_test_read_file("docs/results-format.md", &length);
    for (size_t i = 0; i < swg_n_result_keys; i++)
        row_is_documented(docs, &swg_result_keys[i]);
    for (size_t i = 0; i < swg_n_result_tensor_keys; i++)
        row_is_documented(docs, &swg_result_tensor_keys[i]);
    swg_free(docs);
}
END_TEST

#define V "{\"results_version\": 1, "
static const struct {
    const char *text;
    swg_status status;
    const char *words; /* of the message */
} refused[] = {
    {V "\"id\": \"a\", \"status\": \"ok\"}\nnonsense\n", SWG_CORRUPT, "x, line 2: "},
    {"\n\n[]\n", SWG_CORRUPT, "line 3: a record is an object with a \"results_version\""},
    {"{\"results_version\": 2, \"id\": \"a\"}\n", SWG_UNSUPPORTED, "version 2"},
    {"{\"id\": \"a\", \"status\": \"ok\"}\n", SWG_CORRUPT, "results_version"},
    {V "\"status\": \"ok\"}\n", SWG_CORRUPT, "must have an \"id\""},
    {V "\"id\": \"\", \"status\": \"ok\"}\n", SWG_CORRUPT, "must have an \"id\""},
    {V "\"id\": \"a\"}\n", SWG_CORRUPT, "\"status\""},
    {V "\"id\": \"a\", \"status\": \"fine\"}\n", SWG_CORRUPT, "\"status\""},
    {V "\"id\": \"a\", \"status\": \"ok\", \"perplexty\": 1}\n", SWG_CORRUPT,
     "did you mean \"perplexity\"?"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"perplexity\": \"1\"}\n", SWG_CORRUPT,
     "\"perplexity\" must be a number, not string"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"perplexity\": -1}\n", SWG_CORRUPT, "is -1"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"sparsity\": 1.5}\n", SWG_CORRUPT, "within 0 and 1"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"file_bytes\": 1.5}\n", SWG_CORRUPT, "whole number"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"file_bytes\": -1}\n", SWG_CORRUPT, "whole number"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"id\": \"b\"}\n", SWG_CORRUPT, "duplicate"},
    {V "\"id\": 3, \"status\": \"ok\"}\n", SWG_CORRUPT, "\"id\" must be a string, not number"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"recipe\": []}\n", SWG_CORRUPT,
     "\"recipe\" must be an object"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"tensors\": {}}\n", SWG_CORRUPT,
     "\"tensors\" must be an array"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"tensors\": [1]}\n", SWG_CORRUPT, "objects only"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"tensors\": [{\"layer\": 1}]}\n", SWG_CORRUPT,
     "must have a \"name\""},
    {V "\"id\": \"a\", \"status\": \"ok\", \"tensors\": [{\"bits\": 1}]}\n", SWG_CORRUPT,
     "a tensor does not have a key \"bits\""},
    {V "\"id\": \"a\", \"status\": \"ok\", \"histograms\": [{\"name\": \"t\", \"edges\": [1],"
       " \"counts\": []}]}\n",
     SWG_CORRUPT, "n + 1 \"edges\""},
    {V "\"id\": \"a\", \"status\": \"ok\", \"histograms\": [{\"name\": \"t\", \"edge\": [1, 2],"
       " \"counts\": [1]}]}\n",
     SWG_CORRUPT, "n + 1 \"edges\""},
    {V "\"id\": \"a\", \"status\": \"ok\", \"histograms\": [{\"name\": \"t\", \"edges\": [1, 2],"
       " \"count\": [1]}]}\n",
     SWG_CORRUPT, "n + 1 \"edges\""},
    {V "\"id\": \"a\", \"status\": \"ok\", \"histograms\": [{\"name\": \"t\", \"edges\": [1, 1],"
       " \"counts\": [1]}]}\n",
     SWG_CORRUPT, "edge 1"},
    {V "\"id\": \"a\", \"status\": \"ok\", \"histograms\": [{\"name\": \"t\", \"edges\": [1, 2],"
       " \"counts\": [-1]}]}\n",
     SWG_CORRUPT, "count 0"},
};
enum { N_REFUSED = sizeof refused / sizeof *refused };

START_TEST(what_is_not_a_record_is_refused)
{
    swg_results results;
    ck_status_is(refused[_i].status,
                 swg_results_parse(refused[_i].text, strlen(refused[_i].text), "x", &results));
    ck_assert_msg(strstr(swg_error_message(), refused[_i].words), "%s lacks: %s",
                  swg_error_message(), refused[_i].words);
}
END_TEST

START_TEST(bad_records_are_not_written)
{
    const char *path = swg_test_path("refused.jsonl");
    swg_result result = swg_result_default();
    ck_status_is(SWG_USAGE, swg_result_append(path, &result)); /* no id */
    result.id = "a";
    result.sparsity = 2;
    ck_status_is(SWG_USAGE, swg_result_append(path, &result));
    result.sparsity = INFINITY;
    ck_status_is(SWG_USAGE, swg_result_append(path, &result));
    result.sparsity = NAN;
    result.recipe = "{";
    ck_status_is(SWG_USAGE, swg_result_append(path, &result));
    ck_assert(!swg_path_exists(path));
}
END_TEST

START_TEST(a_later_record_replaces_an_earlier_one)
{
    static const char text[] = V "\"id\": \"a\", \"status\": \"failed\", \"reason\": \"full\"}\n" V
                                 "\"id\": \"b\", \"status\": \"ok\"}\n" V
                                 "\"id\": \"a\", \"status\": \"ok\", \"seed\": 1}\n" V
                                 "\"id\": \"a\", \"status\": \"ok\", \"seed\": 2}\n";
    swg_results results;
    ck_ok(swg_results_parse(text, sizeof text - 1, "x", &results));
    ck_assert_uint_eq(results.count, 2);
    ck_assert_uint_eq(results.n_replaced, 2);
    ck_assert_str_eq(results.items[0].id, "a");
    ck_assert_int_eq(results.items[0].seed, 2);
    ck_assert(swg_result_is_ok(&results.items[0]) && !results.items[0].reason);
    ck_assert_str_eq(results.items[1].id, "b");
    swg_results_deinit(&results);
}
END_TEST

/* A record cut at any byte hides nothing before it, and the next one stands where it stood. */
START_TEST(a_half_written_line_is_left_out_and_removed)
{
    swg_result_tensor tensors[2];
    const swg_result first = example("first", tensors), next = example("next", tensors);
    const char *path = swg_test_path("cut.jsonl");
    swg_strbuf line = {0};
    ck_ok(swg_result_write(&first, &line));
    for (size_t cut = 1; cut < line.length; cut++) {
        swg_strbuf text = {0};
        swg_results results;
        swg_strbuf_append(&text, line.text, line.length);
        swg_strbuf_append(&text, line.text, cut);
        swg_test_write_file(path, text.text, text.length);
        swg_strbuf_deinit(&text);
        ck_ok(swg_results_read(path, &results));
        ck_assert_uint_eq(results.count, 1);
        ck_assert_uint_eq(results.cut_line, 2);
        swg_results_deinit(&results);
        if (cut % 97 != 1)
            continue;
        ck_ok(swg_result_append(path, &next));
        ck_ok(swg_results_read(path, &results));
        ck_assert_uint_eq(results.count, 2);
        ck_assert_uint_eq(results.cut_line, 0);
        ck_assert_str_eq(results.items[1].id, "next");
        swg_results_deinit(&results);
    }
    swg_strbuf_deinit(&line);
}
END_TEST

static swg_status try_appending(void *context)
{
    swg_result_tensor tensors[2];
    const swg_result result = example("a", tensors);
    return swg_result_append(context, &result);
}

static void file_is_empty(void *context)
{
    size_t length;
    swg_free(swg_test_read_file(context, &length));
    ck_assert_uint_eq(length, 0);
}

START_TEST(failed_writes_are_taken_back)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", swg_test_path("full.jsonl"));
    swg_test_each_write_fails(try_appending, file_is_empty, path);
}
END_TEST

static swg_status try_round_trip(void *context)
{
    swg_result_tensor tensors[2];
    const swg_result result = example("a", tensors);
    swg_strbuf line = {0}, csv = {0};
    swg_results results = {0};
    swg_status status = SWG_OK;
    (void)context;
    SWG_GO(swg_result_write(&result, &line));
    SWG_GO(swg_results_parse(line.text, line.length, "written", &results));
    swg_results_write_csv(&results, &csv);
    status = swg_strbuf_status(&csv);
done:
    swg_strbuf_deinit(&csv);
    swg_strbuf_deinit(&line);
    swg_results_deinit(&results);
    return status;
}

START_TEST(failed_allocations_are_reported)
{
    swg_test_each_allocation_fails(try_round_trip, NULL);
}
END_TEST

START_TEST(a_folder_means_its_results)
{
    swg_results results;
    char folder[4096], path[4200];
    snprintf(folder, sizeof folder, "%s", swg_test_path("sweep"));
    snprintf(path, sizeof path, "%s/results.jsonl", folder);
    ck_ok(swg_make_folders(folder));
    ck_status_is(SWG_IO, swg_results_read(folder, &results));
    ck_ok(try_appending(path));
    ck_ok(swg_results_read(folder, &results));
    ck_assert_uint_eq(results.count, 1);
    swg_results_deinit(&results);
}
END_TEST

START_TEST(comma_separated_values_are_quoted)
{
    swg_result_tensor tensors[2];
    swg_result result = example("=1+1", tensors);
    result.series = "a,\"b\"\n";
    result.command = "-2";
    swg_results results = {.items = &result, .count = 1};
    swg_strbuf csv = {0};
    swg_results_write_csv(&results, &csv);
    ck_ok(swg_strbuf_status(&csv));
    ck_assert_ptr_nonnull(strstr(csv.text, "id,status,reason,series,command,"));
    ck_assert_ptr_nonnull(strstr(csv.text, "\r\n\"'=1+1\",ok,,\"a,\"\"b\"\"\n\",\"'-2\","));
    csv.length = 0;
    swg_results_write_tensors_csv(&results, &csv);
    ck_assert_ptr_nonnull(strstr(csv.text, "id,name,layer,"));
    ck_assert_ptr_nonnull(strstr(csv.text, "\r\n\"'=1+1\",a,3,"));
    ck_assert_ptr_nonnull(strstr(csv.text, "\r\n\"'=1+1\",\"b, \"\"quoted\"\"\",,"));
    swg_strbuf_deinit(&csv);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("results");
    TCase *tests = tcase_create("results");
    tcase_add_test(tests, what_is_written_reads_back);
    tcase_add_test(tests, every_key_reads_back);
    tcase_add_test(tests, the_documentation_lists_every_key);
    tcase_add_loop_test(tests, what_is_not_a_record_is_refused, 0, N_REFUSED);
    tcase_add_test(tests, bad_records_are_not_written);
    tcase_add_test(tests, a_later_record_replaces_an_earlier_one);
    tcase_add_test(tests, a_half_written_line_is_left_out_and_removed);
    tcase_add_test(tests, failed_writes_are_taken_back);
    tcase_add_test(tests, failed_allocations_are_reported);
    tcase_add_test(tests, a_folder_means_its_results);
    tcase_add_test(tests, comma_separated_values_are_quoted);
    suite_add_tcase(suite, tests);
    return suite;
}
