/* Statistics of one model beside those of another: against sums in double over the rows that plain
 * observers saw in whole runs, which do not stop half-way. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/paired_calibration.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { WINDOWS = 3, WINDOW = 12, ROWS = WINDOWS * WINDOW, MAX_K = 96, MAX_INPUTS = 8 };

static const char *const decoders[] = {"llama-biases", "mistral-window", "qwen3", "gpt2-untied"};
enum { N_DECODERS = sizeof decoders / sizeof decoders[0] };

static const swg_scheme f32 = {.dtype = SWG_F32};

/* Everything that layer 1 of a model is fed with and returns. */
typedef struct whole_run {
    size_t n_inputs, k[MAX_INPUTS], n_rows[MAX_INPUTS];
    const swg_weight *weights[MAX_INPUTS];
    float inputs[MAX_INPUTS][ROWS * MAX_K];
    float before[ROWS * MAX_K], after[ROWS * MAX_K];
    size_t width;
} whole_run;

static void keep_rows(void *context, const swg_weight *const *weights, size_t count, const float *x,
                      size_t rows, size_t columns, size_t stride)
{
    whole_run *run = context;
    size_t i = 0;
    (void)count;
    while (i < run->n_inputs && run->weights[i] != weights[0])
        i++;
    ck_assert(i < MAX_INPUTS && columns <= MAX_K);
    run->n_inputs = i == run->n_inputs ? i + 1 : run->n_inputs;
    run->weights[i] = weights[0];
    run->k[i] = columns;
    for (size_t r = 0; r < rows; r++)
        memcpy(run->inputs[i] + (run->n_rows[i] + r) * columns, x + r * stride,
               columns * sizeof *x);
    run->n_rows[i] += rows;
}

static void window_ids(int32_t *ids)
{
    for (size_t w = 0; w < WINDOWS; w++)
        arch_ids(ids + w * WINDOW, WINDOW, w);
}

static whole_run *run_whole(const swg_model *model)
{
    int32_t ids[ROWS];
    whole_run *run = swg_calloc(1, sizeof *run);
    swg_observer observer = {.context = run, .inputs = keep_rows};
    const swg_exec_options plain = {.context = WINDOW, .activations = SWG_ACT_F32};
    swg_exec_options observed = plain;
    observed.observer = &observer;
    swg_exec *quiet = arch_exec(model, plain), *seen = arch_exec(model, observed);
    window_ids(ids);
    run->width = swg_exec_width(quiet, 1);
    for (size_t w = 0; w < WINDOWS; w++) {
        float *before = run->before + w * WINDOW * run->width;
        ck_ok(swg_exec_begin(quiet, 0, 0, ids + w * WINDOW, NULL, WINDOW, before));
        ck_ok(swg_exec_layer(quiet, 0, 0, 0, WINDOW, before, before));
        ck_ok(swg_exec_layer(seen, 1, 0, 0, WINDOW, before, run->after + w * WINDOW * run->width));
    }
    swg_exec_free(&seen);
    swg_exec_free(&quiet);
    return run;
}

static void replace_by_constant(swg_model *model, swg_role role, size_t layer, float value)
{
    const swg_weight *weight = swg_model_weight(model, role, layer);
    const swg_tensor_desc desc = {
        .name = "constant", .scheme = f32, .rank = 2, .shape = {weight->n, weight->k}};
    float *values = swg_calloc(weight->n * weight->k, sizeof *values);
    for (size_t i = 0; i < weight->n * weight->k; i++)
        values[i] = value * (float)(1 + i % 5);
    const void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    ck_ok(swg_model_replace(model, weight, &desc, planes));
    swg_free(values);
}

/* sum [m][k] of a^T b over all rows, compared with what was collected. */
static void compare_sum(const float *sum, const double *a, size_t m, const float *b, size_t k)
{
    ck_assert_ptr_nonnull(sum);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++) {
            double wanted = 0, size = 0;
            for (size_t r = 0; r < ROWS; r++) {
                wanted += a[r * m + i] * (double)b[r * k + j];
                size += fabs(a[r * m + i] * (double)b[r * k + j]);
            }
            ck_assert_double_eq_tol((double)sum[i * k + j], wanted, 1e-5 * size + 1e-6);
        }
}

