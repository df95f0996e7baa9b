/* The man page swage(1), in roff. Undated, so that equal sources give equal pages. */
#include <string.h>

#include "runtime/cli/help.h"
#include "runtime/cli/options.h"

/* Text in which everything that roff would take for a command is escaped. A dash is an option's
 * dash ("\-"): readers copy options from man pages, and a plain dash may be typeset as a hyphen. */
static void roff(swg_strbuf *out, const char *text, size_t length)
{
    bool at_line_start = true;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (at_line_start && (c == '.' || c == '\''))
            swg_strbuf_puts(out, "\\&");
        if (c == '\\')
            swg_strbuf_puts(out, "\\e");
        else if (c == '-')
            swg_strbuf_puts(out, "\\-");
        else if (c == '\'')
            swg_strbuf_puts(out, "\\(aq");
        else if (c == '`' || c == '^' || c == '~')
            swg_strbuf_puts(out, c == '`' ? "\\(ga" : c == '^' ? "\\(ha" : "\\(ti");
        else
            swg_strbuf_append(out, &c, 1);
        at_line_start = c == '\n';
    }
}

static void roff_line(swg_strbuf *out, const char *text)
{
    roff(out, text, strlen(text));
    swg_strbuf_puts(out, "\n");
}

static void paragraph(swg_strbuf *out, const char *text, size_t length)
{
    swg_strbuf_puts(out, ".PP\n");
    roff(out, text, length);
    swg_strbuf_puts(out, "\n");
}

static void verbatim(swg_strbuf *out, const char *text, size_t length)
{
    swg_strbuf_puts(out, ".nf\n");
    roff(out, text, length);
    swg_strbuf_puts(out, "\n.fi\n");
}

static void options(swg_strbuf *out, const swg_option *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char limits[SWG_HELP_LIMITS_BYTES];
        swg_strbuf_puts(out, ".TP\n");
        if (rows[i].letter)
            swg_strbuf_printf(out, "\\fB\\-%c\\fR, ", rows[i].letter);
        swg_strbuf_puts(out, "\\fB\\-\\-");
        roff(out, rows[i].name, strlen(rows[i].name));
        swg_strbuf_puts(out, "\\fR");
        if (rows[i].metavar) {
            swg_strbuf_puts(out, " \\fI");
            roff(out, rows[i].metavar, strlen(rows[i].metavar));
            swg_strbuf_puts(out, "\\fR");
        }
        swg_strbuf_puts(out, "\n");
        roff_line(out, rows[i].help);
        if (*swg_help_limits(&rows[i], limits))
            roff_line(out, limits);
    }
}

static void subcommand(swg_strbuf *out, const swg_command *command)
{
    swg_strbuf_puts(out, ".SS swage ");
    roff_line(out, command->name);
    swg_strbuf_puts(out, ".B swage ");
    roff_line(out, command->name);
    roff_line(out, command->synopsis);
    paragraph(out, command->summary, strlen(command->summary));
    if (command->description)
        swg_help_each_paragraph(command->description, out, paragraph, verbatim);
    options(out, command->options, command->n_options);
}

static void exit_codes(swg_strbuf *out)
{
    static const struct {
        int code;
        const char *meaning;
    } rows[] = {
#define SWG_STATUS(name, code, meaning) {code, meaning},
#include "runtime/base/status.def"
#undef SWG_STATUS
    };
    swg_strbuf_puts(out, ".SH EXIT STATUS\n");
    int last = -1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].code == last)
            swg_strbuf_puts(out, "or: ");
        else
            swg_strbuf_printf(out, ".TP\n.B %d\n", rows[i].code);
        roff_line(out, rows[i].meaning);
        last = rows[i].code;
    }
}

static void examples(swg_strbuf *out, const swg_command *const *commands)
{
    swg_strbuf_puts(out, ".SH EXAMPLES\n");
    for (; *commands; commands++)
        for (size_t i = 0; i < (*commands)->n_examples; i++) {
            swg_strbuf_puts(out, ".TP\n.B ");
            roff_line(out, (*commands)->examples[i].command_line);
            roff_line(out, (*commands)->examples[i].text);
        }
    swg_strbuf_puts(out, ".TP\n.B swage help\nList the commands and the common options.\n");
}

void swg_help_manual(const swg_command *const *commands, swg_strbuf *out)
{
    swg_strbuf_puts(
        out, ".TH SWAGE 1 \"\" \"swage " SWAGE_VERSION "\" \"User Commands\"\n"
             ".SH NAME\nswage \\- compress neural\\-network checkpoints, run and measure them\n"
             ".SH SYNOPSIS\n.B swage\n.I COMMAND\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n.br\n"
             ".B swage help\n.I COMMAND\n.br\n"
             ".B swage \\-\\-help\n|\n.B \\-\\-version\n[\\fB\\-\\-json\\fR] |\n"
             ".B \\-\\-completion\n.I bash|zsh|fish\n"
             ".SH DESCRIPTION\n"
             "Offline tools prune, quantize, distil and pack checkpoints into one compressed\n"
             "container; a runtime executes the packed models; an evaluator states speed, size\n"
             "and accuracy side by side.\n"
             ".PP\nThe result goes to standard output, everything else to standard error.\n"
             "Options and arguments may be given in any order; \\fB\\-\\-\\fR ends the options.\n"
             "Output files appear complete or not at all.\n"
             ".SH COMMANDS\n");
    for (const swg_command *const *command = commands; *command; command++)
        subcommand(out, *command);
    swg_strbuf_puts(out, ".SS swage help\n.B swage help\n[\\fICOMMAND\\fR]\n.PP\n"
                         "Print the help of a command.\n.SH COMMON OPTIONS\n"
                         "Every command accepts these.\n");
    options(out, swg_common_options, SWG_N_COMMON_OPTIONS);
    exit_codes(out);
    swg_strbuf_puts(out, ".SH ENVIRONMENT\n");
    for (const swg_help_variable *variable = swg_help_variables; variable->name; variable++) {
        swg_strbuf_puts(out, ".TP\n.B ");
        roff_line(out, variable->name);
        roff_line(out, variable->meaning);
    }
    examples(out, commands);
}
