/* Perplexity against its definition, speed figures, quantiles, and shapes as text. */
#include <math.h>
#include <string.h>

#include "eval/latency.h"
#include "eval/perplexity.h"
#include "eval/shape.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"
#include "tests/micro_model.h"

enum { VOCAB = 40, CONTEXT = 12 };

static void write_model(void)
{
    ck_ok(swg_micro_model_write(swg_test_path("micro.swg"), NULL, NULL, NULL, 1));
}

static swg_status load(swg_model **out)
{
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(swg_test_path("micro.swg"), NULL, &source));
    const swg_status status = swg_model_load(source, NULL, NULL, out);
    swg_source_close(&source);
    return status;
}

/* Two windows, the second scored from its third token on. */
static int32_t ids[] = {0, 7, 39, 3, 3, 12, 20, 1, 0, 5, 6, 7, 8, 9, 10};
static swg_window cuts[] = {{0, 9, 1}, {9, 6, 2}};
static const swg_windows windows = {.ids = ids, .n_ids = 15, .windows = cuts, .n_windows = 2};

/* -log softmax(row)[target], all in double. */
static double nll_of(const float *row, int32_t target)
{
    double sum = 0;
    for (size_t i = 0; i < VOCAB; i++)
        sum += exp((double)row[i]);
    return log(sum) - (double)row[target];
}

static swg_status measure(swg_pool *pool, size_t chunk, swg_perplexity *out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    const swg_exec_options options = {.context = CONTEXT, .chunk = chunk};
    SWG_GO(load(&model));
    SWG_GO(swg_exec_new(model, pool, &options, &exec));
    SWG_GO(swg_perplexity_measure(exec, model, pool, &windows, NULL, out));
done:
    swg_exec_free(&exec);
    swg_model_free(&model);
    return status;
}

START_TEST(perplexity_is_what_it_says)
{
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    float logits[CONTEXT * VOCAB];
    double sum = 0;
    size_t scored = 0;
    const swg_exec_options options = {.context = CONTEXT};
    ck_ok(load(&model));
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    for (size_t w = 0; w < 2; w++) {
        const int32_t *at = ids + cuts[w].begin;
        swg_exec_reset(exec);
        ck_ok(swg_exec_run(exec, at, cuts[w].count, 0, logits));
        for (size_t i = cuts[w].first_scored; i < cuts[w].count; i++, scored++)
            sum += nll_of(logits + (i - 1) * VOCAB, at[i]);
    }
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_perplexity found;
    ck_ok(measure(NULL, 0, &found));
    ck_assert_uint_eq(found.tokens_scored, scored);
    ck_assert_uint_eq(found.n_windows, 2);
    ck_assert_double_eq_tol(found.mean_nll, sum / (double)scored, 1e-6);
    ck_assert_double_eq_tol(found.perplexity, exp(found.mean_nll), 1e-9);
    ck_assert(found.standard_error > 0);
}
END_TEST

START_TEST(threads_and_chunks_change_nothing)
{
    swg_perplexity one, found;
    ck_ok(measure(NULL, 0, &one));
    for (size_t threads = 2; threads <= 5; threads += 3) {
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(threads, &pool));
        ck_ok(measure(pool, 0, &found));
        ck_assert(found.mean_nll == one.mean_nll);
        swg_pool_free(&pool);
    }
    ck_ok(measure(NULL, 2, &found)); /* scoring starts inside a chunk */
    ck_assert_double_eq_tol(found.mean_nll, one.mean_nll, 1e-6);
}
END_TEST

static swg_status measure_alone(void *context)
{
    (void)context;
    swg_perplexity found;
    return measure(NULL, 0, &found);
}

