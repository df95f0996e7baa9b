/* Patterns of tokenizer.json, matched as Oniguruma (the engine behind Hugging Face's tokenizers)
 * does. A pattern comes from a file and may be made to explode: every step of a match spends from
 * the text's budget, and one attempt stops at fixed limits.
 * Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_MATCH_REGEX_H
#define SWG_RUNTIME_TEXT_MATCH_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/text/work.h"

typedef struct swg_regex swg_regex;

/* Compile `pattern` (a regular expression, or plain text when `is_literal`) and put it in front of
 * *list. SWG_UNSUPPORTED, naming it, for constructs that would mean something else here than where
 * the pattern comes from; SWG_NO_MEMORY. */
swg_status swg_regex_compile(const char *pattern, bool is_literal, swg_regex **list);

/* Free a whole list and clear *list. */
void swg_regex_free_list(swg_regex **list);

/* Working memory of one thread. Zero-initialise but for `work`, the budget that matching spends. */
typedef struct swg_regex_scratch {
    swg_work *work;
    size_t at;         /* in the text: where the last step was */
    swg_status status; /* of spending */
    struct pcre2_real_match_data_8 *match;
    struct pcre2_real_match_context_8 *context;
    struct pcre2_real_jit_stack_8 *stack;
} swg_regex_scratch;

void swg_regex_scratch_deinit(swg_regex_scratch *scratch);

/* First match at or after `from` in `text`, which is valid UTF-8 as a whole; *begin == *end for an
 * empty match, *begin == SIZE_MAX for none. SWG_LIMIT when the budget or a limit is reached. The
 * pattern may be used by several threads, each with its own scratch, which stays where it is. */
swg_status swg_regex_next(const swg_regex *regex, swg_regex_scratch *scratch, const char *text,
                          size_t length, size_t from, size_t *begin, size_t *end);

#endif
