/* The Fisher diagonal: the mean over many seeds against the exact expectation, which takes every
 * label at every position in turn. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/backend/tape.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/base/strbuf.h"
#include "runtime/sensitivity.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { WINDOW = 6, WINDOWS = 2, SEEDS = 300, MAX_SUMS = 64, WIDEST = 64 };

static const char *const decoders[] = {"llama-biases", "mistral-window", "qwen3", "gpt2-untied"};
enum { N_DECODERS = sizeof decoders / sizeof decoders[0] };

static swg_source *open_fixture(const char *name)
{
    char path[256];
    swg_source *source = NULL;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s", name);
    ck_ok(swg_source_open(path, NULL, &source));
    return source;
}

static void window_ids(int32_t *ids)
{
    for (size_t w = 0; w < WINDOWS; w++)
        arch_ids(ids + w * WINDOW, WINDOW, w);
}

/* --- The exact expectation -------------------------------------------------------------------- */

typedef struct exact {
    double weight; /* of the gradients that arrive: the label's probability */
    double product[MAX_SUMS], look_up[MAX_SUMS]; /* [n_weights] sums over rows */
    const swg_model *model;
} exact;

static void add_product(void *context, const swg_weight *weight, const float *x, const float *dy,
                        size_t rows)
{
    exact *e = context;
    (void)x;
    for (size_t i = 0; i < rows * weight->n; i++)
        e->product[weight - e->model->weights] += e->weight * (double)dy[i] * (double)dy[i];
}

static void add_look_up(void *context, const swg_weight *weight, const size_t *index,
                        const float *dy, size_t rows)
{
    exact *e = context;
    (void)index;
    for (size_t i = 0; i < rows * weight->k; i++)
        e->look_up[weight - e->model->weights] +=
            e->weight * (double)dy[i] * (double)dy[i] / (double)weight->k;
}

/* The rows of one window, and its logits. */
typedef struct pass {
    swg_exec *exec;
    const int32_t *ids;
    size_t n_layers, vocab;
    float x[4][WINDOW * WIDEST];
    float logits[WINDOW * ARCH_VOCAB];
} pass;

/* Gradients of -log p(label) at one position, through the whole model. */
static void reverse_label(pass *p, size_t t, const double *probabilities, size_t label,
                          const swg_gradient_observer *observer)
{
    float slopes[WINDOW * ARCH_VOCAB] = {0}, d[WINDOW * WIDEST], y[WINDOW * WIDEST];
    for (size_t i = 0; i < p->vocab; i++)
        slopes[t * p->vocab + i] = (float)(probabilities[i] - (i == label));
    swg_tape_record(p->exec);
    ck_ok(swg_exec_end(p->exec, WINDOW, p->x[p->n_layers], p->logits));
    ck_ok(swg_tape_reverse(p->exec, slopes, d, observer));
    for (size_t layer = p->n_layers; layer-- > 0;) {
        swg_tape_record(p->exec);
        ck_ok(swg_exec_layer(p->exec, layer, 0, 0, WINDOW, p->x[layer], y));
        ck_ok(swg_tape_reverse(p->exec, d, d, observer));
    }
    swg_tape_record(p->exec);
    ck_ok(swg_exec_begin(p->exec, 0, 0, p->ids, NULL, WINDOW, y));
    ck_ok(swg_tape_reverse(p->exec, d, NULL, observer));
}

static void add_window(pass *p, exact *e)
{
    const swg_gradient_observer observer = {
        .context = e, .product = add_product, .look_up = add_look_up};
    ck_ok(swg_exec_begin(p->exec, 0, 0, p->ids, NULL, WINDOW, p->x[0]));
    for (size_t layer = 0; layer < p->n_layers; layer++)
        ck_ok(swg_exec_layer(p->exec, layer, 0, 0, WINDOW, p->x[layer], p->x[layer + 1]));
    ck_ok(swg_exec_end(p->exec, WINDOW, p->x[p->n_layers], p->logits));
    for (size_t t = 0; t < WINDOW; t++) {
        double probabilities[ARCH_VOCAB], sum = 0;
        for (size_t i = 0; i < p->vocab; i++)
            sum += probabilities[i] = exp((double)p->logits[t * p->vocab + i]);
        for (size_t i = 0; i < p->vocab; i++)
            probabilities[i] /= sum;
        for (size_t label = 0; label < p->vocab; label++) {
            e->weight = probabilities[label] / (WINDOW * WINDOWS);
            reverse_label(p, t, probabilities, label, &observer);
        }
    }
}

