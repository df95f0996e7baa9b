/* Training through rounding: what codes mean, gradients against formulas written here in double
 * and, where nothing is rounded, against differences, and grids that are taken from planes. */
#include <math.h>
#include <string.h>

#include "distill/learned_codes.h"
#include "quantize/quantize.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { ROWS = 19, COLS = 70, GROUP = 32, GROUPS = 3 };

typedef struct matrix {
    swg_plan_entry entry;
    float weights[ROWS * COLS];
    swg_learned_codes *codes;
} matrix;

static const struct {
    unsigned bits;
    bool asymmetric;
    swg_dtype scale_type;
} schemes[] = {{3, false, SWG_F16}, {2, true, SWG_F16}, {4, false, SWG_BF16}, {4, false, SWG_I8}};

static void open_matrix(matrix *m, int which)
{
    const unsigned bits = schemes[which].bits;
    swg_recipe_preset preset = swg_recipe_preset_default();
    swg_recipe *recipe;
    swg_plan plan = {0};
    swg_rng rng = swg_rng_seeded(7);
    const swg_tensor_desc desc = {.name = "layer.weight",
                                  .scheme = swg_scheme_plain(SWG_F32),
                                  .rank = 2,
                                  .shape = {ROWS, COLS}};
    preset.bits = bits;
    preset.group = GROUP;
    preset.asymmetric = schemes[which].asymmetric;
    ck_ok(swg_recipe_from_preset(&preset, &recipe));
    ck_ok(swg_plan_make(&desc, 1, NULL, recipe, &plan));
    *m = (matrix){.entry = plan.entries[0]};
    m->entry.dense.scale_type = schemes[which].scale_type;
    m->entry.desc.scheme = m->entry.dense;
    for (size_t i = 0; i < ROWS * COLS; i++)
        m->weights[i] = (float)swg_rng_normal(&rng) * 0.1f;
    memset(m->weights + 32, 0, 32 * sizeof *m->weights); /* a group of zeros */
    ck_ok(swg_learned_codes_new(&m->entry, ROWS, COLS, m->weights, NULL, &m->codes));
    ck_ok(swg_learned_codes_choose(m->codes, m->weights));
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
}

static void close_matrix(matrix *m)
{
    swg_learned_codes_free(&m->codes);
}

static float *slopes_of(void)
{
    float *slopes = swg_calloc(ROWS * COLS, sizeof *slopes);
    for (size_t i = 0; i < ROWS * COLS; i++)
        slopes[i] = sinf((float)(3 * i));
    return slopes;
}

/* At first the codes are those of rounding to nearest. */
START_TEST(codes_begin_as_rounded)
{
    matrix m;
    open_matrix(&m, _i);
    swg_plane layout[SWG_PLANE_KINDS];
    void *planes[SWG_PLANE_KINDS] = {0};
    const size_t n = swg_tensor_planes(&m.entry.desc, layout);
    for (size_t p = 0; p < n; p++)
        planes[layout[p].kind] = swg_calloc(1, layout[p].bytes);
    swg_learned_codes_free(&m.codes);
    ck_ok(swg_learned_codes_new(&m.entry, ROWS, COLS, m.weights, NULL, &m.codes));
    for (size_t p = 0; p < n; p++)
        memcpy(planes[layout[p].kind], m.codes->planes[layout[p].kind], layout[p].bytes);
    ck_ok(swg_learned_codes_choose(m.codes, m.weights));
    for (size_t p = 0; p < n; p++)
        ck_assert_mem_eq(planes[layout[p].kind], m.codes->planes[layout[p].kind], layout[p].bytes);
    /* Grids that are taken from planes are the same. */
    for (size_t i = 0; i < m.codes->n_numbers; i++)
        m.codes->number[i] = -1;
    swg_learned_codes_take(m.codes, (const void *const *)planes);
    ck_ok(swg_learned_codes_choose(m.codes, m.weights));
    for (size_t p = 0; p < n; p++)
        ck_assert_mem_eq(planes[layout[p].kind], m.codes->planes[layout[p].kind], layout[p].bytes);
    for (size_t p = 0; p < n; p++)
        swg_free(planes[layout[p].kind]);
    close_matrix(&m);
}
END_TEST

