/* Training: one step against AdamW written here in double, what is kept zero and what is rounded,
 * and that a student comes closer to its teacher, the same for any number of threads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "distill/distill.h"
#include "quantize/checkpoint.h"
#include "runtime/backend/backend.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/exec.h"
#include "tests/harness.h"

enum { WINDOW = 12, WINDOWS = 10, VOCAB = 29 };

/* A source, a plan for it, and a trainer. */
typedef struct student {
    swg_source *source;
    swg_tensor_desc *descs;
    swg_tensor_use *uses;
    swg_recipe *recipe;
    swg_plan plan;
    swg_trainer *trainer;
} student;

static void open_student(student *s, const char *fixture, unsigned bits, bool keep_zeros,
                         swg_pool *pool)
{
    char path[256];
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s", fixture);
    *s = (student){0};
    ck_ok(swg_source_open(path, NULL, &s->source));
    ck_ok(swg_quantize_source_descs(s->source, &s->descs));
    if (bits) {
        swg_recipe_preset preset = swg_recipe_preset_default();
        preset.bits = preset.embedding_bits = bits;
        preset.group = preset.embedding_group = 0;
        ck_ok(swg_recipe_from_preset(&preset, &s->recipe));
        ck_ok(swg_quantize_source_uses(s->source, s->descs, &s->uses));
        ck_ok(
            swg_plan_make(s->descs, swg_source_n_tensors(s->source), s->uses, s->recipe, &s->plan));
    } else {
        ck_ok(swg_plan_make_plain(s->descs, swg_source_n_tensors(s->source), &s->plan));
    }
    swg_trainer_options options = swg_trainer_options_default();
    options.window = WINDOW;
    options.keep_zeros = keep_zeros;
    options.pool = pool;
    ck_ok(swg_trainer_new(s->source, &s->plan, &options, &s->trainer));
}

static void close_student(student *s)
{
    swg_trainer_free(&s->trainer);
    swg_plan_deinit(&s->plan);
    swg_recipe_free(&s->recipe);
    swg_free(s->uses);
    swg_free(s->descs);
    swg_source_close(&s->source);
}

static void window_ids(int32_t *ids)
{
    swg_rng rng = swg_rng_seeded(4);
    for (size_t i = 0; i < WINDOWS * WINDOW; i++)
        ids[i] = (int32_t)(swg_rng_next(&rng) % VOCAB);
}

/* --- One step --------------------------------------------------------------------------------- */

/* Slopes that do not depend on the logits. */
static swg_status constant_slopes(void *context, size_t first, size_t n, float *logits)
{
    (void)context;
    for (size_t i = 0; i < n * VOCAB; i++)
        logits[i] = 0.01f * sinf((float)(first * VOCAB + i));
    return SWG_OK;
}

/* All rows of a weight as the model has them. */
static float *values_of(const swg_model *model, swg_role role, size_t *n)
{
    const swg_weight *weight = swg_model_weight(model, role, 0);
    float *values = swg_calloc(weight->n * weight->k, sizeof *values);
    for (size_t row = 0; row < weight->n; row++)
        model->backend->weights->row_f32(weight, row, values + row * weight->k);
    *n = weight->n * weight->k;
    return values;
}

/* The loss that these are the slopes of. */
static double constant_loss(const swg_model *model, const int32_t *ids)
{
    float logits[WINDOW * VOCAB];
    swg_exec_options how = swg_exec_options_default();
    swg_exec *exec;
    double loss = 0;
    how.context = how.chunk = WINDOW;
    how.activations = SWG_ACT_F32;
    ck_ok(swg_exec_new(model, NULL, &how, &exec));
    ck_ok(swg_exec_run(exec, ids, WINDOW, 0, logits));
    for (size_t i = 0; i < WINDOW * VOCAB; i++)
        loss += (double)(0.01f * sinf((float)i)) * (double)logits[i];
    swg_exec_free(&exec);
    return loss;
}

/* The first step of AdamW moves every weight against its gradient's sign by the rate: the signs of
 * biases' gradients are those of differences. */
