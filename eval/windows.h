/* How a text becomes windows of tokens to score: one function a protocol. */
#ifndef SWG_EVAL_WINDOWS_H
#define SWG_EVAL_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/model.h"
#include "runtime/text/tokenizer.h"

typedef enum swg_protocol {
#define SWG_PROTOCOL(id, name, output, context, bos, text) SWG_PROTOCOL_##id,
#include "eval/protocols.def"
#undef SWG_PROTOCOL
    SWG_PROTOCOL_COUNT
} swg_protocol;

const char *swg_protocol_name(swg_protocol protocol);
/* What models must give to be scored by it: the next token, or the masked one. */
swg_output_kind swg_protocol_output(swg_protocol protocol);
const char *swg_protocol_bos_rule(swg_protocol protocol);
const char *swg_protocol_text(swg_protocol protocol);
size_t swg_protocol_default_context(swg_protocol protocol);
/* By name; SWG_USAGE naming the valid ones otherwise. */
swg_status swg_protocol_parse(const char *name, swg_protocol *out);

/* Tokens [begin, begin + count) of the list are read from an empty cache; the n_scored ones from
 * index `first_scored` on are scored. Where the next token is predicted, each is predicted by all
 * before it (first_scored >= 1); where masked ones are, by all others. */
typedef struct swg_window {
    size_t begin, count, first_scored, n_scored;
} swg_window;

typedef struct swg_windows {
    int32_t *ids;
    size_t n_ids;
    swg_window *windows;
    size_t n_windows;
    size_t tokens_total; /* of the text (gptq and llama.cpp: with the special tokens that its
                            tokenizer adds), before any were replaced or dropped */
} swg_windows;

/* Tokenize `text` and cut it by the protocol. At most `max_tokens` tokens of the text are used
 * (0 = all). `context` >= 2. SWG_FAILED with a sentence when the text gives no window; SWG_LIMIT
 * when a document is longer than the context (per_doc) or the context has no room between the
 * special tokens (pll); SWG_USAGE for a context that leaves nothing to score (llama_cpp). Free with
 * swg_windows_deinit. */
swg_status swg_windows_make(swg_protocol protocol, const swg_tokenizer *tokenizer, const char *text,
                            size_t length, size_t context, size_t max_tokens, swg_windows *out);
void swg_windows_deinit(swg_windows *windows);

/* Tokens of the longest window: positions that an execution must hold. */
size_t swg_windows_longest(const swg_windows *windows);

#endif
