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

/* Of a share, right of n >= 1 items: the interval of Wilson (1927), which stays within 0 and 1 and
 * has a width where all or none are right. */
swg_interval swg_wilson_interval(uint64_t right, uint64_t n);

/* The standard error of a mean of n zeros and ones, of which `share` are ones: the sample's
 * standard deviation / sqrt n. NaN for one item. */
double swg_share_standard_error(double share, double n);

typedef enum swg_judgement {
    SWG_JUDGEMENT_UNKNOWN, /* fewer than two independent observations */
    SWG_JUDGEMENT_BETTER,
    SWG_JUDGEMENT_WORSE,
    SWG_JUDGEMENT_INDISTINGUISHABLE
} swg_judgement;

/* "too few windows to tell", "better", "worse", "indistinguishable". */
const char *swg_judgement_text(swg_judgement judgement);

typedef struct swg_comparison {
    swg_judgement judgement;    /* two-sided, at 5 % */
    double smallest_detectable; /* the difference that would have been found with a probability of
                                   80 %; NaN where the judgement is unknown, and where no
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
