/* How long a model takes to load, from storage and from memory. */
#ifndef SWG_EVAL_LOAD_TIMES_H
#define SWG_EVAL_LOAD_TIMES_H

#include <stdbool.h>

#include "runtime/base/progress.h"
#include "runtime/base/thread.h"

typedef struct swg_load_times {
    double cold_s; /* with nothing of its files in the page cache; NaN where the system kept them */
    double warm_s; /* right after that: its files in the page cache */
} swg_load_times;

/* Load the model of a file or folder twice on `device` (device.h) and free it, the first time after
 * asking the system to forget its files. What opening and loading return. */
swg_status swg_load_times_measure(const char *path, const char *device, size_t n_threads,
                                  const swg_progress *progress, swg_load_times *out);

#endif
