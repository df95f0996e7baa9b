/* What commands with a calibration text have in common: its options, reading it, statistics of the
 * model on it, which are kept for later commands, and what the history says of both. */
#ifndef SWG_QUANTIZE_CMD_CALIBRATION_H
#define SWG_QUANTIZE_CMD_CALIBRATION_H

#include "formats/provenance.h"
#include "quantize/calibration_text.h"
#include "quantize/recipe.h"
#include "runtime/cli/cli.h"
#include "runtime/model_stats.h"

/* A text and how it is read, as given to a command. */
typedef struct swg_calibration_arguments {
    const char *text; /* path; NULL = none */
    int64_t tokens, window;
    bool documents;
    const char *cache; /* folder of statistics; NULL = the usual one */
    bool no_cache;
    const char *device; /* SWG_DEVICE_CHOICES: what runs the model */
} swg_calibration_arguments;

/* Read the text, if there is one, for the checkpoint's model; `held_out` windows are kept out. */
swg_status swg_calibration_arguments_read(const swg_calibration_arguments *arguments,
                                          swg_source *source, size_t held_out,
                                          swg_calibration_ids *out);

/* Members of the open object "calibration": everything that results depend on. `statistics` says
 * how they were collected; NULL = not said. */
void swg_calibration_arguments_write(const swg_calibration_arguments *arguments,
                                     const swg_calibration_ids *ids, const char *statistics,
                                     swg_json_writer *json);

/* --- Statistics of the whole model ------------------------------------------------------------ */

/* What they are taken from. All pointers are views. */
typedef struct swg_statistics_request {
    const swg_cli *cli;
    const swg_calibration_arguments *arguments;
    const swg_calibration_ids *ids;
    swg_source *source;
    swg_input_hashes *hashes;
    swg_pool *pool;
    const char *output; /* of the command: temporary files are beside it */
} swg_statistics_request;

/* The folder of the cache: the user's, or the usual one if it can be used; NULL in *out = none. The
 * caller frees it. */
swg_status swg_statistics_folder(const swg_calibration_arguments *arguments, char **out);

/* From the cache, or collected and kept there, with a word to the user. */
swg_status swg_statistics_open(const swg_statistics_request *request, swg_model_stats **out);

/* Whether they are in the cache. */
swg_status swg_statistics_find(const swg_statistics_request *request, bool *out);

/* --- History ---------------------------------------------------------------------------------- */

/* The source's history with one more step: `options` is the text of a JSON object, NULL or "" for
 * none; `recipe` may be NULL; without hashes (a dry run) the entry has the same length. The caller
 * frees *out. */
swg_status swg_command_history(swg_source *source, const char *command, const char *options,
                               const swg_recipe *recipe, swg_input_hashes *hashes, char **out);

#endif
