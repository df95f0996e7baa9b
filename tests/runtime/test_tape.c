/* Gradients of the tape: of a random linear function of the logits, by every matrix and by the rows
 * that enter the first layer, against central differences, for every architecture. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/backend/backend.h"
#include "runtime/backend/tape.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { WIDEST = 64, MAX_LAYERS = 4 };

/* A model, a text, and the loss L = sum of cotangent * logits. */
typedef struct problem {
    swg_model *model;
    swg_exec *exec;
    int32_t ids[ARCH_TOKENS];
    size_t n_layers, rows, n_outputs; /* rows of logits */
    float *cotangent, *logits;        /* [rows][n_outputs] */
    float x[MAX_LAYERS + 1][ARCH_TOKENS * WIDEST];
    float **slopes; /* [n_weights]: dL/dW [n][k] of matrices and vectors, else NULL */
} problem;

static problem *new_problem(const char *name, const char *backend, swg_pool *pool)
{
    char path[256];
    size_t length;
    problem *p = swg_calloc(1, sizeof *p);
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/config.json", name);
    char *config = (char *)swg_test_read_file(path, &length);
    swg_model_options options = swg_model_options_default();
    options.backend = backend;
    ck_ok(swg_model_random(config, length, swg_scheme_plain(SWG_F32), 5, &options, &p->model));
    swg_free(config);
    swg_exec_options how = swg_exec_options_default();
    how.context = ARCH_TOKENS;
    how.activations = SWG_ACT_F32;
    ck_ok(swg_exec_new(p->model, pool, &how, &p->exec));
    p->n_layers = (size_t)p->model->hparams.n_layers;
    ck_assert_uint_le(p->n_layers, MAX_LAYERS);
    p->rows = arch_rows(p->model, ARCH_TOKENS);
    p->n_outputs = (size_t)p->model->hparams.n_outputs;
    arch_ids(p->ids, ARCH_TOKENS, 1);
    p->cotangent = swg_calloc(p->rows * p->n_outputs, sizeof(float));
    p->logits = swg_calloc(p->rows * p->n_outputs, sizeof(float));
    swg_rng rng = swg_rng_seeded(3);
    for (size_t i = 0; i < p->rows * p->n_outputs; i++)
        p->cotangent[i] = swg_rng_normal(&rng);
    p->slopes = swg_calloc(p->model->n_weights, sizeof *p->slopes);
    for (size_t i = 0; i < p->model->n_weights; i++)
        if (p->model->weights[i].memory || p->model->weights[i].vector)
            p->slopes[i] =
                swg_calloc(p->model->weights[i].n * p->model->weights[i].k, sizeof(float));
    return p;
}

static void free_problem(problem *p)
{
    for (size_t i = 0; i < p->model->n_weights; i++)
        swg_free(p->slopes[i]);
    swg_free(p->slopes);
    swg_free(p->cotangent);
    swg_free(p->logits);
    swg_exec_free(&p->exec);
    swg_model_free(&p->model);
    swg_free(p);
}

/* The loss, from layer `first` on: 0 with begin, or from the rows x[0] that are there. */
static double loss(problem *p, bool with_begin)
{
    if (with_begin)
        ck_ok(swg_exec_begin(p->exec, 0, 0, p->ids, NULL, ARCH_TOKENS, p->x[0]));
    for (size_t layer = 0; layer < p->n_layers; layer++)
        ck_ok(swg_exec_layer(p->exec, layer, 0, 0, ARCH_TOKENS, p->x[layer], p->x[layer + 1]));
    ck_ok(swg_exec_end(p->exec, p->rows, p->x[p->n_layers], p->logits));
    double sum = 0;
    for (size_t i = 0; i < p->rows * p->n_outputs; i++)
        sum += (double)p->cotangent[i] * (double)p->logits[i];
    return sum;
}

/* --- The gradients ---------------------------------------------------------------------------- */

static float *slopes_of(problem *p, const swg_weight *weight)
{
    return p->slopes[weight - p->model->weights];
}

static void add_product(void *context, const swg_weight *weight, const float *x, const float *dy,
                        size_t rows)
{
    float *slopes = slopes_of(context, weight);
    for (size_t t = 0; t < rows; t++)
        for (size_t i = 0; i < weight->n; i++)
            for (size_t j = 0; j < weight->k; j++)
                slopes[i * weight->k + j] += dy[t * weight->n + i] * x[t * weight->k + j];
}

