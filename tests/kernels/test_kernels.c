/* All kernels through the checker of kernels/check/check.h, planted faults that it must find, the
 * registry, and the errors of the exponentials. */
#include "tests/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/check/check_case.h"
#include "kernels/exp.h"
#include "kernels/exp_double.h"
#include "kernels/kernels.h"
#include "kernels/streams.h"

static void print_failure(void *context, const swg_check_result *result)
{
    (void)context;
    if (result->n_failed)
        printf("%s (%s): %zu of %zu cases failed; first: %s\n", swg_op_name(result->op),
               result->isa, result->n_failed, result->n_cases, result->failure);
}

START_TEST(every_variant_gives_scalar_bytes)
{
    swg_check_options options = swg_check_options_default();
    options.seed = swg_test_seed();
    options.on_result = print_failure;
    swg_check_report report;
    ck_ok(swg_kernels_check(&options, &report));
    ck_assert_msg(report.n_failed == 0, "%zu of %zu variants: %s", report.n_failed,
                  report.n_variants, report.failure);
    size_t n_available = 0;
    for (int isa = 0; isa < SWG_ISA_COUNT; isa++)
        n_available += swg_isa_is_available((swg_isa)isa) ? 1 : 0;
    ck_assert_uint_ge(report.n_variants, SWG_OP_COUNT);
    ck_assert_uint_ge(report.n_variants, n_available * 2);
    ck_assert_uint_ge(report.n_cases, (size_t)SWG_OP_COUNT * options.cases);
    printf("%zu variants, %zu cases\n", report.n_variants, report.n_cases);
}
END_TEST

/* The ways of reading memory that this processor does not prefer give the same bytes too. */
START_TEST(every_way_of_reading_gives_scalar_bytes)
{
    const swg_streams preferred = swg_streams_chosen;
    swg_check_options options = swg_check_options_default();
    options.seed = swg_test_seed();
    options.cases /= 4;
    options.on_result = print_failure;
    for (int i = 0; i < 4; i++) {
        swg_streams_chosen = (swg_streams){.ahead = i & 1 ? 0 : 8192,
                                           .far_ahead = i & 1 ? 64 : 0,
                                           .ahead_of_all = i & 1 ? 64 : 8192,
                                           .in_pairs = i & 2};
        swg_check_report report;
        ck_ok(swg_kernels_check(&options, &report));
        ck_assert_msg(report.n_failed == 0, "%zu of %zu variants: %s", report.n_failed,
                      report.n_variants, report.failure);
    }
    swg_streams_chosen = preferred;
}
END_TEST

/* --- Planted faults: the scalar variant, then one thing wrong --- */

static const swg_kernels *sound(void)
{
    const swg_kernels *kernels;
    ck_ok(swg_kernels_capped(SWG_ISA_scalar, &kernels));
    return kernels;
}

static void code_off_by_one(const float *x, size_t k, size_t group, int8_t *codes, float *scales,
                            int32_t *sums)
{
    sound()->quantize_act(x, k, group, codes, scales, sums);
    codes[k - 1] ^= 1;
}

static void sum_misses_the_tail(const float *x, size_t k, size_t group, int8_t *codes,
                                float *scales, int32_t *sums)
{
    sound()->quantize_act(x, k, group, codes, scales, sums);
    for (size_t c = k / 16 * 16; c < k; c++)
        sums[c / group] -= codes[c];
}

static void lane_wrong_in_tail(float *x, const float *y, size_t n)
{
    sound()->add(x, y, n);
    if (n % 16)
        x[n - 1] -= y[n - 1];
}

static void columns_missing(const void *w, size_t n, size_t k, const float *x, size_t m,
                            size_t x_stride, float *y, size_t y_stride)
{
    float inputs[1024] = {0};
    sound()->matvec_bf16(w, n, k, x, m, x_stride, y, y_stride);
    memcpy(inputs, x + (m - 1) * x_stride, k / 64 * 64 * sizeof *inputs);
    sound()->matvec_bf16(w, n, k, inputs, 1, k, y + (m - 1) * y_stride, y_stride);
}

static void reads_past_the_end(float *x, const float *y, size_t n)
{
    const volatile float *beyond = y;
    (void)beyond[n];
    sound()->add(x, y, n);
}

