/* linalg.h implemented with OpenBLAS, loaded at run time. Its Fortran functions are called, which
 * every variant of the library exports, including LAPACK's. They are column-major: they see a
 * row-major matrix as its transpose and a lower triangle as an upper one, so products are called
 * with the operands exchanged. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linalg/linalg_tables.h"

/* Fortran passes everything by pointer, and the length of each string (1) by value at the end. */
#define BLAS_FUNCTIONS(REAL, PREFIX, ROW)                                                          \
    ROW(PREFIX##gemm,                                                                              \
        (const char *transpose_a, const char *transpose_b, const int *m, const int *n,             \
         const int *k, const REAL *alpha, const REAL *a, const int *lda, const REAL *b,            \
         const int *ldb, const REAL *beta, REAL *c, const int *ldc, size_t, size_t))               \
    ROW(PREFIX##gemv, (const char *transpose, const int *m, const int *n, const REAL *alpha,       \
                       const REAL *a, const int *lda, const REAL *x, const int *x_step,            \
                       const REAL *beta, REAL *y, const int *y_step, size_t))                      \
    ROW(PREFIX##syrk, (const char *triangle, const char *transpose, const int *n, const int *k,    \
                       const REAL *alpha, const REAL *a, const int *lda, const REAL *beta,         \
                       REAL *c, const int *ldc, size_t, size_t))                                   \
    ROW(PREFIX##trsm,                                                                              \
        (const char *side, const char *triangle, const char *transpose, const char *diagonal,      \
         const int *m, const int *n, const REAL *alpha, const REAL *a, const int *lda, REAL *b,    \
         const int *ldb, size_t, size_t, size_t, size_t))                                          \
    ROW(PREFIX##potrf,                                                                             \
        (const char *triangle, const int *n, REAL *a, const int *lda, int *info, size_t))          \
    ROW(PREFIX##potri,                                                                             \
        (const char *triangle, const int *n, REAL *a, const int *lda, int *info, size_t))          \
    ROW(PREFIX##trtri, (const char *triangle, const char *diagonal, const int *n, REAL *a,         \
                        const int *lda, int *info, size_t, size_t))

static struct {
#define ROW(name, arguments) void(*name) arguments;
    BLAS_FUNCTIONS(float, s, ROW)
    BLAS_FUNCTIONS(double, d, ROW)
#undef ROW
    void (*set_num_threads)(int n);
    char *(*get_config)(void);
    char *(*get_corename)(void);
} blas;

static char name[96];

/* --- linalg.h on top of it ---------------------------------------------------------------------
 */

/* OpenBLAS sees a row-major matrix as transposed exactly when we do not. */
static const char *flag(bool transpose)
{
    return transpose ? "T" : "N";
}

#define REAL    float
#define NAME(f) openblas_s##f
#define BLAS(f) blas.s##f
#include "kernels/linalg/linalg_openblas_body.h"
#undef REAL
#undef NAME
#undef BLAS

#define REAL    double
#define NAME(f) openblas_d##f
#define BLAS(f) blas.d##f
#include "kernels/linalg/linalg_openblas_body.h"

static const swg_linalg functions = {
    .name = name,
    .sgemm = openblas_sgemm,
    .dgemm = openblas_dgemm,
    .ssyrk = openblas_ssyrk,
    .dsyrk = openblas_dsyrk,
    .spotrf = openblas_spotrf,
    .dpotrf = openblas_dpotrf,
    .spotri = openblas_spotri,
    .dpotri = openblas_dpotri,
    .strtri = openblas_strtri,
    .dtrtri = openblas_dtrtri,
    .strsm = openblas_strsm,
    .dtrsm = openblas_dtrsm,
};

/* --- Loading ---------------------------------------------------------------------------------- */

/* Set a variable that the user has not set; true when it must be removed again. */
static bool set_if_absent(const char *variable, const char *value)
{
    return value && !getenv(variable) && setenv(variable, value, 1) == 0;
}

static void *load(const char *library, const char *core)
{
    const bool has_core = set_if_absent("OPENBLAS_CORETYPE", core);
    const bool has_threads = set_if_absent("OPENBLAS_NUM_THREADS", "1");
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (has_core)
        unsetenv("OPENBLAS_CORETYPE");
    if (has_threads)
        unsetenv("OPENBLAS_NUM_THREADS");
    return handle;
}

/* Put the address of `symbol` into the function pointer at `out`. */
static bool find(void *handle, const char *symbol, void *out)
{
    void *address = dlsym(handle, symbol);
    memcpy(out, &address, sizeof address);
    return address != NULL;
}

static swg_status find_functions(const char *library, void *handle)
{
    const char *missing = NULL;
#define ROW(function, arguments)                                                                   \
    if (!find(handle, #function "_", &blas.function))                                              \
        missing = #function;
    BLAS_FUNCTIONS(float, s, ROW)
    BLAS_FUNCTIONS(double, d, ROW)
#undef ROW
    if (!find(handle, "openblas_set_num_threads", &blas.set_num_threads) ||
        !find(handle, "openblas_get_config", &blas.get_config) ||
        !find(handle, "openblas_get_corename", &blas.get_corename))
        missing = "openblas_...";
    if (missing)
        return swg_error(SWG_UNSUPPORTED, "%s lacks the function %s", library, missing);
    return SWG_OK;
}

enum { CHECK_M = 23, CHECK_N = 37, CHECK_K = 31 };

/* A product of small whole numbers, exact in every order of summation: a wrong kernel shows,
 * rounding does not. */
static bool product_is_right(void)
{
    float a[CHECK_M * CHECK_K], b[CHECK_N * CHECK_K], c[CHECK_M * CHECK_N];
    double da[CHECK_M * CHECK_K], db[CHECK_N * CHECK_K], dc[CHECK_M * CHECK_N];
    for (int i = 0; i < CHECK_M * CHECK_K; i++)
        da[i] = a[i] = (float)(i * 7 % 17 - 8);
    for (int i = 0; i < CHECK_N * CHECK_K; i++)
        db[i] = b[i] = (float)(i * 5 % 13 - 6);
    openblas_sgemm(false, true, CHECK_M, CHECK_N, CHECK_K, 1, a, CHECK_K, b, CHECK_K, 0, c,
                   CHECK_N);
    openblas_dgemm(false, true, CHECK_M, CHECK_N, CHECK_K, 1, da, CHECK_K, db, CHECK_K, 0, dc,
                   CHECK_N);
    for (int i = 0; i < CHECK_M; i++)
        for (int j = 0; j < CHECK_N; j++) {
            double wanted = 0;
            for (int p = 0; p < CHECK_K; p++)
                wanted += da[i * CHECK_K + p] * db[j * CHECK_K + p];
            if (c[i * CHECK_N + j] != wanted || dc[i * CHECK_N + j] != wanted)
                return false;
        }
    return true;
}

swg_status swg_linalg_open(const char *library, const char *core, swg_linalg *out)
{
    void *handle = load(library, core);
    if (!handle)
        return swg_error(SWG_UNSUPPORTED, "OpenBLAS cannot be loaded (%s)", dlerror());
    SWG_TRY(find_functions(library, handle)); /* left loaded: its threads may be running */
    blas.set_num_threads(1);
    char product[32] = "", version[32] = ""; /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." */
    sscanf(blas.get_config(), "%31s %31s", product, version);
    snprintf(name, sizeof name, "%s %s %.24s", product, version, blas.get_corename());
    if (!product_is_right())
        return swg_error(SWG_UNSUPPORTED, "%s multiplies wrongly on this processor", name);
    *out = functions;
    return SWG_OK;
}
