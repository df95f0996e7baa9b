/* Choosing the implementation of linalg.h: see there. */
#include "kernels/linalg.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa_table.h"
#include "kernels/linalg/linalg_tables.h"
#include "runtime/base/notice.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static swg_linalg chosen;

/* OpenBLAS's name for this processor, from the best instruction set that runs here. */
static const char *core_type(void)
{
    for (int isa = SWG_ISA_COUNT - 1; isa >= 0; isa--)
        if (swg_isa_is_available((swg_isa)isa) && swg_isa_table_of((swg_isa)isa)->blas_core)
            return swg_isa_table_of((swg_isa)isa)->blas_core();
    return NULL;
}

/* The file of the library that SWAGE_BLAS asks for; NULL: none, but plain C. */
static const char *wanted_library(void)
{
    const char *wanted = getenv("SWAGE_BLAS");
    return !wanted || !*wanted ? "libopenblas.so.0" : strcmp(wanted, "plain") == 0 ? NULL : wanted;
}

const swg_split *swg_linalg_split(void)
{
    const swg_kernels *kernels;
    if (!wanted_library())
        return NULL;
    if (swg_kernels_best(&kernels) == SWG_OK)
        return swg_kernels_split(kernels);
    swg_error_clear();
    return NULL;
}

static void choose(void)
{
    static char name[128];
    const char *library = wanted_library();
    chosen = swg_linalg_plain;
    if (library && swg_linalg_open(library, core_type(), &chosen) != SWG_OK) {
        swg_notice("%s; BLAS's float products are computed in plain C, many times slower",
                   swg_error_message());
        swg_error_clear();
    }
    snprintf(name, sizeof name, "%s%s", chosen.name, swg_linalg_split() ? ", AMX BF16" : "");
    chosen.name = name;
}

const swg_linalg *swg_linalg_get(void)
{
    pthread_once(&once, choose);
    return &chosen;
}

const char *swg_linalg_name(void)
{
    return swg_linalg_get()->name;
}

void swg_sgemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                  size_t ldb, float *c, size_t ldc)
{
    swg_linalg_get()->sgemm(false, true, m, n, k, 1, a, lda, b, ldb, 0, c, ldc);
}

swg_status swg_linalg_not_positive(size_t row, size_t n)
{
    return swg_error(SWG_FAILED,
                     "the %zu x %zu matrix is not positive definite: its Cholesky factor breaks "
                     "down in row %zu",
                     n, n, row);
}

swg_status swg_linalg_singular(size_t row, size_t n)
{
    return swg_error(SWG_FAILED,
                     "the %zu x %zu triangular matrix has no inverse: row %zu has a zero on the "
                     "diagonal",
                     n, n, row);
}
