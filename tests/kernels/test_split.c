/* Products of floats in parts (kernels/split.h) against double precision, and what their results do
 * not depend on. */
#include "tests/harness.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"

enum { MOST_ROWS = 70, MOST_COLUMNS = 1300 };

static const size_t row_counts[] = {1, 15, 16, 17, 33, MOST_ROWS};
static const size_t column_counts[] = {1, 31, 32, 33, 100, 640, 641, MOST_COLUMNS};

typedef struct matrix {
    size_t rows, columns;
    float *at;
} matrix;

static swg_rng rng;
static const swg_split *split;
static swg_split_block *block;

/* False, and a skipped test, where the processor or SWAGE_ISA leaves out products in parts. */
static bool begin(void)
{
    split = swg_linalg_split();
    if (!split)
        swg_test_skip("no instruction set here multiplies tiles of bfloat16");
    rng = swg_rng_seeded(7);
    if (split)
        ck_ok(SWG_NEW(block, 1));
    return split != NULL;
}

static void end(void)
{
    swg_free(block);
}

/* Normal numbers times powers of two from 2^-range to 2^range. */
static matrix make(size_t rows, size_t columns, int range)
{
    matrix x = {.rows = rows, .columns = columns};
    ck_ok(SWG_NEW(x.at, rows * columns));
    for (size_t i = 0; i < rows * columns; i++)
        x.at[i] = ldexpf(swg_rng_normal(&rng),
                         (int)(swg_rng_next(&rng) % (uint64_t)(2 * range + 1)) - range);
    return x;
}

static uint16_t *split_inputs(matrix x)
{
    uint16_t *parts;
    ck_ok(SWG_NEW(parts, swg_split_elems(x.rows, x.columns)));
    split->inputs(x.at, x.rows, x.columns, x.columns, parts);
    return parts;
}

/* y = x w^T, blocks of SWG_SPLIT_ROWS rows and `columns` columns. */
static matrix multiply_floats(matrix x, matrix w, size_t columns)
{
    matrix y = make(x.rows, w.rows, 0);
    uint16_t *parts = split_inputs(x);
    for (size_t r = 0; r < w.rows; r += SWG_SPLIT_ROWS)
        for (size_t c = 0; c < w.columns; c += columns) {
            const size_t n = w.rows - r < SWG_SPLIT_ROWS ? w.rows - r : SWG_SPLIT_ROWS;
            const size_t k = w.columns - c < columns ? w.columns - c : columns;
            split->weights_f32(w.at + r * w.columns + c, n, k, w.columns, block);
            split->multiply(parts, x.rows, x.columns, c, block, y.at + r, w.rows, c > 0);
        }
    swg_free(parts);
    return y;
}

/* |y - x w^T| <= k 2^-24 sum |x w|, and each product and part less than 2^-126. */
static void expect_products(matrix x, matrix w, matrix y)
{
    const double k = (double)x.columns + 4;
    for (size_t t = 0; t < x.rows; t++)
        for (size_t r = 0; r < w.rows; r++) {
            double sum = 0, magnitude = 0;
            for (size_t c = 0; c < x.columns; c++) {
                const double product = (double)x.at[t * x.columns + c] * w.at[r * w.columns + c];
                sum += product;
                magnitude += fabs(product);
            }
            const double got = y.at[t * w.rows + r], bound = k * (0x1p-24 * magnitude + 0x1p-124);
            ck_assert_msg(fabs(got - sum) <= bound,
                          "row %zu of %zu x %zu, input %zu: %.9g, not %.9g, by more than %.3g", r,
                          w.rows, w.columns, t, got, sum, bound);
        }
}

START_TEST(floats_are_multiplied)
{
    if (!begin())
        return;
    for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++)
        for (size_t j = 0; j < sizeof column_counts / sizeof *column_counts; j++) {
            const int range = j % 3 == 0 ? 0 : j % 3 == 1 ? 20 : 60;
            matrix x = make(row_counts[i], column_counts[j], range);
            matrix w = make(row_counts[(i + j) % 6] * 2, column_counts[j], range / 2);
            matrix y = multiply_floats(x, w, SWG_SPLIT_COLUMNS);
            expect_products(x, w, y);
            swg_free(x.at);
            swg_free(w.at);
            swg_free(y.at);
        }
    end();
}
END_TEST

