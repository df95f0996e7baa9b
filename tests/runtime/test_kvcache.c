/* The KV cache in every element type: what is kept of a row, where it is kept, how much memory it
 * takes; and executions whose keys and values are rounded. */
#include "tests/harness.h"

#include <math.h>
#include <string.h>

#include "kernels/kv_pieces.h"
#include "runtime/base/rng.h"
#include "runtime/exec.h"
#include "runtime/kv_type.h"
#include "runtime/kvcache.h"
#include "tests/formats/tiny_llama.h"

enum { MICRO_VOCAB = 40, MICRO_TOKENS = 50 };

/* Largest rounding error relative to the row's largest element. */
static const double tolerance[] = {
    [SWG_KV_F32] = 0, [SWG_KV_F16] = 0x1p-11, [SWG_KV_INT8] = 0.5001 / 127};

static double kept(swg_kv_type type, const void *rows, const float *scales, size_t at, size_t row)
{
    return (double)swg_kv_element(type, rows, at) *
           (swg_kv_has_scales(type) ? (double)scales[row] : 1);
}

static void check_row(const swg_kvcache *cache, const float *wanted, const void *rows,
                      const float *scales, size_t position)
{
    const size_t n = cache->shape.head_dim;
    double largest = 0;
    for (size_t d = 0; d < n; d++)
        largest = fmax(largest, fabs((double)wanted[d]));
    for (size_t d = 0; d < n; d++)
        ck_assert_double_le(
            fabs(kept(cache->shape.type, rows, scales, position * cache->stride + d, position) -
                 (double)wanted[d]),
            tolerance[cache->shape.type] * largest);
}

enum { SEQUENCES = 2, LAYERS = 3, HEADS = 2, CONTEXT = 5, MOST_DIM = 13 };

/* Every row of a cache gets numbers of its own; afterwards all are there. */
START_TEST(rows_are_kept)
{
    static const size_t dims[] = {1, 8, 13};
    static float x[SEQUENCES][LAYERS][HEADS][CONTEXT][2][MOST_DIM];
    const swg_kernels *kernels;
    ck_ok(swg_kernels_best(&kernels));
    for (size_t which = 0; which < 3; which++) {
        const swg_kvcache_shape shape = {(swg_kv_type)_i, SEQUENCES,   LAYERS,
                                         HEADS,           dims[which], CONTEXT};
        swg_rng rng = swg_rng_seeded(swg_test_seed());
        swg_kvcache cache = {0};
        ck_ok(swg_kvcache_init(&cache, &shape));
        for (size_t s = 0; s < SEQUENCES; s++)
            for (size_t l = 0; l < LAYERS; l++)
                for (size_t h = 0; h < HEADS; h++)
                    for (size_t p = 0; p < CONTEXT; p++) {
                        float(*row)[MOST_DIM] = x[s][l][h][p];
                        for (size_t d = 0; d < 2 * MOST_DIM; d++)
                            row[d / MOST_DIM][d % MOST_DIM] = swg_rng_normal(&rng);
                        swg_kvcache_store(&cache, kernels, s, l, h, p, row[0], row[1]);
                    }
        for (size_t s = 0; s < SEQUENCES; s++)
            for (size_t l = 0; l < LAYERS; l++)
                for (size_t h = 0; h < HEADS; h++) {
                    const swg_kv_run run = swg_kvcache_run(&cache, s, l, h);
                    ck_assert_uint_eq(run.n, CONTEXT);
                    for (size_t p = 0; p < CONTEXT; p++) {
                        check_row(&cache, x[s][l][h][p][0], run.k, run.k_scales, p);
                        check_row(&cache, x[s][l][h][p][1], run.v, run.v_scales, p);
                    }
                }
        swg_kvcache_deinit(&cache);
    }
}
END_TEST

