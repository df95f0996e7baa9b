/* The main flow: choose the subcommand, parse, run, turn the status into a sentence and an exit
 * code. What comes before the subcommand (--help, --version ...) is one more table, so it is parsed
 * by the same rules. */
#include "runtime/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/notice.h"
#include "runtime/base/header_limit.h"
#include "runtime/cli/foreign_words.h"
#include "runtime/cli/help.h"
#include "runtime/cli/options.h"
#include "runtime/cli/signals.h"
#include "runtime/cli/terminal_progress.h"

enum { JSON_SCHEMA = 1, MAX_COMMANDS = 64 };

#define SWG_COMMAND(name, folder) extern const swg_command swg_command_##name;
#include "runtime/cli/commands.def"
#undef SWG_COMMAND

static const swg_command *const all_commands[] = {
#define SWG_COMMAND(name, folder) &swg_command_##name,
#include "runtime/cli/commands.def"
#undef SWG_COMMAND
    NULL,
};

const swg_command *const *swg_cli_commands(void)
{
    return all_commands;
}

/* The progress line of this process: other output to standard error wipes it first. */
static swg_terminal_progress terminal_progress;

static swg_status print_buffer(swg_strbuf *buffer)
{
    swg_status status = swg_strbuf_status(buffer);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(buffer), buffer->length);
    swg_strbuf_deinit(buffer);
    return status;
}

