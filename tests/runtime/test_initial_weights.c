/* New models: every architecture's checkpoint is whole, and its numbers are those that the header
 * says. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "runtime/initial_weights.h"
#include "runtime/model.h"
#include "tests/harness.h"

static const char *const fixtures[] = {"llama-biases",  "gpt2-bare", "qwen2-window", "qwen3",
                                       "bert-sequence", "rnn-gru",  "gpt2-untied",  "bert-masked"};

static char *config_of(const char *fixture, size_t *length)
{
    char path[256];
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/config.json", fixture);
    return (char *)swg_test_read_file(path, length);
}

START_TEST(every_architecture_is_whole)
{
    size_t length;
    swg_source *source;
    swg_model *model;
    char *config = config_of(fixtures[_i], &length);
    ck_ok(swg_initial_weights(config, length, NULL, 0, 1, &source));
    ck_ok(swg_model_load(source, NULL, &model));
    ck_assert_uint_gt(model->n_parameters, 0);
    swg_model_free(&model);
    swg_source_close(&source);
    swg_free(config);
}
END_TEST

static float *values_of(swg_source *source, const char *name, size_t *n)
{
    const size_t index = swg_source_find(source, name);
    ck_assert_msg(index != SIZE_MAX, "no tensor %s", name);
    const swg_tensor_desc *desc = swg_source_tensor(source, index);
    *n = (size_t)swg_tensor_elems(desc);
    float *values = swg_calloc(*n, sizeof *values);
    ck_ok(swg_source_read_f32(source, index, 0, swg_tensor_rows(desc), values));
    return values;
}

static double deviation_of(swg_source *source, const char *name)
{
    size_t n;
    double square = 0;
    float *values = values_of(source, name, &n);
    for (size_t i = 0; i < n; i++)
        square += (double)values[i] * (double)values[i];
    swg_free(values);
    return sqrt(square / (double)n);
}

static void expect_constant(swg_source *source, const char *name, float wanted)
{
    size_t n;
    float *values = values_of(source, name, &n);
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq(values[i], wanted);
    swg_free(values);
}

START_TEST(transformers_are_normal)
{
    static const char config[] =
        "{\"model_type\": \"gpt2\", \"n_layer\": 8, \"n_embd\": 64, \"n_head\": 4, \"vocab_size\": "
        "500, \"n_positions\": 64, \"initializer_range\": 0.05}";
    swg_source *source;
    ck_ok(swg_initial_weights(config, sizeof config - 1, NULL, 0, 3, &source));
    ck_assert_double_eq_tol(deviation_of(source, "transformer.wte.weight"), 0.05, 0.001);
    ck_assert_double_eq_tol(deviation_of(source, "transformer.h.3.attn.c_attn.weight"), 0.05, 0.002);
    ck_assert_double_eq_tol(deviation_of(source, "transformer.h.3.attn.c_proj.weight"), 0.0125,
                            0.001);
    ck_assert_double_eq_tol(deviation_of(source, "transformer.h.3.mlp.c_proj.weight"), 0.0125,
                            0.001);
    expect_constant(source, "transformer.h.0.ln_1.weight", 1);
    expect_constant(source, "transformer.h.0.ln_1.bias", 0);
    expect_constant(source, "transformer.h.7.attn.c_attn.bias", 0);
    swg_source_close(&source);
}
END_TEST

START_TEST(recurrent_layers_are_orthogonal)
{
    enum { UNITS = 24 };
    static const char config[] = "{\"model_type\": \"rnn\", \"cell\": \"lstm\", \"vocab_size\": 50, "
                                 "\"embedding_size\": 16, \"num_hidden_layers\": 2, "
                                 "\"hidden_size\": 24}";
    swg_source *source;
    size_t n;
    ck_ok(swg_initial_weights(config, sizeof config - 1, NULL, 0, 3, &source));
    float *w = values_of(source, "rnn.weight_hh_l1", &n);
    ck_assert_uint_eq(n, 4 * UNITS * UNITS);
    for (size_t a = 0; a < 4 * UNITS; a++)
        for (size_t b = a / UNITS * UNITS; b < (a / UNITS + 1) * UNITS; b++) {
            double dot = 0;
            for (size_t j = 0; j < UNITS; j++)
                dot += (double)w[a * UNITS + j] * (double)w[b * UNITS + j];
            ck_assert_double_eq_tol(dot, a == b ? 1.0 : 0.0, 1e-4);
        }
    swg_free(w);
    w = values_of(source, "rnn.weight_ih_l0", &n);
    const double limit = sqrt(6.0 / (4 * UNITS + 16));
    for (size_t i = 0; i < n; i++)
        ck_assert_double_le(fabs((double)w[i]), limit);
    ck_assert_double_gt(deviation_of(source, "rnn.weight_ih_l0"), 0.5 * limit);
    swg_free(w);
    w = values_of(source, "rnn.bias_ih_l0", &n);
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq(w[i], i >= UNITS && i < 2 * UNITS ? 1 : 0);
    swg_free(w);
    expect_constant(source, "rnn.bias_hh_l1", 0);
    expect_constant(source, "head.bias", 0);
    swg_source_close(&source);
}
END_TEST

START_TEST(seeds_decide)
{
    size_t length, n;
    swg_source *sources[3];
    float *w[3];
    char *config = config_of("qwen3", &length);
    for (size_t i = 0; i < 3; i++) {
        ck_ok(swg_initial_weights(config, length, NULL, 0, i / 2, &sources[i]));
        w[i] = values_of(sources[i], "model.layers.0.mlp.up_proj.weight", &n);
    }
    ck_assert_mem_eq(w[0], w[1], n * sizeof(float));
    ck_assert_mem_ne(w[0], w[2], n * sizeof(float));
    for (size_t i = 0; i < 3; i++) {
        swg_free(w[i]);
        swg_source_close(&sources[i]);
    }
    swg_free(config);
}
END_TEST

START_TEST(impossible_models_are_refused)
{
    static const struct {
        const char *config;
        swg_status status;
    } cases[] = {
        {"{\"model_type\": \"gpt2\", \"n_layer\": 4096, \"n_embd\": 1048576, \"n_head\": 4, "
         "\"vocab_size\": 500}",
         SWG_LIMIT},
        {"{\"model_type\": \"gpt2\", \"n_layer\": 1, \"n_embd\": 8, \"n_head\": 4, \"vocab_size\": "
         "5, \"initializer_range\": -1}",
         SWG_CORRUPT},
        {"{\"model_type\": \"unknown\"}", SWG_UNSUPPORTED},
        {"[]", SWG_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_source *source;
        ck_status_is(cases[i].status, swg_initial_weights(cases[i].config, strlen(cases[i].config),
                                                          NULL, 0, 0, &source));
    }
}
END_TEST

static swg_status make(void *context)
{
    static const char config[] = "{\"model_type\": \"rnn\", \"cell\": \"gru\", \"vocab_size\": 5, "
                                 "\"embedding_size\": 4, \"num_hidden_layers\": 1, "
                                 "\"hidden_size\": 4}";
    const swg_file_view file = {"tokenizer.json", "{}", 2};
    swg_source *source;
    (void)context;
    SWG_TRY(swg_initial_weights(config, sizeof config - 1, &file, 1, 0, &source));
    swg_source_close(&source);
    return SWG_OK;
}

START_TEST(allocations_may_fail)
{
    swg_test_each_allocation_fails(make, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("initial_weights");
    TCase *tc = tcase_create("initial_weights");
    tcase_add_loop_test(tc, every_architecture_is_whole, 0, sizeof fixtures / sizeof *fixtures);
    tcase_add_test(tc, transformers_are_normal);
    tcase_add_test(tc, recurrent_layers_are_orthogonal);
    tcase_add_test(tc, seeds_decide);
    tcase_add_test(tc, impossible_models_are_refused);
    tcase_add_test(tc, allocations_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
