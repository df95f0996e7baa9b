/* Losses of attention scores: values against sums written here, gradients by queries and keys
 * against central differences, for heads that share keys, sliding windows and both directions. */
#include <math.h>
#include <string.h>

#include "distill/score_match.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { WINDOW = 70, TEXTS = 2, ROWS = TEXTS * WINDOW, HEADS = 4, MOST = ROWS * HEADS * 6 };

/* Queries and keys of one side, in memory of its own. */
typedef struct side {
    swg_scored rows;
    float q[MOST], k[MOST], dq[MOST], dk[MOST];
} side;

static side student, teacher;

static const struct {
    size_t student_kv, teacher_kv, student_dim, teacher_dim;
    swg_attend_options options;
} cases[] = {
    {4, 4, 3, 3, {.scale = 0}},
    {2, 4, 5, 3, {.window = 9}},
    {1, 2, 6, 6, {.sees_all = true, .scale = 0.7f}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static const double weights[SWG_LOSS_COUNT] = {
    [SWG_LOSS_kl] = 5, [SWG_LOSS_hidden_mse] = 3, [SWG_LOSS_attention_mse] = 1.3};

static void fill(side *s, size_t n_kv_heads, size_t dim, const swg_attend_options *options)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed() + n_kv_heads + (s == &teacher));
    memset(s, 0, sizeof *s);
    for (size_t i = 0; i < MOST; i++) {
        s->q[i] = (float)swg_rng_normal(&rng);
        s->k[i] = (float)swg_rng_normal(&rng);
    }
    s->rows = (swg_scored){.rows = ROWS,
                           .n_heads = HEADS,
                           .n_kv_heads = n_kv_heads,
                           .head_dim = dim,
                           .options = *options,
                           .q = s->q,
                           .k = s->k};
}

static double score(const side *s, size_t head, size_t query, size_t key)
{
    const swg_scored *r = &s->rows;
    const size_t kv = head * r->n_kv_heads / r->n_heads;
    const float *q = s->q + (query * r->n_heads + head) * r->head_dim;
    const float *k = s->k + (key * r->n_kv_heads + kv) * r->head_dim;
    const double scale = r->options.scale != 0 ? (double)r->options.scale
                                               : 1 / sqrt((double)r->head_dim);
    double sum = 0;
    for (size_t i = 0; i < r->head_dim; i++)
        sum += (double)q[i] * (double)k[i];
    return scale * sum;
}

static bool sees(const swg_attend_options *o, size_t query, size_t key)
{
    return (o->sees_all || key <= query) && (o->window == 0 || key + o->window > query);
}

/* The sum over queries of the mean over heads of the mean over seen keys. */
static double reference_loss(void)
{
    double sum = 0;
    for (size_t text = 0; text < TEXTS; text++)
        for (size_t head = 0; head < HEADS; head++)
            for (size_t t = 0; t < WINDOW; t++) {
                double square = 0;
                size_t n = 0;
                for (size_t j = 0; j < WINDOW; j++)
                    if (sees(&student.rows.options, t, j)) {
                        const size_t at = text * WINDOW;
                        const double d = score(&student, head, at + t, at + j) -
                                         score(&teacher, head, at + t, at + j);
                        square += d * d;
                        n++;
                    }
                sum += square / (double)n / HEADS;
            }
    return 0.5 * weights[SWG_LOSS_attention_mse] * sum;
}

/* The gradient of a number is that of differences of the reference. */
static void expect_slope(float *number, float slope)
{
    const float old = *number, step = 1e-2f;
    *number = old + step;
    const double up = *number, plus = reference_loss();
    *number = old - step;
    const double down = *number, minus = reference_loss();
    *number = old;
    const double wanted = (plus - minus) / (up - down);
    ck_assert_msg(fabs((double)slope - wanted) <= 1e-3 * fabs(wanted) + 1e-4, "%g, not %g",
                  (double)slope, wanted);
}

START_TEST(gradients_are_what_differences_say)
{
    double loss;
    swg_pool *pool;
    ck_ok(swg_pool_new(2, &pool));
    fill(&student, cases[_i].student_kv, cases[_i].student_dim, &cases[_i].options);
    fill(&teacher, cases[_i].teacher_kv, cases[_i].teacher_dim, &cases[_i].options);
    ck_ok(swg_score_match_take(&student.rows, &teacher.rows, WINDOW, weights, 0.5, pool, student.dq,
                               student.dk, &loss));
    ck_assert_double_eq_tol(loss, reference_loss(), 1e-4 * loss);
    const size_t nq = ROWS * HEADS * cases[_i].student_dim;
    const size_t nk = ROWS * cases[_i].student_kv * cases[_i].student_dim;
    for (size_t i = 0; i < 12; i++) {
        expect_slope(&student.q[i * 97 % nq], student.dq[i * 97 % nq]);
        expect_slope(&student.k[i * 89 % nk], student.dk[i * 89 % nk]);
    }
    /* Gradients are added to, and equal scores have none. */
    side *const same = &student;
    float before[4];
    memcpy(before, student.dq, sizeof before);
    ck_ok(swg_score_match_take(&same->rows, &same->rows, WINDOW, weights, 0.5, NULL, student.dq,
                               student.dk, &loss));
    ck_assert_double_eq(loss, 0);
    ck_assert_mem_eq(before, student.dq, sizeof before);
    swg_pool_free(&pool);
}
END_TEST

START_TEST(other_numbers_of_heads)
{
    double loss;
    const swg_attend_options causal = {0};
    fill(&student, 4, 3, &causal);
    fill(&teacher, 4, 3, &causal);
    teacher.rows.n_heads = 2;
    ck_status_is(SWG_USAGE, swg_score_match_take(&student.rows, &teacher.rows, WINDOW, weights, 1,
                                                 NULL, student.dq, student.dk, &loss));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "4 heads"));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("score_match");
    TCase *tests = tcase_create("score_match");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, gradients_are_what_differences_say, 0, N_CASES);
    tcase_add_test(tests, other_numbers_of_heads);
    suite_add_tcase(suite, tests);
    return suite;
}
