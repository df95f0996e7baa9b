/* The search for a group's grid: against brute force in double, on the shapes and numbers that
 * break such code (zeros, outliers, constants, ties, subnormals, huge values), for every scheme. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/group_grid.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { MAX_N = 4096 };
static const swg_dtype scale_types[] = {SWG_F16, SWG_BF16, SWG_F32};

static swg_scheme scheme_of(unsigned bits, bool asymmetric, swg_dtype type)
{
    swg_scheme scheme;
    ck_ok(swg_scheme_of_bits(bits, 0, asymmetric, type, &scheme));
    return scheme;
}

static swg_status search_plain(swg_scheme scheme, swg_scale_search search, const float *x,
                               const float *importance, size_t n, swg_grid *out)
{
    const swg_grid_space space = {.scheme = scheme, .search = search};
    return swg_grid_search(&space, x, importance, n, out);
}

/* Normal weights; one in `outlier_every` (0 = none) eight times as large. */
static void fill(swg_rng *rng, float *x, size_t n, float sigma, unsigned outlier_every)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = sigma * swg_rng_normal(rng);
        if (outlier_every && swg_rng_next(rng) % outlier_every == 0)
            x[i] *= 8;
    }
}

static double error_at(const float *x, const float *w, size_t n, double scale, int zero, int max,
                       double stop)
{
    double error = 0;
    for (size_t i = 0; i < n && error < stop; i++) {
        const double code = fmin(fmax(rint((double)x[i] / scale), -zero), max - zero);
        const double d = (double)x[i] - code * scale;
        error += (w ? (double)w[i] : 1) * d * d;
    }
    return error;
}

/* Least error over 1000 scales and every zero point that touches the range; scales unrounded. */
static double brute_force(swg_scheme scheme, const float *x, const float *w, size_t n)
{
    double low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = fmin(low, (double)x[i]);
        high = fmax(high, (double)x[i]);
    }
    const int max = (1 << scheme.bits) - 1, half = 1 << (scheme.bits - 1);
    const double plain = scheme.asymmetric ? (high - low) / max : fmax(-low, high) / (half - 1);
    double best = INFINITY;
    for (int i = 0; i < 1000; i++) {
        const double scale = plain * 1.2 * pow(0.25, i / 1000.0);
        int from = half - 1, to = half;
        if (scheme.asymmetric) {
            const double a = -low / scale, b = max - high / scale;
            from = (int)fmax(floor(fmin(a, b)) - 1, 0);
            to = (int)fmin(ceil(fmax(a, b)) + 1, max);
        }
        for (int zero = from; zero <= to; zero++)
            best = fmin(best, error_at(x, w, n, scale, zero, max, best));
    }
    return best;
}

/* Search, check what must always hold, return the error. */
static double searched(swg_scheme scheme, const float *x, const float *w, size_t n)
{
    static float before[MAX_N];
    static uint8_t codes[MAX_N];
    memcpy(before, x, n * sizeof *x);
    swg_grid plain, grid;
    ck_ok(search_plain(scheme, SWG_SEARCH_ABSMAX, x, w, n, &plain));
    ck_ok(search_plain(scheme, SWG_SEARCH_MSE, x, w, n, &grid));
    ck_assert_mem_eq(before, x, n * sizeof *x);
    ck_assert_uint_eq(grid.max_code, (1u << scheme.bits) - 1);
    ck_assert_uint_le(grid.zero, grid.max_code);
    if (!scheme.asymmetric)
        ck_assert_uint_eq(grid.zero, swg_scheme_symmetric_zero(scheme));
    uint8_t stored[4];
    swg_float_store(scheme.dtype, stored, 0, grid.scale);
    ck_assert_msg(swg_float_load(scheme.dtype, stored, 0) == grid.scale,
                  "scale %a is not a number of its type", (double)grid.scale);
    swg_grid_encode(grid, x, n, codes);
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_le(codes[i], grid.max_code);
        const float value = swg_grid_value(grid, codes[i]);
        ck_assert(isfinite(value));
        const double d = (double)value - (double)x[i];
        error += (w ? (double)w[i] : 1) * d * d;
    }
    ck_assert_double_le(fabs(error - swg_grid_error(grid, x, w, n)), 1e-12 * error);
    /* The search measures in float: 2e-6 is its own rounding. */
    ck_assert_double_le(error, swg_grid_error(plain, x, w, n) * (1 + 2e-6));
    return error;
}

