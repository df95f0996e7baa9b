/* What swage prune prints, as a table or as JSON. */
#ifndef SWG_PRUNE_CMD_PRUNE_REPORT_H
#define SWG_PRUNE_CMD_PRUNE_REPORT_H

#include "prune/prune.h"
#include "runtime/cli/cli.h"

/* The result of a run, or of a dry one (reports NULL). */
typedef struct swg_prune_result {
    swg_source *source;
    const swg_tensor_desc *inputs; /* [plan->n_entries] */
    const char *output;
    const char *tensors; /* pattern of those listed; NULL = none */
    const swg_recipe *recipe;
    const swg_plan *plan;
    const swg_tensor_report *reports;
    uint64_t file_bytes; /* of the output; of a dry run the upper bound */
    bool is_exact;       /* file_bytes is not merely a bound */
    uint64_t peak_memory_bytes;
    double elapsed_s;
} swg_prune_result;

swg_status swg_prune_print(const swg_cli *cli, const swg_prune_result *result);

#endif