static double *difference(const float *a, const float *b, size_t n)
{
    double *d = swg_calloc(n, sizeof *d);
    for (size_t i = 0; i < n; i++)
        d[i] = (double)a[i] - (double)b[i];
    return d;
}

static void compare_input(const swg_paired_input *in, const whole_run *original,
                          const whole_run *changed, size_t index)
{
    const size_t k = changed->k[index];
    double *x = swg_calloc(ROWS * k, sizeof *x);
    double *shift = difference(original->inputs[index], changed->inputs[index], ROWS * k);
    ck_assert_ptr_eq(in->weights[0], changed->weights[index]);
    ck_assert_uint_eq(in->stats.k, k);
    ck_assert_uint_eq(in->stats.n_tokens, ROWS);
    for (size_t i = 0; i < ROWS * k; i++)
        x[i] = (double)changed->inputs[index][i];
    compare_sum(in->stats.hessian, x, k, changed->inputs[index], k);
    if (in->weights[0]->role == SWG_ROLE_FFN_DOWN)
        ck_assert_ptr_null(in->stats.input_shift); /* the stream's holds it */
    else
        compare_sum(in->stats.input_shift, shift, k, changed->inputs[index], k);
    swg_free(shift);
    swg_free(x);
}

/* What a product's output is added to, the rows that enter the layer for attention's output, or, for
 * that of the feed-forward network, what it becomes: the rows that leave the layer. */
static void compare_stream(const swg_paired_input *in, const whole_run *original,
                           const whole_run *changed, size_t index)
{
    const swg_role role = in->weights[0]->role;
    const bool is_last = role == SWG_ROLE_FFN_DOWN;
    if (role != SWG_ROLE_ATTENTION_OUTPUT && !is_last) {
        ck_assert_ptr_null(in->stats.stream_shift);
        ck_assert_uint_eq(in->stats.n_stream, 0);
        return;
    }
    double *shift = difference(is_last ? original->after : original->before,
                               is_last ? changed->after : changed->before, ROWS * changed->width);
    ck_assert_uint_eq(in->stats.n_stream, changed->width);
    compare_sum(in->stats.stream_shift, shift, changed->width, changed->inputs[index],
                changed->k[index]);
    swg_free(shift);
}

START_TEST(statistics_and_shifts_are_sums_over_both_models)
{
    swg_model *original = arch_model(decoders[_i], f32), *changed = arch_model(decoders[_i], f32);
    int32_t ids[ROWS];
    swg_paired_calibration *c = NULL;
    const swg_paired_input *in;
    window_ids(ids);
    ck_ok(swg_paired_calibration_new(original, changed, ids, WINDOWS, WINDOW, NULL, &c));
    ck_ok(swg_paired_calibration_observe(c, 0, 0, &in)); /* models are equal so far */
    for (size_t i = 0; i < in->stats.k * in->stats.k; i++)
        ck_assert_float_eq(in->stats.input_shift[i], 0);
    replace_by_constant(changed, SWG_ROLE_ATTENTION_OUTPUT, 0, 0.01f);
    ck_ok(swg_paired_calibration_advance(c, 0));
    whole_run *of_original = run_whole(original), *of_changed = run_whole(changed);
    for (size_t i = 0; i < of_changed->n_inputs; i++) {
        ck_ok(swg_paired_calibration_observe(c, 1, i, &in));
        ck_assert_ptr_nonnull(in);
        compare_input(in, of_original, of_changed, i);
        compare_stream(in, of_original, of_changed, i);
    }
    ck_ok(swg_paired_calibration_observe(c, 1, of_changed->n_inputs, &in));
    ck_assert_ptr_null(in);
    swg_free(of_original);
    swg_free(of_changed);
    swg_paired_calibration_free(&c);
    swg_model_free(&original);
    swg_model_free(&changed);
}
END_TEST

