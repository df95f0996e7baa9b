/* Learned rounding: against the formulas written out in double, and what every run promises. */
#include <math.h>
#include <string.h>

#include "quantize/learned_rounding.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { MAX_K = 96, MAX_N = 12, MAX_GROUPS = 8 };

typedef struct layer {
    size_t k, n, group, n_groups;
    float hessian[MAX_K * MAX_K], importance[MAX_K], w[MAX_N * MAX_K];
    swg_second_order so;
    swg_grid_space spaces[MAX_N];
} layer;

static layer *make_layer(size_t k, size_t n, size_t group, unsigned bits, bool asymmetric)
{
    layer *l = NULL;
    enum { TOKENS = 300 };
    float *x = NULL;
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    ck_ok(SWG_NEW(l, 1));
    ck_ok(SWG_NEW(x, TOKENS * k));
    l->k = k, l->n = n, l->group = group, l->n_groups = (k + group - 1) / group;
    for (size_t t = 0; t < TOKENS; t++) {
        const float common = swg_rng_normal(&rng);
        for (size_t c = 0; c < k; c++)
            x[t * k + c] = (swg_rng_normal(&rng) + common) * (c % 7 == 2 ? 4.0f : 1.0f);
    }
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            for (size_t t = 0; t < TOKENS; t++)
                l->hessian[i * k + j] += x[t * k + i] * x[t * k + j] / TOKENS;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < i; j++)
            l->hessian[j * k + i] = l->hessian[i * k + j];
    for (size_t i = 0; i < k; i++)
        l->importance[i] = l->hessian[i * k + i];
    for (size_t i = 0; i < n * k; i++)
        l->w[i] = 0.05f * swg_rng_normal(&rng);
    for (size_t r = 0; r < n; r++)
        l->spaces[r] = (swg_grid_space){.scheme = {.bits = (uint8_t)bits,
                                                   .asymmetric = asymmetric,
                                                   .group = (uint32_t)group,
                                                   .scale_type = SWG_F32}};
    ck_ok(swg_second_order_init(&l->so, "w", l->hessian, k, group, 0.01));
    swg_free(x);
    return l;
}

static void free_layer(layer *l)
{
    swg_second_order_deinit(&l->so);
    swg_free(l);
}

static double error_of(const layer *l, size_t r, const double *q)
{
    double sum = 0;
    for (size_t i = 0; i < l->k; i++)
        for (size_t j = 0; j < l->k; j++)
            sum += (q[i] - (double)l->w[r * l->k + i]) * (q[j] - (double)l->w[r * l->k + j]) *
                   (double)l->hessian[i * l->k + j];
    return sum;
}

static double error_of_codes(const layer *l, size_t r, const uint8_t *codes, const swg_grid *grids)
{
    double q[MAX_K];
    for (size_t c = 0; c < l->k; c++)
        q[c] = (double)swg_grid_value(grids[r * l->n_groups + c / l->group], codes[r * l->k + c]);
    return error_of(l, r, q);
}

/* The least error of T steps for one row: offsets v, factors a, everything as the header says. */
static double reference(const layer *l, size_t r, const swg_grid *start, unsigned n_steps,
                        double rate)
{
    double v[MAX_K] = {0}, a[MAX_GROUPS], q[MAX_K], slope[MAX_K], least = INFINITY;
    for (size_t g = 0; g < l->n_groups; g++)
        a[g] = 1;
    for (unsigned t = 0; t <= n_steps; t++) {
        bool clamped[MAX_K];
        for (size_t c = 0; c < l->k; c++) {
            const swg_grid grid = start[c / l->group];
            const double s = (double)(float)((double)grid.scale * a[c / l->group]);
            const double place = (double)l->w[r * l->k + c] / s + v[c] + grid.zero;
            clamped[c] = place < -0.5 || place > grid.max_code + 0.5;
            q[c] = s * (fmin(fmax(rint(place), 0), grid.max_code) - grid.zero);
        }
        least = fmin(least, error_of(l, r, q));
        const double step = rate / n_steps * (1 - (double)t / n_steps);
        double factor[MAX_GROUPS] = {0};
        for (size_t c = 0; c < l->k; c++) {
            const swg_grid grid = start[c / l->group];
            const double s = (double)(float)((double)grid.scale * a[c / l->group]);
            slope[c] = 0;
            for (size_t j = 0; j < l->k; j++)
                slope[c] += (q[j] - (double)l->w[r * l->k + j]) * (double)l->hessian[c * l->k + j];
            factor[c / l->group] +=
                slope[c] * (q[c] / s - (clamped[c] ? 0 : (double)l->w[r * l->k + c] / s));
        }
        for (size_t c = 0; c < l->k; c++) {
            const double side = start[c / l->group].scale < 0 ? -1 : 1;
            if (!clamped[c])
                v[c] =
                    fmin(fmax(v[c] - step * side * ((slope[c] > 0) - (slope[c] < 0)), -0.5), 0.5);
        }
        for (size_t g = 0; g < l->n_groups; g++) {
            const double side = start[g].scale < 0 ? -1 : 1;
            a[g] = fmin(fmax(a[g] - step * side * ((factor[g] > 0) - (factor[g] < 0)), 0.5), 2);
        }
    }
    return least;
}

