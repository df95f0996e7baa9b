/* Items of multiple choice: what is put before the model, and which ending is right. */
#ifndef SWG_EVAL_CHOICE_ITEM_H
#define SWG_EVAL_CHOICE_ITEM_H

#include "formats/json/json_lines.h"
#include "runtime/base/strbuf.h"

typedef enum swg_choice_format {
#define SWG_CHOICE_FORMAT(id, text) SWG_CHOICE_FORMAT_##id,
#include "eval/choice_formats.def"
#undef SWG_CHOICE_FORMAT
    SWG_CHOICE_FORMAT_COUNT
} swg_choice_format;

/* The names as an option's choices: "choices|...". */
#define SWG_CHOICE_FORMAT_CHOICES (&swg_choice_format_words[1])
static const char swg_choice_format_words[] = ""
#define SWG_CHOICE_FORMAT(id, text) "|" #id
#include "eval/choice_formats.def"
#undef SWG_CHOICE_FORMAT
    ;

swg_choice_format swg_choice_format_named(const char *name); /* of the table */
const char *swg_choice_format_name(swg_choice_format format);

enum { SWG_MAX_CHOICES = 64 };

/* One item; zero-initialise, reuse, and free with swg_choice_item_deinit. Choice i is the text
 * contexts[i] followed by endings[i]; scores are those of the ending. */
typedef struct swg_choice_item {
    swg_strbuf contexts[SWG_MAX_CHOICES], endings[SWG_MAX_CHOICES];
    size_t characters[SWG_MAX_CHOICES], bytes[SWG_MAX_CHOICES]; /* of the choice as it is given */
    size_t n_choices, gold;
} swg_choice_item;

/* Read the object of a line. `prefix` (few-shot examples; "" for none) is put before every context.
 * SWG_CORRUPT naming `where` for missing or mistyped members, fewer than 2 or more than
 * SWG_MAX_CHOICES choices, an empty choice, and a right answer that is none of them;
 * SWG_NO_MEMORY. */
swg_status swg_choice_item_read(swg_choice_format format, const swg_json *root, const char *where,
                                const char *prefix, swg_choice_item *item);
void swg_choice_item_deinit(swg_choice_item *item);

#endif
