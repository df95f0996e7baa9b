/* What most subcommands begin with: a checkpoint opened, its model loaded and its tokenizer made,
 * on a pool of threads. */
#ifndef SWG_RUNTIME_LOADED_H
#define SWG_RUNTIME_LOADED_H

#include "formats/formats.h"
#include "runtime/base/progress.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"
#include "runtime/text/tokenizer.h"

/* Zero-initialise to start. */
typedef struct swg_loaded {
    swg_pool *pool;
    swg_model *model;
    swg_tokenizer *tokenizer; /* NULL when not asked for */
} swg_loaded;

/* `tokenizer_path` may be NULL: the checkpoint's own. A tokenizer with more ids than the model's
 * vocabulary is SWG_CORRUPT. `n_threads` 0 = one per processor. */
swg_status swg_loaded_open(const char *path, const char *tokenizer_path, bool with_tokenizer,
                           size_t n_threads, const swg_progress *progress, swg_loaded *out);
void swg_loaded_close(swg_loaded *loaded);

#endif
