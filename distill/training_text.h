/* The text that a model is trained on from nothing: files as one stream of tokens, cut into windows.
 * Every document begins with the tokenizer's beginning of text or, where it has none, its end of
 * text, which so separates them; a window may hold parts of several. */
#ifndef SWG_DISTILL_TRAINING_TEXT_H
#define SWG_DISTILL_TRAINING_TEXT_H

#include <stdbool.h>

#include "runtime/base/hash.h"
#include "runtime/base/progress.h"
#include "runtime/text/tokenizer.h"

typedef struct swg_training_text {
    swg_ids ids; /* [n_windows][window], and a rest */
    size_t n_windows, window;
    char sha256[SWG_SHA256_TEXT]; /* of the files' hashes, one after the other */
} swg_training_text;

/* `documents`: blank lines separate documents; false: every file is one. SWG_FAILED when there is
 * not one window, naming both lengths; or what reading and tokenizing return. Free with
 * swg_training_text_deinit. */
swg_status swg_training_text_read(const swg_tokenizer *tokenizer, const char *const *paths,
                                  size_t n_paths, bool documents, size_t window,
                                  const swg_progress *progress, swg_training_text *out);
void swg_training_text_deinit(swg_training_text *text);

#endif