static void expect_signs(const swg_model *model, const swg_model *other, size_t w,
                         const int32_t *ids, size_t *n_checked)
{
    const swg_weight *after = &model->weights[w], *before = &other->weights[w];
    const size_t n = after->n < 6 ? after->n : 6;
    float bias[512];
    ck_assert_uint_le(after->n, 512);
    memcpy(bias, before->bias, after->n * sizeof *bias);
    for (size_t i = 0; i < n; i++) {
        const float old = bias[i];
        const double move = (double)after->bias[i] - (double)old;
        double loss[2];
        for (size_t side = 0; side < 2; side++) {
            bias[i] = old + (side ? 0.02f : -0.02f);
            swg_model_replace_bias((swg_model *)other, before, bias);
            loss[side] = constant_loss(other, ids);
        }
        bias[i] = old;
        swg_model_replace_bias((swg_model *)other, before, bias);
        if (fabs(loss[1] - loss[0]) < 1e-5)
            continue;
        ck_assert_double_eq_tol(move, loss[1] > loss[0] ? -0.01 : 0.01, 1e-4);
        ++*n_checked;
    }
}

START_TEST(biases_are_trained)
{
    static const char *const fixtures[] = {"gpt2-untied", "llama-biases", "rnn-gru", "rnn-lstm"};
    student s, other;
    int32_t ids[WINDOWS * WINDOW];
    double norm;
    size_t n_checked = 0;
    const swg_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-12};
    window_ids(ids);
    open_student(&s, fixtures[_i], 0, false, NULL);
    open_student(&other, fixtures[_i], 0, false, NULL);
    ck_ok(swg_trainer_backward(s.trainer, ids, 1, constant_slopes, NULL));
    ck_ok(swg_trainer_step(s.trainer, &adamw, 0.01, &norm));
    const swg_model *model = swg_trainer_model(s.trainer);
    for (size_t w = 0; w < model->n_weights; w++)
        if (swg_model_bias_tensor(model, &model->weights[w]) != SIZE_MAX)
            expect_signs(model, swg_trainer_model(other.trainer), w, ids, &n_checked);
    ck_assert_uint_gt(n_checked, 10);
    close_student(&other);
    close_student(&s);
}
END_TEST

/* The gradient by the head is known without a tape: slopes^T rows. */
typedef struct seen {
    const swg_weight *head;
    double gradient[VOCAB * 64];
} seen;

static void see_head(void *context, const swg_weight *const *weights, size_t count, const float *x,
                     size_t rows, size_t columns, size_t stride)
{
    seen *s = context;
    if (count != 1 || weights[0] != s->head)
        return;
    for (size_t t = 0; t < rows; t++)
        for (size_t i = 0; i < VOCAB; i++)
            for (size_t j = 0; j < columns; j++)
                s->gradient[i * columns + j] +=
                    (double)(0.01f * sinf((float)(t * VOCAB + i))) * (double)x[t * stride + j];
}

START_TEST(a_step_is_adamw)
{
    student s;
    int32_t ids[WINDOWS * WINDOW];
    float logits[WINDOW * VOCAB];
    seen *head = swg_calloc(1, sizeof *head);
    window_ids(ids);
    open_student(&s, "qwen3", 0, false, NULL);
    const swg_model *model = swg_trainer_model(s.trainer);
    head->head = swg_model_weight(model, SWG_ROLE_HEAD, 0);
    const swg_observer observer = {.context = head, .inputs = see_head};
    swg_exec_options how = swg_exec_options_default();
    how.context = how.chunk = WINDOW;
    how.observer = &observer;
    swg_exec *exec;
    ck_ok(swg_exec_new(model, NULL, &how, &exec));
    ck_ok(swg_exec_run(exec, ids, WINDOW, 0, logits));
    size_t n;
    float *before = values_of(model, SWG_ROLE_HEAD, &n);
    const swg_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .decay = 0.1};
    double norm, square = 0;
    ck_ok(swg_trainer_backward(s.trainer, ids, 1, constant_slopes, NULL));
    ck_ok(swg_trainer_step(s.trainer, &adamw, 0.01, &norm));
    float *after = values_of(model, SWG_ROLE_HEAD, &n);
    for (size_t i = 0; i < n; i++) {
        /* m / (1 - beta1) and v / (1 - beta2) of the first step are g and g^2. */
        const double g = head->gradient[i];
        const double wanted =
            (double)before[i] * (1 - 0.01 * 0.1) - 0.01 * g / (sqrt(g * g) + 1e-8);
        square += g * g;
        if (fabs(g) > 1e-6)
            ck_assert_msg(fabs((double)after[i] - wanted) < 1e-5, "%zu: %g, not %g", i,
                          (double)after[i], wanted);
    }
    ck_assert_double_gt(norm, sqrt(square)); /* the other tensors have gradients too */
    swg_free(after);
    swg_free(before);
    swg_exec_free(&exec);
    close_student(&s);
    swg_free(head);
}
END_TEST

