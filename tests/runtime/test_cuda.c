/* The CUDA backend, on the executor of its kernels on this processor: whole models against the CPU
 * backend with float activations, every format against the CPU's reading of it, decoding by graphs,
 * and refusals. Where the executor was not built these are skipped. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backend/backend.h"
#include "runtime/base/notice.h"
#include "runtime/calibration.h"
#include "runtime/paired_calibration.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

/* How far logits may be apart, as shares of the largest. The device rounds the inputs of products
 * to halves, and plain weights too; the CPU with f16 activations does the former, so that only
 * roundings that a last bit decides differ, which are eight times as large to bfloats. With f32
 * activations both are as exact as floats. */
static const double halves_share = 2e-3, same_share = 5e-4, bfloats_share = 4e-3,
                    floats_share = 2e-5;

static bool has_executor(void)
{
    const swg_backend *backend;
    ck_assert_int_eq(setenv("SWAGE_CUDA", "host", 1), 0);
    ck_ok(swg_backend_find("cuda", &backend));
    if (backend->check(NULL) == SWG_OK)
        return true;
    swg_test_skip(swg_error_message());
    return false;
}

static swg_model *random_model(const char *name, swg_scheme scheme, const char *backend)
{
    const swg_model_options options = {.size = sizeof options, .backend = backend};
    char path[256];
    size_t length;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/config.json", name);
    char *config = (char *)swg_test_read_file(path, &length);
    swg_model *model = NULL;
    ck_ok(swg_model_random(config, length, scheme, 11, &options, &model));
    swg_free(config);
    return model;
}

static swg_model *loaded_model(const char *path, const char *backend)
{
    const swg_model_options options = {.size = sizeof options, .backend = backend};
    swg_source *source = NULL;
    swg_model *model = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_model_load(source, &options, &model));
    swg_source_close(&source);
    return model;
}

static float *logits_of(const swg_model *model, swg_act_precision activations, const int32_t *ids,
                        size_t n, size_t chunk)
{
    swg_exec *exec = arch_exec(
        model, (swg_exec_options){.context = n, .chunk = chunk, .activations = activations});
    float *logits = swg_calloc(n * (size_t)model->hparams.n_outputs, sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    if (model->hparams.is_encoder)
        ck_ok(swg_exec_encode(exec, ids, NULL, n, logits));
    else
        ck_ok(swg_exec_run(exec, ids, n, 0, logits));
    swg_exec_free(&exec);
    return logits;
}

/* Logits of the same text by both backends. */
static void compare(const swg_model *gpu, swg_act_precision gpu_activations, const swg_model *cpu,
                    swg_act_precision cpu_activations, double share, const int32_t *ids, size_t n)
{
    float *got = logits_of(gpu, gpu_activations, ids, n, 0);
    float *wanted = logits_of(cpu, cpu_activations, ids, n, 0);
    const size_t count = arch_rows(cpu, n) * (size_t)cpu->hparams.n_outputs;
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)wanted[i]));
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs((double)got[i] - (double)wanted[i]) <= share * largest,
                      "logit %zu: %g, not %g; the largest is %g", i, (double)got[i],
                      (double)wanted[i], largest);
    swg_free(got);
    swg_free(wanted);
}

/* --- Whole models ----------------------------------------------------------------------------- */

static const char *const checkpoints[] = {"fixtures/llama-tiny",
                                          "fixtures/gpt2-tiny",
                                          "fixtures/qwen2-tiny",
                                          "fixtures/bert-tiny",
                                          "fixtures/keras-lstm-tiny/model.h5",
                                          "fixtures/keras-gru-tiny/model.h5"};

START_TEST(checkpoints_give_the_logits_of_the_cpu)
{
    enum { TOKENS = 7 };
    const char *path = swg_test_need(checkpoints[_i]);
    if (!path || !has_executor())
        return;
    swg_model *cpu = loaded_model(path, "cpu"), *gpu = loaded_model(path, "cuda");
    int32_t ids[TOKENS];
    arch_ids(ids, TOKENS, 0);
    compare(gpu, SWG_ACT_F32, cpu, SWG_ACT_F32, floats_share, ids, TOKENS);
    compare(gpu, SWG_ACT_F16, cpu, SWG_ACT_F32, halves_share, ids, TOKENS);
    swg_model_free(&cpu);
    swg_model_free(&gpu);
}
END_TEST

