/* The plan: the rule of each class, rules by name, refusals, order. */
#include <string.h>

#include "quantize/plan.h"
#include "tests/harness.h"

static swg_tensor_desc desc(const char *name, swg_dtype type, uint32_t rank, uint64_t n, uint64_t k)
{
    return (swg_tensor_desc){
        .name = name, .scheme = swg_scheme_plain(type), .rank = rank, .shape = {n, k}};
}

enum { EMBED, NORM, Q, GATE, ROUTER, BIAS, MASK, HEAD, N_TENSORS };

static void model(swg_tensor_desc out[N_TENSORS])
{
    out[EMBED] = desc("model.embed_tokens.weight", SWG_F32, 2, 512, 64);
    out[NORM] = desc("model.layers.0.input_layernorm.weight", SWG_BF16, 1, 64, 0);
    out[Q] = desc("model.layers.0.self_attn.q_proj.weight", SWG_F32, 2, 64, 64);
    out[GATE] = desc("model.layers.0.mlp.gate_proj.weight", SWG_BF16, 2, 172, 64);
    out[ROUTER] = desc("model.layers.0.mlp.gate.weight", SWG_F32, 2, 8, 64);
    out[BIAS] = desc("model.layers.0.self_attn.q_proj.bias", SWG_F32, 1, 64, 0);
    out[MASK] = desc("model.layers.0.self_attn.mask", SWG_BOOL, 2, 64, 64);
    out[HEAD] = desc("lm_head.weight", SWG_F16, 2, 512, 64);
}

static const char *scheme_at(const swg_plan *plan, size_t i)
{
    static char name[SWG_SCHEME_NAME_BYTES];
    return swg_scheme_name(plan->entries[i].desc.scheme, name);
}

/* A recipe of a preset; freed by the caller. */
static swg_recipe *recipe_of(unsigned bits)
{
    swg_recipe_preset preset = swg_recipe_preset_default();
    swg_recipe *recipe = NULL;
    preset.bits = bits;
    ck_ok(swg_recipe_from_preset(&preset, &recipe));
    return recipe;
}

/* Add a rule that gives the matching tensors `setting`. */
static void say(swg_recipe *recipe, const char *pattern, const char *setting)
{
    swg_recipe_rule rule = {.tensors = &pattern, .n_tensors = 1, .origin = "--rule"};
    ck_ok(swg_recipe_setting_parse(recipe, setting, strlen(setting), "a test", &rule.setting));
    ck_ok(swg_recipe_add_rule(recipe, &rule));
}

static const char keep[] = "{\"format\": \"keep\"}", bits4[] = "{\"bits\": 4}";

START_TEST(rules_give_each_class_its_scheme)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_recipe *recipe = recipe_of(4);
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, N_TENSORS, NULL, recipe, &plan));
    static const char *const wanted[N_TENSORS] = {
        "int8-g128-sym-f16", "bf16", "int4-g64-sym-f16", "int4-g64-sym-f16", "f32", "f32", "bool",
        "int8-g128-sym-f16"};
    static const swg_plan_class classes[N_TENSORS] = {
        SWG_PLAN_CLASS_EMBEDDING, SWG_PLAN_CLASS_OTHER,  SWG_PLAN_CLASS_LINEAR,
        SWG_PLAN_CLASS_LINEAR,    SWG_PLAN_CLASS_ROUTER, SWG_PLAN_CLASS_OTHER,
        SWG_PLAN_CLASS_OTHER,     SWG_PLAN_CLASS_HEAD};
    uint64_t bytes = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        ck_assert_str_eq(scheme_at(&plan, i), wanted[i]);
        ck_assert_int_eq(plan.entries[i].kind, classes[i]);
        ck_assert_int_eq(plan.entries[i].is_quantized, strncmp(wanted[i], "int", 3) == 0);
        bytes += swg_tensor_bytes(&plan.entries[i].desc);
    }
    ck_assert_uint_eq(plan.n_quantized, 4);
    ck_assert_uint_eq(plan.bytes, bytes);
    ck_assert_uint_eq(plan.largest_bytes, 512 * 64 * 4 + 512 * (64 + 2));
    swg_plan_deinit(&plan);
    ck_assert_ptr_null(plan.entries);
    swg_recipe_free(&recipe);
}
END_TEST

