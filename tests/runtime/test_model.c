/* Loading: what a configuration may say, which tensors are required, and every refusal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/exec.h"
#include "runtime/model.h"
#include "tests/harness.h"
#include "tests/formats/tiny_llama.h"

static swg_status load(const char *path, swg_model **out)
{
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(path, NULL, &source));
    const swg_status status = swg_model_load(source, NULL, out);
    swg_source_close(&source);
    return status;
}

/* Load a micro model whose configuration has `from` replaced by `to`. */
static swg_status load_with(const char *from, const char *to)
{
    char config[1024];
    const char *at = strstr(swg_micro_config, from);
    ck_assert_msg(at != NULL, "%s is not in the configuration", from);
    snprintf(config, sizeof config, "%.*s%s%s", (int)(at - swg_micro_config), swg_micro_config, to,
             at + strlen(from));
    ck_ok(swg_micro_model_write(swg_test_path("edited.swg"), config, NULL, NULL, 1));
    swg_model *model = NULL;
    const swg_status status = load(swg_test_path("edited.swg"), &model);
    swg_model_free(&model);
    return status;
}

START_TEST(micro_model_loads)
{
    swg_model *model = NULL;
    ck_ok(swg_micro_model_write(swg_test_path("micro.swg"), NULL, NULL, NULL, 1));
    ck_ok(load(swg_test_path("micro.swg"), &model));
    ck_assert_int_eq(model->hparams.head_dim, 8);
    ck_assert_int_eq(model->hparams.n_kv_heads, 1);
    ck_assert(swg_model_weight(model, SWG_ROLE_HEAD, 0) ==
              swg_model_weight(model, SWG_ROLE_EMBEDDING, 0));
    ck_assert_uint_eq(model->n_parameters,
                      40 * 16 + 16 + 2 * (16 + 256 + 128 + 128 + 256 + 16 + 3 * 384));
    swg_model_free(&model);
}
END_TEST

static const struct {
    const char *from, *to;
    swg_status status;
    const char *says;
} edits[] = {
    {"\"llama\"", "\"mamba\"", SWG_UNSUPPORTED, "mamba"},
    {"\"model_type\"", "\"kind\"", SWG_CORRUPT, "model_type"},
    {"\"hidden_size\": 16", "\"hidden_size\": 17", SWG_CORRUPT, "17"},
    {"\"hidden_size\": 16", "\"hidden_size\": -16", SWG_CORRUPT, "hidden_size"},
    {"\"hidden_size\": 16", "\"hidden_size\": 1e300", SWG_CORRUPT, "hidden_size"},
    {"\"hidden_size\": 16", "\"hidden_size\": \"16\"", SWG_CORRUPT, "whole number"},
    {"\"hidden_size\": 16,", "", SWG_CORRUPT, "hidden_size"},
    {"\"num_attention_heads\": 2", "\"num_attention_heads\": 3", SWG_CORRUPT, "3"},
    {"\"num_key_value_heads\": 1", "\"num_key_value_heads\": 0", SWG_CORRUPT, "num_key_value"},
    {"\"num_key_value_heads\": 1", "\"num_key_value_heads\": 4", SWG_CORRUPT, "4"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", SWG_CORRUPT, "layers.2"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", SWG_UNSUPPORTED, "layers.1"},
    {"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 100000", SWG_CORRUPT, "100000"},
    {"\"vocab_size\": 40", "\"vocab_size\": 41", SWG_CORRUPT,
     "edited.swg: tensor model.embed_tokens.weight has shape [40, 16]; config.json implies "
     "[41, 16]"},
    {"\"intermediate_size\": 24", "\"intermediate_size\": 25", SWG_CORRUPT, "mlp"},
    {"\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", SWG_CORRUPT, "lm_head"},
    {"\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", SWG_UNSUPPORTED, "gelu"},
    {"\"rope_theta\": 10000.0", "\"rope_theta\": 0", SWG_CORRUPT, "rope_theta"},
    {"\"rope_theta\": 10000.0", "\"rope_scaling\": {\"type\": \"yarn\"}", SWG_UNSUPPORTED,
     "rope_scaling"},
    {"\"vocab_size\": 40,", "\"vocab_size\": 40, \"head_dim\": 7,", SWG_CORRUPT, "7"},
};

START_TEST(wrong_configurations_are_refused)
{
    ck_status_is(edits[_i].status, load_with(edits[_i].from, edits[_i].to));
    ck_assert_msg(strstr(swg_error_message(), edits[_i].says) != NULL, "\"%s\" does not say %s",
                  swg_error_message(), edits[_i].says);
}
END_TEST