static void measure_exactly(swg_source *source, const int32_t *ids, exact *e, swg_model **model)
{
    swg_model_options options = swg_model_options_default();
    options.backend = "tape";
    ck_ok(swg_model_load(source, &options, model));
    ck_assert_uint_le((*model)->n_weights, MAX_SUMS);
    e->model = *model;
    pass *p = swg_calloc(1, sizeof *p);
    p->n_layers = (size_t)(*model)->hparams.n_layers;
    p->vocab = (size_t)(*model)->hparams.n_outputs;
    p->exec = arch_exec(*model, (swg_exec_options){.context = WINDOW, .activations = SWG_ACT_F32});
    for (size_t w = 0; w < WINDOWS; w++) {
        p->ids = ids + w * WINDOW;
        add_window(p, e);
    }
    swg_exec_free(&p->exec);
    swg_free(p);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static double sum_of(const double *array, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; array && i < n; i++)
        sum += array[i];
    return sum;
}

/* Add the measurement of one seed to sums per weight; a tensor counts for its first weight. */
static void add_seed(swg_source *source, const int32_t *ids, uint64_t seed, const swg_model *model,
                     double *product, double *look_up)
{
    swg_sensitivity *s = NULL;
    swg_sensitivity_options options = swg_sensitivity_options_default();
    options.seed = seed;
    ck_ok(swg_sensitivity_measure(source, ids, WINDOWS, WINDOW, &options, &s));
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        const swg_row_sensitivity *rows =
            weight->n && weight->tensor ? swg_sensitivity_find(s, weight->tensor) : NULL;
        if (!rows)
            continue;
        ck_assert_uint_ge(rows->rows, weight->first_row + weight->n);
        product[i] +=
            sum_of(rows->product ? rows->product + weight->first_row : NULL, weight->n) / SEEDS;
        look_up[i] +=
            sum_of(rows->look_up ? rows->look_up + weight->first_row : NULL, weight->n) / SEEDS;
    }
    swg_sensitivity_free(&s);
}

static void assert_mean(double got, double wanted, size_t weight, const char *what)
{
    ck_assert_msg(fabs(got - wanted) <= 0.15 * wanted, "%s of weight %zu: %g, exactly %g", what,
                  weight, got, wanted);
}

START_TEST(mean_over_seeds_is_the_expectation)
{
    swg_source *source = open_fixture(decoders[_i]);
    swg_model *model = NULL;
    int32_t ids[WINDOWS * WINDOW];
    double product[MAX_SUMS] = {0}, look_up[MAX_SUMS] = {0};
    exact e = {0};
    size_t n_compared = 0;
    window_ids(ids);
    measure_exactly(source, ids, &e, &model);
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        add_seed(source, ids, seed, model, product, look_up);
    for (size_t i = 0; i < model->n_weights; i++) {
        assert_mean(product[i], e.product[i], i, "product");
        assert_mean(look_up[i], e.look_up[i], i, "look-up");
        n_compared += e.product[i] > 0;
    }
    ck_assert_uint_gt(n_compared, 8);
    swg_model_free(&model);
    swg_source_close(&source);
}
END_TEST

START_TEST(threads_do_not_matter)
{
    swg_source *source = open_fixture("qwen3");
    swg_pool *pool;
    int32_t ids[WINDOWS * WINDOW];
    swg_sensitivity *a = NULL, *b = NULL;
    swg_sensitivity_options options = swg_sensitivity_options_default();
    window_ids(ids);
    ck_ok(swg_pool_new(3, &pool));
    ck_ok(swg_sensitivity_measure(source, ids, WINDOWS, WINDOW, &options, &a));
    options.pool = pool;
    ck_ok(swg_sensitivity_measure(source, ids, WINDOWS, WINDOW, &options, &b));
    const char *const names[] = {"model.layers.0.self_attn.q_proj.weight",
                                 "model.layers.1.mlp.down_proj.weight", "lm_head.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const swg_row_sensitivity *x = swg_sensitivity_find(a, names[i]);
        const swg_row_sensitivity *y = swg_sensitivity_find(b, names[i]);
        ck_assert(x && y && x->rows == y->rows);
        ck_assert_mem_eq(x->product, y->product, x->rows * sizeof *x->product);
    }
    ck_assert_ptr_null(swg_sensitivity_find(a, "nothing"));
    swg_sensitivity_free(&a);
    swg_sensitivity_free(&b);
    swg_pool_free(&pool);
    swg_source_close(&source);
}
END_TEST

