/* Quantiles by nearest rank, and what a speed measurement gives for each kind of model. */
#include <math.h>

#include "eval/latency.h"
#include "eval/offline.h"
#include "eval/requests.h"
#include "tests/eval/eval_fixtures.h"

static double quantile(size_t n, double q)
{
    double values[1000], out = -1;
    for (size_t i = 0; i < n; i++)
        values[i] = (double)(i + 1);
    return swg_quantile(values, n, q, &out) ? out : -1;
}

START_TEST(quantiles_are_nearest_ranks)
{
    ck_assert(quantile(0, 0.5) == -1);
    ck_assert(quantile(1, 0.5) == -1); /* half a value beyond it: too few */
    ck_assert(quantile(2, 0.5) == 1);
    ck_assert(quantile(3, 0.5) == 2);
    ck_assert(quantile(4, 0.5) == 2);
    ck_assert(quantile(10, 0.9) == 9);
    ck_assert(quantile(9, 0.9) == -1);
    ck_assert(quantile(11, 0.9) == 10);
    ck_assert(quantile(100, 0.07) == 7); /* 0.07 * 100 is a little more than 7 */
    ck_assert(quantile(99, 0.99) == -1);
    ck_assert(quantile(101, 0.99) == 100);
    ck_assert(quantile(1000, 0.99) == 990);
    ck_assert(quantile(9, 0.1) == -1);
    ck_assert(quantile(20, 0.1) == 2);
}
END_TEST

static swg_status measure(const swg_session *loaded, swg_latency_options options, swg_latency *out)
{
    swg_exec *exec = NULL;
    swg_status status = SWG_OK;
    const size_t behind = options.depth + options.generate;
    const swg_exec_options exec_options = {
        .size = sizeof exec_options, .context = options.prompt > behind ? options.prompt : behind};
    SWG_GO(swg_exec_new(loaded->model, loaded->pool, &exec_options, &exec));
    SWG_GO(swg_latency_measure(exec, loaded->model, &options, NULL, out));
done:
    swg_exec_free(&exec);
    return status;
}

static void check_rate(swg_rate rate)
{
    ck_assert_double_gt(rate.least, 0);
    ck_assert_double_le(rate.least, rate.median);
    ck_assert_double_le(rate.median, rate.most);
}

static const char *const continuing[] = {"llama-biases", "gpt2-bare", "rnn-lstm", "rnn-gru"};

START_TEST(models_that_continue_texts)
{
    char path[256];
    fixture_path(continuing[_i], path);
    swg_session loaded = {0};
    swg_latency latency = {0};
    ck_ok(swg_session_open(path, NULL, false, 1, NULL, &loaded));
    const swg_latency_options both = {
        .prompt = 10, .generate = 5, .depth = 3, .repeats = 4, .seed = 1};
    ck_ok(measure(&loaded, both, &latency));
    check_rate(latency.prefill_tokens_per_s);
    check_rate(latency.decode_tokens_per_s);
    ck_assert_uint_eq(latency.n_tokens, 20);
    for (size_t i = 1; i < latency.n_tokens; i++)
        ck_assert_double_le(latency.token_ms[i - 1], latency.token_ms[i]);
    swg_latency_deinit(&latency);
    const swg_latency_options one = {.generate = 1, .repeats = 1};
    ck_ok(measure(&loaded, one, &latency));
    ck_assert(latency.prefill_tokens_per_s.median == 0);
    check_rate(latency.decode_tokens_per_s);
    swg_latency_deinit(&latency);
    swg_session_close(&loaded);
}
END_TEST

static const char *const encoding[] = {"bert-masked", "bert-sequence", "bert-token", "bert-span"};

START_TEST(encoders_read_one_text)
{
    char path[256];
    fixture_path(encoding[_i], path);
    swg_session loaded = {0};
    swg_latency latency = {0};
    ck_ok(swg_session_open(path, NULL, false, 2, NULL, &loaded));
    const swg_latency_options whole = {.prompt = 24, .repeats = 3};
    ck_ok(measure(&loaded, whole, &latency));
    check_rate(latency.prefill_tokens_per_s);
    ck_assert(latency.decode_tokens_per_s.median == 0);
    ck_assert_uint_eq(latency.n_tokens, 0);
    swg_latency_deinit(&latency);
    const swg_latency_options decoding = {.prompt = 4, .generate = 4, .repeats = 1};
    ck_status_is(SWG_UNSUPPORTED, measure(&loaded, decoding, &latency));
    ck_assert_ptr_null(latency.token_ms);
    swg_session_close(&loaded);
}
END_TEST

