/* What the files of this folder share: the stages that a text passes on its way to ids and back.
 *
 *     text -> added tokens -> normalizers -> added tokens -> splits -> model -> ids
 *     ids  -> vocabulary -> decode steps -> UTF-8 held back until whole -> text
 *
 * A stage is a list of steps, each a function and its data. Steps are made by the readers of one
 * family of components (a table in that family's file: name in the file -> reader), so a new
 * component is one function and one row. All that a tokenizer is made of lives in its arena, except
 * compiled patterns, which it keeps in a list. Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_TOKENIZER_PARTS_H
#define SWG_RUNTIME_TEXT_TOKENIZER_PARTS_H

#include "formats/json.h"
#include "runtime/base/mem.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/tokenizer_merge.h"
#include "runtime/text/tokenizer_regex.h"
#include "runtime/text/tokenizer_vocab.h"

enum { SWG_TEXT_STEPS = 32, SWG_END_IDS = 8, SWG_SPECIAL_IDS = 16 };

/* --- One call of encode ----------------------------------------------------------------------- */

/* Everything that changes during a call, so that the tokenizer need not. */
typedef struct swg_encoder {
    const swg_tokenizer *tokenizer;
    swg_ids *out;
    bool parse_special;
    swg_merger merger;
    swg_regex_scratch regex;
    swg_strbuf normalized[2];           /* normalizers write them in turn */
    swg_strbuf scratch[SWG_TEXT_STEPS]; /* one for each split step, for text it changes */
    swg_strbuf word;                    /* the model's */
} swg_encoder;

swg_status swg_ids_push(swg_ids *ids, int32_t id);

/* --- Steps ------------------------------------------------------------------------------------ */

/* Write the changed form of `text` to `out` (empty on entry). */
typedef swg_status swg_normalize_run(const void *data, const char *text, size_t length,
                                     swg_strbuf *out);

/* Cut `text` into pieces and hand each to swg_encoder_emit for step `at + 1`. `is_first`: the piece
 * starts where the whole text starts. */
typedef swg_status swg_split_run(const void *data, swg_encoder *encoder, size_t at,
                                 const char *text, size_t length, bool is_first);

/* Append the ids of one piece to encoder->out. */
typedef swg_status swg_model_run(const void *data, swg_encoder *encoder, const char *text,
                                 size_t length);

/* Where in the sequence a token stands. */
typedef struct swg_decode_place {
    int32_t id, previous; /* previous: id fed before, printed or not; -1 at the start */
    size_t index;         /* tokens printed before */
} swg_decode_place;

/* Append to `out` what `text` - the token, or what the step before made of it - becomes. `state` is
 * this step's own, zero at the start of a sequence. */
typedef void swg_decode_run(const void *data, uint32_t *state, const swg_decode_place *place,
                            const char *text, size_t length, swg_strbuf *out);

typedef struct swg_normalize_step {
    swg_normalize_run *run;
    const void *data;
} swg_normalize_step;

typedef struct swg_split_step {
    swg_split_run *run;
    const void *data;
} swg_split_step;

typedef struct swg_decode_step {
    swg_decode_run *run;
    const void *data;
} swg_decode_step;

/* --- Added tokens ----------------------------------------------------------------------------- */

typedef struct swg_added_token {
    const char *text; /* what to look for */
    size_t length;
    int32_t id;
    bool is_special, single_word, lstrip, rstrip;
} swg_added_token;

/* Tokens to look for in one form of the text, sorted by their bytes. */
typedef struct swg_added_set {
    swg_added_token *tokens;
    size_t count;
    bool starts[256]; /* bytes that some token starts with */
} swg_added_set;

/* Called for each part of a text in order: a token (id >= 0) or text between tokens (id -1). */
typedef swg_status swg_added_part(swg_encoder *encoder, const char *text, size_t length,
                                  bool is_first, int32_t id);

swg_status swg_added_split(const swg_added_set *set, swg_encoder *encoder, const char *text,
                           size_t length, bool is_first, swg_added_part *part);

/* --- The tokenizer ---------------------------------------------------------------------------- */

struct swg_tokenizer {
    swg_arena arena;
    swg_regex *patterns; /* linked list */
    swg_vocab vocab;     /* every id, as the files spell it */
    bool *is_special;    /* [vocab.n_ids] */

    swg_added_set raw_tokens, normalized_tokens;
    swg_normalize_step normalizers[SWG_TEXT_STEPS];
    size_t n_normalizers;
    swg_split_step splits[SWG_TEXT_STEPS];
    size_t n_splits;
    bool takes_any_bytes; /* no stage before the model needs valid UTF-8 */
    swg_model_run *model;
    const void *model_data;
    int32_t before[SWG_SPECIAL_IDS], after[SWG_SPECIAL_IDS]; /* around a text */
    size_t n_before, n_after;

    swg_decode_step decoders[SWG_TEXT_STEPS];
    size_t n_decoders;
    bool is_fused; /* while reading: the decode steps so far joined the tokens into one text */

    int32_t bos, eos;
    int32_t ends[SWG_END_IDS];
    size_t n_ends;
};

/* Files and configuration a tokenizer is read from. */
typedef struct swg_text_files {
    const swg_file_view *files;
    size_t n_files;
    const swg_json *config; /* config.json; NULL = none */
} swg_text_files;

const swg_file_view *swg_text_file(const swg_text_files *files, const char *name);

/* Readers: rows of text_sources.def. They fill everything but what tokenizer_config.json and
 * config.json add. */
typedef swg_status swg_tokenizer_reader(swg_tokenizer *tokenizer, const swg_text_files *files);
#define SWG_TEXT_SOURCE(first, second, reader) swg_tokenizer_reader reader;
#include "runtime/text/text_sources.def"
#undef SWG_TEXT_SOURCE

/* Hand a piece to split step `at`, or to the model behind the last one. Empty pieces vanish. */
static inline swg_status swg_encoder_emit(swg_encoder *encoder, size_t at, const char *text,
                                          size_t length, bool is_first)
{
    const swg_tokenizer *tokenizer = encoder->tokenizer;
    if (length == 0)
        return SWG_OK;
    if (at == tokenizer->n_splits)
        return tokenizer->model(tokenizer->model_data, encoder, text, length);
    const swg_split_step *step = &tokenizer->splits[at];
    return step->run(step->data, encoder, at, text, length, is_first);
}

/* Append a step while reading; SWG_UNSUPPORTED beyond SWG_TEXT_STEPS. */
swg_status swg_tokenizer_add_normalizer(swg_tokenizer *tokenizer, swg_normalize_run *run,
                                        const void *data);
swg_status swg_tokenizer_add_split(swg_tokenizer *tokenizer, swg_split_run *run, const void *data);
swg_status swg_tokenizer_add_decoder(swg_tokenizer *tokenizer, swg_decode_run *run,
                                     const void *data);

/* Value of "<0xNN>" (two hexadecimal digits), or -1. */
int swg_byte_token_value(const char *text, size_t length);

#endif
