/* The sampler: each cut against a plain reference, frequencies against probabilities, determinism,
 * broken logits. */
#include <math.h>
#include <stdlib.h>

#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/text/sampler.h"
#include "tests/harness.h"

static swg_sampler *sampler_with(swg_sampler_options options, size_t n_vocab)
{
    swg_sampler *sampler = NULL;
    ck_ok(swg_sampler_new(&options, n_vocab, &sampler));
    return sampler;
}

static int32_t pick(swg_sampler *sampler, const float *logits)
{
    int32_t id = -1;
    ck_ok(swg_sampler_pick(sampler, logits, &id));
    return id;
}

START_TEST(greedy_takes_the_lowest_of_ties)
{
    swg_sampler *sampler = sampler_with(swg_sampler_options_default(), 5);
    ck_assert_int_eq(pick(sampler, (float[]){1, 3, 2, 3, 0}), 1);
    ck_assert_int_eq(pick(sampler, (float[]){-INFINITY, -7, -INFINITY, -7, -8}), 1);
    ck_assert_int_eq(pick(sampler, (float[]){0, 0, 0, 0, 0}), 0);
    swg_sampler_free(&sampler);
    sampler = sampler_with(swg_sampler_options_default(), 1);
    ck_assert_int_eq(pick(sampler, (float[]){-5}), 0);
    swg_sampler_free(&sampler);
    swg_sampler_free(&sampler);
}
END_TEST

/* Which ids can come out at all, by sorting in full: the definition of the options. */
typedef struct ranked {
    double p;
    size_t id;
} ranked;

static int by_rank(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->p != y->p ? (x->p < y->p) - (x->p > y->p) : (x->id > y->id) - (x->id < y->id);
}

enum { N = 300 };

/* Probabilities after all cuts; the sum of what stays is 1. */
static void reference(const swg_sampler_options *o, const float *logits, double *p)
{
    static ranked all[N];
    double sum = 0.0, kept = 0.0, highest = -INFINITY;
    for (size_t i = 0; i < N; i++)
        highest = fmax(highest, logits[i]);
    for (size_t i = 0; i < N; i++)
        all[i] = (ranked){exp((logits[i] - highest) / o->temperature), i};
    qsort(all, N, sizeof *all, by_rank);
    size_t n = o->top_k > 0 && o->top_k < N ? o->top_k : N;
    for (size_t i = 0; i < n; i++)
        sum += all[i].p;
    double mass = 0.0;
    for (size_t i = 0; i < n && o->top_p < 1.0f; i++)
        if ((mass += all[i].p) >= o->top_p * sum)
            n = i + 1;
    for (size_t i = 0; i < N; i++)
        p[i] = 0.0;
    for (size_t i = 0; i < n; i++)
        if (all[i].p >= o->min_p)
            kept += p[all[i].id] = all[i].p;
    for (size_t i = 0; i < N; i++)
        p[i] /= kept;
}

/* Draw often and compare frequencies with the reference: nothing outside the cuts, and chi-square
 * (ids expected fewer than 5 times pooled) below its mean + 6 standard deviations. */
static void check_distribution(swg_sampler_options options, const float *logits)
{
    enum { DRAWS = 20000 };
    static double p[N];
    static unsigned count[N];
    reference(&options, logits, p);
    swg_sampler *sampler = sampler_with(options, N);
    for (size_t i = 0; i < N; i++)
        count[i] = 0;
    for (size_t i = 0; i < DRAWS; i++)
        count[pick(sampler, logits)]++;
    double chi = 0.0, cells = 0.0, rare_seen = 0.0, rare_wanted = 0.0;
    for (size_t i = 0; i < N; i++) {
        const double wanted = p[i] * DRAWS;
        ck_assert_msg(p[i] > 0.0 || count[i] == 0, "id %zu was cut, but drawn", i);
        if (wanted < 5.0) {
            rare_seen += count[i];
            rare_wanted += wanted;
            continue;
        }
        chi += (count[i] - wanted) * (count[i] - wanted) / wanted;
        cells++;
    }
    if (rare_wanted >= 5.0) {
        chi += (rare_seen - rare_wanted) * (rare_seen - rare_wanted) / rare_wanted;
        cells++;
    }
    ck_assert_msg(chi <= cells + 6.0 * sqrt(2.0 * cells), "chi-square %g for %g cells", chi, cells);
    swg_sampler_free(&sampler);
}