static void reads_before_the_start(const uint16_t *x, size_t n, float *y)
{
    const volatile uint16_t *before = x;
    (void)before[-1];
    sound()->f16_to_f32(x, n, y);
}

static void writes_past_n(const uint16_t *x, size_t n, float *y)
{
    sound()->bf16_to_f32(x, n, y);
    for (size_t i = n; i < (n + 15) / 16 * 16; i++)
        y[i] = 0;
}

static void writes_before_y(const float *gate, const float *up, size_t n, float *y)
{
    sound()->silu_mul(gate, up, n, y);
    y[-1] = 0;
}

static void wrong_zero_point(const swg_packed *w, size_t panel_begin, size_t panel_end,
                             const swg_act *x, float *y, size_t y_stride)
{
    swg_packed symmetric = *w;
    symmetric.scheme.asymmetric = false;
    sound()->matmul_w4(&symmetric, panel_begin, panel_end, x, y, y_stride);
}

static void last_group_missing(const swg_packed *w, size_t panel_begin, size_t panel_end,
                               const swg_act *x, float *y, size_t y_stride)
{
    swg_packed shorter = *w;
    if (w->n_groups > 1 && w->k % w->group != 0 && x->m == 1) {
        shorter.n_groups--;
        shorter.k_padded = shorter.n_groups * w->group;
    }
    sound()->matmul_w8(&shorter, panel_begin, panel_end, x, y, y_stride);
}

static void row_scale_of_another_row(const swg_packed *w, size_t panel_begin, size_t panel_end,
                                     const swg_act *x, float *y, size_t y_stride)
{
    swg_packed shifted = *w;
    if (swg_scheme_has_row_scales(w->scheme) && w->row_scales_offset >= 4)
        shifted.row_scales_offset -= 4;
    sound()->matmul_w4(&shifted, panel_begin, panel_end, x, y, y_stride);
}

static void codes_not_looked_up(const swg_packed *w, size_t panel_begin, size_t panel_end,
                                const swg_act *x, float *y, size_t y_stride)
{
    swg_packed identity = *w;
    for (size_t i = 0; i < SWG_CODEBOOK_CODES; i++)
        identity.codebook[i] = (uint8_t)i;
    sound()->matmul_c4(&identity, panel_begin, panel_end, x, y, y_stride);
}

static void last_number_wrong(const swg_packed *w, size_t panel_begin, size_t panel_end,
                              const swg_act *x, float *y, size_t y_stride)
{
    swg_packed wrong = *w;
    wrong.codebook[SWG_CODEBOOK_CODES - 1] ^= 1;
    sound()->matmul_c4(&wrong, panel_begin, panel_end, x, y, y_stride);
}

static void rows_beyond_n(const swg_packed *w, size_t panel_begin, size_t panel_end,
                          const swg_act *x, float *y, size_t y_stride)
{
    sound()->matmul_w4(w, panel_begin, panel_end, x, y, y_stride);
    if (panel_end == w->n_panels && w->n % SWG_PANEL_ROWS)
        y[(x->m - 1) * y_stride + w->n] = 0;
}

static void another_order_of_sums(const float *x, const float *weight, size_t n, float eps,
                                  float *y)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    const float inverse = 1 / sqrtf(sum / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * inverse * weight[i];
}

static void changes_its_input(const swg_packed *w, size_t row_begin, size_t n_rows, float *out)
{
    sound()->dequantize(w, row_begin, n_rows, out);
    w->panels[w->panel_bytes - 1] ^= 1;
}

static void last_nibble_dropped(const swg_packed *w, size_t row_begin, size_t n_rows,
                                const uint8_t *codes)
{
    sound()->pack_codes(w, row_begin, n_rows, codes);
    w->panels[swg_packed_codes_at(w, w->n_groups - 1) + (w->k - 1) / 8 * 64 + 3] &= 0x0f;
}

static void last_key_unseen(const swg_attention *a)
{
    uint32_t ends[64];
    for (size_t i = 0; i < a->n_queries; i++)
        ends[i] = a->key_end[i] - (a->key_end[i] - a->key_begin[i] > 1);
    swg_attention shorter = *a;
    shorter.key_end = ends;
    sound()->attention(&shorter);
}