static const struct shape {
    size_t k, n, group;
    unsigned bits;
    bool asymmetric;
} shapes[] = {
    {64, 8, 32, 4, false}, {96, 5, 32, 3, true}, {80, 12, 32, 2, true}, {33, 1, 33, 4, true}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* Few steps, so that rounding does not decide which way signs go; then many. */
START_TEST(errors_are_those_of_the_formulas)
{
    const struct shape *c = &shapes[_i];
    layer *l = make_layer(c->k, c->n, c->group, c->bits, c->asymmetric);
    swg_learner learner;
    uint8_t codes[MAX_N * MAX_K];
    swg_grid grids[MAX_N * MAX_GROUPS], start[MAX_N * MAX_GROUPS];
    ck_ok(swg_learner_init(&learner, &l->so, MAX_N));
    swg_learning_options options = {.n_steps = 0};
    ck_ok(swg_learner_run(&learner, &l->so, l->spaces, l->importance, &options, l->w, NULL, l->n,
                          codes, start));
    double plain = 0, learned = 0;
    for (size_t r = 0; r < l->n; r++) {
        plain += error_of_codes(l, r, codes, start);
        for (size_t i = 0; i < l->k; i++) /* without steps: the nearest codes */
            ck_assert_uint_eq(
                codes[r * l->k + i],
                swg_grid_code(start[r * l->n_groups + i / l->group], l->w[r * l->k + i]));
    }
    for (options.n_steps = 1; options.n_steps <= 100; options.n_steps *= 10) {
        options.rate = options.n_steps == 1 ? 0.3 : 1;
        double wanted = 0;
        learned = 0;
        ck_ok(swg_learner_run(&learner, &l->so, l->spaces, l->importance, &options, l->w, NULL,
                              l->n, codes, grids));
        for (size_t r = 0; r < l->n; r++) {
            learned += error_of_codes(l, r, codes, grids);
            wanted += reference(l, r, start + r * l->n_groups, options.n_steps, options.rate);
        }
        ck_assert_double_eq_tol(learned, wanted, (options.n_steps == 1 ? 1e-3 : 0.1) * wanted);
    }
    ck_assert_double_lt(learned, 0.9 * plain);
    swg_learner_deinit(&learner);
    free_layer(l);
}
END_TEST

/* Removed weights stay 0, and the others learn around them. */
START_TEST(zeros_stay)
{
    layer *l = make_layer(64, 8, 32, 4, true);
    swg_learner learner;
    uint8_t codes[MAX_N * MAX_K];
    swg_grid grids[MAX_N * MAX_GROUPS];
    bool zeros[MAX_N * MAX_K];
    const swg_learning_options options = {.n_steps = 20, .rate = 1};
    for (size_t i = 0; i < l->n * l->k; i++)
        zeros[i] = i % 3 == 0;
    ck_ok(swg_learner_init(&learner, &l->so, MAX_N));
    ck_ok(swg_learner_run(&learner, &l->so, l->spaces, l->importance, &options, l->w, zeros, l->n,
                          codes, grids));
    for (size_t i = 0; i < l->n * l->k; i += 3)
        ck_assert_uint_eq(codes[i], grids[i / l->k * l->n_groups + i % l->k / l->group].zero);
    swg_learner_deinit(&learner);
    free_layer(l);
}
END_TEST

static swg_status begin_learning(void *context)
{
    const layer *l = context;
    swg_learner learner = {0};
    const swg_status status = swg_learner_init(&learner, &l->so, 4);
    swg_learner_deinit(&learner);
    return status;
}

START_TEST(failures_are_statuses)
{
    layer *l = make_layer(64, 4, 32, 4, false);
    swg_learner learner;
    uint8_t codes[MAX_N * MAX_K];
    swg_grid grids[MAX_N * MAX_GROUPS];
    const swg_learning_options options = {.n_steps = 2, .rate = 1};
    swg_test_each_allocation_fails(begin_learning, l);
    ck_ok(swg_learner_init(&learner, &l->so, MAX_N));
    l->w[70] = NAN;
    ck_status_is(SWG_CORRUPT, swg_learner_run(&learner, &l->so, l->spaces, l->importance, &options,
                                              l->w, NULL, l->n, codes, grids));
    swg_learner_deinit(&learner);
    free_layer(l);
}
END_TEST

/* Errors beyond floats: there is no least one, and the codes are those of the first step. */
START_TEST(errors_that_are_not_finite_leave_codes)
{
    layer *l = make_layer(64, 2, 32, 4, false);
    const swg_learning_options options = {.n_steps = 3, .rate = 1};
    uint8_t codes[2 * 64];
    swg_grid grids[2 * 2];
    swg_learner learner;
    for (size_t i = 0; i < 64; i++)
        l->w[i] = i % 3 ? -1e37f : 3e36f;
    for (size_t i = 0; i < 64 * 64; i++)
        l->hessian[i] *= 1e6f;
    memset(codes, 0xee, sizeof codes);
    memset(grids, 0xee, sizeof grids);
    ck_ok(swg_learner_init(&learner, &l->so, 2));
    ck_ok(swg_learner_run(&learner, &l->so, l->spaces, l->importance, &options, l->w, NULL, 2,
                          codes, grids));
    for (size_t i = 0; i < 2 * 64; i++)
        ck_assert_uint_le(codes[i], 15);
    for (size_t g = 0; g < 4; g++)
        ck_assert(isfinite(grids[g].scale) && !grids[g].levels);
    swg_learner_deinit(&learner);
    free_layer(l);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("learned rounding");
    TCase *tcase = tcase_create("learning");
    tcase_add_loop_test(tcase, errors_are_those_of_the_formulas, 0, N_SHAPES);
    tcase_add_test(tcase, zeros_stay);
    tcase_add_test(tcase, errors_that_are_not_finite_leave_codes);
    tcase_add_test(tcase, failures_are_statuses);
    suite_add_tcase(suite, tcase);
    return suite;
}
