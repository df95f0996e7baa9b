/* Time for measurements. */
#ifndef SWG_EVAL_CLOCK_H
#define SWG_EVAL_CLOCK_H

#include <time.h>

/* Seconds of a clock that never jumps. */
static inline double swg_seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
