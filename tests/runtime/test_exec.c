/* Execution: independence of threads, chunks and instruction sets. Agreement with independent
 * references is test_arch.c's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backend/backend.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"
#include "tests/formats/tiny_llama.h"
#include "tests/runtime/reference.h"

enum { MICRO_VOCAB = 40, MICRO_TOKENS = 50 };

/* --- The same results however the work is shared out ------------------------------------------ */

static swg_model *random_model(swg_scheme scheme)
{
    swg_model *model = NULL;
    ck_ok(swg_model_random(swg_micro_config, strlen(swg_micro_config), scheme, 7, NULL, &model));
    return model;
}

static void make_ids(int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 7 + 3) % MICRO_VOCAB);
}

static const swg_scheme schemes[] = {
    {.dtype = SWG_F32},
    {.dtype = SWG_BF16},
    {.dtype = SWG_F16},
    SWG_SCHEME_INT(8, .group = 32, .scale_type = SWG_F16),
    SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16),
    SWG_SCHEME_INT(4, .group = 0, .scale_type = SWG_F32, .asymmetric = true),
    SWG_SCHEME_INT(8, .group = 0, .scale_type = SWG_BF16, .asymmetric = true),
};

START_TEST(thread_count_changes_nothing)
{
    swg_model *model = random_model(schemes[_i]);
    int32_t ids[MICRO_TOKENS];
    make_ids(ids, MICRO_TOKENS);
    for (int activations = 0; activations < SWG_ACT_COUNT; activations++) {
        const swg_exec_options options = {.size = sizeof options,
                                          .activations = (swg_act_precision)activations};
        float *one = run_all(model, NULL, &options, ids, MICRO_TOKENS);
        for (size_t threads = 2; threads <= 5; threads += 3) {
            swg_pool *pool = NULL;
            ck_ok(swg_pool_new(threads, &pool));
            float *many = run_all(model, pool, &options, ids, MICRO_TOKENS);
            ck_assert_mem_eq(one, many, MICRO_TOKENS * MICRO_VOCAB * sizeof *one);
            swg_free(many);
            swg_pool_free(&pool);
        }
        swg_free(one);
    }
    swg_model_free(&model);
}
END_TEST

/* Decoding token by token, prefill in odd chunks, all at once: with int8 activations the bytes are
 * equal, with float products equal up to rounding. */
START_TEST(chunks_change_nothing)
{
    swg_model *model = random_model(schemes[_i]);
    const bool is_exact = swg_scheme_is_quantized(schemes[_i]);
    int32_t ids[MICRO_TOKENS];
    make_ids(ids, MICRO_TOKENS);
    float *whole = run_all(model, NULL, NULL, ids, MICRO_TOKENS);
    static const size_t chunks[] = {1, 7, 32};
    for (size_t c = 0; c < 3; c++) {
        const swg_exec_options options = {.size = sizeof options, .chunk = chunks[c]};
        float *pieces = run_all(model, NULL, &options, ids, MICRO_TOKENS);
        for (size_t i = 0; i < MICRO_TOKENS * MICRO_VOCAB; i++) {
            if (is_exact)
                ck_assert(memcmp(&whole[i], &pieces[i], sizeof *whole) == 0);
            else
                ck_assert_double_le(fabs((double)whole[i] - (double)pieces[i]), 1e-4);
        }
        swg_free(pieces);
    }
    swg_free(whole);
    swg_model_free(&model);
}
END_TEST

START_TEST(only_wanted_logits_are_given)
{
    swg_model *model = random_model(schemes[4]);
    int32_t ids[MICRO_TOKENS];
    make_ids(ids, MICRO_TOKENS);
    float *whole = run_all(model, NULL, NULL, ids, MICRO_TOKENS);
    const swg_exec_options options = {.size = sizeof options, .chunk = 16};
    for (size_t first = 0; first <= MICRO_TOKENS; first += 10) {
        swg_exec *exec = NULL;
        float *some = swg_calloc((MICRO_TOKENS - first + 1) * MICRO_VOCAB, sizeof *some);
        ck_ok(swg_exec_new(model, NULL, &options, &exec));
        ck_ok(swg_exec_run(exec, ids, MICRO_TOKENS, first, some));
        ck_assert_mem_eq(some, whole + first * MICRO_VOCAB,
                         (MICRO_TOKENS - first) * MICRO_VOCAB * sizeof *some);
        ck_assert_uint_eq(swg_exec_position(exec), MICRO_TOKENS);
        swg_free(some);
        swg_exec_free(&exec);
    }
    swg_free(whole);
    swg_model_free(&model);
}
END_TEST

START_TEST(bad_tokens_and_full_contexts_are_refused)
{
    swg_model *model = random_model(schemes[0]);
    swg_exec *exec = NULL;
    float logits[MICRO_VOCAB];
    const swg_exec_options options = {.size = sizeof options, .context = 4};
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    ck_status_is(SWG_CORRUPT, swg_exec_run(exec, (const int32_t[]){1, MICRO_VOCAB}, 2, 1, logits));
    ck_status_is(SWG_CORRUPT, swg_exec_run(exec, (const int32_t[]){-1}, 1, 0, logits));
    ck_assert_uint_eq(swg_exec_position(exec), 0);
    ck_ok(swg_exec_run(exec, (const int32_t[]){1, 2, 3}, 3, 2, logits));
    ck_status_is(SWG_LIMIT, swg_exec_run(exec, (const int32_t[]){1, 2}, 2, 1, logits));
    ck_assert_uint_eq(swg_exec_position(exec), 3);
    ck_ok(swg_exec_run(exec, (const int32_t[]){4}, 1, 0, logits));
    swg_exec_free(&exec);
    swg_model_free(&model);
}
END_TEST

