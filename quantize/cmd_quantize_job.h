/* swage quantize in parts: what was asked for, the recipe that this makes (cmd_quantize_recipe.c),
 * what is learned of the model first (cmd_quantize_statistics.c), and the work between an open
 * source and the printed result (cmd_quantize_job.c). */
#ifndef SWG_QUANTIZE_CMD_QUANTIZE_JOB_H
#define SWG_QUANTIZE_CMD_QUANTIZE_JOB_H

#include "formats/provenance.h"
#include "quantize/cmd_calibration.h"
#include "quantize/checkpoint.h"
#include "quantize/journal.h"
#include "quantize/plan.h"
#include "quantize/transforms.h"
#include "runtime/cli/cli.h"

typedef struct swg_quantize_arguments {
    const char *output, *recipe, *method, *format, *bits, *group_size, *embedding_bits,
        *embedding_group_size;
    const char *scale_type, *scale_search, *tokenizer, *nonfinite, *calibration, *statistics,
        *cache, *device;
    const char *target_bytes, *tensors, *sensitivity;
    double target_bits, max_kld; /* 0 = none */
    swg_string_list keep, bits_for, transform;
    int64_t level, calibration_tokens, calibration_window;
    bool asymmetric, requantize, allow_unrunnable, dry_run, force, calibration_documents, no_cache;
} swg_quantize_arguments;

/* The recipe of the options, or of --recipe with what may be added to it. */
swg_status swg_quantize_recipe_make(const swg_quantize_arguments *arguments, swg_recipe **out);

/* Append the rules of --bits-for and --keep. */
swg_status swg_quantize_recipe_add_patterns(const swg_quantize_arguments *arguments,
                                            swg_recipe *recipe);

/* Everything between an open source and the printed result. */
typedef struct swg_quantize_state {
    const swg_cli *cli;
    const swg_quantize_arguments *a;
    swg_recipe *recipe;
    swg_source *file;           /* as opened */
    swg_source *source;         /* the same, or with an output head of its own (formats/untied.h) */
    swg_transforms *transforms; /* the recipe's; NULL = none */
    bool transforms_need_stats;
    swg_source *transformed;           /* theirs; `source` itself without */
    swg_tensor_desc *inputs, *changed; /* [plan.n_entries] of `source`, of `transformed` */
    swg_tensor_desc *outputs;          /* [plan.n_entries] in the plan's order */
    swg_tensor_use *uses;              /* [plan.n_entries]; NULL = the architecture is not known */
    swg_plan plan;
    swg_pool *pool;
    swg_sink_meta meta;
    swg_calibration_ids calibration; /* empty without --calibration */
    swg_calibration_ids sampled; /* of it, what transforms are fitted on where nothing else needs
                                    full statistics */
    swg_input_hashes *hashes;
    swg_model_stats *statistics; /* full ones of the calibration text, when opened */
    swg_sensitivity *sensitivity; /* where a method needs it */
    swg_journal *journal;        /* of a calibrated run */
    const swg_steering *steering; /* of the next run; NULL = none */
    swg_tensor_report *reports;  /* [plan.n_entries] of the last run */
    char *provenance;
} swg_quantize_state;

/* Whether a target is given, for which a recipe is searched (cmd_quantize_search.h). */
bool swg_quantize_has_target(const swg_quantize_arguments *arguments);

/* The options on the calibration text. */
swg_calibration_arguments swg_quantize_calibration(const swg_quantize_arguments *arguments);

/* Whether a text is given and nothing says how codes are chosen by it: then the closest way at a
 * fixed rate is taken, method gptq on paired statistics with awq's scales, where the model has a
 * place for them. */
bool swg_quantize_is_free(const swg_quantize_arguments *arguments);

/* "full", "sequential" or "paired", as the recipe says; "none" without a text. */
const char *swg_quantize_statistics(const swg_quantize_state *state);

/* Whether statistics are collected while layers are quantized. */
bool swg_quantize_is_sequential(const swg_quantize_state *state);

/* Open the input, make the recipe and the plan, read the calibration text. The state holds cli and
 * a, and is otherwise zero; release it with swg_quantize_state_deinit, also after a failure. */
swg_status swg_quantize_prepare(swg_quantize_state *state, const char *input);
void swg_quantize_state_deinit(swg_quantize_state *state);

/* Plan anew, for another recipe. */
swg_status swg_quantize_plan_again(swg_quantize_state *state);

/* Start to hash the inputs, open full statistics if they are needed, fit the transforms, and
 * measure or open sensitivities if a target or a method needs them. */
swg_status swg_quantize_open_statistics(swg_quantize_state *state);

/* Fit the transforms for the present plan. */
swg_status swg_quantize_fit_transforms(swg_quantize_state *state);

/* The memory that the work will take. */
swg_status swg_quantize_plan_memory(const swg_quantize_state *state, uint64_t *peak);

/* Write what the plan says to `path`: reports are filled, *bytes is the file's size. The
 * journal is opened if it is not, and stays. `extra` (may be NULL) is the text of a JSON object
 * that the history keeps as options.search. */
swg_status swg_quantize_write(swg_quantize_state *state, const char *path, const char *extra,
                              bool force, uint64_t *bytes);

/* The history for a dry run, in state->provenance. */
swg_status swg_quantize_add_provenance(swg_quantize_state *state, const char *extra,
                                       bool has_hashes);

#endif