START_TEST(settings_reach_the_entries)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_recipe_preset preset = {.size = sizeof preset,
                                .bits = 8,
                                .embedding_bits = SWG_PRESET_KEEP,
                                .asymmetric = true,
                                .scale_type = SWG_BF16,
                                .method = "rtn",
                                .search = SWG_SEARCH_ABSMAX};
    swg_recipe *recipe = NULL;
    ck_ok(swg_recipe_from_preset(&preset, &recipe));
    say(recipe, "gate_proj", keep);
    say(recipe, "gate", bits4); /* a router, asked for by name: done */
    say(recipe, "gate", "{\"search\": \"mse\", \"sparsity\": \"2:4\"}");
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, N_TENSORS, NULL, recipe, &plan));
    ck_assert_str_eq(scheme_at(&plan, EMBED), "f32");
    ck_assert_str_eq(plan.entries[EMBED].why, "embeddings are kept");
    ck_assert_str_eq(scheme_at(&plan, HEAD), "f16");
    ck_assert_str_eq(scheme_at(&plan, Q), "int8-row-asym-bf16");
    ck_assert_int_eq(plan.entries[Q].search, SWG_SEARCH_ABSMAX);
    ck_assert(swg_sparsity_is_dense(plan.entries[Q].sparsity));
    ck_assert_str_eq(scheme_at(&plan, GATE), "bf16");
    ck_assert_str_eq(plan.entries[GATE].why, "asked for");
    ck_assert_str_eq(scheme_at(&plan, ROUTER), "int4-row-asym-bf16");
    ck_assert_int_eq(plan.entries[ROUTER].search, SWG_SEARCH_MSE);
    ck_assert_uint_eq(plan.entries[ROUTER].sparsity.n, 2);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
}
END_TEST

START_TEST(embeddings_have_a_group_of_their_own)
{
    static const struct {
        unsigned embedding_bits;
        uint32_t group, wanted;
    } cases[] = {{8, 32, 128}, {8, 256, 256}, {8, 0, 0}, {4, 32, 32}};
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_recipe_preset preset = swg_recipe_preset_default();
        swg_recipe *recipe = NULL;
        swg_plan plan;
        preset.embedding_bits = cases[i].embedding_bits;
        preset.group = cases[i].group;
        ck_ok(swg_recipe_from_preset(&preset, &recipe));
        ck_ok(swg_plan_make(tensors, N_TENSORS, NULL, recipe, &plan));
        ck_assert_uint_eq(plan.entries[HEAD].desc.scheme.group, cases[i].wanted);
        ck_assert_uint_eq(plan.entries[Q].desc.scheme.group, cases[i].group);
        swg_plan_deinit(&plan);
        swg_recipe_free(&recipe);
    }
}
END_TEST

START_TEST(what_would_grow_is_kept)
{
    swg_tensor_desc tensors[2] = {desc("a.weight", SWG_F16, 2, 100, 1),
                                  desc("b.weight", SWG_F16, 2, 100, 64)};
    swg_recipe *recipe = recipe_of(4);
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, 2, NULL, recipe, &plan));
    ck_assert_str_eq(plan.entries[0].why, "would not get smaller");
    ck_assert(!plan.entries[0].is_quantized);
    ck_assert(plan.entries[1].is_quantized);
    swg_plan_deinit(&plan);
    say(recipe, "a", bits4); /* by name */
    ck_ok(swg_plan_make(tensors, 2, NULL, recipe, &plan));
    ck_assert(plan.entries[0].is_quantized);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
}
END_TEST

static void refuse(const char *pattern, const char *setting, swg_status status, const char *message)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_recipe *recipe = recipe_of(4);
    swg_plan plan = {.n_entries = 7};
    say(recipe, pattern, setting);
    ck_status_is(status, swg_plan_make(tensors, N_TENSORS, NULL, recipe, &plan));
    ck_assert_msg(strstr(swg_error_message(), message) != NULL, "%s", swg_error_message());
    ck_assert_uint_eq(plan.n_entries, 7); /* outputs are written only on success */
    swg_recipe_free(&recipe);
}

