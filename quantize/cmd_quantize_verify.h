/* How far files that a search has made are from the checkpoint, on the text that was held out. */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_VERIFY_H
#define SWG_QUANTIZE_CMD_QUANTIZE_VERIFY_H

#include "eval/lockstep.h"
#include "quantize/cmd_quantize_job.h"

/* The checkpoint reads the text once: its logits are kept where they fit SWG_VERIFIER_KEPT_BYTES.
 * Zero-initialised to begin with. */
typedef struct swg_verifier {
    swg_windows windows;
    swg_model *original;
    swg_exec *exec;
    swg_reference_logits kept;
} swg_verifier;
#define SWG_VERIFIER_KEPT_BYTES ((uint64_t)128 << 20)

/* Measure the file. What opening, loading and running both models return. */
swg_status swg_verifier_measure(swg_verifier *verifier, const swg_quantize_state *state,
                                const char *path, swg_divergence *out);
void swg_verifier_deinit(swg_verifier *verifier);

#endif
