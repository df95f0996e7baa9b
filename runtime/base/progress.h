/* Progress of long work, and its interruption. The library never prints: the caller passes a
 * swg_progress (or NULL) whose callback shows it. */
#ifndef SWG_RUNTIME_BASE_PROGRESS_H
#define SWG_RUNTIME_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct swg_progress {
    /* `done` of `total` (0 = unknown) `unit`s ("B", "tokens", ...) of the step called `label`.
     * Called from one thread at a time, with any frequency. What follows a colon in the label may
     * change while the step goes on ("training: loss 2.1"). */
    void (*show)(void *context, const char *label, const char *unit, uint64_t done,
                 uint64_t total);
    void *context;
} swg_progress;

/* Report progress and check for an interruption: SWG_INTERRUPTED once one was requested, else
 * SWG_OK. `progress` may be NULL. */
swg_status swg_progress_step(const swg_progress *progress, const char *label, const char *unit,
                             uint64_t done, uint64_t total);

/* Ask all long work of the process to stop at its next step; async-signal-safe. */
void swg_interrupt(void);
bool swg_is_interrupted(void);

#endif