/* The mean error, not only its bound, is that of sums in float. */
START_TEST(errors_are_as_small_as_those_of_sgemm)
{
    if (!begin())
        return;
    matrix x = make(64, 1152, 4), w = make(64, 1152, 0), theirs = make(64, 64, 0);
    matrix ours = multiply_floats(x, w, SWG_SPLIT_COLUMNS);
    swg_sgemm_nt(64, 64, 1152, x.at, 1152, w.at, 1152, theirs.at, 64);
    double our_error = 0, their_error = 0;
    for (size_t t = 0; t < 64; t++)
        for (size_t r = 0; r < 64; r++) {
            double sum = 0;
            for (size_t c = 0; c < 1152; c++)
                sum += (double)x.at[t * 1152 + c] * w.at[r * 1152 + c];
            our_error += (ours.at[t * 64 + r] - sum) * (ours.at[t * 64 + r] - sum);
            their_error += (theirs.at[t * 64 + r] - sum) * (theirs.at[t * 64 + r] - sum);
        }
    ck_assert_msg(our_error <= 1.5 * their_error, "%.3g, BLAS %.3g", sqrt(our_error),
                  sqrt(their_error));
    swg_free(x.at);
    swg_free(w.at);
    swg_free(ours.at);
    swg_free(theirs.at);
    end();
}
END_TEST

/* Rows of a batch, alone and split by several threads, have the same bytes as in it. */
START_TEST(results_do_not_depend_on_the_batch)
{
    if (!begin())
        return;
    matrix x = make(MOST_ROWS, 700, 10), w = make(40, 700, 0);
    matrix whole = multiply_floats(x, w, SWG_SPLIT_COLUMNS);
    for (size_t first = 0; first < MOST_ROWS; first += 23) {
        const matrix some = {MOST_ROWS - first, 700, x.at + first * 700};
        matrix y = multiply_floats(some, w, SWG_SPLIT_COLUMNS);
        ck_assert_mem_eq(y.at, whole.at + first * 40, some.rows * 40 * sizeof(float));
        swg_free(y.at);
    }
    swg_free(x.at);
    swg_free(w.at);
    swg_free(whole.at);
    end();
}
END_TEST

/* BF16 weights, and halves, which have two parts, as themselves and as floats. */
START_TEST(weights_of_fewer_parts_give_the_same_bytes)
{
    if (!begin())
        return;
    enum { M = 20, N = 37, K = 130 };
    matrix x = make(M, K, 8), w = make(N, K, 3), other = make(M, N, 0);
    uint16_t stored[N * K], *parts = split_inputs(x);
    for (size_t i = 0; i < N * K; i++) {
        stored[i] = swg_f32_to_bf16(w.at[i]);
        w.at[i] = swg_bf16_to_f32(stored[i]);
    }
    split->weights_f32(w.at, N, K, K, block);
    ck_assert_uint_eq(block->parts, 1);
    matrix y = multiply_floats(x, w, SWG_SPLIT_COLUMNS);
    split->weights_bf16(stored, N, K, K, block);
    split->multiply(parts, M, K, 0, block, other.at, N, false);
    ck_assert_mem_eq(other.at, y.at, M * N * sizeof(float));
    for (size_t i = 0; i < N * K; i++)
        w.at[i] = swg_f16_to_f32(swg_f32_to_f16(w.at[i] * 1.001f));
    split->weights_f32(w.at, N, K, K, block);
    ck_assert_uint_eq(block->parts, 2);
    split->multiply(parts, M, K, 0, block, y.at, N, false);
    block->parts = 3;
    split->multiply(parts, M, K, 0, block, other.at, N, false);
    ck_assert_mem_eq(other.at, y.at, M * N * sizeof(float));
    swg_free(x.at);
    swg_free(w.at);
    swg_free(y.at);
    swg_free(other.at);
    swg_free(parts);
    end();
}
END_TEST

/* A number that is not finite, in an input or a weight, shows in its sums and in no others. */
static void expect_not_finite(float number, bool in_weight)
{
    enum { M = 18, N = 19, K = 70, ROW = 17, COLUMN = 66 };
    matrix x = make(M, K, 0), w = make(N, K, 0);
    matrix changed = in_weight ? w : x;
    changed.at[ROW * K + COLUMN] = number;
    matrix y = multiply_floats(x, w, SWG_SPLIT_COLUMNS);
    for (size_t t = 0; t < M; t++)
        for (size_t r = 0; r < N; r++)
            ck_assert_msg(isfinite(y.at[t * N + r]) == ((in_weight ? r : t) != ROW),
                          "input %zu, row %zu: %g from %g", t, r, y.at[t * N + r], number);
    swg_free(x.at);
    swg_free(w.at);
    swg_free(y.at);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

START_TEST(numbers_that_are_not_finite_stay_visible)
{
    if (!begin())
        return;
    const uint32_t bits[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7fffffff,
                             0xffffffff, 0x7f800001, 0xff800001, 0x7fbfffff, 0x7f7fffff};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        expect_not_finite(float_of(bits[i]), false);
        expect_not_finite(float_of(bits[i]), true);
    }
    end();
}
END_TEST

/* --- Quantized weights --- */