/* What is frozen by its name stays as it is, and everything else is trained. */
START_TEST(frozen_tensors_stay)
{
    static const char *const wrong[][2] = {{"no tensor called \"nothing\"", "nothing"},
                                           {"every tensor of ", "*"}};
    student s;
    int32_t ids[WINDOWS * WINDOW];
    size_t n;
    double norm;
    swg_trainer *trainer = NULL;
    const swg_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    window_ids(ids);
    open_student(&s, "qwen3", 0, false, NULL);
    const uint64_t n_weights = swg_trainer_n_weights(s.trainer);
    const swg_weight *head = swg_model_weight(swg_trainer_model(s.trainer), SWG_ROLE_HEAD, 0);
    swg_trainer_options options = swg_trainer_options_default();
    options.window = WINDOW;
    options.frozen = (const char *const[]){head->tensor};
    options.n_frozen = 1;
    ck_ok(swg_trainer_new(s.source, &s.plan, &options, &trainer));
    ck_assert_uint_eq(swg_trainer_n_weights(trainer), n_weights - (uint64_t)head->n * head->k);
    const swg_model *model = swg_trainer_model(trainer);
    float *head_before = values_of(model, SWG_ROLE_HEAD, &n);
    float *value_before = values_of(model, SWG_ROLE_VALUE, &n);
    ck_ok(swg_trainer_backward(trainer, ids, 1, constant_slopes, NULL));
    ck_ok(swg_trainer_step(trainer, &adamw, 0.01, &norm));
    float *value = values_of(model, SWG_ROLE_VALUE, &n);
    ck_assert_int_ne(memcmp(value, value_before, n * sizeof *value), 0);
    float *kept = values_of(model, SWG_ROLE_HEAD, &n);
    ck_assert_mem_eq(kept, head_before, n * sizeof *kept);
    swg_free(head_before);
    swg_free(value_before);
    swg_free(value);
    swg_free(kept);
    swg_trainer_free(&trainer);
    for (size_t i = 0; i < 2; i++) {
        options.frozen = &wrong[i][1];
        ck_status_is(SWG_USAGE, swg_trainer_new(s.source, &s.plan, &options, &trainer));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), wrong[i][0]));
    }
    close_student(&s);
}
END_TEST

/* What a backward pass takes is known: of each token when its layers are kept, of a part of them at
 * a time when not. */
START_TEST(memory_is_planned)
{
    static const char *const fixtures[] = {"qwen3", "gpt2-untied", "rnn-gru"};
    student s;
    uint64_t two, four, again;
    swg_trainer_options options = swg_trainer_options_default();
    swg_trainer *trainer = NULL;
    open_student(&s, fixtures[_i], 0, false, NULL);
    ck_ok(swg_trainer_backward_bytes(s.trainer, 2, &two));
    ck_ok(swg_trainer_backward_bytes(s.trainer, 4, &four));
    ck_assert_uint_gt(four, two);
    ck_assert_uint_le(four, 2 * two);
    options.window = WINDOW;
    options.together = 4;
    ck_ok(swg_trainer_new(s.source, &s.plan, &options, &trainer));
    ck_ok(swg_trainer_backward_bytes(trainer, 2, &two));
    ck_ok(swg_trainer_backward_bytes(trainer, 4, &four));
    ck_assert_uint_eq(four, 2 * two);
    swg_trainer_free(&trainer);
    options.checkpoints = true;
    ck_ok(swg_trainer_new(s.source, &s.plan, &options, &trainer));
    ck_ok(swg_trainer_backward_bytes(trainer, 4, &again));
    ck_assert_uint_lt(again, four);
    swg_trainer_free(&trainer);
    close_student(&s);
}
END_TEST

