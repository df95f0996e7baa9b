/* Structured pruning: what has no effect goes without a trace, for every kind of part and several
 * architectures; what is written is an ordinary checkpoint with the same logits in every format;
 * selection and refit agree with least squares solved directly; impossible cuts are refused with
 * their numbers. */
#include "prune/structured.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "prune/structured_select.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"
#include "tests/runtime/reference.h"

enum { WINDOWS = 6, WINDOW = 16, N_IDS = WINDOWS * WINDOW, MOST_CUTS = 4 };

/* A part that is made useless: columns [begin, end) of tensors whose names end with `columns`, and
 * rows of those that end with `rows` (NULL: none), all of them where end is 0; `layer` -1 = any. */
typedef struct cut {
    const char *columns, *rows;
    size_t begin, end;
    int layer;
} cut;

typedef struct example {
    const char *model;
    const char *request;
    cut cuts[MOST_CUTS];
    double bound; /* of the logits' difference */
} example;

static const example examples[] = {
    {"qwen3", "ffn=0.25", {{"down_proj.weight", NULL, 5, 10, -1}}, 1e-5},
    {"mistral-window", "ffn=0.25", {{"down_proj.weight", NULL, 0, 5, -1}}, 1e-5},
    {"llama-biases", "ffn=0.25", {{"down_proj.weight", NULL, 15, 20, -1}}, 1e-5},
    {"gpt2-untied", "ffn=0.25", {{"mlp.c_proj.weight", NULL, 3, 15, -1}}, 1e-5},
    {"gpt2-bare", "ffn=0.5", {{"mlp.c_proj.weight", NULL, 11, 22, -1}}, 1e-5},
    {"mistral-window", "heads=0.34", {{"o_proj.weight", NULL, 4, 8, -1}}, 1e-5},
    {"qwen3", "heads=0.5", {{"o_proj.weight", NULL, 0, 10, -1}}, 1e-5},
    {"llama-biases", "kv-groups=0.34", {{"o_proj.weight", NULL, 12, 18, -1}}, 1e-5},
    {"llama-biases", "heads=0.34", {{"o_proj.weight", NULL, 0, 6, -1}}, 1e-5},
    {"mistral-window",
     "layers=0.5",
     {{"o_proj.weight", NULL, 0, 0, 0}, {"down_proj.weight", NULL, 0, 0, 0}},
     1e-5},
    {"gpt2-untied",
     "layers=0.5",
     {{"c_proj.weight", NULL, 0, 0, 1}, {NULL, "c_proj.bias", 0, 0, 1}},
     1e-5},
    {"qwen2-window",
     "layers=0.34",
     {{"o_proj.weight", NULL, 0, 0, 1}, {"down_proj.weight", NULL, 0, 0, 1}},
     1e-5},
    /* Norms add a small number to a mean over fewer channels. */
    {"mistral-window",
     "hidden=0.25",
     {{"embed_tokens.weight", NULL, 2, 5, -1},
      {NULL, "o_proj.weight", 2, 5, -1},
      {NULL, "down_proj.weight", 2, 5, -1}},
     1e-3},
};
enum { N_EXAMPLES = sizeof examples / sizeof *examples };

static bool ends_with(const char *name, const char *ending)
{
    const size_t n = strlen(name), m = ending ? strlen(ending) : 0;
    return ending && n >= m && strcmp(name + n - m, ending) == 0;
}

static void apply(const cut *c, const char *name, float *w, size_t rows, size_t columns)
{
    char layer[16];
    snprintf(layer, sizeof layer, ".%d.", c->layer);
    const bool is_meant = c->layer < 0 || strstr(name, layer);
    for (size_t r = 0; r < rows && is_meant; r++)
        for (size_t k = 0; k < columns; k++) {
            const bool in_column = c->end == 0 || (k >= c->begin && k < c->end);
            const bool in_row = c->end == 0 || (r >= c->begin && r < c->end);
            if ((ends_with(name, c->columns) && in_column) || (ends_with(name, c->rows) && in_row))
                w[r * columns + k] = 0;
        }
}

