/* Accuracy against hand-made counts, labels by name and index, refusals, and the choice of tasks.
 */
#include <math.h>

#include "eval/classify.h"
#include "eval/task.h"
#include "runtime/encoder_input.h"
#include "tests/eval/eval_fixtures.h"

static swg_session classifier(size_t n_threads)
{
    char path[256];
    fixture_path("bert-sequence", path);
    return toy_loaded(path, "cs", n_threads);
}

static swg_status measure_with(const swg_session *loaded, const char *data, size_t context,
                               swg_accuracy *out)
{
    return swg_accuracy_measure(loaded, "items.jsonl", data, strlen(data), context, SWG_ACT_INT8,
                                NULL, out);
}

/* Label that the model gives to [CLS] first [SEP] (second [SEP]), and its -log probability of
 * `wanted`. */
static size_t plain_label(const swg_session *loaded, const char *first, const char *second,
                          size_t wanted, double *loss)
{
    int32_t ids[24] = {TOY_CLS}, types[24] = {0};
    size_t n = 1;
    for (const char *c = first; *c; c++)
        ids[n++] = TOY_A + (*c - 'a');
    ids[n++] = TOY_SEP;
    for (const char *c = second; *c; c++) {
        types[n] = 1;
        ids[n++] = TOY_A + (*c - 'a');
    }
    if (*second) {
        types[n] = 1;
        ids[n++] = TOY_SEP;
    }
    swg_exec *exec = NULL;
    float logits[5];
    ck_ok(swg_exec_new(loaded->model, NULL, NULL, &exec));
    ck_ok(swg_exec_encode(exec, ids, types, n, logits));
    swg_exec_free(&exec);
    long double sum = 0;
    size_t best = 0;
    for (size_t i = 0; i < 5; i++) {
        sum += expl((long double)logits[i]);
        best = logits[i] > logits[best] ? i : best;
    }
    *loss = (double)(logl(sum) - (long double)logits[wanted]);
    return best;
}

static const char *const names[] = {"calm", "glad", "sad", "wild", "none"};

START_TEST(accuracy_is_counted_right)
{
    static const struct {
        const char *text, *pair;
    } items[] = {{"ab", ""}, {"qrs", "t"}, {"hello", ""}, {"x", "yxw"}, {"dog", "cat"}, {"m", ""}};
    enum { N = 6 };
    swg_session loaded = classifier(1);
    swg_strbuf data = {0};
    swg_label_count wanted[5] = {{0}};
    double losses = 0;
    size_t right = 0;
    for (size_t i = 0; i < N; i++) {
        double loss;
        /* Items 0, 3, ... get the label that the model gives, others the next one. */
        const size_t given = plain_label(&loaded, items[i].text, items[i].pair, 0, &loss);
        const size_t label = i % 3 == 0 ? given : (given + 1) % 5;
        plain_label(&loaded, items[i].text, items[i].pair, label, &loss);
        losses += loss;
        wanted[label].n++;
        wanted[given].predicted++;
        wanted[label].correct += given == label;
        right += given == label;
        swg_strbuf_printf(&data, "{\"id\": %zu, \"text\": \"%s\"", i, items[i].text);
        if (*items[i].pair)
            swg_strbuf_printf(&data, ", \"text_pair\": \"%s\"", items[i].pair);
        if (i % 2)
            swg_strbuf_printf(&data, ", \"label\": %zu}\r\n", label);
        else
            swg_strbuf_printf(&data, ", \"label\": \"%s\"}%s", names[label], i + 1 < N ? "\n" : "");
    }
    ck_assert_uint_eq(right, 2);
    swg_accuracy got = {0};
    ck_ok(measure_with(&loaded, data.text, 0, &got));
    ck_assert_uint_eq(got.n, N);
    ck_assert_uint_eq(got.n_correct, 2);
    ck_assert_double_le(fabs(got.accuracy - 2.0 / 6), 1e-15);
    ck_assert_double_le(fabs(got.standard_error - sqrt(2.0 / 6 * (4.0 / 6) / 6)), 1e-15);
    ck_assert_double_le(fabs(got.mean_log_loss - losses / N), 1e-9);
    ck_assert_uint_eq(got.n_labels, 5);
    ck_assert_mem_eq(got.labels, wanted, sizeof wanted);
    for (size_t threads = 2; threads <= 5; threads += 3) {
        swg_session many = classifier(threads);
        swg_accuracy same = {0};
        ck_ok(measure_with(&many, data.text, 0, &same));
        ck_assert(same.mean_log_loss == got.mean_log_loss && same.n_correct == got.n_correct);
        swg_accuracy_deinit(&same);
        swg_session_close(&many);
    }
    swg_accuracy_deinit(&got);
    swg_strbuf_deinit(&data);
    swg_session_close(&loaded);
}
END_TEST