START_TEST(draws_as_often_as_it_should)
{
    static float logits[N];
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t i = 0; i < N; i++)
        logits[i] = roundf(8.0f * swg_rng_normal(&rng)) / 4.0f; /* many ties */
    static const struct {
        float temperature, top_p, min_p;
        size_t top_k;
    } cases[] = {{1.0f, 1.0f, 0.0f, 0},     {0.7f, 1.0f, 0.0f, 0},   {1.5f, 1.0f, 0.0f, 0},
                 {1.0f, 1.0f, 0.0f, 1},     {1.0f, 1.0f, 0.0f, 10},  {1.0f, 1.0f, 0.0f, 299},
                 {1.0f, 1.0f, 0.0f, 5000},  {1.0f, 0.1f, 0.0f, 0},   {1.0f, 0.5f, 0.0f, 0},
                 {1.0f, 0.9f, 0.0f, 0},     {1.0f, 0.999f, 0.0f, 0}, {1.0f, 1.0f, 0.05f, 0},
                 {1.0f, 1.0f, 1.0f, 0},     {0.8f, 0.9f, 0.02f, 40}, {1.0f, 0.0001f, 0.0f, 0},
                 {2.0f, 0.95f, 0.001f, 300}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_sampler_options options = swg_sampler_options_default();
        options.temperature = cases[i].temperature;
        options.top_p = cases[i].top_p;
        options.min_p = cases[i].min_p;
        options.top_k = cases[i].top_k;
        options.seed = i;
        check_distribution(options, logits);
    }
}
END_TEST

/* Inputs on which a careless quickselect is quadratic or loses its place. */
START_TEST(cuts_sorted_and_equal_logits)
{
    static float logits[N];
    swg_sampler_options options = swg_sampler_options_default();
    options.temperature = 1.0f;
    options.top_k = 3;
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < N; i++)
            logits[i] = kind == 0   ? (float)i
                        : kind == 1 ? (float)(N - i)
                        : kind == 2 ? 1.0f
                                    : (float)(i % 7);
        swg_sampler *sampler = sampler_with(options, N);
        static double p[N];
        reference(&options, logits, p);
        for (size_t i = 0; i < 200; i++)
            ck_assert(p[pick(sampler, logits)] > 0.0);
        swg_sampler_free(&sampler);
    }
}
END_TEST

START_TEST(repeats_itself_with_a_seed)
{
    static float logits[N];
    for (size_t i = 0; i < N; i++)
        logits[i] = (float)(i % 13) / 4.0f;
    swg_sampler_options options = swg_sampler_options_default();
    options.temperature = 1.0f;
    options.seed = 7;
    swg_sampler *a = sampler_with(options, N), *b = sampler_with(options, N);
    options.seed = 8;
    swg_sampler *other = sampler_with(options, N);
    size_t n_differ = 0;
    for (size_t i = 0; i < 100; i++) {
        const int32_t id = pick(a, logits);
        ck_assert_int_eq(id, pick(b, logits));
        n_differ += id != pick(other, logits);
    }
    ck_assert_uint_gt(n_differ, 80);
    swg_sampler_free(&a);
    swg_sampler_free(&b);
    swg_sampler_free(&other);
}
END_TEST

START_TEST(penalizes_recent_tokens_only)
{
    swg_sampler_options options = swg_sampler_options_default();
    options.repetition_penalty = 2.0f;
    options.repetition_window = 2;
    swg_sampler *sampler = sampler_with(options, 3);
    static const float logits[] = {3, 2, -1}, negative[] = {-1, -1.5f, -3};
    ck_assert_int_eq(pick(sampler, logits), 0);
    swg_sampler_accept(sampler, 0);
    swg_sampler_accept(sampler, 99);
    swg_sampler_accept(sampler, -1);
    ck_assert_int_eq(pick(sampler, logits), 1);   /* 1.5 against 2 */
    ck_assert_int_eq(pick(sampler, negative), 1); /* -2 against -1.5 */
    swg_sampler_accept(sampler, 2);
    swg_sampler_accept(sampler, 2); /* pushes 0 out of the window */
    ck_assert_int_eq(pick(sampler, logits), 0);
    swg_sampler_free(&sampler);
}
END_TEST

