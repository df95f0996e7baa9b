/* Method entropy: steps against their formula, codes against a sweep in double written here, and
 * what it refuses. */
#include <math.h>
#include <string.h>

#include "quantize/entropy.h"
#include "quantize/quantize.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { ROWS = 40, COLS = 24, TOKENS = 200 };

typedef struct problem {
    float w[ROWS * COLS], hessian[COLS * COLS];
    double mean_square[COLS], product[ROWS], look_up[ROWS];
    swg_layer_stats stats;
    swg_row_sensitivity sensitivity;
} problem;

static void fill_inputs(problem *p, swg_rng *rng)
{
    static float x[TOKENS][COLS];
    for (size_t t = 0; t < TOKENS; t++) {
        const float common = swg_rng_normal(rng);
        for (size_t c = 0; c < COLS; c++)
            x[t][c] = (0.3f + 0.1f * (float)c) * (swg_rng_normal(rng) + common);
    }
    for (size_t i = 0; i < COLS; i++)
        for (size_t j = 0; j < COLS; j++) {
            double sum = 0;
            for (size_t t = 0; t < TOKENS; t++)
                sum += (double)x[t][i] * (double)x[t][j];
            p->hessian[i * COLS + j] = (float)sum;
        }
    for (size_t i = 0; i < COLS; i++)
        p->mean_square[i] = (double)p->hessian[i * COLS + i] / TOKENS;
}

static problem *new_problem(void)
{
    problem *p = swg_calloc(1, sizeof *p);
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (size_t i = 0; i < ROWS * COLS; i++)
        p->w[i] = 0.05f * swg_rng_normal(&rng);
    fill_inputs(p, &rng);
    for (size_t i = 0; i < ROWS; i++) {
        p->product[i] = 1e-4 * exp(2 * (double)swg_rng_normal(&rng));
        p->look_up[i] = i % 3 ? 0 : 1e-5 * (double)i;
    }
    p->stats = (swg_layer_stats){.name = "w",
                                 .k = COLS,
                                 .n_tokens = TOKENS,
                                 .hessian = p->hessian,
                                 .mean_square = p->mean_square};
    p->sensitivity = (swg_row_sensitivity){
        .tensor = "w", .rows = ROWS, .cols = COLS, .product = p->product, .look_up = p->look_up};
    return p;
}

/* --- Steps ------------------------------------------------------------------------------------ */

START_TEST(every_weight_costs_the_same)
{
    problem *p = new_problem();
    const double spread = 0.7, loss = 2e-9;
    float steps[ROWS];
    double mean = 0;
    swg_entropy_steps(&p->sensitivity, spread, loss, steps);
    for (size_t i = 0; i < ROWS; i++)
        mean += (p->product[i] * spread + p->look_up[i]) / ROWS;
    for (size_t i = 0; i < ROWS; i++) {
        const double share = (p->product[i] * spread + p->look_up[i]) / mean;
        const double importance = mean * sqrt((share + 0.1) / 1.1);
        const double cost = importance * (double)steps[i] * (double)steps[i] / 24;
        ck_assert_msg(fabs(cost / loss - 1) < 1e-5, "row %zu costs %g, not %g", i, cost, loss);
    }
    swg_free(p);
}
END_TEST

/* --- Codes ------------------------------------------------------------------------------------ */

static swg_status read_rows(void *context, uint64_t row, uint64_t n, float *out)
{
    const problem *p = context;
    memcpy(out, p->w + row * COLS, n * COLS * sizeof *out);
    return SWG_OK;
}

typedef struct result {
    uint8_t codes[ROWS * COLS];
    float scales[ROWS], values[ROWS * COLS];
    swg_quant_stats stats;
} result;

static swg_quantize_job job_of(problem *p, const swg_parameter *loss)
{
    const swg_scheme scheme = SWG_SCHEME_INT(8, .group = 0, .scale_type = SWG_F32);
    return (swg_quantize_job){.name = "w",
                              .rows = ROWS,
                              .cols = COLS,
                              .scheme = scheme,
                              .parameters = loss,
                              .n_parameters = 1,
                              .stats = &p->stats,
                              .sensitivity = &p->sensitivity,
                              .read_rows = read_rows,
                              .context = p};
}

static swg_status quantize(const swg_quantize_job *job, result *out)
{
    void *const planes[SWG_PLANE_KINDS] = {
        [SWG_PLANE_CODES] = out->codes, [SWG_PLANE_SCALES] = out->scales};
    swg_quantize_job wanted = *job;
    wanted.updated = out->values;
    return swg_quantize_tensor(SWG_QUANT_entropy, &wanted, planes, &out->stats);
}

/* (Q - W) H (Q - W)' of a row. */
static double output_error(const problem *p, size_t row, const float *q)
{
    double sum = 0;
    for (size_t i = 0; i < COLS; i++)
        for (size_t j = 0; j < COLS; j++)
            sum += ((double)q[i] - (double)p->w[row * COLS + i]) *
                   ((double)q[j] - (double)p->w[row * COLS + j]) * (double)p->hessian[i * COLS + j];
    return sum;
}

