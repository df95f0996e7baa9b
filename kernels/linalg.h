/* Dense float32 linear algebra, through OpenBLAS. Calls are single-threaded inside: callers split
 * the work over the pool in pieces that do not depend on the thread count, so results do not
 * either. Safe from several threads. Row-major throughout. */
#ifndef SWG_KERNELS_LINALG_H
#define SWG_KERNELS_LINALG_H

#include <stdbool.h>
#include <stddef.h>

/* c [m, n] = a [m, k] * b^T, with b [n, k]; lda, ldb, ldc are the distances of rows. All sizes fit
 * an int. */
void swg_sgemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                  size_t ldb, float *c, size_t ldc);

/* "OpenBLAS 0.3.21 Haswell": what provenance records for results that went through BLAS. */
const char *swg_linalg_name(void);

#endif