/* Known ranks: of 100 values the median lies between the 40th and the 61st with 95 %. */
START_TEST(intervals_are_order_statistics)
{
    double values[1000];
    for (size_t i = 0; i < 1000; i++)
        values[i] = (double)(i + 1);
    swg_quantile_interval at = swg_quantile_with_interval(values, 100, 0.5);
    ck_assert(at.value == 50 && at.low == 40 && at.high == 61);
    at = swg_quantile_with_interval(values, 1000, 0.5);
    ck_assert(at.value == 500 && at.low == 469 && at.high == 532);
    at = swg_quantile_with_interval(values, 100, 0.99); /* the largest is not beyond enough */
    ck_assert(at.value == 99 && at.low == 97 && isnan(at.high));
    at = swg_quantile_with_interval(values, 99, 0.99);
    ck_assert(isnan(at.value) && isnan(at.low) && isnan(at.high));
}
END_TEST

static double fake_now;
static size_t fake_calls, slow_call;

/* A clock that is read once per token: 1 ms passes, and a quarter of a second before one call. */
static double fake_clock(void)
{
    fake_now += fake_calls++ == slow_call ? 0.25 : 0.001;
    return fake_now;
}

/* Requests of 3 tokens read the clock 4 times; the first 4 readings warm up. */
static const struct {
    size_t slow_call;
    double ttft, tpot, gap, e2e; /* the highest */
} delays[] = {{9, 250, 1, 1, 252}, {10, 1, 125.5, 250, 252}, {2, 1, 1, 1, 3}, {8, 1, 1, 1, 3}};

START_TEST(delays_show_where_they_happen)
{
    char path[256];
    swg_session loaded = {0};
    swg_exec *exec = NULL;
    swg_requests times = {0};
    const swg_requests_options options = {
        .prompt = 5, .generate = 3, .requests = 6, .clock = fake_clock};
    const swg_exec_options exec_options = {.size = sizeof exec_options, .context = 8};
    fixture_path("qwen3", path);
    ck_ok(swg_session_open(path, NULL, false, 1, NULL, &loaded));
    ck_ok(swg_exec_new(loaded.model, NULL, &exec_options, &exec));
    fake_calls = 0;
    slow_call = delays[_i].slow_call;
    ck_ok(swg_requests_measure(exec, loaded.model, &options, NULL, &times));
    ck_assert_uint_eq(fake_calls, 7 * 4);
    ck_assert_uint_eq(times.n, 6);
    ck_assert_uint_eq(times.n_gaps, 12);
    ck_assert_double_le(fabs(times.ttft[5] - delays[_i].ttft), 1e-6);
    ck_assert_double_le(fabs(times.tpot[5] - delays[_i].tpot), 1e-6);
    ck_assert_double_le(fabs(times.gaps[11] - delays[_i].gap), 1e-6);
    ck_assert_double_le(fabs(times.e2e[5] - delays[_i].e2e), 1e-6);
    ck_assert_double_le(fabs(times.e2e[4] - 3), 1e-6); /* the others are not touched */
    swg_requests_deinit(&times);
    swg_exec_free(&exec);
    swg_session_close(&loaded);
}
END_TEST