/* The fixture with those parts made useless, as a folder at `path`. */
static void write_edited(const example *e, const char *path)
{
    char from[256];
    swg_source *source;
    swg_sink *sink;
    swg_sink_meta meta;
    snprintf(from, sizeof from, "tests/runtime/fixtures/%s", e->model);
    ck_ok(swg_source_open(from, NULL, &source));
    const size_t n = swg_source_n_tensors(source);
    swg_tensor_desc *const descs = swg_calloc(n, sizeof *descs);
    for (size_t i = 0; i < n; i++) {
        descs[i] = *swg_source_tensor(source, i);
        descs[i].scheme = swg_scheme_plain(SWG_F32);
    }
    ck_ok(swg_sink_meta_from_source(source, &meta));
    ck_ok(swg_sink_open(path, NULL, &meta, descs, n, &sink));
    for (size_t i = 0; i < n; i++) {
        const size_t rows = descs[i].shape[0], elems = swg_tensor_elems(&descs[i]);
        float *const w = swg_calloc(elems, sizeof *w);
        const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = w};
        ck_ok(swg_source_read_f32(source, i, 0, swg_tensor_rows(&descs[i]), w));
        for (size_t c = 0; c < MOST_CUTS; c++)
            if (e->cuts[c].columns || e->cuts[c].rows)
                apply(&e->cuts[c], descs[i].name, w, rows, elems / rows);
        ck_ok(swg_sink_write(sink, i, planes));
        swg_free(w);
    }
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_sink_meta_deinit(&meta);
    swg_free(descs);
    swg_source_close(&source);
}

static void fill_ids(int32_t *ids)
{
    for (size_t i = 0; i < N_IDS; i++)
        ids[i] = (int32_t)((i * i * 7 + i * 3) % 29);
}

static swg_status cut_model(const char *from, const char *request_text, bool refit,
                            const char *const *paths, size_t n_paths)
{
    int32_t ids[N_IDS];
    const swg_calibration_text text = {.ids = ids, .n_windows = WINDOWS, .window = WINDOW};
    swg_structured_request request = {0};
    swg_model_stats_options options = swg_model_stats_options_default();
    swg_structured_means means = {.text = &text, .refit = refit, .damping = 0.01};
    swg_source *source = NULL;
    swg_structured *s = NULL;
    swg_sink *sink = NULL;
    swg_sink_meta meta = {0};
    swg_status status = SWG_OK;
    fill_ids(ids);
    options.ids = ids;
    options.n_windows = WINDOWS;
    options.window = WINDOW;
    options.scratch = swg_test_path(".");
    SWG_GO(swg_structured_request_add(&request, request_text));
    SWG_GO(swg_source_open(from, NULL, &source));
    if (request.ratio[SWG_STRUCTURE_HIDDEN] > 0)
        SWG_GO(swg_model_stats_open(source, &options, &means.stats));
    for (size_t i = 0; i < n_paths; i++) {
        size_t n;
        SWG_GO(swg_structured_open(source, &request, &s));
        SWG_GO(swg_structured_choose(s, &means));
        const swg_tensor_desc *const descs = swg_structured_descs(s, &n);
        SWG_GO(swg_sink_meta_from_source(source, &meta));
        meta.config = swg_structured_config_text(s, &meta.config_length);
        SWG_GO(swg_sink_open(paths[i], NULL, &meta, descs, n, &sink));
        SWG_GO(swg_structured_write(s, &means, sink));
        SWG_GO(swg_sink_finish(&sink, NULL));
        swg_structured_free(&s);
        swg_sink_meta_deinit(&meta);
    }
done:
    swg_sink_abort(&sink);
    swg_sink_meta_deinit(&meta);
    swg_structured_free(&s);
    swg_model_stats_free(&means.stats);
    swg_source_close(&source);
    return status;
}

/* Largest difference between the logits of two checkpoints. */
static double difference(const char *a, const char *b)
{
    int32_t ids[N_IDS];
    fill_ids(ids);
    swg_model *const first = load_model(a, NULL), *const second = load_model(b, NULL);
    float *const x = run_all(first, NULL, NULL, ids, WINDOW);
    float *const y = run_all(second, NULL, NULL, ids, WINDOW);
    const size_t n = output_rows(first, WINDOW) * (size_t)first->hparams.n_outputs;
    const double most = largest_difference(x, y, n);
    swg_model *models[] = {first, second};
    swg_free(x);
    swg_free(y);
    swg_model_free(&models[0]);
    swg_model_free(&models[1]);
    return most;
}

