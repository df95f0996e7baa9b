/* Codebooks: the best sixteen numbers against other choices, the nearest number of a level table.
 */
#include "tests/harness.h"

#include <math.h>
#include <string.h>

#include "quantize/codebook.h"
#include "runtime/base/rng.h"

enum { N = 2000 };

typedef struct points {
    double t[N], w[N];
    swg_level_moments moments;
} points;

static void make_points(points *p, uint64_t seed, double sigma)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed() + seed);
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < N; i++) {
        p->t[i] = sigma * (double)swg_rng_normal(&rng);
        p->w[i] = 1e-3 + swg_rng_uniform(&rng);
        swg_level_moments_add(&p->moments, p->t[i], p->w[i]);
    }
}

/* By definition: every point goes to the number nearest to it. */
static double loss_of(const points *p, const int8_t *numbers)
{
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        double nearest = INFINITY;
        for (size_t j = 0; j < SWG_LEVELS; j++)
            nearest = fmin(nearest, fabs(p->t[i] - numbers[j]));
        sum += p->w[i] * nearest * nearest;
    }
    return sum;
}

static bool ascends(const int8_t *numbers)
{
    for (size_t j = 1; j < SWG_LEVELS; j++)
        if (numbers[j] <= numbers[j - 1])
            return false;
    return true;
}

static bool has_zero(const int8_t *numbers)
{
    for (size_t j = 0; j < SWG_LEVELS; j++)
        if (numbers[j] == 0)
            return true;
    return false;
}

/* The loss that is returned is that of the numbers, and no change of one or two of them, nor any
 * random choice, has a smaller one. */
START_TEST(no_other_numbers_are_better)
{
    static points p;
    static const double sigmas[] = {3, 20, 45, 90};
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t s = 0; s < 8; s++) {
        const bool needs_zero = s >= 4;
        int8_t best[SWG_LEVELS];
        make_points(&p, s, sigmas[s % 4]);
        const double least = swg_levels_best(&p.moments, needs_zero, best);
        ck_assert(ascends(best));
        ck_assert(!needs_zero || has_zero(best));
        ck_assert_double_eq_tol(least, loss_of(&p, best), 1e-8 * p.moments.wtt[0] + 1e-6 * least);
        for (int trial = 0; trial < 300; trial++) {
            int8_t other[SWG_LEVELS];
            memcpy(other, best, sizeof other);
            for (int change = 0; change <= trial % 2; change++) {
                const size_t at = (size_t)(swg_rng_next(&rng) % SWG_LEVELS);
                const int moved = other[at] + (int)(swg_rng_next(&rng) % 7) - 3;
                other[at] = (int8_t)(moved < -127 ? -127 : moved > 127 ? 127 : moved);
            }
            if (ascends(other) && (!needs_zero || has_zero(other)))
                ck_assert_double_ge(loss_of(&p, other), least * (1 - 1e-9));
        }
    }
}
END_TEST

/* Points on sixteen integers are hit exactly; beyond +-127 the end is the nearest. */
START_TEST(integers_are_found)
{
    static const int8_t numbers[SWG_LEVELS] = {-127, -100, -77, -50, -31, -20, -11, -2,
                                               1,    9,    22,  37,  54,  80,  101, 127};
    swg_level_moments moments = {0};
    int8_t best[SWG_LEVELS];
    for (size_t j = 0; j < SWG_LEVELS; j++)
        swg_level_moments_add(&moments, numbers[j], 0.5 + (double)j);
    ck_assert_double_eq_tol(swg_levels_best(&moments, false, best), 0, 1e-9);
    ck_assert_mem_eq(best, numbers, sizeof best);
    swg_level_moments_add(&moments, 140, 1);
    ck_assert_double_eq_tol(swg_levels_best(&moments, false, best), 13 * 13, 1e-6);
    ck_assert_mem_eq(best, numbers, sizeof best);
}
END_TEST

START_TEST(the_nearest_level_is_found)
{
    static const int8_t numbers[SWG_LEVELS] = {-127, -88, -67, -50, -36, -23, -12, 0,
                                               10,   20,  31,  43,  56,  71,  92,  127};
    swg_levels levels;
    swg_levels_init(&levels, numbers);
    ck_assert_int_eq(numbers[levels.zero], 0);
    for (int i = -4000; i <= 4000; i++) {
        const float t = (float)i / 16; /* beyond the ends, and every middle */
        float nearest = INFINITY;
        for (size_t j = 0; j < SWG_LEVELS; j++)
            nearest = fminf(nearest, fabsf(t - numbers[j]));
        ck_assert_float_eq(fabsf(t - numbers[swg_level_of(&levels, t)]), nearest);
    }
    ck_assert_int_eq(numbers[swg_level_of(&levels, 5)], 10); /* the upper of two */
    ck_assert_int_eq(numbers[swg_level_of(&levels, 1e30f)], 127);
    ck_assert_int_eq(numbers[swg_level_of(&levels, -INFINITY)], -127);
}
END_TEST

