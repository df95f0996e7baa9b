/* Divergence from a reference: one position against the definition in long double, order statistics
 * against sorting by hand, whole texts against logits compared one by one, and the identities. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/lockstep.h"
#include "runtime/base/rng.h"
#include "tests/eval/eval_fixtures.h"
#include "tests/harness.h"

enum { VOCAB = 40, TOKENS = 48 };

static void fill(swg_rng *rng, float *x, size_t n, float spread)
{
    for (size_t i = 0; i < n; i++)
        x[i] = spread * swg_rng_normal(rng);
}

static long double log_sum(const float *x, size_t n)
{
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += expl((long double)x[i]);
    return logl(sum);
}

START_TEST(a_position_is_the_definition)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t n = 1; n <= 1000; n = n * 3 + 1)
        for (int times = 0; times < 20; times++) {
            float q[1100], p[1100];
            fill(&rng, q, n, 4);
            fill(&rng, p, n, 4);
            swg_divergence_row row;
            const size_t target = swg_rng_next(&rng) % n;
            ck_ok(swg_divergence_compare(q, p, n, target, &row));
            const long double lq = log_sum(q, n), lp = log_sum(p, n);
            long double kld = 0;
            for (size_t i = 0; i < n; i++)
                kld += expl((long double)p[i] - lp) *
                       (((long double)p[i] - lp) - ((long double)q[i] - lq));
            ck_assert_double_eq_tol(row.kld, (double)kld, 1e-12 * (double)n + 1e-12);
            ck_assert_double_eq_tol(row.nll, (double)(lq - (long double)q[target]), 1e-12 * 100);
            ck_assert_double_eq_tol(row.nll_ref, (double)(lp - (long double)p[target]),
                                    1e-12 * 100);
            ck_assert_double_ge(row.kld, -1e-9);
        }
}
END_TEST

START_TEST(equal_logits_diverge_by_nothing)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    float x[500];
    swg_divergence_row row;
    fill(&rng, x, 500, 10);
    ck_ok(swg_divergence_compare(x, x, 500, 3, &row));
    ck_assert(row.kld == 0 && row.nll == row.nll_ref && row.same_top);
    x[7] = NAN;
    float y[500] = {0};
    ck_status_is(SWG_FAILED, swg_divergence_compare(x, y, 500, 3, &row));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "model"));
    ck_status_is(SWG_FAILED, swg_divergence_compare(y, x, 500, 3, &row));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "reference"));
    x[7] = -INFINITY; /* its share of the sum is zero, but log p is not a number to weigh */
    ck_status_is(SWG_FAILED, swg_divergence_compare(x, y, 500, 3, &row));
    ck_status_is(SWG_FAILED, swg_divergence_compare(y, x, 500, 3, &row));
}
END_TEST

/* Ties go to the lower id in both. */
START_TEST(the_top_is_the_first_of_equals)
{
    const float a[] = {0, 2, 2, 1}, b[] = {0, 2, 1, 2}, c[] = {3, 2, 2, 1};
    swg_divergence_row row;
    ck_ok(swg_divergence_compare(a, b, 4, 0, &row));
    ck_assert(row.same_top);
    ck_ok(swg_divergence_compare(a, c, 4, 0, &row));
    ck_assert(!row.same_top);
}
END_TEST

START_TEST(tops_and_hits_are_counted)
{
    /* The reference's top, 0, is fifth of the model, then sixth. */
    const float ref[] = {9, 0, 0, 0, 0, 0, 1}, fifth[] = {4, 8, 7, 6, 5, 3, 2},
                sixth[] = {3, 8, 7, 6, 5, 4, 2};
    swg_divergence_row row;
    ck_ok(swg_divergence_compare(fifth, ref, 7, 1, &row));
    ck_assert(row.top_in_five && row.hit && !row.hit_ref && !row.same_top);
    ck_ok(swg_divergence_compare(sixth, ref, 7, 0, &row));
    ck_assert(!row.top_in_five && !row.hit && row.hit_ref);
    ck_ok(swg_divergence_compare(ref, ref, 7, 0, &row));
    ck_assert(row.top_in_five && row.hit && row.hit_ref);
}
END_TEST

