/* The second-order sweep and the coordinate descent after it: against Optimal Brain Quantization in
 * double with the inverse Hessian written out (Frantar and Alistarh 2022, arXiv 2208.11580), which
 * shares no formula with them, and against what every step promises. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/column_sweep.h"
#include "quantize/refine_codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { MAX_K = 320, MAX_ROWS = 48 };

/* A case: correlated inputs with a few large channels, as in real layers. */
typedef struct layer {
    size_t k, n;
    float hessian[MAX_K * MAX_K];
    float w[MAX_ROWS * MAX_K];
} layer;

static layer *make_layer(swg_rng *rng, size_t k, size_t n, size_t tokens)
{
    layer *l = NULL;
    float *x = NULL, *mix = NULL;
    ck_ok(SWG_NEW(l, 1));
    ck_ok(SWG_NEW(x, tokens * k));
    ck_ok(SWG_NEW(mix, k));
    l->k = k;
    l->n = n;
    for (size_t t = 0; t < tokens; t++) {
        const float common = swg_rng_normal(rng);
        for (size_t c = 0; c < k; c++)
            x[t * k + c] = (swg_rng_normal(rng) + 0.7f * common) * (c % 17 == 3 ? 6.0f : 1.0f);
    }
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            double sum = 0;
            for (size_t t = 0; t < tokens; t++)
                sum += (double)x[t * k + i] * (double)x[t * k + j];
            l->hessian[i * k + j] = (float)(sum / (double)tokens);
        }
    for (size_t i = 0; i < n * k; i++)
        l->w[i] = 0.02f * swg_rng_normal(rng);
    swg_free(mix);
    swg_free(x);
    return l;
}

/* Inverse of a symmetric positive definite matrix in double, by Gauss-Jordan elimination. */
static void invert(double *a, double *inverse, size_t k)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            inverse[i * k + j] = i == j;
    for (size_t p = 0; p < k; p++) {
        const double pivot = a[p * k + p];
        for (size_t j = 0; j < k; j++) {
            a[p * k + j] /= pivot;
            inverse[p * k + j] /= pivot;
        }
        for (size_t i = 0; i < k; i++) {
            const double factor = i == p ? 0 : a[i * k + p];
            for (size_t j = 0; j < k; j++) {
                a[i * k + j] -= factor * a[p * k + j];
                inverse[i * k + j] -= factor * inverse[p * k + j];
            }
        }
    }
}

/* The damped Hessian's inverse, [k][k] in the matrix's own column order. */
static double *damped_inverse(const layer *l, double damping)
{
    const size_t k = l->k;
    double *a = NULL, *inverse = NULL, mean = 0;
    ck_ok(SWG_NEW(a, k * k));
    ck_ok(SWG_NEW(inverse, k * k));
    for (size_t i = 0; i < k; i++)
        mean += (double)l->hessian[i * k + i] / (double)k;
    for (size_t i = 0; i < k * k; i++)
        a[i] = (double)l->hessian[i] + (i % (k + 1) == 0 ? damping * mean : 0);
    invert(a, inverse, k);
    swg_free(a);
    return inverse;
}

/* Fix the columns in `order` on the given grids: after each, update the row by the inverse of what
 * is left and remove the column from that inverse. */
static void reference_codes(const layer *l, const double *inverse_all, const uint32_t *order,
                            size_t group, size_t row, const swg_grid *grids, uint8_t *codes)
{
    const size_t k = l->k;
    double *inverse = NULL, *w = NULL;
    ck_ok(SWG_NEW(inverse, k * k));
    ck_ok(SWG_NEW(w, k));
    memcpy(inverse, inverse_all, k * k * sizeof *inverse);
    for (size_t c = 0; c < k; c++)
        w[c] = (double)l->w[row * k + c];
    for (size_t i = 0; i < k; i++) {
        const size_t p = order[i];
        const double diagonal = inverse[p * k + p];
        codes[p] = swg_grid_code(grids[p / group], (float)w[p]);
        const double error = w[p] - (double)swg_grid_value(grids[p / group], codes[p]);
        for (size_t j = i + 1; j < k; j++)
            w[order[j]] -= error / diagonal * inverse[p * k + order[j]];
        for (size_t a = i + 1; a < k; a++)
            for (size_t b = i + 1; b < k; b++)
                inverse[order[a] * k + order[b]] -=
                    inverse[order[a] * k + p] * inverse[p * k + order[b]] / diagonal;
    }
    swg_free(w);
    swg_free(inverse);
}

