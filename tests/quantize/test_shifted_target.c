/* The target of a matrix whose input has changed: it solves the regularised least-squares problem
 * over the rows themselves, by its gradient in double. */
#include <math.h>
#include <string.h>

#include "quantize/shifted_target.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { K = 24, N = 10, ROWS = 90 };

typedef struct data {
    float x[ROWS * K], original_x[ROWS * K], r[ROWS * N], original_r[ROWS * N], w[N * K];
    float hessian[K * K], input_shift[K * K], stream_shift[N * K];
    swg_layer_stats stats;
} data;

static void fill(float *out, const float *near, size_t n, swg_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        out[i] = near ? near[i] + 0.1f * swg_rng_normal(rng) : swg_rng_normal(rng);
}

static data *make_data(void)
{
    data *d = NULL;
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    ck_ok(SWG_NEW(d, 1));
    fill(d->x, NULL, ROWS * K, &rng);
    fill(d->original_x, d->x, ROWS * K, &rng);
    fill(d->r, NULL, ROWS * N, &rng);
    fill(d->original_r, d->r, ROWS * N, &rng);
    fill(d->w, NULL, N * K, &rng);
    for (size_t t = 0; t < ROWS; t++)
        for (size_t j = 0; j < K; j++) {
            const float x = d->x[t * K + j];
            for (size_t i = 0; i < K; i++) {
                d->hessian[i * K + j] += d->x[t * K + i] * x;
                d->input_shift[i * K + j] += (d->original_x[t * K + i] - d->x[t * K + i]) * x;
            }
            for (size_t i = 0; i < N; i++)
                d->stream_shift[i * K + j] += (d->original_r[t * N + i] - d->r[t * N + i]) * x;
        }
    for (size_t i = 0; i < K; i++) /* sums of products in the other order round differently */
        for (size_t j = 0; j < i; j++)
            d->hessian[j * K + i] = d->hessian[i * K + j];
    d->stats = (swg_layer_stats){.name = "w",
                                 .k = K,
                                 .n_tokens = ROWS,
                                 .hessian = d->hessian,
                                 .input_shift = d->input_shift,
                                 .stream_shift = d->stream_shift,
                                 .n_stream = N};
    return d;
}

/* Half the gradient of sum |r + V x - r' - W x'|^2 + damping mean(diag H) |V - W|^2 in V, at the
 * element [i, j]. */
static double gradient(const data *d, const float *v, size_t i, size_t j, bool with_stream)
{
    double sum = 0, mean = 0;
    for (size_t c = 0; c < K; c++)
        mean += (double)d->hessian[c * K + c] / K;
    for (size_t t = 0; t < ROWS; t++) {
        double error = with_stream ? (double)d->r[t * N + i] - (double)d->original_r[t * N + i] : 0;
        for (size_t c = 0; c < K; c++)
            error += (double)v[i * K + c] * (double)d->x[t * K + c] -
                     (double)d->w[i * K + c] * (double)d->original_x[t * K + c];
        sum += error * (double)d->x[t * K + j];
    }
    return sum + 0.1 * mean * ((double)v[i * K + j] - (double)d->w[i * K + j]);
}

static void check_target(const data *d, bool with_stream)
{
    swg_shifted_target target;
    float v[N * K];
    memcpy(v, d->w, sizeof v);
    ck_ok(swg_shifted_target_init(&target, &d->stats));
    ck_ok(swg_shifted_target_apply(&target, N, 0, 3, v)); /* in two parts */
    ck_ok(swg_shifted_target_apply(&target, N, 3, N - 3, v + 3 * K));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < K; j++) {
            ck_assert_double_eq_tol(gradient(d, v, i, j, with_stream), 0, 1e-3);
        }
    ck_assert_mem_ne(v, d->w, sizeof v);
    swg_shifted_target_deinit(&target);
}

START_TEST(target_is_the_least_squares_solution)
{
    data *d = make_data();
    check_target(d, true);
    d->stats.n_stream = N + 1; /* of another matrix: left out */
    check_target(d, false);
    d->stats.stream_shift = NULL;
    check_target(d, false);
    swg_free(d);
}
END_TEST

/* The stream's shift may hold that of the input, too: R + W S. */
START_TEST(a_joint_shift_gives_the_same_target)
{
    data *d = make_data();
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < K; j++) {
            double sum = 0;
            for (size_t c = 0; c < K; c++)
                sum += (double)d->w[i * K + c] * (double)d->input_shift[c * K + j];
            d->stream_shift[i * K + j] += (float)sum;
        }
    d->stats.input_shift = NULL;
    check_target(d, true);
    swg_free(d);
}
END_TEST

START_TEST(without_shifts_weights_stay)
{
    data *d = make_data();
    swg_shifted_target target;
    float v[N * K];
    memset(d->input_shift, 0, sizeof d->input_shift);
    memset(d->stream_shift, 0, sizeof d->stream_shift);
    memcpy(v, d->w, sizeof v);
    ck_ok(swg_shifted_target_init(&target, &d->stats));
    ck_ok(swg_shifted_target_apply(&target, N, 0, N, v));
    ck_assert_mem_eq(v, d->w, sizeof v);
    swg_shifted_target_deinit(&target);
    memset(d->hessian, 0, sizeof d->hessian); /* inputs that were always zero */
    ck_ok(swg_shifted_target_init(&target, &d->stats));
    ck_ok(swg_shifted_target_apply(&target, N, 0, N, v));
    ck_assert_mem_eq(v, d->w, sizeof v);
    swg_shifted_target_deinit(&target);
    swg_free(d);
}
END_TEST

static swg_status make_target(void *context)
{
    const data *d = context;
    swg_shifted_target target = {0};
    float v[N * K];
    memcpy(v, d->w, sizeof v);
    swg_status status = swg_shifted_target_init(&target, &d->stats);
    if (status == SWG_OK)
        status = swg_shifted_target_apply(&target, N, 0, N, v);
    swg_shifted_target_deinit(&target);
    return status;
}

START_TEST(failures_are_statuses)
{
    data *d = make_data();
    swg_shifted_target target;
    swg_test_each_allocation_fails(make_target, d);
    for (size_t i = 0; i < K * K; i++)
        d->hessian[i] = i % (K + 1) == 0 ? 1 : 100;
    ck_status_is(SWG_FAILED, swg_shifted_target_init(&target, &d->stats));
    swg_free(d);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("shifted target");
    TCase *tcase = tcase_create("target");
    tcase_add_test(tcase, target_is_the_least_squares_solution);
    tcase_add_test(tcase, a_joint_shift_gives_the_same_target);
    tcase_add_test(tcase, without_shifts_weights_stay);
    tcase_add_test(tcase, failures_are_statuses);
    suite_add_tcase(suite, tcase);
    return suite;
}
