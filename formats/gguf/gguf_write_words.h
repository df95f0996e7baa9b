/* The vocabulary of a GGUF being put together (gguf_write_words.c). */
#ifndef SWG_FORMATS_GGUF_GGUF_WRITE_WORDS_H
#define SWG_FORMATS_GGUF_GGUF_WRITE_WORDS_H

#include "formats/gguf/gguf_vocab.h"
#include "formats/gguf/gguf_write.h"

/* Texts are views of JSON or of the arena. */
typedef struct swg_gguf_words {
    const swg_sink *sink;
    swg_arena arena;
    const char **tokens; /* [n]; NULL = no such id */
    uint8_t *types;
    float *scores;
    size_t n;
    const swg_json *settings; /* tokenizer_config.json; may be NULL */
    const swg_json *added;    /* added_tokens.json; may be NULL */
    /* What the vocabulary itself calls these, for where no settings do; may be NULL. */
    const char *bos, *eos, *unk;
    const swg_json *config;
    swg_gguf_values *values;
} swg_gguf_words;

/* Room for a token per row of the embedding. */
swg_status swg_gguf_words_room(swg_gguf_words *v, uint64_t vocab_size);

/* The text and type of one token; an earlier text stays. SWG_UNSUPPORTED for ids without a row. */
swg_status swg_gguf_words_set(swg_gguf_words *v, int64_t id, const char *text, int type);

/* The object "vocab" of a tokenizer.json; `unk` is the id of the unknown token or -1. */
swg_status swg_gguf_words_read(swg_gguf_words *v, const swg_json *vocab, int64_t unk);
/* Its array "added_tokens". */
swg_status swg_gguf_words_added(swg_gguf_words *v, const swg_json *root, int64_t unk);
/* Tokens that only tokenizer_config.json (added_tokens_decoder) or else added_tokens.json has. */
swg_status swg_gguf_words_side_tokens(swg_gguf_words *v);
/* Names for rows of the embedding without a token; the last before putting. */
swg_status swg_gguf_words_fill(swg_gguf_words *v);

/* The id of a text, or -1. */
int64_t swg_gguf_words_find(const swg_gguf_words *v, const char *text);

/* The keys tokenizer.ggml.model, pre, tokens, scores and token_type. */
void swg_gguf_words_put(swg_gguf_words *v, const char *model, const char *pre, bool has_scores);

/* "x" or {"content": "x"} of tokenizer_config.json, or NULL. */
const char *swg_gguf_words_setting(const swg_gguf_words *v, const char *key);
/* The id of the special token "<name>_token" by the settings, the configuration or a usual spelling
 * (may be NULL); -1 = none. */
int64_t swg_gguf_words_special(const swg_gguf_words *v, const char *name, const char *spelling);
/* The token that a post-processor puts first, or last; -1 = none. */
int64_t swg_gguf_words_template(const swg_gguf_words *v, const swg_json *post, bool is_last);

/* tokenizer.ggml.<name>_token_id, unless the id is -1. */
void swg_gguf_words_put_id(const swg_gguf_words *v, const char *gguf_name, int64_t id);
int64_t swg_gguf_words_put_special(const swg_gguf_words *v, const char *name, const char *gguf_name,
                                   const char *spelling);
/* The end of a text, and the further ends of the configuration's list. */
void swg_gguf_words_put_end_ids(const swg_gguf_words *v, int64_t eos);
/* All ids of special tokens, and whether texts get them; `adds_bos`: unless something says so. */
void swg_gguf_words_put_ends(const swg_gguf_words *v, const swg_json *post, bool adds_bos);

/* A SentencePiece model (gguf_write_spm.c). */
swg_status swg_gguf_put_spm(swg_gguf_words *v, const swg_file_view *file);

#endif