START_TEST(architectures_give_the_logits_of_the_cpu)
{
    if (!has_executor())
        return;
    swg_model *cpu = random_model(arch_names[_i], arch_int4, "cpu");
    swg_model *gpu = random_model(arch_names[_i], arch_int4, "cuda");
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 1);
    compare(gpu, SWG_ACT_F16, cpu, SWG_ACT_F16, same_share, ids, ARCH_TOKENS);
    compare(gpu, SWG_ACT_BF16, cpu, SWG_ACT_BF16, bfloats_share, ids, ARCH_TOKENS);
    compare(gpu, SWG_ACT_F32, cpu, SWG_ACT_F32, floats_share, ids, ARCH_TOKENS);
    swg_model_free(&cpu);
    swg_model_free(&gpu);
}
END_TEST

/* --- Formats ---------------------------------------------------------------------------------- */

static const char *const formats[] = {
    "f32",
    "f16",
    "bf16",
    "int2-g32-sym-f16",
    "int3-g32-asym-f32",
    "int4-row-sym-bf16",
    "int4-g32-asym-f16",
    "int4-g32-sym-i8",
    "int5-g64-sym-f16",
    "int6-row-asym-f16",
    "int8-g32-sym-f16",
    "int8-row-asym-i8",
    "codebook4-g32-f16",
    "codebook4-row-i8",
    "sparse-int4-g32-sym-f16",
    "sparse-int8-row-asym-f32",
    "2of4-int4-g32-sym-f16",
    "2of4-int4-g32-asym-f32",
    "2of4-int3-row-sym-f16",
    "2of4-int8-g32-sym-f16",
};

/* Codes and scales give the same numbers; two halves, nearly those of float32. */
static void compare_rows(const swg_model *gpu, const swg_model *cpu)
{
    const double relative = 0x1p-21;
    for (size_t i = 0; i < cpu->n_weights; i++) {
        const swg_weight *w = &cpu->weights[i];
        if (w->n == 0 || w->vector)
            continue;
        float *got = swg_calloc(w->k, sizeof *got), *wanted = swg_calloc(w->k, sizeof *wanted);
        for (size_t row = 0; row<w->n; row += w->n> 8 ? 7 : 1) {
            gpu->backend->weights->row_f32(&gpu->weights[i], row, got);
            cpu->backend->weights->row_f32(w, row, wanted);
            for (size_t c = 0; c < w->k; c++)
                ck_assert_msg(fabs((double)got[c] - (double)wanted[c]) <=
                                  relative * fabs((double)wanted[c]),
                              "%s, row %zu, column %zu: %g, not %g", swg_role_name(w->role), row, c,
                              (double)got[c], (double)wanted[c]);
        }
        swg_free(got);
        swg_free(wanted);
    }
}

START_TEST(formats_mean_what_they_mean_on_the_cpu)
{
    swg_scheme scheme;
    if (!has_executor())
        return;
    ck_ok(swg_scheme_parse(formats[_i], strlen(formats[_i]), &scheme));
    swg_model *cpu = random_model("qwen3", scheme, "cpu");
    swg_model *gpu = random_model("qwen3", scheme, "cuda");
    compare_rows(gpu, cpu);
    int32_t ids[ARCH_TOKENS];
    arch_ids(ids, ARCH_TOKENS, 1);
    compare(gpu, SWG_ACT_F16, cpu, SWG_ACT_F16,
            swg_scheme_is_plain(scheme) ? halves_share : same_share, ids, ARCH_TOKENS);
    compare(gpu, SWG_ACT_F32, cpu, SWG_ACT_F32, floats_share, ids, ARCH_TOKENS);
    swg_model_free(&cpu);
    swg_model_free(&gpu);
}
END_TEST

/* --- Caches ----------------------------------------------------------------------------------- */

/* Float products: what is left is that the last bit of a key may decide how its element is rounded,
 * which 8 bits show. A prefill and single tokens. */
