/* Running a model part by part, with an observer: begin, every layer and end by hand give the bytes
 * of a whole run, and an observer sees what every weight is multiplied with. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/arch/arch.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { WIDEST = 64 };

/* --- Part by part ----------------------------------------------------------------------------- */

/* begin, then every layer into a buffer of its own: rows[layer] is what enters it. */
typedef struct hidden_states {
    size_t n_layers;
    float rows[4][ARCH_TOKENS * WIDEST];
} hidden_states;

static void run_parts(swg_exec *exec, const swg_model *model, size_t sequence, const int32_t *ids,
                      hidden_states *out)
{
    out->n_layers = (size_t)model->hparams.n_layers;
    ck_assert_uint_lt(out->n_layers, 4);
    for (size_t layer = 0; layer <= out->n_layers; layer++)
        ck_assert_uint_le(swg_exec_width(exec, layer), WIDEST);
    ck_ok(swg_exec_begin(exec, sequence, 0, ids, NULL, ARCH_TOKENS, out->rows[0]));
    for (size_t layer = 0; layer < out->n_layers; layer++)
        ck_ok(swg_exec_layer(exec, layer, sequence, 0, ARCH_TOKENS, out->rows[layer],
                             out->rows[layer + 1]));
}

START_TEST(parts_give_the_bytes_of_a_run)
{
    swg_model *model = arch_model(arch_names[_i], arch_int4);
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 0);
    const size_t rows = arch_rows(model, ARCH_TOKENS);
    const size_t elems = rows * (size_t)model->hparams.n_outputs;
    float *wanted = arch_logits(model, ids, ARCH_TOKENS);
    float *got = swg_calloc(elems, sizeof *got);
    /* Chunks of 4 cut the text of decoders; the second sequence is not the first one. */
    swg_exec *exec =
        arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS, .chunk = 4, .sequences = 2});
    hidden_states first, again;
    run_parts(exec, model, 1, ids, &first);
    run_parts(exec, model, 1, ids, &again); /* rows may be run again */
    ck_assert_mem_eq(first.rows[first.n_layers], again.rows[first.n_layers],
                     ARCH_TOKENS * swg_exec_width(exec, first.n_layers) * sizeof(float));
    ck_ok(swg_exec_end(exec, rows, again.rows[again.n_layers], got));
    ck_assert_mem_eq(got, wanted, elems * sizeof *got);
    ck_assert_uint_eq(swg_exec_position_of(exec, 1), 0);
    swg_exec_free(&exec);
    swg_free(got);
    swg_free(wanted);
    swg_model_free(&model);
}
END_TEST

/* A layer may be run on rows of later positions, in place, when those before have been run. */
START_TEST(layers_continue_where_they_were)
{
    swg_model *model = arch_model(arch_names[_i], arch_int4);
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 0);
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS});
    hidden_states whole;
    run_parts(exec, model, 0, ids, &whole);
    const size_t width = swg_exec_width(exec, 0), next = swg_exec_width(exec, 1), cut = 6;
    /* Angles of dynamic scaling and what an encoder sees depend on the text's length. */
    if (!model->hparams.is_encoder && width == next) {
        float rows[ARCH_TOKENS * WIDEST];
        memcpy(rows, whole.rows[0], sizeof rows);
        ck_ok(swg_exec_layer(exec, 0, 0, 0, cut, rows, rows));
        ck_ok(swg_exec_layer(exec, 0, 0, cut, ARCH_TOKENS - cut, rows + cut * width,
                             rows + cut * width));
        ck_assert_mem_eq(rows, whole.rows[1], ARCH_TOKENS * width * sizeof *rows);
    }
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

/* An observer that stops a layer at one of its products. */
typedef struct stopper {
    size_t wanted, n_seen, columns;
    float x[ARCH_TOKENS * WIDEST]; /* that product's input */
    bool has_enough;
} stopper;

static void stop(void *context, const swg_weight *const *weights, size_t count, const float *x,
                 size_t rows, size_t columns, size_t stride)
{
    stopper *s = context;
    (void)weights;
    (void)count;
    if (s->n_seen++ != s->wanted)
        return;
    ck_assert(columns <= WIDEST);
    for (size_t r = 0; r < rows; r++)
        memcpy(s->x + r * columns, x + r * stride, columns * sizeof *x);
    s->columns = columns;
    s->has_enough = true;
}