static void *random_bytes(size_t n)
{
    uint8_t *bytes;
    ck_ok(SWG_NEW(bytes, n));
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)swg_rng_next(&rng);
    return bytes;
}

/* Scales from 0.01 to 1 of that type. */
static void *random_scales(size_t n, swg_dtype type)
{
    uint8_t *scales = random_bytes(4 * n);
    for (size_t i = 0; i < n && type != SWG_I8; i++) {
        const float scale = 0.01f + 0.99f * (float)scales[4 * i] / 255;
        const uint16_t half = type == SWG_F16 ? swg_f32_to_f16(scale) : swg_f32_to_bf16(scale);
        if (type == SWG_F32)
            memcpy(scales + 4 * i, &scale, sizeof scale);
        else
            memcpy(scales + 2 * i, &half, sizeof half);
    }
    return scales;
}

/* Random weights of the scheme; `floats` is what they mean. */
static swg_packed make_packed(swg_scheme scheme, size_t n, size_t k, matrix *floats)
{
    const swg_kernels *scalar = swg_kernels_of(SWG_ISA_scalar);
    swg_packed w = swg_packed_layout(scheme, n, k);
    ck_ok(SWG_NEW(w.panels, swg_packed_bytes(&w)));
    for (size_t i = 0; i < SWG_CODEBOOK_CODES; i++)
        w.codebook[i] = (uint8_t)swg_rng_next(&rng);
    uint8_t *codes = random_bytes(n * w.code_row_bytes), *zeros = random_bytes(n * w.n_groups);
    void *scales = random_scales(n * w.n_groups, scheme.scale_type);
    void *row_scales = random_scales(n, SWG_BF16);
    for (size_t i = 0; i < n * w.n_groups; i++)
        zeros[i] = (uint8_t)(zeros[i] % (1u << scheme.bits));
    scalar->pack_codes(&w, 0, n, codes);
    scalar->pack_scales(&w, 0, n, scales);
    if (swg_scheme_has_row_scales(scheme))
        scalar->pack_row_scales(&w, 0, n, row_scales);
    if (scheme.asymmetric)
        scalar->pack_zeros(&w, 0, n, zeros);
    *floats = make(n, k, 0);
    scalar->dequantize(&w, 0, n, floats->at);
    swg_free(codes);
    swg_free(zeros);
    swg_free(scales);
    swg_free(row_scales);
    return w;
}

static void check_packed(const char *name, size_t n, size_t k)
{
    swg_scheme scheme;
    ck_ok(swg_scheme_parse(name, strlen(name), &scheme));
    matrix floats, x = make(21, k, 6), y = make(21, n, 0);
    swg_packed w = make_packed(scheme, n, k, &floats);
    uint16_t *parts = split_inputs(x);
    ck_assert(swg_split_takes(&w));
    const size_t group = w.n_groups == 1 ? SWG_SPLIT_COLUMNS : w.group;
    const size_t columns = SWG_SPLIT_COLUMNS / group * group;
    for (size_t r = 0; r < n; r += SWG_SPLIT_STEP)
        for (size_t c = 0; c < k; c += columns) {
            split->weights_packed(&w, r, c, n - r < SWG_SPLIT_STEP ? n - r : SWG_SPLIT_STEP,
                                  k - c < columns ? k - c : columns, block);
            split->multiply(parts, x.rows, k, c, block, y.at + r, n, c > 0);
        }
    expect_products(x, floats, y);
    swg_free(w.panels);
    swg_free(floats.at);
    swg_free(x.at);
    swg_free(y.at);
    swg_free(parts);
}

START_TEST(quantized_weights_are_multiplied)
{
    if (!begin())
        return;
    const char *const schemes[] = {"int4-g32-sym-f16",  "int4-g64-asym-bf16", "int3-g128-sym-f32",
                                   "int8-g64-sym-bf16", "int8-g128-asym-f16", "int4-g64-sym-i8",
                                   "int4-row-asym-f32", "int8-row-sym-f16",   "codebook4-g64-f16",
                                   "codebook4-row-bf16"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        check_packed(schemes[i], 16, 128);
        check_packed(schemes[i], 53, 700);
        check_packed(schemes[i], 33, 1282);
    }
    end();
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("split");
    TCase *tests = tcase_create("split");
    tcase_add_test(tests, floats_are_multiplied);
    tcase_add_test(tests, errors_are_as_small_as_those_of_sgemm);
    tcase_add_test(tests, results_do_not_depend_on_the_batch);
    tcase_add_test(tests, weights_of_fewer_parts_give_the_same_bytes);
    tcase_add_test(tests, numbers_that_are_not_finite_stay_visible);
    tcase_add_test(tests, quantized_weights_are_multiplied);
    suite_add_tcase(suite, tests);
    return suite;
}