START_TEST(speed_is_measured)
{
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    swg_latency found = {0};
    const swg_exec_options exec_options = {.context = CONTEXT};
    const swg_latency_options options = {.prompt = 5, .generate = 4, .depth = 3, .repeats = 3};
    ck_ok(load(&model));
    ck_ok(swg_exec_new(model, NULL, &exec_options, &exec));
    ck_ok(swg_latency_measure(exec, model, &options, NULL, &found));
    ck_assert_uint_eq(found.n_tokens, 12);
    for (size_t i = 1; i < found.n_tokens; i++)
        ck_assert(found.token_ms[i - 1] <= found.token_ms[i]);
    const swg_rate rates[] = {found.prefill_tokens_per_s, found.decode_tokens_per_s};
    for (size_t i = 0; i < 2; i++)
        ck_assert(0 < rates[i].least && rates[i].least <= rates[i].median &&
                  rates[i].median <= rates[i].most);
    swg_latency_deinit(&found);
    const swg_latency_options too_long = {.generate = CONTEXT + 1, .repeats = 1};
    ck_status_is(SWG_LIMIT, swg_latency_measure(exec, model, &too_long, NULL, &found));
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

START_TEST(quantiles_need_enough_values)
{
    double values[100], q;
    for (size_t i = 0; i < 100; i++)
        values[i] = (double)(i + 1);
    ck_assert(swg_quantile(values, 100, 0.5, &q));
    ck_assert_double_eq(q, 50);
    ck_assert(swg_quantile(values, 100, 0.99, &q));
    ck_assert_double_eq(q, 99);
    ck_assert(!swg_quantile(values, 99, 0.99, &q));
    ck_assert(!swg_quantile(values, 0, 0.5, &q));
}
END_TEST

static const char *const bad_shapes[] = {
    "",
    "d_model=64",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=100,foo=3",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=100,d_ff=3",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=1x",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab= 1",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=+1",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=-1",
    "d_model=64,n_layers=0,d_ff=64,n_heads=2,vocab=1",
    "d_model=64,n_layers=1,d_ff=64,n_heads=2,vocab=99999999999999999999",
};

START_TEST(bad_shapes_are_refused)
{
    swg_strbuf config = {0};
    ck_status_is(SWG_USAGE, swg_shape_config(bad_shapes[_i], &config));
    swg_strbuf_deinit(&config);
}
END_TEST

static swg_status make_random(const char *shape, swg_model **out)
{
    swg_strbuf config = {0};
    ck_ok(swg_shape_config(shape, &config));
    const swg_status status =
        swg_model_random(config.text, config.length, swg_scheme_plain(SWG_BF16), 1, NULL, out);
    swg_strbuf_deinit(&config);
    return status;
}

/* The process was killed for memory: Linux grants what nobody has. */
START_TEST(shapes_beyond_the_machine_are_refused)
{
    swg_model *model = NULL;
    ck_status_is(SWG_LIMIT, make_random("d_model=1048576,n_layers=4096,d_ff=4194304,n_heads=64,"
                                        "vocab=16777216",
                                        &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "GB"));
    ck_ok(make_random("d_model=20,n_layers=2,d_ff=7,n_heads=2,head_dim=6,vocab=31", &model));
    ck_assert_uint_eq(model->n_parameters,
                      2 * 31 * 20 + 20 + 2 * (2 * 20 + 4 * 20 * 12 + 3 * 7 * 20));
    swg_model_free(&model);
}
END_TEST

START_TEST(failing_allocations_are_survived)
{
    swg_test_each_allocation_fails(measure_alone, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("measure");
    TCase *cases = tcase_create("measure");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, write_model, NULL);
    tcase_add_test(cases, perplexity_is_what_it_says);
    tcase_add_test(cases, threads_and_chunks_change_nothing);
    tcase_add_test(cases, speed_is_measured);
    tcase_add_test(cases, quantiles_need_enough_values);
    tcase_add_loop_test(cases, bad_shapes_are_refused, 0, sizeof bad_shapes / sizeof *bad_shapes);
    tcase_add_test(cases, shapes_beyond_the_machine_are_refused);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
