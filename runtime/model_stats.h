/* Calibration statistics of a whole model: what each of its weights is multiplied with when the
 * unchanged model reads a text. They are collected by one pass over the text and kept in a file, so
 * that quantizing, pruning and searching again run no model:
 *
 *     swg_model_stats_options options = swg_model_stats_options_default();
 *     options.ids = ids, options.n_windows = 64, options.window = 512;
 *     options.hashes = hashes;                          // of the source (formats/provenance.h)
 *     options.cache = folder;                           // or NULL
 *     swg_model_stats *stats;
 *     SWG_TRY(swg_model_stats_open(source, &options, &stats));
 *     for (each matrix) {
 *         const swg_layer_stats *of_input;
 *         SWG_TRY(swg_model_stats_get(stats, name, &of_input));   // NULL: it has no input
 *         ...
 *     }
 *     swg_model_stats_free(&stats);
 *
 * One input's statistics are in memory at a time: 4 k^2 bytes. Weights that share an input (query,
 * key and value; gate and up) share its statistics, so go through a model's matrices in the order
 * of the layers: each input is then read once. One thread at a time. */
#ifndef SWG_RUNTIME_MODEL_STATS_H
#define SWG_RUNTIME_MODEL_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"
#include "formats/provenance.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/layer_stats.h"

typedef struct swg_model_stats swg_model_stats;

typedef struct swg_model_stats_options {
    size_t size;                  /* of this struct */
    swg_pool *pool;               /* default NULL: the caller's thread alone */
    const swg_progress *progress; /* default NULL */
    const int32_t *ids; /* [n_windows][window] tokens, each window read from an empty sequence;
                           required */
    size_t n_windows, window;
    swg_input_hashes *hashes; /* of the source; required with `cache` */
    const char *cache;        /* folder of files of statistics, made if missing; default NULL: the
                                 file is temporary and goes with the handle */
    const char *device;       /* backend that runs the model; default NULL: the first */
    const char *scratch;      /* folder of the temporary file; default NULL: the current one */
} swg_model_stats_options;
swg_model_stats_options swg_model_stats_options_default(void);

/* Take the statistics from the cache, or collect them by running the model, layer by layer. Source,
 * pool, progress, ids and hashes must outlive the result. A file in the cache counts only if it was
 * collected of the same input files on the same tokens, with the same linear algebra and
 * instruction set, by a version with the same layout; one that is damaged is collected anew, and
 * swg_notice says so.
 *
 * While collecting, one layer's weights, the rows that enter it and its inputs' second moments are
 * in memory (runtime/calibration.h). Under a limit (swg_mem_set_limit) that the latter exceed, the
 * layer is run several times, for a few inputs each; the result is the same. SWG_UNSUPPORTED for
 * models that cannot be calibrated, SWG_FAILED when an input is not finite, SWG_IO when the file
 * cannot be written; or what loading the model returns. */
swg_status swg_model_stats_open(swg_source *source, const swg_model_stats_options *options,
                                swg_model_stats **out);

/* Whether opening would take them from the cache, as far as the directory of the file there tells.
 */
swg_status swg_model_stats_find(const swg_model_stats_options *options, bool *is_cached);
void swg_model_stats_free(swg_model_stats **stats); /* NULL inside is accepted */

/* Statistics of the input of the weights that come from a tensor, hessian included; NULL in *out
 * when they have none (a table whose rows are looked up, a vector). Valid until the next call. */
swg_status swg_model_stats_get(swg_model_stats *stats, const char *tensor,
                               const swg_layer_stats **out);

bool swg_model_stats_were_cached(const swg_model_stats *stats); /* no model was run */
const char *swg_model_stats_path(const swg_model_stats *stats); /* of the file; NULL: temporary */
uint64_t swg_model_stats_file_bytes(const swg_model_stats *stats);

/* The folder for statistics unless the user names one: $XDG_CACHE_HOME/swage, or
 * $HOME/.cache/swage. The caller frees *out; NULL there when neither variable is set.
 * SWG_NO_MEMORY.
 */
swg_status swg_model_stats_default_cache(char **out);

#endif
