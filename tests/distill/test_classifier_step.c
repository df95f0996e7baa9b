/* One step of a recurrent classifier against a reference in double precision written here: loss,
 * norm of the gradient and updated weights; the reference's gradients are central differences. And
 * what a new head keeps of a model. */
#include <math.h>
#include <string.h>

#include "distill/classifier_training.h"
#include "formats/memory_source.h"
#include "quantize/checkpoint.h"
#include "runtime/base/mem.h"
#include "runtime/initial_weights.h"
#include "tests/harness.h"

enum { VOCAB = 7, WIDTH = 3, UNITS = 4, LABELS = 3, GATES = 4 * UNITS, MOST = 256 };

static const char config[] = "{\"model_type\": \"rnn\", \"cell\": \"lstm\", \"vocab_size\": 7, "
                             "\"embedding_size\": 3, \"num_hidden_layers\": 1, \"hidden_size\": 4}";
static const char *const names[LABELS] = {"a", "b", "c"};
static const swg_label_names labels = {names, LABELS};

/* The tensors, in the order in which the reference has them. */
static const struct {
    const char *name;
    size_t n;
    bool is_matrix;
} tensors[] = {
    {"embedding.weight", VOCAB *WIDTH, true}, {"rnn.weight_ih_l0", GATES *WIDTH, true},
    {"rnn.weight_hh_l0", GATES *UNITS, true}, {"rnn.bias_ih_l0", GATES, false},
    {"rnn.bias_hh_l0", GATES, false},         {"classifier.weight", LABELS *UNITS, true},
    {"classifier.bias", LABELS, false},
};
enum { N_TENSORS = sizeof tensors / sizeof *tensors };

/* Two texts of different lengths. */
static int32_t ids[] = {1, 4, 2, 6, 3, 5}, types[6];
static size_t begins[] = {0, 4, 6}, truth[] = {2, 0};
static const swg_labelled texts = {
    .n = 2, .ids = ids, .types = types, .begins = begins, .labels = truth, .longest = 4};

/* --- The reference ---------------------------------------------------------------------------- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double loss_of_text(const double *w, size_t text)
{
    const double *embedding = w, *input = embedding + VOCAB * WIDTH, *state = input + GATES * WIDTH;
    const double *b = state + GATES * UNITS, *b2 = b + GATES, *head = b2 + GATES;
    const double *head_bias = head + LABELS * UNITS;
    double h[UNITS] = {0}, c[UNITS] = {0}, logits[LABELS], sum = 0;
    for (size_t t = begins[text]; t < begins[text + 1]; t++) {
        double g[GATES];
        for (size_t i = 0; i < GATES; i++) {
            g[i] = b[i] + b2[i];
            for (size_t j = 0; j < WIDTH; j++)
                g[i] += input[i * WIDTH + j] * embedding[(size_t)ids[t] * WIDTH + j];
            for (size_t j = 0; j < UNITS; j++)
                g[i] += state[i * UNITS + j] * h[j];
        }
        for (size_t j = 0; j < UNITS; j++) {
            c[j] = sigmoid(g[UNITS + j]) * c[j] + sigmoid(g[j]) * tanh(g[2 * UNITS + j]);
            h[j] = sigmoid(g[3 * UNITS + j]) * tanh(c[j]);
        }
    }
    for (size_t i = 0; i < LABELS; i++) {
        logits[i] = head_bias[i];
        for (size_t j = 0; j < UNITS; j++)
            logits[i] += head[i * UNITS + j] * h[j];
        sum += exp(logits[i]);
    }
    return log(sum) - logits[truth[text]];
}

static double loss_of(const double *w)
{
    return (loss_of_text(w, 0) + loss_of_text(w, 1)) / 2;
}

/* --- The step --------------------------------------------------------------------------------- */

static swg_source *new_classifier(void)
{
    swg_source *base, *source;
    ck_ok(swg_initial_weights(config, sizeof config - 1, NULL, 0, 3, &base));
    ck_ok(swg_classifier_new(base, &labels, false, 5, &source));
    swg_source_close(&base);
    return source;
}

static size_t read_weights(swg_source *source, double *w)
{
    size_t n = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        const size_t index = swg_source_find(source, tensors[i].name);
        ck_assert_msg(index != SIZE_MAX, "no tensor %s", tensors[i].name);
        ck_assert_uint_eq(swg_tensor_elems(swg_source_tensor(source, index)), tensors[i].n);
        for (size_t j = 0; j < tensors[i].n; j++)
            w[n++] = (double)swg_memory_source_values(source, index)[j];
    }
    ck_assert_uint_le(n, MOST);
    return n;
}