START_TEST(rows_are_swept_on_their_steps)
{
    problem *p = new_problem();
    result *r = swg_calloc(1, sizeof *r), *pooled = swg_calloc(1, sizeof *r);
    const swg_parameter loss = {.name = "loss", .number = 1e-9};
    swg_quantize_job job = job_of(p, &loss);
    double swept = 0, rounded = 0;
    ck_ok(quantize(&job, r));
    for (size_t i = 0; i < ROWS; i++) {
        float q[COLS];
        float largest = 0;
        for (size_t c = 0; c < COLS; c++) {
            const float value = ((float)r->codes[i * COLS + c] - 128) * r->scales[i];
            ck_assert_float_eq(value, r->values[i * COLS + c]);
            q[c] = rintf(p->w[i * COLS + c] / r->scales[i]) * r->scales[i];
            largest = fmaxf(largest, fabsf(p->w[i * COLS + c]));
        }
        ck_assert_float_ge(r->scales[i] * 127, largest * 0.999f); /* codes reach every weight */
        ck_assert_double_le(output_error(p, i, r->values + i * COLS),
                            output_error(p, i, q) * (1 + 1e-6));
        swept += output_error(p, i, r->values + i * COLS);
        rounded += output_error(p, i, q);
    }
    ck_assert_double_lt(swept, 0.8 * rounded);
    ck_assert_double_le(fabs(r->stats.output_noise / swept - 1), 1e-3);
    /* More sensitive rows have smaller steps. */
    for (size_t i = 1; i < ROWS; i++)
        if (p->look_up[i] == 0 && p->look_up[i - 1] == 0 && p->product[i] > p->product[i - 1])
            ck_assert_float_le(r->scales[i], r->scales[i - 1]);
    ck_ok(swg_pool_new(3, &job.pool));
    ck_ok(quantize(&job, pooled));
    ck_assert_mem_eq(r->codes, pooled->codes, sizeof r->codes);
    ck_assert_mem_eq(r->scales, pooled->scales, sizeof r->scales);
    swg_pool_free(&job.pool);
    swg_free(pooled);
    swg_free(r);
    swg_free(p);
}
END_TEST

/* A table whose rows are only looked up is rounded; rows that the text never reached too. */
START_TEST(tables_are_rounded)
{
    problem *p = new_problem();
    result *r = swg_calloc(1, sizeof *r);
    const swg_parameter loss = {.name = "loss", .number = 1e-10};
    swg_quantize_job job = job_of(p, &loss);
    job.stats = NULL;
    p->sensitivity.product = NULL;
    for (size_t c = 0; c < COLS; c++)
        p->w[5 * COLS + c] = 0;
    ck_ok(quantize(&job, r));
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const float step = r->scales[i / COLS];
        ck_assert(isfinite(step) && step > 0);
        ck_assert_float_eq(r->values[i], rintf(p->w[i] / step) * step);
    }
    /* A table that nothing ever looked at: one step for each row's largest weight. */
    memset(p->look_up, 0, sizeof p->look_up);
    ck_ok(quantize(&job, r));
    for (size_t i = 0; i < ROWS * COLS; i++)
        ck_assert(isfinite(r->values[i]));
    swg_free(r);
    swg_free(p);
}
END_TEST

START_TEST(what_it_cannot_do_is_refused)
{
    problem *p = new_problem();
    result *r = swg_calloc(1, sizeof *r);
    const swg_parameter loss = {.name = "loss", .number = 1e-9};
    swg_quantize_job job = job_of(p, &loss);
    job.sensitivity = NULL;
    ck_status_is(SWG_FAILED, quantize(&job, r));
    job = job_of(p, &loss);
    p->sensitivity.rows = ROWS - 1;
    ck_status_is(SWG_FAILED, quantize(&job, r));
    p->sensitivity.rows = ROWS;
    job.scheme.asymmetric = true;
    ck_status_is(SWG_USAGE, quantize(&job, r));
    p->w[7] = NAN;
    job = job_of(p, &loss);
    ck_status_is(SWG_CORRUPT, quantize(&job, r));
    swg_free(r);
    swg_free(p);
}
END_TEST

typedef struct attempt {
    const swg_quantize_job *job;
    result *result;
} attempt;

static swg_status quantize_once(void *context)
{
    const attempt *a = context;
    return quantize(a->job, a->result);
}

START_TEST(failing_allocations_are_reported)
{
    result *r = swg_calloc(1, sizeof *r);
    problem *p = new_problem();
    const swg_parameter loss = {.name = "loss", .number = 1e-9};
    const swg_quantize_job job = job_of(p, &loss);
    attempt a = {.job = &job, .result = r};
    swg_test_each_allocation_fails(quantize_once, &a);
    swg_free(p);
    swg_free(r);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("entropy");
    TCase *cases = tcase_create("entropy");
    tcase_add_test(cases, every_weight_costs_the_same);
    tcase_add_test(cases, rows_are_swept_on_their_steps);
    tcase_add_test(cases, tables_are_rounded);
    tcase_add_test(cases, what_it_cannot_do_is_refused);
    tcase_add_test(cases, failing_allocations_are_reported);
    suite_add_tcase(suite, cases);
    return suite;
}
