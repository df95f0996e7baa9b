/* What swage quantize prints, as a table or as JSON, and its line of provenance. */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_REPORT_H
#define SWG_QUANTIZE_CMD_QUANTIZE_REPORT_H

#include "formats/formats.h"
#include "quantize/checkpoint.h"
#include "runtime/cli/cli.h"

/* All options, resolved: what the user asked for and what the defaults added. */
typedef struct swg_quantize_recipe {
    swg_plan_rules rules;
    swg_quant_method method;
    swg_scale_search search;
    int level;                              /* of zstd; 0 = the writer's default */
    const char *nonfinite;                  /* "error", "warn" or "keep" */
    const swg_string_list *keep, *bits_for; /* as typed */
} swg_quantize_recipe;

/* The result of a run, or of a dry one (reports NULL). */
typedef struct swg_quantize_result {
    swg_source *source;
    const swg_tensor_desc *inputs; /* [plan->n_entries] */
    const char *output;
    const swg_quantize_recipe *recipe;
    const swg_plan *plan;
    const swg_tensor_report *reports;
    uint64_t file_bytes;        /* of the output; of a dry run the upper bound */
    bool is_exact;              /* file_bytes is no mere bound */
    uint64_t peak_memory_bytes; /* dry run: estimated; else measured */
    double elapsed_s;
} swg_quantize_result;

/* The array of provenance with this step appended: options, input fingerprint, no time stamps. The
 * caller frees *out with swg_free. */
swg_status swg_quantize_provenance(swg_source *source, const swg_quantize_recipe *recipe,
                                   char **out);

/* Print on stdout. */
swg_status swg_quantize_print_table(const swg_quantize_result *result);
swg_status swg_quantize_print_json(const swg_cli *cli, const swg_quantize_result *result);

#endif
