/* What every training loop saves first of what it continues from (training_state.h): the settings,
 * how far it has come, and what has been judged. The trainer's numbers follow. */
#ifndef SWG_DISTILL_RUN_STATE_H
#define SWG_DISTILL_RUN_STATE_H

#include "distill/distill.h"
#include "distill/training_state.h"

/* Views of a loop's own. */
typedef struct swg_run_state {
    const swg_distill_options *options; /* state and identity */
    void *position;                     /* how far it has come: numbers alone */
    size_t position_bytes;
    double *start; /* on the clock, less the time before a resumption */
    swg_distill_result *result;
} swg_run_state;

/* Begin the file. After a failure, as of swg_state_create. */
swg_status swg_run_state_create(const swg_run_state *run, swg_state_writer **out);

/* Open the file and set what it says; the result's first judgement must be what it is in the file:
 * SWG_USAGE where it is not, or where the settings are others. */
swg_status swg_run_state_open(const swg_run_state *run, swg_state_reader **out);

#endif
