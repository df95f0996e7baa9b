/* One point of a sweep: the steps that make and measure its model, each a run of this program in a
 * process of its own, and the record of what they printed. */
#ifndef SWG_EVAL_CMD_SWEEP_STEPS_H
#define SWG_EVAL_CMD_SWEEP_STEPS_H

#include "eval/cmd_sweep_grid.h"
#include "eval/model_identity.h"
#include "eval/results.h"

/* What is common to all points. All pointers are views. */
typedef struct swg_sweep_job {
    const swg_cli *cli;
    const char *model;              /* as named by the user */
    const swg_model_identity *base; /* its */
    const char *folder;             /* of the results */
    const char *text, *text_sha256;
    const char *calibration, *calibration_sha256; /* NULL = none */
    const char *const *accuracy_words;            /* [n_accuracy_words] for swage eval */
    size_t n_accuracy_words;
    const char *const *speed_words; /* [n_speed_words] for swage bench */
    size_t n_speed_words;
    bool with_speed, keep_models;
    size_t n_points; /* with the model itself */
} swg_sweep_job;

/* A hash of everything that the point's record depends on: the model, what is done to it, the
 * texts, how it is measured, and this program. */
swg_status swg_sweep_key(const swg_sweep_job *job, const swg_sweep_point *point,
                         char out[SWG_HASH128_TEXT]);

/* What the point's command says of its options and the model, in a dry run. SWG_USAGE when it
 * refuses them; other failures are the point's own, found again when it is made. SWG_INTERRUPTED.
 */
swg_status swg_sweep_point_check(const swg_sweep_job *job, const swg_sweep_point *point,
                                 size_t index);

/* Make the model (unless `point` is NULL: the model itself), measure it, and append its record to
 * results.jsonl. Steps that an interrupted run finished for the same key are not repeated. A step
 * that fails is a record that says so, *is_ok = false. SWG_INTERRUPTED, SWG_IO, SWG_NO_MEMORY. */
swg_status swg_sweep_point_run(const swg_sweep_job *job, const swg_sweep_point *point, size_t index,
                               const char *key, bool *is_ok);

/* --- Records (cmd_sweep_record.c) ------------------------------------------------------------- */

/* Take over what a step printed: every member of the JSON object in the file at `path` that a
 * record has a key for, by name but for `renamed` pairs (name, key; key NULL = left out), ended by
 * NULL; and its tensors. What the record points to is copied to the arena. */
swg_status swg_sweep_record_add(const char *path, const char *const *renamed, swg_arena *arena,
                                swg_result *record);

#endif
