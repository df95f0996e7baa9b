/* swage run on an encoder: what its head says about a text. Private to runtime/cmd_run*.c. */
#ifndef SWG_RUNTIME_CMD_RUN_ENCODER_H
#define SWG_RUNTIME_CMD_RUN_ENCODER_H

#include "runtime/cli/cli.h"
#include "runtime/exec.h"
#include "runtime/session.h"

typedef struct swg_encoder_run {
    const swg_cli *cli;
    const swg_session *loaded; /* with tokenizer; an encoder's model */
    const char *text;         /* the text, or the question */
    const char *second;       /* a second text, which is searched for answers; may be NULL */
    swg_act_precision activations;
} swg_encoder_run;

/* Print labels with probabilities (of the text or of every token), the span that answers the
 * question, or the most likely tokens for every masked one. SWG_USAGE when the task needs a text
 * that was not given. */
swg_status swg_run_encoder(const swg_encoder_run *run);

#endif
