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

#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/mem.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/models/merge.h"
#include "runtime/text/match/regex.h"
#include "runtime/text/models/vocab.h"
#include "runtime/text/work.h"

enum { SWG_TEXT_STEPS = 32, SWG_END_IDS = 64, SWG_SPECIAL_IDS = 16 };

/* --- One call of encode ----------------------------------------------------------------------- */

/* Everything that changes during a call, so that the tokenizer need not. */
typedef struct swg_encoder {
    const swg_tokenizer *tokenizer;
    swg_ids *out;
    bool parse_special;
    swg_work work;
    swg_merger merger;
    swg_regex_scratch regex;
    swg_strbuf normalized[2];           /* normalizers write them in turn */
    swg_strbuf scratch[SWG_TEXT_STEPS]; /* one for each split step, for text it changes */
    swg_strbuf word;                    /* the model's */
} swg_encoder;

swg_status swg_ids_push(swg_ids *ids, int32_t id);

/* --- Steps ------------------------------------------------------------------------------------ */

/* Write the changed form of `text` to `out` (empty on entry, limited to what the text may become).
 * The caller spends what reading the text once and writing cost; a step spends what it does
 * beyond. */
typedef swg_status swg_normalize_run(const void *data, swg_work *work, const char *text,
                                     size_t length, swg_strbuf *out);

/* Cut `text` into pieces and hand each to swg_encoder_emit for step `at + 1`. `is_first`: the piece
 * starts where the whole text starts. */
typedef swg_status swg_split_run(const void *data, swg_encoder *encoder, size_t at,
                                 const char *text, size_t length, bool is_first);

/* Append the ids of one piece to encoder->out. The caller spends what reading the piece once costs,
 * the model what it does beyond. */
typedef swg_status swg_model_run(const void *data, swg_encoder *encoder, const char *text,
                                 size_t length);

/* Where in the sequence a token is. */
typedef struct swg_decode_place {
    int32_t id, previous; /* previous: id fed before, printed or not; -1 at the start */
    size_t index;         /* tokens printed before */
} swg_decode_place;

/* Append to `out` what `text` - the token, or what the step before made of it - becomes, in time
 * proportional to both. `state` is this step's own, zero at the start of a sequence. */
typedef void swg_decode_run(const void *data, uint32_t *state, const swg_decode_place *place,
                            const char *text, size_t length, swg_strbuf *out);

/* Which parts of a text a step changes: the one that the text starts with, those that follow an
 * added token, or both. */
typedef enum swg_text_place {
    SWG_TEXT_ANYWHERE,
    SWG_TEXT_AT_START,
    SWG_TEXT_INSIDE
} swg_text_place;

typedef struct swg_normalize_step {
    swg_normalize_run *run;
    const void *data;
    swg_text_place place;
} swg_normalize_step;

/* Run one step on `text`, its work on the budget. `out` is emptied first. */
static inline swg_status swg_normalize(const swg_normalize_step *step, swg_work *work,
                                       const char *text, size_t length, swg_strbuf *out)
{
    swg_work_prepare(work, out);
    SWG_TRY(swg_work_spend(work, SWG_WORK_PER_PIECE + length));
    SWG_TRY(step->run(step->data, work, text, length, out));
    return swg_work_written(work, out);
}

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

/* Give the token the text that it has after the tokenizer's normalizers. */
swg_status swg_added_normalize(swg_tokenizer *tokenizer, swg_added_token *token);

/* Sort a set that has got all its tokens (none of them empty). */
void swg_added_finish(swg_added_set *set);

/* Once both sets are complete: let decoding see the normalized form of tokens that have one. */
swg_status swg_added_index(swg_tokenizer *tokenizer);

/* Called for each part of a text in order: a token (id >= 0) or text between tokens (id -1). */
typedef swg_status swg_added_part(swg_encoder *encoder, const char *text, size_t length,
                                  bool is_first, int32_t id);

swg_status swg_added_split(const swg_added_set *set, swg_encoder *encoder, const char *text,
                           size_t length, bool is_first, swg_added_part *part);

/* --- The tokenizer ---------------------------------------------------------------------------- */

struct swg_tokenizer {
    swg_arena arena;
    const char *file;    /* that the vocabulary is from, for messages: "tokenizer.json" */
    swg_work work;       /* of reading */
    swg_regex *patterns; /* linked list */
    swg_vocab vocab;     /* every id, as the files spell it */
    bool *is_special;    /* [vocab.n_ids] */
    size_t id_limit;     /* the model's ids; 0 = not said */

    swg_added_set raw_tokens, normalized_tokens;
    const swg_added_token **normalized_form; /* [vocab.n_ids], NULL where the vocabulary's text is
                                                decoded; NULL = everywhere */
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
    const swg_json *config;   /* config.json; NULL = none, as for the next four */
    const swg_json *settings; /* tokenizer_config.json */
    const swg_json *special;  /* special_tokens_map.json: role -> token */
    const swg_json *added;    /* added_tokens.json: token -> id */
    const swg_json *generation; /* generation_config.json */
} swg_text_files;

/* The file of that name, or NULL. */
static inline const swg_file_view *swg_text_file(const swg_text_files *files, const char *name)
{
    for (size_t i = 0; i < files->n_files; i++)
        if (strcmp(files->files[i].name, name) == 0)
            return &files->files[i];
    return NULL;
}

