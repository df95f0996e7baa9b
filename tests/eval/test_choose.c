/* Choosing among measured models: limits hold exactly, the best comes first, and what does not fit
 * is ordered by how far it is from fitting. */
#include "eval/choose.h"

#include <string.h>

#include "tests/harness.h"

enum { N = 6 };

static void make(swg_results *results, swg_result items[N])
{
    static const struct {
        const char *id;
        int64_t bytes;
        double kld, decode;
    } rows[N] = {{"large", 300, 0.001, 50}, {"middle", 200, 0.01, 80},   {"small", 100, 0.1, 120},
                 {"failed", 10, 0, 1000},   {"unmeasured", 50, NAN, 90}, {"twin", 100, 0.1, 100}};
    for (size_t i = 0; i < N; i++) {
        items[i] = swg_result_default();
        items[i].id = rows[i].id;
        items[i].file_bytes = rows[i].bytes;
        items[i].kld_mean = rows[i].kld;
        items[i].decode_tokens_per_s = rows[i].decode;
    }
    items[3].status = "failed";
    *results = (swg_results){.items = items, .count = N};
}

static const struct {
    double bytes, kld, decode; /* limits; NaN = none */
    swg_metric_id best;
    size_t n_fitting;
    const char *order[N]; /* the first of the candidates */
} cases[] = {
    {NAN, 0.01, NAN, SWG_METRIC_file_bytes, 2, {"middle", "large", "small", "twin"}},
    {NAN, 0.009999, NAN, SWG_METRIC_file_bytes, 1, {"large", "middle"}},
    {200, NAN, NAN, SWG_METRIC_kld_mean, 3, {"middle", "small", "twin", "large"}},
    {200, NAN, 100, SWG_METRIC_kld_mean, 2, {"small", "twin", "middle", "large"}},
    {NAN, NAN, 0, SWG_METRIC_decode_tokens_per_s, 5, {"small", "twin", "unmeasured", "middle"}},
    {99, 0.5, NAN, SWG_METRIC_file_bytes, 0, {"small", "twin", "middle"}},
    {1, 0, NAN, SWG_METRIC_file_bytes, 0, {"small", "twin", "middle", "large"}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(the_best_within_the_limits_comes_first)
{
    swg_result items[N];
    swg_results results;
    swg_choice choice;
    swg_limits limits;
    make(&results, items);
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        limits.limit[m] = NAN;
    limits.limit[SWG_METRIC_file_bytes] = cases[_i].bytes;
    limits.limit[SWG_METRIC_kld_mean] = cases[_i].kld;
    limits.limit[SWG_METRIC_decode_tokens_per_s] = cases[_i].decode;
    ck_ok(swg_choose(&results, &limits, cases[_i].best, &choice));
    ck_assert_uint_eq(choice.count, N);
    ck_assert_uint_eq(choice.n_fitting, cases[_i].n_fitting);
    for (size_t i = 0; i < N && cases[_i].order[i]; i++)
        ck_assert_msg(strcmp(choice.candidates[i].result->id, cases[_i].order[i]) == 0,
                      "place %zu is %s, not %s", i, choice.candidates[i].result->id,
                      cases[_i].order[i]);
    for (size_t i = 0; i < N; i++) {
        const swg_candidate *c = &choice.candidates[i];
        ck_assert((c->excess == 0) == (i < choice.n_fitting));
        ck_assert(i < choice.n_fitting ? c->n_broken == 0 : c->n_broken > 0 || isinf(c->excess));
        ck_assert(swg_result_is_ok(c->result) || isinf(c->excess));
    }
    swg_choice_deinit(&choice);
}
END_TEST

static swg_status try_choosing(void *context)
{
    swg_result items[N];
    swg_results results;
    swg_choice choice;
    swg_limits limits;
    (void)context;
    make(&results, items);
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        limits.limit[m] = NAN;
    SWG_TRY(swg_choose(&results, &limits, SWG_METRIC_file_bytes, &choice));
    swg_choice_deinit(&choice);
    return SWG_OK;
}

START_TEST(failed_allocations_are_reported)
{
    swg_test_each_allocation_fails(try_choosing, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("choose");
    TCase *tests = tcase_create("choose");
    tcase_add_loop_test(tests, the_best_within_the_limits_comes_first, 0, N_CASES);
    tcase_add_test(tests, failed_allocations_are_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