static const struct {
    const char *data;
    size_t context;
    swg_status status;
    const char *says;
} refusals[] = {
    {"{\"text\": \"a\", \"label\": 0}\n{\"text\": \"a\", \"label\": \"happy\"}\n", 0, SWG_CORRUPT,
     "items.jsonl: line 2: the model has no label \"happy\""},
    {"{\"text\": \"a\", \"label\": 5}", 0, SWG_CORRUPT, "line 1: label 5; the model has 5 labels"},
    {"{\"text\": \"a\", \"label\": -1}", 0, SWG_CORRUPT, "label -1"},
    {"{\"text\": \"a\", \"label\": 1.5}", 0, SWG_CORRUPT, "\"label\" is missing, or neither"},
    {"{\"text\": \"a\", \"label\": null}", 0, SWG_CORRUPT, "\"label\" is missing, or neither"},
    {"{\"text\": \"a\"}", 0, SWG_CORRUPT, "\"label\" is missing"},
    {"{\"label\": 0}", 0, SWG_CORRUPT, "\"text\" is missing"},
    {"{\"text\": 1, \"label\": 0}", 0, SWG_CORRUPT, "\"text\" is missing or not a string"},
    {"{\"text\": \"a\", \"text_pair\": 1, \"label\": 0}", 0, SWG_CORRUPT, "\"text_pair\""},
    {"[\"a\", 0]", 0, SWG_CORRUPT, "is not a JSON object"},
    {"{\"text\": \"a\", \"text\": \"b\", \"label\": 0}", 0, SWG_CORRUPT, "line 1"},
    {"{\"text\": \"a\", \"label\": 0} x", 0, SWG_CORRUPT, "line 1"},
    {"{\"text\": \"a\", \"label\": 0}\n\n{\"text\": \"a\", \"label\": 0}", 0, SWG_CORRUPT,
     "line 2"},
    {"{\"text\": \"abcdefghijklmnopqrstuvwxy\", \"label\": 0}", 0, SWG_LIMIT,
     "line 1: the text has 27 tokens; the context holds 24"},
    {"{\"text\": \"abc\", \"label\": 0}", 4, SWG_LIMIT, "has 5 tokens; the context holds 4"},
    {"{\"text\": \"abc\", \"label\": 0}", 25, SWG_UNSUPPORTED, "at most 24"},
    {"", 0, SWG_FAILED, "no items"},
};

START_TEST(bad_items_are_named)
{
    swg_session loaded = classifier(1);
    swg_accuracy accuracy = {0};
    ck_status_is(refusals[_i].status,
                 measure_with(&loaded, refusals[_i].data, refusals[_i].context, &accuracy));
    ck_assert_msg(strstr(swg_error_message(), refusals[_i].says), "\"%s\" does not say \"%s\"",
                  swg_error_message(), refusals[_i].says);
    ck_assert_ptr_null(accuracy.labels);
    swg_session_close(&loaded);
}
END_TEST