/* 200 times of 10 to 11.99 ms and one delay: only the largest value shows it. */
START_TEST(one_delay_is_an_outlier)
{
    double values[200], high;
    size_t n;
    for (size_t i = 0; i < 200; i++)
        values[i] = 10 + 0.01 * (double)i;
    ck_ok(swg_count_outliers(values, 200, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(swg_quantile(values, 200, 0.99, &high) && high == values[197]);
    values[199] = 250;
    ck_ok(swg_count_outliers(values, 200, &n));
    ck_assert_uint_eq(n, 1);
    ck_assert(swg_quantile(values, 200, 0.99, &high) && high == values[197]);
    values[198] = values[197] = 250; /* three: now the 99th percentile is one of them */
    ck_ok(swg_count_outliers(values, 200, &n));
    ck_assert_uint_eq(n, 3);
    ck_assert(swg_quantile(values, 200, 0.99, &high) && high == 250);
    ck_ok(swg_count_outliers(values + 191, 9, &n)); /* too few to tell */
    ck_assert_uint_eq(n, 0);
}
END_TEST

/* 300 requests of 4 tokens, 9 to 11 ms each by a clock of its own, of which some are slept in. */
static struct {
    double now;
    size_t calls, first_slow, n_slow, of_token;
} uneven;

static double uneven_clock(void)
{
    const size_t request = uneven.calls / 5, token = uneven.calls % 5;
    const bool sleeps = token == uneven.of_token && request >= uneven.first_slow &&
                        request < uneven.first_slow + uneven.n_slow;
    uneven.now += 0.009 + 0.0001 * (double)(7 * uneven.calls++ % 19) + (sleeps ? 0.5 : 0);
    return uneven.now;
}

static void measure_uneven(size_t n_slow, size_t of_token, swg_requests *times)
{
    char path[256];
    swg_session loaded = {0};
    swg_exec *exec = NULL;
    const swg_requests_options options = {
        .prompt = 2, .generate = 4, .requests = 300, .clock = uneven_clock};
    const swg_exec_options exec_options = {.size = sizeof exec_options, .context = 6};
    fixture_path("qwen3", path);
    ck_ok(swg_session_open(path, NULL, false, 1, NULL, &loaded));
    ck_ok(swg_exec_new(loaded.model, NULL, &exec_options, &exec));
    uneven.now = 0;
    uneven.calls = 0;
    uneven.first_slow = 100;
    uneven.n_slow = n_slow;
    uneven.of_token = of_token;
    ck_ok(swg_requests_measure(exec, loaded.model, &options, NULL, times));
    swg_exec_free(&exec);
    swg_session_close(&loaded);
}

/* Whether values are those without a sleep: up to 11 ms, and none an outlier. */
static void check_calm(const double *values, size_t n)
{
    size_t outliers;
    ck_ok(swg_count_outliers(values, n, &outliers));
    ck_assert_uint_eq(outliers, 0);
    ck_assert_double_le(values[n - 1], 11 + 1e-6);
}

/* Whether n_slow values tell of the sleep: the largest, and the 99th percentile where they are more
 * than one in a hundred; the median and the 90th percentile never do. */
static void check_slow(const double *values, size_t n, size_t n_slow)
{
    size_t outliers;
    ck_ok(swg_count_outliers(values, n, &outliers));
    ck_assert_uint_eq(outliers, n_slow);
    ck_assert_double_ge(values[n - 1], 500);
    ck_assert(swg_quantile_with_interval(values, n, 0.5).high <= 11 + 1e-6);
    ck_assert(swg_quantile_with_interval(values, n, 0.9).high <= 11 + 1e-6);
    ck_assert_int_eq(swg_quantile_with_interval(values, n, 0.99).value >= 500, 100 * n_slow > n);
}

START_TEST(sleeps_show_in_the_figures_of_their_kind)
{
    swg_requests times = {0};
    for (size_t n_slow = 1; n_slow <= 4; n_slow += 3) {
        measure_uneven(n_slow, 1, &times); /* while prompts are read */
        check_slow(times.ttft, times.n, n_slow);
        check_calm(times.gaps, times.n_gaps);
        check_calm(times.tpot, times.n);
        ck_assert_double_ge(times.e2e[times.n - 1], 536);
        swg_requests_deinit(&times);
        measure_uneven(n_slow, 3, &times); /* between two tokens */
        check_calm(times.ttft, times.n);
        check_slow(times.gaps, times.n_gaps, n_slow);
        ck_assert_double_ge(times.tpot[times.n - 1], 500 / 3.0);
        swg_requests_deinit(&times);
        measure_uneven(n_slow, 0, &times); /* before they begin */
        check_calm(times.ttft, times.n);
        check_calm(times.gaps, times.n_gaps);
        check_calm(times.tpot, times.n);
        swg_requests_deinit(&times);
    }
}
END_TEST

static swg_status measure_offline(const char *name, swg_offline_options options, swg_offline *out)
{
    char path[256];
    swg_session loaded = {0};
    swg_exec *exec = NULL;
    swg_status status = SWG_OK;
    const swg_exec_options how = {.size = sizeof how,
                                  .context = options.prompt + options.generate,
                                  .sequences = options.batch};
    fixture_path(name, path);
    SWG_GO(swg_session_open(path, NULL, false, 1, NULL, &loaded));
    SWG_GO(swg_exec_new(loaded.model, NULL, &how, &exec));
    fake_calls = 0;
    options.clock = fake_clock;
    SWG_GO(swg_offline_measure(exec, loaded.model, &options, NULL, out));
done:
    swg_exec_free(&exec);
    swg_session_close(&loaded);
    return status;
}

/* 7 requests in batches of 3: the clock is read twice for each of 3, and for one that warms up. */
START_TEST(offline_rates)
{
    swg_offline rates = {0};
    const swg_offline_options options = {
        .prompt = 5, .generate = 3, .requests = 7, .batch = 3, .seed = 1};
    slow_call = 5; /* of the second batch */
    ck_ok(measure_offline("qwen3", options, &rates));
    ck_assert_uint_eq(fake_calls, 8);
    ck_assert_uint_eq(rates.batches, 3);
    ck_assert_double_le(fabs(rates.seconds - 0.252), 1e-9);
    ck_assert_double_le(fabs(rates.requests_per_s - 7 / 0.252), 1e-6);
    ck_assert_double_le(fabs(rates.output_tokens_per_s - 21 / 0.252), 1e-6);
    ck_assert_double_le(fabs(rates.total_tokens_per_s - 56 / 0.252), 1e-6);
    ck_assert_double_le(fabs(rates.batch_requests_per_s.least - 12), 1e-6);
    ck_assert_double_le(fabs(rates.batch_requests_per_s.median - 1000), 1e-3);
    ck_assert_double_le(fabs(rates.batch_requests_per_s.most - 3000), 1e-3);
    slow_call = 1000;
    const swg_offline_options texts = {.prompt = 6, .requests = 4, .batch = 2};
    ck_ok(measure_offline("bert-masked", texts, &rates));
    ck_assert(rates.output_tokens_per_s == 0);
    ck_assert_double_le(fabs(rates.total_tokens_per_s - 24 / 0.002), 1e-3);
}
END_TEST

static swg_status try_offline(void *context)
{
    swg_offline rates;
    const swg_offline_options options = {.prompt = 3, .generate = 2, .requests = 3, .batch = 2};
    (void)context;
    return measure_offline("qwen3", options, &rates);
}

static swg_status try_measuring(void *context)
{
    swg_latency latency = {0};
    const swg_latency_options options = {.prompt = 4, .generate = 2, .depth = 1, .repeats = 2};
    const swg_status status = measure(context, options, &latency);
    swg_latency_deinit(&latency);
    return status;
}

static swg_status try_requests(void *context)
{
    const swg_session *loaded = context;
    swg_exec *exec = NULL;
    swg_requests times = {0};
    swg_status status = SWG_OK;
    const swg_requests_options options = {
        .prompt = 3, .generate = 2, .requests = 2, .clock = fake_clock};
    const swg_exec_options exec_options = {.size = sizeof exec_options, .context = 5};
    SWG_GO(swg_exec_new(loaded->model, NULL, &exec_options, &exec));
    SWG_GO(swg_requests_measure(exec, loaded->model, &options, NULL, &times));
done:
    swg_requests_deinit(&times);
    swg_exec_free(&exec);
    return status;
}

START_TEST(allocations_may_fail)
{
    char path[256];
    swg_session loaded = {0};
    fixture_path("qwen3", path);
    ck_ok(swg_session_open(path, NULL, false, 1, NULL, &loaded));
    swg_test_each_allocation_fails(try_measuring, &loaded);
    swg_test_each_allocation_fails(try_requests, &loaded);
    swg_test_each_allocation_fails(try_offline, NULL);
    swg_session_close(&loaded);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("latency");
    TCase *tests = tcase_create("latency");
    tcase_add_test(tests, quantiles_are_nearest_ranks);
    tcase_add_loop_test(tests, models_that_continue_texts, 0,
                        sizeof continuing / sizeof continuing[0]);
    tcase_add_loop_test(tests, encoders_read_one_text, 0, sizeof encoding / sizeof encoding[0]);
    tcase_add_test(tests, intervals_are_order_statistics);
    tcase_add_loop_test(tests, delays_show_where_they_happen, 0, sizeof delays / sizeof delays[0]);
    tcase_add_test(tests, one_delay_is_an_outlier);
    tcase_add_test(tests, sleeps_show_in_the_figures_of_their_kind);
    tcase_add_test(tests, offline_rates);
    tcase_add_test(tests, allocations_may_fail);
    suite_add_tcase(suite, tests);
    return suite;
}