START_TEST(caches_hold_what_the_cpus_hold)
{
    enum { PROMPT = ARCH_TOKENS - 2 };
    const char *const backends[2] = {"cpu", "cuda"};
    float *logits[2];
    int32_t ids[ARCH_TOKENS];
    if (!has_executor())
        return;
    arch_ids(ids, ARCH_TOKENS, 1);
    for (int b = 0; b < 2; b++) {
        swg_model *model = random_model("qwen3", arch_int4, backends[b]);
        const size_t columns = (size_t)model->hparams.n_outputs;
        swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS,
                                                             .activations = SWG_ACT_F32,
                                                             .kv_type = (swg_kv_type)_i});
        logits[b] = swg_calloc(ARCH_TOKENS * columns, sizeof *logits[b]);
        ck_ok(swg_exec_run(exec, ids, PROMPT, 0, logits[b]));
        for (size_t t = PROMPT; t < ARCH_TOKENS; t++)
            ck_ok(swg_exec_run(exec, ids + t, 1, 0, logits[b] + t * columns));
        swg_exec_free(&exec);
        swg_model_free(&model);
    }
    const double share = _i == SWG_KV_INT8 ? halves_share : same_share;
    double largest = 0;
    for (size_t i = 0; i < ARCH_TOKENS * ARCH_VOCAB; i++)
        largest = fmax(largest, fabs((double)logits[0][i]));
    for (size_t i = 0; i < ARCH_TOKENS * ARCH_VOCAB; i++)
        ck_assert_double_eq_tol(logits[1][i], logits[0][i], share * largest);
    swg_free(logits[0]);
    swg_free(logits[1]);
}
END_TEST

/* --- Steps ------------------------------------------------------------------------------------ */

/* Decoding two sequences token by token is captured in the second step and then replayed; it gives
 * what a prefill gives, for each sequence. */
START_TEST(decoding_repeats_a_graph)
{
    enum { SEQUENCES = 2 };
    if (!has_executor())
        return;
    swg_model *model = random_model("qwen2-window", arch_int4, "cuda");
    const size_t columns = (size_t)model->hparams.n_outputs;
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS,
                                                         .sequences = SEQUENCES,
                                                         .activations = SWG_ACT_F16});
    int32_t ids[SEQUENCES][ARCH_TOKENS];
    float *whole[SEQUENCES];
    for (size_t s = 0; s < SEQUENCES; s++) {
        arch_ids(ids[s], ARCH_TOKENS, s);
        whole[s] = logits_of(model, SWG_ACT_F16, ids[s], ARCH_TOKENS, 4);
    }
    float *row = swg_calloc(SEQUENCES * columns, sizeof *row);
    for (size_t t = 0; t < ARCH_TOKENS; t++) {
        swg_piece pieces[SEQUENCES];
        for (size_t s = 0; s < SEQUENCES; s++)
            pieces[s] = (swg_piece){.sequence = s, .n = 1, .ids = &ids[s][t]};
        ck_ok(swg_exec_step(exec, pieces, SEQUENCES, row));
        for (size_t i = 0; i < SEQUENCES * columns; i++)
            ck_assert_float_le(fabsf(row[i] - whole[i / columns][t * columns + i % columns]),
                               1e-5f);
    }
    for (size_t s = 0; s < SEQUENCES; s++)
        swg_free(whole[s]);
    swg_free(row);
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

static size_t greatest(const float *row, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = row[i] > row[best] ? i : best;
    return best;
}

START_TEST(greedy_texts_are_those_of_the_cpu)
{
    enum { TOKENS = 12 };
    const char *path = swg_test_need("fixtures/llama-tiny");
    if (!path || !has_executor())
        return;
    static const char *const backends[] = {"cpu", "cuda"};
    size_t texts[2][TOKENS];
    for (size_t b = 0; b < 2; b++) {
        swg_model *model = loaded_model(path, backends[b]);
        const size_t columns = (size_t)model->hparams.n_outputs;
        swg_exec *exec =
            arch_exec(model, (swg_exec_options){.context = TOKENS, .activations = SWG_ACT_F32});
        float *row = swg_calloc(columns, sizeof *row);
        int32_t next = 3;
        for (size_t t = 0; t < TOKENS; t++) {
            ck_ok(swg_exec_run(exec, &next, 1, 0, row));
            texts[b][t] = greatest(row, columns);
            next = (int32_t)texts[b][t];
        }
        swg_free(row);
        swg_exec_free(&exec);
        swg_model_free(&model);
    }
    ck_assert_mem_eq(texts[0], texts[1], sizeof texts[0]);
}
END_TEST

