/* Statistics of whole models: equal to those collected layer by layer, kept in a file and taken
 * from there, the same under a limit of memory; damaged and foreign files are collected anew. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/calibration.h"
#include "runtime/model_stats.h"
#include "runtime/stats_file.h"
#include "tests/harness.h"

enum { WINDOWS = 3, WINDOW = 16 };

static const char model_path[] = "examples/tiny-tales";

/* A source with what statistics of it need. */
typedef struct bench {
    swg_source *source;
    swg_input_hashes *hashes;
    int32_t ids[WINDOWS * WINDOW];
    swg_model_stats_options options;
} bench;

static void bench_init(bench *b, const char *cache)
{
    *b = (bench){0};
    ck_ok(swg_source_open(model_path, NULL, &b->source));
    ck_ok(swg_input_hashes_start(b->source, 1, &b->hashes));
    for (size_t i = 0; i < WINDOWS * WINDOW; i++)
        b->ids[i] = (int32_t)(i * 37 % 200 + 5);
    b->options = swg_model_stats_options_default();
    b->options.ids = b->ids;
    b->options.n_windows = WINDOWS;
    b->options.window = WINDOW;
    b->options.hashes = b->hashes;
    b->options.cache = cache ? swg_test_path(cache) : NULL;
    b->options.scratch = swg_test_path(".");
}

static void bench_deinit(bench *b)
{
    char sentence[SWG_NOTICE_BYTES];
    while (swg_notice_take(sentence))
        continue;
    swg_input_hashes_free(&b->hashes);
    swg_source_close(&b->source);
}

/* Names of the tensors that have statistics. */
static const char *const names[] = {
    "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.v_proj.weight",
    "model.layers.1.mlp.down_proj.weight", "model.layers.1.mlp.gate_proj.weight",
    "model.layers.2.self_attn.o_proj.weight"};
enum { N_NAMES = sizeof names / sizeof *names };

/* The statistics of all names, one after the other, in one block of memory. */
static uint8_t *all_of(swg_model_stats *stats, size_t *length)
{
    uint8_t *out = NULL;
    *length = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        const swg_layer_stats *s;
        ck_ok(swg_model_stats_get(stats, names[i], &s));
        ck_assert_ptr_nonnull(s);
        ck_assert_uint_eq(s->n_tokens, WINDOWS * WINDOW);
        const size_t square = s->k * s->k * sizeof(float), row = s->k * sizeof(double);
        out = swg_realloc(out, *length + square + 2 * row, 1);
        memcpy(out + *length, s->hessian, square);
        memcpy(out + *length + square, s->mean_abs, row);
        memcpy(out + *length + square + row, s->mean_square, row);
        *length += square + 2 * row;
    }
    return out;
}

static bool has_notice(const char *part)
{
    char sentence[SWG_NOTICE_BYTES];
    bool found = false;
    while (swg_notice_take(sentence))
        found |= strstr(sentence, part) != NULL;
    return found;
}

/* Open again, and check that the statistics are these. */
static void check_again(const bench *b, bool is_cached, const uint8_t *expected, size_t length)
{
    swg_model_stats *stats;
    size_t n;
    ck_ok(swg_model_stats_open(b->source, &b->options, &stats));
    uint8_t *found = all_of(stats, &n);
    ck_assert_int_eq(swg_model_stats_were_cached(stats), is_cached);
    ck_assert_uint_eq(n, length);
    ck_assert_mem_eq(found, expected, n);
    swg_free(found);
    swg_model_stats_free(&stats);
}

START_TEST(equal_those_of_calibration)
{
    bench b;
    bench_init(&b, NULL);
    swg_model_stats *stats;
    swg_model *model;
    swg_calibration *c = NULL;
    ck_ok(swg_model_stats_open(b.source, &b.options, &stats));
    ck_assert_ptr_null(swg_model_stats_path(stats));
    ck_ok(swg_model_load(b.source, NULL, &model));
    ck_ok(swg_calibration_new(model, b.ids, WINDOWS, WINDOW, NULL, &c));
    for (size_t layer = 0; layer < (size_t)model->hparams.n_layers; layer++) {
        const swg_weight *weight = swg_model_weight(model, SWG_ROLE_FFN_DOWN, layer);
        const swg_layer_stats *s;
        ck_ok(swg_calibration_observe(c, layer));
        const swg_layer_stats *expected = swg_calibration_stats(c, weight);
        ck_ok(swg_model_stats_get(stats, weight->tensor, &s));
        ck_assert_uint_eq(s->k, expected->k);
        ck_assert_mem_eq(s->hessian, expected->hessian, s->k * s->k * sizeof *s->hessian);
        ck_assert_mem_eq(s->mean_abs, expected->mean_abs, s->k * sizeof *s->mean_abs);
        ck_ok(swg_calibration_advance(c, layer));
    }
    const swg_layer_stats *none;
    ck_ok(swg_model_stats_get(stats, "model.norm.weight", &none));
    ck_assert_ptr_null(none);
    swg_calibration_free(&c);
    swg_model_free(&model);
    swg_model_stats_free(&stats);
    bench_deinit(&b);
}
END_TEST

