/* Losses: values against sums in long double, slopes against central differences. */
#include <math.h>
#include <string.h>

#include "distill/losses.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { VOCAB = 23 };

/* Probabilities are floats: differences of logarithms up to 20, each off by some roundings. */
#define BOUND (20 * 8 * 6e-8)

typedef struct sample {
    float student[VOCAB], teacher[VOCAB], work[2 * VOCAB];
    swg_loss_input in;
} sample;

static void fill(sample *s, uint64_t seed, double temperature)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed() + seed);
    for (size_t i = 0; i < VOCAB; i++) {
        s->student[i] = 3 * swg_rng_normal(&rng);
        s->teacher[i] = 3 * swg_rng_normal(&rng);
    }
    s->in = (swg_loss_input){.n = VOCAB,
                             .student = s->student,
                             .teacher = s->teacher,
                             .target = (int32_t)(seed % VOCAB),
                             .temperature = temperature,
                             .work = s->work};
}

/* log softmax(x / t)[i] */
static long double log_probability(const float *x, size_t i, double t)
{
    long double sum = 0;
    for (size_t j = 0; j < VOCAB; j++)
        sum += expl((long double)x[j] / t);
    return (long double)x[i] / t - logl(sum);
}

START_TEST(values_are_the_formulas)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        sample s;
        const double t = seed % 2 ? 1 : 2.5;
        long double kl = 0;
        fill(&s, seed, t);
        for (size_t i = 0; i < VOCAB; i++)
            kl += expl(log_probability(s.teacher, i, t)) *
                  (log_probability(s.teacher, i, t) - log_probability(s.student, i, t));
        ck_assert_double_eq_tol(swg_loss_kl(&s.in, 1, NULL), (double)(kl * t * t), BOUND);
        ck_assert_double_eq_tol(swg_loss_ce(&s.in, 1, NULL),
                                (double)-log_probability(s.student, (size_t)s.in.target, 1), BOUND);
        s.in.teacher = s.student;
        ck_assert_double_eq(swg_loss_kl(&s.in, 1, NULL), 0);
        s.in.target = -1;
        ck_assert_double_eq(swg_loss_ce(&s.in, 1, NULL), 0);
    }
}
END_TEST

START_TEST(slopes_are_what_differences_say)
{
    for (int loss = 0; loss < SWG_LOSS_COUNT; loss++) {
        sample s;
        float slopes[VOCAB] = {0};
        fill(&s, (uint64_t)loss + 50, 1.7);
        (void)swg_loss_of((swg_loss)loss)(&s.in, 0.5, slopes);
        for (size_t i = 0; i < VOCAB; i++) {
            const float x = s.student[i], step = 1e-2f;
            s.student[i] = x + step;
            const double plus = swg_loss_of((swg_loss)loss)(&s.in, 0, NULL);
            s.student[i] = x - step;
            const double minus = swg_loss_of((swg_loss)loss)(&s.in, 0, NULL);
            s.student[i] = x;
            const double wanted = 0.5 * (plus - minus) / (double)((x + step) - (x - step));
            ck_assert_msg(fabs((double)slopes[i] - wanted) < 1e-4, "loss %d, logit %zu: %g, not %g",
                          loss, i, (double)slopes[i], wanted);
        }
    }
}
END_TEST

/* All tokens known: the same as of logits. Some: their divergence with all others as one. */
START_TEST(top_k_is_the_divergence_of_what_is_told_apart)
{
    sample s;
    double p[VOCAB];
    fill(&s, 70, 1.3);
    for (size_t i = 0; i < VOCAB; i++)
        p[i] = (double)expl(log_probability(s.teacher, i, 1.3));
    for (size_t k = 1; k <= VOCAB; k += 11) {
        int32_t ids[VOCAB];
        float known[VOCAB], slopes[VOCAB] = {0};
        double rest = 1, q_rest = 1, wanted = 0;
        for (size_t i = 0; i < k; i++) {
            const size_t id = VOCAB - 1 - i;
            const double q = (double)expl(log_probability(s.student, id, 1.3));
            ids[i] = (int32_t)id;
            known[i] = (float)p[id];
            rest -= p[id];
            q_rest -= q;
            wanted += p[id] * log(p[id] / q);
        }
        const bool is_all = k == VOCAB;
        const swg_top_k top = {k, ids, known, is_all ? 0 : (float)rest};
        s.in.top = &top;
        wanted += is_all ? 0 : rest * log(rest / q_rest);
        ck_assert_double_eq_tol(swg_loss_kl(&s.in, 0.5, slopes), 1.3 * 1.3 * wanted, BOUND);
        for (size_t i = 0; i < VOCAB; i++) {
            const float x = s.student[i], step = 1e-2f;
            s.student[i] = x + step;
            const double plus = swg_loss_kl(&s.in, 0, NULL);
            s.student[i] = x - step;
            const double minus = swg_loss_kl(&s.in, 0, NULL);
            s.student[i] = x;
            ck_assert_double_eq_tol((double)slopes[i], 0.5 * (plus - minus) / 0.02, 2e-4);
        }
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("losses");
    TCase *cases = tcase_create("losses");
    tcase_add_test(cases, values_are_the_formulas);
    tcase_add_test(cases, slopes_are_what_differences_say);
    tcase_add_test(cases, top_k_is_the_divergence_of_what_is_told_apart);
    suite_add_tcase(suite, cases);
    return suite;
}
