/* Parsing by option tables, separate from main() so that tests can call it. */
#ifndef SWG_RUNTIME_CLI_OPTIONS_H
#define SWG_RUNTIME_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/cli/cli.h"

/* Values of the options that every subcommand has. */
typedef struct swg_common_arguments {
    bool json, quiet, verbose, no_progress, help;
    int64_t n_threads;
    const char *color;                   /* "auto", "always" or "never" */
    const char *max_memory, *max_header; /* NULL = no limit */
} swg_common_arguments;

enum { SWG_N_COMMON_OPTIONS = 9 };
extern const swg_option swg_common_options[SWG_N_COMMON_OPTIONS];

/* A parsed command line. Strings are views of argv and of the option tables; the rest lives in the
 * arena. */
typedef struct swg_parsed {
    swg_common_arguments common;
    void *arguments; /* command->arguments_bytes */
    const char **positionals;
    size_t n_positionals;
    swg_arena arena;
} swg_parsed;

/* Parse the `count` arguments after the subcommand's name. SWG_USAGE with a sentence for anything
 * that the tables do not allow; with --help, required options and positionals may be missing.
 * SWG_NO_MEMORY. On failure nothing is held. Release with swg_parsed_deinit. */
swg_status swg_options_parse(const swg_command *command, const char *const *words, size_t count,
                             swg_parsed *out);
void swg_parsed_deinit(swg_parsed *parsed);

/* The `index`-th choice of "a|b|c" as a view; false after the last one. */
bool swg_choice_word(const char *choices, size_t index, const char **word, size_t *length);

#endif
