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
    b.exec = arch_exec(b.model, (swg_exec_options){.context = 16, .chunk = ROWS, .sequences = 2});
    return b;
}

static void bench_deinit(bench *b)
{
    swg_exec_free(&b->exec);
    swg_model_free(&b->model);
}

/* Make the batch one text of ROWS rows from that position on. */
static void begin_batch(const bench *b, size_t position)
{
    swg_batch *batch = &b->exec->batch;
    batch->n = ROWS;
    batch->n_spans = 1;
    batch->spans[0] =
        (swg_span){.n = ROWS, .sequence = 1, .position = position, .length = position + ROWS};
    for (size_t i = 0; i < ROWS; i++)
        batch->positions[i] = position + i;
    b->exec->backend->begin(b->exec);
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

/* --- Attention ---------------------------------------------------------------------------------
 */

enum { HEAD_DIM = 10, QUERY_HEADS = 2 };

/* Element d of the attention of row t and query head `head`, one key head, in double. */
static double attention_of(const swg_attend_options *options, size_t t, size_t head, size_t d)
{
    const size_t end = options->sees_all ? ROWS : t + 1;
    const size_t begin = options->window && end > options->window ? end - options->window : 0;
    const double scale = options->scale != 0 ? options->scale : 1 / sqrt((double)HEAD_DIM);
    double total = 0, sum = 0;
    for (size_t j = begin; j < end; j++) {
        double dot = 0;
        for (size_t i = 0; i < HEAD_DIM; i++)
            dot += (double)number((t * QUERY_HEADS + head) * HEAD_DIM + i, 0) *
                   (double)number(j * HEAD_DIM + i, 1);
        total += exp(dot * scale);
        sum += exp(dot * scale) * (double)number(j * HEAD_DIM + d, 2);
    }
    return sum / total;
}

static const swg_attend_options attend_options[] = {
    {0}, {.window = 3}, {.sees_all = true}, {.scale = 0.07f}, {.scale = 0.5f, .window = 2},
};

START_TEST(attention_obeys_its_options)
{
    const swg_attend_options *options = &attend_options[_i];
    bench b = bench_of("qwen3");
    ck_assert_int_eq(b.model->hparams.head_dim, HEAD_DIM);
    ck_assert_int_eq(b.model->hparams.n_kv_heads, 1);
    swg_value q = value_of(&b, QUERY_HEADS * HEAD_DIM, 0), k = value_of(&b, HEAD_DIM, 1);
    swg_value v = value_of(&b, HEAD_DIM, 2);
    float got[ROWS * COLUMNS];
    begin_batch(&b, 0);
    swg_attend(b.exec, 1, *options, q, k, v, q);
    b.exec->backend->value_free(b.exec, &k);
    b.exec->backend->value_free(b.exec, &v);
    read_and_free(&b, &q, got);
    for (size_t t = 0; t < ROWS; t++)
        for (size_t i = 0; i < QUERY_HEADS * HEAD_DIM; i++)
            ck_assert_double_le(fabs(got[t * QUERY_HEADS * HEAD_DIM + i] -
                                     attention_of(options, t, i / HEAD_DIM, i % HEAD_DIM)),
                                1e-5);
    bench_deinit(&b);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("vocabulary");
    TCase *cases = tcase_create("operations");
    tcase_add_test(cases, mul_multiplies);
    tcase_add_test(cases, scale_scales);
    tcase_add_loop_test(cases, attention_obeys_its_options, 0,
                        sizeof attend_options / sizeof attend_options[0]);
    suite_add_tcase(suite, cases);
    return suite;
}