START_TEST(quantiles_are_order_statistics)
{
    const float x[] = {1, 2, 4, 8, 16};
    ck_assert_double_eq(swg_sorted_quantile(x, 5, 0), 1);
    ck_assert_double_eq(swg_sorted_quantile(x, 5, 0.5), 4);
    ck_assert_double_eq(swg_sorted_quantile(x, 5, 1), 16);
    ck_assert_double_eq(swg_sorted_quantile(x, 5, 0.25), 2);
    ck_assert_double_eq_tol(swg_sorted_quantile(x, 5, 0.9), 8 + 0.6 * 8, 1e-12);
    ck_assert_double_eq_tol(swg_sorted_quantile(x, 2, 0.75), 1.75, 1e-12);
    ck_assert_double_eq(swg_sorted_quantile(x, 1, 0.99), 1);
}
END_TEST

/* --- Whole texts ------------------------------------------------------------------------------ */

/* Two windows of a text of ids, the first scored from its 2nd token, the second from its 5th. */
static swg_windows make_windows(void)
{
    swg_windows w = {.n_ids = TOKENS, .n_windows = 2, .tokens_total = TOKENS};
    ck_ok(SWG_NEW(w.ids, TOKENS));
    ck_ok(SWG_NEW(w.windows, 2));
    for (size_t i = 0; i < TOKENS; i++)
        w.ids[i] = (int32_t)((i * 11 + 5) % VOCAB);
    w.windows[0] = (swg_window){.begin = 0, .count = 20, .first_scored = 1, .n_scored = 19};
    w.windows[1] = (swg_window){.begin = 20, .count = 28, .first_scored = 4, .n_scored = 24};
    return w;
}

/* The micro model and the same one at 4 bits. */
static void open_pair(size_t n_threads, swg_session *model, swg_session *coarse)
{
    *model = micro_loaded(n_threads);
    *coarse = micro_loaded(n_threads);
    const swg_weight *head = swg_model_weight(coarse->model, SWG_ROLE_FFN_DOWN, 0);
    float *other = NULL;
    ck_ok(SWG_NEW(other, head->n * head->k));
    for (size_t i = 0; i < head->n * head->k; i++)
        other[i] = 0.05f * (float)((int)(i % 7) - 3);
    const swg_tensor_desc desc = {
        .name = "other", .scheme = {.dtype = SWG_F32}, .rank = 2, .shape = {head->n, head->k}};
    const void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = other};
    ck_ok(swg_model_replace(coarse->model, head, &desc, planes));
    swg_free(other);
}

static swg_exec *open_exec(const swg_session *session)
{
    swg_exec *exec = NULL;
    swg_exec_options options = swg_exec_options_default();
    options.context = TOKENS;
    options.activations = SWG_ACT_F32;
    ck_ok(swg_exec_new(session->model, session->pool, &options, &exec));
    return exec;
}

static swg_divergence measure(const swg_session *a, const swg_session *b, const swg_windows *w)
{
    swg_exec *exec = open_exec(a), *ref = open_exec(b);
    swg_divergence d;
    ck_ok(swg_divergence_measure(exec, ref, VOCAB, a->pool, w, NULL, NULL, &d));
    swg_exec_free(&exec);
    swg_exec_free(&ref);
    return d;
}

/* The reference reads a text once: afterwards its logits stand for it. */
START_TEST(kept_logits_stand_for_the_reference)
{
    swg_session model, coarse;
    swg_windows w = make_windows();
    swg_reference_logits kept = {0};
    swg_divergence again;
    uint64_t scored = 0;
    open_pair(2, &model, &coarse);
    const swg_divergence d = measure(&coarse, &model, &w);
    for (size_t i = 0; i < w.n_windows; i++)
        scored += w.windows[i].n_scored;
    ck_ok(SWG_NEW(kept.logits, scored * VOCAB));
    swg_exec *exec = open_exec(&coarse), *ref = open_exec(&model);
    for (int run = 0; run < 2; run++) {
        ck_ok(swg_divergence_measure_kept(exec, run ? NULL : ref, VOCAB, coarse.pool, &w, &kept,
                                          NULL, &again));
        ck_assert(kept.is_complete);
        ck_assert_mem_eq(&again, &d, sizeof d);
    }
    swg_exec_free(&exec);
    swg_exec_free(&ref);
    swg_free(kept.logits);
    swg_session_close(&model);
    swg_session_close(&coarse);
    swg_windows_deinit(&w);
}
END_TEST