START_TEST(wrong_wishes_are_refused)
{
    refuse("*q_proj.bias", bits4, SWG_USAGE, "q_proj.bias matches no matrix");
    refuse("mask", bits4, SWG_USAGE, "mask matches no matrix");
    refuse("q_prj", keep, SWG_USAGE, "the nearest is q_proj");
    refuse("*", keep, SWG_UNSUPPORTED, "none of the 8 tensors");
    refuse("q_proj", "{\"method\": \"rtm\"}", SWG_USAGE, "the nearest is rtn");
    refuse("q_proj", "{\"parameters\": {\"damp\": 1}}", SWG_USAGE, "no parameter \"damp\"");
    swg_recipe *recipe = recipe_of(4);
    swg_plan plan;
    ck_status_is(SWG_UNSUPPORTED, swg_plan_make(NULL, 0, NULL, recipe, &plan));
    swg_recipe_free(&recipe);
}
END_TEST

START_TEST(quantized_input_needs_consent)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    tensors[Q].scheme = (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = 32);
    swg_recipe *recipe = recipe_of(4), *keeping = recipe_of(4);
    swg_plan plan;
    ck_status_is(SWG_UNSUPPORTED, swg_plan_make(tensors, N_TENSORS, NULL, recipe, &plan));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "int8-g32-sym-f16"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "--requantize"));
    say(keeping, "q_proj", keep);
    ck_ok(swg_plan_make(tensors, N_TENSORS, NULL, keeping, &plan));
    ck_assert_str_eq(scheme_at(&plan, Q), "int8-g32-sym-f16");
    swg_plan_deinit(&plan);
    recipe->requantize = true;
    ck_ok(swg_plan_make(tensors, N_TENSORS, NULL, recipe, &plan));
    ck_assert_str_eq(scheme_at(&plan, Q), "int4-g64-sym-f16");
    ck_assert(plan.entries[Q].is_quantized);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
    swg_recipe_free(&keeping);
}
END_TEST

START_TEST(numbers_in_names_are_in_order)
{
    /* Wanted: the order of the list. */
    static const char *const names[] = {"a.weight",         "layers.2.weight", "layers.2.zweight",
                                        "layers.9.weight",  "layers.010.b",    "layers.10.a",
                                        "layers.10.weight", "layers.11.a",     "layersx.weight"};
    enum { N = sizeof names / sizeof *names };
    swg_tensor_desc tensors[N];
    for (size_t i = 0; i < N; i++)
        tensors[i] = desc(names[(i * 5 + 3) % N], SWG_F32, 2, 8, 64);
    swg_recipe *recipe = recipe_of(8);
    swg_plan plan;
    say(recipe, "*", bits4);
    ck_ok(swg_plan_make(tensors, N, NULL, recipe, &plan));
    static const char *const wanted[] = {"a.weight",         "layers.2.weight", "layers.2.zweight",
                                         "layers.9.weight",  "layers.10.a",     "layers.010.b",
                                         "layers.10.weight", "layers.11.a",     "layersx.weight"};
    for (size_t i = 0; i < N; i++)
        ck_assert_str_eq(plan.entries[plan.order[i]].desc.name, wanted[i]);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
}
END_TEST