static void check_against_brute_force(unsigned bits, bool asymmetric, size_t n, int rounds,
                                      bool is_weighted)
{
    static float x[MAX_N], w[MAX_N];
    swg_rng rng = swg_rng_seeded(swg_test_seed() + bits + n);
    const swg_scheme scheme = scheme_of(bits, asymmetric, SWG_F16);
    double found = 0, least = 0;
    for (int round = 0; round < rounds; round++) {
        fill(&rng, x, n, 0.02f, 0);
        for (size_t i = 0; i < n; i++)
            w[i] = (float)exp((double)swg_rng_normal(&rng));
        const float *weights = is_weighted ? w : NULL;
        found += searched(scheme, x, weights, n);
        least += brute_force(scheme, x, weights, n);
    }
    /* Importance that spans orders of magnitude makes a group act like a much shorter one,
     * whose error jumps more from scale to scale. */
    ck_assert_msg(found <= (is_weighted ? 1.025 : 1.01) * least,
                  "int%u %s n=%zu%s: %.4f times the brute-force error", bits,
                  asymmetric ? "asym" : "sym", n, is_weighted ? " weighted" : "", found / least);
}

START_TEST(search_is_near_brute_force)
{
    for (unsigned bits = 4; bits <= 8; bits += 4)
        for (int asymmetric = 0; asymmetric < 2; asymmetric++)
            for (int weighted = 0; weighted < 2; weighted++) {
                check_against_brute_force(bits, asymmetric, 64, 100, weighted);
                check_against_brute_force(bits, asymmetric, 37, 150, weighted);
                check_against_brute_force(bits, asymmetric, 256, 12, weighted);
            }
}
END_TEST

START_TEST(search_gains_on_absmax)
{
    /* The gain is the reason for the search: at least a fifth of the squared error at 4 bits. */
    static float x[64];
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    double plain_error = 0, error = 0;
    const swg_scheme scheme = scheme_of(4, false, SWG_F16);
    for (int round = 0; round < 200; round++) {
        fill(&rng, x, 64, 0.05f, 0);
        swg_grid plain;
        ck_ok(search_plain(scheme, SWG_SEARCH_ABSMAX, x, NULL, 64, &plain));
        plain_error += swg_grid_error(plain, x, NULL, 64);
        error += searched(scheme, x, NULL, 64);
    }
    ck_assert_double_le(error, 0.8 * plain_error);
}
END_TEST

START_TEST(all_schemes_and_lengths_hold)
{
    static const size_t lengths[] = {1, 2, 3, 7, 8, 9, 31, 32, 63, 65, 127, 256, 1001, 4096};
    static float x[MAX_N];
    swg_rng rng = swg_rng_seeded(swg_test_seed() + 1);
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
        for (unsigned bits = 4; bits <= 8; bits += 4)
            for (int asymmetric = 0; asymmetric < 2; asymmetric++)
                for (int t = 0; t < 3; t++) {
                    fill(&rng, x, lengths[l], 0.3f, 50);
                    searched(scheme_of(bits, asymmetric, scale_types[t]), x, NULL, lengths[l]);
                }
}
END_TEST

START_TEST(zeros_stay_zero)
{
    const float x[5] = {0, -0.0f, 0, 0, 0};
    for (int asymmetric = 0; asymmetric < 2; asymmetric++)
        for (int search = 0; search < 2; search++) {
            swg_grid grid;
            ck_ok(search_plain(scheme_of(4, asymmetric, SWG_F16), (swg_scale_search)search, x, NULL,
                               5, &grid));
            ck_assert_float_eq(grid.scale, 0);
            ck_assert_uint_eq(swg_grid_code(grid, 0), grid.zero);
            ck_assert_float_eq(swg_grid_value(grid, grid.zero), 0);
        }
}
END_TEST

START_TEST(both_symmetric_forms_are_found)
{
    /* 8 steps on one side, 7 on the other: exact with the code range that matches. */
    float x[16];
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int i = 0; i < 16; i++)
            x[i] = (float)(sign * (i - 8)) * 0.25f;
        swg_grid grid;
        ck_ok(search_plain(scheme_of(4, false, SWG_F16), SWG_SEARCH_MSE, x, NULL, 16, &grid));
        ck_assert_float_eq(grid.scale, (float)sign * 0.25f);
        ck_assert_double_eq(swg_grid_error(grid, x, NULL, 16), 0);
    }
    /* 7 on both: the plain form. */
    for (int i = 0; i < 15; i++)
        x[i] = (float)(i - 7) * 0.5f;
    swg_grid grid;
    ck_ok(search_plain(scheme_of(4, false, SWG_F16), SWG_SEARCH_MSE, x, NULL, 15, &grid));
    ck_assert_double_eq(swg_grid_error(grid, x, NULL, 15), 0);
}
END_TEST

