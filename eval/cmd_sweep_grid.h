/* The points of a sweep: a file of runs (docs/sweep.md), each a command that compresses and values
 * of its options. A list of values is an axis of a grid; a run has one point for each combination,
 * the last axis varying fastest. */
#ifndef SWG_EVAL_CMD_SWEEP_GRID_H
#define SWG_EVAL_CMD_SWEEP_GRID_H

#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"

/* One model to make. Strings live as long as the plan. */
typedef struct swg_sweep_point {
    const char *id;     /* unique, and the name of a folder */
    const char *series; /* the run that it belongs to: its id, or its command */
    const swg_command *command;
    const char *const
        *words; /* [n_words] of the command line, without model, output, calibration */
    size_t n_words;
    const char *recipe; /* text of a JSON object instead of such options; NULL = none */
    bool is_calibrated; /* whether it is given the sweep's calibration text */
} swg_sweep_point;

/* Zero-initialise to start. */
typedef struct swg_sweep_plan {
    swg_sweep_point *points;
    size_t n_points, capacity;
    swg_arena arena;
} swg_sweep_plan;

enum { SWG_SWEEP_MAX_POINTS = 4096 };

/* The name of the record of the model itself; no point has it. */
#define SWG_SWEEP_BASE_ID "original"

/* Read the file at `path`. Everything is checked that can be told without the model: SWG_USAGE,
 * naming the run, for keys and options that there are not (with the nearest name), values that the
 * command refuses, and points with the same id; SWG_CORRUPT for what is not JSON; SWG_LIMIT for
 * more than SWG_SWEEP_MAX_POINTS. Release with swg_sweep_plan_deinit, also after a failure. */
swg_status swg_sweep_plan_read(const char *path, bool has_calibration, swg_sweep_plan *plan);
void swg_sweep_plan_deinit(swg_sweep_plan *plan);

#endif
