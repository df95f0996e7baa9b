/* Recipes: the text and back, precedence of rules, and everything that is refused, with the nearest
 * valid name. */
#include <stdio.h>
#include <string.h>

#include "quantize/recipe.h"
#include "tests/harness.h"

static swg_status parse(const char *text, swg_recipe **out)
{
    return swg_recipe_parse(text, strlen(text), "r.json", out);
}

static char *text_of(const swg_recipe *recipe)
{
    swg_json_writer json = {.compact = true};
    swg_recipe_write(recipe, &json, NULL);
    ck_ok(swg_strbuf_status(&json.out));
    return json.out.text; /* the caller's, to be freed */
}

/* All keys with values other than the defaults. */
static const char full[] =
    "{\"recipe\":1,\"seed\":7,\"nonfinite\":\"warn\",\"requantize\":true,\"container\":{\"level\":"
    "9},\"transforms\":[\"awq\"],\"statistics\":\"paired\","
    "\"defaults\":{\"format\":\"int\",\"bits\":8,\"group\":\"row\",\"zero_points\":true,"
    "\"scale_type\":\"f32\",\"method\":\"gptq\",\"search\":\"absmax\",\"sparsity\":0.5,"
    "\"parameters\":{\"damping\":0.01,\"order\":\"group\",\"sweeps\":3}},"
    "\"rules\":[{\"classes\":[\"embedding\",\"head\"],\"tensors\":[\"wte\",\"lm_*\"],\"format\":"
    "\"keep\"},{\"tensors\":[\"a\"],\"format\":\"int\",\"bits\":4,\"group\":128},"
    "{\"sparsity\":\"2:4\"},{\"group\":\"auto\",\"scale_type\":\"auto\"}]}";

START_TEST(texts_come_back)
{
    swg_recipe *recipe = NULL, *again = NULL;
    ck_ok(parse(full, &recipe));
    ck_assert_uint_eq(recipe->seed, 7);
    ck_assert_int_eq(recipe->nonfinite, SWG_NONFINITE_WARN);
    ck_assert(recipe->requantize);
    ck_assert_int_eq(recipe->level, 9);
    ck_assert_str_eq(recipe->statistics, "paired");
    const swg_recipe_setting *all = &recipe->defaults;
    ck_assert_uint_eq(all->group, 0);
    ck_assert_str_eq(all->method, "gptq"); /* its command decides whether it is valid */
    ck_assert_double_eq(all->sparsity.ratio, 0.5);
    ck_assert_uint_eq(all->n_parameters, 3);
    ck_assert_double_eq(swg_parameter_find(all->parameters, 3, "damping")->number, 0.01);
    ck_assert_str_eq(swg_parameter_find(all->parameters, 3, "order")->word, "group");
    ck_assert_ptr_null(swg_parameter_find(all->parameters, 3, "dampin"));
    ck_assert_uint_eq(recipe->n_rules, 4);
    ck_assert_uint_eq(recipe->rules[2].setting.sparsity.m, 4);
    char *text = text_of(recipe);
    ck_assert_str_eq(text, full);
    swg_recipe_free(&recipe);
    swg_free(text);
    /* A recipe of nothing is written out with all its defaults, and so is one from a preset. */
    const swg_recipe_preset preset = swg_recipe_preset_default();
    for (int i = 0; i < 2; i++) {
        ck_ok(i ? parse("{\"recipe\":1}", &recipe) : swg_recipe_from_preset(&preset, &recipe));
        text = text_of(recipe);
        ck_assert_ptr_nonnull(strstr(text, "\"parameters\":{}"));
        ck_ok(parse(text, &again));
        char *second = text_of(again);
        ck_assert_str_eq(text, second);
        swg_free(text);
        swg_free(second);
        swg_recipe_free(&recipe);
        swg_recipe_free(&again);
    }
}
END_TEST

