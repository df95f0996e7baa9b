/* Statistics of weights' inputs: against sums in double over what a separate observer saw, and what
 * calibration promises about layers, threads and failures. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/calibration.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { WINDOWS = 3, WINDOW = 12, MAX_K = 96, MAX_INPUTS = 8 };

static const char *const decoders[] = {"llama-biases", "mistral-window", "qwen3", "gpt2-untied"};
enum { N_DECODERS = sizeof decoders / sizeof decoders[0] };

static const swg_scheme f32 = {.dtype = SWG_F32};

static void window_ids(int32_t *ids)
{
    for (size_t w = 0; w < WINDOWS; w++)
        arch_ids(ids + w * WINDOW, WINDOW, w);
}

/* --- The independent account ------------------------------------------------------------------ */

typedef struct account {
    const swg_weight *weight;
    size_t k, rows;
    double moments[MAX_K * MAX_K], absolute[MAX_K];
} account;

typedef struct accounts {
    account of[MAX_INPUTS];
    size_t n;
} accounts;

static void keep_account(void *context, const swg_weight *const *weights, size_t count,
                         const float *x, size_t rows, size_t columns, size_t stride)
{
    accounts *all = context;
    account *a = NULL;
    (void)count;
    for (size_t i = 0; i < all->n; i++)
        if (all->of[i].weight == weights[0])
            a = &all->of[i];
    if (!a) {
        ck_assert(all->n < MAX_INPUTS && columns <= MAX_K);
        a = &all->of[all->n++];
        a->weight = weights[0];
        a->k = columns;
    }
    a->rows += rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < columns; i++) {
            a->absolute[i] += fabs((double)x[r * stride + i]);
            for (size_t j = 0; j < columns; j++)
                a->moments[i * columns + j] +=
                    (double)x[r * stride + i] * (double)x[r * stride + j];
        }
}

/* What layer `layer` feeds its weights, window by window through exec.h. */
static accounts *account_for(const swg_model *model, const int32_t *ids, size_t layer)
{
    accounts *all = swg_calloc(1, sizeof *all);
    ck_assert_ptr_nonnull(all);
    swg_observer observer = {.context = all, .inputs = keep_account};
    swg_exec *quiet =
        arch_exec(model, (swg_exec_options){.context = WINDOW, .activations = SWG_ACT_F32});
    swg_exec *seen = arch_exec(
        model,
        (swg_exec_options){.context = WINDOW, .activations = SWG_ACT_F32, .observer = &observer});
    float rows[WINDOW * MAX_K], logits[WINDOW * ARCH_VOCAB];
    for (size_t w = 0; w < WINDOWS; w++) {
        ck_ok(swg_exec_begin(quiet, 0, 0, ids + w * WINDOW, NULL, WINDOW, rows));
        for (size_t below = 0; below < layer; below++)
            ck_ok(swg_exec_layer(quiet, below, 0, 0, WINDOW, rows, rows));
        if (layer == (size_t)model->hparams.n_layers)
            ck_ok(swg_exec_end(seen, WINDOW, rows, logits));
        else
            ck_ok(swg_exec_layer(seen, layer, 0, 0, WINDOW, rows, rows));
    }
    swg_exec_free(&seen);
    swg_exec_free(&quiet);
    return all;
}

static void compare(const swg_layer_stats *stats, const account *a)
{
    double largest = 0;
    ck_assert_ptr_nonnull(stats);
    ck_assert_uint_eq(stats->k, a->k);
    ck_assert_uint_eq(stats->n_tokens, a->rows);
    for (size_t i = 0; i < a->k; i++)
        largest = fmax(largest, a->moments[i * a->k + i]);
    for (size_t i = 0; i < a->k; i++) {
        const double square = a->moments[i * a->k + i] / (double)a->rows;
        ck_assert_double_eq_tol(stats->mean_abs[i], a->absolute[i] / (double)a->rows,
                                1e-6 * sqrt(largest));
        ck_assert_double_eq_tol(stats->mean_square[i], square, 1e-6 * largest);
        for (size_t j = 0; j < a->k; j++)
            ck_assert_double_eq_tol((double)stats->hessian[i * a->k + j], a->moments[i * a->k + j],
                                    1e-5 * largest);
    }
}

START_TEST(statistics_are_sums_over_the_inputs)
{
    swg_model *model = arch_model(decoders[_i], f32);
    int32_t ids[WINDOWS * WINDOW];
    swg_calibration *c = NULL;
    window_ids(ids);
    ck_ok(swg_calibration_new(model, ids, WINDOWS, WINDOW, NULL, &c));
    for (size_t layer = 0; layer <= (size_t)model->hparams.n_layers; layer++) {
        const bool is_last = layer == (size_t)model->hparams.n_layers;
        accounts *all = account_for(model, ids, layer);
        ck_ok(swg_calibration_observe(c, layer));
        for (size_t i = 0; i < all->n; i++)
            compare(swg_calibration_stats(c, all->of[i].weight), &all->of[i]);
        if (!is_last) {
            const swg_layer_stats *q =
                swg_calibration_stats(c, swg_model_weight(model, SWG_ROLE_QUERY, layer));
            const swg_layer_stats *k =
                swg_calibration_stats(c, swg_model_weight(model, SWG_ROLE_KEY, layer));
            ck_assert_ptr_eq(q, k); /* one input, one set of statistics */
            ck_ok(swg_calibration_advance(c, layer));
        }
        swg_free(all);
    }
    swg_calibration_free(&c);
    swg_model_free(&model);
}
END_TEST