static void add_look_up(void *context, const swg_weight *weight, const size_t *index,
                        const float *dy, size_t rows)
{
    float *slopes = slopes_of(context, weight);
    for (size_t t = 0; t < rows; t++)
        for (size_t j = 0; j < weight->k; j++)
            slopes[index[t] * weight->k + j] += dy[t * weight->k + j];
}

static void add_vector(void *context, const swg_weight *weight, const float *dv, const float *dbias)
{
    float *slopes = slopes_of(context, weight);
    ck_assert((dbias != NULL) == (weight->bias != NULL));
    for (size_t i = 0; i < weight->n; i++)
        slopes[i] += dv[i];
}

/* Fill p->slopes; dx [ARCH_TOKENS][width(0)] = the gradient by the first layer's input. */
static void differentiate(problem *p, float *dx)
{
    const swg_gradient_observer observer = {
        .context = p, .product = add_product, .look_up = add_look_up, .vector = add_vector};
    float d[ARCH_TOKENS * WIDEST] = {0};
    (void)loss(p, true);
    swg_tape_record(p->exec);
    ck_ok(swg_exec_end(p->exec, p->rows, p->x[p->n_layers], p->logits));
    ck_ok(swg_tape_reverse(p->exec, p->cotangent, d, &observer));
    for (size_t layer = p->n_layers; layer-- > 0;) {
        float y[ARCH_TOKENS * WIDEST];
        swg_tape_record(p->exec);
        ck_ok(swg_exec_layer(p->exec, layer, 0, 0, ARCH_TOKENS, p->x[layer], y));
        ck_ok(swg_tape_reverse(p->exec, d, d, &observer));
    }
    memcpy(dx, d, sizeof d);
    swg_tape_record(p->exec);
    ck_ok(swg_exec_begin(p->exec, 0, 0, p->ids, NULL, ARCH_TOKENS, p->x[0]));
    ck_ok(swg_tape_reverse(p->exec, d, NULL, &observer));
}

/* Values of a weight plus `step` times a direction, in place of its own. */
static void replace(const problem *p, const swg_weight *weight, const float *values,
                    const float *direction, float step)
{
    const size_t elems = weight->n * weight->k;
    float *moved = swg_calloc(elems, sizeof *moved);
    for (size_t i = 0; i < elems; i++)
        moved[i] = values[i] + step * direction[i];
    const swg_tensor_desc desc = {.name = "moved",
                                  .scheme = swg_scheme_plain(SWG_F32),
                                  .rank = weight->vector ? 1 : 2,
                                  .shape = {weight->n, weight->k}};
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = moved};
    ck_ok(swg_model_replace(p->model, weight, &desc, planes));
    swg_free(moved);
}

static void fill(float *x, size_t n, uint64_t seed)
{
    swg_rng rng = swg_rng_seeded(seed);
    for (size_t i = 0; i < n; i++)
        x[i] = swg_rng_normal(&rng);
}

static void assert_slope(double got, double minus, double plus, double step, double scale,
                         const char *what)
{
    const double wanted = (plus - minus) / (2 * step);
    ck_assert_msg(fabs(got - wanted) <= 1e-3 * (fabs(wanted) + scale), "%s: %.7g, differences %.7g",
                  what, got, wanted);
}

/* |slopes| |direction|: what a slope along a random direction is measured against. */
static double size_of(const float *slopes, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)slopes[i] * (double)slopes[i];
    return sqrt(sum);
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void check_weight(problem *p, const swg_weight *weight, size_t index)
{
    const size_t elems = weight->n * weight->k;
    float *values = swg_calloc(elems, sizeof(float)), *direction = swg_calloc(elems, sizeof(float));
    char what[64];
    for (size_t row = 0; row < weight->n && weight->vector; row++)
        values[row] = weight->vector[row];
    for (size_t row = 0; row < weight->n && !weight->vector; row++)
        p->model->backend->weights->row_f32(weight, row, values + row * weight->k);
    fill(direction, elems, index + 100);
    const double step = 2e-3 * size_of(values, elems) / size_of(direction, elems);
    replace(p, weight, values, direction, (float)step);
    const double plus = loss(p, true);
    replace(p, weight, values, direction, (float)-step);
    const double minus = loss(p, true);
    replace(p, weight, values, direction, 0);
    snprintf(what, sizeof what, "weight %zu (role %d, layer %zu)", index, (int)weight->role,
             weight->layer);
    assert_slope(dot(p->slopes[index], direction, elems), minus, plus, step,
                 size_of(p->slopes[index], elems), what);
    swg_free(values);
    swg_free(direction);
}

