/* Parsing of a subcommand's arguments by its option table and the common one. Every deviation from
 * the tables is reported by a sentence that names the option and, where there is a similar name,
 * the one that was probably meant. Nothing here depends on the locale. */
#include "runtime/cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/foreign_words.h"

enum { MAX_WORDS_SUGGESTED = 64, MAX_WORD_SHOWN = 200 };

const swg_option swg_common_options[SWG_N_COMMON_OPTIONS] = {
    SWG_OPTION_FLAG(swg_common_arguments, json, 0, "json", "print the result as JSON"),
    SWG_OPTION_INT(swg_common_arguments, n_threads, 't', "threads", "N", 0, 1024, "0",
                   "worker threads; 0 means one per processor"),
    SWG_OPTION_FLAG(swg_common_arguments, quiet, 'q', "quiet",
                    "suppress messages and progress on standard error"),
    SWG_OPTION_FLAG(swg_common_arguments, verbose, 'v', "verbose",
                    "print more messages on standard error"),
    SWG_OPTION_FLAG(swg_common_arguments, no_progress, 0, "no-progress",
                    "draw no progress bar, even on a terminal"),
    SWG_OPTION_CHOICE(swg_common_arguments, color, 0, "color", "auto|always|never", "auto",
                      "colour the result; auto: on a terminal, unless NO_COLOR is set"),
    SWG_OPTION_STRING(
        swg_common_arguments, max_memory, 0, "max-memory", "N",
        "fail rather than allocate more than N bytes (K, M, G: KiB, MiB, GiB); mapped "
        "files do not count"),
    SWG_OPTION_STRING(swg_common_arguments, max_header, 0, "max-header", "N",
                      "refuse inputs with a header, index or directory of more than N bytes"),
    SWG_OPTION_FLAG(swg_common_arguments, help, 'h', "help", "print this help"),
};

typedef struct parser {
    const swg_command *command;
    const char *const *words;
    size_t count, next; /* arguments, and the first not yet read */
    bool *seen;         /* the command's options, then the common ones */
    swg_parsed *out;
} parser;

static size_t option_count(const swg_command *command)
{
    return command->n_options + SWG_N_COMMON_OPTIONS;
}

static const swg_option *option_at(const swg_command *command, size_t index)
{
    return index < command->n_options ? &command->options[index]
                                      : &swg_common_options[index - command->n_options];
}

/* The place of the value of option `index`. */
static void *value_at(const parser *p, size_t index)
{
    char *base =
        index < p->command->n_options ? (char *)p->out->arguments : (char *)&p->out->common;
    return base + option_at(p->command, index)->offset;
}

bool swg_choice_word(const char *choices, size_t index, const char **word, size_t *length)
{
    const char *at = choices;
    for (; index > 0; index--) {
        at = strchr(at, '|');
        if (!at)
            return false;
        at++;
    }
    *word = at;
    *length = strcspn(at, "|");
    return true;
}

static swg_status refuse_choice(const swg_option *option, const char *text)
{
    const char *answer = swg_foreign_value(text);
    if (answer)
        return swg_error(SWG_USAGE, "option --%s: \"%.*s\" is not one of %s; %s", option->name,
                         MAX_WORD_SHOWN, text, option->choices, answer);
    char words[MAX_WORDS_SUGGESTED][32];
    const char *candidates[MAX_WORDS_SUGGESTED], *word;
    size_t n = 0, length;
    while (n < MAX_WORDS_SUGGESTED && swg_choice_word(option->choices, n, &word, &length)) {
        snprintf(words[n], sizeof words[n], "%.*s", (int)length, word);
        candidates[n] = words[n];
        n++;
    }
    const char *near = swg_nearest_word(text, candidates, n);
    return swg_error(SWG_USAGE, "option --%s: \"%.*s\" is not one of %s%s%s%s", option->name,
                     MAX_WORD_SHOWN, text, option->choices, near ? "; did you mean " : "",
                     near ? near : "", near ? "?" : "");
}

static swg_status store_choice(const swg_option *option, const char *text, const char **value)
{
    const char *word;
    size_t length;
    for (size_t i = 0; swg_choice_word(option->choices, i, &word, &length); i++)
        if (strlen(text) == length && memcmp(text, word, length) == 0) {
            *value = text;
            return SWG_OK;
        }
    return refuse_choice(option, text);
}