START_TEST(are_kept_for_the_next)
{
    bench b;
    bench_init(&b, "kept/below");
    swg_model_stats *stats;
    size_t length;
    ck_ok(swg_model_stats_open(b.source, &b.options, &stats));
    ck_assert(!swg_model_stats_were_cached(stats));
    uint8_t *expected = all_of(stats, &length);
    swg_model_stats_free(&stats);
    check_again(&b, true, expected, length);
    b.ids[7]++; /* another text: not from the cache */
    ck_ok(swg_model_stats_open(b.source, &b.options, &stats));
    ck_assert(!swg_model_stats_were_cached(stats));
    swg_model_stats_free(&stats);
    b.ids[7]--;
    check_again(&b, true, expected, length);
    swg_free(expected);
    bench_deinit(&b);
}
END_TEST

START_TEST(are_the_same_within_a_limit_of_memory)
{
    bench b;
    bench_init(&b, NULL);
    swg_model_stats *stats;
    size_t length;
    ck_ok(swg_model_stats_open(b.source, &b.options, &stats));
    uint8_t *expected = all_of(stats, &length);
    swg_model_stats_free(&stats);
    swg_model *model;
    swg_calibration *c = NULL;
    swg_calibration_options options = swg_calibration_options_default();
    options.may_leave_rest = true;
    ck_ok(swg_model_load(b.source, NULL, &model));
    ck_ok(swg_calibration_new(model, b.ids, WINDOWS, WINDOW, &options, &c));
    swg_mem_set_limit(swg_mem_in_use() + ((uint64_t)3 << 20)); /* one input at a time */
    ck_ok(swg_calibration_observe(c, 0));
    ck_assert(swg_calibration_has_rest(c));
    unsigned runs = 1;
    for (; swg_calibration_has_rest(c); runs++)
        ck_ok(swg_calibration_observe_rest(c, 0));
    ck_assert_uint_eq(runs, 4);
    swg_mem_set_limit(0);
    swg_calibration_free(&c);
    swg_model_free(&model);
    swg_mem_set_limit(swg_mem_in_use() + ((uint64_t)12 << 20));
    check_again(&b, false, expected, length);
    swg_mem_set_limit(0);
    swg_free(expected);
    bench_deinit(&b);
}
END_TEST

START_TEST(damaged_files_are_collected_anew)
{
    bench b;
    bench_init(&b, "damaged");
    swg_model_stats *stats;
    size_t length, size;
    ck_ok(swg_model_stats_open(b.source, &b.options, &stats));
    char *path = swg_strdup(swg_model_stats_path(stats));
    uint8_t *expected = all_of(stats, &length);
    swg_model_stats_free(&stats);
    uint8_t *file = swg_test_read_file(path, &size);
    const size_t places[] = {0, 10, 17, 30, 60, 64, 5000, size - 1500, size - 2};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        file[places[i]] ^= 4;
        swg_test_write_file(path, file, size);
        file[places[i]] ^= 4;
        check_again(&b, false, expected, length);
        ck_assert_msg(has_notice("collected anew"), "a flip at %zu was not told", places[i]);
    }
    for (size_t kept = 0; kept < size; kept += size / 7 + 1) {
        swg_test_write_file(path, file, kept);
        check_again(&b, false, expected, length);
        ck_assert(has_notice("collected anew"));
    }
    swg_free(file);
    swg_free(expected);
    swg_free(path);
    bench_deinit(&b);
}
END_TEST

static swg_status write_and_read(void *context)
{
    static const float hessian[] = {4, 1, 1, 9};
    static const double means[] = {1, 2};
    static const char *const tensors[] = {"q", "k"};
    static const char key[] = "{\"of\":\"nothing\"}";
    const swg_layer_stats stats = {.name = "q",
                                   .k = 2,
                                   .n_tokens = 5,
                                   .hessian = hessian,
                                   .mean_abs = means,
                                   .mean_square = means};
    const char *path = context;
    swg_stats_writer *writer = NULL;
    swg_stats_file file = {0};
    swg_stats_values values = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_stats_writer_new(path, key, &writer));
    SWG_GO(swg_stats_writer_add(writer, &stats, 0, tensors, 2));
    SWG_GO(swg_stats_writer_commit(&writer));
    SWG_GO(swg_stats_file_open(path, key, &file));
    ck_assert_uint_eq(file.n_inputs, 1);
    ck_assert_str_eq(file.inputs[0].tensors[1], "k");
    SWG_GO(swg_stats_file_read(&file, 0, &values));
    ck_assert_mem_eq(values.hessian, hessian, sizeof hessian);
    ck_assert_mem_eq(values.mean_square, means, sizeof means);
done:
    swg_stats_values_deinit(&values);
    swg_stats_file_close(&file);
    swg_stats_writer_abort(&writer);
    return status;
}

START_TEST(each_allocation_and_write_may_fail)
{
    char *path = swg_strdup(swg_test_path("small.statistics"));
    swg_test_each_allocation_fails(write_and_read, path);
    swg_test_each_write_fails(write_and_read, NULL, path);
    swg_stats_file file = {0};
    ck_status_is(SWG_CORRUPT, swg_stats_file_open(path, "{\"of\":\"another\"}", &file));
    swg_free(path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("model_stats");
    TCase *tcase = tcase_create("statistics");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, equal_those_of_calibration);
    tcase_add_test(tcase, are_kept_for_the_next);
    tcase_add_test(tcase, are_the_same_within_a_limit_of_memory);
    tcase_add_test(tcase, damaged_files_are_collected_anew);
    tcase_add_test(tcase, each_allocation_and_write_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}
