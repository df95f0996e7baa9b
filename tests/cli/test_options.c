/* The parser, on a table of its own that has every kind of option. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/cli/options.h"

typedef struct arguments {
    const char *output;
    int64_t group_size, seed;
    double temperature;
    bool force, dry_run;
    const char *format;
    swg_string_list skip;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, output, 'o', "output", "FILE", "where to write"),
    SWG_OPTION_INT(arguments, group_size, 'g', "group-size", "N", 1, 4096, "64", "columns"),
    SWG_OPTION_INT(arguments, seed, 0, "seed", "N", INT64_MIN, INT64_MAX, NULL, "seed"),
    SWG_OPTION_DOUBLE(arguments, temperature, 0, "temperature", "T", 0, 10, "0.8", "heat"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace"),
    SWG_OPTION_FLAG(arguments, dry_run, 'n', "dry-run", "plan only"),
    SWG_OPTION_CHOICE(arguments, format, 0, "format", "swg|safetensors|gguf", "swg", "format"),
    SWG_OPTION_LIST(arguments, skip, 's', "skip", "PATTERN", "leave out"),
};

static const swg_command command = {
    .name = "demo",
    .synopsis = "MODEL [OTHER]",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 2,
};

/* Parse arguments ended by NULL. */
static swg_status parse(const swg_command *with, const char *const *words, swg_parsed *out)
{
    size_t count = 0;
    while (words[count])
        count++;
    return swg_options_parse(with, words, count, out);
}

#define parsed_ok(...) ck_ok(parse(&command, (const char *const[]){__VA_ARGS__, NULL}, &parsed))

