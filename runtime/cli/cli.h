/* The command line: option tables and what is generated from them (parsing, --help, the man page,
 * shell completion). A subcommand is one file <folder>/cmd_<name>.c with one `const swg_command
 * swg_command_<name>` and one row in commands.def.
 *
 *     typedef struct arguments { const char *output; int64_t bits; bool force; } arguments;
 *     static const swg_option options[] = {
 *         SWG_OPTION_STRING(arguments, output, 'o', "output", "FILE", "where to write"),
 *         SWG_OPTION_INT(arguments, bits, 0, "bits", "N", 2, 8, "4", "bits per weight"),
 *         SWG_OPTION_FLAG(arguments, force, 0, "force", "replace an existing output"),
 *     };
 *
 * Contract of every subcommand (DESIGN section 6): the result on stdout, messages on stderr,
 * --json, statuses become exit codes. Options that every subcommand has (--json, --threads,
 * --quiet, --verbose, --no-progress, --color, --help) are added by the parser and reach run()
 * through swg_cli; the limits (--max-memory, --max-header) are applied before it runs. */
#ifndef SWG_RUNTIME_CLI_CLI_H
#define SWG_RUNTIME_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/thread.h"
#include "runtime/base/words.h"

typedef enum swg_option_kind {
    SWG_OPTION_IS_FLAG,   /* bool; --name */
    SWG_OPTION_IS_STRING, /* const char *; NULL when absent and without default */
    SWG_OPTION_IS_INT,    /* int64_t within [min, max] */
    SWG_OPTION_IS_DOUBLE, /* double within [min, max], finite; NaN when absent and without default
                           */
    SWG_OPTION_IS_CHOICE, /* const char *, one of `choices` ("a|b|c") */
    SWG_OPTION_IS_LIST    /* swg_string_list; the option may be repeated */
} swg_option_kind;

typedef struct swg_string_list {
    const char **items;
    size_t count;
} swg_string_list;

typedef struct swg_option {
    swg_option_kind kind;
    char letter;         /* short form, 0 = none */
    const char *name;    /* long form without dashes */
    const char *metavar; /* "FILE", "N"; for choices the choices themselves; NULL for flags */
    const char *help;    /* one sentence, lower case, no full stop */
    size_t offset;       /* of the value in the subcommand's arguments */
    const char *initial; /* default, as the user would type it; NULL = none (0, NaN, NULL, false) */
    double min, max;     /* numbers */
    const char *choices; /* "a|b|c" */
    bool is_required;
} swg_option;

#define SWG_OPTION_FLAG(type, field, short_letter, long_name, text)                                \
    {                                                                                              \
        .kind = SWG_OPTION_IS_FLAG, .letter = (short_letter), .name = (long_name), .help = (text), \
        .offset = offsetof(type, field)                                                            \
    }
#define SWG_OPTION_STRING(type, field, short_letter, long_name, value_name, text)                  \
    {                                                                                              \
        .kind = SWG_OPTION_IS_STRING, .letter = (short_letter), .name = (long_name),               \
        .metavar = (value_name), .help = (text), .offset = offsetof(type, field)                   \
    }
#define SWG_OPTION_LIST(type, field, short_letter, long_name, value_name, text)                    \
    {                                                                                              \
        .kind = SWG_OPTION_IS_LIST, .letter = (short_letter), .name = (long_name),                 \
        .metavar = (value_name), .help = (text), .offset = offsetof(type, field)                   \
    }
#define SWG_OPTION_INT(type, field, short_letter, long_name, value_name, least, most, fallback,    \
                       text)                                                                       \
    {                                                                                              \
        .kind = SWG_OPTION_IS_INT, .letter = (short_letter), .name = (long_name),                  \
        .metavar = (value_name), .min = (double)(least), .max = (double)(most),                    \
        .initial = (fallback), .help = (text), .offset = offsetof(type, field)                     \
    }