START_TEST(what_has_no_effect_goes_without_a_trace)
{
    const example *const e = &examples[_i];
    char name[3][32], edited[512], folder[512], packed[512];
    snprintf(name[0], sizeof name[0], "edited%d", _i);
    snprintf(name[1], sizeof name[1], "folder%d", _i);
    snprintf(name[2], sizeof name[2], "packed%d.swg", _i);
    snprintf(edited, sizeof edited, "%s", swg_test_path(name[0]));
    snprintf(folder, sizeof folder, "%s", swg_test_path(name[1]));
    snprintf(packed, sizeof packed, "%s", swg_test_path(name[2]));
    write_edited(e, edited);
    const char *const paths[] = {folder, packed};
    ck_ok(cut_model(edited, e->request, true, paths, 2));
    const double most = difference(edited, folder);
    ck_assert_msg(most <= e->bound, "%s %s: logits differ by %g", e->model, e->request, most);
    ck_assert_double_le(difference(folder, packed), 1e-5);
}
END_TEST

/* Sum of the squared differences of the logits of two checkpoints on the calibration text. */
static double squares(const char *a, const char *b)
{
    int32_t ids[N_IDS];
    double sum = 0;
    fill_ids(ids);
    swg_model *models[] = {load_model(a, NULL), load_model(b, NULL)};
    const size_t n = output_rows(models[0], WINDOW) * (size_t)models[0]->hparams.n_outputs;
    for (size_t w = 0; w < WINDOWS; w++) {
        float *const x = run_all(models[0], NULL, NULL, ids + w * WINDOW, WINDOW);
        float *const y = run_all(models[1], NULL, NULL, ids + w * WINDOW, WINDOW);
        for (size_t i = 0; i < n; i++)
            sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        swg_free(x);
        swg_free(y);
    }
    swg_model_free(&models[0]);
    swg_model_free(&models[1]);
    return sum;
}

static const struct {
    const char *model, *request;
} refits[] = {{"mistral-window", "ffn=0.25"},
              {"gpt2-untied", "ffn=0.25"},
              {"qwen3", "heads=0.5"},
              {"llama-biases", "kv-groups=0.34"},
              {"mistral-window", "hidden=0.25"}};

START_TEST(refitting_makes_up_for_what_is_cut)
{
    char from[256], name[2][32], plain[512], refitted[512];
    snprintf(from, sizeof from, "tests/runtime/fixtures/%s", refits[_i].model);
    snprintf(name[0], sizeof name[0], "plain%d", _i);
    snprintf(name[1], sizeof name[1], "refitted%d", _i);
    snprintf(plain, sizeof plain, "%s", swg_test_path(name[0]));
    snprintf(refitted, sizeof refitted, "%s", swg_test_path(name[1]));
    ck_ok(cut_model(from, refits[_i].request, false, (const char *const[]){plain}, 1));
    ck_ok(cut_model(from, refits[_i].request, true, (const char *const[]){refitted}, 1));
    const double without = squares(from, plain), with = squares(from, refitted);
    ck_assert_msg(with < 0.8 * without, "%s %s: %g without refit, %g with", refits[_i].model,
                  refits[_i].request, without, with);
}
END_TEST

/* --- Selection -------------------------------------------------------------------------------- */

enum { N = 5, K = 12, SAMPLES = 60 };

/* Inputs that depend on each other, and weights. */
static void make_problem(float *hessian, float *w)
{
    static float x[SAMPLES][K];
    swg_rng rng = swg_rng_seeded(11);
    for (size_t t = 0; t < SAMPLES; t++)
        for (size_t c = 0; c < K; c++)
            x[t][c] = swg_rng_normal(&rng) + (c ? 0.8f * x[t][c - 1] : 0);
    for (size_t i = 0; i < K; i++)
        for (size_t j = 0; j < K; j++) {
            double sum = 0;
            for (size_t t = 0; t < SAMPLES; t++)
                sum += (double)x[t][i] * (double)x[t][j];
            hessian[i * K + j] = (float)sum;
        }
    for (size_t i = 0; i < N * K; i++)
        w[i] = swg_rng_normal(&rng);
}