/* The scale and zero point of a group, from the planes. */
static void grid_of(const matrix *m, size_t group, double *scale, double *zero)
{
    const swg_scheme scheme = m->entry.dense;
    const uint8_t *zeros = m->codes->planes[SWG_PLANE_ZEROS];
    *zero = zeros ? zeros[group] : swg_scheme_symmetric_zero(scheme);
    if (scheme.scale_type == SWG_I8)
        *scale = (double)((const int8_t *)m->codes->planes[SWG_PLANE_SCALES])[group] *
                 (double)swg_float_load(SWG_BF16, m->codes->planes[SWG_PLANE_ROW_SCALES],
                                        group / GROUPS);
    else
        *scale =
            (double)swg_float_load(scheme.scale_type, m->codes->planes[SWG_PLANE_SCALES], group);
}

START_TEST(gradients_are_the_formulas)
{
    matrix m;
    float *given = slopes_of(), *gradient = slopes_of();
    size_t n_clamped = 0;
    open_matrix(&m, _i);
    const double most = (double)((1u << m.entry.dense.bits) - 1);
    swg_learned_codes_reverse(m.codes, m.weights, gradient);
    for (size_t group = 0; group < ROWS * GROUPS; group++) {
        const size_t row = group / GROUPS, from = group % GROUPS * GROUP;
        const size_t n = COLS - from < GROUP ? COLS - from : GROUP;
        double scale, zero, by_scale = 0, by_zero = 0;
        grid_of(&m, group, &scale, &zero);
        for (size_t i = row * COLS + from; i < row * COLS + from + n; i++) {
            const double w = (double)m.weights[i], g = (double)given[i];
            const double t = scale != 0 ? w / scale : 0, code = rint(t) + zero;
            const bool is_clamped = t < -zero || t > most - zero;
            const double c = code < 0 ? 0 : code > most ? most : code;
            if (scale == 0) {
                ck_assert_float_eq(m.codes->computed[i], 0);
                ck_assert_float_eq(gradient[i], 0);
                continue;
            }
            n_clamped += is_clamped;
            ck_assert_double_eq_tol((double)m.codes->computed[i], scale * (c - zero), 1e-6);
            ck_assert_float_eq(gradient[i], is_clamped && g * w < 0 ? 0 : given[i]);
            by_scale += g * (c - zero - (is_clamped ? 0 : t));
            by_zero += is_clamped ? g : 0;
        }
        const double share = 1 / sqrt((double)n * most);
        ck_assert_double_eq_tol((double)m.codes->gradient[group], share * by_scale * scale, 1e-5);
        if (m.entry.dense.asymmetric)
            ck_assert_double_eq_tol((double)m.codes->gradient[ROWS * GROUPS + group],
                                    -share * by_zero * scale * most, 1e-5);
    }
    ck_assert_uint_gt(n_clamped, 10);
    swg_free(gradient);
    swg_free(given);
    close_matrix(&m);
}
END_TEST

/* Where every weight is clamped, what the codes mean is proportional to the scale. */
START_TEST(clamped_weights_follow_the_scale)
{
    matrix m;
    float *slopes = slopes_of();
    double loss[2];
    open_matrix(&m, 0);
    for (size_t i = 0; i < ROWS * COLS; i++)
        m.weights[i] = m.weights[i] < 0 ? -50 : 50;
    float *gradient = slopes_of();
    swg_learned_codes_reverse(m.codes, m.weights, gradient);
    for (size_t side = 0; side < 2; side++) {
        m.codes->number[4] += side ? 0.02f : -0.01f;
        ck_ok(swg_learned_codes_choose(m.codes, m.weights));
        loss[side] = 0;
        for (size_t i = 0; i < ROWS * COLS; i++)
            loss[side] += (double)slopes[i] * (double)m.codes->computed[i];
    }
    const double share = 1 / sqrt(GROUP * 7.0), slope = (loss[1] - loss[0]) / 0.02;
    ck_assert_double_eq_tol((double)m.codes->gradient[4] / share, slope, 0.05 * fabs(slope));
    swg_free(gradient);
    swg_free(slopes);
    close_matrix(&m);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("learned_codes");
    TCase *cases = tcase_create("codes");
    const int n = sizeof schemes / sizeof *schemes;
    tcase_add_loop_test(cases, codes_begin_as_rounded, 0, n);
    tcase_add_loop_test(cases, gradients_are_the_formulas, 0, n);
    tcase_add_test(cases, clamped_weights_follow_the_scale);
    suite_add_tcase(suite, cases);
    return suite;
}
