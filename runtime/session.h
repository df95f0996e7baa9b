/* What most subcommands begin with: open a checkpoint, load its model and create its tokenizer,
 * with a pool of threads. */
#ifndef SWG_RUNTIME_SESSION_H
#define SWG_RUNTIME_SESSION_H

#include "formats/formats.h"
#include "runtime/base/progress.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"
#include "runtime/sentence.h"
#include "runtime/text/chat.h"
#include "runtime/text/tokenizer.h"

/* Zero-initialise to start. */
typedef struct swg_session {
    swg_pool *pool;
    swg_model *model;
    swg_tokenizer *tokenizer; /* NULL when not asked for */
    swg_sentence sentence;    /* of encoders without a head: how they make vectors of texts */
    swg_chat *chat;           /* NULL when not asked for, or the checkpoint has no chat template */
} swg_session;

/* `tokenizer_path` may be NULL: the checkpoint's own. A tokenizer with more ids than the model's
 * vocabulary is SWG_CORRUPT, unless the others are added tokens that no text needs
 * (swg_tokenizer_limit_ids). `n_threads` 0 = one per processor. */
swg_status swg_session_open(const char *path, const char *tokenizer_path, bool with_tokenizer,
                            size_t n_threads, const swg_progress *progress, swg_session *out);

/* The same on that device (device.h): "cpu", "cuda" or "auto". SWG_UNSUPPORTED when it is not
 * there.
 */
swg_status swg_session_open_on(const char *device, const char *path, const char *tokenizer_path,
                               bool with_tokenizer, size_t n_threads, const swg_progress *progress,
                               swg_session *out);

/* The same as the first for vectors of texts: the head that the configuration names is left out,
 * with tokenizer. (swg_session_open does so for checkpoints that carry modules.json.)
 * SWG_UNSUPPORTED for models that are not encoders. */
swg_status swg_session_open_encoder(const char *path, const char *tokenizer_path, size_t n_threads,
                                    const swg_progress *progress, swg_session *out);
void swg_session_close(swg_session *loaded);

/* SWG_FAILED when one of the logits [rows][columns] is NaN or infinite: the sentence names the
 * first and says how the damaged tensor is found. */
swg_status swg_check_logits(const float *logits, size_t rows, size_t columns);

#endif