/* --- A matrix with one scale ------------------------------------------------------------------ */

enum { ROWS = 48, COLS = 80 };

static swg_status read_weights(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    memcpy(out, (const float *)context + row_begin * COLS, n_rows * COLS * sizeof *out);
    return SWG_OK;
}

static swg_quantize_job matrix_job(float *w)
{
    return (swg_quantize_job){
        .name = "w",
        .rows = ROWS,
        .cols = COLS,
        .scheme = {.format = SWG_FORMAT_codebook4, .bits = 4, .scale_type = SWG_F32},
        .search = SWG_SEARCH_MATRIX,
        .read_rows = read_weights,
        .context = w};
}

/* Two thirds are zeros, as in a pruned matrix, and the first row is empty. */
static void make_matrix(float w[ROWS * COLS])
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++)
        w[i] = i < COLS || swg_rng_uniform(&rng) < 0.66f ? 0 : 0.05f * swg_rng_normal(&rng);
}

static double matrix_loss(const float *w, float scale, const int8_t *numbers)
{
    double sum = 0;
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++) {
        double nearest = INFINITY;
        for (size_t j = 0; j < SWG_LEVELS; j++)
            nearest = fmin(nearest, fabs((double)w[i] - (double)scale * numbers[j]));
        sum += nearest * nearest;
    }
    return sum;
}

START_TEST(the_numbers_of_a_matrix_are_the_best_for_its_scale)
{
    static float w[ROWS * COLS];
    int8_t numbers[SWG_LEVELS];
    float scale = 0;
    make_matrix(w);
    const swg_quantize_job job = matrix_job(w);
    ck_ok(swg_codebook_fit(&job, NULL, numbers, &scale));
    ck_assert_float_gt(scale, 0);
    ck_assert_ptr_nonnull(memchr(numbers, 0, sizeof numbers));
    const double least = matrix_loss(w, scale, numbers);
    for (size_t j = 0; j < SWG_LEVELS; j++)
        for (int by = -1; by <= 1; by += 2) {
            int8_t moved[SWG_LEVELS];
            memcpy(moved, numbers, sizeof moved);
            moved[j] = (int8_t)(moved[j] + by);
            ck_assert(moved[j] == -128 || numbers[j] == 0 ||
                      matrix_loss(w, scale, moved) >= least * (1 - 1e-12));
        }
}
END_TEST

START_TEST(a_matrix_with_one_scale_keeps_its_zeros)
{
    static float w[ROWS * COLS];
    static uint8_t codes[ROWS * COLS / 2];
    float scales[ROWS];
    int8_t numbers[SWG_LEVELS];
    void *const planes[SWG_PLANE_KINDS] = {
        [SWG_PLANE_CODES] = codes, [SWG_PLANE_SCALES] = scales, [SWG_PLANE_CODEBOOK] = numbers};
    swg_quant_stats stats;
    make_matrix(w);
    const swg_quantize_job job = matrix_job(w);
    ck_ok(swg_quantize_tensor(SWG_QUANT_rtn, &job, planes, &stats));
    ck_assert_double_gt(swg_quant_snr_db(&stats), 20);
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++) {
        const int number = numbers[codes[i / 2] >> 4 * (i % 2) & 15];
        ck_assert(w[i] != 0 || number == 0);
        ck_assert(scales[i / COLS] == scales[0]); /* also of the empty row */
    }
    w[100] = NAN;
    ck_status_is(SWG_CORRUPT, swg_quantize_tensor(SWG_QUANT_rtn, &job, planes, &stats));
    memset(w, 0, sizeof w); /* nothing to find a scale by */
    ck_ok(swg_quantize_tensor(SWG_QUANT_rtn, &job, planes, &stats));
    for (size_t i = 0; i < ROWS * COLS; i++)
        ck_assert_int_eq(numbers[codes[i / 2] >> 4 * (i % 2) & 15], 0);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("codebook");
    TCase *tcase = tcase_create("codebook");
    tcase_add_test(tcase, no_other_numbers_are_better);
    tcase_add_test(tcase, integers_are_found);
    tcase_add_test(tcase, the_nearest_level_is_found);
    tcase_add_test(tcase, the_numbers_of_a_matrix_are_the_best_for_its_scale);
    tcase_add_test(tcase, a_matrix_with_one_scale_keeps_its_zeros);
    suite_add_tcase(suite, tcase);
    return suite;
}
