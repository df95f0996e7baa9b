/* What swage quantize prints, as a table or as JSON. */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_REPORT_H
#define SWG_QUANTIZE_CMD_QUANTIZE_REPORT_H

#include "formats/formats.h"
#include "quantize/checkpoint.h"
#include "quantize/cmd_quantize_search.h"
#include "runtime/cli/cli.h"

/* The result of a run, or of a dry one (reports NULL). */
typedef struct swg_quantize_result {
    swg_source *file;              /* as opened */
    swg_source *source;            /* that of the entries of the plan */
    const swg_tensor_desc *inputs; /* [plan->n_entries] */
    const char *output;
    const char *tensors; /* pattern of those listed; NULL = none */
    const swg_recipe *recipe;
    const swg_plan *plan;
    const swg_tensor_report *reports;
    const swg_quantize_search_report *search; /* NULL = the recipe was given */
    uint64_t file_bytes;        /* of the output; of a dry run the upper bound */
    bool is_exact;              /* file_bytes is not merely a bound */
    uint64_t peak_memory_bytes; /* dry run: estimated, 0 = not; else measured */
    bool is_calibrated;         /* the estimate is not a bound */
    double elapsed_s;
} swg_quantize_result;

/* Print on stdout: a summary, after a table of the tensors that are to be listed. */
swg_status swg_quantize_print_table(const swg_quantize_result *result);
swg_status swg_quantize_print_json(const swg_cli *cli, const swg_quantize_result *result);

#endif
