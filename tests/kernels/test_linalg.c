/* Linear algebra: plain C against its definition, OpenBLAS against plain C, and what happens
 * without OpenBLAS. */
#include "tests/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linalg.h"
#include "kernels/linalg/linalg_tables.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/base/rng.h"

enum { LARGEST = 70, PADDING = 3, STEP = LARGEST + PADDING };

static const size_t sizes[] = {1, 2, 5, 16, 33, LARGEST};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

typedef struct matrix {
    double d[LARGEST * STEP];
    float f[LARGEST * STEP];
} matrix;

static swg_rng rng;

static void fill(matrix *x)
{
    for (size_t i = 0; i < LARGEST * STEP; i++)
        x->d[i] = x->f[i] = swg_rng_normal(&rng);
}

/* Lower triangular with a diagonal away from zero; NaN above, which must not be read. */
static void fill_lower(matrix *x, size_t n)
{
    fill(x);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < STEP; j++)
            if (j > i)
                x->d[i * STEP + j] = x->f[i * STEP + j] = NAN;
            else if (j == i)
                x->d[i * STEP + j] = x->f[i * STEP + j] = 2 + (float)(i % 3);
            else
                x->d[i * STEP + j] = x->f[i * STEP + j] /= (float)n;
}

static double element(const matrix *x, bool transpose, size_t i, size_t j)
{
    return transpose ? x->d[j * STEP + i] : x->d[i * STEP + j];
}

/* Element (i, j) of L, or L^T, of a lower triangular matrix. */
static double lower(const matrix *l, bool transpose, size_t i, size_t j)
{
    const size_t row = transpose ? j : i, column = transpose ? i : j;
    return column <= row ? l->d[row * STEP + column] : 0;
}

static void expect(double d, double f, double wanted, double magnitude, const char *what)
{
    ck_assert_msg(fabs(d - wanted) <= 1e-12 * magnitude, "d%s: %.17g, not %.17g", what, d, wanted);
    ck_assert_msg(fabs(f - wanted) <= 2e-5 * magnitude, "s%s: %.9g, not %.9g", what, f, wanted);
}

/* Elements above the diagonal and beyond a row's end are unchanged. */
static void expect_upper_untouched(const matrix *x, const matrix *before, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * STEP + i + 1, bytes = STEP - i - 1;
        ck_assert_mem_eq(x->d + at, before->d + at, bytes * sizeof(double));
        ck_assert_mem_eq(x->f + at, before->f + at, bytes * sizeof(float));
    }
}

/* --- One implementation against the definitions --- */

static void check_gemm(const swg_linalg *l, size_t m, size_t n, size_t k, bool ta, bool tb)
{
    static matrix a, b, c, before;
    fill(&a);
    fill(&b);
    fill(&c);
    const float alpha = 1.5f, beta = n % 2 ? 0 : -0.5f;
    if (beta == 0) /* must not be read */
        for (size_t i = 0; i < m * STEP; i++)
            c.d[i] = c.f[i] = NAN;
    before = c;
    l->dgemm(ta, tb, m, n, k, alpha, a.d, STEP, b.d, STEP, beta, c.d, STEP);
    l->sgemm(ta, tb, m, n, k, alpha, a.f, STEP, b.f, STEP, beta, c.f, STEP);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += element(&a, ta, i, p) * element(&b, tb, p, j);
            const double old = beta == 0 ? 0 : beta * before.d[i * STEP + j];
            expect(c.d[i * STEP + j], c.f[i * STEP + j], alpha * sum + old, (double)k + 4, "gemm");
        }
        ck_assert_mem_eq(c.d + i * STEP + n, before.d + i * STEP + n, (STEP - n) * sizeof(double));
        ck_assert_mem_eq(c.f + i * STEP + n, before.f + i * STEP + n, (STEP - n) * sizeof(float));
    }
}