/* Readers: rows of text_sources.def. They fill everything but what the files beside the vocabulary
 * add. */
typedef swg_status swg_tokenizer_reader(swg_tokenizer *tokenizer, const swg_text_files *files);
#define SWG_TEXT_SOURCE(first, second, reader) swg_tokenizer_reader reader;
#include "runtime/text/text_sources.def"
#undef SWG_TEXT_SOURCE

/* What the files beside the vocabulary add: tokens (swg_tokenizer_add_side_tokens), the ids that
 * begin and end a text (settings.c). */
swg_status swg_tokenizer_apply_settings(swg_tokenizer *tokenizer, const swg_text_files *files);

/* The token that tokenizer_config.json, or else special_tokens_map.json, gives the role `key`
 * ("bos_token"): "<s>", or an object that has it as "content". NULL where neither does. `*file` is
 * the one that named it. */
const char *swg_named_token(const swg_text_files *files, const char *key, const char **file);

/* Give the tokenizer the added tokens of tokenizer_config.json (added_tokens_decoder), or else of
 * added_tokens.json, that its vocabulary's own file does not list, and those of its tokens that
 * have a role. SWG_CORRUPT when such a file and the vocabulary disagree about an id. */
swg_status swg_tokenizer_add_side_tokens(swg_tokenizer *tokenizer, const swg_text_files *files);

/* Hand a piece to split step `at`, or to the model after the last one. Empty pieces vanish. */
static inline swg_status swg_encoder_emit(swg_encoder *encoder, size_t at, const char *text,
                                          size_t length, bool is_first)
{
    const swg_tokenizer *tokenizer = encoder->tokenizer;
    if (length == 0)
        return SWG_OK;
    SWG_TRY(swg_work_spend(&encoder->work, SWG_WORK_PER_PIECE + length));
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

/* --- Parts that several readers make ---------------------------------------------------------- */

/* Byte-level pieces (GPT-2's byte alphabet) of a split. */
swg_status swg_bytelevel_add(swg_tokenizer *tokenizer, bool add_prefix_space, bool use_regex);
/* Whether the last split step maps bytes to the alphabet; if so it is taken away, and the model
 * must know its tokens by the bytes they stand for. */
bool swg_bytelevel_take_last_split(swg_tokenizer *tokenizer);
/* The bytes that a token of the alphabet stands for, to `out` (at least `length` bytes); false when
 * it has characters outside of the alphabet. */
bool swg_bytelevel_bytes(const char *text, size_t length, char *out, size_t *n_out);
/* Append the characters of the alphabet that stand for these bytes. */
void swg_bytelevel_text(const char *bytes, size_t length, swg_strbuf *out);

/* A split step (split.c): what becomes of matches. */
typedef enum swg_split_behavior {
    SWG_SPLIT_REMOVED,
    SWG_SPLIT_ISOLATED,
    SWG_SPLIT_MERGED_WITH_PREVIOUS,
    SWG_SPLIT_MERGED_WITH_NEXT,
    SWG_SPLIT_CONTIGUOUS
} swg_split_behavior;
typedef bool swg_char_test(uint32_t code);

/* A hand-written matcher: where the match that starts at `at` ends. Every position has a match, so
 * matches follow each other without gaps. `text` is valid UTF-8. */
typedef size_t swg_pattern_end(const char *text, size_t length, size_t at);

/* A way to find matches, one of the first four, and what becomes of them. */
typedef struct swg_split_rule {
    swg_pattern_end *known; /* a hand-written matcher, or */
    const swg_regex *regex; /* a pattern, or */
    swg_char_test *test;    /* every character for which this holds, or */
    uint32_t delimiter;     /* every one of these */
    swg_split_behavior behavior;
    bool invert; /* what lies between matches counts as the match */
} swg_split_rule;
swg_status swg_split_add(swg_tokenizer *tokenizer, swg_split_rule rule);

/* The matcher of exactly this pattern, or NULL. */
swg_pattern_end *swg_pattern_find(const char *pattern);
extern const char swg_pattern_gpt2[];

/* Byte-pair encoding as vocab.json + merges.txt have it: `vocab` an object, merges as lines. */
swg_status swg_bpe_read_text(swg_tokenizer *tokenizer, const swg_json *vocab, const char *merges,
                             size_t merges_length);

/* Unigram from any file. A character that no token covers costs this much more than the worst token. */
extern const double swg_unigram_penalty;
typedef struct swg_unigram_spec {
    const swg_vocab *words; /* tokens to cut into */
    const double *scores;   /* [words->n_ids] */
    double unk_score;       /* of a character that no token covers */
    int32_t unk;            /* -1 = such a character is an error */
    int32_t byte_tokens[256];
    bool byte_fallback;   /* such characters become byte tokens where all of their bytes have one */
    bool sums_are_floats; /* sums of scores are rounded to float, as sentencepiece does */
} swg_unigram_spec;
/* Make it the tokenizer's model. `words` and `scores` are kept, the rest is copied. */
swg_status swg_unigram_set(swg_tokenizer *tokenizer, const swg_unigram_spec *spec);

/* The ids of "<0xNN>" for each byte; -1 = none. */
void swg_byte_tokens(const swg_vocab *vocab, int32_t out[256]);

/* Value of "<0xNN>" (two hexadecimal digits), or -1. */
int swg_byte_token_value(const char *text, size_t length);

#endif
