/* OpenBLAS behind linalg.h. Its own threads are switched off once: the pool splits the work. */
#include "kernels/linalg.h"

#include <cblas.h>
#include <pthread.h>
#include <stdio.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char name[96];

static void set_up(void)
{
    openblas_set_num_threads(1);
    snprintf(name, sizeof name, "%.60s", openblas_get_config());
}

void swg_sgemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                  size_t ldb, float *c, size_t ldc)
{
    pthread_once(&once, set_up);
    if (m == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)n, (blasint)k, 1.0f, b, (blasint)ldb, a,
                    1, 0.0f, c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k,
                    1.0f, a, (blasint)lda, b, (blasint)ldb, 0.0f, c, (blasint)ldc);
}

const char *swg_linalg_name(void)
{
    pthread_once(&once, set_up);
    return name;
}