START_TEST(values_on_a_grid_are_exact)
{
    /* One value, constants of both signs, two levels, a shifted range of 16 levels. */
    float x[16];
    for (unsigned bits = 4; bits <= 8; bits += 4)
        for (int asymmetric = 0; asymmetric < 2; asymmetric++)
            for (int sign = -1; sign <= 1; sign += 2) {
                for (int i = 0; i < 16; i++)
                    x[i] = (float)sign * 0.375f;
                const swg_scheme scheme = scheme_of(bits, asymmetric, SWG_F32);
                ck_assert_double_lt(searched(scheme, x, NULL, 16), 1e-14);
                ck_assert_double_lt(searched(scheme, x, NULL, 1), 1e-15);
            }
    for (int i = 0; i < 16; i++)
        x[i] = (float)(i - 3) * 0.125f;
    ck_assert_double_eq(searched(scheme_of(4, true, SWG_F16), x, NULL, 16), 0);
    for (int i = 0; i < 16; i++)
        x[i] = (float)(i + 5) * 0.125f; /* all positive: the range is widened to contain 0 */
    swg_grid grid;
    ck_ok(search_plain(scheme_of(4, true, SWG_F16), SWG_SEARCH_MSE, x, NULL, 16, &grid));
    ck_assert_uint_eq(grid.zero, 0);
}
END_TEST

START_TEST(one_outlier_is_kept_or_clipped_by_error)
{
    static float x[MAX_N];
    swg_rng rng = swg_rng_seeded(swg_test_seed() + 2);
    for (size_t n = 32; n <= 1024; n *= 32)
        for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
            fill(&rng, x, n, 0.01f, 0);
            x[n / 2] = 0.2f;
            const swg_scheme scheme = scheme_of(4, asymmetric, SWG_F16);
            ck_assert_double_le(searched(scheme, x, NULL, n),
                                1.03 * brute_force(scheme, x, NULL, n));
        }
}
END_TEST

START_TEST(ties_go_to_even)
{
    const swg_grid grid = {.scale = 0.5f, .zero = 8, .max_code = 15};
    const float x[] = {0.25f, 0.75f, -0.25f, -0.75f, 1.25f, 100, -100, INFINITY, -INFINITY};
    const uint8_t wanted[] = {8, 10, 8, 6, 10, 15, 0, 15, 0};
    uint8_t codes[9];
    swg_grid_encode(grid, x, 9, codes);
    ck_assert_mem_eq(codes, wanted, 9);
    const swg_grid mirrored = {.scale = -0.5f, .zero = 8, .max_code = 15};
    ck_assert_uint_eq(swg_grid_code(mirrored, 4.0f), 0);
    ck_assert_uint_eq(swg_grid_code(mirrored, -4.0f), 15);
    ck_assert_float_eq(swg_grid_value(mirrored, 0), 4.0f);
}
END_TEST

START_TEST(tiny_weights_flush_towards_zero)
{
    /* Below half of the smallest F16 scale's step nothing is left but zeros; never an enlargement.
     */
    float x[33];
    for (int i = 0; i < 33; i++)
        x[i] = (float)(i - 16) * 1e-9f;
    double energy = 0;
    for (int i = 0; i < 33; i++)
        energy += (double)x[i] * (double)x[i];
    ck_assert_double_le(searched(scheme_of(4, false, SWG_F16), x, NULL, 33), energy);
    ck_assert_double_le(searched(scheme_of(4, false, SWG_BF16), x, NULL, 33), 0.01 * energy);
    /* Around the smallest scales, where F16 keeps one or two bits of them. */
    for (int i = 0; i < 33; i++)
        x[i] = (float)(i - 16) * 4e-8f;
    ck_assert_double_le(searched(scheme_of(4, true, SWG_F16), x, NULL, 33), 0.02 * energy * 1600);
    /* Subnormal floats. */
    for (int i = 0; i < 33; i++)
        x[i] = (float)(i - 16) * FLT_TRUE_MIN;
    for (int t = 0; t < 3; t++)
        for (int asymmetric = 0; asymmetric < 2; asymmetric++)
            searched(scheme_of(4, asymmetric, scale_types[t]), x, NULL, 33);
}
END_TEST

