/* The real table of subcommands: what the engine relies on and the compiler cannot check. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/cli/options.h"

static void check_option(const char *command, const swg_option *option)
{
    ck_assert_msg(option->name && option->help, "an option of %s lacks its name or help", command);
    const char *last = option->help + strlen(option->help);
    ck_assert_msg(*option->help && last[-1] != '.', "help of %s --%s is empty or ends in a stop",
                  command, option->name);
    const bool takes_value = option->kind != SWG_OPTION_IS_FLAG;
    ck_assert_msg(takes_value == (option->metavar != NULL), "value name of %s --%s", command,
                  option->name);
    ck_assert_msg(strspn(option->name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
                      strlen(option->name),
                  "name of %s --%s", command, option->name);
    ck_assert_msg((option->kind == SWG_OPTION_IS_CHOICE) == (option->choices != NULL),
                  "choices of %s --%s", command, option->name);
    if (option->kind == SWG_OPTION_IS_INT || option->kind == SWG_OPTION_IS_DOUBLE)
        ck_assert_msg(option->min < option->max, "range of %s --%s", command, option->name);
}

static void check_distinct(const char *command, const swg_option *a, const swg_option *b)
{
    ck_assert_msg(strcmp(a->name, b->name) != 0, "%s has --%s twice", command, a->name);
    ck_assert_msg(!a->letter || a->letter != b->letter, "%s: -%c is --%s and --%s", command,
                  a->letter, a->name, b->name);
}

static bool has_option(const swg_command *command, const char *name)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return true;
    return false;
}

START_TEST(needs_name_options)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++)
        for (size_t i = 0; i < (*c)->n_needs; i++)
            ck_assert_msg(
                has_option(*c, (*c)->needs[i].option) && has_option(*c, (*c)->needs[i].needs),
                "%s: --%s needs --%s", (*c)->name, (*c)->needs[i].option, (*c)->needs[i].needs);
}
END_TEST

START_TEST(option_tables_are_sound)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++)
        for (size_t i = 0; i < (*c)->n_options; i++) {
            check_option((*c)->name, &(*c)->options[i]);
            for (size_t j = 0; j < i; j++)
                check_distinct((*c)->name, &(*c)->options[i], &(*c)->options[j]);
            for (size_t j = 0; j < SWG_N_COMMON_OPTIONS; j++)
                check_distinct((*c)->name, &(*c)->options[i], &swg_common_options[j]);
        }
    for (size_t i = 0; i < SWG_N_COMMON_OPTIONS; i++)
        check_option("swage", &swg_common_options[i]);
}
END_TEST

START_TEST(commands_are_described)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++) {
        ck_assert_msg((*c)->run && (*c)->synopsis && (*c)->summary, "%s lacks a field", (*c)->name);
        const char first = (*c)->summary[0], last = (*c)->summary[strlen((*c)->summary) - 1];
        ck_assert_msg(first >= 'a' && first <= 'z' && last != '.',
                      "the summary of %s begins upper case or ends in a stop", (*c)->name);
        ck_assert_msg((*c)->n_examples > 0, "%s has no example", (*c)->name);
        ck_assert_msg((*c)->min_positionals <= (*c)->max_positionals, "arguments of %s",
                      (*c)->name);
        for (size_t i = 0; i < (*c)->n_examples; i++) {
            char start[64];
            snprintf(start, sizeof start, "swage %s", (*c)->name);
            ck_assert_msg(strstr((*c)->examples[i].command_line, start) != NULL,
                          "example %zu of %s does not call it", i, (*c)->name);
        }
        for (const swg_command *const *other = swg_cli_commands(); other != c; other++)
            ck_assert_str_ne((*other)->name, (*c)->name);
    }
}
END_TEST

/* With --help nothing else is required, so this parses the defaults. */
START_TEST(defaults_are_within_their_own_limits)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++) {
        swg_parsed parsed;
        const char *const words[] = {"--help"};
        ck_ok(swg_options_parse(*c, words, 1, &parsed));
        swg_parsed_deinit(&parsed);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("commands");
    TCase *cases = tcase_create("commands");
    tcase_add_test(cases, option_tables_are_sound);
    tcase_add_test(cases, needs_name_options);
    tcase_add_test(cases, commands_are_described);
    tcase_add_test(cases, defaults_are_within_their_own_limits);
    suite_add_tcase(suite, cases);
    return suite;
}