/* What recipes say of pruning comes back too; a recipe that says nothing of it writes nothing. */
START_TEST(pruning_comes_back)
{
    static const char text[] =
        "{\"recipe\":1,\"rules\":[{\"sparsity\":{\"ratio\":0.5,\"block\":\"16x1\"},"
        "\"prune\":\"gradual\",\"prune_parameters\":{\"rounds\":8}}]}";
    swg_recipe *recipe = NULL, *again = NULL;
    swg_json_writer json = {.compact = true};
    ck_ok(swg_recipe_parse(text, strlen(text), "a", &recipe));
    swg_recipe_write(recipe, &json, NULL);
    ck_ok(swg_recipe_parse(json.out.text, json.out.length, "b", &again));
    const swg_recipe_setting *setting = &again->rules[0].setting;
    ck_assert_double_eq(setting->sparsity.ratio, 0.5);
    ck_assert_uint_eq(setting->sparsity.block, 16);
    ck_assert_str_eq(setting->prune, "gradual");
    ck_assert_uint_eq(setting->n_prune_parameters, 1);
    ck_assert_double_eq(setting->prune_parameters[0].number, 8);
    ck_assert_ptr_null(again->defaults.prune);
    swg_json_deinit(&json);
    swg_recipe_free(&again);
    swg_recipe_free(&recipe);
}
END_TEST

START_TEST(texts_around_a_recipe_are_read)
{
    swg_recipe *recipe = NULL;
    ck_ok(parse("{\"command\":\"inspect\",\"recipe\":{\"recipe\":1,\"seed\":5},\"more\":[]}",
                &recipe));
    ck_assert_uint_eq(recipe->seed, 5);
    swg_recipe_free(&recipe);
    /* One value is a list of one; bits alone imply codes. */
    ck_ok(parse("{\"recipe\":1,\"rules\":[{\"classes\":\"linear\",\"tensors\":\"a\",\"bits\":8}]}",
                &recipe));
    ck_assert_uint_eq(recipe->rules[0].classes, 1u << SWG_PLAN_CLASS_LINEAR);
    ck_assert_str_eq(recipe->rules[0].tensors[0], "a");
    ck_assert_str_eq(recipe->rules[0].setting.format, "int");
    swg_recipe_free(&recipe);
}
END_TEST