static swg_status refuse_range(const swg_option *option, const char *text)
{
    const char *format = option->kind == SWG_OPTION_IS_INT
                             ? "option --%s: %.*s is not between %.0f and %.0f"
                             : "option --%s: %.*s is not between %.15g and %.15g";
    return swg_error(SWG_USAGE, format, option->name, MAX_WORD_SHOWN, text, option->min,
                     option->max);
}

static swg_status store_int(const swg_option *option, const char *text, int64_t *value)
{
    const char *digits = text + (*text == '-');
    if (!*digits || digits[strspn(digits, "0123456789")])
        return swg_error(SWG_USAGE, "option --%s: \"%.*s\" is not a whole number", option->name,
                         MAX_WORD_SHOWN, text);
    errno = 0;
    const long long number = strtoll(text, NULL, 10);
    if (errno == ERANGE || (double)number < option->min || (double)number > option->max)
        return refuse_range(option, text);
    *value = number;
    return SWG_OK;
}

static swg_status store_double(const swg_option *option, const char *text, double *value)
{
    char *end;
    /* The character set excludes what strtod also accepts: blanks, hexadecimal, inf and nan. */
    const bool is_plain = *text && text[strspn(text, "0123456789+-.eE")] == '\0';
    const double number = is_plain ? strtod(text, &end) : 0;
    if (!is_plain || *end || end == text)
        return swg_error(SWG_USAGE, "option --%s: \"%.*s\" is not a number", option->name,
                         MAX_WORD_SHOWN, text);
    if (!isfinite(number) || number < option->min || number > option->max)
        return refuse_range(option, text);
    *value = number;
    return SWG_OK;
}

static swg_status append(parser *p, swg_string_list *list, const char *text)
{
    /* No list can be longer than the command line plus its default. */
    if (!list->items) {
        list->items = swg_arena_calloc(&p->out->arena, p->count + 1, sizeof *list->items);
        if (!list->items)
            return SWG_NO_MEMORY;
    }
    list->items[list->count++] = text;
    return SWG_OK;
}

static swg_status store(parser *p, size_t index, const char *text)
{
    const swg_option *option = option_at(p->command, index);
    void *value = value_at(p, index);
    switch (option->kind) {
    case SWG_OPTION_IS_FLAG:
        *(bool *)value = true;
        return SWG_OK;
    case SWG_OPTION_IS_STRING:
        *(const char **)value = text;
        return SWG_OK;
    case SWG_OPTION_IS_INT:
        return store_int(option, text, value);
    case SWG_OPTION_IS_DOUBLE:
        return store_double(option, text, value);
    case SWG_OPTION_IS_CHOICE:
        return store_choice(option, text, value);
    case SWG_OPTION_IS_LIST:
        return append(p, value, text);
    }
    return swg_error(SWG_FAILED, "option --%s is of an unknown kind", option->name);
}

static swg_status set_defaults(parser *p)
{
    for (size_t i = 0; i < option_count(p->command); i++) {
        const swg_option *option = option_at(p->command, i);
        if (option->initial)
            SWG_TRY(store(p, i, option->initial));
        else if (option->kind == SWG_OPTION_IS_DOUBLE)
            *(double *)value_at(p, i) = NAN;
    }
    return SWG_OK;
}

static swg_status mark_seen(parser *p, size_t index)
{
    const swg_option *option = option_at(p->command, index);
    if (p->seen[index] && option->kind != SWG_OPTION_IS_LIST)
        return swg_error(SWG_USAGE, "option --%s is given twice", option->name);
    p->seen[index] = true;
    return SWG_OK;
}

/* An argument that looks like an option is not taken as a value (--output --force is a mistake, and
 * would write a file called "--force"); a negative number or a lone "-" is. */
static bool can_be_value(const char *word)
{
    return word[0] != '-' || word[1] == '\0' || word[1] == '.' ||
           (word[1] >= '0' && word[1] <= '9');
}

