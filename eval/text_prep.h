/* Preparing a text before it is tokenized, as published figures on WikiText do it. The rules are
 * theirs, quirks included, since figures compare only then. */
#ifndef SWG_EVAL_TEXT_PREP_H
#define SWG_EVAL_TEXT_PREP_H

#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

typedef enum swg_text_prep {
#define SWG_TEXT_PREP(id, name, text) SWG_TEXT_PREP_##id,
#include "eval/text_preps.def"
#undef SWG_TEXT_PREP
    SWG_TEXT_PREP_COUNT
} swg_text_prep;

/* The names as an option's choices: "raw|...". */
#define SWG_TEXT_PREP_CHOICES (&swg_text_prep_words[1])
static const char swg_text_prep_words[] = ""
#define SWG_TEXT_PREP(id, name, text) "|" name
#include "eval/text_preps.def"
#undef SWG_TEXT_PREP
    ;

const char *swg_text_prep_name(swg_text_prep prep);
swg_text_prep
swg_text_prep_named(const char *name); /* of the table; SWG_TEXT_PREP_COUNT otherwise */

/* A prepared text. Free with swg_prepared_text_deinit. */
typedef struct swg_prepared_text {
    swg_strbuf text;
    size_t *ends; /* [n_documents] where each document ends in the text */
    size_t n_documents, capacity;
    size_t bytes, words; /* of the text before it was prepared, its documents counted one by one:
                            words are what lies between runs of white space, as Python's
                            re.split(r"\s+") counts them */
} swg_prepared_text;

/* `text` [length], UTF-8, need not end with 0. SWG_NO_MEMORY. */
swg_status swg_text_prepare(swg_text_prep prep, const char *text, size_t length,
                            swg_prepared_text *out);
void swg_prepared_text_deinit(swg_prepared_text *prepared);

#endif
