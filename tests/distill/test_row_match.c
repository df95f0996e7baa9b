/* Losses of rows between layers: the gradients by the rows and by the projection against central
 * differences, and that training with them brings rows of a teacher with other widths closer. */
#include <math.h>
#include <string.h>

#include "distill/row_match.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { ROWS = 5, FROM = 7, TO = 11 };

typedef struct rows {
    float student[ROWS * TO], teacher[ROWS * TO], gradient[ROWS * TO];
} rows;

static void fill(rows *r)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    *r = (rows){0};
    for (size_t i = 0; i < ROWS * TO; i++) {
        r->student[i] = (float)swg_rng_normal(&rng);
        r->teacher[i] = (float)swg_rng_normal(&rng);
    }
}

static const double weights[SWG_LOSS_COUNT] = {
    [SWG_LOSS_kl] = 5, [SWG_LOSS_hidden_mse] = 0.7, [SWG_LOSS_hidden_cosine] = 1.3};

static double loss_of(swg_row_match *match, const rows *r)
{
    float unused[ROWS * TO] = {0};
    double loss;
    ck_ok(swg_row_match_take(match, weights, 0.5, ROWS, r->student, r->teacher, unused, &loss));
    return loss;
}

/* The slope of the loss by a number of the rows or of the projection. */
static double difference(swg_row_match *match, const rows *r, float *number)
{
    const float x = *number, step = 1e-2f;
    *number = x + step;
    const double plus = loss_of(match, r);
    *number = x - step;
    const double minus = loss_of(match, r);
    *number = x;
    return (plus - minus) / (double)((x + step) - (x - step));
}

START_TEST(gradients_are_what_differences_say)
{
    const size_t from = _i ? FROM : TO;
    swg_row_match match = {0};
    float by_projection[FROM * TO] = {0};
    double loss;
    rows r;
    fill(&r);
    ck_ok(swg_row_match_init(&match, from, TO, 3));
    ck_assert_uint_eq(match.projection.n, _i ? FROM * TO : 0);
    ck_ok(swg_row_match_take(&match, weights, 0.5, ROWS, r.student, r.teacher, r.gradient, &loss));
    if (match.projection.n)
        memcpy(by_projection, match.projection.gradient, sizeof by_projection);
    ck_assert_double_gt(loss, 0.1);
    for (size_t i = 0; i < ROWS * from; i++)
        ck_assert_double_eq_tol((double)r.gradient[i], difference(&match, &r, &r.student[i]), 2e-4);
    for (size_t i = 0; i < match.projection.n; i++)
        ck_assert_double_eq_tol((double)by_projection[i],
                                difference(&match, &r, &match.projection.value[i]), 2e-3);
    swg_row_match_deinit(&match);
}
END_TEST

START_TEST(projections_are_learned)
{
    const swg_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    swg_row_match match = {0};
    double first = 0, loss = 0;
    rows r;
    fill(&r);
    ck_ok(swg_row_match_init(&match, FROM, TO, 3));
    for (uint64_t step = 1; step <= 200; step++) {
        ck_ok(swg_row_match_take(&match, weights, 0.5, ROWS, r.student, r.teacher, r.gradient,
                                 &loss));
        first = step == 1 ? loss : first;
        ck_ok(swg_adamw_step(&adamw, &match.projection, step, 0.02, 0, 1, NULL));
    }
    ck_assert_double_lt(loss, 0.1 * first); /* 5 rows of 7 numbers determine any 5 rows */
    swg_row_match_deinit(&match);
}
END_TEST

START_TEST(a_row_of_zeros_has_no_direction)
{
    const float zero[3] = {0}, other[3] = {1, 2, 3};
    float slopes[3] = {0};
    const swg_loss_input in = {.n = 3, .student = zero, .teacher = other};
    ck_assert_double_eq(swg_loss_hidden_cosine(&in, 1, slopes), 1);
    for (size_t i = 0; i < 3; i++)
        ck_assert_float_eq(slopes[i], 0);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("row_match");
    TCase *cases = tcase_create("rows");
    tcase_add_loop_test(cases, gradients_are_what_differences_say, 0, 2);
    tcase_add_test(cases, projections_are_learned);
    tcase_add_test(cases, a_row_of_zeros_has_no_direction);
    suite_add_tcase(suite, cases);
    return suite;
}
