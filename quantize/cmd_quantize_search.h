/* swage quantize with a target instead of a recipe: --target-bytes, --target-bits, --max-kld. */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_SEARCH_H
#define SWG_QUANTIZE_CMD_QUANTIZE_SEARCH_H

#include "quantize/cmd_quantize_job.h"

/* A choice that was quantized and measured. */
typedef struct swg_verified_choice {
    const char *what; /* the search's own, or how it differs from the first */
    double kld;       /* on the text held out */
    uint64_t bytes;
} swg_verified_choice;
enum { SWG_MAX_VERIFIED = 3 };

/* What the search found. */
typedef struct swg_quantize_search_report {
    double target_bytes, max_kld;   /* the target; 0 = not given */
    double loss;                    /* estimated divergence, nats per token */
    double measured_per_estimate;   /* of the first try that was measured; 0 = none was yet */
    double kld, kld_standard_error; /* measured on the text held out */
    uint64_t tokens_scored;         /* there; 0 = not measured */
    size_t n_tries;
    swg_verified_choice verified[SWG_MAX_VERIFIED]; /* within a budget of bytes */
    size_t n_verified;
    double quantize_s; /* statistics, sensitivities and the first try: without a search as long */
    double search_s;   /* estimates, measurements and the tries after the first */
    char *decisions; /* JSON text: the whole table; the caller frees it */
} swg_quantize_search_report;

/* The divergence expected of the choice: the estimate times what the first measurement was of its
 * own. */
double swg_quantize_search_expected(const swg_quantize_search_report *report);

/* Everything but the tries and the time as members of the open object, with that table. */
void swg_quantize_search_write(const swg_quantize_search_report *report, const char *decisions,
                               swg_json_writer *json);

/* Search for a recipe and write the output by it: state->recipe, plan and reports are those of the
 * result, *bytes is the file's size. SWG_FAILED when the target is below what can be reached,
 * naming both; SWG_USAGE for options that contradict a
 * target. With --dry-run nothing is written, and *bytes is the expected size. */
swg_status swg_quantize_search(swg_quantize_state *state, swg_quantize_search_report *report,
                               uint64_t *bytes);

#endif
