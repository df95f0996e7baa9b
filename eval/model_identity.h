/* What a checkpoint is, for a record of measurements: its hash, its bytes, its number of weights.
 */
#ifndef SWG_EVAL_MODEL_IDENTITY_H
#define SWG_EVAL_MODEL_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"

typedef struct swg_model_identity {
    char hash[SWG_HASH128_TEXT]; /* XXH3-128: of the one file that it is read from (of a .swg, of
                                    its directory), else of the files' hashes in the order of their
                                    paths */
    uint64_t file_bytes;         /* of all files that it is read from */
    uint64_t parameters;         /* weights, shared ones counted once */
} swg_model_identity;

/* Open the checkpoint and read all its bytes (of a .swg its directory). `n_threads` as for
 * swg_pool_new. Fails as swg_source_open, and with SWG_IO, SWG_NO_MEMORY, SWG_INTERRUPTED. */
swg_status swg_model_identify(const char *path, size_t n_threads, swg_model_identity *out);

#endif