static void second_run_for_the_third(const swg_attention *a)
{
    swg_kv_run runs[16];
    for (size_t i = 0; i < a->n_runs; i++)
        runs[i] = a->runs[i];
    if (a->n_runs > 2 && runs[1].n >= runs[2].n) {
        runs[2].k = runs[1].k;
        runs[2].v = runs[1].v;
    }
    swg_attention mixed = *a;
    mixed.runs = runs;
    sound()->attention(&mixed);
}

static void zero_points_are_zero(const swg_sparse_panels *s, const uint8_t *panel, uint8_t *out)
{
    swg_sparse_panels symmetric = *s;
    symmetric.dense.scheme.asymmetric = false;
    symmetric.dense.symmetric_zero = 0;
    sound()->expand(&symmetric, panel, out);
}

static void one_scale_for_all_values(const swg_attention *a)
{
    static float same[SWG_CHECK_KEYS];
    swg_kv_run runs[16];
    for (size_t i = 0; i < a->n_runs; i++) {
        runs[i] = a->runs[i];
        for (size_t j = 0; runs[i].v_scales && j < SWG_CHECK_KEYS; j++)
            same[j] = runs[0].v_scales[0];
        runs[i].v_scales = runs[i].v_scales ? same : NULL;
    }
    swg_attention wrong = *a;
    wrong.runs = runs;
    sound()->attention(&wrong);
}

static void rounds_down(const float *x, size_t n, uint16_t *y)
{
    sound()->f32_to_f16(x, n, y);
    for (size_t i = 0; i < n; i++)
        y[i] &= (uint16_t)(y[i] % 4 == 2 ? ~2 : ~0);
}

static void log_of_one_less(const float *x, size_t n, double *out)
{
    sound()->log_sum_exp(x, n > 1 ? n - 1 : n, out);
}

static const struct {
    const char *name;
    swg_kernels table;
} faults[] = {
    {"log of one less", {.log_sum_exp = log_of_one_less}},
    {"zero points are zero", {.expand = zero_points_are_zero}},
    {"one scale for all values", {.attention = one_scale_for_all_values}},
    {"rounds to multiples of four", {.f32_to_f16 = rounds_down}},
    {"code off by one", {.quantize_act = code_off_by_one}},
    {"sum misses the tail", {.quantize_act = sum_misses_the_tail}},
    {"lane wrong in tail", {.add = lane_wrong_in_tail}},
    {"last columns missing", {.matvec_bf16 = columns_missing}},
    {"reads past the end", {.add = reads_past_the_end}},
    {"reads before the start", {.f16_to_f32 = reads_before_the_start}},
    {"writes past n", {.bf16_to_f32 = writes_past_n}},
    {"writes before y", {.silu_mul = writes_before_y}},
    {"wrong zero point", {.matmul_w4 = wrong_zero_point}},
    {"last group missing", {.matmul_w8 = last_group_missing}},
    {"row scale of another row", {.matmul_w4 = row_scale_of_another_row}},
    {"codes not looked up", {.matmul_c4 = codes_not_looked_up}},
    {"last number wrong", {.matmul_c4 = last_number_wrong}},
    {"rows beyond n", {.matmul_w4 = rows_beyond_n}},
    {"another order of sums", {.rmsnorm = another_order_of_sums}},
    {"changes its input", {.dequantize = changes_its_input}},
    {"last nibble dropped", {.pack_codes = last_nibble_dropped}},
    {"last key unseen", {.attention = last_key_unseen}},
    {"second run for the third", {.attention = second_run_for_the_third}},
};
enum { N_FAULTS = sizeof faults / sizeof *faults };

START_TEST(planted_fault_is_found)
{
    swg_check_options options = swg_check_options_default();
    options.seed = swg_test_seed();
    options.cases = 100;
    options.candidate = &faults[_i].table;
    options.candidate_name = faults[_i].name;
    swg_check_report report;
    ck_ok(swg_kernels_check(&options, &report));
    ck_assert_uint_eq(report.n_variants, 1);
    ck_assert_msg(report.n_failed == 1, "not found: %s", faults[_i].name);
    ck_assert_ptr_nonnull(strstr(report.failure, faults[_i].name));
}
END_TEST