START_TEST(refuses_broken_logits)
{
    swg_sampler_options options = swg_sampler_options_default();
    for (int hot = 0; hot < 2; hot++) {
        options.temperature = (float)hot;
        swg_sampler *sampler = sampler_with(options, 3);
        int32_t id = 42;
        ck_status_is(SWG_FAILED, swg_sampler_pick(sampler, (float[]){1, NAN, 2}, &id));
        ck_status_is(SWG_FAILED, swg_sampler_pick(sampler, (float[]){1, INFINITY, 2}, &id));
        ck_status_is(SWG_FAILED,
                     swg_sampler_pick(sampler, (float[]){-INFINITY, -INFINITY, -INFINITY}, &id));
        ck_assert_int_eq(id, 42);
        ck_assert_int_eq(pick(sampler, (float[]){-INFINITY, -2, -INFINITY}), 1);
        ck_assert_int_ge(pick(sampler, (float[]){3e38f, 3e38f, -3e38f}), 0);
        swg_sampler_free(&sampler);
    }
    options.temperature = 1e-38f; /* scores overflow: in the limit the best one wins */
    swg_sampler *cold = sampler_with(options, 3);
    ck_assert_int_eq(pick(cold, (float[]){-5, 7, 6}), 1);
    swg_sampler_free(&cold);
}
END_TEST

START_TEST(refuses_options_out_of_range)
{
    const swg_sampler_options good = swg_sampler_options_default();
    swg_sampler_options bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].temperature = -1;
    bad[1].temperature = NAN;
    bad[2].top_p = 0;
    bad[3].top_p = 1.5f;
    bad[4].min_p = -0.1f;
    bad[5].min_p = NAN;
    bad[6].repetition_penalty = 0;
    bad[7].repetition_penalty = INFINITY;
    bad[8].temperature = INFINITY;
    swg_sampler *sampler = NULL;
    for (size_t i = 0; i < 9; i++)
        ck_status_is(SWG_USAGE, swg_sampler_new(&bad[i], 10, &sampler));
    ck_status_is(SWG_USAGE, swg_sampler_new(&good, 0, &sampler));
    ck_assert_ptr_null(sampler);
}
END_TEST

static swg_status make_and_pick(void *context)
{
    swg_sampler *sampler = NULL;
    int32_t id;
    swg_status status;
    SWG_GO(swg_sampler_new(context, 4, &sampler));
    SWG_GO(swg_sampler_pick(sampler, (float[]){1, 2, 3, 4}, &id));
done:
    swg_sampler_free(&sampler);
    return status;
}

START_TEST(survives_failing_allocations)
{
    swg_sampler_options options = swg_sampler_options_default();
    options.temperature = 1.0f;
    options.repetition_penalty = 1.1f;
    swg_test_each_allocation_fails(make_and_pick, &options);
}
END_TEST

START_TEST(does_not_allocate_per_token)
{
    swg_sampler_options options = swg_sampler_options_default();
    options.temperature = 1.0f;
    options.top_p = 0.9f;
    options.repetition_penalty = 1.1f;
    swg_sampler *sampler = sampler_with(options, 4);
    swg_mem_fail_at(0, false);
    for (size_t i = 0; i < 10; i++)
        swg_sampler_accept(sampler, pick(sampler, (float[]){1, 2, 3, 4}));
    ck_assert_uint_eq(swg_mem_fail_at(0, false), 0);
    swg_sampler_free(&sampler);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("sampler");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, greedy_takes_the_lowest_of_ties);
    tcase_add_test(cases, draws_as_often_as_it_should);
    tcase_add_test(cases, cuts_sorted_and_equal_logits);
    tcase_add_test(cases, repeats_itself_with_a_seed);
    tcase_add_test(cases, penalizes_recent_tokens_only);
    tcase_add_test(cases, refuses_broken_logits);
    tcase_add_test(cases, refuses_options_out_of_range);
    tcase_add_test(cases, survives_failing_allocations);
    tcase_add_test(cases, does_not_allocate_per_token);
    suite_add_tcase(suite, cases);
    return suite;
}
