/* Number formats against their definitions: a value is computed from its fields in double, a
 * rounding by looking for the nearest value in the table of all of them. */
#include "tests/harness.h"

#include <math.h>
#include <string.h>

#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The magnitude of binary16 bits 0 .. 0x7bff, by definition: m 2^-24, or (1 + m/1024) 2^(e-15). */
static double f16_magnitude(unsigned bits)
{
    const unsigned e = bits >> 10, m = bits & 0x3ff;
    return e == 0 ? ldexp(m, -24) : ldexp(1 + m / 1024.0, (int)e - 15);
}

static bool f16_is_nan(uint16_t bits)
{
    return (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff);
}

START_TEST(every_f16_has_its_value_and_returns)
{
    for (unsigned i = 0; i < 0x10000; i++) {
        const uint16_t bits = (uint16_t)i;
        const float value = swg_f16_to_f32(bits);
        if (f16_is_nan(bits)) {
            ck_assert(isnan(value));
            ck_assert_msg(to_bits(value) & 0x400000, "NaN %04x is not quiet", i);
            ck_assert_uint_eq(swg_f32_to_f16(value), bits | 0x200);
            continue;
        }
        const unsigned magnitude = i & 0x7fff;
        const double wanted = magnitude == 0x7c00 ? INFINITY : f16_magnitude(magnitude);
        ck_assert_msg((double)value == (i & 0x8000 ? -wanted : wanted), "%04x is %g", i, value);
        ck_assert_int_eq(signbit(value) != 0, i >> 15);
        ck_assert_uint_eq(swg_f32_to_f16(value), bits);
    }
}
END_TEST

/* The binary16 nearest to a magnitude, ties to the even one: bisection over the table of values.
 * 65520 lies half-way between the largest finite value and 2^16, which is even. */
static uint16_t nearest_f16(double magnitude)
{
    if (magnitude >= 65520)
        return 0x7c00;
    unsigned low = 0, high = 0x7bff;
    while (high - low > 1) {
        const unsigned middle = (low + high) / 2;
        if (f16_magnitude(middle) <= magnitude)
            low = middle;
        else
            high = middle;
    }
    const double below = magnitude - f16_magnitude(low), above = f16_magnitude(high) - magnitude;
    if (below == above)
        return (uint16_t)(low % 2 ? high : low);
    return (uint16_t)(below < above ? low : high);
}

static void check_to_f16(uint32_t bits)
{
    const float value = from_bits(bits & 0x7fffffff);
    if (isnan(value)) {
        ck_assert(f16_is_nan(swg_f32_to_f16(value)));
        ck_assert(swg_f32_to_f16(value) & 0x200);
        return;
    }
    const uint16_t wanted = nearest_f16(value), got = swg_f32_to_f16(value);
    if (got != wanted || swg_f32_to_f16(-value) != (wanted | 0x8000))
        ck_abort_msg("%a became %04x, not %04x", value, got, wanted);
}

/* bfloat16 is a float's upper half: the neighbours are one step apart there. The step above the
 * largest finite value is 2^128, which represents infinity. */
static uint16_t nearest_bf16(uint32_t bits)
{
    const uint32_t low = bits >> 16;
    const double value = from_bits(bits), below = from_bits(low << 16);
    const double above = low == 0x7f7f ? 0x1p128 : (double)from_bits((low + 1) << 16);
    if (value - below == above - value)
        return (uint16_t)(low % 2 ? low + 1 : low);
    return (uint16_t)(value - below < above - value ? low : low + 1);
}

static void check_to_bf16(uint32_t bits)
{
    bits &= 0x7fffffff;
    const float value = from_bits(bits);
    if (isnan(value)) {
        ck_assert(isnan(swg_bf16_to_f32(swg_f32_to_bf16(value))));
        return;
    }
    const uint16_t wanted = isinf(value) ? 0x7f80 : nearest_bf16(bits);
    const uint16_t got = swg_f32_to_bf16(value);
    if (got != wanted || swg_f32_to_bf16(-value) != (wanted | 0x8000))
        ck_abort_msg("%a became %04x, not %04x", value, got, wanted);
}