static void check_syrk(const swg_linalg *l, size_t n, size_t k, bool transpose)
{
    static matrix a, c, before;
    fill(&a);
    fill_lower(&c, n);
    before = c;
    l->dsyrk(transpose, n, k, 2, a.d, STEP, 1, c.d, STEP);
    l->ssyrk(transpose, n, k, 2, a.f, STEP, 1, c.f, STEP);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += element(&a, transpose, i, p) * element(&a, transpose, j, p);
            expect(c.d[i * STEP + j], c.f[i * STEP + j], 2 * sum + before.d[i * STEP + j],
                   4 * (double)k + 4, "syrk");
        }
    expect_upper_untouched(&c, &before, n);
}

/* Inverses of L and of L L^T: multiplied by what they invert they give the unit matrix. */
static void check_inverses(const swg_linalg *l, size_t n)
{
    static matrix factor, inverse, whole;
    fill_lower(&factor, n);
    inverse = whole = factor;
    ck_ok(l->dtrtri(n, inverse.d, STEP));
    ck_ok(l->strtri(n, inverse.f, STEP));
    ck_ok(l->dpotri(n, whole.d, STEP));
    ck_ok(l->spotri(n, whole.f, STEP));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double unit = 0, unit_f = 0, of_both = 0;
            for (size_t p = j; p <= i; p++) {
                unit += factor.d[i * STEP + p] * inverse.d[p * STEP + j];
                unit_f += factor.d[i * STEP + p] * inverse.f[p * STEP + j];
            }
            expect(unit, unit_f, i == j, 1, "trtri");
            for (size_t p = i; p < n; p++)
                of_both += inverse.d[p * STEP + i] * inverse.d[p * STEP + j];
            expect(whole.d[i * STEP + j], whole.f[i * STEP + j], of_both, 1, "potri");
        }
    expect_upper_untouched(&inverse, &factor, n);
    expect_upper_untouched(&whole, &factor, n);
}

/* A product L L^T gives L back. */
static void check_cholesky(const swg_linalg *l, size_t n)
{
    static matrix factor, a, before;
    fill_lower(&factor, n);
    a = factor;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t p = 0; p <= j; p++)
                sum += factor.d[i * STEP + p] * factor.d[j * STEP + p];
            a.d[i * STEP + j] = sum;
            a.f[i * STEP + j] = (float)sum;
        }
    before = a;
    ck_ok(l->dpotrf(n, a.d, STEP));
    ck_ok(l->spotrf(n, a.f, STEP));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            expect(a.d[i * STEP + j], a.f[i * STEP + j], factor.d[i * STEP + j], 4, "potrf");
    expect_upper_untouched(&a, &before, n);
}

static void check_trsm(const swg_linalg *l, size_t m, size_t n, bool from_right, bool transpose)
{
    static matrix factor, b, x;
    fill_lower(&factor, from_right ? n : m);
    fill(&b);
    x = b;
    l->dtrsm(from_right, transpose, m, n, factor.d, STEP, x.d, STEP);
    l->strsm(from_right, transpose, m, n, factor.f, STEP, x.f, STEP);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double d = 0, f = 0;
            for (size_t p = 0; p < (from_right ? n : m); p++) {
                const double t =
                    from_right ? lower(&factor, transpose, p, j) : lower(&factor, transpose, i, p);
                d += t * (from_right ? x.d[i * STEP + p] : x.d[p * STEP + j]);
                f += t * (from_right ? x.f[i * STEP + p] : x.f[p * STEP + j]);
            }
            expect(d, f, b.d[i * STEP + j], 4, "trsm");
        }
}

static void check_all(const swg_linalg *l)
{
    rng = swg_rng_seeded(swg_test_seed());
    for (size_t a = 0; a < N_SIZES; a++)
        for (size_t b = 0; b < N_SIZES; b++)
            for (int flags = 0; flags < 4; flags++) {
                const size_t m = sizes[a], n = sizes[b], k = sizes[(a + b) % N_SIZES];
                check_gemm(l, m, n, k, flags & 1, flags & 2);
                check_trsm(l, m, n, flags & 1, flags & 2);
                if (flags < 2)
                    check_syrk(l, m, n, flags & 1);
            }
    for (size_t a = 0; a < N_SIZES; a++) {
        check_inverses(l, sizes[a]);
        check_cholesky(l, sizes[a]);
    }
}

