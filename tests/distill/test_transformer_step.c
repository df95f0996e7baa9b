/* One step of training a llama and a GPT-2 against a reference in double precision written here:
 * the loss, the norm of the gradient and every updated weight. The reference's gradients are
 * central differences of its loss, its step is AdamW's formula. */
#include <math.h>
#include <string.h>

#include "tests/distill/double_model.h"
#include "tests/harness.h"

enum { WINDOW = LONGEST, BATCH = 2, VOCAB = 11, LAYERS = 2 };
static const double eps = 1e-5;

static const char llama[] =
    "{\"model_type\": \"llama\", \"vocab_size\": 11, \"hidden_size\": 8, \"intermediate_size\": "
    "12, "
    "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"num_hidden_layers\": 2, "
    "\"max_position_embeddings\": 16, \"rms_norm_eps\": 1e-5}";
static const char gpt2[] =
    "{\"model_type\": \"gpt2\", \"vocab_size\": 11, \"n_embd\": 8, \"n_inner\": 12, \"n_head\": 4, "
    "\"n_layer\": 2, \"n_positions\": 8}";

/* The second half is held out: it is the first again, so that a step makes it likelier. */
static const int32_t ids[2 * BATCH * WINDOW] = {1, 4, 2, 10, 3, 5, 7, 0, 7, 9, 8, 6,
                                                1, 4, 2, 10, 3, 5, 7, 0, 7, 9, 8, 6};

/* --- The reference ---------------------------------------------------------------------------- */

static void rotate(double *x, size_t n_heads, size_t position)
{
    for (size_t h = 0; h < n_heads; h++)
        for (size_t i = 0; i < DIM / 2; i++) {
            const double angle = (double)position * pow(10000, -2.0 * (double)i / DIM);
            double *a = x + h * DIM + i, *b = a + DIM / 2;
            const double first = *a;
            *a = first * cos(angle) - *b * sin(angle);
            *b = first * sin(angle) + *b * cos(angle);
        }
}

/* The gated network of a llama, or GPT-2's with its tanh GELU. */
static void feed_forward(const double *w, size_t layer, bool is_llama, const double *y, double *out)
{
    double up[FF], gate[FF];
    double_linear(w, SWG_ROLE_FFN_UP, layer, y, WIDTH, FF, up);
    if (is_llama)
        double_linear(w, SWG_ROLE_FFN_GATE, layer, y, WIDTH, FF, gate);
    for (size_t i = 0; i < FF; i++)
        up[i] = is_llama
                    ? up[i] * gate[i] / (1 + exp(-gate[i]))
                    : 0.5 * up[i] * (1 + tanh(sqrt(2 / M_PI) * (up[i] + 0.044715 * pow(up[i], 3))));
    double_linear(w, SWG_ROLE_FFN_DOWN, layer, up, FF, WIDTH, out);
}

static void run_layer(const double *w, size_t layer, bool is_llama, double (*x)[WIDTH])
{
    const size_t n_kv = is_llama ? 2 : HEADS;
    double q[WINDOW][WIDTH], k[WINDOW][WIDTH], v[WINDOW][WIDTH], y[WIDTH], out[WIDTH];
    for (size_t t = 0; t < WINDOW; t++) {
        double_norm(w, SWG_ROLE_ATTENTION_NORM, layer, eps, x[t], y);
        double_linear(w, SWG_ROLE_QUERY, layer, y, WIDTH, WIDTH, q[t]);
        double_linear(w, SWG_ROLE_KEY, layer, y, WIDTH, n_kv * DIM, k[t]);
        double_linear(w, SWG_ROLE_VALUE, layer, y, WIDTH, n_kv * DIM, v[t]);
        if (is_llama) {
            rotate(q[t], HEADS, t);
            rotate(k[t], n_kv, t);
        }
    }
    for (size_t t = 0; t < WINDOW; t++) {
        double_attend(q[t], (const double(*)[WIDTH])k, (const double(*)[WIDTH])v, t + 1, n_kv, y);
        double_linear(w, SWG_ROLE_ATTENTION_OUTPUT, layer, y, WIDTH, WIDTH, out);
        for (size_t i = 0; i < WIDTH; i++)
            x[t][i] += out[i];
        double_norm(w, SWG_ROLE_FFN_NORM, layer, eps, x[t], y);
        feed_forward(w, layer, is_llama, y, out);
        for (size_t i = 0; i < WIDTH; i++)
            x[t][i] += out[i];
    }
}

/* The cross-entropies of a window's tokens but the first, added up. */
static double loss_of_window(const double *w, bool is_llama, const int32_t *window)
{
    const double *embedding = double_find(w, SWG_ROLE_EMBEDDING, 0, false);
    const double *positions = double_find(w, SWG_ROLE_POSITION_EMBEDDING, 0, false);
    double x[WINDOW][WIDTH], sum = 0;
    for (size_t t = 0; t < WINDOW; t++)
        for (size_t i = 0; i < WIDTH; i++)
            x[t][i] = embedding[(size_t)window[t] * WIDTH + i] +
                      (positions ? positions[t * WIDTH + i] : 0);
    for (size_t layer = 0; layer < LAYERS; layer++)
        run_layer(w, layer, is_llama, x);
    for (size_t t = 0; t + 1 < WINDOW; t++) {
        double y[WIDTH], logits[VOCAB], total = 0;
        double_norm(w, SWG_ROLE_OUTPUT_NORM, 0, eps, x[t], y);
        double_linear(w, is_llama ? SWG_ROLE_HEAD : SWG_ROLE_EMBEDDING, 0, y, WIDTH, VOCAB, logits);
        for (size_t i = 0; i < VOCAB; i++)
            total += exp(logits[i]);
        sum += log(total) - logits[window[t + 1]];
    }
    return sum;
}

static double loss_of(const double *w, bool is_llama)
{
    double sum = 0;
    for (size_t i = 0; i < BATCH; i++)
        sum += loss_of_window(w, is_llama, ids + i * WINDOW);
    return sum / (BATCH * WINDOW);
}

static double llama_loss(const double *w)
{
    return loss_of(w, true);
}

static double gpt2_loss(const double *w)
{
    return loss_of(w, false);
}

/* --- The step --------------------------------------------------------------------------------- */

START_TEST(a_step_is_that_of_the_reference)
{
    static double_trial trial;
    swg_distill_options *const o = &trial.options;
    swg_trainer_options how = swg_trainer_options_default();
    swg_distill_result result;
    how.window = WINDOW;
    how.together = BATCH;
    double_begin(&trial, _i ? gpt2 : llama, &how);
    o->ids = ids;
    o->n_windows = 2 * BATCH;
    o->window = WINDOW;
    o->held_out = BATCH;
    o->steps = 1;
    ck_ok(swg_distill(trial.trainer, NULL, o, &result));
    ck_assert_uint_eq(result.best.step, 1); /* its weights are those that remain */
    double_compare(&trial, _i ? gpt2_loss : llama_loss);
    double_end(&trial);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("transformer_step");
    TCase *cases = tcase_create("transformer_step");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, a_step_is_that_of_the_reference, 0, 2);
    suite_add_tcase(suite, cases);
    return suite;
}
