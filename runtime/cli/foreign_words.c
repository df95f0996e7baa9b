/* Looking up words of other programs: see foreign_words.def. */
#include "runtime/cli/foreign_words.h"

#include <ctype.h>
#include <string.h>

#include "runtime/base/words.h"
#include "runtime/cli/options.h"

enum { MAX_WORD = 64 };

const char *swg_foreign_command(const char *word)
{
    static const struct {
        const char *word, *answer;
    } rows[] = {
#define SWG_FOREIGN_COMMAND(word, answer) {word, answer},
#include "runtime/cli/foreign_words.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].word, word) == 0)
            return rows[i].answer;
    return NULL;
}

const char *swg_foreign_value(const char *word)
{
    static const struct {
        const char *pattern, *answer;
    } rows[] = {
#define SWG_FOREIGN_VALUE(pattern, answer) {pattern, answer},
#include "runtime/cli/foreign_words.def"
    };
    char lower[MAX_WORD];
    const size_t length = strlen(word);
    if (length >= sizeof lower)
        return NULL;
    for (size_t i = 0; i <= length; i++)
        lower[i] = (char)tolower((unsigned char)word[i]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (swg_pattern_matches(rows[i].pattern, lower))
            return rows[i].answer;
    return NULL;
}

static bool has_option(const swg_command *command, const char *name, size_t length)
{
    for (size_t i = 0; i < command->n_options + SWG_N_COMMON_OPTIONS; i++) {
        const swg_option *option = i < command->n_options
                                       ? &command->options[i]
                                       : &swg_common_options[i - command->n_options];
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return true;
    }
    return false;
}

/* The first of the names, separated by blanks, that the command has as an option; its length is 0
 * when it has none. */
static const char *first_option(const swg_command *command, const char *names, size_t *length)
{
    for (; *names; names += strspn(names, " ")) {
        *length = strcspn(names, " ");
        if (has_option(command, names, *length))
            return names;
        names += *length;
    }
    *length = 0;
    return names;
}

bool swg_foreign_option_refuse(const swg_command *command, const char *dashes, const char *word)
{
    static const struct {
        const char *word, *same, *answer;
    } rows[] = {
#define SWG_FOREIGN_OPTION(word, same, answer) {word, same, answer},
#include "runtime/cli/foreign_words.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].word, word) != 0)
            continue;
        size_t length = 0;
        const char *same = first_option(command, rows[i].same, &length);
        if (length > 0)
            swg_error(SWG_USAGE, "unknown option %s%s; here it is --%.*s", dashes, word,
                      (int)length, same);
        else
            swg_error(SWG_USAGE, "unknown option %s%s; %s", dashes, word, rows[i].answer);
        return true;
    }
    return false;
}