static swg_status take_value(parser *p, size_t index)
{
    const swg_option *option = option_at(p->command, index);
    if (p->next < p->count && can_be_value(p->words[p->next]))
        return store(p, index, p->words[p->next++]);
    if (p->next < p->count)
        return swg_error(SWG_USAGE,
                         "option --%s needs a value; one that starts with a dash is "
                         "written --%s=%.*s",
                         option->name, option->name, MAX_WORD_SHOWN, p->words[p->next]);
    return swg_error(SWG_USAGE, "option --%s needs a value", option->name);
}

static bool begins_with_no(const char *name)
{
    return strncmp(name, "no-", 3) == 0;
}

/* Options that end in the same way but mean the opposite ("--no-x" of "--x") are not suggested. */
static swg_status refuse_long(const swg_command *command, const char *name)
{
    const char *candidates[MAX_WORDS_SUGGESTED];
    size_t n = 0;
    if (swg_foreign_option_refuse(command, "--", name))
        return SWG_USAGE;
    for (size_t i = 0; i < option_count(command) && n < MAX_WORDS_SUGGESTED; i++)
        if (begins_with_no(option_at(command, i)->name) == begins_with_no(name))
            candidates[n++] = option_at(command, i)->name;
    const char *near = swg_nearest_word(name, candidates, n);
    return near ? swg_error(SWG_USAGE, "unknown option --%.*s; did you mean --%s?", MAX_WORD_SHOWN,
                            name, near)
                : swg_error(SWG_USAGE, "unknown option --%.*s", MAX_WORD_SHOWN, name);
}

static swg_status parse_long(parser *p, const char *text)
{
    const size_t length = strcspn(text, "=");
    const char *attached = text[length] ? text + length + 1 : NULL;
    for (size_t i = 0; i < option_count(p->command); i++) {
        const swg_option *option = option_at(p->command, i);
        if (strlen(option->name) != length || memcmp(option->name, text, length) != 0)
            continue;
        SWG_TRY(mark_seen(p, i));
        const bool is_flag = option->kind == SWG_OPTION_IS_FLAG;
        if (is_flag && attached)
            return swg_error(SWG_USAGE, "option --%s takes no value", option->name);
        return is_flag || attached ? store(p, i, attached) : take_value(p, i);
    }
    char name[MAX_WORD_SHOWN + 1];
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    return refuse_long(p->command, name);
}

static swg_status refuse_letter(const swg_command *command, char letter)
{
    if (swg_foreign_option_refuse(command, "-", (const char[]){letter, '\0'}))
        return SWG_USAGE;
    return swg_error(SWG_USAGE, "unknown option -%c", letter);
}

static size_t find_letter(const swg_command *command, char letter)
{
    size_t i = 0;
    while (i < option_count(command) && option_at(command, i)->letter != letter)
        i++;
    return i;
}

static bool are_flags(const swg_command *command, const char *letters)
{
    for (; *letters; letters++) {
        const size_t i = find_letter(command, *letters);
        if (i == option_count(command) || option_at(command, i)->kind != SWG_OPTION_IS_FLAG)
            return false;
    }
    return true;
}

/* "-qv", "-t4", "-qt 4": flags, the last of which may be an option with a value. */
static swg_status parse_short(parser *p, const char *letters)
{
    /* Other programs have long options with one dash: "-ngl" is not -n with the value "gl". */
    if (letters[1] && !are_flags(p->command, letters) &&
        swg_foreign_option_refuse(p->command, "-", letters))
        return SWG_USAGE;
    for (; *letters; letters++) {
        const size_t i = find_letter(p->command, *letters);
        if (i == option_count(p->command))
            return refuse_letter(p->command, *letters);
        SWG_TRY(mark_seen(p, i));
        if (option_at(p->command, i)->kind != SWG_OPTION_IS_FLAG)
            return letters[1] ? store(p, i, letters + 1) : take_value(p, i);
        SWG_TRY(store(p, i, NULL));
    }
    return SWG_OK;
}

static swg_status parse_words(parser *p)
{
    bool options_ended = false;
    while (p->next < p->count) {
        const char *word = p->words[p->next++];
        if (options_ended || word[0] != '-' || word[1] == '\0')
            p->out->positionals[p->out->n_positionals++] = word;
        else if (word[1] != '-')
            SWG_TRY(parse_short(p, word + 1));
        else if (word[2] != '\0')
            SWG_TRY(parse_long(p, word + 2));
        else
            options_ended = true;
    }
    return SWG_OK;
}