/* The weights of the model of a trainer, as it wrote them to a folder. */
static size_t write_and_read(swg_trainer *trainer, swg_source *source, const swg_plan *plan,
                             double *w)
{
    const char *path = swg_test_path("step");
    swg_sink_options how = swg_sink_options_default();
    swg_sink_meta meta;
    swg_tensor_desc *outputs;
    swg_sink *sink;
    swg_source *written;
    uint64_t bytes;
    size_t n = 0;
    how.force = true;
    ck_ok(swg_sink_meta_from_source(source, &meta));
    ck_ok(swg_quantize_output_descs(plan, &outputs));
    ck_ok(swg_sink_open(path, &how, &meta, outputs, plan->n_entries, &sink));
    ck_ok(swg_trainer_write(trainer, sink));
    ck_ok(swg_sink_finish(&sink, &bytes));
    ck_ok(swg_source_open(path, NULL, &written));
    for (size_t i = 0; i < N_TENSORS; i++) {
        float values[MOST];
        const size_t index = swg_source_find(written, tensors[i].name);
        ck_ok(swg_source_read_f32(written, index, 0,
                                  swg_tensor_rows(swg_source_tensor(written, index)), values));
        for (size_t j = 0; j < tensors[i].n; j++)
            w[n++] = (double)values[j];
    }
    swg_source_close(&written);
    swg_free(outputs);
    swg_sink_meta_deinit(&meta);
    return n;
}

static void keep_record(void *context, const swg_distill_record *record)
{
    if (record->step == 1)
        *(swg_distill_record *)context = *record;
}

/* AdamW's first step in double, of gradients that are central differences. */
static double reference_step(double *w, size_t n, const swg_distill_options *o)
{
    double g[MOST], square = 0;
    for (size_t i = 0; i < n; i++) {
        const double step = 1e-5, old = w[i];
        w[i] = old + step;
        g[i] = loss_of(w);
        w[i] = old - step;
        g[i] = (g[i] - loss_of(w)) / (2 * step);
        w[i] = old;
        square += g[i] * g[i];
    }
    const double norm = sqrt(square),
                 scale = norm > o->adamw.max_norm ? o->adamw.max_norm / norm : 1;
    for (size_t i = 0, tensor = 0, end = tensors[0].n; i < n; i++) {
        if (i == end)
            end += tensors[++tensor].n;
        const double decay = tensors[tensor].is_matrix ? o->rate * o->adamw.decay : 0;
        w[i] =
            w[i] * (1 - decay) - o->rate * scale * g[i] / (fabs(scale * g[i]) + o->adamw.epsilon);
    }
    return norm;
}

START_TEST(a_step_is_that_of_the_reference)
{
    swg_source *source = new_classifier();
    swg_tensor_desc *descs;
    swg_plan plan;
    swg_trainer *trainer;
    double w[MOST], after[MOST];
    swg_distill_record record = {0};
    swg_distill_result result;
    const size_t n = read_weights(source, w);
    ck_ok(swg_quantize_source_descs(source, &descs));
    ck_ok(swg_plan_make_plain(descs, swg_source_n_tensors(source), &plan));
    swg_trainer_options how = swg_trainer_options_default();
    how.window = texts.longest;
    ck_ok(swg_trainer_new(source, &plan, &how, &trainer));
    swg_distill_options o = swg_distill_options_default();
    o.batch = 2;
    o.rate = 0.1;
    o.warm_up = 0;
    o.adamw.epsilon = 0.05;
    o.adamw.decay = 0.1;
    o.adamw.max_norm = 0.3;
    o.weights[SWG_LOSS_kl] = 0;
    o.weights[SWG_LOSS_ce] = 1;
    o.log = keep_record;
    o.log_context = &record;
    const swg_classifier_data data = {.texts = &texts, .epochs = 1};
    ck_ok(swg_classifier_train(trainer, &data, &o, &result));
    ck_assert_double_eq_tol(record.loss, loss_of(w), 1e-6);
    ck_assert_double_eq_tol(record.gradient_norm, reference_step(w, n, &o), 1e-5);
    ck_assert_uint_eq(write_and_read(trainer, source, &plan, after), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(after[i] - w[i]) <= 2e-5, "weight %zu: %.7f, not %.7f", i, after[i],
                      w[i]);
    swg_trainer_free(&trainer);
    swg_plan_deinit(&plan);
    swg_free(descs);
    swg_source_close(&source);
}
END_TEST

/* --- Heads ------------------------------------------------------------------------------------ */

static swg_status make(void *context)
{
    swg_source *source = NULL;
    const swg_status status = swg_classifier_new(context, &labels, false, 1, &source);
    swg_source_close(&source);
    return status;
}

START_TEST(heads_are_for_models_that_have_them)
{
    swg_source *source;
    ck_ok(swg_source_open("tests/runtime/fixtures/bert-model", NULL, &source));
    ck_ok(make(source));
    swg_test_each_allocation_fails(make, source);
    swg_source_close(&source);
    ck_ok(swg_source_open("tests/runtime/fixtures/qwen3", NULL, &source));
    ck_status_is(SWG_UNSUPPORTED, make(source));
    swg_source_close(&source);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("classifier_step");
    TCase *cases = tcase_create("classifiers");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_step_is_that_of_the_reference);
    tcase_add_test(cases, heads_are_for_models_that_have_them);
    suite_add_tcase(suite, cases);
    return suite;
}
