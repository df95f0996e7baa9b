/* What makes an encoder one of sentences: how the rows that it gives for a text's tokens become one
 * vector. Read from the files of a sentence-transformers folder, which every format carries. */
#ifndef SWG_RUNTIME_SENTENCE_H
#define SWG_RUNTIME_SENTENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"

typedef enum swg_pooling {
#define SWG_POOLING(name, key, meaning) SWG_POOLING_##name,
#include "runtime/poolings.def"
#undef SWG_POOLING
    SWG_POOLING_COUNT
} swg_pooling;

/* "cls|max|mean|...", for options. */
#define SWG_POOLING_CHOICES (swg_pooling_choices + 1)
extern const char swg_pooling_choices[];
const char *swg_pooling_name(swg_pooling pooling);

/* A text that goes before every text of a kind: "query" -> "query: ". */
typedef struct swg_prompt {
    const char *name, *text;
} swg_prompt;

/* Zero-initialise to start. */
typedef struct swg_sentence {
    unsigned poolings;  /* bits 1 << swg_pooling */
    bool normalizes;    /* vectors have length 1 */
    bool lowers_case;   /* of texts, before they are tokenized */
    bool leaves_prompt; /* the prompt's tokens take no part in pooling */
    size_t max_tokens;  /* of a text, special ones included; 0 = the model's positions */
    swg_prompt *prompts;
    size_t n_prompts;
    const char *default_prompt; /* name of one of them, or NULL */
    swg_arena arena;
} swg_sentence;

/* Whether the checkpoint is an encoder that carries modules.json: then it gives vectors, whatever
 * head its configuration names. SWG_NO_MEMORY. */
swg_status swg_sentence_is_declared(const swg_source *source, bool *out);

/* Read modules.json, 1_Pooling/config.json, sentence_bert_config.json, tokenizer_config.json
 * (model_max_length) and config_sentence_transformers.json. Without modules.json: mean pooling, not
 * normalized, which is what sentence-transformers does then. SWG_UNSUPPORTED, naming it, for a
 * module other than Transformer, Pooling and Normalize, in that order; SWG_CORRUPT for files that
 * contradict themselves. Free with swg_sentence_deinit, after a failure too. */
swg_status swg_sentence_read(swg_source *source, swg_sentence *out);

/* The same from files in memory, by their names; others are not looked at. */
swg_status swg_sentence_read_files(const swg_file_view *files, size_t n, swg_sentence *out);
void swg_sentence_deinit(swg_sentence *sentence);

/* The prompt of that name; NULL = the default one, "" where there is none. SWG_USAGE, listing the
 * names, for an unknown one. */
swg_status swg_sentence_prompt(const swg_sentence *sentence, const char *name, const char **text);

#endif
