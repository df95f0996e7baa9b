/* Components of tokenizer.json: what its normalizers, pre-tokenizers, models, post-processors and
 * decoders are read with. Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_HF_COMPONENT_H
#define SWG_RUNTIME_TEXT_HF_COMPONENT_H

#include "runtime/text/tokenizer_parts.h"

/* One kind of component of a family: "type" in the file, and what turns its JSON object into steps
 * (or the model, or ids around a text) of the tokenizer. */
typedef swg_status swg_component_reader(swg_tokenizer *tokenizer, const swg_json *json);
typedef struct swg_component {
    const char *type;
    swg_component_reader *read;
} swg_component;

/* Read a component through its family's table; null or absent reads as nothing. SWG_UNSUPPORTED,
 * naming family and type, when the table has no such row. */
swg_status swg_component_read(const char *family, const swg_component *table, size_t n_rows,
                              swg_tokenizer *tokenizer, const swg_json *json);

/* Read every element of the array `key` of a Sequence through `read`. */
swg_status swg_component_read_all(swg_tokenizer *tokenizer, const swg_json *json, const char *key,
                                  swg_component_reader *read);

/* Members of a component: `fallback` when absent or null, SWG_CORRUPT when of another kind. Strings
 * live as long as the document. */
swg_status swg_component_bool(const swg_json *json, const char *key, bool fallback, bool *out);
swg_status swg_component_string(const swg_json *json, const char *key, const char *fallback,
                                const char **out);
/* The same for a string that must be there, copied into the tokenizer's arena. */
swg_status swg_component_text(swg_tokenizer *tokenizer, const swg_json *json, const char *key,
                              const char **out);

/* The refusal of a member of another kind. */
swg_status swg_component_wrong_kind(const char *key, const swg_json *value, const char *wanted);

/* "pattern": {"Regex": "..."} or {"String": "..."}, compiled into the tokenizer's list. */
swg_status swg_component_pattern(swg_tokenizer *tokenizer, const swg_json *json, const char **text,
                                 bool *is_literal, const swg_regex **out);

/* The families: one component each, or null. */
swg_component_reader swg_normalizer_read, swg_split_read, swg_model_read, swg_post_read,
    swg_decoder_read;

/* Byte-level pieces (GPT-2's byte alphabet). */
swg_component_reader swg_bytelevel_read_split, swg_bytelevel_read_normalizer,
    swg_bytelevel_read_decoder;

/* Models. `vocab` is the object or array of the file; the vocabulary of all ids is complete. */
swg_component_reader swg_bpe_read, swg_wordpiece_read, swg_unigram_read, swg_wordlevel_read;

#endif
