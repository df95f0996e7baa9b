/* Multiple choice: items of every form as lm-evaluation-harness makes them, scores against plain
 * computations from logits, the three rules, and refusals. */
#include <math.h>
#include <stdio.h>

#include "eval/choice.h"
#include "eval/task.h"
#include "tests/eval/eval_fixtures.h"

static swg_choice_item item;

static swg_status read_as(swg_choice_format format, const char *json, const char *prefix)
{
    swg_json_doc *doc = NULL;
    ck_ok(swg_json_parse(json, strlen(json), "item", &doc));
    const swg_status status =
        swg_choice_item_read(format, swg_json_root(doc), "data: line 3", prefix, &item);
    swg_json_free(&doc);
    return status;
}

static void check_choice(size_t i, const char *context, const char *ending, size_t characters,
                         size_t bytes)
{
    ck_assert_str_eq(swg_strbuf_text(&item.contexts[i]), context);
    ck_assert_str_eq(swg_strbuf_text(&item.endings[i]), ending);
    ck_assert_uint_eq(item.characters[i], characters);
    ck_assert_uint_eq(item.bytes[i], bytes);
}

static void drop_item(void)
{
    swg_choice_item_deinit(&item);
}

START_TEST(plain_items)
{
    ck_ok(read_as(SWG_CHOICE_FORMAT_choices,
                  "{\"context\":\"Q\",\"choices\":[\"n\xc3\xa4h\",\"b\"],\"gold\":1,\"more\":[]}",
                  "1+1=2\n\n"));
    ck_assert_uint_eq(item.n_choices, 2);
    ck_assert_uint_eq(item.gold, 1);
    check_choice(0, "1+1=2\n\nQ", " n\xc3\xa4h", 3, 4);
    check_choice(1, "1+1=2\n\nQ", " b", 1, 1);
}
END_TEST

/* What the harness's process_docs gives for the same rows. */
START_TEST(hellaswag_items)
{
    ck_ok(read_as(SWG_CHOICE_FORMAT_hellaswag,
                  "{\"activity_label\":\"Roof\",\"ctx_a\":\"[header] how to [title] fix   it \","
                  "\"ctx_b\":\"tHE Man\",\"endings\":[\" a  b   c    d\",\"[open never\"],"
                  "\"label\":\"1\"}",
                  ""));
    check_choice(0, "Roof: how to. fix  it The man", " a b  c  d", 9, 9);
    check_choice(1, "Roof: how to. fix  it The man", " [open never", 11, 11);
    ck_assert_uint_eq(item.gold, 1);
}
END_TEST

START_TEST(questions)
{
    ck_ok(read_as(SWG_CHOICE_FORMAT_arc,
                  "{\"question\":\"Why?\",\"choices\":{\"text\":[\"so\",\"no\",\"yes\"],\"label\":"
                  "[\"A\",\"B\",\"C\"]},\"answerKey\":\"C\"}",
                  ""));
    ck_assert_uint_eq(item.n_choices, 3);
    ck_assert_uint_eq(item.gold, 2);
    check_choice(2, "Question: Why?\nAnswer:", " yes", 3, 3);
    ck_ok(read_as(SWG_CHOICE_FORMAT_piqa,
                  "{\"goal\":\"open it\",\"sol1\":\"pull\",\"sol2\":\"push\",\"label\":0}", ""));
    ck_assert_uint_eq(item.n_choices, 2);
    ck_assert_uint_eq(item.gold, 0);
    check_choice(1, "Question: open it\nAnswer:", " push", 4, 4);
}
END_TEST

START_TEST(winogrande_scores_what_follows)
{
    ck_ok(read_as(SWG_CHOICE_FORMAT_winogrande,
                  "{\"sentence\":\"Ann hit Bo, so _ was sad. \",\"option1\":\"Ann\",\"option2\":"
                  "\"Bo\",\"answer\":\"2\"}",
                  ""));
    check_choice(0, "Ann hit Bo, so Ann", " was sad.", 3, 3);
    check_choice(1, "Ann hit Bo, so Bo", " was sad.", 2, 2);
    ck_assert_uint_eq(item.gold, 1);
}
END_TEST

START_TEST(other_items_are_refused)
{
    static const struct {
        swg_choice_format format;
        const char *json, *says;
    } rows[] = {
        {SWG_CHOICE_FORMAT_choices, "{\"choices\":[\"a\",\"b\"],\"gold\":0}",
         "\"context\" is missing"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":\"ab\",\"gold\":0}",
         "not an array"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":[\"a\"],\"gold\":0}",
         "fewer than two"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":[\"a\",\"\"],\"gold\":0}",
         "choice 1 is empty"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":[\"a\",7],\"gold\":0}",
         "not a string"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":[\"a\",\"b\"],\"gold\":2}",
         "\"gold\" is 2; there are 2 choices"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":[\"a\",\"b\"],\"gold\":-1}",
         "\"gold\" is -1"},
        {SWG_CHOICE_FORMAT_choices, "{\"context\":\"q\",\"choices\":[\"a\",\"b\"],\"gold\":\"1x\"}",
         "not a whole number"},
        {SWG_CHOICE_FORMAT_arc,
         "{\"question\":\"q\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},"
         "\"answerKey\":\"E\"}",
         "label \"E\""},
        {SWG_CHOICE_FORMAT_winogrande,
         "{\"sentence\":\"no gap\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"1\"}",
         "no \"_\""},
        {SWG_CHOICE_FORMAT_winogrande,
         "{\"sentence\":\"at the end _\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"1\"}",
         "empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_status_is(SWG_CORRUPT, read_as(rows[i].format, rows[i].json, ""));
        ck_assert_msg(strstr(swg_error_message(), rows[i].says) != NULL, "%s", swg_error_message());
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "data: line 3"));
    }
    char many[2048] = "{\"context\":\"q\",\"gold\":0,\"choices\":[\"a\"";
    for (int i = 0; i < SWG_MAX_CHOICES; i++)
        strcat(many, ",\"a\"");
    strcat(many, "]}");
    ck_status_is(SWG_CORRUPT, read_as(SWG_CHOICE_FORMAT_choices, many, ""));
}
END_TEST