/* The head comes after the layers, without shifts. */
START_TEST(the_head_has_statistics_too)
{
    swg_model *original = arch_model("qwen3", f32), *changed = arch_model("qwen3", f32);
    int32_t ids[ROWS];
    swg_paired_calibration *c = NULL;
    const swg_paired_input *in;
    const size_t n_layers = (size_t)changed->hparams.n_layers;
    window_ids(ids);
    ck_ok(swg_paired_calibration_new(original, changed, ids, WINDOWS, WINDOW, NULL, &c));
    for (size_t layer = 0; layer < n_layers; layer++)
        ck_ok(swg_paired_calibration_advance(c, layer));
    ck_ok(swg_paired_calibration_observe(c, n_layers, 0, &in));
    ck_assert_uint_eq(in->stats.n_tokens, ROWS);
    ck_assert_ptr_null(in->stats.input_shift);
    ck_ok(swg_paired_calibration_observe(c, n_layers, 1, &in));
    ck_assert_ptr_null(in);
    swg_paired_calibration_free(&c);
    swg_model_free(&original);
    swg_model_free(&changed);
}
END_TEST

/* A layer that the changed model does not have: the original's rows go on alone, and what enters
 * the next layer differs by it. An original with weights outside layers embeds by itself. */
START_TEST(a_layer_may_be_the_originals_alone)
{
    swg_model *original = arch_model("qwen3", f32), *changed = arch_model("qwen3", f32);
    int32_t ids[ROWS];
    swg_paired_calibration *c = NULL;
    const swg_paired_input *in;
    window_ids(ids);
    replace_by_constant(changed, SWG_ROLE_EMBEDDING, 0, 0.01f);
    whole_run *of_original = run_whole(original);
    ck_ok(swg_paired_calibration_new(original, changed, ids, WINDOWS, WINDOW, NULL, &c));
    ck_ok(swg_paired_calibration_skip(c, 0));
    ck_ok(swg_paired_calibration_observe(c, 1, 1, &in));
    /* Without its layer 0, the changed model's layer 1 is fed with its embeddings. */
    replace_by_constant(changed, SWG_ROLE_ATTENTION_OUTPUT, 0, 0);
    replace_by_constant(changed, SWG_ROLE_FFN_DOWN, 0, 0);
    whole_run *of_changed = run_whole(changed);
    compare_input(in, of_original, of_changed, 1);
    compare_stream(in, of_original, of_changed, 1);
    swg_free(of_original);
    swg_free(of_changed);
    swg_paired_calibration_free(&c);
    swg_model_free(&original);
    swg_model_free(&changed);
}
END_TEST

static swg_status calibrate(void *context)
{
    const int32_t ids[] = {1, 2, 3, 4};
    swg_paired_calibration *c = NULL;
    const swg_paired_input *in;
    swg_status status = swg_paired_calibration_new(context, context, ids, 2, 2, NULL, &c);
    if (status == SWG_OK)
        status = swg_paired_calibration_observe(c, 0, 1, &in);
    swg_paired_calibration_free(&c);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    swg_model *model = arch_model("qwen3", f32);
    swg_test_each_allocation_fails(calibrate, model);
    swg_model_free(&model);
}
END_TEST

START_TEST(what_cannot_be_calibrated_is_refused)
{
    swg_model *model = arch_model("bert-masked", f32);
    swg_paired_calibration *c = NULL;
    const int32_t ids[] = {1, 2};
    ck_status_is(SWG_UNSUPPORTED, swg_paired_calibration_new(model, model, ids, 1, 2, NULL, &c));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "--method rtn"));
    ck_assert_ptr_null(c);
    swg_model_free(&model);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("paired calibration");
    TCase *tcase = tcase_create("statistics");
    tcase_add_loop_test(tcase, statistics_and_shifts_are_sums_over_both_models, 0, N_DECODERS);
    tcase_add_test(tcase, a_layer_may_be_the_originals_alone);
    tcase_add_test(tcase, the_head_has_statistics_too);
    tcase_add_test(tcase, each_allocation_may_fail);
    tcase_add_test(tcase, what_cannot_be_calibrated_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