/* Layer by layer on rows in host memory, with a layer released and loaded between. */
START_TEST(layers_give_what_a_run_gives)
{
    enum { TOKENS = 5 };
    const char *path = swg_test_need("fixtures/gpt2-tiny");
    if (!path || !has_executor())
        return;
    const swg_model_options options = {.size = sizeof options, .backend = "cuda"};
    swg_source *source = NULL;
    swg_model *model = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_model_open(source, &options, &model));
    const size_t n_layers = (size_t)model->hparams.n_layers;
    for (size_t layer = 0; layer <= n_layers; layer++)
        ck_ok(swg_model_load_layer(model, layer));
    int32_t ids[TOKENS];
    arch_ids(ids, TOKENS, 0);
    float *whole = logits_of(model, SWG_ACT_F32, ids, TOKENS, 0);
    swg_exec *exec =
        arch_exec(model, (swg_exec_options){.context = TOKENS, .activations = SWG_ACT_F32});
    float *x = swg_calloc(TOKENS * (size_t)model->hparams.d_model, sizeof *x);
    float *logits = swg_calloc(TOKENS * (size_t)model->hparams.n_outputs, sizeof *logits);
    ck_ok(swg_exec_begin(exec, 0, 0, ids, NULL, TOKENS, x));
    for (size_t layer = 0; layer < n_layers; layer++) {
        swg_model_release_layer(model, layer);
        ck_ok(swg_model_load_layer(model, layer));
        ck_ok(swg_exec_layer(exec, layer, 0, 0, TOKENS, x, x));
    }
    ck_ok(swg_exec_end(exec, TOKENS, x, logits));
    ck_assert_mem_eq(logits, whole, TOKENS * (size_t)model->hparams.n_outputs * sizeof *logits);
    swg_free(x);
    swg_free(logits);
    swg_free(whole);
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
}
END_TEST

/* A graph does not outlive the weights that it was made with. */
START_TEST(replaced_weights_are_used_at_once)
{
    if (!has_executor())
        return;
    swg_model *model = random_model("qwen3", arch_int4, "cuda");
    const swg_weight *weight = swg_model_weight(model, SWG_ROLE_FFN_DOWN, 0);
    const swg_weight *norm = swg_model_weight(model, SWG_ROLE_OUTPUT_NORM, 0);
    const size_t columns = (size_t)model->hparams.n_outputs;
    swg_exec *exec =
        arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS, .activations = SWG_ACT_F16});
    float *row = swg_calloc(columns, sizeof *row), *zero = swg_calloc(columns, sizeof *zero);
    float *values = swg_calloc(weight->n * weight->k, sizeof *values);
    const int32_t id = 5;
    for (size_t t = 0; t < 4; t++)
        ck_ok(swg_exec_run(exec, &id, 1, 0, row));
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    const swg_tensor_desc desc = {.name = "w",
                                  .scheme = swg_scheme_plain(SWG_F32),
                                  .rank = 2,
                                  .shape = {weight->n, weight->k}};
    ck_ok(swg_model_replace(model, weight, &desc, planes));
    ck_ok(swg_exec_run(exec, &id, 1, 0, row));
    const swg_tensor_desc vector = {
        .name = "n", .scheme = swg_scheme_plain(SWG_F32), .rank = 1, .shape = {norm->n}};
    ck_ok(swg_model_replace(model, norm, &vector, planes));
    ck_ok(swg_exec_run(exec, &id, 1, 0, row));
    ck_assert_mem_eq(row, zero, columns * sizeof *row);
    swg_free(row);
    swg_free(zero);
    swg_free(values);
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

/* --- Refusals --------------------------------------------------------------------------------- */

START_TEST(what_is_missing_is_said)
{
    const swg_backend *backend;
    char notice[SWG_NOTICE_BYTES];
    ck_assert_int_eq(setenv("SWAGE_CUDA", "vulkan", 1), 0);
    ck_ok(swg_backend_find("cuda", &backend));
    ck_status_is(SWG_USAGE, backend->check(NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "gpu or host"));
    ck_assert_int_eq(unsetenv("SWAGE_CUDA"), 0);
    if (backend->check(NULL) == SWG_OK)
        return; /* there is a GPU */
    ck_status_is(SWG_UNSUPPORTED, swg_backend_choose("cuda", NULL, &backend));
    ck_assert_uint_gt(strlen(swg_error_message()), 0);
    ck_ok(swg_backend_choose("auto", NULL, &backend));
    ck_assert_str_eq(backend->name, "cpu");
    ck_assert(swg_notice_take(notice));
    ck_assert_ptr_nonnull(strstr(notice, "computing on the CPU"));
}
END_TEST

