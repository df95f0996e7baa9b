/* The plan: the rule of each role, overrides, refusals. */
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

START_TEST(rules_give_each_role_its_scheme)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    const swg_plan_rules rules = swg_plan_rules_default(4);
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, N_TENSORS, &rules, NULL, &plan));
    static const char *const wanted[N_TENSORS] = {
        "int8-g128-sym-f16", "bf16", "int4-g64-sym-f16", "int4-g64-sym-f16", "f32", "f32", "bool",
        "int8-g128-sym-f16"};
    static const swg_plan_class roles[N_TENSORS] = {SWG_PLAN_CLASS_EMBEDDING, SWG_PLAN_CLASS_OTHER,
                                                    SWG_PLAN_CLASS_LINEAR,    SWG_PLAN_CLASS_LINEAR,
                                                    SWG_PLAN_CLASS_ROUTER,    SWG_PLAN_CLASS_OTHER,
                                                    SWG_PLAN_CLASS_OTHER,     SWG_PLAN_CLASS_HEAD};
    uint64_t bytes = 0;
    for (size_t i = 0; i < N_TENSORS; i++) {
        ck_assert_str_eq(scheme_at(&plan, i), wanted[i]);
        ck_assert_int_eq(plan.entries[i].role, roles[i]);
        ck_assert_int_eq(plan.entries[i].is_quantized, strncmp(wanted[i], "int", 3) == 0);
        bytes += swg_tensor_bytes(&plan.entries[i].desc);
    }
    ck_assert_uint_eq(plan.n_quantized, 4);
    ck_assert_uint_eq(plan.bytes, bytes);
    ck_assert_uint_eq(plan.largest_bytes, 512 * 64 * 4 + 512 * (64 + 2));
    swg_plan_deinit(&plan);
    ck_assert_ptr_null(plan.entries);
}
END_TEST

START_TEST(options_reach_the_schemes)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    const swg_plan_rules rules = {
        .bits = 8, .embedding_bits = SWG_PLAN_KEEP, .asymmetric = true, .scale_type = SWG_BF16};
    uint8_t overrides[N_TENSORS] = {0};
    overrides[GATE] = SWG_PLAN_KEEP;
    overrides[ROUTER] = 4; /* asked for by name: done */
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, N_TENSORS, &rules, overrides, &plan));
    ck_assert_str_eq(scheme_at(&plan, EMBED), "f32");
    ck_assert_str_eq(scheme_at(&plan, HEAD), "f16");
    ck_assert_str_eq(scheme_at(&plan, Q), "int8-row-asym-bf16");
    ck_assert_str_eq(scheme_at(&plan, GATE), "bf16");
    ck_assert_str_eq(plan.entries[GATE].why, "asked for");
    ck_assert_str_eq(scheme_at(&plan, ROUTER), "int4-row-asym-bf16");
    swg_plan_deinit(&plan);
}
END_TEST

START_TEST(embeddings_have_a_group_of_their_own)
{
    ck_assert_uint_eq(swg_plan_embedding_group(8, 32), 128);
    ck_assert_uint_eq(swg_plan_embedding_group(8, 256), 256);
    ck_assert_uint_eq(swg_plan_embedding_group(8, 0), 0);
    ck_assert_uint_eq(swg_plan_embedding_group(4, 32), 32);
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_plan_rules rules = swg_plan_rules_default(4);
    rules.embedding_group = 32;
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, N_TENSORS, &rules, NULL, &plan));
    ck_assert_str_eq(scheme_at(&plan, HEAD), "int8-g32-sym-f16");
    ck_assert_str_eq(scheme_at(&plan, Q), "int4-g64-sym-f16");
    swg_plan_deinit(&plan);
}
END_TEST