/* --- The cache -------------------------------------------------------------------------------- */

static void assert_same(const swg_sensitivity *a, const swg_sensitivity *b, const char *tensor)
{
    const swg_row_sensitivity *x = swg_sensitivity_find(a, tensor);
    const swg_row_sensitivity *y = swg_sensitivity_find(b, tensor);
    ck_assert(x && y && x->rows == y->rows && x->cols == y->cols);
    ck_assert_int_eq(x->product != NULL, y->product != NULL);
    ck_assert_int_eq(x->look_up != NULL, y->look_up != NULL);
    if (x->product)
        ck_assert_mem_eq(x->product, y->product, x->rows * sizeof *x->product);
    if (x->look_up)
        ck_assert_mem_eq(x->look_up, y->look_up, x->rows * sizeof *x->look_up);
}

static swg_sensitivity *measure_cached(swg_source *source, const int32_t *ids, const char *folder,
                                       uint64_t seed, bool is_cached)
{
    swg_sensitivity_options options = swg_sensitivity_options_default();
    swg_sensitivity *s = NULL;
    options.cache = folder;
    options.seed = seed;
    ck_ok(swg_sensitivity_measure(source, ids, WINDOWS, WINDOW, &options, &s));
    ck_assert_int_eq(swg_sensitivity_was_cached(s), is_cached);
    return s;
}

/* The only file of the folder, which the caller frees. */
static char *cached_file(const char *folder)
{
    char *path = NULL;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        ck_assert_ptr_null(path);
        path = swg_path_join(folder, e->d_name);
    }
    closedir(dir);
    ck_assert_ptr_nonnull(path);
    return path;
}

/* What is kept comes back for the same tokens and seed alone, bit by bit. */
START_TEST(cache_gives_what_was_measured)
{
    const char *folder = swg_test_path("kept");
    swg_source *source = open_fixture("gpt2-untied");
    int32_t ids[WINDOWS * WINDOW];
    window_ids(ids);
    swg_sensitivity *measured = measure_cached(source, ids, folder, 1, false);
    swg_sensitivity *cached = measure_cached(source, ids, folder, 1, true);
    assert_same(measured, cached, "transformer.h.0.attn.c_attn.weight");
    assert_same(measured, cached, "transformer.wte.weight");
    assert_same(measured, cached, "lm_head.weight");
    ck_assert_ptr_null(swg_sensitivity_find(cached, "nothing"));
    swg_sensitivity_free(&cached);
    cached = measure_cached(source, ids, folder, 2, false);
    swg_sensitivity_free(&cached);
    ids[1]++;
    cached = measure_cached(source, ids, folder, 1, false);
    swg_sensitivity_free(&cached);
    swg_sensitivity_free(&measured);
    swg_source_close(&source);
}
END_TEST

static bool has_notice(const char *part)
{
    char sentence[SWG_NOTICE_BYTES];
    bool found = false;
    while (swg_notice_take(sentence))
        found |= strstr(sentence, part) != NULL;
    return found;
}

/* A file with any byte changed, or cut anywhere, is replaced. */
START_TEST(damaged_cache_is_replaced)
{
    const char *folder = swg_test_path("damaged");
    char *path, *data;
    size_t size;
    swg_source *source = open_fixture("qwen3");
    int32_t ids[WINDOWS * WINDOW];
    window_ids(ids);
    swg_sensitivity *s = measure_cached(source, ids, folder, 1, false);
    swg_sensitivity_free(&s);
    path = cached_file(folder);
    ck_ok(swg_file_read(path, 1 << 20, &data, &size));
    for (size_t i = 0; i < 6; i++) {
        const size_t at = i * (size - 1) / 5, length = i % 2 ? size : at;
        data[at] ^= 4;
        FILE *file = fopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(data, 1, length, file), length);
        fclose(file);
        data[at] ^= 4;
        s = measure_cached(source, ids, folder, 1, false);
        ck_assert_msg(has_notice("measured anew"), "damage at %zu was not told", at);
        swg_sensitivity_free(&s);
        s = measure_cached(source, ids, folder, 1, true);
        swg_sensitivity_free(&s);
    }
    swg_source_close(&source);
    swg_free(data);
    swg_free(path);
}
END_TEST

