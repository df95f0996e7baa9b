/* Tokenizers: text to token ids and back, exactly as the checkpoint's own files say.
 *
 *     swg_tokenizer *tokenizer = NULL;
 *     swg_ids ids = {0};
 *     swg_strbuf text = {0};
 *     SWG_TRY(swg_tokenizer_from_source(source, &tokenizer));
 *     SWG_TRY(swg_tokenizer_encode(tokenizer, "Once upon", 9, NULL, &ids));
 *     SWG_TRY(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &text));
 *
 * A tokenizer is read from files that a checkpoint carries (text_sources.def lists them) and never
 * guessed: a component that is not known is SWG_UNSUPPORTED with a sentence that names it, and a
 * file that contradicts itself is SWG_CORRUPT. Characters younger than the Unicode tables in use
 * (14 for patterns, 15 elsewhere) count as unassigned. Once built it never changes, so every
 * function that takes a const swg_tokenizer is safe from several threads at once. */
#ifndef SWG_RUNTIME_TEXT_TOKENIZER_H
#define SWG_RUNTIME_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"
#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

typedef struct swg_tokenizer swg_tokenizer;

/* --- Making one ------------------------------------------------------------------------------- */

/* From the files of an open checkpoint: the first row of text_sources.def whose files are all there
 * (tokenizer.json, vocab.json + merges.txt, tokenizer.model, vocab.txt, tokenizer.bin).
 * tokenizer_config.json (add_bos_token, add_eos_token, bos_token, eos_token, added_tokens_decoder,
 * tokenizer_class, legacy), special_tokens_map.json, added_tokens.json, generation_config.json
 * (eos_token_id) and the configuration (vocab_size, bos_token_id, eos_token_id) complete it. The
 * source may be closed afterwards. SWG_FAILED when the checkpoint has no tokenizer; SWG_CORRUPT,
 * SWG_UNSUPPORTED, SWG_NO_MEMORY. The caller frees *out. */
swg_status swg_tokenizer_from_source(swg_source *source, swg_tokenizer **out);

/* The same from files in memory, told apart by their names ("tokenizer.json"). `config` is the text
 * of a config.json, or NULL. All of it is the caller's again on return. */
swg_status swg_tokenizer_from_files(const swg_file_view *files, size_t n_files, const char *config,
                                    swg_tokenizer **out);

/* The same from a path: a folder that holds such files, or one of these files itself, told apart by
 * content (swg_tokenizer_file_name), not by name. Files beside a single file are not read. SWG_IO
 * besides. */
swg_status swg_tokenizer_from_path(const char *path, swg_tokenizer **out);

/* For work that cannot do without one: a checkpoint that has no tokenizer is not supported there.
 */
static inline swg_status swg_tokenizer_needed(swg_status status)
{
    return status == SWG_FAILED ? SWG_UNSUPPORTED : status;
}

/* Say how many ids the model has. A tokenizer may have more, as long as they are added tokens (a
 * padding token that was never trained); a text with one of these is then SWG_CORRUPT to encode.
 * SWG_CORRUPT when another token, or the beginning or end of text, is beyond the limit. */
swg_status swg_tokenizer_limit_ids(swg_tokenizer *tokenizer, size_t n_ids);

void swg_tokenizer_free(swg_tokenizer **tokenizer); /* NULL inside is accepted */

/* --- Facts ------------------------------------------------------------------------------------ */

/* Highest id plus one. Ids below it may be unused (their token is NULL). */
size_t swg_tokenizer_vocab_size(const swg_tokenizer *tokenizer);

/* Beginning and end of text, or -1 where the tokenizer has none. */
int32_t swg_tokenizer_bos(const swg_tokenizer *tokenizer);
int32_t swg_tokenizer_eos(const swg_tokenizer *tokenizer);

/* Whether generation ends at `id`: the end of text, or another id the configuration lists. */
bool swg_tokenizer_is_end(const swg_tokenizer *tokenizer, int32_t id);

/* Whether swg_tokenizer_encode with add_special puts the beginning of text first. Perplexity
 * protocols ask this. */