START_TEST(plain_c_follows_the_definitions)
{
    check_all(&swg_linalg_plain);
}
END_TEST

START_TEST(openblas_follows_the_definitions)
{
    unsetenv("OPENBLAS_CORETYPE"); /* it comes and goes while the library is loaded */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    const swg_linalg *linalg = swg_linalg_get();
    char notice[SWG_NOTICE_BYTES];
    if (swg_notice_take(notice)) {
        swg_test_skip(notice);
        return;
    }
    printf("%s\n", linalg->name);
    ck_assert_str_eq(linalg->name, swg_linalg_name());
    ck_assert_ptr_eq(linalg, swg_linalg_get());
    check_all(linalg);
    ck_assert_ptr_null(getenv("OPENBLAS_CORETYPE"));
    ck_assert_str_eq(getenv("OPENBLAS_NUM_THREADS"), "1");
}
END_TEST

/* --- Refusals --- */

START_TEST(bad_matrices_are_refused)
{
    const swg_linalg *both[] = {&swg_linalg_plain, swg_linalg_get()};
    for (size_t which = 0; which < 2; which++) {
        const swg_linalg *l = both[which];
        double indefinite[] = {1, 0, 0, 2, 3, 0, 0, 0, 4};
        ck_status_is(SWG_FAILED, l->dpotrf(3, indefinite, 3));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "row 1"));
        double not_a_number[] = {1, 0, NAN, 4};
        ck_status_is(SWG_FAILED, l->dpotrf(2, not_a_number, 2));
        float single[] = {1, 0, 2, 3};
        ck_status_is(SWG_FAILED, l->spotrf(2, single, 2));
        double singular[] = {1, 0, 5, 0};
        ck_status_is(SWG_FAILED, l->dtrtri(2, singular, 2));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "row 1"));
        double factor[] = {0, 0, 5, 1};
        ck_status_is(SWG_FAILED, l->dpotri(2, factor, 2));
        float factor_f[] = {0, 0, 5, 1};
        ck_status_is(SWG_FAILED, l->spotri(2, factor_f, 2));
        ck_status_is(SWG_FAILED, l->strtri(2, factor_f, 2));
    }
}
END_TEST

START_TEST(absent_library_is_named)
{
    swg_linalg linalg;
    ck_status_is(SWG_UNSUPPORTED, swg_linalg_open("libabsent-blas.so.0", NULL, &linalg));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "libabsent-blas.so.0"));
    ck_status_is(SWG_UNSUPPORTED, swg_linalg_open("libc.so.6", NULL, &linalg));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "lacks"));
}
END_TEST

START_TEST(notices_are_taken_in_order)
{
    char text[SWG_NOTICE_BYTES];
    while (swg_notice_take(text))
        ;
    for (int i = 0; i < 19; i++)
        swg_notice("number %d", i / 2); /* waiting already: dropped */
    ck_assert(swg_notice_take(text));
    ck_assert_str_eq(text, "number 0");
    ck_assert(swg_notice_take(text));
    ck_assert_str_eq(text, "number 1");
    while (swg_notice_take(text))
        ;
    ck_assert_str_eq(text, "number 7");
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("linalg");
    TCase *linalg = tcase_create("linalg");
    tcase_add_test(linalg, plain_c_follows_the_definitions);
    tcase_add_test(linalg, openblas_follows_the_definitions);
    tcase_add_test(linalg, bad_matrices_are_refused);
    tcase_add_test(linalg, absent_library_is_named);
    tcase_add_test(linalg, notices_are_taken_in_order);
    suite_add_tcase(suite, linalg);
    return suite;
}