static void refused(const char *sentence, const char *const *words)
{
    swg_parsed parsed;
    memset(&parsed, 0x55, sizeof parsed);
    const swg_parsed before = parsed;
    ck_status_is(SWG_USAGE, parse(&command, words, &parsed));
    ck_assert_str_eq(swg_error_message(), sentence);
    ck_assert_mem_eq(&parsed, &before, sizeof parsed);
}
#define is_refused(sentence, ...) refused(sentence, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(defaults_hold_when_nothing_is_given)
{
    swg_parsed parsed;
    parsed_ok("model");
    const arguments *a = parsed.arguments;
    ck_assert_ptr_null(a->output);
    ck_assert_int_eq(a->group_size, 64);
    ck_assert_int_eq(a->seed, 0);
    ck_assert_double_eq(a->temperature, 0.8);
    ck_assert(!a->force);
    ck_assert_str_eq(a->format, "swg");
    ck_assert_uint_eq(a->skip.count, 0);
    ck_assert_uint_eq(parsed.n_positionals, 1);
    ck_assert_str_eq(parsed.positionals[0], "model");
    ck_assert_int_eq(parsed.common.n_threads, 0);
    ck_assert_str_eq(parsed.common.color, "auto");
    ck_assert(!parsed.common.json);
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(every_spelling_of_a_value_is_read)
{
    swg_parsed parsed;
    parsed_ok("--output", "a", "model", "-g32", "--temperature=1.5e0", "-s", "x", "--skip=y", "-sz",
              "--format", "gguf", "--seed", "-9223372036854775808");
    const arguments *a = parsed.arguments;
    ck_assert_str_eq(a->output, "a");
    ck_assert_int_eq(a->group_size, 32);
    ck_assert_int_eq(a->seed, INT64_MIN);
    ck_assert_double_eq(a->temperature, 1.5);
    ck_assert_str_eq(a->format, "gguf");
    ck_assert_uint_eq(a->skip.count, 3);
    ck_assert_str_eq(a->skip.items[0], "x");
    ck_assert_str_eq(a->skip.items[1], "y");
    ck_assert_str_eq(a->skip.items[2], "z");
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(short_flags_group_and_end_in_a_value)
{
    swg_parsed parsed;
    parsed_ok("-fnqt", "4", "model");
    ck_assert(((const arguments *)parsed.arguments)->force);
    ck_assert(((const arguments *)parsed.arguments)->dry_run);
    ck_assert(parsed.common.quiet);
    ck_assert_int_eq(parsed.common.n_threads, 4);
    swg_parsed_deinit(&parsed);
    parsed_ok("model", "-fg128");
    ck_assert_int_eq(((const arguments *)parsed.arguments)->group_size, 128);
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    swg_parsed parsed;
    parsed_ok("--force", "--", "--json", "-");
    ck_assert(!parsed.common.json);
    ck_assert_uint_eq(parsed.n_positionals, 2);
    ck_assert_str_eq(parsed.positionals[0], "--json");
    ck_assert_str_eq(parsed.positionals[1], "-");
    swg_parsed_deinit(&parsed);
    parsed_ok("-", "-o", "-");
    ck_assert_str_eq(((const arguments *)parsed.arguments)->output, "-");
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(options_and_arguments_mix)
{
    swg_parsed parsed;
    parsed_ok("a", "--json", "b", "-v", "--color=never", "--no-progress");
    ck_assert_str_eq(parsed.positionals[0], "a");
    ck_assert_str_eq(parsed.positionals[1], "b");
    ck_assert(parsed.common.json && parsed.common.verbose && parsed.common.no_progress);
    ck_assert_str_eq(parsed.common.color, "never");
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(negative_numbers_are_values)
{
    swg_parsed parsed;
    is_refused("option --temperature: -1 is not between 0 and 10", "m", "--temperature", "-1");
    is_refused("option --temperature: -.5 is not between 0 and 10", "m", "--temperature", "-.5");
    parsed_ok("m", "--seed", "-12");
    ck_assert_int_eq(((const arguments *)parsed.arguments)->seed, -12);
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(numbers_are_read_strictly)
{
    static const char *const bad_ints[] = {"",   "-",  "4k",  "0x10", " 4",
                                           "4 ", "+4", "4.0", "1e2",  "four"};
    static const char *const bad_doubles[] = {"",    "-",  ".",  "1,5", "0x1p2", "nan",
                                              "inf", " 1", "1 ", "1e",  "1.5.2"};
    for (size_t i = 0; i < sizeof bad_ints / sizeof bad_ints[0]; i++) {
        char word[64], sentence[128];
        snprintf(word, sizeof word, "--group-size=%s", bad_ints[i]);
        snprintf(sentence, sizeof sentence, "option --group-size: \"%s\" is not a whole number",
                 bad_ints[i]);
        is_refused(sentence, "m", word);
    }
    for (size_t i = 0; i < sizeof bad_doubles / sizeof bad_doubles[0]; i++) {
        char word[64], sentence[128];
        snprintf(word, sizeof word, "--temperature=%s", bad_doubles[i]);
        snprintf(sentence, sizeof sentence, "option --temperature: \"%s\" is not a number",
                 bad_doubles[i]);
        is_refused(sentence, "m", word);
    }
}
END_TEST

START_TEST(ranges_are_checked)
{
    swg_parsed parsed;
    is_refused("option --group-size: 0 is not between 1 and 4096", "m", "-g", "0");
    is_refused("option --group-size: 4097 is not between 1 and 4096", "m", "-g", "4097");
    is_refused("option --group-size: 99999999999999999999 is not between 1 and 4096", "m",
               "-g99999999999999999999");
    is_refused("option --temperature: 1e999 is not between 0 and 10", "m", "--temperature=1e999");
    is_refused("option --threads: 1025 is not between 0 and 1024", "m", "-t1025");
    is_refused("option --threads: -1 is not between 0 and 1024", "m", "-t", "-1");
    parsed_ok("m", "-g1", "--temperature", "10", "-t1024");
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(unknown_names_get_a_suggestion)
{
    is_refused("unknown option --group; did you mean --group-size?", "m", "--group", "4");
    is_refused("unknown option --ouput; did you mean --output?", "m", "--ouput=x");
    is_refused("unknown option --thread; did you mean --threads?", "m", "--thread");
    is_refused("unknown option --xyz", "m", "--xyz");
    is_refused("unknown option -x", "m", "-fx");
    is_refused("unknown option -j", "m", "-j");
    is_refused("option --format: \"ggfu\" is not one of swg|safetensors|gguf; did you mean gguf?",
               "m", "--format", "ggfu");
    is_refused("option --format: \"swg|gguf\" is not one of swg|safetensors|gguf", "m",
               "--format=swg|gguf");
    is_refused("option --format: \"\" is not one of swg|safetensors|gguf", "m", "--format=");
    is_refused("option --color: \"blue\" is not one of auto|always|never", "m", "--color", "blue");
}
END_TEST

START_TEST(slips_are_refused)
{
    is_refused("option --force is given twice", "m", "-f", "--force");
    is_refused("option --output is given twice", "m", "-oa", "-oa");
    is_refused("option --json is given twice", "m", "--json", "--json");
    is_refused("option --force takes no value", "m", "--force=yes");
    is_refused("option --output needs a value", "m", "--output");
    is_refused("option --output needs a value", "m", "-fo");
    is_refused("option --output needs a value; one that starts with a dash is written "
               "--output=--force",
               "m", "--output", "--force");
    is_refused("option --output needs a value; one that starts with a dash is written --output=--",
               "m", "-o", "--");
    is_refused("options --quiet and --verbose exclude each other", "m", "-qv");
    is_refused("0 of at least 1 arguments given: MODEL [OTHER]", "-f");
    is_refused("unexpected argument \"c\"; the output is given by --output", "a", "b", "c");
}
END_TEST

START_TEST(a_required_option_is_asked_for_unless_help_is_wanted)
{
    static const swg_option required[] = {
        {.kind = SWG_OPTION_IS_STRING,
         .name = "output",
         .metavar = "FILE",
         .help = "target",
         .offset = offsetof(arguments, output),
         .is_required = true},
    };
    swg_command strict = command;
    strict.options = required;
    strict.n_options = 1;
    swg_parsed parsed;
    ck_status_is(SWG_USAGE, parse(&strict, (const char *const[]){"m", NULL}, &parsed));
    ck_assert_str_eq(swg_error_message(), "option --output is required");
    ck_ok(parse(&strict, (const char *const[]){"--help", NULL}, &parsed));
    ck_assert(parsed.common.help);
    swg_parsed_deinit(&parsed);
    ck_ok(parse(&strict, (const char *const[]){"m", "--output=", NULL}, &parsed));
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(an_option_that_needs_another_is_refused_alone)
{
    static const swg_option_need needs[] = {{"seed", "temperature"}};
    swg_command strict = command;
    swg_parsed parsed;
    strict.needs = needs;
    strict.n_needs = 1;
    ck_status_is(SWG_USAGE,
                 parse(&strict, (const char *const[]){"m", "--seed", "1", NULL}, &parsed));
    ck_assert_str_eq(swg_error_message(), "--seed is of use only with --temperature");
    ck_ok(parse(&strict, (const char *const[]){"m", "--seed", "1", "--temperature", "1", NULL},
                &parsed));
    swg_parsed_deinit(&parsed);
    ck_ok(parse(&strict, (const char *const[]){"m", NULL}, &parsed));
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(options_that_exclude_each_other_are_refused_together)
{
    static const swg_option_exclusion exclusions[] = {{"seed", "temperature"}};
    swg_command strict = command;
    swg_parsed parsed;
    strict.exclusions = exclusions;
    strict.n_exclusions = 1;
    ck_status_is(SWG_USAGE,
                 parse(&strict,
                       (const char *const[]){"m", "--temperature", "1", "--seed", "1", NULL},
                       &parsed));
    ck_assert_str_eq(swg_error_message(), "--seed and --temperature exclude each other");
    ck_ok(parse(&strict, (const char *const[]){"m", "--seed", "1", NULL}, &parsed));
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(a_command_without_options_or_arguments_parses)
{
    const swg_command bare = {.name = "bare", .synopsis = ""};
    swg_parsed parsed;
    ck_ok(swg_options_parse(&bare, NULL, 0, &parsed));
    ck_assert_uint_eq(parsed.n_positionals, 0);
    swg_parsed_deinit(&parsed);
}
END_TEST

START_TEST(choice_words_are_views)
{
    const char *word;
    size_t length;
    ck_assert(swg_choice_word("a|bc|d", 1, &word, &length));
    ck_assert_uint_eq(length, 2);
    ck_assert_mem_eq(word, "bc", 2);
    ck_assert(!swg_choice_word("a|bc|d", 3, &word, &length));
}
END_TEST

static swg_status parse_many(void *context)
{
    (void)context;
    swg_parsed parsed;
    static const char *const words[] = {"m", "-s", "a", "-sb", "--format=gguf", "-g8", NULL};
    SWG_TRY(parse(&command, words, &parsed));
    swg_parsed_deinit(&parsed);
    return SWG_OK;
}

START_TEST(each_failing_allocation_is_reported)
{
    swg_test_each_allocation_fails(parse_many, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *cases = tcase_create("options");
    tcase_add_test(cases, defaults_hold_when_nothing_is_given);
    tcase_add_test(cases, every_spelling_of_a_value_is_read);
    tcase_add_test(cases, short_flags_group_and_end_in_a_value);
    tcase_add_test(cases, two_dashes_end_the_options);
    tcase_add_test(cases, options_and_arguments_mix);
    tcase_add_test(cases, negative_numbers_are_values);
    tcase_add_test(cases, numbers_are_read_strictly);
    tcase_add_test(cases, ranges_are_checked);
    tcase_add_test(cases, unknown_names_get_a_suggestion);
    tcase_add_test(cases, slips_are_refused);
    tcase_add_test(cases, a_required_option_is_asked_for_unless_help_is_wanted);
    tcase_add_test(cases, a_command_without_options_or_arguments_parses);
    tcase_add_test(cases, an_option_that_needs_another_is_refused_alone);
    tcase_add_test(cases, options_that_exclude_each_other_are_refused_together);
    tcase_add_test(cases, choice_words_are_views);
    tcase_add_test(cases, each_failing_allocation_is_reported);
    suite_add_tcase(suite, cases);
    return suite;
}