static const swg_command *find_command(const char *name)
{
    for (const swg_command *const *command = all_commands; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

static swg_status refuse_command(const char *name)
{
    const char *answer = swg_foreign_command(name);
    if (answer)
        return swg_error(SWG_USAGE, "unknown command \"%s\"; %s", name, answer);
    const char *names[MAX_COMMANDS] = {"help"};
    size_t n = 1;
    for (const swg_command *const *command = all_commands; *command && n < MAX_COMMANDS; command++)
        names[n++] = (*command)->name;
    const char *near = swg_nearest_word(name, names, n);
    return swg_error(SWG_USAGE, "unknown command \"%.100s\"%s%s%s", name,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static swg_status print_help(const swg_command *command, bool as_json)
{
    swg_strbuf text = {0};
    swg_json_writer json = {0};
    if (as_json) {
        swg_cli_json_begin(&(swg_cli){.command = "help"}, &json);
        if (command)
            swg_help_command_json(command, &json);
        else
            swg_help_program_json(all_commands, &json);
        return swg_cli_json_print(&json);
    }
    if (command)
        swg_help_command(command, &text);
    else
        swg_help_program(all_commands, &text);
    return print_buffer(&text);
}

static swg_status run_help(const swg_cli *cli, const void *arguments)
{
    (void)arguments;
    if (cli->n_positionals == 0)
        return print_help(NULL, cli->json);
    const swg_command *command = find_command(cli->positionals[0]);
    return command ? print_help(command, cli->json) : refuse_command(cli->positionals[0]);
}

static const swg_command help_command = {
    .name = "help",
    .synopsis = "[COMMAND]",
    .summary = "print the help of a command",
    .max_positionals = 1,
    .run = run_help,
};

typedef struct program_arguments {
    bool version, manual;
    const char *completion;
} program_arguments;

static swg_status run_program(const swg_cli *cli, const void *arguments)
{
    const program_arguments *a = arguments;
    swg_strbuf text = {0};
    if (cli->n_positionals > 0)
        return swg_error(SWG_USAGE, "a command must come first, options after it");
    if (a->version)
        return find_command("version")->run(cli, NULL);
    if (a->manual)
        swg_help_manual(all_commands, &text);
    else if (a->completion)
        swg_help_completion(all_commands, a->completion, &text);
    else
        return swg_error(SWG_USAGE, "a command must come first, options after it");
    return print_buffer(&text);
}

/* Options in place of a subcommand. The man page is generated for the installation, so --help does
 * not show --man. */
static const swg_option program_options[] = {
    SWG_OPTION_FLAG(program_arguments, version, 'V', "version", "print the version"),
    SWG_OPTION_FLAG(program_arguments, manual, 0, "man", "print the man page"),
    SWG_OPTION_CHOICE(program_arguments, completion, 0, "completion", "bash|zsh|fish", NULL,
                      "print a completion script"),
};
static const swg_command program_command = {
    .name = "version",
    .synopsis = "COMMAND",
    .summary = "model compression and quantization toolchain",
    .options = program_options,
    .n_options = sizeof program_options / sizeof program_options[0],
    .arguments_bytes = sizeof(program_arguments),
    .max_positionals = SIZE_MAX,
    .run = run_program,
};

/* Whether the result, which goes to standard output, may be coloured. */
static bool want_color(const char *choice)
{
    if (strcmp(choice, "auto") != 0)
        return strcmp(choice, "always") == 0;
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    const bool is_refused = (no_color && *no_color) || !terminal || strcmp(terminal, "dumb") == 0;
    return !is_refused && isatty(STDOUT_FILENO);
}

const char *swg_cli_style(const swg_cli *cli, swg_style style)
{
    static const char *const bytes[] = {
        [SWG_STYLE_NONE] = "\033[0m",
        [SWG_STYLE_HEADING] = "\033[1m",
        [SWG_STYLE_GOOD] = "\033[32m",
        [SWG_STYLE_BAD] = "\033[31m",
    };
    return cli->color ? bytes[style] : "";
}

static swg_status set_limits(const swg_common_arguments *common)
{
    uint64_t memory = 0, header = 0;
    if (common->max_memory)
        SWG_TRY(swg_parse_bytes("max-memory", common->max_memory, &memory));
    if (common->max_header)
        SWG_TRY(swg_parse_bytes("max-header", common->max_header, &header));
    swg_mem_set_limit(memory);
    swg_header_limit_set(header);
    return SWG_OK;
}

static swg_status run_parsed(const swg_command *command, const swg_parsed *parsed)
{
    const swg_common_arguments *common = &parsed->common;
    swg_progress progress;
    SWG_TRY(set_limits(common));
    swg_terminal_progress_init(&terminal_progress, STDERR_FILENO,
                               !common->quiet && !common->no_progress, &progress);
    const swg_cli cli = {
        .command = command->name,
        .json = common->json,
        .quiet = common->quiet,
        .verbose = common->verbose,
        .color = want_color(common->color),
        .n_threads = (size_t)common->n_threads,
        .progress = &progress,
        .positionals = parsed->positionals,
        .n_positionals = parsed->n_positionals,
    };
    const swg_status status = command->run(&cli, parsed->arguments);
    swg_terminal_progress_clear(&terminal_progress);
    char notice[SWG_NOTICE_BYTES];
    while (swg_notice_take(notice))
        swg_cli_say(&cli, "swage %s: note: %s", cli.command, notice);
    return status;
}

/* What was printed must have been written; checked again at the end, for output that bypassed
 * swg_cli_print. */
static swg_status close_output(swg_status status)
{
    const bool had_failed = ferror(stdout);
    if ((fclose(stdout) != 0 || had_failed) && status == SWG_OK)
        return swg_error(SWG_IO, "cannot write to standard output: %s", strerror(errno));
    return status;
}

/* Turn the status of `command` (NULL: none was found) into a sentence and an exit code. `ask_help`
 * adds a reference to --help. */
static int finish(const swg_command *command, swg_status status, bool ask_help)
{
    status = close_output(status);
    /* A call that the signal cut short fails as an input/output error, but the cause is the
     * interruption. */
    if (status == SWG_IO && swg_is_interrupted())
        status = swg_error(SWG_INTERRUPTED, "interrupted");
    if (status == SWG_OK)
        return EXIT_SUCCESS;
    const bool has_name = command && command != &program_command && command != &help_command;
    const char *space = has_name ? " " : "", *name = has_name ? command->name : "";
    const char *sentence = swg_error_message();
    fprintf(stderr, "swage%s%s: %s\n", space, name,
            *sentence ? sentence : swg_status_meaning(status));
    if (ask_help)
        fprintf(stderr, "see swage%s%s --help\n", space, name);
    return swg_status_exit_code(status);
}

int swg_cli_main(int argc, char **argv)
{
    swg_signals_install();
    if (argc < 2)
        return finish(NULL, swg_error(SWG_USAGE, "no command is given"), true);
    const bool has_name = argv[1][0] != '-';
    const swg_command *command = !has_name                      ? &program_command
                                 : strcmp(argv[1], "help") == 0 ? &help_command
                                                                : find_command(argv[1]);
    if (!command)
        return finish(NULL, refuse_command(argv[1]), true);
    swg_parsed parsed = {0};
    const int first = has_name ? 2 : 1;
    swg_status status = swg_options_parse(command, (const char *const *)argv + first,
                                          (size_t)(argc - first), &parsed);
    if (status != SWG_OK)
        return finish(command, status, status == SWG_USAGE);
    if (parsed.common.help)
        status = print_help(has_name ? command : NULL, parsed.common.json);
    else
        status = run_parsed(command, &parsed);
    swg_parsed_deinit(&parsed);
    return finish(command, status, status == SWG_USAGE);
}

static void talk(const char *format, va_list arguments)
{
    swg_terminal_progress_clear(&terminal_progress);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void swg_cli_say(const swg_cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!cli->quiet)
        talk(format, arguments);
    va_end(arguments);
}

void swg_cli_note(const swg_cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (cli->verbose)
        talk(format, arguments);
    va_end(arguments);
}

void swg_cli_json_begin(const swg_cli *cli, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    swg_json_int(json, "schema", JSON_SCHEMA);
    swg_json_string(json, "command", cli->command);
    swg_json_string(json, "version", SWAGE_VERSION);
}

swg_status swg_cli_json_print(swg_json_writer *json)
{
    swg_json_end_object(json);
    swg_strbuf_puts(&json->out, "\n");
    return print_buffer(&json->out);
}

swg_status swg_cli_print(const char *text, size_t length)
{
    swg_terminal_progress_clear(&terminal_progress);
    if (fwrite(text, 1, length, stdout) != length || fflush(stdout) != 0)
        return swg_error(SWG_IO, "cannot write to standard output: %s", strerror(errno));
    return SWG_OK;
}
