/* Operations of forward.h one by one, on values made here, against formulas in double. */
#include "runtime/forward.h"

#include <math.h>
#include <string.h>

#include "runtime/base/numeric.h"
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

/* --- Weight products ----------------------------------------------------------------------------
 */

/* The value to which a precision rounds an input; int8 is tested with the kernels. */
static double rounded(swg_act_precision precision, float x)
{
    return precision == SWG_ACT_F16    ? (double)swg_f16_to_f32(swg_f32_to_f16(x))
           : precision == SWG_ACT_BF16 ? (double)swg_bf16_to_f32(swg_f32_to_bf16(x))
                                       : (double)x;
}

static const struct {
    swg_act_precision precision;
    swg_scheme scheme;
    swg_act_precision as; /* inputs of plain weights are not rounded */
} products[] = {
    {SWG_ACT_F32, SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16), SWG_ACT_F32},
    {SWG_ACT_F16, SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16), SWG_ACT_F16},
    {SWG_ACT_F16, SWG_SCHEME_INT(8, .group = 0, .scale_type = SWG_BF16, .asymmetric = true),
     SWG_ACT_F16},
    {SWG_ACT_F16, {.dtype = SWG_BF16}, SWG_ACT_F32},
    {SWG_ACT_BF16, SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16), SWG_ACT_BF16},
    {SWG_ACT_BF16, {.dtype = SWG_BF16}, SWG_ACT_F32},
};

START_TEST(products_round_their_input)
{
    swg_model *model = arch_model("qwen3", products[_i].scheme);
    bench b = {.model = model,
               .exec = arch_exec(model, (swg_exec_options){.context = ROWS,
                                                           .activations = products[_i].precision})};
    const swg_weight *weight = swg_model_weight(model, SWG_ROLE_FFN_UP, 0);
    ck_assert(weight->k <= COLUMNS && weight->n <= COLUMNS);
    swg_value x = value_of(&b, weight->k, 0), y = value_of(&b, weight->n, 1);
    float got[ROWS * COLUMNS], row[COLUMNS];
    swg_linear(b.exec, SWG_ROLE_FFN_UP, 0, x, y);
    b.exec->backend->value_free(b.exec, &x);
    read_and_free(&b, &y, got);
    double changed = 0;
    for (size_t r = 0; r < weight->n; r++) {
        model->backend->weights->row_f32(weight, r, row);
        for (size_t t = 0; t < ROWS; t++) {
            double sum = 0, exact = 0;
            for (size_t i = 0; i < weight->k; i++) {
                const float input = number(t * weight->k + i, 0);
                sum += rounded(products[_i].as, input) * (double)row[i];
                exact += (double)input * (double)row[i];
            }
            ck_assert_double_le(fabs(got[t * weight->n + r] - sum), 4e-6);
            changed = fmax(changed, fabs(sum - exact));
        }
    }
    ck_assert((changed > 1e-4) == (products[_i].as != SWG_ACT_F32));
    bench_deinit(&b);
}
END_TEST

/* --- Rotary positions ---------------------------------------------------------------------------
 */

enum { ROPE_HEADS = 2, ROPE_HEAD_DIM = 10, ROPE_POSITION = 3 };

static const struct {
    int64_t rotary_dim;
    bool is_interleaved;
    double theta, local_theta; /* layer 0 of the model has a window, layer 1 has none */
} ropes[] = {
    {10, false, 10000, 0},  {6, false, 10000, 0}, {6, true, 10000, 0}, {10, true, 500, 0},
    {10, false, 10000, 20}, {4, true, 10000, 20}, {2, false, 3, 0},
};

/* Element d of a head's rotation, in double: x of the head is in[0 .. ROPE_HEAD_DIM). */
static double rotated(const float *in, size_t d, size_t which, size_t layer, size_t position)
{
    const size_t dim = (size_t)ropes[which].rotary_dim;
    const bool is_local = layer == 0 && ropes[which].local_theta > 0;
    const double theta = is_local ? ropes[which].local_theta : ropes[which].theta;
    const bool is_interleaved = ropes[which].is_interleaved;
    if (d >= dim)
        return (double)in[d];
    const size_t pair = is_interleaved ? d / 2 : d % (dim / 2);
    const bool is_first = is_interleaved ? d % 2 == 0 : d < dim / 2;
    const size_t first = is_interleaved ? 2 * pair : pair;
    const double a = (double)in[first], b = (double)in[first + (is_interleaved ? 1 : dim / 2)];
    const double angle = (double)position * pow(theta, -2.0 * (double)pair / (double)dim);
    return is_first ? a * cos(angle) - b * sin(angle) : b * cos(angle) + a * sin(angle);
}

START_TEST(rope_rotates_as_configured)
{
    swg_model *model = arch_model("qwen3", arch_int4);
    ck_assert_int_eq(model->hparams.head_dim, ROPE_HEAD_DIM);
    ck_assert_int_eq(model->hparams.rope.dim, ROPE_HEAD_DIM);
    ck_assert(swg_hparams_window(&model->hparams, 0) > 0);
    ck_assert(swg_hparams_window(&model->hparams, 1) == 0);
    model->hparams.rope.dim = ropes[_i].rotary_dim;
    model->hparams.rope.interleaved = ropes[_i].is_interleaved;
    model->hparams.rope.theta = ropes[_i].theta;
    model->hparams.rope.local_theta = ropes[_i].local_theta;
    const size_t columns = ROPE_HEADS * ROPE_HEAD_DIM;
    bench b = {.model = model,
               .exec = arch_exec(model, (swg_exec_options){.context = 16, .sequences = 2})};
    for (size_t layer = 0; layer < 2; layer++) {
        float got[ROWS * COLUMNS], in[ROPE_HEAD_DIM];
        swg_value x = value_of(&b, columns, 0);
        begin_batch(&b, ROPE_POSITION);
        swg_rope(b.exec, layer, x);
        read_and_free(&b, &x, got);
        for (size_t i = 0; i < ROWS * columns; i++) {
            const size_t d = i % ROPE_HEAD_DIM;
            for (size_t j = 0; j < ROPE_HEAD_DIM; j++)
                in[j] = number(i - d + j, 0);
            ck_assert_double_le(fabs((double)got[i] - rotated(in, d, (size_t)_i, layer,
                                                              ROPE_POSITION + i / columns)),
                                2e-6);
        }
    }
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
    tcase_add_loop_test(cases, products_round_their_input, 0, sizeof products / sizeof products[0]);
    tcase_add_loop_test(cases, rope_rotates_as_configured, 0, sizeof ropes / sizeof ropes[0]);
    tcase_add_loop_test(cases, attention_obeys_its_options, 0,
                        sizeof attend_options / sizeof attend_options[0]);
    suite_add_tcase(suite, cases);
    return suite;
}
