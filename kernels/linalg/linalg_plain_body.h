/* The functions of linalg_plain.c for one type: REAL, its NAME(function) and its square ROOT. */

/* sum of x[i] y[i] */
static REAL NAME(dot)(size_t n, const REAL *x, const REAL *y)
{
    REAL lanes[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += x[i + l] * y[i + l];
    for (; i < n; i++)
        sum += x[i] * y[i];
    for (size_t l = 0; l < LANES; l++)
        sum += lanes[l];
    return sum;
}

/* y += factor * x */
static void NAME(axpy)(size_t n, REAL factor, const REAL *x, REAL *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

/* y *= factor; 0 clears whatever y holds */
static void NAME(scale)(size_t n, REAL factor, REAL *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = factor == 0 ? 0 : y[i] * factor;
}

static void NAME(gemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, REAL alpha,
                       const REAL *a, size_t lda, const REAL *b, size_t ldb, REAL beta, REAL *c,
                       size_t ldc)
{
    const size_t a_row = transpose_a ? 1 : lda, a_column = transpose_a ? lda : 1;
    for (size_t i = 0; i < m; i++) {
        REAL *row = c + i * ldc;
        NAME(scale)(n, beta, row);
        if (transpose_b && !transpose_a)
            for (size_t j = 0; j < n; j++)
                row[j] += alpha * NAME(dot)(k, a + i * lda, b + j * ldb);
        else if (transpose_b)
            for (size_t p = 0; p < k; p++)
                for (size_t j = 0; j < n; j++)
                    row[j] += alpha * a[i * a_row + p * a_column] * b[j * ldb + p];
        else
            for (size_t p = 0; p < k; p++)
                NAME(axpy)(n, alpha * a[i * a_row + p * a_column], b + p * ldb, row);
    }
}

static void NAME(syrk)(bool transpose_a, size_t n, size_t k, REAL alpha, const REAL *a, size_t lda,
                       REAL beta, REAL *c, size_t ldc)
{
    for (size_t i = 0; i < n; i++) {
        REAL *row = c + i * ldc;
        NAME(scale)(i + 1, beta, row);
        if (transpose_a)
            for (size_t p = 0; p < k; p++)
                NAME(axpy)(i + 1, alpha * a[p * lda + i], a + p * lda, row);
        else
            for (size_t j = 0; j <= i; j++)
                row[j] += alpha * NAME(dot)(k, a + i * lda, a + j * lda);
    }
}

/* Row by row: L[i][j] = (a[i][j] - L[i][0:j] . L[j][0:j]) / L[j][j], the diagonal a root. A pivot
 * that is not positive, NaN included, ends it. */
static swg_status NAME(potrf)(size_t n, REAL *a, size_t lda)
{
    for (size_t i = 0; i < n; i++) {
        REAL *row = a + i * lda;
        for (size_t j = 0; j < i; j++)
            row[j] = (row[j] - NAME(dot)(j, row, a + j * lda)) / a[j * lda + j];
        const REAL square = row[i] - NAME(dot)(i, row, row);
        if (!(square > 0))
            return swg_linalg_not_positive(i, n);
        row[i] = ROOT(square);
    }
    return SWG_OK;
}

/* Row i of the inverse: -(L[i][0:i] inverse[0:i]) / L[i][i], then 1 / L[i][i]. Column j needs the
 * row's old elements j to i - 1, so columns go upwards. */
static swg_status NAME(trtri)(size_t n, REAL *l, size_t ldl)
{
    for (size_t i = 0; i < n; i++)
        if (l[i * ldl + i] == 0)
            return swg_linalg_singular(i, n);
    for (size_t i = 0; i < n; i++) {
        REAL *row = l + i * ldl;
        const REAL inverse = 1 / row[i];
        for (size_t j = 0; j < i; j++) {
            REAL sum = 0;
            for (size_t p = j; p < i; p++)
                sum += row[p] * l[p * ldl + j];
            row[j] = -sum * inverse;
        }
        row[i] = inverse;
    }
    return SWG_OK;
}

/* With M = L^-1 the inverse of L L^T is M^T M: element (i, j), j <= i, is the sum of M[p][i]
 * M[p][j] over p >= i. Row i needs M's rows from i on, so rows go downwards. */
static swg_status NAME(potri)(size_t n, REAL *l, size_t ldl)
{
    SWG_TRY(NAME(trtri)(n, l, ldl));
    for (size_t i = 0; i < n; i++) {
        REAL *row = l + i * ldl;
        NAME(scale)(i, row[i], row);
        row[i] *= row[i];
        for (size_t p = i + 1; p < n; p++)
            NAME(axpy)(i + 1, l[p * ldl + i], l + p * ldl, row);
    }
    return SWG_OK;
}

/* From the left: rows of X in the order in which they depend on each other. */
static void NAME(solve_left)(bool transpose_l, size_t m, size_t n, const REAL *l, size_t ldl,
                             REAL *b, size_t ldb)
{
    for (size_t step = 0; step < m; step++) {
        const size_t i = transpose_l ? m - 1 - step : step;
        NAME(scale)(n, 1 / l[i * ldl + i], b + i * ldb);
        if (transpose_l)
            for (size_t p = 0; p < i; p++)
                NAME(axpy)(n, -l[i * ldl + p], b + i * ldb, b + p * ldb);
        else
            for (size_t p = i + 1; p < m; p++)
                NAME(axpy)(n, -l[p * ldl + i], b + i * ldb, b + p * ldb);
    }
}

static void NAME(trsm)(bool from_right, bool transpose_l, size_t m, size_t n, const REAL *l,
                       size_t ldl, REAL *b, size_t ldb)
{
    if (!from_right) {
        NAME(solve_left)(transpose_l, m, n, l, ldl, b, ldb);
        return;
    }
    for (size_t i = 0; i < m; i++) { /* x L = b or x L^T = b, row by row */
        REAL *x = b + i * ldb;
        for (size_t step = 0; step < n; step++) {
            const size_t j = transpose_l ? step : n - 1 - step;
            if (transpose_l) {
                x[j] = (x[j] - NAME(dot)(j, x, l + j * ldl)) / l[j * ldl + j];
            } else {
                x[j] /= l[j * ldl + j];
                NAME(axpy)(j, -x[j], l + j * ldl, x);
            }
        }
    }
}