/* The same driver without a fault passes: what the test above sees is the fault. */
START_TEST(sound_candidate_passes)
{
    swg_check_options options = swg_check_options_default();
    options.cases = 40;
    options.candidate = sound();
    swg_check_report report;
    ck_ok(swg_kernels_check(&options, &report));
    ck_assert_uint_eq(report.n_variants, SWG_OP_COUNT);
    ck_assert_uint_eq(report.n_failed, 0);
}
END_TEST

static swg_status small_check(void *context)
{
    swg_check_options options = swg_check_options_default();
    options.cases = 1;
    options.candidate = context;
    swg_check_report report;
    return swg_kernels_check(&options, &report);
}

START_TEST(check_survives_failing_allocations)
{
    swg_kernels table = {.matmul_w4 = sound()->matmul_w4, .attention = sound()->attention};
    swg_test_each_allocation_fails(small_check, &table);
}
END_TEST

/* --- Timing --- */

static void expect_timed(void *context, const swg_check_result *result)
{
    size_t *n_timed = context;
    ck_assert_double_gt(result->seconds, 0);
    ck_assert_double_gt(result->bytes_per_s, 0);
    ck_assert_uint_gt(strlen(result->workload), 0);
    (*n_timed)++;
}

START_TEST(every_variant_is_timed)
{
    swg_check_options options = swg_check_options_default();
    size_t n_timed = 0;
    options.cases = 2;
    options.timing = true;
    options.timing_seconds = 0.001;
    options.on_result = expect_timed;
    options.context = &n_timed;
    swg_check_report report;
    ck_ok(swg_kernels_check(&options, &report));
    ck_assert_uint_eq(n_timed, report.n_variants);
    ck_assert_uint_eq(report.n_failed, 0);
    options.timing_tokens = 0;
    ck_status_is(SWG_USAGE, swg_kernels_check(&options, &report));
}
END_TEST

/* --- Registry --- */

START_TEST(cap_limits_the_choice)
{
    for (int cap = 0; cap < SWG_ISA_COUNT; cap++) {
        const swg_kernels *kernels;
        if (!swg_isa_is_available((swg_isa)cap)) {
            ck_status_is(SWG_UNSUPPORTED, swg_kernels_capped((swg_isa)cap, &kernels));
            ck_assert_ptr_nonnull(strstr(swg_error_message(), swg_isa_needs((swg_isa)cap)));
            continue;
        }
        setenv("SWAGE_ISA", swg_isa_name((swg_isa)cap), 1);
        const swg_kernels *from_environment;
        ck_ok(swg_kernels_capped((swg_isa)cap, &kernels));
        ck_ok(swg_kernels_best(&from_environment));
        ck_assert_ptr_eq(kernels, from_environment);
        for (int op = 0; op < SWG_OP_COUNT; op++)
            ck_assert_int_le(swg_kernels_isa_of(kernels, (swg_op_id)op), cap);
        ck_assert_ptr_nonnull(kernels->attention);
        if (swg_kernels_of((swg_isa)cap)->matmul_w4)
            ck_assert_int_eq(swg_kernels_isa_of(kernels, SWG_OP_matmul_w4), cap);
    }
    unsetenv("SWAGE_ISA");
}
END_TEST

START_TEST(unknown_isa_is_refused_by_name)
{
    const swg_kernels *kernels;
    setenv("SWAGE_ISA", "avx9000", 1);
    ck_status_is(SWG_USAGE, swg_kernels_best(&kernels));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "avx9000"));
    for (int isa = 0; isa < SWG_ISA_COUNT; isa++)
        ck_assert_ptr_nonnull(strstr(swg_error_message(), swg_isa_name((swg_isa)isa)));
    unsetenv("SWAGE_ISA");
    ck_ok(swg_kernels_best(&kernels));
    ck_assert_str_eq(swg_op_name(SWG_OP_attention), "attention");
}
END_TEST

/* --- exp --- */

