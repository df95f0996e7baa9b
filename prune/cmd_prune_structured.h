/* swage prune --structured: from options to a smaller checkpoint. */
#ifndef SWG_PRUNE_CMD_PRUNE_STRUCTURED_H
#define SWG_PRUNE_CMD_PRUNE_STRUCTURED_H

#include "quantize/cmd_calibration.h"
#include "runtime/cli/cli.h"

typedef struct swg_structured_arguments {
    const char *input, *output, *tokenizer;
    const swg_string_list *structures; /* "WHAT=RATIO" */
    swg_calibration_arguments calibration;
    int level;
    bool refit, dry_run, force;
} swg_structured_arguments;

/* Do it and print the result. SWG_USAGE, before any work, for ratios that the model cannot have,
 * and without a calibration text. */
swg_status swg_prune_structured(const swg_cli *cli, const swg_structured_arguments *arguments);

#endif
