/* Correlation of paired numbers. */
#ifndef SWG_EVAL_CORRELATION_H
#define SWG_EVAL_CORRELATION_H

#include <stddef.h>

#include "runtime/base/status.h"

typedef struct swg_correlation {
    double pearson;  /* of the numbers */
    double spearman; /* Pearson's of their ranks; equal numbers share the mean of their ranks */
} swg_correlation;

/* Of x [n] and y [n], all finite. SWG_FAILED when there are fewer than two, or when all of one side
 * are equal: then there is no correlation. SWG_NO_MEMORY. */
swg_status swg_correlate(const double *x, const double *y, size_t n, swg_correlation *out);

#endif