/* --- Whole runs ------------------------------------------------------------------------------- */

/* A teacher that differs: the same architecture with other weights. */
static swg_model *new_teacher(const char *fixture)
{
    char path[256];
    size_t length;
    swg_model *model = NULL;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/config.json", fixture);
    char *config = (char *)swg_test_read_file(path, &length);
    ck_ok(swg_model_random(config, length, swg_scheme_plain(SWG_F32), 3, NULL, &model));
    swg_free(config);
    return model;
}

static swg_status distill(student *s, const swg_model *teacher, const int32_t *ids, size_t steps,
                          swg_pool *pool, swg_distill_result *out)
{
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.held_out = 2;
    o.steps = steps;
    o.batch = 2;
    o.rate = 0.01;
    o.warm_up = 3;
    o.judge_every = 5;
    o.pool = pool;
    return swg_distill(s->trainer, teacher, &o, out);
}

START_TEST(students_come_closer)
{
    static const char *const fixtures[] = {"qwen3", "gpt2-untied", "llama-biases", "rnn-gru"};
    student s;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result r;
    window_ids(ids);
    swg_model *teacher = new_teacher(fixtures[_i]);
    open_student(&s, fixtures[_i], 0, false, NULL);
    ck_ok(distill(&s, teacher, ids, 30, NULL, &r));
    ck_assert_double_lt(r.best.kld, 0.9 * r.first.kld);
    ck_assert_uint_eq(r.tokens, 30 * 2 * WINDOW);
    close_student(&s);
    swg_model_free(&teacher);
}
END_TEST

/* Losses of the first and the last step. */
typedef struct ends {
    double first, last;
} ends;

static void see_loss(void *context, const swg_distill_record *record)
{
    ends *e = context;
    e->first = record->step == 1 ? record->loss : e->first;
    e->last = record->loss;
}

/* Rows between layers come closer to those of a teacher of other widths, and attention scores to
 * those of one with as many heads, by these losses alone. */
START_TEST(rows_come_closer)
{
    static const swg_loss losses[] = {SWG_LOSS_hidden_mse, SWG_LOSS_hidden_cosine,
                                      SWG_LOSS_attention_mse};
    static const char *const teachers[] = {"gpt2-untied", "gpt2-untied", "qwen3"};
    student s;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result r;
    ends e = {0};
    window_ids(ids);
    swg_model *teacher = new_teacher(teachers[_i]);
    open_student(&s, "qwen3", 0, false, NULL);
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.held_out = 2;
    o.steps = 40;
    o.batch = WINDOWS - 2; /* every step sees the same windows */
    o.rate = 0.01;
    o.weights[SWG_LOSS_kl] = 0;
    o.weights[losses[_i]] = 1;
    o.log = see_loss;
    o.log_context = &e;
    ck_ok(swg_distill(s.trainer, teacher, &o, &r));
    ck_assert_msg(e.last < 0.7 * e.first, "from %g to %g", e.first, e.last);
    ck_status_is(SWG_USAGE, swg_distill(s.trainer, NULL, &o, &r)); /* there are no other rows */
    close_student(&s);
    swg_model_free(&teacher);
}
END_TEST

/* The least weighted sum of divergence and cross-entropy that was judged, and its step. */
typedef struct least {
    double kl, ce, sum;
    uint64_t step;
} least;

static void see_judgement(void *context, const swg_distill_record *record)
{
    least *l = context;
    const double sum = l->kl * record->kld + l->ce * record->nll;
    if (!record->is_judged || (record->step > 0 && sum >= l->sum))
        return;
    l->sum = sum;
    l->step = record->step;
}

