/* Operations of forward.h one by one, on values made here, against formulas in double. */
#include "runtime/forward.h"

#include <math.h>
#include <string.h>

#include "runtime/exec_state.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { ROWS = 7, COLUMNS = 24 };

typedef struct bench {
    swg_model *model;
    swg_exec *exec;
} bench;

static bench bench_of(const char *architecture)
{
    bench b = {.model = arch_model(architecture, arch_int4)};
    b.exec = arch_exec(b.model, (swg_exec_options){.context = 64, .chunk = ROWS, .sequences = 2});
    return b;
}

static void bench_deinit(bench *b)
{
    swg_exec_free(&b->exec);
    swg_model_free(&b->model);
}

/* Element i of the values that tests begin with, of two kinds. */
static float number(size_t i, int kind)
{
    return (float)(sin(0.37 * (double)(i + 1) * (kind + 1)) * 3);
}

static swg_value value_of(const bench *b, size_t columns, int kind)
{
    float host[ROWS * COLUMNS];
    swg_value value = {0};
    ck_assert_uint_le(columns, COLUMNS);
    for (size_t i = 0; i < ROWS * columns; i++)
        host[i] = number(i, kind);
    ck_ok(b->exec->backend->value_new(b->exec, ROWS, columns, &value));
    b->exec->backend->upload(b->exec, host, value);
    return value;
}

static void read_and_free(const bench *b, swg_value *value, float *host)
{
    b->exec->backend->download(b->exec, *value, host);
    b->exec->backend->value_free(b->exec, value);
}

START_TEST(mul_multiplies)
{
    bench b = bench_of("qwen3");
    float got[ROWS * COLUMNS];
    swg_value x = value_of(&b, COLUMNS, 0), y = value_of(&b, COLUMNS, 1);
    swg_mul(b.exec, x, y);
    b.exec->backend->value_free(b.exec, &y);
    read_and_free(&b, &x, got);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        ck_assert_float_eq(got[i], number(i, 0) * number(i, 1));
    bench_deinit(&b);
}
END_TEST

START_TEST(scale_scales)
{
    bench b = bench_of("gpt2-bare");
    float got[ROWS * COLUMNS];
    swg_value x = value_of(&b, COLUMNS, 0);
    swg_scale(b.exec, -0.3f, x);
    read_and_free(&b, &x, got);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        ck_assert_float_eq(got[i], number(i, 0) * -0.3f);
    bench_deinit(&b);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *cases = tcase_create("operations");
    tcase_add_test(cases, mul_multiplies);
    tcase_add_test(cases, scale_scales);
    suite_add_tcase(suite, cases);
    return suite;
}
