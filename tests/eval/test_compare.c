/* Statistics of comparisons: quantiles of Student's t against tables, McNemar's p against sums of
 * exact binomials, and intervals that cover what they should at the stated rate. */
#include <math.h>

#include "eval/compare.h"
#include "eval/nll.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

/* The difference at which the verdict changes is t(0.975) standard errors: found by bisection. */
static double critical(size_t n)
{
    double low = 0, high = 100;
    for (int i = 0; i < 100; i++) {
        const double middle = 0.5 * (low + high);
        if (swg_compare_difference(middle, 1, n).judgement == SWG_JUDGEMENT_WORSE)
            high = middle;
        else
            low = middle;
    }
    return low;
}

START_TEST(verdicts_are_students_test)
{
    /* Windows, the tabulated t(0.975) and t(0.8) of one degree of freedom less. */
    static const double rows[][3] = {{2, 12.7062047, 1.3763819}, {3, 4.3026527, 1.0606602},
                                     {4, 3.1824463, 0.9784723},  {6, 2.5705818, 0.9195438},
                                     {11, 2.2281389, 0.8790578}, {31, 2.0422725, 0.8537673},
                                     {101, 1.9839715, 0.8452304}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t n = (size_t)rows[i][0];
        ck_assert_double_eq_tol(critical(n), rows[i][1], 2e-4 * rows[i][1]);
        ck_assert_double_eq_tol(swg_compare_difference(0, 1, n).smallest_detectable,
                                rows[i][1] + rows[i][2], 3e-4 * rows[i][1]);
    }
    ck_assert(swg_compare_difference(-3, 1, 31).judgement == SWG_JUDGEMENT_BETTER);
    ck_assert(swg_compare_difference(3, 1, 31).judgement == SWG_JUDGEMENT_WORSE);
    ck_assert(swg_compare_difference(1, 1, 31).judgement == SWG_JUDGEMENT_INDISTINGUISHABLE);
    ck_assert(swg_compare_difference(5, 0, 1).judgement == SWG_JUDGEMENT_UNKNOWN);
    /* Where nothing differs, nothing is known of what could have been found. */
    ck_assert(isnan(swg_compare_difference(0, 0, 31).smallest_detectable));
    ck_assert(swg_compare_difference(0, 0, 31).judgement == SWG_JUDGEMENT_INDISTINGUISHABLE);
}
END_TEST

/* Limits by R's prop.test(x, n, correct = FALSE) and by the formula's closed ends. */
START_TEST(shares_have_wilsons_interval)
{
    const swg_interval five = swg_wilson_interval(5, 10), one = swg_wilson_interval(81, 263),
                       none = swg_wilson_interval(0, 10), all = swg_wilson_interval(7, 7);
    ck_assert_double_eq_tol(five.low, 0.2365931, 1e-7);
    ck_assert_double_eq_tol(five.high, 0.7634069, 1e-7);
    ck_assert_double_eq_tol(one.low, 0.2553, 5e-5); /* Newcombe 1998, table I, method 3 */
    ck_assert_double_eq_tol(one.high, 0.3662, 5e-5);
    ck_assert_double_eq_tol(none.low, 0, 1e-15);
    ck_assert_double_eq_tol(none.high, 3.841458820694124 / 13.841458820694124, 1e-12);
    ck_assert_double_eq_tol(all.low, 7 / 10.841458820694124, 1e-12);
    ck_assert_double_eq(all.high, 1);
    ck_assert_double_eq(swg_share_standard_error(0.25, 5), sqrt(0.25 * 0.75 / 4));
    ck_assert(isnan(swg_share_standard_error(1, 1)));
}
END_TEST

START_TEST(mcnemar_is_exact)
{
    for (unsigned n = 0; n <= 60; n++)
        for (unsigned k = 0; k <= n; k++) {
            const unsigned fewer = k < n - k ? k : n - k;
            double term = ldexp(1, -(int)n), sum = 0;
            for (unsigned i = 0; i <= fewer; i++) {
                sum += term;
                term *= (double)(n - i) / (i + 1);
            }
            ck_assert_double_eq_tol(swg_mcnemar(k, n - k), fmin(1, 2 * sum), 1e-10);
        }
    ck_assert_double_lt(swg_mcnemar(100000, 110000), 1e-90);
    ck_assert_double_eq_tol(swg_mcnemar(500000, 500100), 0.9209,
                            1e-3); /* normal: 0.099 deviations */
}
END_TEST

/* Means of 64 windows, each the sum of a shared and its tokens' own noise, around 2: a 95 %
 * interval covers it in 95 of 100 texts. 2,000 texts have a standard error of 0.5 %, and percentile
 * intervals of 64 windows are known to be short by about 1 %. */
START_TEST(the_bootstrap_covers_at_its_rate)
{
    enum { WINDOWS = 64, SCORED = 20, TEXTS = 2000 };
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    swg_window list[WINDOWS];
    double sums[WINDOWS];
    size_t covered = 0;
    for (size_t i = 0; i < WINDOWS; i++)
        list[i] = (swg_window){0, SCORED + 1, 1, SCORED, 0};
    const swg_windows windows = {.windows = list, .n_windows = WINDOWS};
    for (int text = 0; text < TEXTS; text++) {
        for (size_t i = 0; i < WINDOWS; i++) {
            const double shared = (double)swg_rng_normal(&rng);
            sums[i] = SCORED * (2 + 0.5 * shared);
            for (int t = 0; t < SCORED; t++)
                sums[i] += 0.3 * (double)swg_rng_normal(&rng);
        }
        swg_interval interval;
        ck_ok(swg_window_bootstrap(sums, &windows, &interval));
        covered += interval.low <= 2 && 2 <= interval.high;
    }
    ck_assert_msg(covered > 0.92 * TEXTS && covered < 0.965 * TEXTS, "%zu of %d", covered, TEXTS);
}
END_TEST

START_TEST(one_window_has_no_interval)
{
    swg_window list[] = {{0, 3, 1, 2, 0}};
    const swg_windows windows = {.windows = list, .n_windows = 1};
    const double sum = 3;
    swg_interval interval;
    ck_ok(swg_window_bootstrap(&sum, &windows, &interval));
    ck_assert(isnan(interval.low) && isnan(interval.high));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("compare");
    TCase *tcase = tcase_create("statistics");
    tcase_add_test(tcase, shares_have_wilsons_interval);
    tcase_add_test(tcase, verdicts_are_students_test);
    tcase_add_test(tcase, mcnemar_is_exact);
    tcase_add_test(tcase, the_bootstrap_covers_at_its_rate);
    tcase_add_test(tcase, one_window_has_no_interval);
    suite_add_tcase(suite, tcase);
    return suite;
}
