/* Dense linear algebra in float and double. OpenBLAS is used where it is installed
 * (libopenblas.so.0, any of Debian's variants; the environment variable SWAGE_BLAS names another
 * file); it is loaded when first needed, so that commands without float products neither wait for
 * it nor start its threads. Where it is absent or computes wrongly, plain C is used instead,
 * slowly, and swg_notice (runtime/base/notice.h) tells the user. SWAGE_BLAS=plain asks for plain C.
 *
 *     const swg_linalg *linalg = swg_linalg_get();
 *     linalg->dsyrk(true, n, tokens, 2.0, x, n, 1.0, hessian, n);   // lower triangle += 2 x^T x
 *     SWG_TRY(linalg->dpotrf(n, hessian, n));                       // its Cholesky factor
 *
 * Conventions. Everything is row-major; lda, ldb, ldc are the distances between rows in elements. A
 * symmetric or triangular matrix is given by its lower triangle: elements above the diagonal are
 * neither read nor written. Sizes and distances must fit an int. A pointer may be NULL only if its
 * matrix is empty. Functions whose names begin with s take float, those with d double; otherwise
 * they are alike.
 *
 * Threads. Calls are single-threaded inside and safe from several threads: callers split the work
 * over their pool in pieces that do not depend on the number of threads, so results do not either.
 * Results may differ in the last digits between machines, since the order in which OpenBLAS sums
 * depends on the core that it targets.
 *
 * Loading sets OPENBLAS_CORETYPE and OPENBLAS_NUM_THREADS in the environment if the user has not,
 * and removes them again afterwards. Debian 12's OpenBLAS 0.3.21 does not know newer processors and
 * falls back to kernels for much older ones, at a quarter of the speed; hence OPENBLAS_CORETYPE. A
 * program with threads of its own that read the environment must call swg_linalg_get before it
 * starts them. If the program has OpenBLAS loaded already, it keeps its core, and its number of
 * threads becomes 1.
 */
#ifndef SWG_KERNELS_LINALG_H
#define SWG_KERNELS_LINALG_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/split.h"
#include "runtime/base/status.h"

typedef struct swg_linalg {
    /* For reports and provenance: "plain C", "OpenBLAS 0.3.21 SkylakeX"; followed by ", AMX BF16"
     * where products with weights are computed with those (swg_linalg_split). */
    const char *name;

    /* c [m, n] = alpha * A B + beta * c, where A [m, k] is `a` or, with transpose_a, the transpose
     * of `a` [k, m]; B [k, n] likewise. With beta 0 c is not read. */
    void (*sgemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                  const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                  size_t ldc);
    void (*dgemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, double alpha,
                  const double *a, size_t lda, const double *b, size_t ldb, double beta, double *c,
                  size_t ldc);

    /* Lower triangle of c [n, n] = alpha * A A^T + beta * c, where A [n, k] is `a` or, with
     * transpose_a, the transpose of `a` [k, n] (rows of activations: x^T x). */
    void (*ssyrk)(bool transpose_a, size_t n, size_t k, float alpha, const float *a, size_t lda,
                  float beta, float *c, size_t ldc);
    void (*dsyrk)(bool transpose_a, size_t n, size_t k, double alpha, const double *a, size_t lda,
                  double beta, double *c, size_t ldc);

    /* Cholesky: the symmetric a [n, n] becomes L with a = L L^T. SWG_FAILED, naming the row, when a
     * is not positive definite; `a` is then partly overwritten. */
    swg_status (*spotrf)(size_t n, float *a, size_t lda);
    swg_status (*dpotrf)(size_t n, double *a, size_t lda);

    /* The inverse of L L^T, from L (of potrf) in place. SWG_FAILED when L has a zero on its
     * diagonal. */
    swg_status (*spotri)(size_t n, float *l, size_t ldl);
    swg_status (*dpotri)(size_t n, double *l, size_t ldl);

    /* The inverse of the lower triangular l [n, n], in place. SWG_FAILED when it has a zero on its
     * diagonal. */
    swg_status (*strtri)(size_t n, float *l, size_t ldl);
    swg_status (*dtrtri)(size_t n, double *l, size_t ldl);

    /* Solve T X = b, or X T = b with `from_right`, for X, which replaces b [m, n]. T is the lower
     * triangular l, or its transpose with transpose_l; l is [m, m], or [n, n] with from_right. */
    void (*strsm)(bool from_right, bool transpose_l, size_t m, size_t n, const float *l, size_t ldl,
                  float *b, size_t ldb);
    void (*dtrsm)(bool from_right, bool transpose_l, size_t m, size_t n, const double *l,
                  size_t ldl, double *b, size_t ldb);
} swg_linalg;

/* OpenBLAS, or else plain C; never NULL, and the same for the life of the program. The first call
 * loads the library (about 10 ms). */
const swg_linalg *swg_linalg_get(void);

/* c [m, n] = a [m, k] * b^T, with b [n, k]: the product with weights. */
void swg_sgemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                  size_t ldb, float *c, size_t ldc);

/* Products with weights in parts (split.h), where the processor has what they need; NULL: use
 * swg_sgemm_nt. SWAGE_ISA and SWAGE_BLAS=plain rule them out. */
const swg_split *swg_linalg_split(void);

/* swg_linalg_get()->name: what provenance records for results computed with it. */
const char *swg_linalg_name(void);

#endif
