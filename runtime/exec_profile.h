/* Where an execution's time goes: from swg_profile_start on, every operation of the backend is
 * timed, and added up by kind; products by the weights that they are with, over all layers.
 *
 *     SWG_TRY(swg_profile_start(exec, &profile));
 *     SWG_TRY(swg_exec_run(exec, ids, n, 0, logits));
 *     rows = swg_profile_rows(profile, &n_rows);
 *     swg_profile_stop(&profile);
 *
 * Timing costs two readings of the clock per operation. */
#ifndef SWG_RUNTIME_EXEC_PROFILE_H
#define SWG_RUNTIME_EXEC_PROFILE_H

#include "runtime/exec.h"

typedef struct swg_profile swg_profile;

typedef struct swg_profile_row {
    char name[64]; /* "linear attn_q + attn_k + attn_v", "rmsnorm" */
    uint64_t calls;
    double seconds;
    uint64_t bytes;    /* of weights and, for attention, of keys and values that were read */
    double operations; /* twice the multiply-adds of products with weights */
} swg_profile_row;

/* SWG_UNSUPPORTED where operations are only enqueued when they return (devices); SWG_NO_MEMORY. The
 * execution must outlive the profile. */
swg_status swg_profile_start(swg_exec *exec, swg_profile **out);
void swg_profile_stop(swg_profile **profile); /* NULL inside is accepted */

/* Forget what was measured. */
void swg_profile_reset(swg_profile *profile);

/* The rows [*n] with a call since the last reset, the slowest first; valid until the next run. */
const swg_profile_row *swg_profile_rows(swg_profile *profile, size_t *n);

#endif
