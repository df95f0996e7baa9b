/* Transforms leave the model's logits as they were; what is folded into two tensors cancels; scales
 * are those with the least error by an account of their own; statistics follow the maps. */
#include <math.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/reader.h"
#include "formats/untied.h"
#include "quantize/checkpoint.h"
#include "quantize/transforms.h"
#include "runtime/base/numeric.h"
#include "tests/harness.h"
#include "tests/runtime/reference.h"

enum { WINDOWS = 4, WINDOW = 24, N_IDS = WINDOWS * WINDOW };

static const char tales[] = "examples/tiny-tales";

/* A checkpoint with everything that transforms need. */
typedef struct bench {
    swg_source *file, *source; /* the latter with an output head of its own, if wanted */
    swg_tensor_desc *descs;
    swg_tensor_use *uses;
    swg_recipe *recipe;
    swg_plan plan;
    swg_model_stats *stats;
    swg_transforms *transforms;
    int32_t ids[N_IDS];
} bench;

static void open_stats(bench *b, swg_source *source, swg_model_stats **out)
{
    swg_model_stats_options options = swg_model_stats_options_default();
    options.ids = b->ids;
    options.n_windows = WINDOWS;
    options.window = WINDOW;
    options.scratch = swg_test_path(".");
    ck_ok(swg_model_stats_open(source, &options, out));
}

static size_t place_of_role(const bench *b, swg_role role)
{
    for (size_t i = 0; i < swg_source_n_tensors(b->source); i++)
        if (b->uses[i].kind == SWG_USE_WEIGHT && b->uses[i].role == role)
            return i;
    return SIZE_MAX;
}

static void untie_head(bench *b)
{
    const size_t embedding = place_of_role(b, SWG_ROLE_EMBEDDING);
    if (place_of_role(b, SWG_ROLE_HEAD) != SIZE_MAX)
        return;
    ck_ok(swg_source_untie(b->file, embedding, "lm_head.weight", &b->source));
    ck_assert_uint_eq(swg_source_n_tensors(b->source), swg_source_n_tensors(b->file) + 1);
    swg_free(b->descs);
    swg_free(b->uses);
    ck_ok(swg_quantize_source_descs(b->source, &b->descs));
    ck_ok(swg_quantize_source_uses(b->source, b->descs, &b->uses));
    ck_assert_uint_ne(place_of_role(b, SWG_ROLE_HEAD), SIZE_MAX);
}

static void bench_open(bench *b, const char *path, bool is_untied)
{
    swg_recipe_preset preset = swg_recipe_preset_default();
    preset.group = 32;
    preset.search = SWG_SEARCH_ABSMAX;
    *b = (bench){0};
    ck_ok(swg_source_open(path, NULL, &b->file));
    b->source = b->file;
    ck_ok(swg_quantize_source_descs(b->source, &b->descs));
    ck_ok(swg_quantize_source_uses(b->source, b->descs, &b->uses));
    if (is_untied)
        untie_head(b);
    ck_ok(swg_recipe_from_preset(&preset, &b->recipe));
    ck_ok(swg_plan_make(b->descs, swg_source_n_tensors(b->source), b->uses, b->recipe, &b->plan));
    for (size_t i = 0; i < N_IDS; i++)
        b->ids[i] = (int32_t)(i * 7 % 23 + 1);
}

static void bench_transform(bench *b, const char *const *names, size_t n_names)
{
    bool needs_stats;
    ck_ok(swg_transforms_check(names, n_names, &needs_stats));
    ck_ok(swg_transforms_open(b->source, b->uses, names, n_names, 5, &b->transforms));
    if (needs_stats)
        open_stats(b, b->source, &b->stats);
    ck_ok(swg_transforms_fit(b->transforms, &b->plan, b->stats, NULL));
}