START_TEST(huge_weights_work_or_are_refused)
{
    float x[40];
    swg_rng rng = swg_rng_seeded(swg_test_seed() + 3);
    fill(&rng, x, 40, 0x1p123f, 0);
    for (int asymmetric = 0; asymmetric < 2; asymmetric++) {
        searched(scheme_of(4, asymmetric, SWG_F32), x, NULL, 40);
        searched(scheme_of(8, asymmetric, SWG_BF16), x, NULL, 40);
        swg_grid grid;
        ck_status_is(SWG_UNSUPPORTED, search_plain(scheme_of(8, asymmetric, SWG_F16),
                                                   SWG_SEARCH_MSE, x, NULL, 40, &grid));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "bf16 or f32"));
    }
    /* Just inside what F16 scales can reach. */
    fill(&rng, x, 40, 60000, 0);
    searched(scheme_of(4, false, SWG_F16), x, NULL, 40);
    x[3] = 0x1.8p126f;
    swg_grid grid;
    ck_status_is(SWG_UNSUPPORTED,
                 search_plain(scheme_of(8, false, SWG_F32), SWG_SEARCH_MSE, x, NULL, 40, &grid));
}
END_TEST

START_TEST(values_that_are_no_numbers_are_refused)
{
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (size_t b = 0; b < 4; b++)
        for (size_t at = 0; at < 35; at++) {
            float x[35];
            for (int i = 0; i < 35; i++)
                x[i] = (float)i;
            x[at] = bad[b];
            swg_grid grid = {.scale = 7};
            ck_status_is(SWG_CORRUPT, search_plain(scheme_of(4, b % 2, SWG_F16), SWG_SEARCH_MSE, x,
                                                   NULL, 35, &grid));
            char where[32];
            snprintf(where, sizeof where, "weight %zu ", at);
            ck_assert_ptr_nonnull(strstr(swg_error_message(), where));
            ck_assert_float_eq(grid.scale, 7); /* outputs are written only on success */
        }
}
END_TEST

START_TEST(importance_moves_the_grid)
{
    float x[64], ones[64], zeros[64], w[64];
    swg_rng rng = swg_rng_seeded(swg_test_seed() + 4);
    fill(&rng, x, 64, 1, 0);
    for (int i = 0; i < 64; i++) {
        ones[i] = 1;
        zeros[i] = 0;
        w[i] = i < 4 ? 1000 : 1;
    }
    const swg_scheme scheme = scheme_of(4, false, SWG_F32);
    swg_grid none, one, zero, heavy;
    ck_ok(search_plain(scheme, SWG_SEARCH_MSE, x, NULL, 64, &none));
    ck_ok(search_plain(scheme, SWG_SEARCH_MSE, x, ones, 64, &one));
    ck_ok(search_plain(scheme, SWG_SEARCH_MSE, x, zeros, 64, &zero));
    ck_ok(search_plain(scheme, SWG_SEARCH_MSE, x, w, 64, &heavy));
    ck_assert_mem_eq(&none.scale, &one.scale, sizeof none.scale);
    ck_assert_mem_eq(&none.scale, &zero.scale, sizeof none.scale);
    ck_assert_double_lt(swg_grid_error(heavy, x, NULL, 4), swg_grid_error(none, x, NULL, 4));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("scheme_search");
    TCase *c = tcase_create("groups");
    tcase_add_test(c, search_is_near_brute_force);
    tcase_add_test(c, search_gains_on_absmax);
    tcase_add_test(c, all_schemes_and_lengths_hold);
    tcase_add_test(c, zeros_stay_zero);
    tcase_add_test(c, both_symmetric_forms_are_found);
    tcase_add_test(c, values_on_a_grid_are_exact);
    tcase_add_test(c, one_outlier_is_kept_or_clipped_by_error);
    tcase_add_test(c, ties_go_to_even);
    tcase_add_test(c, tiny_weights_flush_towards_zero);
    tcase_add_test(c, huge_weights_work_or_are_refused);
    tcase_add_test(c, values_that_are_no_numbers_are_refused);
    tcase_add_test(c, importance_moves_the_grid);
    suite_add_tcase(suite, c);
    return suite;
}
