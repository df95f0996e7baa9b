/* Low-rank adapters: gradients against central differences, from products and from the whole
 * matrix alike, what merging gives, and what a trainer with adapters leaves as it was. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "distill/adapter.h"
#include "distill/trainer.h"
#include "quantize/checkpoint.h"
#include "runtime/backend/backend.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { ROWS = 7, COLS = 9, RANK = 3, N = 5, WINDOW = 12, VOCAB = 29 };

static void fill(swg_rng *rng, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)swg_rng_normal(rng);
}

/* An adapter whose B is not 0. */
static swg_adapter *new_adapter(swg_rng *rng)
{
    const swg_adapter_options options = {.rank = RANK, .alpha = 4, .seed = 5};
    swg_adapter *adapter = NULL;
    ck_ok(swg_adapter_new(ROWS, COLS, &options, 0, &adapter));
    ck_assert_uint_eq(adapter->a.n, RANK * COLS);
    ck_assert_uint_eq(adapter->b.n, ROWS * RANK);
    for (size_t i = 0; i < adapter->b.n; i++)
        ck_assert(adapter->b.value[i] == 0);
    fill(rng, adapter->b.value, adapter->b.n);
    return adapter;
}

/* sum of dy (W0 + s B A) x, in double. */
static double loss_of(const swg_adapter *ad, const float *w, const float *x, const float *dy)
{
    double loss = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < COLS; j++) {
            double weight = (double)w[i * COLS + j];
            for (size_t r = 0; r < RANK; r++)
                weight += 4.0 / RANK * (double)ad->b.value[i * RANK + r] *
                          (double)ad->a.value[r * COLS + j];
            for (size_t t = 0; t < N; t++)
                loss += (double)dy[t * ROWS + i] * weight * (double)x[t * COLS + j];
        }
    return loss;
}

static void expect_differences(const swg_adapter *ad, const swg_adamw_numbers *numbers,
                               const float *w, const float *x, const float *dy)
{
    for (size_t i = 0; i < numbers->n; i++) {
        const float old = numbers->value[i];
        numbers->value[i] = old + 0.125f;
        const double up = loss_of(ad, w, x, dy);
        numbers->value[i] = old - 0.125f;
        const double down = loss_of(ad, w, x, dy);
        numbers->value[i] = old;
        ck_assert_double_eq_tol((double)numbers->gradient[i], 4 * (up - down), 1e-3);
    }
}

START_TEST(gradients_are_those_of_differences)
{
    swg_rng rng = swg_rng_seeded(1);
    float w[ROWS * COLS], x[N * COLS], dy[N * ROWS], dw[ROWS * COLS] = {0};
    swg_adapter *ad = new_adapter(&rng);
    fill(&rng, w, ROWS * COLS);
    fill(&rng, x, N * COLS);
    fill(&rng, dy, N * ROWS);
    if (_i == 0) {
        /* Two products, as of a matrix that is the weights of two roles. */
        float first[N * 3], second[N * 4];
        for (size_t t = 0; t < N; t++) {
            memcpy(first + t * 3, dy + t * ROWS, sizeof(float[3]));
            memcpy(second + t * 4, dy + t * ROWS + 3, sizeof(float[4]));
        }
        ck_ok(swg_adapter_add(ad, 0, 3, x, first, N));
        ck_ok(swg_adapter_add(ad, 3, 4, x, second, N));
    } else {
        for (size_t t = 0; t < N; t++)
            for (size_t i = 0; i < ROWS; i++)
                for (size_t j = 0; j < COLS; j++)
                    dw[i * COLS + j] += dy[t * ROWS + i] * x[t * COLS + j];
        swg_adapter_project(ad, dw);
    }
    expect_differences(ad, &ad->a, w, x, dy);
    expect_differences(ad, &ad->b, w, x, dy);
    swg_adapter_free(&ad);
}
END_TEST

START_TEST(merged_weights_predict_what_the_adapter_does)
{
    swg_rng rng = swg_rng_seeded(2);
    float w[ROWS * COLS], x[N * COLS], dy[N * ROWS], merged[ROWS * COLS];
    uint8_t is_zero[ROWS * COLS] = {0};
    swg_adapter *ad = new_adapter(&rng);
    fill(&rng, w, ROWS * COLS);
    fill(&rng, x, N * COLS);
    fill(&rng, dy, N * ROWS);
    ck_ok(swg_adapter_merge(ad, w, NULL, merged, NULL));
    double loss = 0;
    for (size_t t = 0; t < N; t++)
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < COLS; j++)
                loss += (double)dy[t * ROWS + i] * (double)merged[i * COLS + j] *
                        (double)x[t * COLS + j];
    ck_assert_double_eq_tol(loss, loss_of(ad, w, x, dy), 1e-3);
    for (size_t i = 0; i < ROWS * COLS; i += 2) {
        w[i] = 0;
        is_zero[i] = 1;
    }
    ck_ok(swg_adapter_merge(ad, w, is_zero, merged, NULL));
    for (size_t i = 0; i < ROWS * COLS; i++)
        ck_assert((merged[i] == 0) == (i % 2 == 0));
    swg_adapter_free(&ad);
}
END_TEST

/* --- In a trainer ----------------------------------------------------------------------------- */

typedef struct student {
    swg_source *source;
    swg_tensor_desc *descs;
    swg_plan plan;
    swg_trainer *trainer;
} student;