START_TEST(missing_and_unknown_tensors_are_refused)
{
    swg_model *model = NULL;
    const char *path = swg_test_path("odd.swg");
    ck_ok(swg_micro_model_write(path, NULL, "model.layers.1.mlp.up_proj.weight", NULL, 1));
    ck_status_is(SWG_CORRUPT, load(path, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "model.layers.1.mlp.up_proj.weight"));
    ck_ok(swg_micro_model_write(path, NULL, NULL, "model.layers.0.mystery.weight", 1));
    ck_status_is(SWG_UNSUPPORTED, load(path, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "mystery"));
    ck_ok(
        swg_micro_model_write(path, NULL, NULL, "model.layers.0.self_attn.rotary_emb.inv_freq", 1));
    ck_ok(load(path, &model));
    swg_model_free(&model);
}
END_TEST

/* One layer with rows of 65,600 columns in its last product. */
static const char long_rows[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 8, \"intermediate_size\": 65600,"
    " \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"vocab_size\": 9}";

/* Whole rows of 4-bit codes were refused beyond 65,536 columns, the limit of 8-bit codes: sums of
 * 4-bit codes fit 32 bits up to 1,048,576 columns. */
START_TEST(long_rows_of_4_bits_are_computed)
{
    const swg_scheme int4 = SWG_SCHEME_INT(4, .scale_type = SWG_F16);
    swg_model *model = NULL;
    float logits[2][9], largest = 0, difference = 0;
    const int32_t id = 3;
    ck_ok(swg_model_random(long_rows, strlen(long_rows), int4, 1, NULL, &model));
    for (int i = 0; i < 2; i++) {
        swg_exec *exec = NULL;
        const swg_exec_options options = {
            .size = sizeof options, .context = 1, .activations = i ? SWG_ACT_F32 : SWG_ACT_INT8};
        ck_ok(swg_exec_new(model, NULL, &options, &exec));
        ck_ok(swg_exec_run(exec, &id, 1, 0, logits[i]));
        swg_exec_free(&exec);
    }
    for (int i = 0; i < 9; i++) {
        largest = fmaxf(largest, fabsf(logits[1][i]));
        difference = fmaxf(difference, fabsf(logits[0][i] - logits[1][i]));
    }
    ck_assert_float_gt(largest, 0);
    ck_assert_float_lt(difference, 0.05f * largest);
    swg_model_free(&model);
}
END_TEST

START_TEST(groups_that_sums_could_overflow_with_are_refused)
{
    const swg_scheme int8 = SWG_SCHEME_INT(8, .scale_type = SWG_F16);
    const swg_scheme int4 = SWG_SCHEME_INT(4, .scale_type = SWG_F16);
    const swg_scheme short_groups = SWG_SCHEME_INT(4, .group = 16, .scale_type = SWG_F16);
    char longer[sizeof long_rows + 8];
    swg_model *model = NULL;
    ck_status_is(SWG_UNSUPPORTED,
                 swg_model_random(long_rows, strlen(long_rows), int8, 1, NULL, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "65600 columns is longer than the 65536"));
    const char *at = strstr(long_rows, "65600");
    snprintf(longer, sizeof longer, "%.*s1048584%s", (int)(at - long_rows), long_rows, at + 5);
    ck_status_is(SWG_UNSUPPORTED, swg_model_random(longer, strlen(longer), int4, 1, NULL, &model));
    ck_assert_ptr_nonnull(
        strstr(swg_error_message(), "1048584 columns is longer than the 1048576"));
    ck_status_is(SWG_UNSUPPORTED,
                 swg_model_random(long_rows, strlen(long_rows), short_groups, 1, NULL, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "16 columns is shorter than 32"));
}
END_TEST

/* Load, run one token, release: every allocation on the way fails once. */
static swg_status load_and_run(void *context)
{
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    swg_pool *pool = NULL;
    float logits[40];
    const int32_t id = 3;
    swg_status status = SWG_OK;
    SWG_GO(swg_pool_new(2, &pool));
    SWG_GO(load(context, &model));
    SWG_GO(swg_exec_new(model, pool, NULL, &exec));
    SWG_GO(swg_exec_run(exec, &id, 1, 0, logits));
done:
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_pool_free(&pool);
    return status;
}

START_TEST(failing_allocations_are_survived)
{
    char path[1024];
    snprintf(path, sizeof path, "%s", swg_test_path("micro.swg"));
    ck_ok(swg_micro_model_write(path, NULL, NULL, NULL, 1));
    swg_test_each_allocation_fails(load_and_run, path);
}
END_TEST

/* "tie_word_embeddings" is true and the file has a head: its own counts, a copy stays tied. */
START_TEST(a_stored_head_counts_unless_it_is_a_copy)
{
    enum { VOCAB = 7, DIM = 32 };
    tiny_llama t = {.dim = DIM,
                    .hidden = 32,
                    .vocab = VOCAB,
                    .heads = 2,
                    .kv_heads = 1,
                    .spread = 0.3f,
                    .scheme = swg_scheme_plain(SWG_F32)};
    static const char no[] = "\"tie_word_embeddings\":false",
                      yes[] = "\"tie_word_embeddings\":true ";
    float logits[2][VOCAB];
    sample s;
    tiny_llama_fill(&t, &s);
    const uint8_t *embedding = s.planes[s.n_tensors - 2][SWG_PLANE_VALUES];
    uint8_t *head = s.planes[s.n_tensors - 1][SWG_PLANE_VALUES];
    const swg_sink_options options = {.size = sizeof options, .force = true};
    for (size_t i = 0; i < 3; i++) {
        swg_model *model = NULL;
        swg_exec *exec = NULL;
        if (i == 1)
            memcpy(strstr(t.config, no), yes, sizeof no - 1);
        if (i == 2)
            memcpy(head, embedding, VOCAB * DIM * sizeof(float));
        ck_ok(sample_write(&s, swg_test_path("head.swg"), &options));
        ck_ok(load(swg_test_path("head.swg"), &model));
        ck_assert_int_eq(model->hparams.tied_head, i == 2);
        ck_assert((swg_model_weight(model, SWG_ROLE_HEAD, 0) ==
                   swg_model_weight(model, SWG_ROLE_EMBEDDING, 0)) == (i == 2));
        const swg_exec_options how = {.size = sizeof how, .context = 2};
        ck_ok(swg_exec_new(model, NULL, &how, &exec));
        if (i < 2)
            ck_ok(swg_exec_run(exec, (int32_t[]){3}, 1, 0, logits[i]));
        swg_exec_free(&exec);
        swg_model_free(&model);
    }
    ck_assert_mem_eq(logits[0], logits[1], sizeof logits[0]);
    sample_deinit(&s);
}
END_TEST

/* Names as the base model alone and as wrappers save them. */
START_TEST(names_with_other_prefixes_are_known)
{
    static const struct {
        const char *before;
        size_t cut; /* bytes of "model." that are left out */
    } cases[] = {{"", 0}, {"", 6}, {"_orig_mod.", 0}, {"module.", 0}, {"module._orig_mod.", 6}};
    tiny_llama t = {.dim = 32,
                    .hidden = 32,
                    .vocab = 7,
                    .heads = 2,
                    .kv_heads = 1,
                    .is_tied = true,
                    .scheme = swg_scheme_plain(SWG_F32)};
    const char *path = swg_test_path("prefix.swg");
    const swg_sink_options options = {.size = sizeof options, .force = true};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sample s;
        swg_model *model = NULL;
        tiny_llama_fill(&t, &s);
        for (size_t k = 0; k < s.n_tensors; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", cases[i].before, s.names[k] + cases[i].cut);
            memcpy(s.names[k], name, sizeof name);
        }
        ck_ok(sample_write(&s, path, &options));
        ck_ok(load(path, &model));
        const swg_weight *embedding = swg_model_weight(model, SWG_ROLE_EMBEDDING, 0);
        ck_assert_str_eq(embedding->tensor,
                         cases[i].cut ? "embed_tokens.weight" : "model.embed_tokens.weight");
        swg_model_free(&model);
        sample_deinit(&s);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("model");
    TCase *cases = tcase_create("load");
    tcase_add_test(cases, micro_model_loads);
    tcase_add_test(cases, names_with_other_prefixes_are_known);
    tcase_add_test(cases, a_stored_head_counts_unless_it_is_a_copy);
    tcase_add_loop_test(cases, wrong_configurations_are_refused, 0, sizeof edits / sizeof edits[0]);
    tcase_add_test(cases, missing_and_unknown_tensors_are_refused);
    tcase_add_test(cases, long_rows_of_4_bits_are_computed);
    tcase_add_test(cases, groups_that_sums_could_overflow_with_are_refused);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
