/* What is generated from the command tables: --help, the man page, shell completion. */
#ifndef SWG_RUNTIME_CLI_HELP_H
#define SWG_RUNTIME_CLI_HELP_H

#include "runtime/base/strbuf.h"
#include "runtime/cli/cli.h"

/* Tables are lists of commands ended by NULL. Failure is recorded in the buffer
 * (swg_strbuf_status). */
void swg_help_program(const swg_command *const *commands, swg_strbuf *out);
void swg_help_command(const swg_command *command, swg_strbuf *out);

/* The same for programs, into an object that is open: "commands", or the members of one command. */
void swg_help_program_json(const swg_command *const *commands, swg_json_writer *json);
void swg_help_command_json(const swg_command *command, swg_json_writer *json);

/* swage(1) in the man macros of roff. */
void swg_help_manual(const swg_command *const *commands, swg_strbuf *out);

/* A completion script for "bash", "zsh" or "fish"; passing another name is the caller's mistake. */
void swg_help_completion(const swg_command *const *commands, const char *shell, swg_strbuf *out);

/* Shared by help.c and manual.c: "(2 to 8, default 4)", "(required)", "(may be repeated)" or "". */
enum { SWG_HELP_LIMITS_BYTES = 160 };
const char *swg_help_limits(const swg_option *option, char out[SWG_HELP_LIMITS_BYTES]);

/* Environment variables and their meanings, ended by a NULL name. */
typedef struct swg_help_variable {
    const char *name, *meaning;
} swg_help_variable;
extern const swg_help_variable swg_help_variables[];

/* Call `paragraph` for each paragraph of a description and `verbatim` for each line that starts
 * with a blank (kept as it is). */
void swg_help_each_paragraph(const char *text, swg_strbuf *out,
                             void (*paragraph)(swg_strbuf *out, const char *text, size_t length),
                             void (*verbatim)(swg_strbuf *out, const char *text, size_t length));

#endif
