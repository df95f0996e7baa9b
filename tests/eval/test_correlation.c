/* Correlations against values computed by hand, ties included, and what has none. */
#include <math.h>

#include "eval/correlation.h"
#include "tests/harness.h"

static const struct {
    size_t n;
    double x[6], y[6], pearson, spearman;
} cases[] = {
    {3, {1, 2, 3}, {2, 4, 6}, 1, 1},
    {3, {1, 2, 3}, {6, 4, 2}, -1, -1},
    {3, {1, 2, 3}, {1, 3, 2}, 0.5, 0.5},
    /* Ranks 1 2 3 4 and 1 2.5 2.5 4: 4.5 / sqrt(5 * 4.5). */
    {4, {1, 2, 3, 4}, {1, 5, 5, 100}, 0.79542950769425, 0.94868329805051},
    {4, {-1e9, 0, 1, 1e9}, {0, 0, 1, 1}, 0.70710678154010, 0.89442719099992},
};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(correlations_are_those_of_the_definition)
{
    swg_correlation got;
    ck_ok(swg_correlate(cases[_i].x, cases[_i].y, cases[_i].n, &got));
    ck_assert_double_le(fabs(got.pearson - cases[_i].pearson), 1e-9);
    ck_assert_double_le(fabs(got.spearman - cases[_i].spearman), 1e-9);
}
END_TEST

START_TEST(equal_numbers_have_none)
{
    swg_correlation got;
    const double same[] = {2, 2, 2}, other[] = {1, 2, 3};
    ck_status_is(SWG_FAILED, swg_correlate(same, other, 3, &got));
    ck_status_is(SWG_FAILED, swg_correlate(other, same, 3, &got));
    ck_status_is(SWG_FAILED, swg_correlate(other, same, 1, &got));
}
END_TEST

static swg_status try_correlating(void *context)
{
    swg_correlation got;
    (void)context;
    return swg_correlate(cases[0].x, cases[0].y, cases[0].n, &got);
}

START_TEST(failed_allocations_are_reported)
{
    swg_test_each_allocation_fails(try_correlating, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("correlation");
    TCase *tests = tcase_create("correlation");
    tcase_add_loop_test(tests, correlations_are_those_of_the_definition, 0, N_CASES);
    tcase_add_test(tests, equal_numbers_have_none);
    tcase_add_test(tests, failed_allocations_are_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