/* tr(D (H + damping) D^T) of the best w with zeros at is_removed: by Gauss-Seidel, to convergence.
 */
static double best_loss(const float *hessian, const float *w, const bool *is_removed,
                        double damping)
{
    double mean = 0, loss = 0;
    for (size_t i = 0; i < K; i++)
        mean += (double)hessian[i * K + i] / K;
    for (size_t r = 0; r < N; r++) {
        double d[K];
        for (size_t c = 0; c < K; c++)
            d[c] = is_removed[c] ? -(double)w[r * K + c] : 0;
        for (int sweep = 0; sweep < 3000; sweep++)
            for (size_t c = 0; c < K; c++) {
                double slope = damping * mean * d[c];
                for (size_t j = 0; j < K; j++)
                    slope += (double)hessian[c * K + j] * d[j];
                if (!is_removed[c])
                    d[c] -= slope / ((double)hessian[c * K + c] + damping * mean);
            }
        for (size_t c = 0; c < K; c++)
            for (size_t j = 0; j < K; j++)
                loss += d[c] * d[j] * ((double)hessian[c * K + j] + (c == j ? damping * mean : 0));
    }
    return loss;
}

static double loss_of(const float *hessian, const float *before, const float *after, double damping)
{
    double mean = 0, loss = 0;
    for (size_t i = 0; i < K; i++)
        mean += (double)hessian[i * K + i] / K;
    for (size_t r = 0; r < N; r++)
        for (size_t c = 0; c < K; c++)
            for (size_t j = 0; j < K; j++)
                loss += (double)(after[r * K + c] - before[r * K + c]) *
                        (double)(after[r * K + j] - before[r * K + j]) *
                        ((double)hessian[c * K + j] + (c == j ? damping * mean : 0));
    return loss;
}

START_TEST(refit_is_the_least_squares_solution)
{
    float hessian[K * K], w[N * K], after[N * K], plain[N * K];
    bool is_removed[K] = {0}, blocks[K / 3] = {0};
    double error, error_plain;
    make_problem(hessian, w);
    memcpy(after, w, sizeof w);
    memcpy(plain, w, sizeof w);
    swg_structure_job job = {.name = "w",
                             .n = N,
                             .k = K,
                             .hessian = hessian,
                             .block = 3,
                             .family = 2,
                             .remove_each = 1,
                             .refit = true,
                             .damping = 0.01};
    ck_ok(swg_structure_choose(&job, after, blocks, &error));
    /* One of each family of two. */
    ck_assert_int_eq(blocks[0] + blocks[1], 1);
    ck_assert_int_eq(blocks[2] + blocks[3], 1);
    for (size_t c = 0; c < K; c++) {
        is_removed[c] = blocks[c / 3];
        for (size_t r = 0; r < N; r++)
            ck_assert(!is_removed[c] || after[r * K + c] == 0);
    }
    const double best = best_loss(hessian, w, is_removed, job.damping);
    ck_assert_double_eq_tol(loss_of(hessian, w, after, job.damping), best, 1e-3 * best);
    job.refit = false;
    ck_ok(swg_structure_remove(&job, plain, blocks, &error_plain));
    ck_assert_double_lt(error, error_plain);
}
END_TEST

START_TEST(the_cheapest_single_column_goes)
{
    float hessian[K * K], w[N * K], after[N * K];
    bool removed[K], one[K];
    double error, least = INFINITY;
    size_t cheapest = 0;
    make_problem(hessian, w);
    memcpy(after, w, sizeof w);
    const swg_structure_job job = {.name = "w",
                                   .n = N,
                                   .k = K,
                                   .hessian = hessian,
                                   .block = 1,
                                   .family = K,
                                   .remove_each = 1,
                                   .refit = true,
                                   .damping = 0.01};
    ck_ok(swg_structure_choose(&job, after, removed, &error));
    for (size_t c = 0; c < K; c++) {
        memset(one, 0, sizeof one);
        one[c] = true;
        const double loss = best_loss(hessian, w, one, job.damping);
        if (loss < least) {
            least = loss;
            cheapest = c;
        }
    }
    ck_assert(removed[cheapest]);
}
END_TEST

