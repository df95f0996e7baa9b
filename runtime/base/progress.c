/* Progress and interruption: see progress.h. */
#include "runtime/base/progress.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_bool interrupted;

void swg_interrupt(void)
{
    atomic_store(&interrupted, true);
}

bool swg_is_interrupted(void)
{
    return atomic_load(&interrupted);
}

swg_status swg_progress_step(const swg_progress *progress, const char *label, const char *unit,
                             uint64_t done, uint64_t total)
{
    if (progress && progress->show)
        progress->show(progress->context, label, unit, done, total);
    return swg_is_interrupted() ? swg_error(SWG_INTERRUPTED, "interrupted while %.*s",
                                            (int)strcspn(label, ":"), label)
                                : SWG_OK;
}