/* Every 1,009th float of the range (SWAGE_TEST_EXP_STEP=1 takes them all: 0.894 ulp at 5.2). */
START_TEST(exponential_is_within_its_bound)
{
    const char *text = getenv("SWAGE_TEST_EXP_STEP");
    const uint64_t step = text ? strtoull(text, NULL, 10) : 1009;
    double worst = 0;
    for (uint64_t pattern = 0; pattern <= UINT32_MAX; pattern += step) {
        const uint32_t bits = (uint32_t)pattern;
        float x;
        memcpy(&x, &bits, sizeof x);
        if (!(x >= SWG_EXP_MIN && x <= SWG_EXP_MAX))
            continue;
        int exponent;
        const double wanted = exp((double)x);
        frexp(wanted, &exponent);
        worst = fmax(worst, fabs(swg_exp(x) - wanted) / ldexp(1, exponent - 24));
    }
    printf("exp: largest error %.3f ulp\n", worst);
    ck_assert_double_gt(worst, 0.5);
    ck_assert_double_le(worst, SWG_EXP_MAX_ULP);
    ck_assert(swg_exp(-87.4f) == 0 && swg_exp(-INFINITY) == 0);
    ck_assert(swg_exp(1e30f) == swg_exp(SWG_EXP_MAX) && swg_exp(0) == 1);
}
END_TEST

/* Differences of floats from 0 to the end of the range, beside the library's long double. */
START_TEST(double_exponential_is_within_its_bound)
{
    enum { N_POINTS = 200000 };
    swg_rng rng = swg_rng_seeded(1);
    double worst = 0;
    for (size_t i = 0; i < N_POINTS; i++) {
        const double u = (double)(swg_rng_next(&rng) >> 11) * 0x1p-53;
        const double x = SWG_EXP_DOUBLE_MIN * (i % 2 ? u : u * u * u * u);
        int exponent;
        const long double wanted = expl((long double)x);
        frexp((double)wanted, &exponent);
        const long double error = fabsl((long double)swg_exp_double(x) - wanted);
        worst = fmax(worst, (double)(error / ldexpl(1, exponent - 53)));
    }
    printf("exp of doubles: largest error %.3f ulp\n", worst);
    ck_assert_double_gt(worst, 0.5);
    ck_assert_double_le(worst, SWG_EXP_DOUBLE_MAX_ULP);
    ck_assert(swg_exp_double(-708.1) == 0 && swg_exp_double(-INFINITY) == 0);
    ck_assert(swg_exp_double(0) == 1 && isnan(swg_exp_double(NAN)));
}
END_TEST

/* Every variant: a logit that is not finite is not lost, one of minus infinity adds nothing. */
START_TEST(log_sum_exp_of_what_is_not_finite)
{
    float x[40] = {0};
    for (int isa = 0; isa < SWG_ISA_COUNT; isa++) {
        const swg_kernels *kernels;
        double plain, out;
        if (!swg_isa_is_available((swg_isa)isa))
            continue;
        ck_ok(swg_kernels_capped((swg_isa)isa, &kernels));
        kernels->log_sum_exp(x, 39, &plain);
        for (size_t i = 0; i < 40; i++) {
            x[i] = NAN;
            kernels->log_sum_exp(x, 40, &out);
            ck_assert(isnan(out));
            x[i] = INFINITY;
            kernels->log_sum_exp(x, 40, &out);
            ck_assert(!isfinite(out));
            x[i] = -INFINITY;
            kernels->log_sum_exp(x, 40, &out);
            ck_assert_double_eq(out, plain);
            kernels->log_sum_exp(x + i, 1, &out);
            ck_assert(!isfinite(out));
            x[i] = 0;
        }
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("kernels");
    TCase *checks = tcase_create("checks");
    tcase_add_test(checks, every_variant_gives_scalar_bytes);
    tcase_add_test(checks, every_way_of_reading_gives_scalar_bytes);
    tcase_add_loop_test(checks, planted_fault_is_found, 0, N_FAULTS);
    tcase_add_test(checks, sound_candidate_passes);
    tcase_add_test(checks, check_survives_failing_allocations);
    tcase_add_test(checks, every_variant_is_timed);
    tcase_add_test(checks, exponential_is_within_its_bound);
    tcase_add_test(checks, double_exponential_is_within_its_bound);
    tcase_add_test(checks, log_sum_exp_of_what_is_not_finite);
    suite_add_tcase(suite, checks);
    TCase *registry = tcase_create("registry");
    tcase_add_test(registry, cap_limits_the_choice);
    tcase_add_test(registry, unknown_isa_is_refused_by_name);
    suite_add_tcase(suite, registry);
    return suite;
}
