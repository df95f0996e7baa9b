/* What every training loop decides alike: the order of its data and the rate of its steps. */
#ifndef SWG_DISTILL_SCHEDULE_H
#define SWG_DISTILL_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

/* order [n] = the numbers below n as a pass over the data visits them, the same for the same seed
 * and pass (Fisher and Yates 1938; Durstenfeld 1964). */
void swg_schedule_shuffle(size_t *order, size_t n, uint64_t seed, uint64_t pass);

typedef struct swg_schedule {
    double rate, warm_up; /* steps over which it rises */
    double final_rate;    /* the fraction of the rate that a cosine ends at */
} swg_schedule;

/* The rate of a step (the first is 0) when `progress` of the work, 0 to 1, is done: warm-up, then a
 * cosine (Loshchilov and Hutter 2017, arXiv 1608.03983). */
double swg_schedule_rate(const swg_schedule *schedule, uint64_t step, double progress);

#endif
