/* Help, man page and completions of a table whose texts contain everything that could break them:
 * quotes, backslashes, leading dots, brackets, long names. */
#include "tests/harness.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/cli/help.h"

typedef struct arguments {
    const char *output;
    int64_t count, seed;
    double share;
    const char *mode;
    swg_string_list skip;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, output, 'o', "output", "FILE", "the output's name; not \"\\n\""),
    SWG_OPTION_INT(arguments, count, 0, "count", "N", 1, 9, "4", "how many"),
    SWG_OPTION_INT(arguments, seed, 0, "seed", "N", 0, INT64_MAX, "7", "any [number]: `x`"),
    SWG_OPTION_DOUBLE(arguments, share, 0, "share", "S", -1e300, 0.5, NULL, "a share of ~ or ^"),
    SWG_OPTION_CHOICE(arguments, mode, 'm', "mode", "fast|small", NULL, "what counts"),
    SWG_OPTION_LIST(arguments, skip, 0, "an-option-with-a-very-long-name", "PATTERN",
                    ".starts with a dot and goes on for so long that it has to be continued on "
                    "another line of the help"),
};

static swg_status run_nothing(const swg_cli *cli, const void *values)
{
    (void)cli;
    (void)values;
    return SWG_OK;
}

static const swg_example examples[] = {{"swage demo 'a b' --mode fast", "does what it's told"}};

static const swg_command command = {
    .name = "demo",
    .synopsis = "MODEL -o FILE [options]",
    .summary = "Show what a command's summary looks like: it's 100% fine.",
    .description = "First paragraph\nover two lines.\n\n'quoted at the start\n.dotted at the "
                   "start\n  kept   as   it stands\nafter it\n\nlast, with a \\ backslash",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .max_positionals = 1,
    .examples = examples,
    .n_examples = 1,
    .run = run_nothing,
};
static const swg_command *const commands[] = {&command, NULL};

static void has(const swg_strbuf *text, const char *part)
{
    ck_assert_msg(strstr(swg_strbuf_text(text), part) != NULL, "\"%s\" is not in:\n%s", part,
                  swg_strbuf_text(text));
}

START_TEST(help_says_everything_in_80_columns)
{
    swg_strbuf text = {0};
    swg_help_command(&command, &text);
    ck_ok(swg_strbuf_status(&text));
    has(&text, "Usage: swage demo MODEL -o FILE [options]\n");
    has(&text, "it's 100% fine.\n\nFirst paragraph over two lines.\n");
    has(&text, "\n  kept   as   it stands\n");
    has(&text, "\n  -o, --output FILE       the output's name");
    has(&text, "how many (1 to 9, default 4)\n");
    has(&text, "(0 or more, default 7)\n");
    has(&text, "(0.5 or less)\n");
    has(&text, "--mode fast|small");
    has(&text, "(may be\n                          repeated)\n");
    has(&text, "Examples:\n  swage demo 'a b' --mode fast\n      does what it's told\n");
    for (const char *line = swg_strbuf_text(&text); *line;) {
        const size_t length = strcspn(line, "\n");
        ck_assert_msg(length <= 80, "%zu columns: %.*s", length, (int)length, line);
        line += length + (line[length] == '\n');
    }
    swg_strbuf_deinit(&text);
    swg_help_program(commands, &text);
    has(&text, "\n  demo                    Show what");
    swg_strbuf_deinit(&text);
}
END_TEST

/* Exit status of `format` with the path of a file that holds `text`; its output goes to ours. */
static int run_on_file(const swg_strbuf *text, const char *name, const char *format)
{
    char line[2048];
    const char *path = swg_test_path(name);
    swg_test_write_file(path, swg_strbuf_text(text), text->length);
    snprintf(line, sizeof line, format, path);
    return system(line);
}

START_TEST(manual_is_clean_roff)
{
    swg_strbuf text = {0};
    swg_help_manual(commands, &text);
    ck_ok(swg_strbuf_status(&text));
    has(&text, ".SS swage demo\n");
    has(&text, "\\fB\\-\\-an\\-option\\-with\\-a\\-very\\-long\\-name\\fR \\fIPATTERN\\fR\n");
    has(&text, "\\&.dotted");
    has(&text, "\\(aqquoted");
    has(&text, "\\e backslash");
    has(&text, ".B 130\ninterrupted\n");
    has(&text, ".B 5\nout of memory\nor: a limit was exceeded\n");
    if (system("command -v groff >/dev/null") == 0)
        ck_assert_int_eq(run_on_file(&text, "demo.1",
                                     "w=$(groff -man -ww -z -Tutf8 %s 2>&1); echo \"$w\"; "
                                     "test -z \"$w\""),
                         0);
    else
        swg_test_skip("groff is absent");
    swg_strbuf_deinit(&text);
}
END_TEST

START_TEST(completions_parse_in_their_shells)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++) {
        swg_strbuf text = {0};
        swg_help_completion(commands, shells[i], &text);
        ck_ok(swg_strbuf_status(&text));
        has(&text, "demo");
        has(&text, "fast small");
        has(&text, "auto always never");
        char line[128];
        snprintf(line, sizeof line, "command -v %s >/dev/null", shells[i]);
        if (system(line) == 0) {
            snprintf(line, sizeof line, "%s -n %%s", shells[i]);
            ck_assert_int_eq(run_on_file(&text, shells[i], line), 0);
        } else {
            printf("%s is absent: not parsed\n", shells[i]);
        }
        swg_strbuf_deinit(&text);
    }
}
END_TEST

START_TEST(bash_offers_the_options_of_the_command)
{
    swg_strbuf text = {0};
    swg_help_completion(commands, "bash", &text);
    ck_assert_int_eq(
        run_on_file(&text, "offers",
                    "bash -c '. \"$0\"; try() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($#-1)); _swage; "
                    "echo \"${COMPREPLY[*]}\"; }; "
                    "[ \"$(try swage de)\" = demo ] && "
                    "[ \"$(try swage demo --mod)\" = --mode ] && "
                    "[ \"$(try swage demo --mode s)\" = small ] && "
                    "[ \"$(try swage demo x --mode = f)\" = fast ] && "
                    "[ -z \"$(try swage demo --output --)\" ] && "
                    "[ \"$(try swage demo --col)\" = --color ] && "
                    "[ \"$(try swage help de)\" = demo ]' %s"),
        0);
    swg_strbuf_deinit(&text);
}
END_TEST

static swg_status make_all(void *context)
{
    (void)context;
    swg_strbuf text = {0};
    swg_help_program(commands, &text);
    swg_help_command(&command, &text);
    swg_help_manual(commands, &text);
    swg_help_completion(commands, "bash", &text);
    swg_help_completion(commands, "zsh", &text);
    swg_help_completion(commands, "fish", &text);
    const swg_status status = swg_strbuf_status(&text);
    swg_strbuf_deinit(&text);
    return status;
}

START_TEST(each_failing_allocation_is_reported)
{
    swg_test_each_allocation_fails(make_all, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("help_text");
    TCase *cases = tcase_create("help_text");
    tcase_add_test(cases, help_says_everything_in_80_columns);
    tcase_add_test(cases, manual_is_clean_roff);
    tcase_add_test(cases, completions_parse_in_their_shells);
    tcase_add_test(cases, bash_offers_the_options_of_the_command);
    tcase_add_test(cases, each_failing_allocation_is_reported);
    suite_add_tcase(suite, cases);
    return suite;
}