static const struct {
    const char *text, *message;
    swg_status status;
} refused[] = {
    {"{\"recipe\":1,", "r.json", SWG_CORRUPT},
    {"[]", "a recipe is a JSON object", SWG_USAGE},
    {"{}", "\"recipe\", the version (1), is missing", SWG_USAGE},
    {"{\"recipe\":{}}", "\"recipe\", the version (1), is missing", SWG_USAGE},
    {"{\"recipe\":2}", "version 2", SWG_UNSUPPORTED},
    {"{\"recipe\":\"x\"}", "\"recipe\" is not the number", SWG_USAGE},
    {"{\"recipe\":1,\"sed\":1}", "unknown key \"sed\"; the nearest is seed", SWG_USAGE},
    {"{\"recipe\":1,\"zzzzz\":1}", "known: recipe, seed, nonfinite", SWG_USAGE},
    {"{\"recipe\":1,\"statistics\":\"pared\"}", "the nearest is paired", SWG_USAGE},
    {"{\"recipe\":1,\"seed\":-1}", "\"seed\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"seed\":0.5}", "\"seed\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"nonfinite\":\"wran\"}", "the nearest is warn", SWG_USAGE},
    {"{\"recipe\":1,\"nonfinite\":1}", "\"nonfinite\" is not a string", SWG_USAGE},
    {"{\"recipe\":1,\"requantize\":1}", "\"requantize\" is not true or false", SWG_USAGE},
    {"{\"recipe\":1,\"container\":1}", "\"container\" is not an object", SWG_USAGE},
    {"{\"recipe\":1,\"container\":{\"levle\":1}}", "the nearest is level", SWG_USAGE},
    {"{\"recipe\":1,\"container\":{\"level\":23}}", "from 0 to 22", SWG_USAGE},
    {"{\"recipe\":1,\"defaults\":[]}", "\"defaults\" is not an object", SWG_USAGE},
    {"{\"recipe\":1,\"defaults\":{\"tensors\":\"a\"}}", "unknown key \"tensors\"", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":{}}", "\"rules\" is not an array", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"bits\":4},{\"bit\":4}]}",
     "r.json: rule 2: unknown key \"bit\"; the nearest is bits", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"tensors\":\"a\"}]}", "rule 1: a rule without any setting",
     SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"bits\":7}]}", ", not 7", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"bits\":16}]}", "not 16 (the format \"keep\")", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"bits\":\"4\"}]}", "\"bits\" is not a whole number", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"group\":48}]}", "32, 64, 128 or 256", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"group\":\"rwo\"}]}", "the nearest is row", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"format\":\"itn\"}]}", "the nearest is int", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"scale_type\":\"bf61\"}]}", "the nearest is bf16", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"search\":\"absmx\"}]}", "the nearest is absmax", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"zero_points\":1}]}", "true or false", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"method\":\"\"}]}", "the name of a method", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":1}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":-0.1}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":\"4:2\"}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":\"0:4\"}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":\"2:4x\"}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":\" 2:4\"}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":{\"ratio\":0.5}}]}", "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":{\"ratio\":0.5,\"block\":\"16x2\"}}]}",
     "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"sparsity\":{\"ratio\":1,\"block\":\"16x1\"}}]}",
     "\"sparsity\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"prune\":3}]}", "\"prune\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"prune_parameters\":[]}]}", "\"prune_parameters\" is not",
     SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"parameters\":[]}]}", "\"parameters\" is not an object",
     SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"parameters\":{\"a\":[]}}]}", "\"a\" is not a number", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"classes\":\"liner\",\"bits\":4}]}", "the nearest is linear",
     SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"classes\":[],\"bits\":4}]}", "\"classes\" is not", SWG_USAGE},
    {"{\"recipe\":1,\"rules\":[{\"tensors\":[1],\"bits\":4}]}", "\"tensors\" is not", SWG_USAGE},
};

START_TEST(wrong_texts_are_refused)
{
    swg_recipe *recipe = NULL;
    ck_status_is(refused[_i].status, parse(refused[_i].text, &recipe));
    ck_assert_msg(strstr(swg_error_message(), refused[_i].message) != NULL, "%s: %s",
                  refused[_i].text, swg_error_message());
    ck_assert_ptr_null(recipe);
}
END_TEST

static const swg_recipe_tensor tensors[] = {
    {"embed.weight", SWG_PLAN_CLASS_EMBEDDING, true},
    {"layers.0.q.weight", SWG_PLAN_CLASS_LINEAR, true},
    {"layers.0.norm.weight", SWG_PLAN_CLASS_OTHER, false},
    {"layers.1.q.weight", SWG_PLAN_CLASS_LINEAR, true},
    {"layers.1.gate.weight", SWG_PLAN_CLASS_ROUTER, true},
};
enum { EMBED, Q0, NORM, Q1, ROUTER, N_TENSORS };

static swg_status apply(const char *rules, swg_recipe **recipe, swg_recipe_choice **choices)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"recipe\":1,\"rules\":[%s]}", rules);
    ck_ok(parse(text, recipe));
    return swg_recipe_apply(*recipe, tensors, N_TENSORS, choices);
}