START_TEST(memory_shrinks)
{
    size_t bytes[SWG_KV_TYPE_COUNT];
    swg_kvcache_shape shape = {SWG_KV_F32, 2, 30, 3, 64, 512};
    for (int type = 0; type < SWG_KV_TYPE_COUNT; type++) {
        shape.type = (swg_kv_type)type;
        ck_ok(swg_kvcache_bytes(&shape, &bytes[type]));
    }
    ck_assert_uint_eq(bytes[SWG_KV_F32], (size_t)2 * 2 * 30 * 3 * 512 * 64 * 4);
    ck_assert_uint_eq(bytes[SWG_KV_F16], bytes[SWG_KV_F32] / 2);
    ck_assert_uint_eq(bytes[SWG_KV_INT8], bytes[SWG_KV_F32] / 256 * 68);
    shape.type = SWG_KV_INT8;
    shape.head_dim = 1024;
    ck_ok(swg_kvcache_bytes(&shape, bytes));
    shape.head_dim = 1025;
    ck_status_is(SWG_UNSUPPORTED, swg_kvcache_bytes(&shape, bytes));
    ck_assert_ptr_nonnull(
        strstr(swg_error_message(), "at most 1024 elements; the model's have 1025"));
    shape.head_dim = 64;
    shape.context = SIZE_MAX / 1000;
    ck_status_is(SWG_LIMIT, swg_kvcache_bytes(&shape, bytes));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "too large"));
}
END_TEST

START_TEST(types_have_names)
{
    ck_assert_int_eq(swg_kv_type_named("f32"), SWG_KV_F32);
    ck_assert_int_eq(swg_kv_type_named("f16"), SWG_KV_F16);
    ck_assert_int_eq(swg_kv_type_named("int8"), SWG_KV_INT8);
    ck_assert_int_eq(swg_kv_type_named("int9"), SWG_KV_TYPE_COUNT);
    ck_assert_str_eq(SWG_KV_TYPE_CHOICES, "f32|f16|int8");
    ck_assert_int_eq(swg_exec_options_default().kv_type, SWG_KV_F32);
}
END_TEST

/* Logits with rounded keys and values are near those with floats, but not the same, and do not
 * depend on threads or on how tokens are cut into calls. */
START_TEST(executions_round_their_cache)
{
    static float exact[MICRO_TOKENS * MICRO_VOCAB], whole[MICRO_TOKENS * MICRO_VOCAB],
        cut[MICRO_TOKENS * MICRO_VOCAB];
    swg_scheme scheme;
    ck_ok(swg_scheme_of_bits(8, 32, false, SWG_F32, &scheme));
    swg_model *model = NULL;
    ck_ok(swg_model_random(swg_micro_config, strlen(swg_micro_config), scheme, 7, NULL, &model));
    swg_pool *pool = NULL;
    swg_exec *exec = NULL;
    int32_t ids[MICRO_TOKENS];
    for (size_t i = 0; i < MICRO_TOKENS; i++)
        ids[i] = (int32_t)((i * 7 + 3) % MICRO_VOCAB);
    ck_ok(swg_pool_new(3, &pool));
    swg_exec_options options = swg_exec_options_default();
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    ck_ok(swg_exec_run(exec, ids, MICRO_TOKENS, 0, exact));
    const size_t float_bytes = swg_exec_cache_bytes(exec);
    swg_exec_free(&exec);
    options.kv_type = (swg_kv_type)_i;
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    ck_ok(swg_exec_run(exec, ids, MICRO_TOKENS, 0, whole));
    ck_assert_uint_lt(swg_exec_cache_bytes(exec), float_bytes);
    swg_exec_free(&exec);
    ck_ok(swg_exec_new(model, pool, &options, &exec));
    for (size_t t = 0; t < MICRO_TOKENS; t++)
        ck_ok(swg_exec_run(exec, ids + t, 1, 0, cut + t * MICRO_VOCAB));
    ck_assert_mem_eq(whole, cut, sizeof whole);
    double difference = 0, size = 0;
    for (size_t i = 0; i < MICRO_TOKENS * MICRO_VOCAB; i++) {
        difference += pow((double)whole[i] - (double)exact[i], 2);
        size += pow((double)exact[i], 2);
    }
    ck_assert_double_gt(difference, 0);
    ck_assert_double_lt(sqrt(difference / size), options.kv_type == SWG_KV_F16 ? 0.01 : 0.05);
    swg_exec_free(&exec);
    swg_pool_free(&pool);
    swg_model_free(&model);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("kvcache");
    TCase *cases = tcase_create("kvcache");
    tcase_add_loop_test(cases, rows_are_kept, 0, SWG_KV_TYPE_COUNT);
    tcase_add_test(cases, memory_shrinks);
    tcase_add_test(cases, types_have_names);
    tcase_add_loop_test(cases, executions_round_their_cache, 1, SWG_KV_TYPE_COUNT);
    suite_add_tcase(suite, cases);
    return suite;
}