bool swg_tokenizer_adds_bos(const swg_tokenizer *tokenizer);

/* Whether `id` is a special token (control, not text). False for ids out of range. */
bool swg_tokenizer_is_special(const swg_tokenizer *tokenizer, int32_t id);

/* The token as its file spells it (byte-level vocabularies: in GPT-2's byte alphabet), a view of
 * *length bytes that lives as long as the tokenizer; NULL for ids that are unused or out of
 * range. To print generated text use the decoder instead. */
const char *swg_tokenizer_token(const swg_tokenizer *tokenizer, int32_t id, size_t *length);

/* The id of the token spelled so, or -1. */
int32_t swg_tokenizer_find(const swg_tokenizer *tokenizer, const char *text, size_t length);

/* --- Encoding --------------------------------------------------------------------------------- */

/* A growing list of ids. Zero-initialise to start. */
typedef struct swg_ids {
    int32_t *data;
    size_t count, capacity;
} swg_ids;
void swg_ids_deinit(swg_ids *ids);

/* Append the ids that `length` bytes of text list, separated by spaces, commas or line breaks;
 * `what` names the text in messages. SWG_CORRUPT for anything else; then `out` is as it was. */
swg_status swg_ids_parse(const char *text, size_t length, const char *what, swg_ids *out);

typedef struct swg_encode_options {
    bool add_special;   /* default true: add what the file puts around a text (BOS, [CLS], ...) */
    bool parse_special; /* default true: "</s>" in the text becomes that special token; false: it is
                           text like any other. Use false for text that is not trusted. */
} swg_encode_options;
swg_encode_options swg_encode_options_default(void);

/* Append the ids of `length` bytes of text to `out`. `options` may be NULL (defaults). The text
 * should be UTF-8; bytes that are not take no part in splitting and reach the model as they are
 * (byte-level vocabularies keep them, others give their unknown token). On failure `out` holds what
 * it held before. SWG_NO_MEMORY; SWG_LIMIT when the file asks for much more work than the text's
 * length justifies (runtime/text/work.h) or the text is longer than 2^31 - 1 bytes;
 * SWG_INTERRUPTED. */
swg_status swg_tokenizer_encode(const swg_tokenizer *tokenizer, const char *text, size_t length,
                                const swg_encode_options *options, swg_ids *out);

/* --- Decoding --------------------------------------------------------------------------------- */

typedef struct swg_decode_options {
    bool skip_special; /* default true: special tokens print nothing */
} swg_decode_options;
swg_decode_options swg_decode_options_default(void);

/* Append the text of a whole sequence. Bytes come out raw: what was not UTF-8 going in is not UTF-8
 * coming out. An added token that is looked for in normalized text comes out in its normalized
 * form. SWG_CORRUPT for an id outside the vocabulary; SWG_LIMIT when the decoder of the file makes
 * far more text of the tokens than they have; SWG_INTERRUPTED. */
swg_status swg_tokenizer_decode(const swg_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                                const swg_decode_options *options, swg_strbuf *out);

/* Decoding token by token, for text that appears while it is generated. Feed a sequence from its
 * very first id (BOS and prompt included; ignore the output where it is not wanted), because what
 * the first tokens print depends on what precedes them. A decoder belongs to one thread at a
 * time; the tokenizer must outlive it. */
typedef struct swg_decoder swg_decoder;
swg_status swg_decoder_new(const swg_tokenizer *tokenizer, const swg_decode_options *options,
                           swg_decoder **out);
void swg_decoder_free(swg_decoder **decoder); /* NULL inside is accepted */

/* Append what can be printed now that `id` is known. A UTF-8 character is never split: its bytes
 * are held back until the last one comes, or until one comes that cannot belong to it. */
swg_status swg_decoder_feed(swg_decoder *decoder, int32_t id, swg_strbuf *out);

/* Append what is still held back (an unfinished character) and start over. */
swg_status swg_decoder_finish(swg_decoder *decoder, swg_strbuf *out);

#endif