/* A weight replaced between observing and advancing shows in the next layer's statistics. */
START_TEST(later_layers_see_replaced_weights)
{
    swg_model *model = arch_model("qwen3", f32);
    int32_t ids[WINDOWS * WINDOW];
    swg_calibration *c = NULL;
    window_ids(ids);
    ck_ok(swg_calibration_new(model, ids, WINDOWS, WINDOW, NULL, &c));
    ck_ok(swg_calibration_observe(c, 0));
    const swg_weight *down = swg_model_weight(model, SWG_ROLE_FFN_DOWN, 0);
    const swg_tensor_desc desc = {
        .name = "zeros", .scheme = f32, .rank = 2, .shape = {down->n, down->k}};
    float *zeros = swg_calloc(down->n * down->k, sizeof *zeros);
    const void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = zeros};
    ck_ok(swg_model_replace(model, down, &desc, planes));
    ck_ok(swg_calibration_advance(c, 0));
    ck_ok(swg_calibration_observe(c, 1));
    accounts *all = account_for(model, ids, 1); /* of the model as it is now */
    for (size_t i = 0; i < all->n; i++)
        compare(swg_calibration_stats(c, all->of[i].weight), &all->of[i]);
    ck_assert_ptr_null(swg_calibration_stats(c, down)); /* of the layer before: forgotten */
    swg_free(all);
    swg_free(zeros);
    swg_calibration_free(&c);
    swg_model_free(&model);
}
END_TEST

START_TEST(threads_do_not_change_statistics)
{
    swg_model *model = arch_model("llama-biases", f32);
    int32_t ids[WINDOWS * WINDOW];
    float *hessians[2];
    size_t k = 0;
    window_ids(ids);
    for (size_t i = 0; i < 2; i++) {
        swg_calibration *c = NULL;
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(i == 0 ? 1 : 3, &pool));
        swg_calibration_options options = swg_calibration_options_default();
        options.pool = pool;
        ck_ok(swg_calibration_new(model, ids, WINDOWS, WINDOW, &options, &c));
        ck_ok(swg_calibration_advance(c, 0));
        ck_ok(swg_calibration_observe(c, 1));
        const swg_layer_stats *s =
            swg_calibration_stats(c, swg_model_weight(model, SWG_ROLE_FFN_DOWN, 1));
        k = s->k;
        hessians[i] = swg_malloc(k * k, sizeof **hessians);
        memcpy(hessians[i], s->hessian, k * k * sizeof **hessians);
        swg_calibration_free(&c);
        swg_pool_free(&pool);
    }
    ck_assert_mem_eq(hessians[0], hessians[1], k * k * sizeof **hessians);
    swg_free(hessians[0]);
    swg_free(hessians[1]);
    swg_model_free(&model);
}
END_TEST

START_TEST(what_cannot_be_calibrated_is_refused)
{
    static const struct {
        const char *name;
        size_t n_windows, window;
        swg_status status;
    } cases[] = {{"bert-masked", 1, 4, SWG_UNSUPPORTED},
                 {"rnn-lstm", 1, 4, SWG_UNSUPPORTED},
                 {"qwen3", 0, 4, SWG_USAGE},
                 {"gpt2-bare", 1, 4096, SWG_UNSUPPORTED}};
    int32_t *ids = swg_calloc(4096, sizeof *ids);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_model *model = arch_model(cases[i].name, f32);
        swg_calibration *c = NULL;
        ck_status_is(cases[i].status, swg_calibration_new(model, ids, cases[i].n_windows,
                                                          cases[i].window, NULL, &c));
        if (cases[i].window == 4 && cases[i].status == SWG_UNSUPPORTED)
            ck_assert_ptr_nonnull(strstr(swg_error_message(), "--method rtn"));
        ck_assert_ptr_null(c);
        swg_model_free(&model);
    }
    swg_free(ids);
    swg_model *model = arch_model("qwen3", f32);
    swg_calibration *c = NULL;
    const int32_t outside[] = {1, ARCH_VOCAB};
    ck_status_is(SWG_CORRUPT, swg_calibration_new(model, outside, 1, 2, NULL, &c));
    const int32_t inside[] = {1, 2};
    ck_ok(swg_calibration_new(model, inside, 1, 2, NULL, &c));
    ck_status_is(SWG_USAGE, swg_calibration_observe(c, 1)); /* layer 0 is next */
    swg_calibration_free(&c);
    swg_model_free(&model);
}
END_TEST

static swg_status calibrate(void *context)
{
    const int32_t ids[] = {1, 2, 3, 4};
    swg_calibration *c = NULL;
    swg_status status = swg_calibration_new(context, ids, 2, 2, NULL, &c);
    if (status == SWG_OK)
        status = swg_calibration_observe(c, 0);
    swg_calibration_free(&c);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    swg_model *model = arch_model("qwen3", f32);
    swg_test_each_allocation_fails(calibrate, model);
    swg_model_free(&model);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("calibration");
    TCase *tcase = tcase_create("statistics");
    tcase_add_loop_test(tcase, statistics_are_sums_over_the_inputs, 0, N_DECODERS);
    tcase_add_test(tcase, later_layers_see_replaced_weights);
    tcase_add_test(tcase, threads_do_not_change_statistics);
    tcase_add_test(tcase, what_cannot_be_calibrated_is_refused);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}
