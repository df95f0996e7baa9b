/* swage quantize with a target instead of a recipe: --target-bytes, --target-bits, --max-kld. */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_SEARCH_H
#define SWG_QUANTIZE_CMD_QUANTIZE_SEARCH_H

#include "quantize/cmd_quantize_job.h"

/* The member "search" of the result. */
typedef struct swg_quantize_search_report {
    char *json;   /* text of an object, with the whole table of decisions; the caller frees it */
    double loss;  /* predicted divergence, nats per token */
    double kld, kld_standard_error; /* measured on the text held out */
    uint64_t tokens_scored;
    double search_s; /* what the search took beside quantizing */
} swg_quantize_search_report;

/* Search for a recipe and write the output by it: state->recipe, plan and reports are those of the
 * result, *bytes is the file's size. SWG_FAILED when the target is below what can be reached,
 * naming both; with --dry-run nothing is written, and *bytes is the expected size. */
swg_status swg_quantize_search(swg_quantize_state *state, swg_quantize_search_report *report,
                               uint64_t *bytes);

#endif
