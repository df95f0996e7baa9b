/* Correlation of paired numbers: see correlation.h. */
#include "eval/correlation.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/mem.h"

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int by_value(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* out [n] = the rank of every number, from 1; equal numbers get the mean of theirs. */
static void rank(const double *x, size_t n, ranked *sorted, double *out)
{
    for (size_t i = 0; i < n; i++)
        sorted[i] = (ranked){x[i], i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && sorted[end].value == sorted[begin].value; end++)
            ;
        for (size_t i = begin; i < end; i++)
            out[sorted[i].index] = (double)(begin + 1 + end) / 2;
    }
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* NaN when all of one side are equal. */
static double pearson(const double *x, const double *y, size_t n)
{
    const double mean_x = mean_of(x, n), mean_y = mean_of(y, n);
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        const double dx = x[i] - mean_x, dy = y[i] - mean_y;
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx) / sqrt(yy) : NAN;
}

swg_status swg_correlate(const double *x, const double *y, size_t n, swg_correlation *out)
{
    swg_status status = SWG_OK;
    ranked *sorted = NULL;
    double *ranks_x = NULL, *ranks_y = NULL;
    if (n < 2)
        return swg_error(SWG_FAILED, "a correlation needs two pairs; there are %zu", n);
    SWG_GO(SWG_NEW(sorted, n));
    SWG_GO(SWG_NEW(ranks_x, n));
    SWG_GO(SWG_NEW(ranks_y, n));
    rank(x, n, sorted, ranks_x);
    rank(y, n, sorted, ranks_y);
    const swg_correlation made = {pearson(x, y, n), pearson(ranks_x, ranks_y, n)};
    if (isnan(made.pearson) || isnan(made.spearman))
        SWG_GO(swg_error(SWG_FAILED,
                         "all of one side of the %zu pairs are equal: there is no "
                         "correlation",
                         n));
    *out = made;
done:
    swg_free(sorted);
    swg_free(ranks_x);
    swg_free(ranks_y);
    return status;
}
