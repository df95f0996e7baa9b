/* A text, or a pair of texts, as encoders read it. */
#ifndef SWG_RUNTIME_ENCODER_INPUT_H
#define SWG_RUNTIME_ENCODER_INPUT_H

#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/model.h"
#include "runtime/text/tokenizer.h"

/* Zero-initialise to start. */
typedef struct swg_encoder_input {
    swg_ids ids, types;  /* equally many: tokens and token types */
    size_t second_begin; /* first token of the second text; ids.count without one */
} swg_encoder_input;

/* Tokenize `text`, with special tokens, and, unless `second` is NULL, `second` without them,
 * followed by the closing token of `text` again: [CLS] a [SEP] b [SEP], or with as many closing
 * tokens between the two as the model was trained with: <s> a </s></s> b </s>. From the second text
 * on the types are 1, if the model has token types. There may be no ids at all. Replaces what `out`
 * held; free with swg_encoder_input_deinit, after a failure too. */
swg_status swg_encoder_input_make(const swg_tokenizer *tokenizer, const swg_hparams *hparams,
                                  const char *text, const char *second, swg_encoder_input *out);
void swg_encoder_input_deinit(swg_encoder_input *input);

/* The token that stands for one to be filled in, under the first of its usual names that the
 * tokenizer has ("[MASK]", "<mask>"). SWG_UNSUPPORTED when it has none. */
swg_status swg_encoder_mask(const swg_tokenizer *tokenizer, int32_t *out);

#endif