/* Judgements are compared by what is trained on. The text is noise, so that the two disagree. */
START_TEST(the_best_has_the_least_loss)
{
    static const least kinds[] = {{.kl = 1}, {.ce = 1}, {.kl = 1, .ce = 0.5}};
    least l = kinds[_i];
    student s;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result r;
    window_ids(ids);
    swg_model *teacher = new_teacher("qwen3");
    open_student(&s, "qwen3", 0, false, NULL);
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.held_out = 2;
    o.steps = 30;
    o.batch = 2;
    o.rate = 0.01;
    o.judge_every = 1;
    o.weights[SWG_LOSS_kl] = l.kl;
    o.weights[SWG_LOSS_ce] = l.ce;
    o.log = see_judgement;
    o.log_context = &l;
    ck_ok(swg_distill(s.trainer, teacher, &o, &r));
    ck_assert_uint_eq(r.best.step, l.step);
    ck_assert_double_eq(l.kl * r.best.kld + l.ce * r.best.nll, l.sum);
    close_student(&s);
    swg_model_free(&teacher);
}
END_TEST

/* Attention scores need attention. */
START_TEST(recurrent_models_have_no_scores)
{
    student s;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result r;
    window_ids(ids);
    swg_model *teacher = new_teacher("rnn-gru");
    open_student(&s, "rnn-gru", 0, false, NULL);
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.steps = 1;
    o.weights[SWG_LOSS_attention_mse] = 1;
    ck_status_is(SWG_USAGE, swg_distill(s.trainer, teacher, &o, &r));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "head by head"));
    close_student(&s);
    swg_model_free(&teacher);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    student one, three;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result a, b;
    swg_pool *pool;
    window_ids(ids);
    ck_ok(swg_pool_new(3, &pool));
    swg_model *teacher = new_teacher("qwen3");
    open_student(&one, "qwen3", 4, false, NULL);
    open_student(&three, "qwen3", 4, false, pool);
    ck_ok(distill(&one, teacher, ids, 6, NULL, &a));
    ck_ok(distill(&three, teacher, ids, 6, pool, &b));
    ck_assert_double_eq(a.best.kld, b.best.kld);
    size_t n;
    float *x = values_of(swg_trainer_model(one.trainer), SWG_ROLE_FFN_DOWN, &n);
    float *y = values_of(swg_trainer_model(three.trainer), SWG_ROLE_FFN_DOWN, &n);
    ck_assert_mem_eq(x, y, n * sizeof *x);
    swg_free(x);
    swg_free(y);
    close_student(&three);
    close_student(&one);
    swg_model_free(&teacher);
    swg_pool_free(&pool);
}
END_TEST

/* Layers that are run again for their gradients give those of layers that were kept; windows that
 * are computed together, the same but for the order of sums. */
START_TEST(keeping_layers_changes_nothing)
{
    static const struct {
        bool checkpoints;
        size_t together;
    } ways[] = {{false, 3}, {true, 3}, {false, 1}, {true, 1}};
    static const char *const fixtures[] = {"qwen3", "gpt2-untied", "rnn-gru"};
    enum { COUNT = sizeof ways / sizeof *ways };
    int32_t ids[WINDOWS * WINDOW];
    float *values[COUNT];
    size_t n = 0;
    const swg_adamw adamw = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-2};
    const swg_role role = _i == 2 ? SWG_ROLE_HEAD : SWG_ROLE_FFN_DOWN;
    window_ids(ids);
    for (size_t i = 0; i < COUNT; i++) {
        student s;
        double norm;
        open_student(&s, fixtures[_i], 0, false, NULL);
        swg_trainer_options options = swg_trainer_options_default();
        options.window = WINDOW;
        options.checkpoints = ways[i].checkpoints;
        options.together = ways[i].together;
        swg_trainer_free(&s.trainer);
        ck_ok(swg_trainer_new(s.source, &s.plan, &options, &s.trainer));
        ck_ok(swg_trainer_backward(s.trainer, ids, 4, constant_slopes, NULL)); /* 3 and 1 */
        ck_ok(swg_trainer_step(s.trainer, &adamw, 0.01, &norm));
        values[i] = values_of(swg_trainer_model(s.trainer), role, &n);
        close_student(&s);
    }
    ck_assert_mem_eq(values[0], values[1], n * sizeof *values[0]);
    ck_assert_mem_eq(values[2], values[3], n * sizeof *values[0]);
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(values[0][i], values[2][i], 1e-5f);
    for (size_t i = 0; i < COUNT; i++)
        swg_free(values[i]);
}
END_TEST