START_TEST(rounding_to_f16_is_to_nearest_even)
{
    for (unsigned i = 0; i < 0x7bff; i++) {
        /* A value, the middle to the next, and their neighbours. */
        const uint32_t at = to_bits((float)f16_magnitude(i));
        const uint32_t tie = to_bits((float)((f16_magnitude(i) + f16_magnitude(i + 1)) / 2));
        for (int step = -1; step <= 1; step++) {
            check_to_f16(at + (uint32_t)step);
            check_to_f16(tie + (uint32_t)step);
        }
    }
    static const uint32_t edges[] = {0,          1,          0x007fffff, 0x00800000, 0x33000000,
                                     0x33000001, 0x32ffffff, 0x477fe000, 0x477fefff, 0x477ff000,
                                     0x47800000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000,
                                     0x7fffffff, 0x7f802000};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        check_to_f16(edges[i]);
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (int i = 0; i < 300000; i++)
        check_to_f16((uint32_t)swg_rng_next(&rng));
}
END_TEST

START_TEST(rounding_to_bf16_is_to_nearest_even)
{
    for (uint32_t high = 0; high < 0x7fff; high += 1)
        for (uint32_t low = 0x7ffe; low <= 0x8002; low++)
            check_to_bf16(high << 16 | (low & 0xffff));
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    for (int i = 0; i < 300000; i++)
        check_to_bf16((uint32_t)swg_rng_next(&rng));
    ck_assert_uint_eq(swg_f32_to_bf16(from_bits(0x7f7fffff)), 0x7f80);
    ck_assert_uint_eq(swg_f32_to_bf16(from_bits(0x7f800001)), 0x7fc0);
}
END_TEST

START_TEST(every_bf16_returns)
{
    for (unsigned i = 0; i < 0x10000; i++) {
        const uint16_t bits = (uint16_t)i;
        const bool is_nan = (bits & 0x7fff) > 0x7f80;
        ck_assert_int_eq(isnan(swg_bf16_to_f32(bits)) != 0, is_nan);
        ck_assert_uint_eq(swg_f32_to_bf16(swg_bf16_to_f32(bits)), is_nan ? bits | 0x40 : bits);
    }
}
END_TEST

START_TEST(arrays_are_loaded_and_stored)
{
    static const swg_dtype types[] = {SWG_F32, SWG_F16, SWG_BF16};
    unsigned char array[64];
    for (size_t t = 0; t < 3; t++)
        for (size_t misalignment = 0; misalignment < 2; misalignment++) {
            memset(array, 0xee, sizeof array);
            for (size_t i = 0; i < 4; i++)
                swg_float_store(types[t], array + misalignment, i, (float)i - 1.5f);
            for (size_t i = 0; i < 4; i++)
                ck_assert(swg_float_load(types[t], array + misalignment, i) == (float)i - 1.5f);
            const size_t end = misalignment + 4 * swg_dtype_bits(types[t]) / 8;
            ck_assert_uint_eq(array[end], 0xee);
        }
}
END_TEST