START_TEST(a_text_is_its_positions)
{
    swg_session model, coarse;
    swg_windows w = make_windows();
    open_pair(2, &model, &coarse);
    const swg_divergence d = measure(&coarse, &model, &w);
    double kld = 0, nll = 0, nll_ref = 0, largest = 0;
    size_t n = 0, same = 0;
    for (size_t i = 0; i < w.n_windows; i++) {
        const swg_window *window = &w.windows[i];
        static float q[TOKENS * VOCAB], p[TOKENS * VOCAB];
        swg_exec *exec = open_exec(&coarse), *ref = open_exec(&model);
        ck_ok(swg_exec_run(exec, w.ids + window->begin, window->count, 0, q));
        ck_ok(swg_exec_run(ref, w.ids + window->begin, window->count, 0, p));
        for (size_t t = window->first_scored; t < window->count; t++, n++) {
            swg_divergence_row row;
            ck_ok(swg_divergence_compare(q + (t - 1) * VOCAB, p + (t - 1) * VOCAB, VOCAB,
                                         (size_t)w.ids[window->begin + t], &row));
            kld += row.kld;
            nll += row.nll;
            nll_ref += row.nll_ref;
            same += row.same_top;
            largest = fmax(largest, row.kld);
        }
        swg_exec_free(&exec);
        swg_exec_free(&ref);
    }
    ck_assert_double_gt(d.kld_mean, 1e-6);
    ck_assert_uint_eq(d.tokens_scored, n);
    ck_assert_double_eq_tol(d.kld_mean, kld / (double)n, 1e-6);
    ck_assert_double_eq_tol(d.kld_max, largest, 1e-6 * largest + 1e-9);
    ck_assert_double_eq_tol(d.perplexity, exp(nll / (double)n), 1e-4);
    ck_assert_double_eq_tol(d.perplexity_ref, exp(nll_ref / (double)n), 1e-4);
    ck_assert_double_eq_tol(d.log_ratio, (nll - nll_ref) / (double)n, 1e-5);
    ck_assert_double_eq_tol(d.top1_agreement, (double)same / (double)n, 1e-12);
    ck_assert(d.kld_min <= d.kld_median && d.kld_median <= d.kld_p90 && d.kld_p90 <= d.kld_p99 &&
              d.kld_p99 <= d.kld_max);
    swg_windows_deinit(&w);
    swg_session_close(&coarse);
    swg_session_close(&model);
}
END_TEST

START_TEST(a_model_does_not_diverge_from_itself)
{
    swg_session model = micro_loaded(2);
    swg_windows w = make_windows();
    const swg_divergence d = measure(&model, &model, &w);
    ck_assert(d.kld_mean == 0 && d.kld_max == 0 && d.kld_min == 0 && d.kld_standard_error == 0);
    ck_assert(d.top1_agreement == 1 && d.log_ratio == 0 && d.perplexity == d.perplexity_ref);
    ck_assert(d.top5_agreement == 1 && d.hits_gained == 0 && d.hits_lost == 0 && d.mcnemar_p == 1);
    ck_assert(d.log_ratio_comparison.judgement == SWG_JUDGEMENT_INDISTINGUISHABLE);
    ck_assert(d.kld_interval.low == 0 && d.kld_interval.high == 0);
    swg_windows_deinit(&w);
    swg_session_close(&model);
}
END_TEST

START_TEST(threads_change_nothing)
{
    swg_windows w = make_windows();
    swg_divergence d[2];
    for (size_t i = 0; i < 2; i++) {
        swg_session model, coarse;
        open_pair(i == 0 ? 1 : 3, &model, &coarse);
        d[i] = measure(&coarse, &model, &w);
        swg_session_close(&coarse);
        swg_session_close(&model);
    }
    ck_assert(d[0].kld_mean == d[1].kld_mean && d[0].kld_p99 == d[1].kld_p99 &&
              d[0].log_ratio == d[1].log_ratio && d[0].perplexity == d[1].perplexity);
    swg_windows_deinit(&w);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("lockstep");
    TCase *tcase = tcase_create("divergence");
    tcase_add_test(tcase, a_position_is_the_definition);
    tcase_add_test(tcase, equal_logits_diverge_by_nothing);
    tcase_add_test(tcase, the_top_is_the_first_of_equals);
    tcase_add_test(tcase, tops_and_hits_are_counted);
    tcase_add_test(tcase, quantiles_are_order_statistics);
    tcase_add_test(tcase, a_text_is_its_positions);
    tcase_add_test(tcase, kept_logits_stand_for_the_reference);
    tcase_add_test(tcase, a_model_does_not_diverge_from_itself);
    tcase_add_test(tcase, threads_change_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
