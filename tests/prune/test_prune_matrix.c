/* Pruning one matrix: exactly as many zeros as asked for, where they belong, whichever method; what
 * stays makes up for them; the same result for any number of threads. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "prune/mask.h"
#include "prune/prune.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { ROWS = 96, COLS = 160, TOKENS = 400 };

/* A matrix and the statistics of correlated inputs, a few of them large. */
typedef struct problem {
    float *w, *x, *hessian;
    double *mean_square;
    swg_layer_stats stats;
    bool *is_zero;
} problem;

static problem problem_new(unsigned zero_percent)
{
    problem p = {0};
    swg_rng rng = swg_rng_seeded(swg_test_seed() + 5);
    ck_ok(SWG_NEW(p.w, ROWS * COLS));
    ck_ok(SWG_NEW(p.x, TOKENS * COLS));
    ck_ok(SWG_NEW(p.hessian, COLS * COLS));
    ck_ok(SWG_NEW(p.mean_square, COLS));
    ck_ok(SWG_NEW(p.is_zero, ROWS * COLS));
    for (size_t i = 0; i < ROWS * COLS; i++)
        p.w[i] = swg_rng_next(&rng) % 100 < zero_percent ? 0 : swg_rng_normal(&rng);
    for (size_t t = 0; t < TOKENS; t++) {
        float common = swg_rng_normal(&rng);
        for (size_t c = 0; c < COLS; c++) {
            common = 0.8f * common + 0.6f * swg_rng_normal(&rng);
            p.x[t * COLS + c] = common * (c % 17 == 3 ? 8 : 1);
        }
    }
    swg_linalg_get()->sgemm(true, false, COLS, COLS, TOKENS, 1, p.x, COLS, p.x, COLS, 0, p.hessian,
                            COLS);
    for (size_t c = 0; c < COLS; c++) {
        for (size_t d = 0; d < c; d++)
            p.hessian[d * COLS + c] = p.hessian[c * COLS + d];
        p.mean_square[c] = (double)p.hessian[c * COLS + c] / TOKENS;
    }
    p.stats = (swg_layer_stats){.name = "w",
                                .k = COLS,
                                .n_tokens = TOKENS,
                                .hessian = p.hessian,
                                .mean_square = p.mean_square};
    return p;
}

static void problem_free(problem *p)
{
    swg_free(p->w);
    swg_free(p->x);
    swg_free(p->hessian);
    swg_free(p->mean_square);
    swg_free(p->is_zero);
}

static swg_prune_job job_of(const problem *p, swg_sparsity sparsity)
{
    return (swg_prune_job){
        .name = "w", .rows = ROWS, .cols = COLS, .sparsity = sparsity, .stats = &p->stats};
}

/* Squared error of the outputs, over the tokens. */
static double output_error(const problem *p, const float *original)
{
    double sum = 0;
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t r = 0; r < ROWS; r++) {
            double y = 0;
            for (size_t c = 0; c < COLS; c++)
                y += (double)(p->w[r * COLS + c] - original[r * COLS + c]) *
                     (double)p->x[t * COLS + c];
            sum += y * y;
        }
    return sum;
}

static const swg_sparsity sparsities[] = {
    {.ratio = 0.5},
    {.ratio = 0.2},
    {.ratio = 0.73},
    {.n = 2, .m = 4},
    {.n = 4, .m = 8},
    {.n = 1, .m = 4},
    {.ratio = 0.5, .block = 16},
    {.ratio = 0.31, .block = 32},
};
enum { N_SPARSITIES = sizeof sparsities / sizeof *sparsities };

/* The zeros of one row, or of M neighbours, are as many as asked for; blocks are whole. */
static void check_pattern(const problem *p, swg_sparsity sparsity, swg_prune_scope scope)
{
    const size_t unit = sparsity.block ? sparsity.block : 1;
    uint64_t all = 0;
    for (size_t r = 0; r < ROWS; r++) {
        uint64_t n = 0;
        for (size_t c = 0; c < COLS; c++) {
            const bool is_zero = p->is_zero[r * COLS + c];
            n += is_zero;
            ck_assert(!is_zero || p->w[r * COLS + c] == 0);
            ck_assert(is_zero == p->is_zero[r / unit * unit * COLS + c]);
        }
        if (scope == SWG_PRUNE_BY_ROW || sparsity.m)
            ck_assert_uint_eq(n, swg_sparsity_zeros(sparsity, scope, unit, COLS) / unit);
        all += n;
    }
    ck_assert_uint_eq(all, swg_sparsity_zeros(sparsity, scope, ROWS, COLS));
    for (size_t i = 0; sparsity.m && i < ROWS * COLS; i += sparsity.m) {
        unsigned n = 0;
        for (unsigned j = 0; j < sparsity.m; j++)
            n += p->is_zero[i + j];
        ck_assert_uint_eq(n, (unsigned)(sparsity.m - sparsity.n));
    }
}

