/* Running this program again, for one piece of work: its memory is its own, and its end, however it
 * comes, is a result. */
#ifndef SWG_EVAL_CHILD_PROCESS_H
#define SWG_EVAL_CHILD_PROCESS_H

#include <stddef.h>

#include "runtime/base/progress.h"

typedef struct swg_child {
    const char *const *words; /* [n_words] of the command line after the program's name */
    size_t n_words;
    const char *output; /* file for its standard output, replaced whole when it succeeds */
    const char *log;    /* file for its standard error, replaced */
    const swg_progress *progress; /* shown while it runs, as `label`, `done` of `total` points */
    const char *label;
    size_t done, total;
} swg_child;

/* Run it and wait. When this process is interrupted the child is asked to stop; when this one dies
 * it is killed. SWG_FAILED with the sentence that ends its log, or with the signal that ended it,
 * when it does not succeed; *exit_code is its exit code then, -1 after a signal. SWG_INTERRUPTED
 * when this process is; SWG_IO, SWG_NO_MEMORY. */
swg_status swg_child_run(const swg_child *child, int *exit_code);

#endif