START_TEST(later_rules_win_field_by_field)
{
    swg_recipe *recipe = NULL;
    swg_recipe_choice *choices = NULL;
    ck_ok(apply("{\"classes\":[\"linear\",\"embedding\"],\"bits\":4,\"zero_points\":true},"
                "{\"tensors\":\"layers.0.*\",\"bits\":8},"
                "{\"tensors\":[\"layers.0.q.weight\",\"layers.1\"],\"group\":256,\"method\":\"m\"},"
                "{\"classes\":\"router\",\"tensors\":\"layers.*\",\"sparsity\":\"1:2\"}",
                &recipe, &choices));
    const swg_recipe_setting *q0 = &choices[Q0].setting, *q1 = &choices[Q1].setting,
                             *embed = &choices[EMBED].setting, *norm = &choices[NORM].setting,
                             *router = &choices[ROUTER].setting;
    ck_assert_uint_eq(q0->bits, 8);
    ck_assert_uint_eq(q0->group, 256);
    ck_assert(q0->zero_points);
    ck_assert_int_eq(q0->scale_type, SWG_BF16); /* automatic: of 8 bits */
    ck_assert(choices[Q0].is_named);
    ck_assert_uint_eq(q1->bits, 4);
    ck_assert_uint_eq(q1->group, 256);
    ck_assert_int_eq(q1->scale_type, SWG_F16);
    ck_assert_str_eq(q1->method, "m");
    ck_assert(!choices[Q1].is_named); /* its format is that of its class */
    ck_assert_uint_eq(embed->group, 64);
    ck_assert_str_eq(embed->format, "int");
    ck_assert_str_eq(norm->format, "keep"); /* not a matrix: left out */
    ck_assert_str_eq(router->format, "keep");
    ck_assert_uint_eq(router->sparsity.m, 2);
    ck_assert(swg_sparsity_is_dense(norm->sparsity));
    swg_free(choices);
    swg_recipe_free(&recipe);
    ck_ok(apply("{\"bits\":8}", &recipe, &choices));
    ck_assert_uint_eq(choices[EMBED].setting.group, 128); /* automatic, of embeddings */
    ck_assert_uint_eq(choices[Q0].setting.group, 32);
    swg_free(choices);
    swg_recipe_free(&recipe);
}
END_TEST

START_TEST(patterns_must_match)
{
    static const struct {
        const char *rules, *message;
    } cases[] = {
        {"{\"tensors\":\"layers.0.k.*\",\"bits\":4}",
         "r.json: rule 1: pattern layers.0.k.* matches none of the 5 tensors"},
        {"{\"bits\":4},{\"tensors\":[\"layers\",\"nrom\"],\"group\":32}",
         "rule 2: pattern nrom matches none of the 5 tensors; the nearest is norm"},
        {"{\"tensors\":\"norm\",\"bits\":4}", "pattern norm matches no matrix of floats, and"},
        {"{\"tensors\":\"norm\",\"sparsity\":0.5}", "pattern norm matches no matrix"},
        {"{\"tensors\":\"embed\",\"classes\":\"linear\",\"bits\":4}", "of that class"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_recipe *recipe = NULL;
        swg_recipe_choice *choices = NULL;
        ck_status_is(SWG_USAGE, apply(cases[i].rules, &recipe, &choices));
        ck_assert_msg(strstr(swg_error_message(), cases[i].message) != NULL, "%s",
                      swg_error_message());
        ck_assert_ptr_null(choices);
        swg_recipe_free(&recipe);
    }
}
END_TEST

static swg_status once(void *context)
{
    swg_recipe *recipe = NULL;
    swg_recipe_choice *choices = NULL;
    swg_json_writer json = {0};
    swg_status status = SWG_OK;
    SWG_GO(parse(context, &recipe));
    swg_recipe_write(recipe, &json, NULL);
    SWG_GO(swg_strbuf_status(&json.out));
    const swg_recipe_tensor wanted[] = {{"wte", SWG_PLAN_CLASS_EMBEDDING, true},
                                        {"lm_head", SWG_PLAN_CLASS_HEAD, true},
                                        {"a", SWG_PLAN_CLASS_LINEAR, true}};
    SWG_GO(swg_recipe_apply(recipe, wanted, 3, &choices));
done:
    swg_json_deinit(&json);
    swg_free(choices);
    swg_recipe_free(&recipe);
    return status;
}

START_TEST(lack_of_memory_is_an_error)
{
    char text[sizeof full];
    memcpy(text, full, sizeof full);
    swg_test_each_allocation_fails(once, text);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("recipe");
    TCase *c = tcase_create("recipes");
    tcase_add_test(c, texts_come_back);
    tcase_add_test(c, texts_around_a_recipe_are_read);
    tcase_add_test(c, pruning_comes_back);
    tcase_add_loop_test(c, wrong_texts_are_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(c, later_rules_win_field_by_field);
    tcase_add_test(c, patterns_must_match);
    tcase_add_test(c, lack_of_memory_is_an_error);
    suite_add_tcase(suite, c);
    return suite;
}