static double loss_of(const layer *l, size_t row, size_t group, const swg_grid *grids,
                      const uint8_t *codes)
{
    const size_t k = l->k;
    double loss = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            const double a =
                (double)swg_grid_value(grids[i / group], codes[i]) - (double)l->w[row * k + i];
            const double b =
                (double)swg_grid_value(grids[j / group], codes[j]) - (double)l->w[row * k + j];
            loss += a * b * (double)l->hessian[i * k + j];
        }
    return loss;
}

/* Everything of one layer: factor, swept codes. */
typedef struct swept {
    layer *l;
    swg_scheme scheme;
    swg_second_order so;
    uint8_t codes[MAX_ROWS * MAX_K];
    swg_grid grids[MAX_ROWS * MAX_K];
} swept;

static swept *sweep_layer(layer *l, unsigned bits, bool asymmetric, size_t group)
{
    swept *s = NULL;
    swg_column_sweep sweep = {0};
    ck_ok(SWG_NEW(s, 1));
    s->l = l;
    s->scheme = (swg_scheme){.bits = (uint8_t)bits,
                             .asymmetric = asymmetric,
                             .group = group == l->k ? 0 : (uint32_t)group,
                             .scale_type = SWG_F16};
    ck_ok(swg_second_order_init(&s->so, "w", l->hessian, l->k, group, SWG_DAMPING_DEFAULT));
    ck_ok(swg_column_sweep_init(&sweep, &s->so, false, MAX_ROWS));
    swg_grid_space spaces[MAX_ROWS];
    for (size_t r = 0; r < l->n; r++)
        spaces[r] = (swg_grid_space){.scheme = s->scheme};
    ck_ok(swg_column_sweep_run(&sweep, &s->so, spaces, l->w, NULL, l->n, s->codes, s->grids));
    swg_column_sweep_deinit(&sweep);
    return s;
}

static void free_swept(swept *s)
{
    swg_second_order_deinit(&s->so);
    swg_free(s->l);
    swg_free(s);
}

static const struct shape {
    size_t k, n, group;
    unsigned bits;
    bool asymmetric;
} shapes[] = {
    {64, 8, 32, 4, false},    {96, 5, 32, 3, true},   {200, 7, 64, 4, true},
    {300, 33, 300, 4, false}, {257, 3, 128, 2, true}, {160, 40, 160, 8, false},
    {1, 2, 1, 4, false},      {33, 1, 32, 4, true},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* U^T U is the damped Hessian's inverse, in processing order. */
START_TEST(factor_is_of_the_inverse)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    const struct shape *c = &shapes[_i];
    swept *s =
        sweep_layer(make_layer(&rng, c->k, c->n, 2 * c->k + 40), c->bits, c->asymmetric, c->group);
    double *inverse = damped_inverse(s->l, SWG_DAMPING_DEFAULT);
    const size_t k = c->k;
    double largest = 0;
    for (size_t i = 0; i < k; i++)
        largest = fmax(largest, inverse[i * k + i]);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            double sum = 0;
            for (size_t p = 0; p <= (i < j ? i : j); p++)
                sum += (double)s->so.factor[p * k + i] * (double)s->so.factor[p * k + j];
            ck_assert_double_eq_tol(sum, inverse[s->so.order[i] * k + s->so.order[j]],
                                    1e-5 * largest);
        }
    ck_assert_uint_eq(s->so.n_attempts, 1);
    swg_free(inverse);
    free_swept(s);
}
END_TEST

/* The order keeps groups together, larger columns first. */
START_TEST(order_is_group_aware)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    const struct shape *c = &shapes[_i];
    swept *s =
        sweep_layer(make_layer(&rng, c->k, c->n, 2 * c->k + 40), c->bits, c->asymmetric, c->group);
    const swg_second_order *so = &s->so;
    bool *seen = NULL;
    ck_ok(SWG_NEW(seen, c->k));
    size_t at = 0;
    float last_group = INFINITY;
    for (size_t g = 0; g < so->n_groups; g++) {
        const size_t first = so->group_order[g] * so->group;
        const size_t length = c->k - first < so->group ? c->k - first : so->group;
        float last = INFINITY;
        for (size_t i = 0; i < length; i++, at++) {
            const size_t column = so->order[at];
            ck_assert(column >= first && column < first + length && !seen[column]);
            seen[column] = true;
            const float diagonal = s->l->hessian[column * c->k + column];
            ck_assert_float_le(diagonal, last);
            if (i == 0) {
                ck_assert_float_le(diagonal, last_group);
                last_group = diagonal;
            }
            last = diagonal;
        }
    }
    ck_assert_uint_eq(at, c->k);
    swg_free(seen);
    free_swept(s);
}
END_TEST

