/* Time for measuring durations. */
#ifndef SWG_RUNTIME_BASE_CLOCK_H
#define SWG_RUNTIME_BASE_CLOCK_H

/* Seconds since an arbitrary point in time; never jumps when the system's clock is set.
 * Thread-safe. */
double swg_clock_s(void);

#endif