/* --- Refusals --------------------------------------------------------------------------------- */

static const struct {
    const char *model, *request, *sentence;
} refusals[] = {
    {"qwen3", "ffn=1", "above 0 and below 1"},
    {"qwen3", "ffn=-0.25", "above 0 and below 1"},
    {"qwen3", "ffn=nan", "above 0 and below 1"},
    {"qwen3", "fnn=0.25", "did you mean ffn"},
    {"qwen3", "ffn", "takes WHAT=RATIO"},
    {"qwen3", "ffn=0.01", "removes none of 20"},
    {"qwen3", "kv-groups=0.5", "removes none of 1"},
    {"qwen3", "layers=0.2", "removes none of 2"},
    {"gpt2-untied", "heads=0.5", "gpt2"},
    {"gpt2-untied", "hidden=0.5", "gpt2"},
    {"qwen2-window", "heads=0.34", "qwen2"},
    {"llama-biases", "hidden=0.25", "biases"},
    {"bert-model", "ffn=0.25", "bert"},
    {"rnn-lstm", "ffn=0.25", "rnn"},
};

START_TEST(impossible_cuts_are_refused)
{
    char from[256];
    const char *const paths[] = {swg_test_path("none")};
    snprintf(from, sizeof from, "tests/runtime/fixtures/%s", refusals[_i].model);
    const swg_status status = cut_model(from, refusals[_i].request, true, paths, 1);
    ck_assert_msg(status == SWG_USAGE || status == SWG_UNSUPPORTED, "%s: status %d",
                  refusals[_i].request, (int)status);
    ck_assert_msg(strstr(swg_error_message(), refusals[_i].sentence), "%s: %s",
                  refusals[_i].request, swg_error_message());
}
END_TEST

START_TEST(heads_must_be_divisible_by_groups)
{
    swg_structured_request request = {0};
    swg_structured_shape before, after;
    const swg_arch *arch;
    swg_hparams hparams;
    size_t length;
    char *const config =
        (char *)swg_test_read_file("tests/runtime/fixtures/qwen3/config.json", &length);
    ck_ok(swg_hparams_read(config, length, &arch, &hparams));
    swg_free(config);
    hparams.n_heads = 12;
    hparams.n_kv_heads = 4;
    ck_ok(swg_structured_request_add(&request, "heads=0.2"));
    ck_status_is(SWG_USAGE, swg_structured_shape_make(arch, &hparams, &request, &before, &after));
    ck_assert(strstr(swg_error_message(), "leaves 10 of 12 heads"));
    ck_assert(strstr(swg_error_message(), "4 kv groups"));
    request.ratio[SWG_STRUCTURE_HEADS] = 0.34;
    request.ratio[SWG_STRUCTURE_KV_GROUPS] = 0.5;
    ck_ok(swg_structured_shape_make(arch, &hparams, &request, &before, &after));
    ck_assert_int_eq(after.count[SWG_STRUCTURE_KV_GROUPS], 2);
    ck_assert_int_eq(after.count[SWG_STRUCTURE_HEADS], 4);
}
END_TEST

/* --- Memory ----------------------------------------------------------------------------------- */

static swg_status cut_once(void *context)
{
    const char *const paths[] = {swg_test_path("out.swg")};
    (void)context;
    remove(paths[0]);
    return cut_model("tests/runtime/fixtures/mistral-window", "ffn=0.25", true, paths, 1);
}

START_TEST(every_allocation_may_fail)
{
    swg_test_each_allocation_fails(cut_once, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("structured");
    TCase *tests = tcase_create("structured");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, what_has_no_effect_goes_without_a_trace, 0, N_EXAMPLES);
    tcase_add_loop_test(tests, refitting_makes_up_for_what_is_cut, 0,
                        sizeof refits / sizeof *refits);
    tcase_add_test(tests, refit_is_the_least_squares_solution);
    tcase_add_test(tests, the_cheapest_single_column_goes);
    tcase_add_loop_test(tests, impossible_cuts_are_refused, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(tests, heads_must_be_divisible_by_groups);
    tcase_add_test(tests, every_allocation_may_fail);
    suite_add_tcase(suite, tests);
    return suite;
}