static void bench_close(bench *b)
{
    swg_transforms_free(&b->transforms);
    swg_model_stats_free(&b->stats);
    swg_plan_deinit(&b->plan);
    swg_recipe_free(&b->recipe);
    swg_free(b->uses);
    swg_free(b->descs);
    if (b->source != b->file)
        swg_source_close(&b->source);
    swg_source_close(&b->file);
}

static float *logits_of(swg_source *source, const int32_t *ids, size_t *n)
{
    swg_model *model = NULL;
    const swg_exec_options options = {
        .size = sizeof options, .context = WINDOW, .activations = SWG_ACT_F32};
    ck_ok(swg_model_load(source, NULL, &model));
    float *logits = run_all(model, NULL, &options, ids, WINDOW);
    *n = WINDOW * (size_t)model->hparams.n_outputs;
    swg_model_free(&model);
    return logits;
}

/* --- The model stays the same ----------------------------------------------------------------- */

static const struct {
    const char *path, *names[3];
    size_t n_names;
} equal[] = {
    {"examples/tiny-tales", {"value-rotation"}, 1},
    {"examples/tiny-tales", {"awq"}, 1},
    {"examples/tiny-tales", {"awq", "value-rotation"}, 2},
    {"tests/runtime/fixtures/llama-biases", {"value-rotation", "awq"}, 2},
    {"tests/runtime/fixtures/qwen2-window", {"awq", "value-rotation"}, 2},
    {"tests/runtime/fixtures/qwen3", {"awq", "value-rotation"}, 2},
    {"tests/runtime/fixtures/gpt2-untied", {"awq"}, 1},
    {"examples/tiny-tales", {"smoothquant", "value-rotation"}, 2},
    {"tests/runtime/fixtures/qwen3", {"smoothquant"}, 1},
    {"tests/runtime/fixtures/gpt2-untied", {"smoothquant"}, 1},
    {"examples/tiny-tales", {"residual-rotation"}, 1},
    {"examples/tiny-tales", {"awq", "value-rotation", "residual-rotation"}, 3},
    {"tests/runtime/fixtures/llama-biases", {"residual-rotation", "value-rotation"}, 2},
    {"tests/runtime/fixtures/qwen2-window", {"smoothquant", "residual-rotation"}, 2},
    {"tests/runtime/fixtures/qwen3", {"residual-rotation"}, 1},
    {"tests/runtime/fixtures/mistral-window", {"residual-rotation"}, 1},
};
enum { N_EQUAL = sizeof equal / sizeof *equal };

