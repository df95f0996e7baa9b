/* Vocabularies of tokenizer.json and vocab.json: an object of ids, or an array of [token, score]
 * whose places are the ids. Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_HF_JSON_VOCAB_H
#define SWG_RUNTIME_TEXT_HF_JSON_VOCAB_H

#include "runtime/text/tokenizer_parts.h"

/* The tokenizer's vocabulary of all ids: the model's `vocab` and the array `added` of added tokens
 * (NULL = none), which must agree where both have an id. SWG_CORRUPT. */
swg_status swg_json_vocab_read(swg_tokenizer *tokenizer, const swg_json *vocab,
                               const swg_json *added);

/* A vocabulary of the model's own tokens (object text -> id, or array of [text, score]), without
 * the added ones; as raw bytes with `is_byte_level`. */
swg_status swg_model_vocab(swg_tokenizer *tokenizer, const swg_json *json, bool is_byte_level,
                           swg_vocab *out);

#endif
