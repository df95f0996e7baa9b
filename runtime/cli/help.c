/* --help, as plain text of at most 80 columns or as JSON. */
#include "runtime/cli/help.h"

#include <string.h>

#include "runtime/cli/options.h"

enum { WIDTH = 80, TERM_COLUMN = 2, TEXT_COLUMN = 26 };

const swg_help_variable swg_help_variables[] = {
    {"SWAGE_ISA", "use no kernels above this instruction set: scalar, avx2, avxvnni, avx512, "
                  "avx512vbmi2 or amx; on 64-bit Arm scalar, neon or dotprod"},
    {"SWAGE_BLAS", "file name of the OpenBLAS to load for float products, or plain for plain C"},
    {"NO_COLOR", "when set and not empty, --color auto means never"},
    {"TERM", "when dumb or unset, no progress is drawn and --color auto means never"},
    {NULL, NULL},
};

static void spaces(swg_strbuf *out, size_t count)
{
    swg_strbuf_printf(out, "%*s", (int)count, "");
}

/* The words of `text`, wrapped; the cursor is at `column`, further lines start at `indent`. */
static void wrap(swg_strbuf *out, const char *text, size_t length, size_t column, size_t indent)
{
    const char *const end = text + length;
    bool at_start = true;
    while (text < end) {
        const size_t gap = strspn(text, " \n");
        text += gap;
        if (text >= end)
            break;
        size_t word = strcspn(text, " \n");
        if (word > (size_t)(end - text))
            word = (size_t)(end - text);
        if (!at_start && column + 1 + word > WIDTH) {
            swg_strbuf_puts(out, "\n");
            spaces(out, indent);
            column = indent;
        } else if (!at_start) {
            swg_strbuf_puts(out, " ");
            column++;
        }
        swg_strbuf_append(out, text, word);
        column += word;
        text += word;
        at_start = false;
    }
    swg_strbuf_puts(out, "\n");
}

/* A term with its explanation beside it, or below it when the term is long. */
static void row(swg_strbuf *out, const char *term, const char *text)
{
    const size_t length = strlen(term);
    spaces(out, TERM_COLUMN);
    swg_strbuf_puts(out, term);
    if (TERM_COLUMN + length + 2 > TEXT_COLUMN) {
        swg_strbuf_puts(out, "\n");
        spaces(out, TEXT_COLUMN);
    } else {
        spaces(out, TEXT_COLUMN - TERM_COLUMN - length);
    }
    wrap(out, text, strlen(text), TEXT_COLUMN, TEXT_COLUMN);
}

const char *swg_help_limits(const swg_option *option, char out[SWG_HELP_LIMITS_BYTES])
{
    /* A limit beyond this only says what the type can hold. */
    const double unlimited = 1e15;
    char range[80] = "", initial[64] = "";
    if (option->kind == SWG_OPTION_IS_INT || option->kind == SWG_OPTION_IS_DOUBLE) {
        if (option->min > -unlimited && option->max < unlimited)
            snprintf(range, sizeof range, "%.15g to %.15g", option->min, option->max);
        else if (option->min > -unlimited)
            snprintf(range, sizeof range, "%.15g or more", option->min);
        else if (option->max < unlimited)
            snprintf(range, sizeof range, "%.15g or less", option->max);
    }
    if (option->kind == SWG_OPTION_IS_LIST)
        snprintf(range, sizeof range, "may be repeated");
    if (option->is_required)
        snprintf(initial, sizeof initial, "required");
    else if (option->initial)
        snprintf(initial, sizeof initial, "default %s", option->initial);
    out[0] = '\0';
    if (*range || *initial)
        snprintf(out, SWG_HELP_LIMITS_BYTES, "(%s%s%s)", range, *range && *initial ? ", " : "",
                 initial);
    return out;
}

static void option_rows(swg_strbuf *out, const swg_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const swg_option *option = &options[i];
        swg_strbuf term = {0}, text = {0};
        char limits[SWG_HELP_LIMITS_BYTES];
        if (option->letter)
            swg_strbuf_printf(&term, "-%c, ", option->letter);
        swg_strbuf_printf(&term, "--%s", option->name);
        if (option->metavar)
            swg_strbuf_printf(&term, " %s", option->metavar);
        swg_help_limits(option, limits);
        swg_strbuf_printf(&text, "%s%s%s", option->help, *limits ? " " : "", limits);
        row(out, swg_strbuf_text(&term), swg_strbuf_text(&text));
        out->failed |= term.failed || text.failed;
        swg_strbuf_deinit(&term);
        swg_strbuf_deinit(&text);
    }
}