START_TEST(logits_stay_to_rounding)
{
    bench b;
    size_t n, n_after;
    float largest = 0;
    bench_open(&b, equal[_i].path, swg_transforms_need_head(equal[_i].names, equal[_i].n_names));
    bench_transform(&b, equal[_i].names, equal[_i].n_names);
    swg_source *after = swg_transforms_source(b.transforms);
    ck_assert_uint_eq(swg_source_n_tensors(after), swg_source_n_tensors(b.source));
    float *was = logits_of(b.file, b.ids, &n), *is = logits_of(after, b.ids, &n_after);
    ck_assert_uint_eq(n, n_after);
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(was[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(is[i], was[i], 2e-5f * largest);
    ck_assert_mem_ne(is, was, n * sizeof *is); /* something did change */
    swg_free(was);
    swg_free(is);
    bench_close(&b);
}
END_TEST

static float *read_tensor(swg_source *source, const char *name, size_t *rows, size_t *cols)
{
    const size_t at = swg_source_find(source, name);
    ck_assert_uint_ne(at, SIZE_MAX);
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    *rows = (size_t)swg_tensor_rows(desc);
    *cols = (size_t)swg_tensor_cols(desc);
    float *out = swg_calloc(*rows * *cols, sizeof *out);
    ck_ok(swg_source_read_f32(source, at, 0, *rows, out));
    return out;
}

/* O_h V_h of every head is what it was, and the columns of O have become more alike. */
START_TEST(rotations_cancel_head_by_head)
{
    static const char *const names[] = {"value-rotation"};
    static const char value[] = "model.layers.1.self_attn.v_proj.weight",
                      output[] = "model.layers.1.self_attn.o_proj.weight";
    bench b;
    size_t n_kv, d, d_out, n_q;
    bench_open(&b, "tests/runtime/fixtures/qwen3", false);
    bench_transform(&b, names, 1);
    swg_source *after = swg_transforms_source(b.transforms);
    float *v = read_tensor(b.source, value, &n_kv, &d),
          *o = read_tensor(b.source, output, &d_out, &n_q);
    float *v2 = read_tensor(after, value, &n_kv, &d),
          *o2 = read_tensor(after, output, &d_out, &n_q);
    const swg_arch *arch;
    swg_hparams h;
    size_t length;
    const char *config = swg_source_config(b.source, &length);
    ck_ok(swg_hparams_read(config, length, &arch, &h));
    const size_t head = (size_t)h.head_dim, share = (size_t)(h.n_heads / h.n_kv_heads);
    for (size_t q = 0; q < (size_t)h.n_heads; q++)
        for (size_t r = 0; r < d_out; r++)
            for (size_t c = 0; c < d; c++) {
                double was = 0, is = 0, size = 0;
                for (size_t i = 0; i < head; i++) {
                    const size_t at_o = r * n_q + q * head + i;
                    const size_t at_v = (q / share * head + i) * d + c;
                    was += (double)o[at_o] * (double)v[at_v];
                    is += (double)o2[at_o] * (double)v2[at_v];
                    size += fabs((double)o[at_o] * (double)v[at_v]);
                }
                ck_assert_double_eq_tol(is, was, 1e-6 * size + 1e-9);
            }
    swg_free(v);
    swg_free(o);
    swg_free(v2);
    swg_free(o2);
    bench_close(&b);
}
END_TEST

/* --- The scales that are chosen ----------------------------------------------------------------
 */

/* tr(D H D^T) of int4 codes of absmax / 7 in groups of 32, for columns scaled by s. */
static double error_of(const float *w, size_t n, size_t k, const swg_layer_stats *stats,
                       const double *s)
{
    double sum = 0, *d = swg_calloc(k, sizeof *d);
    for (size_t r = 0; r < n; r++) {
        for (size_t begin = 0; begin < k; begin += 32) {
            float most = 0;
            for (size_t c = begin; c < begin + 32 && c < k; c++)
                most = fmaxf(most, fabsf((float)((double)w[r * k + c] * s[c])));
            const float scale = swg_grid_stored_scale(SWG_F16, 0, most / 7);
            for (size_t c = begin; c < begin + 32 && c < k; c++) {
                const float x = (float)((double)w[r * k + c] * s[c]);
                const float code = fminf(fmaxf(rintf(x / scale), -8), 7);
                d[c] = ((double)(code * scale) - (double)x) / s[c];
            }
        }
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                sum += d[i] * d[j] * (double)stats->hessian[i * k + j];
    }
    swg_free(d);
    return sum;
}

START_TEST(scales_have_the_least_error)
{
    static const char *const names[] = {"awq"};
    static const char down[] = "model.layers.1.mlp.down_proj.weight";
    bench b;
    size_t n, k, best = 0;
    const swg_layer_stats *stats;
    bench_open(&b, "tests/runtime/fixtures/llama-biases", false);
    bench_transform(&b, names, 1);
    float *w = read_tensor(b.source, down, &n, &k);
    float *scaled = read_tensor(swg_transforms_source(b.transforms), down, &n, &k);
    ck_ok(swg_model_stats_get(b.stats, down, &stats));
    double *s = swg_calloc(20 * k, sizeof *s), errors[20];
    for (size_t i = 0; i < 20; i++) {
        double least = INFINITY, most = 0;
        for (size_t c = 0; c < k; c++) {
            s[i * k + c] = fmax(pow(stats->mean_abs[c], (double)i / 20), 1e-4);
            least = fmin(least, s[i * k + c]);
            most = fmax(most, s[i * k + c]);
        }
        for (size_t c = 0; c < k; c++)
            s[i * k + c] /= sqrt(least * most);
        errors[i] = error_of(w, n, k, stats, s + i * k);
        best = errors[i] < errors[best] ? i : best;
    }
    for (size_t c = 0; c < k; c++) /* in the first row; weights of 0 tell nothing */
        if (w[c] != 0)
            ck_assert_double_eq_tol((double)scaled[c] / (double)w[c], s[best * k + c],
                                    1e-5 * s[best * k + c]);
    ck_assert_uint_gt(best, 0);
    swg_free(s);
    swg_free(w);
    swg_free(scaled);
    bench_close(&b);
}
END_TEST

/* What 8-bit steps are expected to cost when column c is scaled by s[c] and its input divided by
 * it: of activations, whose step follows the largest of a group, a 4-fold root mean square, and of
 * weights, whose step follows the largest of a row's group. */
static double cost_of(const float *w, size_t n, size_t k, size_t group,
                      const swg_layer_stats *stats, const double *s)
{
    double cost = 0;
    for (size_t begin = 0; begin < k; begin += group)
        for (size_t r = 0; r < n; r++) {
            double x_most = 0, x_sum = 0, w_most = 0, w_sum = 0;
            for (size_t c = begin; c < begin + group && c < k; c++) {
                const double x = sqrt(stats->mean_square[c]) / s[c],
                             v = (double)w[r * k + c] * s[c];
                x_most = fmax(x_most, x);
                x_sum += x * x;
                w_most = fmax(w_most, fabs(v));
                w_sum += v * v;
            }
            cost += w_sum * 16 * x_most * x_most + x_sum * w_most * w_most;
        }
    return cost;
}

START_TEST(smoothing_has_the_least_expected_cost)
{
    static const char *const names[] = {"smoothquant"};
    static const char down[] = "model.layers.1.mlp.down_proj.weight";
    bench b;
    size_t n, k, best = 11;
    const swg_layer_stats *stats;
    bench_open(&b, "tests/runtime/fixtures/llama-biases", false);
    bench_transform(&b, names, 1);
    float *w = read_tensor(b.source, down, &n, &k);
    float *scaled = read_tensor(swg_transforms_source(b.transforms), down, &n, &k);
    const size_t at = swg_source_find(b.source, down);
    const size_t group = swg_scheme_group_length(b.plan.entries[at].dense, k);
    ck_ok(swg_model_stats_get(b.stats, down, &stats));
    double *s = swg_calloc(12 * k, sizeof *s), costs[12];
    for (size_t i = 0; i < 12; i++) { /* the last: not scaled at all */
        for (size_t c = 0; c < k; c++) {
            double largest = 0;
            for (size_t r = 0; r < n; r++)
                largest = fmax(largest, fabs((double)w[r * k + c]));
            const double a = (double)i / 10, x = sqrt(stats->mean_square[c]);
            s[i * k + c] = i == 11 ? 1 : pow(x, a) / pow(largest, 1 - a);
        }
        costs[i] = cost_of(w, n, k, group, stats, s + i * k);
    }
    for (size_t i = 0; i < 12; i++)
        best = costs[i] < costs[best] ? i : best;
    ck_assert_uint_lt(best, 11);
    for (size_t c = 0; c < k; c++)
        if (w[c] != 0)
            ck_assert_double_eq_tol((double)scaled[c] / (double)w[c], s[best * k + c],
                                    1e-5 * s[best * k + c]);
    swg_free(s);
    swg_free(w);
    swg_free(scaled);
    bench_close(&b);
}
END_TEST

/* Statistics that follow the maps are those of the transformed model. */
START_TEST(statistics_are_of_the_transformed_model)
{
    static const char *const names[] = {"awq", "value-rotation", "residual-rotation"};
    static const char *const tensors[] = {"model.layers.1.self_attn.q_proj.weight",
                                          "model.layers.1.self_attn.o_proj.weight",
                                          "model.layers.1.mlp.down_proj.weight"};
    bench b;
    swg_model_stats *of_after = NULL;
    bench_open(&b, tales, true);
    bench_transform(&b, names, 3);
    open_stats(&b, swg_transforms_source(b.transforms), &of_after);
    for (size_t i = 0; i < 3; i++) {
        const swg_layer_stats *adapted, *collected;
        double largest = 0;
        ck_ok(swg_model_stats_get(b.stats, tensors[i], &adapted));
        ck_ok(swg_model_stats_get(of_after, tensors[i], &collected));
        ck_ok(swg_transforms_adapt(b.transforms, tensors[i], &adapted));
        for (size_t j = 0; j < adapted->k; j++)
            largest = fmax(largest, (double)collected->hessian[j * (adapted->k + 1)]);
        for (size_t j = 0; j < adapted->k * adapted->k; j++)
            ck_assert_double_eq_tol((double)adapted->hessian[j], (double)collected->hessian[j],
                                    1e-4 * largest);
        for (size_t j = 0; j < adapted->k; j++)
            ck_assert_double_eq_tol(adapted->mean_square[j], collected->mean_square[j],
                                    1e-4 * largest / N_IDS);
    }
    swg_model_stats_free(&of_after);
    bench_close(&b);
}
END_TEST

/* --- Refusals ----------------------------------------------------------------------------------
 */

START_TEST(what_cannot_be_transformed_is_refused)
{
    static const char *const wrong[] = {"value-rotations"}, *const strange[] = {"xyz"};
    static const char *const rotation[] = {"value-rotation"}, *const awq[] = {"awq"};
    swg_transforms *t = NULL;
    bool needs_stats;
    bench b;
    ck_status_is(SWG_USAGE, swg_transforms_check(wrong, 1, &needs_stats));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "the nearest is value-rotation"));
    ck_status_is(SWG_USAGE, swg_transforms_check(strange, 1, &needs_stats));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "known: value-rotation, awq, smoothquant"));
    bench_open(&b, "tests/runtime/fixtures/gpt2-untied",
               false); /* query, key and value in one tensor */
    ck_status_is(SWG_UNSUPPORTED, swg_transforms_open(b.source, b.uses, rotation, 1, 0, &t));
    ck_status_is(SWG_UNSUPPORTED, swg_transforms_open(b.source, NULL, rotation, 1, 0, &t));
    bench_close(&b);
    bench_open(&b, "tests/runtime/fixtures/bert-masked", false); /* norms come after layers */
    ck_status_is(SWG_UNSUPPORTED, swg_transforms_open(b.source, b.uses, awq, 1, 0, &t));
    ck_assert_ptr_null(t);
    bench_close(&b);
}
END_TEST