START_TEST(gradients_are_what_differences_say)
{
    problem *p = new_problem(arch_names[_i], "tape", NULL);
    float dx[ARCH_TOKENS * WIDEST], direction[ARCH_TOKENS * WIDEST], base[ARCH_TOKENS * WIDEST];
    differentiate(p, dx);
    for (size_t i = 0; i < p->model->n_weights; i++)
        if (p->slopes[i])
            check_weight(p, &p->model->weights[i], i);
    const size_t n = ARCH_TOKENS * swg_exec_width(p->exec, 0);
    (void)loss(p, true);
    memcpy(base, p->x[0], n * sizeof *base);
    fill(direction, n, 9);
    double ends[2];
    const double step = 2e-3 * size_of(base, n) / size_of(direction, n);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            p->x[0][i] = base[i] + (float)(side ? step : -step) * direction[i];
        ends[side] = loss(p, false);
    }
    assert_slope(dot(dx, direction, n), ends[0], ends[1], step, size_of(dx, n), "input");
    free_problem(p);
}
END_TEST

/* The tape computes what the cpu backend computes, and the same for any number of threads. */
START_TEST(bytes_do_not_depend_on_backend_or_threads)
{
    swg_pool *pool;
    ck_ok(swg_pool_new(3, &pool));
    problem *plain = new_problem(arch_names[_i], "cpu", NULL);
    problem *one = new_problem(arch_names[_i], "tape", NULL);
    problem *three = new_problem(arch_names[_i], "tape", pool);
    const size_t logits = one->rows * one->n_outputs * sizeof(float);
    (void)loss(plain, true);
    (void)loss(one, true);
    ck_assert_mem_eq(plain->logits, one->logits, logits);
    {
        float dx[2][ARCH_TOKENS * WIDEST];
        differentiate(one, dx[0]);
        differentiate(three, dx[1]);
        ck_assert_mem_eq(dx[0], dx[1], sizeof dx[0]);
        for (size_t i = 0; i < one->model->n_weights; i++)
            if (one->slopes[i])
                ck_assert_mem_eq(one->slopes[i], three->slopes[i],
                                 one->model->weights[i].n * one->model->weights[i].k *
                                     sizeof(float));
    }
    free_problem(three);
    free_problem(one);
    free_problem(plain);
    swg_pool_free(&pool);
}
END_TEST

START_TEST(misuse_is_refused)
{
    problem *cpu = new_problem("qwen3", "cpu", NULL), *p = new_problem("qwen3", "tape", NULL);
    float x[ARCH_TOKENS * WIDEST];
    ck_ok(swg_exec_begin(cpu->exec, 0, 0, p->ids, NULL, ARCH_TOKENS, x));
    swg_tape_record(cpu->exec);
    ck_status_is(SWG_USAGE, swg_tape_reverse(cpu->exec, x, NULL, NULL));
    ck_status_is(SWG_USAGE, swg_tape_reverse(p->exec, x, NULL, NULL)); /* nothing recorded */
    swg_tape_record(p->exec);
    ck_ok(swg_exec_begin(p->exec, 0, 0, p->ids, NULL, ARCH_TOKENS, x));
    ck_status_is(SWG_USAGE, swg_tape_reverse(p->exec, x, x, NULL)); /* it has no input */
    ck_ok(swg_tape_reverse(p->exec, x, NULL, NULL));
    ck_ok(swg_exec_layer(p->exec, 0, 0, 0, 8, x, x));
    swg_tape_record(p->exec);
    ck_status_is(SWG_UNSUPPORTED, swg_exec_layer(p->exec, 0, 0, 8, 4, x, x));
    free_problem(p);
    free_problem(cpu);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tape");
    TCase *cases = tcase_create("gradients");
    tcase_add_loop_test(cases, gradients_are_what_differences_say, 0, N_ARCH_NAMES);
    tcase_add_loop_test(cases, bytes_do_not_depend_on_backend_or_threads, 0, N_ARCH_NAMES);
    tcase_add_test(cases, misuse_is_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