static swg_status run_once(void *path)
{
    static const int32_t ids[2] = {1, 2};
    const swg_model_options options = {.size = sizeof options, .backend = "cuda"};
    swg_status status = SWG_OK;
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    float *logits = NULL;
    SWG_GO(swg_source_open(path, NULL, &source));
    SWG_GO(swg_model_load(source, &options, &model));
    SWG_GO(swg_exec_new(model, NULL, NULL, &exec));
    SWG_GO(SWG_NEW(logits, (size_t)model->hparams.n_outputs));
    SWG_GO(swg_exec_run(exec, ids, 2, 1, logits));
done:
    swg_free(logits);
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
    return status;
}

/* Statistics of one layer of a checkpoint, which the caller frees. */
static swg_calibration *observed(const swg_model *model)
{
    enum { WINDOWS = 2, WINDOW = 5 };
    swg_calibration *calibration = NULL;
    int32_t ids[WINDOWS * WINDOW];
    arch_ids(ids, WINDOWS * WINDOW, 2);
    ck_ok(swg_calibration_new(model, ids, WINDOWS, WINDOW, NULL, &calibration));
    ck_ok(swg_calibration_pass(calibration, 0));
    ck_ok(swg_calibration_observe(calibration, 1));
    return calibration;
}

START_TEST(statistics_are_those_of_the_cpu)
{
    const char *path = swg_test_need("fixtures/llama-tiny");
    if (!path || !has_executor())
        return;
    swg_model *models[2] = {loaded_model(path, "cpu"), loaded_model(path, "cuda")};
    swg_calibration *c[2] = {observed(models[0]), observed(models[1])};
    const swg_layer_stats *wanted, *got;
    const swg_weight *const *weights;
    size_t n_weights, n = 0;
    for (; (wanted = swg_calibration_input(c[0], n, &weights, &n_weights)); n++) {
        got = swg_calibration_input(c[1], n, &weights, &n_weights);
        ck_assert_ptr_nonnull(got);
        ck_assert_uint_eq(got->k, wanted->k);
        ck_assert_uint_eq(got->n_tokens, wanted->n_tokens);
        for (size_t i = 0; i < wanted->k; i++) {
            ck_assert_double_eq_tol(got->mean_abs[i], wanted->mean_abs[i],
                                    1e-4 * wanted->mean_abs[i]);
            ck_assert_double_eq_tol(got->mean_square[i], wanted->mean_square[i],
                                    1e-4 * wanted->mean_square[i]);
            for (size_t j = 0; j < wanted->k; j++) /* relative to the columns' lengths */
                ck_assert_double_le(fabs((double)got->hessian[i * wanted->k + j] -
                                         (double)wanted->hessian[i * wanted->k + j]),
                                    1e-5 * (double)wanted->n_tokens *
                                        sqrt(wanted->mean_square[i] * wanted->mean_square[j]));
        }
    }
    ck_assert_uint_eq(n, 4); /* of the projections to and from attention and feed-forward layer */
    for (size_t i = 0; i < 2; i++) {
        swg_calibration_free(&c[i]);
        swg_model_free(&models[i]);
    }
}
END_TEST

/* Of two models, the second with another projection of attention in its first layer. */
typedef struct pair {
    swg_model *original, *changed;
    swg_paired_calibration *calibration;
} pair;

static void pair_open(pair *p, const char *path, const char *backend)
{
    enum { WINDOWS = 2, WINDOW = 5 };
    int32_t ids[WINDOWS * WINDOW];
    p->original = loaded_model(path, backend);
    p->changed = loaded_model(path, backend);
    const swg_weight *weight = swg_model_weight(p->changed, SWG_ROLE_ATTENTION_OUTPUT, 0);
    const size_t n = weight->n * weight->k;
    const swg_tensor_desc desc = {.name = "waves",
                                  .scheme = swg_scheme_plain(SWG_F32),
                                  .rank = 2,
                                  .shape = {weight->n, weight->k}};
    float *values = swg_calloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = 0.2f * sinf((float)i);
    const void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    ck_ok(swg_model_replace(p->changed, weight, &desc, planes));
    swg_free(values);
    arch_ids(ids, WINDOWS * WINDOW, 2);
    ck_ok(swg_paired_calibration_new(p->original, p->changed, ids, WINDOWS, WINDOW, NULL,
                                     &p->calibration));
    ck_ok(swg_paired_calibration_advance(p->calibration, 0));
}

