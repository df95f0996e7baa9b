/* Checkpoints of some of another's layers compute what those layers compute, for every family;
 * layers that would change by moving, or that are not there, are refused. */
#include <string.h>

#include "runtime/layer_subset.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { WIDEST = 64 };

static const struct {
    const char *fixture;
    size_t layers[2], n;
} cases[] = {
    {"llama-biases", {0, 1}, 2}, {"llama-biases", {1}, 1}, {"qwen3", {1}, 1},
    {"qwen2-window", {0, 2}, 2}, {"gpt2-untied", {1}, 1},  {"gpt2-bare", {0}, 1},
    {"bert-sequence", {1}, 1},   {"roberta-span", {1}, 1}, {"distilbert-masked", {1}, 1},
    {"rnn-lstm", {0, 1}, 2},     {"rnn-gru", {0}, 1},
};

static swg_source *open_fixture(const char *name)
{
    char path[256];
    swg_source *source;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s", name);
    ck_ok(swg_source_open(path, NULL, &source));
    return source;
}

/* What the layers give in turn, from the embeddings on. */
static void run_layers(swg_source *source, const size_t *layers, size_t n, float *x)
{
    swg_model *model;
    int32_t ids[ARCH_TOKENS];
    ck_ok(swg_model_load(source, NULL, &model));
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS});
    arch_ids(ids, ARCH_TOKENS, 0);
    ck_ok(swg_exec_begin(exec, 0, 0, ids, NULL, ARCH_TOKENS, x));
    for (size_t i = 0; i < n; i++)
        ck_ok(swg_exec_layer(exec, layers[i], 0, 0, ARCH_TOKENS, x, x));
    swg_exec_free(&exec);
    swg_model_free(&model);
}

START_TEST(layers_compute_what_they_did)
{
    static const size_t in_order[] = {0, 1};
    const size_t n = cases[_i].n;
    float whole[ARCH_TOKENS * WIDEST] = {0}, part[ARCH_TOKENS * WIDEST] = {0};
    swg_source *source = open_fixture(cases[_i].fixture), *subset;
    ck_ok(swg_layer_subset(source, cases[_i].layers, n, &subset));
    run_layers(source, cases[_i].layers, n, whole);
    run_layers(subset, in_order, n, part);
    ck_assert_mem_eq(whole, part, sizeof whole);
    swg_source_close(&subset);
    swg_source_close(&source);
}
END_TEST

/* A recurrent layer alone may not fit the rows below it, or the head above. */
START_TEST(widths_must_fit)
{
    swg_source *source = open_fixture(_i ? "rnn-gru" : "rnn-lstm"), *subset;
    swg_model *model;
    ck_ok(swg_layer_subset(source, (const size_t[]){(size_t)_i}, 1, &subset));
    ck_status_is(SWG_CORRUPT, swg_model_load(subset, NULL, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "config.json implies"));
    swg_source_close(&subset);
    swg_source_close(&source);
}
END_TEST

static void expect_refusal(const char *fixture, const size_t layers[2], swg_status status,
                           const char *sentence)
{
    swg_source *source = open_fixture(fixture), *subset = NULL;
    ck_status_is(status, swg_layer_subset(source, layers, 2, &subset));
    ck_assert_msg(strstr(swg_error_message(), sentence) != NULL, "%s", swg_error_message());
    ck_assert_ptr_null(subset);
    swg_source_close(&source);
}

START_TEST(what_cannot_be_is_refused)
{
    expect_refusal("llama-biases", (const size_t[]){0, 2}, SWG_USAGE, "layer 2 of");
    expect_refusal("qwen2-window", (const size_t[]){0, SIZE_MAX}, SWG_USAGE, "which has");
    expect_refusal("llama-biases", (const size_t[]){1, 0}, SWG_USAGE, "0 follows 1");
    expect_refusal("llama-biases", (const size_t[]){1, 1}, SWG_USAGE, "1 follows 1");
    expect_refusal("qwen2-window", (const size_t[]){1, 2}, SWG_UNSUPPORTED,
                   "layer 1 attends to 4 positions");
}
END_TEST

/* Memory that cannot be had, at every place in turn. */
static swg_status make_and_close(void *context)
{
    swg_source *subset = NULL;
    const swg_status status = swg_layer_subset(context, (const size_t[]){1}, 1, &subset);
    swg_source_close(&subset);
    return status;
}

START_TEST(memory_may_run_out)
{
    swg_source *source = open_fixture("qwen3");
    swg_test_each_allocation_fails(make_and_close, source);
    swg_source_close(&source);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("layer_subset");
    TCase *all = tcase_create("subset");
    tcase_add_loop_test(all, layers_compute_what_they_did, 0, sizeof cases / sizeof *cases);
    tcase_add_loop_test(all, widths_must_fit, 0, 2);
    tcase_add_test(all, what_cannot_be_is_refused);
    tcase_add_test(all, memory_may_run_out);
    suite_add_tcase(suite, all);
    return suite;
}
