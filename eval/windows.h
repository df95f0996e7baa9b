/* How a text becomes windows of tokens to score: by a protocol, a row of protocols.def. */
#ifndef SWG_EVAL_WINDOWS_H
#define SWG_EVAL_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/model.h"
#include "runtime/text/tokenizer.h"

typedef enum swg_protocol {
#define SWG_PROTOCOL(id, name, output, context, overlap, bos, text) SWG_PROTOCOL_##id,
#include "eval/protocols.def"
#undef SWG_PROTOCOL
    SWG_PROTOCOL_COUNT
} swg_protocol;

const char *swg_protocol_name(swg_protocol protocol);
/* The output kind of the models it scores: the next token, or the masked one. */
swg_output_kind swg_protocol_output(swg_protocol protocol);
const char *swg_protocol_bos_rule(swg_protocol protocol);
const char *swg_protocol_text(swg_protocol protocol);
size_t swg_protocol_default_context(swg_protocol protocol);
/* Tokens between the beginnings of windows unless the user says; 0 for protocols whose windows do
 * not overlap. */
size_t swg_protocol_default_stride(swg_protocol protocol, size_t context);
/* By name; SWG_USAGE naming the valid ones otherwise. */
swg_status swg_protocol_parse(const char *name, swg_protocol *out);

/* Tokens [begin, begin + count) of the list are read from an empty cache; the n_scored ones from
 * index `first_scored` on are scored. Where the next token is predicted, each is predicted by all
 * before it (first_scored >= 1); where masked ones are, by all others. */
typedef struct swg_window {
    size_t begin, count, first_scored, n_scored;
    size_t n_uncounted; /* the window's mean enters the total with the weight n_scored -
                           n_uncounted; 0 where every scored token counts the same */
} swg_window;

typedef struct swg_windows {
    int32_t *ids;
    size_t n_ids;
    swg_window *windows;
    size_t n_windows;
    size_t tokens_total; /* of the text (gptq and llama.cpp: with the special tokens that its
                            tokenizer adds), before any were replaced or dropped */
    size_t bytes_total;  /* of the text that these were made of */
    size_t stride;       /* 0 where windows do not overlap */
    size_t n_unread;     /* last tokens of a window beyond the context: 1 where the context counts
                            the tokens that are read (lm-eval) */
} swg_windows;

typedef struct swg_window_options {
    size_t size;       /* of this struct */
    size_t context;    /* of the longest window, >= 2; no default */
    size_t stride;     /* default 0: the protocol's; else 1 to context */
    size_t max_tokens; /* of the text to use; default 0: all */
    const size_t *ends; /* [n_documents], ascending: where the documents end that protocol lm-eval
                           scores one by one; default NULL: the text is one */
    size_t n_documents;
} swg_window_options;

swg_window_options swg_window_options_default(void);

/* Tokenize `text` and cut it by the protocol. SWG_USAGE when the text does not fill a window;
 * SWG_LIMIT when a document is longer than the context (per_doc) or the context has no room between
 * the special tokens (pll); SWG_USAGE for a context that leaves nothing to score (llama_cpp), a
 * stride beyond the context, or one for a protocol without. Free with swg_windows_deinit. */
swg_status swg_windows_make(swg_protocol protocol, const swg_tokenizer *tokenizer, const char *text,
                            size_t length, const swg_window_options *options, swg_windows *out);
void swg_windows_deinit(swg_windows *windows);

/* Positions that an execution must hold: tokens of the longest window that are read. */
size_t swg_windows_longest(const swg_windows *windows);

#endif