/* The architecture takes precedence over the parts of a name. */
START_TEST(classes_come_from_the_architecture)
{
    static const struct {
        const char *name;
        swg_tensor_use use;
        swg_plan_class kind;
    } cases[] = {
        {"lm_head.weight", {.kind = SWG_USE_UNKNOWN}, SWG_PLAN_CLASS_HEAD},
        {"lm_head.weight", {.kind = SWG_USE_IGNORED}, SWG_PLAN_CLASS_OTHER},
        {"gate.weight",
         {.kind = SWG_USE_WEIGHT, .role = SWG_ROLE_FFN_GATE, .is_quantizable = true},
         SWG_PLAN_CLASS_LINEAR},
        {"x.table",
         {.kind = SWG_USE_WEIGHT, .role = SWG_ROLE_POSITION_EMBEDDING, .is_quantizable = true},
         SWG_PLAN_CLASS_EMBEDDING},
        {"x",
         {.kind = SWG_USE_WEIGHT, .role = SWG_ROLE_HEAD, .is_quantizable = true},
         SWG_PLAN_CLASS_HEAD},
        {"x.table",
         {.kind = SWG_USE_WEIGHT, .role = SWG_ROLE_POSITION_EMBEDDING},
         SWG_PLAN_CLASS_OTHER},
        {"q.weight", {.kind = SWG_USE_BIAS, .role = SWG_ROLE_QUERY}, SWG_PLAN_CLASS_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const swg_tensor_desc tensor = desc(cases[i].name, SWG_F32, 2, 8, 8);
        ck_assert_int_eq(swg_plan_class_of(&tensor, &cases[i].use), cases[i].kind);
    }
    const swg_tensor_desc vector = desc("x.weight", SWG_F32, 1, 8, 0);
    ck_assert_int_eq(swg_plan_class_of(&vector, &cases[4].use), SWG_PLAN_CLASS_OTHER);
}
END_TEST

START_TEST(the_order_is_that_of_a_token)
{
    swg_tensor_desc tensors[] = {desc("a.unknown.10.weight", SWG_F32, 2, 8, 64),
                                 desc("a.unknown.9.weight", SWG_F32, 2, 8, 64),
                                 desc("head.weight", SWG_F32, 2, 8, 64),
                                 desc("layers.0.b", SWG_F32, 1, 8, 0),
                                 desc("layers.0.w", SWG_F32, 2, 8, 64),
                                 desc("z.embedding", SWG_F32, 2, 8, 64)};
    enum { N = sizeof tensors / sizeof *tensors };
    static const size_t orders[N] = {SIZE_MAX, SIZE_MAX, 9, 5, 5, 0};
    static const size_t wanted[N] = {5, 3, 4, 2, 1, 0};
    swg_tensor_use uses[N] = {0};
    for (size_t i = 0; i < N; i++) {
        uses[i].kind = orders[i] == SIZE_MAX ? SWG_USE_UNKNOWN : SWG_USE_WEIGHT;
        uses[i].order = orders[i];
    }
    swg_recipe *recipe = recipe_of(4);
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, N, uses, recipe, &plan));
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(plan.order[i], wanted[i]);
    swg_plan_deinit(&plan);
    swg_recipe_free(&recipe);
}
END_TEST

START_TEST(classes_are_read_from_names)
{
    static const struct {
        const char *name;
        swg_plan_class kind;
    } cases[] = {{"transformer.wte.weight", SWG_PLAN_CLASS_EMBEDDING},
                 {"wpe.weight", SWG_PLAN_CLASS_EMBEDDING},
                 {"bert.embeddings.word_embeddings.weight", SWG_PLAN_CLASS_EMBEDDING},
                 {"lm_head.weight", SWG_PLAN_CLASS_HEAD},
                 {"lstm.weight_ih_l0", SWG_PLAN_CLASS_LINEAR},
                 {"weight", SWG_PLAN_CLASS_LINEAR},
                 {"model.layers.3.mlp.gate_proj.weight", SWG_PLAN_CLASS_LINEAR},
                 {"model.layers.3.block_sparse_moe.gate.weight", SWG_PLAN_CLASS_ROUTER},
                 {"not_embed_tokens.weight", SWG_PLAN_CLASS_LINEAR},
                 {"rotary.table", SWG_PLAN_CLASS_OTHER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const swg_tensor_desc tensor = desc(cases[i].name, SWG_F32, 2, 8, 8);
        ck_assert_msg(swg_plan_class_of(&tensor, NULL) == cases[i].kind, "%s: %s", cases[i].name,
                      swg_plan_class_name(swg_plan_class_of(&tensor, NULL)));
    }
}
END_TEST

static swg_status plan_once(void *context)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_plan plan;
    SWG_TRY(swg_plan_make(tensors, N_TENSORS, NULL, context, &plan));
    swg_plan_deinit(&plan);
    return SWG_OK;
}

START_TEST(lack_of_memory_is_an_error)
{
    swg_recipe *recipe = recipe_of(4);
    say(recipe, "q_proj", keep);
    swg_test_each_allocation_fails(plan_once, recipe);
    swg_recipe_free(&recipe);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("plan");
    TCase *c = tcase_create("plan");
    tcase_add_test(c, rules_give_each_class_its_scheme);
    tcase_add_test(c, settings_reach_the_entries);
    tcase_add_test(c, embeddings_have_a_group_of_their_own);
    tcase_add_test(c, what_would_grow_is_kept);
    tcase_add_test(c, wrong_wishes_are_refused);
    tcase_add_test(c, quantized_input_needs_consent);
    tcase_add_test(c, numbers_in_names_are_in_order);
    tcase_add_test(c, classes_come_from_the_architecture);
    tcase_add_test(c, the_order_is_that_of_a_token);
    tcase_add_test(c, classes_are_read_from_names);
    tcase_add_test(c, lack_of_memory_is_an_error);
    suite_add_tcase(suite, c);
    return suite;
}
