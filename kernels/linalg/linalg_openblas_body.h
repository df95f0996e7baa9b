/* The functions of linalg_openblas.c for one type: REAL, its NAME(function), its BLAS(function). */

static void NAME(gemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, REAL alpha,
                       const REAL *a, size_t lda, const REAL *b, size_t ldb, REAL beta, REAL *c,
                       size_t ldc)
{
    const int rows = (int)m, columns = (int)n, depth = (int)k, a_step = (int)lda, b_step = (int)ldb,
              c_step = (int)ldc, one = 1;
    if (m == 1 && !transpose_a && transpose_b) /* c = b a: one pass over b */
        BLAS(gemv)("T", &depth, &columns, &alpha, b, &b_step, a, &one, &beta, c, &one, 1);
    else
        BLAS(gemm)
    (flag(transpose_b), flag(transpose_a), &columns, &rows, &depth, &alpha, b, &b_step, a, &a_step,
     &beta, c, &c_step, 1, 1);
}

static void NAME(syrk)(bool transpose_a, size_t n, size_t k, REAL alpha, const REAL *a, size_t lda,
                       REAL beta, REAL *c, size_t ldc)
{
    const int size = (int)n, depth = (int)k, a_step = (int)lda, c_step = (int)ldc;
    BLAS(syrk)
    ("U", flag(!transpose_a), &size, &depth, &alpha, a, &a_step, &beta, c, &c_step, 1, 1);
}

static void NAME(trsm)(bool from_right, bool transpose_l, size_t m, size_t n, const REAL *l,
                       size_t ldl, REAL *b, size_t ldb)
{
    const int rows = (int)m, columns = (int)n, l_step = (int)ldl, b_step = (int)ldb;
    const REAL one = 1;
    BLAS(trsm)
    (from_right ? "L" : "R", "U", flag(transpose_l), "N", &columns, &rows, &one, l, &l_step, b,
     &b_step, 1, 1, 1, 1);
}

static swg_status NAME(potrf)(size_t n, REAL *a, size_t lda)
{
    const int size = (int)n, step = (int)lda;
    int info = 0;
    BLAS(potrf)("U", &size, a, &step, &info, 1);
    if (info)
        return swg_linalg_not_positive((size_t)info - 1, n);
    for (size_t i = 0; i < n; i++) /* not every version detects NaN */
        if (!(a[i * lda + i] > 0))
            return swg_linalg_not_positive(i, n);
    return SWG_OK;
}

static swg_status NAME(potri)(size_t n, REAL *l, size_t ldl)
{
    const int size = (int)n, step = (int)ldl;
    int info = 0;
    BLAS(potri)("U", &size, l, &step, &info, 1);
    return info ? swg_linalg_singular((size_t)info - 1, n) : SWG_OK;
}

static swg_status NAME(trtri)(size_t n, REAL *l, size_t ldl)
{
    const int size = (int)n, step = (int)ldl;
    int info = 0;
    BLAS(trtri)("U", "N", &size, l, &step, &info, 1, 1);
    return info ? swg_linalg_singular((size_t)info - 1, n) : SWG_OK;
}
