/* One step of training a BERT that classifies texts against a reference in double precision: the
 * loss, the norm of the gradient and every updated weight (double_model.h). */
#include <math.h>
#include <string.h>

#include "distill/classifier_training.h"
#include "tests/distill/double_model.h"
#include "tests/harness.h"

enum { LAYERS = 2, LABELS = 3 };
static const double eps = 1e-12;

static const char config[] =
    "{\"model_type\": \"bert\", \"architectures\": [\"BertForSequenceClassification\"], "
    "\"vocab_size\": 11, \"hidden_size\": 8, \"intermediate_size\": 12, \"num_attention_heads\": "
    "4, "
    "\"num_hidden_layers\": 2, \"max_position_embeddings\": 8, \"type_vocab_size\": 2, "
    "\"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-12, "
    "\"problem_type\": \"single_label_classification\", "
    "\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}}";

/* Two texts, one of them a pair. */
static int32_t ids[] = {1, 4, 2, 10, 3, 5, 7, 0, 9}, types[] = {0, 0, 0, 1, 1, 1, 0, 0, 0};
static size_t begins[] = {0, 6, 9}, truth[] = {2, 0};
static const swg_labelled texts = {
    .n = 2, .ids = ids, .types = types, .begins = begins, .labels = truth, .longest = LONGEST};

/* --- The reference ---------------------------------------------------------------------------- */

/* x = norm(x + update) */
static void add_and_norm(const double *w, swg_role role, size_t layer, const double *update,
                         double *x)
{
    for (size_t i = 0; i < WIDTH; i++)
        x[i] += update[i];
    double_norm(w, role, layer, eps, x, x);
}

static void run_layer(const double *w, size_t layer, size_t n, double (*x)[WIDTH])
{
    double q[LONGEST][WIDTH], k[LONGEST][WIDTH], v[LONGEST][WIDTH];
    for (size_t t = 0; t < n; t++) {
        double_linear(w, SWG_ROLE_QUERY, layer, x[t], WIDTH, WIDTH, q[t]);
        double_linear(w, SWG_ROLE_KEY, layer, x[t], WIDTH, WIDTH, k[t]);
        double_linear(w, SWG_ROLE_VALUE, layer, x[t], WIDTH, WIDTH, v[t]);
    }
    for (size_t t = 0; t < n; t++) {
        double y[WIDTH], out[WIDTH], up[FF];
        double_attend(q[t], (const double(*)[WIDTH])k, (const double(*)[WIDTH])v, n, HEADS, y);
        double_linear(w, SWG_ROLE_ATTENTION_OUTPUT, layer, y, WIDTH, WIDTH, out);
        add_and_norm(w, SWG_ROLE_ATTENTION_NORM, layer, out, x[t]);
        double_linear(w, SWG_ROLE_FFN_UP, layer, x[t], WIDTH, FF, up);
        for (size_t i = 0; i < FF; i++)
            up[i] *= 0.5 * erfc(-up[i] * M_SQRT1_2);
        double_linear(w, SWG_ROLE_FFN_DOWN, layer, up, FF, WIDTH, out);
        add_and_norm(w, SWG_ROLE_FFN_NORM, layer, out, x[t]);
    }
}

static void embed(const double *w, size_t text, double (*x)[WIDTH])
{
    const double *tokens = double_find(w, SWG_ROLE_EMBEDDING, 0, false);
    const double *positions = double_find(w, SWG_ROLE_POSITION_EMBEDDING, 0, false);
    const double *kinds = double_find(w, SWG_ROLE_TYPE_EMBEDDING, 0, false);
    for (size_t t = 0; t < begins[text + 1] - begins[text]; t++) {
        const size_t id = (size_t)ids[begins[text] + t], type = (size_t)types[begins[text] + t];
        for (size_t i = 0; i < WIDTH; i++)
            x[t][i] = tokens[id * WIDTH + i] + positions[t * WIDTH + i] + kinds[type * WIDTH + i];
        double_norm(w, SWG_ROLE_EMBEDDING_NORM, 0, eps, x[t], x[t]);
    }
}

static double loss_of_text(const double *w, size_t text)
{
    double x[LONGEST][WIDTH], pooled[WIDTH], logits[LABELS], sum = 0;
    embed(w, text, x);
    for (size_t layer = 0; layer < LAYERS; layer++)
        run_layer(w, layer, begins[text + 1] - begins[text], x);
    double_linear(w, SWG_ROLE_POOLER, 0, x[0], WIDTH, WIDTH, pooled);
    for (size_t i = 0; i < WIDTH; i++)
        pooled[i] = tanh(pooled[i]);
    double_linear(w, SWG_ROLE_CLASSIFIER, 0, pooled, WIDTH, LABELS, logits);
    for (size_t i = 0; i < LABELS; i++)
        sum += exp(logits[i]);
    return log(sum) - logits[truth[text]];
}

static double loss_of(const double *w)
{
    return (loss_of_text(w, 0) + loss_of_text(w, 1)) / 2;
}

/* --- The step --------------------------------------------------------------------------------- */

START_TEST(a_step_is_that_of_the_reference)
{
    static double_trial trial;
    swg_trainer_options how = swg_trainer_options_default();
    swg_distill_result result;
    how.window = LONGEST;
    double_begin(&trial, config, &how);
    const swg_classifier_data data = {.texts = &texts, .epochs = 1};
    ck_ok(swg_classifier_train(trial.trainer, &data, &trial.options, &result));
    double_compare(&trial, loss_of);
    double_end(&trial);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("encoder_step");
    TCase *cases = tcase_create("encoder_step");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_step_is_that_of_the_reference);
    suite_add_tcase(suite, cases);
    return suite;
}