/* --- Scores ----------------------------------------------------------------------------------- */

/* Sum of log-probabilities of the letters of `ending` after <s> and `context`, from all logits. */
static double plain_score(const swg_session *loaded, const char *context, const char *ending)
{
    int32_t ids[64] = {TOY_BOS};
    static float logits[64 * 40];
    size_t n = 1;
    for (const char *c = context; *c; c++)
        ids[n++] = *c == ' ' ? 32 : TOY_A + (*c - 'a');
    const size_t first = n;
    for (const char *c = ending; *c; c++)
        ids[n++] = *c == ' ' ? 32 : TOY_A + (*c - 'a');
    swg_exec *exec = NULL;
    swg_exec_options options = swg_exec_options_default();
    options.activations = SWG_ACT_F32;
    ck_ok(swg_exec_new(loaded->model, NULL, &options, &exec));
    ck_ok(swg_exec_run(exec, ids, n - 1, 0, logits));
    swg_exec_free(&exec);
    double sum = 0;
    for (size_t i = first; i < n; i++) {
        const float *row = logits + (i - 1) * 40;
        long double total = 0;
        for (size_t j = 0; j < 40; j++)
            total += expl((long double)row[j]);
        sum += (double)((long double)row[ids[i]] - logl(total));
    }
    return sum;
}

START_TEST(scores_are_sums_of_log_probabilities)
{
    swg_session loaded = micro_loaded(2);
    swg_choice_scorer *scorer = NULL;
    double scores[SWG_MAX_CHOICES];
    ck_ok(swg_choice_scorer_new(&loaded, loaded.tokenizer, 0, SWG_ACT_F32, SWG_KV_F32, &scorer));
    static const char *const items[] = {
        "{\"context\":\"the cat\",\"choices\":[\"sat down\",\"ran\",\"sat\"],\"gold\":0}",
        "{\"context\":\"the dog \",\"choices\":[\"sat down\",\"ran\",\"sat\"],\"gold\":0}",
        "{\"context\":\"the cat\",\"choices\":[\"sat down\",\"ran\",\"sat\"],\"gold\":0}"};
    for (size_t n = 0; n < 3; n++) {
        ck_ok(read_as(SWG_CHOICE_FORMAT_choices, items[n], ""));
        ck_ok(swg_choice_score(scorer, &item, "here", scores));
        for (size_t i = 0; i < item.n_choices; i++) {
            char ending[64];
            snprintf(ending, sizeof ending, "%s%s", n == 1 ? " " : "", item.endings[i].text);
            const double wanted =
                plain_score(&loaded, n == 1 ? "the dog" : item.contexts[i].text, ending);
            ck_assert_double_eq_tol(scores[i], wanted, 1e-5 * fabs(wanted));
        }
    }
    ck_ok(read_as(SWG_CHOICE_FORMAT_choices,
                  "{\"context\":\"\",\"choices\":[\"ab\",\"c\"],\"gold\":0}", ""));
    ck_ok(swg_choice_score(scorer, &item, "here", scores));
    ck_assert_double_eq_tol(scores[0], plain_score(&loaded, "", " ab"), 1e-5);
    char longer[256];
    snprintf(longer, sizeof longer, "{\"context\":\"%080d\",\"choices\":[\"a\",\"b\"],\"gold\":0}",
             0);
    for (char *c = longer; *c; c++)
        *c = *c == '0' && c[1] != '}' ? 'a' : *c;
    ck_ok(read_as(SWG_CHOICE_FORMAT_choices, longer, ""));
    ck_status_is(SWG_LIMIT, swg_choice_score(scorer, &item, "here", scores));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "here: choice 0"));
    swg_choice_scorer_free(&scorer);
    swg_session_close(&loaded);
}
END_TEST

START_TEST(the_first_of_equals_is_picked)
{
    swg_choice_item made = {.n_choices = 3, .characters = {4, 2, 1}, .bytes = {2, 4, 8}};
    const double equal[] = {-4, -4, -4}, apart[] = {-4, -3, -2};
    ck_assert_uint_eq(swg_choice_pick(&made, equal, SWG_CHOICE_BY_SUM), 0);
    ck_assert_uint_eq(swg_choice_pick(&made, apart, SWG_CHOICE_BY_SUM), 2);
    ck_assert_uint_eq(swg_choice_pick(&made, apart, SWG_CHOICE_BY_CHARACTER), 0);
    ck_assert_uint_eq(swg_choice_pick(&made, equal, SWG_CHOICE_BY_BYTE), 2);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("choice");
    TCase *tcase = tcase_create("items");
    tcase_add_checked_fixture(tcase, NULL, drop_item);
    tcase_add_test(tcase, plain_items);
    tcase_add_test(tcase, hellaswag_items);
    tcase_add_test(tcase, questions);
    tcase_add_test(tcase, winogrande_scores_what_follows);
    tcase_add_test(tcase, other_items_are_refused);
    tcase_add_test(tcase, scores_are_sums_of_log_probabilities);
    tcase_add_test(tcase, the_first_of_equals_is_picked);
    suite_add_tcase(suite, tcase);
    return suite;
}