START_TEST(other_models_are_refused)
{
    char path[256];
    swg_accuracy accuracy = {0};
    fixture_path("bert-token", path);
    swg_session other = toy_loaded(path, "cs", 1);
    ck_status_is(SWG_UNSUPPORTED, measure_with(&other, "{}", 0, &accuracy));
    swg_session_close(&other);
    swg_session loaded = classifier(1);
    loaded.model->hparams.class_kind = SWG_CLASS_EACH;
    ck_status_is(SWG_UNSUPPORTED, measure_with(&loaded, "{}", 0, &accuracy));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "multi_label_classification"));
    loaded.model->hparams.class_kind = SWG_CLASS_REGRESSION;
    ck_status_is(SWG_UNSUPPORTED, measure_with(&loaded, "{}", 0, &accuracy));
    swg_session_close(&loaded);
}
END_TEST

START_TEST(labels_without_names_are_numbered)
{
    char number[32];
    swg_session loaded = classifier(1);
    ck_assert_str_eq(swg_label_name(loaded.model, 3, number), "wild");
    loaded.model->labels = NULL;
    ck_assert_str_eq(swg_label_name(loaded.model, 3, number), "LABEL_3");
    swg_accuracy accuracy = {0};
    ck_ok(measure_with(&loaded, "{\"text\": \"a\", \"label\": \"LABEL_3\"}", 0, &accuracy));
    ck_assert_uint_eq(accuracy.labels[3].n, 1);
    swg_accuracy_deinit(&accuracy);
    swg_session_close(&loaded);
}
END_TEST

static swg_status try_measuring(void *context)
{
    swg_accuracy accuracy = {0};
    const swg_status status =
        measure_with(context,
                     "{\"text\": \"a\", \"label\": 0}\n{\"text\": \"b\", \"text_pair\": \"c\", "
                     "\"label\": \"sad\"}",
                     0, &accuracy);
    swg_accuracy_deinit(&accuracy);
    return status;
}

START_TEST(allocations_may_fail)
{
    swg_session loaded = classifier(1);
    swg_test_each_allocation_fails(try_measuring, &loaded);
    swg_session_close(&loaded);
}
END_TEST

/* --- Choosing --------------------------------------------------------------------------------- */