void swg_help_each_paragraph(const char *text, swg_strbuf *out,
                             void (*paragraph)(swg_strbuf *out, const char *text, size_t length),
                             void (*verbatim)(swg_strbuf *out, const char *text, size_t length))
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (*text == ' ') {
            verbatim(out, text, length);
        } else if (length > 0) {
            /* Up to an empty line, a verbatim line, or the end. */
            while (text[length] && text[length + 1] && text[length + 1] != '\n' &&
                   text[length + 1] != ' ')
                length += 1 + strcspn(text + length + 1, "\n");
            paragraph(out, text, length);
        }
        text += length;
        text += *text == '\n';
    }
}

static void help_paragraph(swg_strbuf *out, const char *text, size_t length)
{
    swg_strbuf_puts(out, "\n");
    wrap(out, text, length, 0, 0);
}

static void help_verbatim(swg_strbuf *out, const char *text, size_t length)
{
    swg_strbuf_append(out, text, length);
    swg_strbuf_puts(out, "\n");
}

static void examples(swg_strbuf *out, const swg_command *command)
{
    if (command->n_examples)
        swg_strbuf_puts(out, "\nExamples:\n");
    for (size_t i = 0; i < command->n_examples; i++) {
        const swg_example *example = &command->examples[i];
        swg_strbuf_printf(out, "  %s\n      ", example->command_line);
        wrap(out, example->text, strlen(example->text), 6, 6);
    }
}

void swg_help_command(const swg_command *command, swg_strbuf *out)
{
    swg_strbuf_printf(out, "Usage: swage %s %s\n\n", command->name, command->synopsis);
    wrap(out, command->summary, strlen(command->summary), 0, 0);
    if (command->description)
        swg_help_each_paragraph(command->description, out, help_paragraph, help_verbatim);
    if (command->n_options) {
        swg_strbuf_puts(out, "\nOptions:\n");
        option_rows(out, command->options, command->n_options);
    }
    swg_strbuf_puts(out, "\nCommon options:\n");
    option_rows(out, swg_common_options, SWG_N_COMMON_OPTIONS);
    examples(out, command);
}

void swg_help_program(const swg_command *const *commands, swg_strbuf *out)
{
    swg_strbuf_puts(out, "Usage: swage COMMAND [ARGUMENTS] [OPTIONS]\n"
                         "       swage help COMMAND\n"
                         "       swage --help | --version [--json] | --completion SHELL\n\n"
                         "Compress neural-network checkpoints, run them, and measure what it "
                         "costs.\n\nCommands:\n");
    for (; *commands; commands++)
        row(out, (*commands)->name, (*commands)->summary);
    row(out, "help", "print the help of a command");
    swg_strbuf_puts(out, "\nCommon options:\n");
    option_rows(out, swg_common_options, SWG_N_COMMON_OPTIONS);
    swg_strbuf_puts(out, "\nEnvironment:\n");
    for (const swg_help_variable *variable = swg_help_variables; variable->name; variable++)
        row(out, variable->name, variable->meaning);
}

/* --- As JSON ---------------------------------------------------------------------------------- */

static void json_options(swg_json_writer *json, const char *key, const swg_option *options,
                         size_t count)
{
    swg_json_begin_array(json, key);
    for (size_t i = 0; i < count; i++) {
        const swg_option *option = &options[i];
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "name", option->name);
        if (option->letter)
            swg_json_string_n(json, "letter", &option->letter, 1);
        if (option->metavar)
            swg_json_string(json, "value", option->metavar);
        if (option->initial)
            swg_json_string(json, "default", option->initial);
        swg_json_bool(json, "is_required", option->is_required);
        swg_json_string(json, "help", option->help);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}

void swg_help_command_json(const swg_command *command, swg_json_writer *json)
{
    swg_json_string(json, "name", command->name);
    swg_json_string(json, "synopsis", command->synopsis);
    swg_json_string(json, "summary", command->summary);
    json_options(json, "options", command->options, command->n_options);
    json_options(json, "common_options", swg_common_options, SWG_N_COMMON_OPTIONS);
}

void swg_help_program_json(const swg_command *const *commands, swg_json_writer *json)
{
    swg_json_begin_array(json, "commands");
    for (; *commands; commands++) {
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "name", (*commands)->name);
        swg_json_string(json, "summary", (*commands)->summary);
        json_options(json, "options", (*commands)->options, (*commands)->n_options);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
    json_options(json, "common_options", swg_common_options, SWG_N_COMMON_OPTIONS);
}
