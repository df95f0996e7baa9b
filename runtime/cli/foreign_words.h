/* Words of other programs: what they are called here (foreign_words.def). */
#ifndef SWG_RUNTIME_CLI_FOREIGN_WORDS_H
#define SWG_RUNTIME_CLI_FOREIGN_WORDS_H

#include <stdbool.h>

#include "runtime/base/status.h"
#include "runtime/cli/cli.h"

/* A sentence about a command of that name; NULL when the word is not known. */
const char *swg_foreign_command(const char *word);

/* The same for a value or an argument that has no place. */
const char *swg_foreign_value(const char *word);

/* Record the refusal of an option (without its dashes, which are `dashes` of the sentence) that
 * `command` does not have; false, and nothing recorded, when the word is not known. */
bool swg_foreign_option_refuse(const swg_command *command, const char *dashes, const char *word);

#endif