/* A file of the right key and hash, with one row of a matrix that has more. */
START_TEST(a_cache_with_too_few_rows_is_replaced)
{
    static const char name[] = "model.embed_tokens.weight";
    const char *folder = swg_test_path("few-rows");
    const uint64_t one[] = {1, sizeof name - 1, 1, 16,
                            1}; /* tensors, name, rows, columns, arrays */
    const double product = 1;
    char *path, *data;
    size_t size;
    swg_source *source = open_fixture("qwen3");
    int32_t ids[WINDOWS * WINDOW];
    window_ids(ids);
    swg_sensitivity *s = measure_cached(source, ids, folder, 1, false);
    swg_sensitivity_free(&s);
    path = cached_file(folder);
    ck_ok(swg_file_read(path, 1 << 20, &data, &size));
    uint64_t key_bytes;
    memcpy(&key_bytes, data + 8, sizeof key_bytes);
    swg_strbuf file = {0};
    swg_strbuf_append(&file, data, 16 + (size_t)key_bytes);
    swg_strbuf_append(&file, one, sizeof one);
    swg_strbuf_append(&file, name, sizeof name - 1);
    swg_strbuf_append(&file, &product, sizeof product);
    const uint64_t hash = swg_hash64(swg_strbuf_text(&file), file.length);
    swg_strbuf_append(&file, &hash, sizeof hash);
    swg_test_write_file(path, file.text, file.length);
    s = measure_cached(source, ids, folder, 1, false);
    ck_assert(has_notice("1 rows of tensor model.embed_tokens.weight, which has"));
    swg_sensitivity_free(&s);
    swg_strbuf_deinit(&file);
    swg_source_close(&source);
    swg_free(data);
    swg_free(path);
}
END_TEST

static swg_status measure_fixture(void *context)
{
    int32_t ids[WINDOWS * WINDOW];
    swg_sensitivity *s = NULL;
    swg_sensitivity_options options = swg_sensitivity_options_default();
    options.cache = swg_test_path("failing");
    window_ids(ids);
    const swg_status status = swg_sensitivity_measure(context, ids, WINDOWS, WINDOW, &options, &s);
    swg_sensitivity_free(&s);
    return status;
}

START_TEST(failures_are_reported)
{
    swg_source *source = open_fixture("qwen3");
    int32_t ids[WINDOWS * WINDOW];
    swg_sensitivity *s = NULL;
    window_ids(ids);
    swg_test_each_allocation_fails(measure_fixture, source);
    ck_status_is(SWG_USAGE, swg_sensitivity_measure(source, ids, 0, WINDOW, NULL, &s));
    ids[3] = ARCH_VOCAB;
    ck_status_is(SWG_CORRUPT, swg_sensitivity_measure(source, ids, WINDOWS, WINDOW, NULL, &s));
    swg_source_close(&source);
    source = open_fixture("bert-masked");
    ck_status_is(SWG_UNSUPPORTED, swg_sensitivity_measure(source, ids, WINDOWS, WINDOW, NULL, &s));
    swg_source_close(&source);
    ck_assert_ptr_null(s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("sensitivity");
    TCase *cases = tcase_create("fisher");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, mean_over_seeds_is_the_expectation, 0, N_DECODERS);
    tcase_add_test(cases, threads_do_not_matter);
    tcase_add_test(cases, cache_gives_what_was_measured);
    tcase_add_test(cases, damaged_cache_is_replaced);
    tcase_add_test(cases, a_cache_with_too_few_rows_is_replaced);
    tcase_add_test(cases, failures_are_reported);
    suite_add_tcase(suite, cases);
    return suite;
}