static const struct {
    const char *task, *protocol;
    swg_eval_source source;
    swg_output_kind output;
    swg_status status;
    const char *says; /* or the task chosen */
    swg_protocol chosen;
} choices[] = {
    {NULL, NULL, SWG_EVAL_TEXT, SWG_OUTPUT_NEXT_TOKEN, SWG_OK, "perplexity", SWG_PROTOCOL_gptq},
    {NULL, "per-doc", SWG_EVAL_TEXT, SWG_OUTPUT_NEXT_TOKEN, SWG_OK, "perplexity",
     SWG_PROTOCOL_per_doc},
    {"perplexity", "llama.cpp", SWG_EVAL_TEXT, SWG_OUTPUT_NEXT_TOKEN, SWG_OK, "perplexity",
     SWG_PROTOCOL_llama_cpp},
    {NULL, NULL, SWG_EVAL_TEXT, SWG_OUTPUT_MASKED_TOKEN, SWG_OK, "pll", SWG_PROTOCOL_pll},
    {"pll", "pll", SWG_EVAL_TEXT, SWG_OUTPUT_MASKED_TOKEN, SWG_OK, "pll", SWG_PROTOCOL_pll},
    {NULL, NULL, SWG_EVAL_DATA, SWG_OUTPUT_SEQUENCE_CLASS, SWG_OK, "classify", 0},
    {"classify", NULL, SWG_EVAL_DATA, SWG_OUTPUT_SEQUENCE_CLASS, SWG_OK, "classify", 0},
    {NULL, NULL, SWG_EVAL_DATA, SWG_OUTPUT_HIDDEN_STATE, SWG_OK, "similarity", 0},
    {NULL, NULL, SWG_EVAL_TEXT, SWG_OUTPUT_HIDDEN_STATE, SWG_UNSUPPORTED,
     "task similarity, which reads --data", 0},
    {"cosine", NULL, SWG_EVAL_TEXT, SWG_OUTPUT_HIDDEN_STATE, SWG_USAGE, "--ref", 0},
    {"pll", NULL, SWG_EVAL_TEXT, SWG_OUTPUT_HIDDEN_STATE, SWG_UNSUPPORTED,
     "use task cosine or similarity", 0},
    {NULL, "gptq", SWG_EVAL_TEXT, SWG_OUTPUT_MASKED_TOKEN, SWG_UNSUPPORTED, "use protocol pll", 0},
    {"pll", "gptq", SWG_EVAL_TEXT, SWG_OUTPUT_MASKED_TOKEN, SWG_UNSUPPORTED, "use protocol pll", 0},
    {NULL, "pll", SWG_EVAL_TEXT, SWG_OUTPUT_NEXT_TOKEN, SWG_UNSUPPORTED,
     "use protocol gptq or llama.cpp or per-doc", 0},
    {NULL, "pll", SWG_EVAL_TEXT, SWG_OUTPUT_TOKEN_CLASS, SWG_UNSUPPORTED,
     "no protocol is for those that label tokens", 0},
    {"perplexity", NULL, SWG_EVAL_TEXT, SWG_OUTPUT_MASKED_TOKEN, SWG_UNSUPPORTED, "use task pll",
     0},
    {"classify", NULL, SWG_EVAL_DATA, SWG_OUTPUT_NEXT_TOKEN, SWG_UNSUPPORTED, "use task perplexity",
     0},
    {"classify", NULL, SWG_EVAL_DATA, SWG_OUTPUT_ANSWER_SPAN, SWG_UNSUPPORTED,
     "no task is for those that find answers", 0},
    {NULL, NULL, SWG_EVAL_TEXT, SWG_OUTPUT_ANSWER_SPAN, SWG_UNSUPPORTED,
     "no evaluation task for models that find answers", 0},
    {NULL, NULL, SWG_EVAL_TEXT, SWG_OUTPUT_SEQUENCE_CLASS, SWG_UNSUPPORTED,
     "task classify, which reads --data", 0},
    {NULL, NULL, SWG_EVAL_DATA, SWG_OUTPUT_MASKED_TOKEN, SWG_UNSUPPORTED, "which reads --text", 0},
    {"pll", NULL, SWG_EVAL_DATA, SWG_OUTPUT_MASKED_TOKEN, SWG_USAGE, "reads --text, not --data", 0},
    {"classify", "pll", SWG_EVAL_DATA, SWG_OUTPUT_SEQUENCE_CLASS, SWG_USAGE, "--protocol", 0},
    {"guess", NULL, SWG_EVAL_TEXT, SWG_OUTPUT_NEXT_TOKEN, SWG_USAGE, "\"guess\"", 0},
    {NULL, "guess", SWG_EVAL_TEXT, SWG_OUTPUT_NEXT_TOKEN, SWG_USAGE, "\"guess\"", 0},
};

START_TEST(tasks_are_chosen_by_what_models_give)
{
    const swg_eval_task *task = NULL;
    swg_protocol protocol = 0;
    ck_status_is(choices[_i].status,
                 swg_eval_choose(choices[_i].task, choices[_i].protocol, choices[_i].source, false,
                                 choices[_i].output, &task, &protocol));
    if (choices[_i].status == SWG_OK) {
        ck_assert_str_eq(task->name, choices[_i].says);
        ck_assert_int_eq(protocol, choices[_i].chosen);
    } else {
        ck_assert_msg(strstr(swg_error_message(), choices[_i].says), "\"%s\" does not say \"%s\"",
                      swg_error_message(), choices[_i].says);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("classify");
    TCase *tests = tcase_create("classify");
    tcase_add_test(tests, accuracy_is_counted_right);
    tcase_add_loop_test(tests, bad_items_are_named, 0, sizeof refusals / sizeof refusals[0]);
    tcase_add_test(tests, other_models_are_refused);
    tcase_add_test(tests, labels_without_names_are_numbered);
    tcase_add_test(tests, allocations_may_fail);
    tcase_add_loop_test(tests, tasks_are_chosen_by_what_models_give, 0,
                        sizeof choices / sizeof choices[0]);
    suite_add_tcase(suite, tests);
    return suite;
}