/* Layer 0 stopped at one of its products and resumed there, or after the last sum before it. False:
 * it has no such product. */
static bool resume_layer(const swg_model *model, const float *x, size_t product, bool has_input,
                         float *y)
{
    stopper s = {.wanted = product};
    const swg_observer observer = {.context = &s, .inputs = stop, .has_enough = &s.has_enough};
    swg_exec *exec =
        arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS, .observer = &observer});
    ck_ok(swg_exec_layer(exec, 0, 0, 0, ARCH_TOKENS, x, y));
    const bool has_product = s.has_enough;
    swg_layer_point point = swg_exec_layer_point(exec);
    point.input = has_input ? s.x : NULL;
    ck_assert(!has_product || point.n_products == product);
    s.has_enough = false;
    if (has_product) {
        ck_ok(swg_exec_layer_from(exec, 0, 0, 0, ARCH_TOKENS, &point, y, y));
        point = (swg_layer_point){.n_products = 99, .input = s.x};
        ck_status_is(SWG_USAGE, swg_exec_layer_from(exec, 0, 0, 0, ARCH_TOKENS, &point, y, s.x));
    }
    swg_exec_free(&exec);
    return has_product;
}

START_TEST(layers_resume_where_they_were_stopped)
{
    swg_model *model = arch_model(arch_names[_i], arch_int4);
    int32_t ids[ARCH_TOKENS];
    float y[ARCH_TOKENS * WIDEST];
    hidden_states whole;
    arch_ids(ids, ARCH_TOKENS, 0);
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS});
    const size_t bytes = ARCH_TOKENS * swg_exec_width(exec, 1) * sizeof(float);
    run_parts(exec, model, 0, ids, &whole);
    for (size_t product = 0; model->arch->is_resumable; product++) {
        if (!resume_layer(model, whole.rows[0], product, true, y)) {
            ck_assert_uint_ge(product, 4);
            break;
        }
        ck_assert_mem_eq(y, whole.rows[1], bytes);
        ck_assert(resume_layer(model, whole.rows[0], product, false, y));
        ck_assert_mem_eq(y, whole.rows[1], bytes);
    }
    const swg_layer_point point = {.n_sums = 1};
    if (!model->arch->is_resumable)
        ck_status_is(SWG_UNSUPPORTED,
                     swg_exec_layer_from(exec, 0, 0, 0, 1, &point, whole.rows[0], y));
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

START_TEST(parts_that_do_not_exist_are_refused)
{
    swg_model *model = arch_model("qwen3", arch_int4);
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = 4});
    const int32_t ids[] = {1, 2, 3, 4, ARCH_VOCAB};
    float x[5 * WIDEST] = {0};
    const size_t n_layers = (size_t)model->hparams.n_layers;
    ck_status_is(SWG_USAGE, swg_exec_layer(exec, n_layers, 0, 0, 1, x, x));
    ck_status_is(SWG_USAGE, swg_exec_layer(exec, 0, 1, 0, 1, x, x));
    ck_status_is(SWG_LIMIT, swg_exec_layer(exec, 0, 0, 1, 4, x, x));
    ck_status_is(SWG_LIMIT, swg_exec_layer(exec, 0, 0, SIZE_MAX, 2, x, x));
    ck_status_is(SWG_USAGE, swg_exec_begin(exec, 1, 0, ids, NULL, 1, x));
    ck_status_is(SWG_LIMIT, swg_exec_begin(exec, 0, 0, ids, NULL, 5, x));
    ck_status_is(SWG_CORRUPT, swg_exec_begin(exec, 0, 0, ids + 4, NULL, 1, x));
    ck_ok(swg_exec_begin(exec, 0, 0, ids, NULL, 4, x));
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

/* --- The observer ----------------------------------------------------------------------------- */

enum { MAX_SEEN = 64 };

typedef struct sight {
    const swg_weight *weight;
    size_t call, rows, columns;
    float x[ARCH_TOKENS * WIDEST];
} sight;

