/* Choosing a model among measured ones: limits that it must keep, and a figure by which the best of
 * those is taken. */
#ifndef SWG_EVAL_CHOOSE_H
#define SWG_EVAL_CHOOSE_H

#include "eval/metrics.h"

/* A limit per metric: the largest value allowed, or the smallest where more is better; NaN = no
 * limit. */
typedef struct swg_limits {
    double limit[SWG_N_METRICS];
} swg_limits;

/* What became of one record. */
typedef struct swg_candidate {
    const swg_result *result;
    size_t n_broken; /* limits that it does not keep */
    double excess;   /* the largest share of a limit by which it breaks it; infinity for a
                        figure that was not measured, or a model that failed */
    bool is_broken[SWG_N_METRICS];
} swg_candidate;

typedef struct swg_choice {
    swg_candidate *candidates; /* [count] those that keep all limits first, best first; then the
                                  others, nearest first */
    size_t count, n_fitting;
} swg_choice;

/* Sort records by `best`; equal ones by file size, then in file order. The choice keeps views of
 * `results`. SWG_NO_MEMORY. */
swg_status swg_choose(const swg_results *results, const swg_limits *limits, swg_metric_id best,
                      swg_choice *out);
void swg_choice_deinit(swg_choice *choice);

#endif