#define SWG_OPTION_DOUBLE(type, field, short_letter, long_name, value_name, least, most, fallback, \
                          text)                                                                    \
    {                                                                                              \
        .kind = SWG_OPTION_IS_DOUBLE, .letter = (short_letter), .name = (long_name),               \
        .metavar = (value_name), .min = (double)(least), .max = (double)(most),                    \
        .initial = (fallback), .help = (text), .offset = offsetof(type, field)                     \
    }
#define SWG_OPTION_CHOICE(type, field, short_letter, long_name, words, fallback, text)             \
    {                                                                                              \
        .kind = SWG_OPTION_IS_CHOICE, .letter = (short_letter), .name = (long_name),               \
        .metavar = (words), .choices = (words), .initial = (fallback), .help = (text),             \
        .offset = offsetof(type, field)                                                            \
    }

/* What run() gets besides its own arguments. */
typedef struct swg_cli {
    const char *command;
    bool json, quiet, verbose, color;
    size_t n_threads;             /* 0 = all */
    const swg_progress *progress; /* draws on stderr when that is a terminal; never NULL */
    const char *const *positionals;
    size_t n_positionals;
} swg_cli;

typedef struct swg_example {
    const char *command_line; /* "swage inspect model.swg" */
    const char *text;         /* what it does */
} swg_example;

/* An option that does nothing without another one: giving it alone is an error. */
typedef struct swg_option_need {
    const char *option, *needs; /* long forms without dashes */
} swg_option_need;

/* Two options of which one makes the other do nothing: giving both is an error. */
typedef struct swg_option_exclusion {
    const char *option, *excludes;
} swg_option_exclusion;

typedef struct swg_command {
    const char *name;
    const char *synopsis;    /* after "swage <name> ": "MODEL -o OUT [options]" */
    const char *summary;     /* one line */
    const char *description; /* paragraphs, separated by empty lines, for --help and the man page;
                                a line that starts with a blank is kept as it is */
    const swg_option *options;
    size_t n_options;
    const swg_option_need *needs; /* NULL = none */
    size_t n_needs;
    const swg_option_exclusion *exclusions; /* NULL = none */
    size_t n_exclusions;
    size_t arguments_bytes;                  /* size of the struct that options point into */
    size_t min_positionals, max_positionals; /* SIZE_MAX = any number */
    const swg_example *examples;
    size_t n_examples;
    swg_status (*run)(const swg_cli *cli, const void *arguments);
} swg_command;

/* Parse and run: the whole of main(). Returns the exit code. */
int swg_cli_main(int argc, char **argv);

/* All subcommands, ended by NULL. */
const swg_command *const *swg_cli_commands(void);

/* Styles of a printed result: the bytes that begin a style where output is coloured (--color), ""
 * elsewhere. SWG_STYLE_NONE ends every style. */
typedef enum swg_style {
    SWG_STYLE_NONE,
    SWG_STYLE_HEADING, /* headings, and the figures that were asked for */
    SWG_STYLE_GOOD,
    SWG_STYLE_BAD
} swg_style;
const char *swg_cli_style(const swg_cli *cli, swg_style style);

/* A message line on stderr (not with --quiet); `swg_cli_note` only with --verbose. */
__attribute__((format(printf, 2, 3))) void swg_cli_say(const swg_cli *cli, const char *format, ...);
__attribute__((format(printf, 2, 3))) void swg_cli_note(const swg_cli *cli, const char *format,
                                                        ...);

/* Start the --json result of a subcommand: opens the object and writes "schema" (1), "command" and
 * "version". swg_cli_json_print closes it, prints it on stdout and releases the writer; it is a
 * subcommand's last step, so that stdout stays empty when the subcommand fails. */
void swg_cli_json_begin(const swg_cli *cli, swg_json_writer *json);
swg_status swg_cli_json_print(swg_json_writer *json);

/* Write text to stdout and flush it; SWG_IO when that fails (output redirected to a full disk). */
swg_status swg_cli_print(const char *text, size_t length);

#endif