/* On the grids that the sweep found, the definition gives the same codes, except for weights
 * that lie between two codes within rounding: then both codes lose equally. */
START_TEST(sweep_is_optimal_brain_quantization)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    const struct shape *c = &shapes[_i];
    swept *s =
        sweep_layer(make_layer(&rng, c->k, c->n, 2 * c->k + 40), c->bits, c->asymmetric, c->group);
    double *inverse = damped_inverse(s->l, SWG_DAMPING_DEFAULT);
    size_t differ = 0;
    for (size_t row = 0; row < c->n; row++) {
        uint8_t codes[MAX_K];
        const swg_grid *grids = s->grids + row * s->so.n_groups;
        reference_codes(s->l, inverse, s->so.order, c->group, row, grids, codes);
        const bool equal = memcmp(codes, s->codes + row * c->k, c->k) == 0;
        differ += !equal;
        const double ours = loss_of(s->l, row, c->group, grids, s->codes + row * c->k);
        const double theirs = loss_of(s->l, row, c->group, grids, codes);
        ck_assert_double_eq_tol(ours, theirs, equal ? 1e-12 : 0.1 * theirs);
    }
    ck_assert_uint_le(differ, 1 + c->n / 8);
    swg_free(inverse);
    free_swept(s);
}
END_TEST

/* Refinement never loses, reports the true error, and stops where no single code can do better. */
START_TEST(refinement_ends_in_a_local_optimum)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    const struct shape *c = &shapes[_i];
    swept *s =
        sweep_layer(make_layer(&rng, c->k, c->n, 2 * c->k + 40), c->bits, c->asymmetric, c->group);
    swg_refiner refiner = {0};
    swg_refine_stats stats = {0};
    const swg_refine_options options = {.max_sweeps = 100, .tolerance = 0};
    double errors[MAX_ROWS], before[MAX_ROWS];
    for (size_t row = 0; row < c->n; row++)
        before[row] =
            loss_of(s->l, row, c->group, s->grids + row * s->so.n_groups, s->codes + row * c->k);
    ck_ok(swg_refiner_init(&refiner, &s->so, MAX_ROWS));
    swg_refine_codes(&refiner, &s->so, SWG_F16, &options, s->l->w, NULL, c->n, s->codes, s->grids,
                     errors, &stats);
    for (size_t row = 0; row < c->n; row++) {
        const swg_grid *grids = s->grids + row * s->so.n_groups;
        uint8_t *codes = s->codes + row * c->k;
        const double error = loss_of(s->l, row, c->group, grids, codes);
        ck_assert_double_eq_tol(errors[row], error, 1e-3 * before[row] + 1e-12);
        ck_assert_double_le(error, before[row] * (1 + 1e-6) + 1e-15);
        for (size_t column = 0; column < c->k && c->k <= 100; column++)
            for (int code = 0; code <= grids[column / c->group].max_code; code++) {
                const uint8_t kept = codes[column];
                codes[column] = (uint8_t)code;
                ck_assert_double_ge(loss_of(s->l, row, c->group, grids, codes),
                                    error * (1 - 1e-4) - 1e-12);
                codes[column] = kept;
            }
    }
    ck_assert_double_le(stats.after, stats.before);
    swg_refiner_deinit(&refiner);
    free_swept(s);
}
END_TEST

