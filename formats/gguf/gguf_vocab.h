/* The vocabulary of a GGUF: tokenizer.ggml.tokens and the arrays beside it, checked together. */
#ifndef SWG_FORMATS_GGUF_GGUF_VOCAB_H
#define SWG_FORMATS_GGUF_GGUF_VOCAB_H

#include "formats/gguf/gguf_header.h"

/* tokenizer.ggml.token_type */
enum {
    SWG_TOKEN_NORMAL = 1,
    SWG_TOKEN_UNKNOWN = 2,
    SWG_TOKEN_CONTROL = 3,
    SWG_TOKEN_USER_DEFINED = 4,
    SWG_TOKEN_UNUSED = 5,
    SWG_TOKEN_BYTE = 6
};

typedef struct swg_gguf_vocab {
    swg_gguf_text *tokens; /* [n] */
    size_t n;
    const uint8_t *types;  /* int32 each, or NULL: all normal */
    const uint8_t *scores; /* float each, or NULL */
} swg_gguf_vocab;

swg_status swg_gguf_vocab_init(const char *path, const swg_gguf_header *header,
                               swg_gguf_vocab *out);
void swg_gguf_vocab_deinit(swg_gguf_vocab *vocab);

int swg_gguf_vocab_type(const swg_gguf_vocab *vocab, size_t id);
float swg_gguf_vocab_score(const swg_gguf_vocab *vocab, size_t id);

/* The id under tokenizer.ggml.<name>_token_id, or -1; SWG_CORRUPT when it is no id of a token. */
swg_status swg_gguf_vocab_special(const char *path, const swg_gguf_header *header,
                                  const swg_gguf_vocab *vocab, const char *name, int64_t *id);

/* A pair that SentencePiece would merge into the token `merged`. */
typedef struct swg_gguf_merge {
    uint32_t left, right, merged;
} swg_gguf_merge;

/* All pairs of tokens whose joined text is a token, best score first, as Hugging Face derives
 * merges from a SentencePiece model. The caller frees *out with swg_free. */
swg_status swg_gguf_vocab_merges(const swg_gguf_vocab *vocab, swg_gguf_merge **out, size_t *n);

#endif
