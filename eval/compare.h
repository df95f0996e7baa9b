/* Whether two models differ, and what could not have been seen: statistics of paired comparisons.
 */
#ifndef SWG_EVAL_COMPARE_H
#define SWG_EVAL_COMPARE_H

#include <stddef.h>
#include <stdint.h>

/* A 95 % interval; NaN where there are too few observations for one. */
typedef struct swg_interval {
    double low, high;
} swg_interval;

/* The 2.5 % and 97.5 % quantiles of values [n], n >= 1, which are sorted. */
swg_interval swg_interval_of(double *values, size_t n);

typedef enum swg_verdict {
    SWG_VERDICT_UNKNOWN, /* fewer than two independent observations */
    SWG_VERDICT_BETTER,
    SWG_VERDICT_WORSE,
    SWG_VERDICT_INDISTINGUISHABLE
} swg_verdict;

/* "too few windows to tell", "better", "worse", "indistinguishable". */
const char *swg_verdict_text(swg_verdict verdict);

typedef struct swg_comparison {
    swg_verdict verdict;        /* two-sided, at 5 % */
    double smallest_detectable; /* the difference that would have been found with a probability of
                                   80 %; NaN where the verdict is unknown, and where no
                                   observation differs */
} swg_comparison;

/* Of the mean of n paired differences (positive = worse) with its standard error: Student's t with
 * n - 1 degrees of freedom (its quantiles by Hill 1970, Algorithm 396). */
swg_comparison swg_compare_difference(double difference, double standard_error, size_t n);

/* The two-sided exact p of McNemar's test (1947): of the items on which exactly one of two models
 * is right, `gained` and `lost` would be equally likely if neither were better. 1 for no such item.
 */
double swg_mcnemar(uint64_t gained, uint64_t lost);

#endif
