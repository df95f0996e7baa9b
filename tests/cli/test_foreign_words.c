/* Words of other programs: every answer names commands and options that there are. */
#include "tests/harness.h"

#include <ctype.h>
#include <string.h>

#include "runtime/cli/foreign_words.h"
#include "runtime/cli/options.h"

static const struct {
    const char *word, *same, *answer;
} rows[] = {
#define SWG_FOREIGN_COMMAND(word, answer) {word, "", answer},
#include "runtime/cli/foreign_words.def"
#define SWG_FOREIGN_OPTION(word, same, answer) {word, same, answer},
#include "runtime/cli/foreign_words.def"
#define SWG_FOREIGN_VALUE(pattern, answer) {pattern, "", answer},
#include "runtime/cli/foreign_words.def"
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static const swg_command *find_command(const char *name, size_t length)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++)
        if (strlen((*c)->name) == length && memcmp((*c)->name, name, length) == 0)
            return *c;
    return NULL;
}

static bool command_has(const swg_command *command, const char *name, size_t length)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (strlen(command->options[i].name) == length &&
            memcmp(command->options[i].name, name, length) == 0)
            return true;
    for (size_t i = 0; i < SWG_N_COMMON_OPTIONS; i++)
        if (strlen(swg_common_options[i].name) == length &&
            memcmp(swg_common_options[i].name, name, length) == 0)
            return true;
    return false;
}

static bool some_command_has(const char *name, size_t length)
{
    for (const swg_command *const *c = swg_cli_commands(); *c; c++)
        if (command_has(*c, name, length))
            return true;
    return false;
}

static size_t word_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '-')
        n++;
    return n;
}

START_TEST(answers_name_what_there_is)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        const char *at = rows[i].answer;
        while ((at = strstr(at, "--")) != NULL && !strstr(rows[i].answer, "hf download")) {
            const size_t n = word_length(at + 2);
            ck_assert_msg(some_command_has(at + 2, n), "%s: %s", rows[i].word, at);
            at += 2 + n;
        }
        at = rows[i].answer;
        while ((at = strstr(at, "\"swage ")) != NULL) {
            at += strlen("\"swage ");
            ck_assert_msg(find_command(at, word_length(at)) != NULL, "%s: %s", rows[i].word, at);
        }
    }
}
END_TEST

START_TEST(options_of_the_same_meaning_exist)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        for (const char *at = rows[i].same; *at; at += strspn(at, " ")) {
            const size_t n = strcspn(at, " ");
            const bool is_known =
                some_command_has(at, n) || strncmp(at, "device", n) == 0; /* of some builds */
            ck_assert_msg(is_known, "%s: %s", rows[i].word, at);
            at += n;
        }
    }
}
END_TEST

START_TEST(an_option_of_the_command_is_preferred)
{
    ck_assert(swg_foreign_option_refuse(find_command("run", 3), "-", "c"));
    ck_assert_str_eq(swg_error_message(), "unknown option -c; here it is --context");
    ck_assert(swg_foreign_option_refuse(find_command("verify", 6), "-", "c"));
    ck_assert_str_eq(swg_error_message(),
                     "unknown option -c; it is --context of swage run, embed and eval");
    ck_assert(!swg_foreign_option_refuse(find_command("verify", 6), "--", "nothing-of-the-kind"));
}
END_TEST

START_TEST(values_are_known_in_either_case)
{
    ck_assert_ptr_nonnull(strstr(swg_foreign_value("Q4_K_M"), "--bits 4"));
    ck_assert_ptr_nonnull(strstr(swg_foreign_value("q8_0"), "--bits 8"));
    ck_assert_ptr_nonnull(strstr(swg_foreign_value("IQ3_XXS"), "IQ types"));
    ck_assert_ptr_null(swg_foreign_value("model.gguf"));
    char longest[300];
    memset(longest, 'q', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_ptr_null(swg_foreign_value(longest));
}
END_TEST

START_TEST(commands_are_those_of_others)
{
    ck_assert_ptr_nonnull(strstr(swg_foreign_command("llama-cli"), "swage run"));
    ck_assert_ptr_null(swg_foreign_command("nonsense"));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("foreign_words");
    TCase *cases = tcase_create("foreign_words");
    tcase_add_test(cases, answers_name_what_there_is);
    tcase_add_test(cases, options_of_the_same_meaning_exist);
    tcase_add_test(cases, an_option_of_the_command_is_preferred);
    tcase_add_test(cases, values_are_known_in_either_case);
    tcase_add_test(cases, commands_are_those_of_others);
    suite_add_tcase(suite, cases);
    return suite;
}
