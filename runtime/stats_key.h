/* The names of files in the cache of calibration statistics (model_stats.h, sensitivity.h): a key
 * says everything that the numbers in a file depend on, and its hash names the file. */
#ifndef SWG_RUNTIME_STATS_KEY_H
#define SWG_RUNTIME_STATS_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "formats/provenance.h"
#include "runtime/base/status.h"

/* What statistics are of. Tokens stand for the text, the tokenizer and how they were cut. */
typedef struct swg_stats_subject {
    swg_input_hashes *hashes; /* of the source; NULL: they are not part of the key */
    const int32_t *ids;       /* [n_windows][window] */
    size_t n_windows, window;
    const char *device;   /* what ran the model (swg_device_of); NULL: the processors */
    const uint64_t *seed; /* of drawn labels; NULL: nothing is drawn */
} swg_stats_subject;

/* The subject, the linear algebra library and the highest instruction set in use as a JSON object;
 * the caller frees *out. Waits for the hashes. SWG_NO_MEMORY; what hashing returns. */
swg_status swg_stats_key(const swg_stats_subject *subject, char **out);

/* "FOLDER/HASH.ENDING" in a folder that is made if it is missing; the caller frees *out. SWG_IO;
 * SWG_NO_MEMORY. */
swg_status swg_stats_key_path(const char *key, const char *folder, const char *ending, char **out);

#endif