/* With codes, a row has few values; with kept zeros, as many zeros as before. */
START_TEST(what_compression_made_is_kept)
{
    student s;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result r;
    size_t n;
    window_ids(ids);
    swg_model *teacher = new_teacher("qwen3");
    open_student(&s, "qwen3", 3, false, NULL);
    ck_ok(distill(&s, teacher, ids, 8, NULL, &r));
    const size_t k = swg_model_weight(teacher, SWG_ROLE_QUERY, 0)->k;
    float *values = values_of(swg_trainer_model(s.trainer), SWG_ROLE_QUERY, &n);
    for (size_t row = 0; row < n / k; row++) {
        size_t different = 0;
        for (size_t i = 0; i < k; i++) {
            bool is_new = true;
            for (size_t j = 0; j < i; j++)
                is_new &= values[row * k + i] != values[row * k + j];
            different += is_new;
        }
        ck_assert_uint_le(different, 8);
    }
    swg_free(values);
    close_student(&s);
    open_student(&s, "qwen3", 0, true, NULL);
    const uint64_t zeros = swg_trainer_n_zeros(s.trainer);
    ck_ok(distill(&s, teacher, ids, 8, NULL, &r));
    ck_assert_uint_eq(swg_trainer_n_zeros(s.trainer), zeros);
    close_student(&s);
    swg_model_free(&teacher);
}
END_TEST

START_TEST(what_cannot_be_trained_is_refused)
{
    student s;
    int32_t ids[WINDOWS * WINDOW];
    swg_distill_result r;
    window_ids(ids);
    open_student(&s, "qwen3", 0, false, NULL);
    swg_model *teacher = new_teacher("qwen3");
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.held_out = WINDOWS;
    o.steps = 1;
    ck_status_is(SWG_FAILED, swg_distill(s.trainer, teacher, &o, &r));
    o.held_out = 1;
    o.steps = 0;
    ck_status_is(SWG_USAGE, swg_distill(s.trainer, teacher, &o, &r));
    /* A rate at which nothing can stay finite or near: stopped, with the best weights kept. */
    o.steps = 40;
    o.rate = 30;
    o.batch = 1;
    o.warm_up = 0;
    ck_status_is(SWG_FAILED, swg_distill(s.trainer, teacher, &o, &r));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "step"));
    size_t n;
    float *values = values_of(swg_trainer_model(s.trainer), SWG_ROLE_QUERY, &n);
    for (size_t i = 0; i < n; i++)
        ck_assert(fabsf(values[i]) < 100);
    swg_free(values);
    swg_model_free(&teacher);
    close_student(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("trainer");
    TCase *cases = tcase_create("training");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_step_is_adamw);
    tcase_add_test(cases, frozen_tensors_stay);
    tcase_add_loop_test(cases, memory_is_planned, 0, 3);
    tcase_add_loop_test(cases, biases_are_trained, 0, 4);
    tcase_add_loop_test(cases, students_come_closer, 0, 4);
    tcase_add_loop_test(cases, rows_come_closer, 0, 3);
    tcase_add_loop_test(cases, the_best_has_the_least_loss, 0, 3);
    tcase_add_test(cases, recurrent_models_have_no_scores);
    tcase_add_test(cases, threads_do_not_matter);
    tcase_add_loop_test(cases, keeping_layers_changes_nothing, 0, 3);
    tcase_add_test(cases, what_compression_made_is_kept);
    tcase_add_test(cases, what_cannot_be_trained_is_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