static void pair_close(pair *p)
{
    swg_paired_calibration_free(&p->calibration);
    swg_model_free(&p->changed);
    swg_model_free(&p->original);
}

/* Sums of products, relative to their largest. */
static void compare_sums(const float *got, const float *wanted, size_t n)
{
    double largest = 0;
    ck_assert_int_eq(got != NULL, wanted != NULL);
    for (size_t i = 0; wanted && i < n; i++)
        largest = fmax(largest, fabs((double)wanted[i]));
    ck_assert(!wanted || largest > 0);
    for (size_t i = 0; wanted && i < n; i++)
        ck_assert_double_eq_tol((double)got[i], (double)wanted[i], 1e-4 * largest);
}

START_TEST(statistics_of_two_models_are_those_of_the_cpu)
{
    const char *path = swg_test_need("fixtures/llama-tiny");
    if (!path || !has_executor())
        return;
    pair cpu, gpu;
    const swg_paired_input *wanted, *got;
    size_t n = 0, n_streams = 0;
    pair_open(&cpu, path, "cpu");
    pair_open(&gpu, path, "cuda");
    for (;; n++) {
        ck_ok(swg_paired_calibration_observe(cpu.calibration, 1, n, &wanted));
        ck_ok(swg_paired_calibration_observe(gpu.calibration, 1, n, &got));
        ck_assert_int_eq(got != NULL, wanted != NULL);
        if (!wanted)
            break;
        const size_t k = wanted->stats.k;
        ck_assert_uint_eq(got->stats.k, k);
        ck_assert_uint_eq(got->stats.n_stream, wanted->stats.n_stream);
        compare_sums(got->stats.hessian, wanted->stats.hessian, k * k);
        compare_sums(got->stats.input_shift, wanted->stats.input_shift, k * k);
        compare_sums(got->stats.stream_shift, wanted->stats.stream_shift,
                     wanted->stats.n_stream * k);
        n_streams += wanted->stats.n_stream > 0;
    }
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_eq(n_streams, 2); /* what is added to the rows: attention's and feed-forward's */
    pair_close(&gpu);
    pair_close(&cpu);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    const char *path = swg_test_need("fixtures/keras-gru-tiny/model.h5");
    if (path && has_executor())
        swg_test_each_allocation_fails(run_once, (void *)path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("cuda");
    TCase *models = tcase_create("models"), *steps = tcase_create("steps");
    TCase *refusals = tcase_create("refusals"), *first = tcase_create("no device");
    tcase_set_timeout(models, 300);
    tcase_set_timeout(steps, 300);
    tcase_set_timeout(refusals, 300);
    tcase_add_loop_test(models, checkpoints_give_the_logits_of_the_cpu, 0,
                        sizeof checkpoints / sizeof checkpoints[0]);
    tcase_add_loop_test(models, architectures_give_the_logits_of_the_cpu, 0, N_ARCH_NAMES);
    tcase_add_loop_test(models, formats_mean_what_they_mean_on_the_cpu, 0,
                        sizeof formats / sizeof formats[0]);
    tcase_add_loop_test(steps, caches_hold_what_the_cpus_hold, 0, SWG_KV_TYPE_COUNT);
    tcase_add_test(steps, decoding_repeats_a_graph);
    tcase_add_test(steps, greedy_texts_are_those_of_the_cpu);
    tcase_add_test(steps, layers_give_what_a_run_gives);
    tcase_add_test(steps, replaced_weights_are_used_at_once);
    tcase_add_test(steps, statistics_are_those_of_the_cpu);
    tcase_add_test(steps, statistics_of_two_models_are_those_of_the_cpu);
    tcase_add_test(refusals, every_allocation_may_fail);
    tcase_add_test(first, what_is_missing_is_said);
    suite_add_tcase(suite, first); /* before a device is open */
    suite_add_tcase(suite, models);
    suite_add_tcase(suite, steps);
    suite_add_tcase(suite, refusals);
    return suite;
}