START_TEST(what_a_rotation_of_the_stream_cannot_pass_is_named)
{
    static const char *const names[] = {"residual-rotation", "awq"};
    swg_transforms *t = NULL;
    bench b;
    bench_open(&b, "tests/runtime/fixtures/gpt2-untied", false);
    ck_status_is(SWG_UNSUPPORTED, swg_transforms_open(b.source, b.uses, names, 1, 0, &t));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "belongs to a norm that subtracts the mean"));
    bench_close(&b);
    bench_open(&b, tales, false);
    ck_status_is(SWG_UNSUPPORTED, swg_transforms_open(b.source, b.uses, names, 1, 0, &t));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "head has no tensor of its own"));
    bench_close(&b);
    bench_open(&b, tales, true); /* statistics are of the inputs before */
    ck_status_is(SWG_UNSUPPORTED, swg_transforms_open(b.source, b.uses, names, 2, 0, &t));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "which residual-rotation mixes"));
    ck_status_is(SWG_USAGE, swg_source_untie(b.source, 0, "lm_head.weight", &b.file));
    bench_close(&b);
}
END_TEST

/* Every channel of the stream is mixed with every other, and lengths stay. */
START_TEST(rotations_are_orthogonal)
{
    static const size_t sizes[] = {1, 2, 12, 45, 64};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        swg_arena arena = {0};
        swg_rng rng = swg_rng_seeded(n);
        swg_rotation q;
        double *all = swg_calloc(n * n, sizeof *all);
        ck_ok(swg_rotation_make(n, &rng, &arena, &q));
        for (size_t i = 0; i < n; i++)
            all[i * n + i] = 1;
        swg_rotation_apply(&q, n, all);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double product = 0;
                for (size_t c = 0; c < n; c++)
                    product += all[i * n + c] * all[j * n + c];
                ck_assert_double_eq_tol(product, i == j, 1e-12);
                ck_assert_double_ne(all[i * n + j], 0);
            }
        swg_free(all);
        swg_arena_deinit(&arena);
    }
}
END_TEST