/* The two rotary pairings are one permutation of q and k rows apart. */
static size_t half_row(size_t row)
{
    enum { HEAD_DIM = 8 };
    const size_t head = row / HEAD_DIM, i = row % HEAD_DIM;
    return head * HEAD_DIM + i / 2 + (i % 2) * (HEAD_DIM / 2);
}

static void write_interleaved(const char *from, const char *to)
{
    char config[1024];
    snprintf(config, sizeof config, "{\"rope_interleaved\": true, %s", swg_micro_config + 1);
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    ck_ok(swg_source_open(from, NULL, &source));
    const size_t n = swg_source_n_tensors(source);
    swg_tensor_desc descs[64];
    for (size_t i = 0; i < n; i++)
        descs[i] = *swg_source_tensor(source, i);
    const swg_sink_meta meta = {
        .config = config, .config_length = strlen(config), .provenance = "[]"};
    const swg_sink_options options = {.size = sizeof options, .force = true};
    ck_ok(swg_sink_open(to, &options, &meta, descs, n, &sink));
    for (size_t i = 0; i < n; i++) {
        float values[40 * 16], moved[40 * 16];
        const size_t rows = (size_t)swg_tensor_rows(&descs[i]);
        const size_t cols = (size_t)swg_tensor_cols(&descs[i]);
        ck_ok(swg_source_read_f32(source, i, 0, rows, values));
        const bool rotates =
            strstr(descs[i].name, "q_proj") != NULL || strstr(descs[i].name, "k_proj") != NULL;
        for (size_t r = 0; r < rows; r++)
            memcpy(moved + r * cols, values + (rotates ? half_row(r) : r) * cols,
                   cols * sizeof *moved);
        ck_ok(swg_sink_write(sink, i, (const void *const[SWG_PLANE_KINDS]){moved}));
    }
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_source_close(&source);
}

START_TEST(both_rope_pairings_mean_the_same)
{
    ck_ok(swg_micro_model_write(swg_test_path("half.swg"), NULL, NULL, NULL, 5));
    write_interleaved(swg_test_path("half.swg"), swg_test_path("interleaved.swg"));
    int32_t ids[MICRO_TOKENS];
    make_ids(ids, MICRO_TOKENS);
    swg_model *half = load_model(swg_test_path("half.swg"), NULL);
    swg_model *interleaved = load_model(swg_test_path("interleaved.swg"), NULL);
    ck_assert(interleaved->hparams.rope.interleaved && !half->hparams.rope.interleaved);
    float *a = run_all(half, NULL, NULL, ids, MICRO_TOKENS);
    float *b = run_all(interleaved, NULL, NULL, ids, MICRO_TOKENS);
    for (size_t i = 0; i < MICRO_TOKENS * MICRO_VOCAB; i++)
        ck_assert_double_le(fabs((double)a[i] - (double)b[i]), 1e-5);
    swg_free(a);
    swg_free(b);
    swg_model_free(&half);
    swg_model_free(&interleaved);
}
END_TEST

START_TEST(backends_are_found_by_name)
{
    const swg_backend *first = NULL, *cpu = NULL;
    ck_ok(swg_backend_find(NULL, &first));
    ck_ok(swg_backend_find("cpu", &cpu));
    ck_assert_ptr_eq(first, cpu);
    ck_assert_str_eq(cpu->name, "cpu");
    ck_status_is(SWG_USAGE, swg_backend_find("abacus", &cpu));
    ck_assert_ptr_eq(first, cpu);
}
END_TEST

START_TEST(activations_have_names)
{
    ck_assert_int_eq(swg_act_named("int8"), SWG_ACT_INT8);
    ck_assert_int_eq(swg_act_named("f32"), SWG_ACT_F32);
    ck_assert_int_eq(swg_act_named("f16"), SWG_ACT_F16);
    ck_assert_int_eq(swg_act_named("bf16"), SWG_ACT_BF16);
    ck_assert_int_eq(swg_act_named("f3"), SWG_ACT_COUNT);
    ck_assert_int_eq(strncmp(SWG_ACT_CHOICES, "int8|f32", 8), 0);
    ck_assert_int_eq(swg_exec_options_default().activations, SWG_ACT_INT8);
}
END_TEST

START_TEST(options_have_a_size)
{
    swg_model *model = random_model(schemes[0]);
    swg_exec *exec = NULL;
    swg_exec_options options = swg_exec_options_default();
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    swg_exec_free(&exec);
    options.size = 0;
    ck_status_is(SWG_USAGE, swg_exec_new(model, NULL, &options, &exec));
    ck_assert_ptr_null(exec);
    swg_model_free(&model);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("exec");
    TCase *cases = tcase_create("run");
    tcase_add_loop_test(cases, thread_count_changes_nothing, 0, sizeof schemes / sizeof schemes[0]);
    tcase_add_loop_test(cases, chunks_change_nothing, 0, sizeof schemes / sizeof schemes[0]);
    tcase_add_test(cases, only_wanted_logits_are_given);
    tcase_add_test(cases, bad_tokens_and_full_contexts_are_refused);
    tcase_add_test(cases, backends_are_found_by_name);
    tcase_add_test(cases, activations_have_names);
    tcase_add_test(cases, options_have_a_size);
    tcase_add_test(cases, both_rope_pairings_mean_the_same);
    suite_add_tcase(suite, cases);
    return suite;
}