START_TEST(masks_are_exact)
{
    const swg_prune_method method = (swg_prune_method)(_i / N_SPARSITIES);
    const swg_sparsity sparsity = sparsities[_i % N_SPARSITIES];
    problem p = problem_new(0);
    const swg_prune_job job = job_of(&p, sparsity);
    ck_ok(swg_prune_tensor(method, &job, p.w, p.is_zero));
    check_pattern(&p, sparsity, swg_prune_method_scope(method));
    problem_free(&p);
}
END_TEST

/* A matrix with more zeros than asked for: all removed weights were 0, and all stay 0. */
START_TEST(zeros_stay_zero)
{
    problem p = problem_new(60), original = problem_new(60);
    const swg_prune_job job = job_of(&p, (swg_sparsity){.ratio = 0.3});
    ck_ok(swg_prune_tensor((swg_prune_method)_i, &job, p.w, p.is_zero));
    for (size_t i = 0; i < ROWS * COLS; i++) {
        ck_assert(original.w[i] != 0 || p.w[i] == 0);
        ck_assert(!p.is_zero[i] || original.w[i] == 0);
    }
    check_pattern(&p, job.sparsity, swg_prune_method_scope((swg_prune_method)_i));
    problem_free(&p);
    problem_free(&original);
}
END_TEST

static double error_with(swg_prune_method method, swg_sparsity sparsity,
                         const swg_parameter *parameter)
{
    problem p = problem_new(0), original = problem_new(0);
    swg_prune_job job = job_of(&p, sparsity);
    job.parameters = parameter;
    job.n_parameters = parameter != NULL;
    ck_ok(swg_prune_tensor(method, &job, p.w, p.is_zero));
    const double error = output_error(&p, original.w);
    problem_free(&p);
    problem_free(&original);
    return error;
}

static double error_of(swg_prune_method method, swg_sparsity sparsity)
{
    return error_with(method, sparsity, NULL);
}

/* Choosing all zeros at once is blind to what the others will have become. */
START_TEST(rounds_lose_less_than_one_choice)
{
    const swg_parameter one = {.name = "rounds", .number = 1};
    const swg_sparsity half = {.ratio = 0.5}, pairs = {.n = 2, .m = 4};
    ck_assert(error_of(SWG_PRUNE_sparsegpt, half) <
              0.95 * error_with(SWG_PRUNE_sparsegpt, half, &one));
    ck_assert(error_of(SWG_PRUNE_sparsegpt, pairs) < error_with(SWG_PRUNE_sparsegpt, pairs, &one));
}
END_TEST

START_TEST(methods_lose_less_in_their_order)
{
    const swg_sparsity sparsity =
        _i ? (swg_sparsity){.n = 2, .m = 4} : (swg_sparsity){.ratio = 0.5};
    const double magnitude = error_of(SWG_PRUNE_magnitude, sparsity);
    const double wanda = error_of(SWG_PRUNE_wanda, sparsity);
    const double sparsegpt = error_of(SWG_PRUNE_sparsegpt, sparsity);
    const double gradual = error_of(SWG_PRUNE_gradual, sparsity);
    ck_assert_msg(wanda < magnitude, "%g %g", wanda, magnitude);
    ck_assert_msg(sparsegpt < wanda, "%g %g", sparsegpt, wanda);
    ck_assert_msg(gradual < sparsegpt, "%g %g", gradual, sparsegpt);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    problem one = problem_new(0), three = problem_new(0);
    swg_prune_job job = job_of(&one, (swg_sparsity){.ratio = 0.5});
    ck_ok(swg_prune_tensor((swg_prune_method)_i, &job, one.w, one.is_zero));
    ck_ok(swg_pool_new(3, &job.pool));
    ck_ok(swg_prune_tensor((swg_prune_method)_i, &job, three.w, three.is_zero));
    ck_assert_mem_eq(one.w, three.w, ROWS * COLS * sizeof(float));
    ck_assert_mem_eq(one.is_zero, three.is_zero, ROWS * COLS * sizeof(bool));
    swg_pool_free(&job.pool);
    problem_free(&one);
    problem_free(&three);
}
END_TEST

/* --- Selection --- */