/* What an argument too many was probably meant as. */
static swg_status refuse_argument(const swg_command *command, const char *word)
{
    static const struct {
        const char *option, *hint;
    } meant[] = {{"output", "; the output is given by --output"},
                 {"prompt", "; a prompt is given by --prompt"},
                 {"text", "; a text is given by --text"}};
    const char *answer = swg_foreign_value(word), *hint = "";
    for (size_t m = 0; m < sizeof meant / sizeof *meant && !*hint; m++)
        for (size_t i = 0; i < command->n_options && !*hint; i++)
            if (strcmp(command->options[i].name, meant[m].option) == 0)
                hint = meant[m].hint;
    return swg_error(SWG_USAGE, "unexpected argument \"%.*s\"%s%s", MAX_WORD_SHOWN, word,
                     answer ? "; " : hint, answer ? answer : "");
}

static bool is_given(const parser *p, const char *name)
{
    for (size_t i = 0; i < p->command->n_options; i++)
        if (strcmp(p->command->options[i].name, name) == 0)
            return p->seen[i];
    return false;
}

static swg_status check_needs(const parser *p)
{
    for (size_t i = 0; i < p->command->n_needs; i++) {
        const swg_option_need *need = &p->command->needs[i];
        if (is_given(p, need->option) && !is_given(p, need->needs))
            return swg_error(SWG_USAGE, "--%s is of use only with --%s", need->option, need->needs);
    }
    return SWG_OK;
}

static swg_status check_exclusions(const parser *p)
{
    for (size_t i = 0; i < p->command->n_exclusions; i++) {
        const swg_option_exclusion *pair = &p->command->exclusions[i];
        if (is_given(p, pair->option) && is_given(p, pair->excludes))
            return swg_error(SWG_USAGE, "--%s and --%s exclude each other", pair->option,
                             pair->excludes);
    }
    return SWG_OK;
}

static swg_status check_complete(const parser *p)
{
    const swg_command *command = p->command;
    const size_t given = p->out->n_positionals;
    if (given < command->min_positionals)
        return swg_error(SWG_USAGE, "%zu of %s%zu arguments given: %s", given,
                         command->max_positionals > command->min_positionals ? "at least " : "",
                         command->min_positionals, command->synopsis);
    if (given > command->max_positionals)
        return refuse_argument(command, p->out->positionals[command->max_positionals]);
    for (size_t i = 0; i < command->n_options; i++)
        if (command->options[i].is_required && !p->seen[i])
            return swg_error(SWG_USAGE, "option --%s is required", command->options[i].name);
    SWG_TRY(check_needs(p));
    SWG_TRY(check_exclusions(p));
    if (p->out->common.quiet && p->out->common.verbose)
        return swg_error(SWG_USAGE, "options --quiet and --verbose exclude each other");
    return SWG_OK;
}

swg_status swg_options_parse(const swg_command *command, const char *const *words, size_t count,
                             swg_parsed *out)
{
    swg_status status = SWG_OK;
    swg_parsed parsed = {0};
    parser p = {.command = command, .words = words, .count = count, .out = &parsed};
    p.seen = swg_arena_calloc(&parsed.arena, option_count(command), sizeof *p.seen);
    parsed.positionals = swg_arena_calloc(&parsed.arena, count, sizeof *parsed.positionals);
    parsed.arguments = swg_arena_calloc(&parsed.arena, command->arguments_bytes, 1);
    if (!p.seen || !parsed.positionals || !parsed.arguments)
        SWG_GO(SWG_NO_MEMORY);
    SWG_GO(set_defaults(&p));
    SWG_GO(parse_words(&p));
    if (!parsed.common.help)
        SWG_GO(check_complete(&p));
    *out = parsed;
    parsed = (swg_parsed){0};
done:
    swg_parsed_deinit(&parsed);
    return status;
}

void swg_parsed_deinit(swg_parsed *parsed)
{
    swg_arena_deinit(&parsed->arena);
    *parsed = (swg_parsed){0};
}