START_TEST(what_would_grow_is_kept)
{
    swg_tensor_desc tensors[2] = {desc("a.weight", SWG_F16, 2, 100, 1),
                                  desc("b.weight", SWG_F16, 2, 100, 64)};
    const swg_plan_rules rules = swg_plan_rules_default(4);
    swg_plan plan;
    ck_ok(swg_plan_make(tensors, 2, &rules, NULL, &plan));
    ck_assert_str_eq(plan.entries[0].why, "would not get smaller");
    ck_assert(!plan.entries[0].is_quantized);
    ck_assert(plan.entries[1].is_quantized);
    swg_plan_deinit(&plan);
}
END_TEST

START_TEST(wrong_wishes_are_refused)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_plan_rules rules = swg_plan_rules_default(4);
    uint8_t overrides[N_TENSORS] = {0};
    swg_plan plan = {.n_entries = 7};
    overrides[BIAS] = 8;
    ck_status_is(SWG_USAGE, swg_plan_make(tensors, N_TENSORS, &rules, overrides, &plan));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "q_proj.bias"));
    overrides[BIAS] = 0;
    overrides[MASK] = 4;
    ck_status_is(SWG_USAGE, swg_plan_make(tensors, N_TENSORS, &rules, overrides, &plan));
    overrides[MASK] = 0;
    for (size_t i = 0; i < N_TENSORS; i++)
        overrides[i] = SWG_PLAN_KEEP;
    ck_status_is(SWG_UNSUPPORTED, swg_plan_make(tensors, N_TENSORS, &rules, overrides, &plan));
    ck_status_is(SWG_UNSUPPORTED, swg_plan_make(tensors, 0, &rules, NULL, &plan));
    ck_assert_uint_eq(plan.n_entries, 7); /* outputs are written only on success */
}
END_TEST

START_TEST(quantized_input_needs_consent)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    swg_plan_rules rules = swg_plan_rules_default(4);
    tensors[Q].scheme = (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = 32);
    swg_plan plan;
    ck_status_is(SWG_UNSUPPORTED, swg_plan_make(tensors, N_TENSORS, &rules, NULL, &plan));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "int8-g32-sym-f16"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "--requantize"));
    uint8_t overrides[N_TENSORS] = {0};
    overrides[Q] = SWG_PLAN_KEEP;
    ck_ok(swg_plan_make(tensors, N_TENSORS, &rules, overrides, &plan));
    ck_assert_str_eq(scheme_at(&plan, Q), "int8-g32-sym-f16");
    swg_plan_deinit(&plan);
    rules.requantize = true;
    ck_ok(swg_plan_make(tensors, N_TENSORS, &rules, NULL, &plan));
    ck_assert_str_eq(scheme_at(&plan, Q), "int4-g64-sym-f16");
    ck_assert(plan.entries[Q].is_quantized);
    swg_plan_deinit(&plan);
}
END_TEST

START_TEST(roles_are_read_from_names)
{
    static const struct {
        const char *name;
        swg_plan_class role;
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
        ck_assert_msg(swg_plan_class_of(&tensor) == cases[i].role, "%s: %s", cases[i].name,
                      swg_plan_class_name(swg_plan_class_of(&tensor)));
    }
}
END_TEST

static swg_status plan_once(void *context)
{
    swg_tensor_desc tensors[N_TENSORS];
    model(tensors);
    const swg_plan_rules rules = swg_plan_rules_default(4);
    swg_plan plan;
    (void)context;
    SWG_TRY(swg_plan_make(tensors, N_TENSORS, &rules, NULL, &plan));
    swg_plan_deinit(&plan);
    return SWG_OK;
}

START_TEST(lack_of_memory_is_an_error)
{
    swg_test_each_allocation_fails(plan_once, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("plan");
    TCase *c = tcase_create("plan");
    tcase_add_test(c, rules_give_each_role_its_scheme);
    tcase_add_test(c, options_reach_the_schemes);
    tcase_add_test(c, embeddings_have_a_group_of_their_own);
    tcase_add_test(c, what_would_grow_is_kept);
    tcase_add_test(c, wrong_wishes_are_refused);
    tcase_add_test(c, quantized_input_needs_consent);
    tcase_add_test(c, roles_are_read_from_names);
    tcase_add_test(c, lack_of_memory_is_an_error);
    suite_add_tcase(suite, c);
    return suite;
}