/* A factorization is taken again for the same numbers, wherever they lie, and for nothing else. */
START_TEST(equal_statistics_share_a_factor)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    layer *l = make_layer(&rng, 64, 4, 200), *same = NULL;
    swg_shared_factor shared = {0};
    swg_second_order alone;
    const swg_second_order *so;
    ck_ok(SWG_NEW(same, 1));
    memcpy(same, l, sizeof *same);
    ck_ok(swg_second_order_init(&alone, "w", l->hessian, 64, 32, 0.01));
    ck_ok(swg_second_order_share(&shared, "q", l->hessian, 64, 32, 0.01, &so));
    ck_ok(swg_second_order_share(&shared, "k", same->hessian, 64, 32, 0.01, &so));
    ck_assert_uint_eq(shared.n_made, 1);
    ck_assert_ptr_eq(so->hessian, same->hessian);
    ck_assert_mem_eq(so->factor, alone.factor, 64 * 64 * sizeof *so->factor);
    ck_ok(swg_second_order_share(&shared, "v", l->hessian, 64, 64, 0.01, &so));
    ck_ok(swg_second_order_share(&shared, "v", l->hessian, 64, 64, 0.02, &so));
    l->hessian[7] = l->hessian[7 * 64] = l->hessian[7] * 1.5f;
    ck_ok(swg_second_order_share(&shared, "v", l->hessian, 64, 64, 0.02, &so));
    ck_assert_uint_eq(shared.n_made, 4);
    l->hessian[0] = -1;
    ck_status_is(SWG_CORRUPT, swg_second_order_share(&shared, "v", l->hessian, 64, 64, 0.02, &so));
    ck_ok(swg_second_order_share(&shared, "v", same->hessian, 64, 64, 0.02, &so));
    swg_second_order_deinit(&alone);
    swg_shared_factor_deinit(&shared);
    swg_free(same);
    swg_free(l);
}
END_TEST

/* Fewer tokens than columns, dead columns, and impossible statistics. */
START_TEST(bad_statistics)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    layer *l = make_layer(&rng, 64, 4, 9); /* rank 9 at most */
    swg_second_order so;
    ck_ok(swg_second_order_init(&so, "w", l->hessian, 64, 32, 0));
    ck_assert_uint_gt(so.n_attempts, 1);
    ck_assert_double_gt(so.damping, 0);
    swg_second_order_deinit(&so);
    for (size_t i = 0; i < 64; i++)
        l->hessian[5 * 64 + i] = l->hessian[i * 64 + 5] = 0;
    ck_ok(swg_second_order_init(&so, "w", l->hessian, 64, 32, 0.01));
    ck_assert_uint_eq(so.n_dead, 1);
    swg_second_order_deinit(&so);
    l->hessian[3 * 64 + 7] = NAN;
    ck_status_is(SWG_CORRUPT, swg_second_order_init(&so, "down_proj", l->hessian, 64, 32, 0.01));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "down_proj"));
    l->hessian[3 * 64 + 7] = l->hessian[7 * 64 + 3];
    l->hessian[0] = -1;
    ck_status_is(SWG_CORRUPT, swg_second_order_init(&so, "w", l->hessian, 64, 32, 0.01));
    for (size_t i = 0; i < 64 * 64; i++) /* indefinite beyond any damping */
        l->hessian[i] = i % 65 == 0 ? 1 : 100;
    ck_status_is(SWG_FAILED, swg_second_order_init(&so, "w", l->hessian, 64, 32, 0.01));
    swg_free(l);
}
END_TEST

static swg_status factorize_and_sweep(void *context)
{
    layer *l = context;
    swg_status status = SWG_OK;
    swg_second_order so = {0};
    swg_column_sweep sweep = {0};
    swg_refiner refiner = {0};
    SWG_GO(swg_second_order_init(&so, "w", l->hessian, l->k, 32, 0.01));
    SWG_GO(swg_column_sweep_init(&sweep, &so, false, 4));
    SWG_GO(swg_refiner_init(&refiner, &so, 4));
done:
    swg_refiner_deinit(&refiner);
    swg_column_sweep_deinit(&sweep);
    swg_second_order_deinit(&so);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    layer *l = make_layer(&rng, 64, 4, 100);
    swg_test_each_allocation_fails(factorize_and_sweep, l);
    swg_free(l);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("column sweep");
    TCase *tcase = tcase_create("sweep");
    tcase_add_loop_test(tcase, factor_is_of_the_inverse, 0, N_SHAPES);
    tcase_add_loop_test(tcase, order_is_group_aware, 0, N_SHAPES);
    tcase_add_loop_test(tcase, sweep_is_optimal_brain_quantization, 0, N_SHAPES);
    tcase_add_loop_test(tcase, refinement_ends_in_a_local_optimum, 0, N_SHAPES);
    tcase_add_test(tcase, equal_statistics_share_a_factor);
    tcase_add_test(tcase, bad_statistics);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}