static const swg_stored_tensor *released[64];
static size_t n_released;

static void note_release(swg_source *source, const swg_stored_tensor *tensor)
{
    (void)source;
    ck_assert_uint_lt(n_released, 64);
    released[n_released++] = tensor;
}

/* Pages of weights that a fit has read are given back, or the whole model stays in memory. */
START_TEST(weights_that_were_read_are_released)
{
    static const char *const names[] = {"awq", "smoothquant"};
    bench b;
    bench_open(&b, "tests/runtime/fixtures/qwen3", false);
    swg_reader reader = *b.source->reader;
    reader.release = note_release;
    open_stats(&b, b.source, &b.stats);
    ck_ok(swg_transforms_open(b.source, b.uses, &names[_i], 1, 0, &b.transforms));
    const swg_reader *before = b.source->reader;
    b.source->reader = &reader;
    n_released = 0;
    ck_ok(swg_transforms_fit(b.transforms, &b.plan, b.stats, NULL));
    b.source->reader = before;
    const size_t gate = place_of_role(&b, SWG_ROLE_FFN_GATE);
    bool found = false;
    for (size_t i = 0; i < n_released; i++)
        found |= released[i] == &b.source->tensors[gate];
    ck_assert(found);
    bench_close(&b);
}
END_TEST