START_TEST(lowest_scores_are_found)
{
    enum { N = 1000 };
    float scores[N];
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t count = 0; count < N; count += 37) {
        bool is_zero[N] = {false};
        for (size_t i = 0; i < N; i++) /* many ties */
            scores[i] = i % 11 == 0 ? SWG_SCORE_ZERO : (float)(swg_rng_next(&rng) % 50);
        ck_ok(swg_mask_lowest(scores, N, count, is_zero));
        size_t n = 0;
        float most = -2, least = INFINITY;
        for (size_t i = 0; i < N; i++) {
            n += is_zero[i];
            most = is_zero[i] ? fmaxf(most, scores[i]) : most;
            least = is_zero[i] ? least : fminf(least, scores[i]);
        }
        ck_assert_uint_eq(n, count);
        ck_assert(count == 0 || most <= least);
        bool is_later = false; /* of equal scores the first go */
        for (size_t i = N; i-- > 0;) {
            is_later = is_later || (is_zero[i] && scores[i] == most);
            ck_assert(!(is_later && !is_zero[i] && scores[i] == most));
        }
    }
}
END_TEST

/* --- Refusals --- */

START_TEST(impossible_sparsities_are_refused)
{
    static const struct {
        swg_sparsity sparsity;
        const char *sentence;
    } cases[] = {
        {{.ratio = 1}, "a sparsity of 1 is not"},
        {{.ratio = -0.1}, "a sparsity of -0.1 is not"},
        {{.ratio = NAN}, "a sparsity of nan is not"},
        {{.n = 4, .m = 4}, "pattern 4:4 keeps none or all of 4"},
        {{.n = 2, .m = 7}, "pattern 2:7 does not divide its rows of 160 columns"},
        {{.ratio = 0.5, .block = 36}, "blocks of 36 rows do not divide its 96 rows"},
    };
    problem p = problem_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const swg_prune_job job = job_of(&p, cases[i].sparsity);
        ck_status_is(SWG_USAGE, swg_prune_tensor(SWG_PRUNE_magnitude, &job, p.w, p.is_zero));
        ck_assert_msg(strstr(swg_error_message(), cases[i].sentence), "%s", swg_error_message());
    }
    swg_prune_job job = job_of(&p, sparsities[0]);
    p.w[COLS + 7] = NAN;
    ck_status_is(SWG_CORRUPT, swg_prune_tensor(SWG_PRUNE_magnitude, &job, p.w, p.is_zero));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "row 1, column 7 is NaN"));
    job.stats = NULL;
    ck_status_is(SWG_FAILED, swg_prune_tensor(SWG_PRUNE_wanda, &job, p.w, p.is_zero));
    swg_prune_method method;
    ck_status_is(SWG_USAGE, swg_prune_method_find("sparsegtp", &method));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "sparsegpt"));
    const swg_parameter wrong = {.name = "damping", .number = 2};
    ck_status_is(SWG_USAGE, swg_prune_method_check(SWG_PRUNE_gradual, &wrong, 1));
    problem_free(&p);
}
END_TEST

static swg_status prune_small(void *context)
{
    problem *p = context;
    const swg_sparsity sparsity = {.ratio = 0.5, .block = 16};
    const swg_prune_job job = job_of(p, sparsity);
    for (int method = 0; method < SWG_PRUNE_METHOD_COUNT; method++) {
        memset(p->is_zero, 0, ROWS * COLS * sizeof *p->is_zero);
        SWG_TRY(swg_prune_tensor((swg_prune_method)method, &job, p->w, p->is_zero));
    }
    return SWG_OK;
}

START_TEST(every_allocation_may_fail)
{
    problem p = problem_new(0);
    swg_test_each_allocation_fails(prune_small, &p);
    problem_free(&p);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("prune");
    TCase *all = tcase_create("prune");
    tcase_add_loop_test(all, masks_are_exact, 0, SWG_PRUNE_METHOD_COUNT * N_SPARSITIES);
    tcase_add_loop_test(all, zeros_stay_zero, 0, SWG_PRUNE_METHOD_COUNT);
    tcase_add_loop_test(all, methods_lose_less_in_their_order, 0, 2);
    tcase_add_test(all, rounds_lose_less_than_one_choice);
    tcase_add_loop_test(all, threads_do_not_matter, 0, SWG_PRUNE_METHOD_COUNT);
    tcase_add_test(all, lowest_scores_are_found);
    tcase_add_test(all, impossible_sparsities_are_refused);
    tcase_add_test(all, every_allocation_may_fail);
    suite_add_tcase(suite, all);
    return suite;
}