typedef struct sights {
    size_t n_calls, n;
    sight seen[MAX_SEEN];
} sights;

static void look(void *context, const swg_weight *const *weights, size_t count, const float *x,
                 size_t rows, size_t columns, size_t stride)
{
    sights *s = context;
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_lt(s->n, MAX_SEEN);
        sight *seen = &s->seen[s->n++];
        ck_assert(rows <= ARCH_TOKENS && columns <= WIDEST && columns == weights[i]->k);
        *seen = (sight){.weight = weights[i], .call = s->n_calls, .rows = rows, .columns = columns};
        for (size_t r = 0; r < rows; r++)
            memcpy(seen->x + r * columns, x + r * stride, columns * sizeof *x);
    }
    s->n_calls++;
}

static const sight *find(const sights *s, const swg_weight *weight, size_t *times)
{
    const sight *found = NULL;
    *times = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->seen[i].weight == weight) {
            found = &s->seen[i];
            ++*times;
        }
    return found;
}

static const sight *find_role(const sights *s, const swg_model *model, swg_role role, size_t layer)
{
    size_t times;
    const swg_weight *weight = swg_model_weight(model, role, layer);
    return weight ? find(s, weight, &times) : NULL;
}

static sights *watch(const swg_model *model, const int32_t *ids, size_t first_logits)
{
    sights *s = swg_calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    const swg_observer observer = {.context = s, .inputs = look};
    swg_exec *exec =
        arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS, .observer = &observer});
    float *logits = swg_calloc(ARCH_TOKENS * (size_t)model->hparams.n_outputs, sizeof *logits);
    const swg_piece piece = {.n = ARCH_TOKENS, .ids = ids, .first_logits = first_logits};
    ck_ok(swg_exec_step(exec, &piece, 1, logits));
    swg_free(logits);
    swg_exec_free(&exec);
    return s;
}

/* Look-ups are not products; a tied embedding is the head's weight. */
static bool is_look_up(const swg_model *model, swg_role role)
{
    return (role == SWG_ROLE_EMBEDDING && !model->hparams.tied_head) ||
           role == SWG_ROLE_POSITION_EMBEDDING || role == SWG_ROLE_TYPE_EMBEDDING;
}

START_TEST(every_product_is_seen_once)
{
    swg_model *model = arch_model(arch_names[_i], arch_int4);
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 0);
    sights *s = watch(model, ids, 0);
    size_t expected = 0;
    for (int role = 0; role < SWG_ROLE_COUNT; role++)
        for (size_t layer = 0; layer < (size_t)model->hparams.n_layers; layer++) {
            const swg_weight *weight = swg_model_weight(model, (swg_role)role, layer);
            const bool is_again = role == SWG_ROLE_HEAD && model->hparams.tied_head;
            if (!weight || weight->k == 1 || is_look_up(model, (swg_role)role) || is_again)
                continue;
            size_t times;
            find(s, weight, &times);
            ck_assert_msg(times == 1, "%s: role %d of layer %zu is seen %zu times", arch_names[_i],
                          role, layer, times);
            expected++;
        }
    ck_assert_uint_eq(s->n, expected);
    swg_free(s);
    swg_model_free(&model);
}
END_TEST

/* y = norm(x) in double, both kinds; weights are 1 and biases 0 in random models. */
static void norm_rows(const swg_model *model, const float *x, size_t columns, bool is_centred,
                      double *y)
{
    for (size_t r = 0; r < ARCH_TOKENS; r++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < columns && is_centred; i++)
            mean += x[r * columns + i] / (double)columns;
        for (size_t i = 0; i < columns; i++) {
            const double d = x[r * columns + i] - mean;
            square += d * d / (double)columns;
        }
        for (size_t i = 0; i < columns; i++)
            y[r * columns + i] =
                (x[r * columns + i] - mean) / sqrt(square + model->hparams.norm_eps);
    }
}

