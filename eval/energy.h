/* The energy that processors have taken, from the counters of Linux's powercap (RAPL). They count
 * everything that the machine's packages did, and are readable by root only on most systems. */
#ifndef SWG_EVAL_ENERGY_H
#define SWG_EVAL_ENERGY_H

#include <stddef.h>
#include <stdint.h>

enum { SWG_ENERGY_MOST = 16, SWG_ENERGY_REASON = 160 };

/* The counters of all packages at one moment. */
typedef struct swg_energy {
    size_t n; /* packages; 0: not readable, `reason` says why */
    uint64_t microjoules[SWG_ENERGY_MOST];
    uint64_t range[SWG_ENERGY_MOST]; /* the largest value, after which a counter is 0 again */
    char reason[SWG_ENERGY_REASON];
} swg_energy;

/* Read them now; `root` is "" or, for tests, a folder with files like those of /sys. */
void swg_energy_read(const char *root, swg_energy *out);

/* Joules between two readings of the same machine; NaN where either could not be made. A counter
 * that went back has wrapped once. */
double swg_energy_between(const swg_energy *before, const swg_energy *after);

#endif