/* First outputs of the reference implementations (Blackman and Vigna; Vigna's splitmix64). */
START_TEST(what_is_not_finite_is_counted)
{
    static const struct {
        swg_dtype dtype;
        uint64_t count, hits, first;
        const char *bytes;
        size_t length;
    } cases[] = {
#define BYTES(text) text, sizeof(text) - 1
        {SWG_F32, 3, 0, 9, BYTES("\xff\xff\x7f\x7f\1\0\0\0\0\0\0\x80")},
        {SWG_F32, 3, 2, 1, BYTES("\0\0\0\0\0\0\x80\xff\1\0\x80\x7f")},
        {SWG_F16, 4, 2, 1, BYTES("\xff\x7b\0\x7c\0\0\1\xfe")},
        {SWG_BF16, 3, 1, 2, BYTES("\x7f\x7f\0\0\xc0\xff")},
        {SWG_F64, 2, 1, 1, BYTES("\xff\xff\xff\xff\xff\xff\xef\x7f\0\0\0\0\0\0\xf0\x7f")},
        {SWG_C64, 1, 1, 1, BYTES("\0\0\0\0\0\0\xc0\x7f")},
        {SWG_F8_E4M3, 3, 2, 1, BYTES("\x7e\x7f\xff")},
        {SWG_F8_E5M2, 3, 2, 1, BYTES("\x7b\x7c\xff")},
        {SWG_F8_E4M3FNUZ, 3, 1, 2, BYTES("\x7f\xff\x80")},
        {SWG_F8_E5M2FNUZ, 3, 1, 0, BYTES("\x80\x7f\xff")},
        {SWG_F8_E8M0, 3, 1, 2, BYTES("\0\xfe\xff")},
        {SWG_I32, 1, 0, 9, BYTES("\xff\xff\xff\xff")},
        {SWG_U8, 2, 0, 9, BYTES("\x7f\xff")},
        {SWG_F32, 0, 0, 9, BYTES("")},
#undef BYTES
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t first = 9;
        char unaligned[32];
        ck_assert_uint_eq(cases[i].length, cases[i].count * swg_dtype_bits(cases[i].dtype) / 8);
        memcpy(unaligned + 1, cases[i].bytes, cases[i].length);
        ck_assert_msg(swg_count_nonfinite(cases[i].dtype, unaligned + 1, cases[i].count, &first) ==
                          cases[i].hits,
                      "case %zu", i);
        ck_assert_uint_eq(first, cases[i].first);
    }
}
END_TEST

START_TEST(random_numbers_are_the_published_ones)
{
    swg_rng rng = swg_rng_seeded(0);
    ck_assert_uint_eq(rng.state[0], UINT64_C(0xe220a8397b1dcdaf));
    ck_assert_uint_eq(rng.state[1], UINT64_C(0x6e789e6aa1b965f4));
    ck_assert_uint_eq(rng.state[2], UINT64_C(0x06c45d188009454f));
    ck_assert_uint_eq(rng.state[3], UINT64_C(0xf88bb8a8724c81ec));
    rng = (swg_rng){{1, 2, 3, 4}};
    static const uint64_t wanted[] = {UINT64_C(41943041), UINT64_C(58720359),
                                      UINT64_C(3588806011781223), UINT64_C(3591011842654386)};
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(swg_rng_next(&rng), wanted[i]);
}
END_TEST

START_TEST(random_numbers_have_their_distribution)
{
    enum { N = 200000 };
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    double sum = 0, squares = 0, uniform = 0;
    for (int i = 0; i < N; i++) {
        const double u = swg_rng_uniform(&rng);
        if (u < 0 || u >= 1)
            ck_abort_msg("uniform number %d is %g", i, u);
        uniform += u;
        const double x = (double)swg_rng_normal(&rng);
        if (!isfinite(x))
            ck_abort_msg("normal number %d is %g", i, x);
        sum += x;
        squares += x * x;
    }
    /* Six standard errors: 1/sqrt(12 N), 1/sqrt(N), sqrt(2/N). */
    ck_assert(fabs(uniform / N - 0.5) < 6 / sqrt(12.0 * N));
    ck_assert(fabs(sum / N) < 6 / sqrt(N));
    ck_assert(fabs(squares / N - 1) < 6 * sqrt(2.0 / N));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("numeric");
    TCase *cases = tcase_create("numeric");
    tcase_add_test(cases, every_f16_has_its_value_and_returns);
    tcase_add_test(cases, rounding_to_f16_is_to_nearest_even);
    tcase_add_test(cases, rounding_to_bf16_is_to_nearest_even);
    tcase_add_test(cases, every_bf16_returns);
    tcase_add_test(cases, arrays_are_loaded_and_stored);
    tcase_add_test(cases, what_is_not_finite_is_counted);
    tcase_add_test(cases, random_numbers_are_the_published_ones);
    tcase_add_test(cases, random_numbers_have_their_distribution);
    suite_add_tcase(suite, cases);
    return suite;
}