/* What enters the first product of the layer: its rows, normed where the architecture does. */
static void check_layer_input(const swg_model *model, const sight *seen, const float *rows)
{
    const bool is_plain = model->hparams.is_encoder || model->hparams.recurrent.units[0] > 0;
    double normed[ARCH_TOKENS * WIDEST];
    ck_assert_ptr_nonnull(seen);
    ck_assert_uint_eq(seen->rows, ARCH_TOKENS);
    if (!is_plain)
        norm_rows(model, rows, seen->columns, model->hparams.learned_positions, normed);
    for (size_t i = 0; i < seen->rows * seen->columns; i++)
        ck_assert_double_le(fabs(seen->x[i] - (is_plain ? (double)rows[i] : normed[i])), 1e-4);
}

START_TEST(the_input_is_seen)
{
    swg_model *model = arch_model(arch_names[_i], arch_int4);
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 0);
    sights *s = watch(model, ids, 0);
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS});
    hidden_states states;
    run_parts(exec, model, 0, ids, &states);
    for (size_t layer = 0; layer < states.n_layers; layer++) {
        const bool recurs = model->hparams.recurrent.units[0] > 0;
        const sight *seen =
            find_role(s, model, recurs ? SWG_ROLE_RECURRENT_INPUT : SWG_ROLE_QUERY, layer);
        check_layer_input(model, seen, states.rows[layer]);
        if (!recurs) { /* joint products share one call */
            ck_assert_uint_eq(find_role(s, model, SWG_ROLE_KEY, layer)->call, seen->call);
            ck_assert_uint_eq(find_role(s, model, SWG_ROLE_VALUE, layer)->call, seen->call);
            continue;
        }
        /* The state before each row: zeros, then the layer's output one row back. */
        const sight *state = find_role(s, model, SWG_ROLE_RECURRENT_STATE, layer);
        const size_t units = state->columns;
        const float zeros[WIDEST] = {0};
        ck_assert_uint_eq(state->rows, ARCH_TOKENS);
        ck_assert_mem_eq(state->x, zeros, units * sizeof *zeros);
        ck_assert_mem_eq(state->x + units, states.rows[layer + 1],
                         (ARCH_TOKENS - 1) * units * sizeof *zeros);
    }
    swg_exec_free(&exec);
    swg_free(s);
    swg_model_free(&model);
}
END_TEST

START_TEST(the_head_sees_wanted_rows_alone)
{
    swg_model *model = arch_model("gpt2-untied", arch_int4);
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 0);
    for (size_t first = ARCH_TOKENS - 2; first <= ARCH_TOKENS; first++) {
        sights *s = watch(model, ids, first), *all = watch(model, ids, 0);
        const sight *head = find_role(s, model, SWG_ROLE_HEAD, 0);
        const sight *whole = find_role(all, model, SWG_ROLE_HEAD, 0);
        ck_assert_uint_eq(find_role(s, model, SWG_ROLE_QUERY, 0)->rows, ARCH_TOKENS);
        ck_assert_uint_eq(whole->rows, ARCH_TOKENS);
        ck_assert((head != NULL) == (first < ARCH_TOKENS));
        if (head) {
            ck_assert_uint_eq(head->rows, ARCH_TOKENS - first);
            ck_assert_mem_eq(head->x, whole->x + first * head->columns,
                             head->rows * head->columns * sizeof *head->x);
        }
        swg_free(s);
        swg_free(all);
    }
    swg_model_free(&model);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("layers");
    TCase *cases = tcase_create("parts");
    tcase_add_loop_test(cases, parts_give_the_bytes_of_a_run, 0, N_ARCH_NAMES);
    tcase_add_loop_test(cases, layers_continue_where_they_were, 0, N_ARCH_NAMES);
    tcase_add_loop_test(cases, layers_resume_where_they_were_stopped, 0, N_ARCH_NAMES);
    tcase_add_test(cases, parts_that_do_not_exist_are_refused);
    suite_add_tcase(suite, cases);
    cases = tcase_create("observer");
    tcase_add_loop_test(cases, every_product_is_seen_once, 0, N_ARCH_NAMES);
    tcase_add_loop_test(cases, the_input_is_seen, 0, N_ARCH_NAMES);
    tcase_add_test(cases, the_head_sees_wanted_rows_alone);
    suite_add_tcase(suite, cases);
    return suite;
}