static swg_status open_and_fit(void *context)
{
    static const char *const names[] = {"value-rotation", "awq", "smoothquant",
                                        "residual-rotation"};
    bench *b = context;
    swg_transforms *t = NULL;
    swg_status status = swg_transforms_open(b->source, b->uses, names, 4, 0, &t);
    if (status == SWG_OK)
        status = swg_transforms_fit(t, &b->plan, b->stats, NULL);
    swg_transforms_free(&t);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    bench b;
    bench_open(&b, "tests/runtime/fixtures/qwen3", false);
    open_stats(&b, b.source, &b.stats);
    swg_test_each_allocation_fails(open_and_fit, &b);
    bench_close(&b);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("transforms");
    TCase *tcase = tcase_create("transforms");
    tcase_add_loop_test(tcase, logits_stay_to_rounding, 0, N_EQUAL);
    tcase_add_test(tcase, rotations_cancel_head_by_head);
    tcase_add_test(tcase, scales_have_the_least_error);
    tcase_add_test(tcase, smoothing_has_the_least_expected_cost);
    tcase_add_test(tcase, statistics_are_of_the_transformed_model);
    tcase_add_test(tcase, what_cannot_be_transformed_is_refused);
    tcase_add_test(tcase, what_a_rotation_of_the_stream_cannot_pass_is_named);
    tcase_add_test(tcase, rotations_are_orthogonal);
    tcase_add_loop_test(tcase, weights_that_were_read_are_released, 0, 2);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}
