/* Loading: what a configuration may say, what tensors there must be, and every refusal. */
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

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("model");
    TCase *cases = tcase_create("load");
    tcase_add_test(cases, micro_model_loads);
    tcase_add_loop_test(cases, wrong_configurations_are_refused, 0, sizeof edits / sizeof edits[0]);
    tcase_add_test(cases, missing_and_unknown_tensors_are_refused);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