static swg_status open_student(student *s, const swg_adapter_options *adapters, bool keep_zeros)
{
    swg_trainer_options options = swg_trainer_options_default();
    *s = (student){0};
    ck_ok(swg_source_open("tests/runtime/fixtures/llama-biases", NULL, &s->source));
    ck_ok(swg_quantize_source_descs(s->source, &s->descs));
    ck_ok(swg_plan_make_plain(s->descs, swg_source_n_tensors(s->source), &s->plan));
    options.window = WINDOW;
    options.keep_zeros = keep_zeros;
    options.adapters = *adapters;
    return swg_trainer_new(s->source, &s->plan, &options, &s->trainer);
}

static void close_student(student *s)
{
    swg_trainer_free(&s->trainer);
    swg_plan_deinit(&s->plan);
    swg_free(s->descs);
    swg_source_close(&s->source);
}

static swg_status slopes(void *context, size_t first, size_t n, float *logits)
{
    (void)context;
    for (size_t i = 0; i < n * VOCAB; i++)
        logits[i] = 0.1f * sinf((float)(first * VOCAB + i));
    return SWG_OK;
}

static void train(student *s, size_t n_steps)
{
    const swg_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .decay = 0.1};
    int32_t ids[WINDOW];
    double norm;
    for (size_t i = 0; i < WINDOW; i++)
        ids[i] = (int32_t)(i * 5 % VOCAB);
    for (size_t step = 0; step < n_steps; step++) {
        ck_ok(swg_trainer_backward(s->trainer, ids, 1, slopes, NULL));
        ck_ok(swg_trainer_step(s->trainer, &adamw, 0.01, &norm));
        ck_assert(norm > 0);
    }
}

/* How many numbers of a weight differ between two models. */
static size_t n_changed(const swg_model *one, const swg_model *other, size_t w)
{
    const swg_weight *a = &one->weights[w], *b = &other->weights[w];
    float x[512], y[512];
    size_t changed = 0;
    ck_assert_uint_le(a->k, 512);
    if (swg_role_kind_of(a->role) == SWG_WEIGHT_VECTOR)
        return a->n && memcmp(a->vector, b->vector, a->n * sizeof(float)) != 0;
    for (size_t row = 0; row < a->n; row++) {
        one->backend->weights->row_f32(a, row, x);
        other->backend->weights->row_f32(b, row, y);
        for (size_t i = 0; i < a->k; i++)
            changed += x[i] != y[i];
    }
    return changed;
}

START_TEST(only_adapters_are_trained)
{
    static const char *const patterns[] = {"*q_proj*"};
    const swg_adapter_options adapters = {
        .rank = 2, .patterns = patterns, .n_patterns = (size_t)_i};
    student s, untouched;
    uint64_t n_expected = 0;
    ck_ok(open_student(&s, &adapters, false));
    ck_ok(open_student(&untouched, &adapters, false));
    train(&s, 3);
    const swg_model *model = swg_trainer_model(s.trainer);
    const swg_model *before = swg_trainer_model(untouched.trainer);
    for (size_t w = 0; w < model->n_weights; w++) {
        const swg_weight *weight = &model->weights[w];
        const bool is_adapted = weight->n && swg_role_kind_of(weight->role) == SWG_WEIGHT_MATRIX &&
                                (_i ? weight->role == SWG_ROLE_QUERY
                                    : swg_role_scope_of(weight->role) != SWG_PER_MODEL);
        ck_assert_int_eq(n_changed(model, before, w) > 0, is_adapted);
        n_expected += is_adapted ? 2 * (weight->n + weight->k) : 0;
        if (weight->bias)
            ck_assert_mem_eq(weight->bias, before->weights[w].bias, weight->n * sizeof(float));
    }
    ck_assert_uint_eq(swg_trainer_n_weights(s.trainer), n_expected);
    close_student(&untouched);
    close_student(&s);
}
END_TEST

/* Without a mask gradients come from products, with one from whole matrices: where nothing is zero
 * both give the same, to rounding. */
START_TEST(both_ways_give_the_same)
{
    const swg_adapter_options adapters = {.rank = 2};
    student s, masked;
    ck_ok(open_student(&s, &adapters, false));
    ck_ok(open_student(&masked, &adapters, true));
    ck_assert_uint_eq(swg_trainer_n_zeros(masked.trainer), 0);
    train(&s, 3);
    train(&masked, 3);
    const swg_model *one = swg_trainer_model(s.trainer), *two = swg_trainer_model(masked.trainer);
    const swg_weight *a = swg_model_weight(one, SWG_ROLE_FFN_DOWN, 0);
    const swg_weight *b = swg_model_weight(two, SWG_ROLE_FFN_DOWN, 0);
    float x[512], y[512];
    for (size_t row = 0; row < a->n; row++) {
        one->backend->weights->row_f32(a, row, x);
        two->backend->weights->row_f32(b, row, y);
        for (size_t i = 0; i < a->k; i++)
            ck_assert_double_eq_tol((double)x[i], (double)y[i], 1e-4);
    }
    close_student(&masked);
    close_student(&s);
}
END_TEST

START_TEST(a_name_that_nothing_has_is_refused)
{
    static const char *const patterns[] = {"nothing_proj"};
    const swg_adapter_options adapters = {.rank = 2, .patterns = patterns, .n_patterns = 1};
    student s;
    ck_status_is(SWG_USAGE, open_student(&s, &adapters, false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "no matrix of that name"));
    close_student(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("adapter");
    TCase *cases = tcase_create("adapters");
    tcase_add_loop_test(cases, gradients_are_those_of_differences, 0, 2);
    tcase_add_test(cases, merged_weights_predict_what_the_adapter_does);
    tcase_add_loop_test(cases, only_adapters_are_trained, 0, 2);
    tcase_add_test(cases, both_ways_give_the_same);
    tcase_add_test(cases, a_name_that_nothing_has_is_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
