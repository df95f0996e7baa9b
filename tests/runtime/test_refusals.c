/* Configurations that are not supported or contradict themselves or the tensors, family by family:
 * one message each that names the key or the tensor. And configurations with random damage. */
#include <stdlib.h>
#include <sys/stat.h>

#include "formats/huggingface/quantization_config.h"
#include "runtime/base/rng.h"
#include "tests/formats/tiny_llama.h"
#include "tests/runtime/reference.h"

static char *read_fixture(const char *name, const char *file, size_t *length)
{
    char path[512];
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/%s", name, file);
    return (char *)swg_test_read_file(path, length);
}

/* A folder with the fixture's weights and this configuration. */
static void write_folder(const char *name, const char *config, size_t config_length)
{
    char path[1024];
    size_t length;
    char *weights = read_fixture(name, "model.safetensors", &length);
    const char *folder = swg_test_path("folder");
    mkdir(folder, 0777);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    swg_test_write_file(path, weights, length);
    snprintf(path, sizeof path, "%s/config.json", folder);
    swg_test_write_file(path, config, config_length);
    swg_free(weights);
}

static swg_status load_folder(swg_model **out)
{
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(swg_test_path("folder"), NULL, &source));
    const swg_status status = swg_model_load(source, NULL, out);
    swg_source_close(&source);
    return status;
}

static const struct {
    const char *fixture, *from, *to;
    swg_status status;
    const char *says;
} edits[] = {
    /* Weights that another program has quantized */
    {"llama-linear", "\"rms_norm_eps\"",
     "\"quantization_config\": {\"quant_method\": \"gptq\"}, \"rms_norm_eps\"", SWG_UNSUPPORTED,
     "quant_method gptq"},
    {"llama-linear", "\"rms_norm_eps\"", "\"quantization_config\": {}, \"rms_norm_eps\"",
     SWG_UNSUPPORTED, "quantization_config"},
    /* RoPE */
    {"llama-linear", "\"linear\"", "\"yarn\"", SWG_UNSUPPORTED, "yarn"},
    {"llama-dynamic", "\"dynamic\"", "\"longrope\"", SWG_UNSUPPORTED, "longrope"},
    {"llama-llama3", "\"llama3\"", "\"proportional\"", SWG_UNSUPPORTED,
     "rope_parameters.rope_type"},
    {"llama-linear", "\"linear\"", "1", SWG_CORRUPT, "rope_scaling.type"},
    {"llama-linear", "\"factor\": 2.5", "\"factors\": 2.5", SWG_CORRUPT, "factor"},
    {"llama-linear", "\"factor\": 2.5", "\"factor\": 0.5", SWG_CORRUPT, "0.5"},
    {"llama-llama3", "\"factor\": 8.0,", "", SWG_CORRUPT, "factor"},
    {"llama-llama3", "\"high_freq_factor\": 4.0", "\"high_freq_factor\": 1", SWG_CORRUPT,
     "high_freq"},
    {"llama-llama3", "\"original_max_position_embeddings\": 32", "\"other\": 1", SWG_CORRUPT,
     "original_max_position_embeddings"},
    {"llama-linear", "\"rms_norm_eps\"", "\"partial_rotary_factor\": 0.8, \"rms_norm_eps\"",
     SWG_CORRUPT, "3 of the 4 elements"},
    {"llama-linear", "\"rms_norm_eps\"", "\"partial_rotary_factor\": 0.1, \"rms_norm_eps\"",
     SWG_CORRUPT, "0 of the 4 elements"},
    {"llama-linear", "\"rms_norm_eps\"", "\"partial_rotary_factor\": 1.5, \"rms_norm_eps\"",
     SWG_CORRUPT, "partial_rotary_factor"},
    /* Biases and norms */
    {"llama-linear", "\"attention_bias\": false", "\"attention_bias\": true", SWG_CORRUPT,
     "model.layers.0.self_attn.q_proj.bias"},
    {"llama-biases", "\"attention_bias\": true", "\"attention_bias\": false", SWG_UNSUPPORTED,
     "self_attn"},
    {"llama-biases", "\"mlp_bias\": true", "\"mlp_bias\": false", SWG_UNSUPPORTED, "mlp"},
    {"mistral-window", "\"mistral\"", "\"qwen2\"", SWG_CORRUPT, "q_proj.bias"},
    {"mistral-window", "\"mistral\"", "\"qwen3\"", SWG_CORRUPT, "q_norm"},
    {"qwen3", "\"qwen3\"", "\"llama\"", SWG_UNSUPPORTED, "_norm"},
    {"qwen3", "\"head_dim\": 10", "\"head_dim\": 12", SWG_CORRUPT, "q_proj"},
    /* Windows */
    {"qwen3", "\"sliding_attention\"", "\"chunked_attention\"", SWG_UNSUPPORTED,
     "chunked_attention"},
    {"qwen3", "\"sliding_attention\",", "", SWG_CORRUPT, "1 \"layer_types\" for 2"},
    {"qwen3", "\"sliding_window\": 6", "\"sliding_window\": null", SWG_CORRUPT, "sliding"},
    {"qwen2-window", "\"sliding_window\": 4", "\"sliding_window\": -4", SWG_CORRUPT, "-4"},
    /* GPT-2 */
    {"gpt2-bare", "\"gelu\"", "\"relu\"", SWG_UNSUPPORTED, "relu"},
    {"gpt2-bare", "\"n_head\": 3", "\"n_head\": 4", SWG_CORRUPT, "n_head 4"},
    {"gpt2-bare", "\"n_inner\": 22", "\"n_inner\": null", SWG_CORRUPT, "[60, 15]"},
    {"gpt2-bare", "\"n_positions\": 20", "\"n_positions\": 21", SWG_CORRUPT, "wpe.weight"},
    {"gpt2-bare", "\"scale_attn_by_inverse_layer_idx\": false",
     "\"scale_attn_by_inverse_layer_idx\": true", SWG_UNSUPPORTED, "inverse_layer_idx"},
    {"gpt2-untied", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 0", SWG_CORRUPT,
     "tie_word_embeddings"},
    /* BERT */
    {"bert-sequence", "BertForSequenceClassification", "BertForMultipleChoice", SWG_UNSUPPORTED,
     "BertForMultipleChoice"},
    {"roberta-sequence", "\"pad_token_id\": 1", "\"pad_token_id\": 23", SWG_CORRUPT,
     "max_position_embeddings 24"},
    {"roberta-sequence", "\"pad_token_id\": 1", "\"pad_token_id\": 30", SWG_CORRUPT,
     "pad_token_id 30"},
    {"distilbert-span", "\"n_heads\": 3", "\"n_heads\": 5", SWG_CORRUPT, "attention heads 5"},
    {"bert-sequence", "BertForSequenceClassification", "BertForMaskedLM", SWG_CORRUPT,
     "cls.predictions.transform.dense.weight"},
    {"bert-sequence", "\"4\": \"none\"", "\"4\": \"none\", \"5\": \"more\"", SWG_CORRUPT,
     "[6, 12]"},
    {"bert-sequence", "\"4\": \"none\"", "\"7\": \"none\"", SWG_CORRUPT, "\"4\""},
    {"bert-sequence", "\"4\": \"none\"", "\"4\": 5", SWG_CORRUPT, "id2label"},
    {"bert-span", "\"1\": \"LABEL_1\"", "\"1\": \"LABEL_1\", \"2\": \"X\"", SWG_CORRUPT,
     "start and end"},
    {"bert-token", "\"type_vocab_size\": 2", "\"type_vocab_size\": 3", SWG_CORRUPT, "token_type"},
    {"bert-token", "\"is_decoder\": false", "\"is_decoder\": true", SWG_UNSUPPORTED, "is_decoder"},
    {"bert-token", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"swish\"", SWG_UNSUPPORTED,
     "swish"},
    {"bert-token", "\"layer_norm_eps\"",
     "\"position_embedding_type\": \"relative_key\", \"layer_norm_eps\"", SWG_UNSUPPORTED,
     "relative_key"},
    /* Recurrent */
    {"rnn-lstm", "\"lstm\"", "\"mgu\"", SWG_UNSUPPORTED, "mgu"},
    {"rnn-lstm", "\"lstm\"", "\"gru\"", SWG_CORRUPT, "weight_ih_l0"},
    {"rnn-gru", "\"rzn\"", "\"nzr\"", SWG_UNSUPPORTED, "nzr"},
    {"rnn-gru", "\"hidden_size\": 12", "\"hidden_size\": [12]", SWG_CORRUPT, "1 of 2"},
    {"rnn-gru", "\"hidden_size\": 12", "\"hidden_size\": [12, 12, 12]", SWG_CORRUPT, "more than 2"},
    {"rnn-gru", "\"hidden_size\": 12", "\"hidden_size\": [12, 0]", SWG_CORRUPT, "hidden_size"},
    {"rnn-gru", "\"hidden_size\": 12", "\"hidden_size\": {}", SWG_CORRUPT, "hidden_size"},
    {"rnn-gru", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", SWG_UNSUPPORTED, "_l1"},
    {"rnn-gru", "\"embedding_size\": 9", "\"embedding_size\": 9, \"tie_word_embeddings\": true",
     SWG_CORRUPT, "tied"},
};

START_TEST(wrong_configurations_are_refused)
{
    size_t length;
    char *config = read_fixture(edits[_i].fixture, "config.json", &length);
    char *at = memmem(config, length, edits[_i].from, strlen(edits[_i].from));
    ck_assert_msg(at != NULL, "%s has no %s", edits[_i].fixture, edits[_i].from);
    char edited[4096];
    const size_t before = (size_t)(at - config), skipped = before + strlen(edits[_i].from);
    const int n = snprintf(edited, sizeof edited, "%.*s%s%.*s", (int)before, config, edits[_i].to,
                           (int)(length - skipped), config + skipped);
    ck_assert_int_lt(n, (int)sizeof edited);
    write_folder(edits[_i].fixture, edited, (size_t)n);
    swg_model *model = NULL;
    ck_status_is(edits[_i].status, load_folder(&model));
    ck_assert_msg(strstr(swg_error_message(), edits[_i].says) != NULL, "\"%s\" does not say %s",
                  swg_error_message(), edits[_i].says);
    swg_free(config);
}
END_TEST

static const char *const damaged[] = {"llama-llama3", "qwen2-window",  "qwen3",
                                      "gpt2-bare",    "bert-sequence", "rnn-gru"};

/* Bytes replaced at random by those that JSON is made of: the model loads or is refused with a
 * message; nothing else may happen. */
START_TEST(random_damage_is_survived)
{
    static const char bytes[] = "0123456789-.eE\"{}[],:nulltruefalse ";
    size_t length, loaded = 0;
    char *config = read_fixture(damaged[_i], "config.json", &length);
    swg_rng rng = swg_rng_seeded(swg_test_seed() + (uint64_t)_i);
    for (int round = 0; round < 300; round++) {
        char text[4096];
        memcpy(text, config, length);
        for (size_t n = 1 + swg_rng_next(&rng) % 3; n > 0; n--)
            text[swg_rng_next(&rng) % length] = bytes[swg_rng_next(&rng) % (sizeof bytes - 1)];
        const swg_arch *arch;
        swg_hparams hparams;
        if (swg_hparams_read(text, length, &arch, &hparams) != SWG_OK) {
            ck_assert_uint_gt(strlen(swg_error_message()), 10);
            continue;
        }
        loaded++;
        write_folder(damaged[_i], text, length);
        swg_model *model = NULL;
        const swg_status status = load_folder(&model);
        ck_assert(status == SWG_OK || status == SWG_CORRUPT || status == SWG_UNSUPPORTED);
        swg_model_free(&model);
    }
    ck_assert_uint_gt(loaded, 0);
    swg_free(config);
}
END_TEST

/* Without a configuration that says so, the tensors' names tell. */
START_TEST(foreign_codes_are_known_by_their_names)
{
    static const char *const names[] = {"model.layers.0.self_attn.q_proj.qweight",
                                        "model.layers.0.self_attn.q_proj.weight_scale_inv",
                                        "model.layers.0.self_attn.q_proj.SCB",
                                        "model.layers.0.self_attn.q_proj.weight.absmax"};
    const char *path = swg_test_path("foreign.safetensors");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        swg_source *source = NULL;
        ck_ok(swg_micro_model_write(path, NULL, NULL, names[i], 1));
        ck_ok(swg_source_open(path, NULL, &source));
        ck_status_is(SWG_UNSUPPORTED, swg_foreign_quantization_refuse(source));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), names[i]));
        swg_source_close(&source);
        ck_assert_int_eq(remove(path), 0);
    }
}
END_TEST

/* A lone label is scored by itself, as if labels did not exclude each other. */
START_TEST(one_label_is_never_certain)
{
    static const char config[] =
        "{\"model_type\":\"bert\",\"architectures\":[\"BertForSequenceClassification\"],"
        "\"id2label\":{\"0\":\"score\"},\"hidden_size\":8,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":2,\"intermediate_size\":8,\"vocab_size\":8,%s\"pad_token_id\":0}";
    char text[512];
    const swg_arch *arch;
    swg_hparams hparams;
    snprintf(text, sizeof text, config, "");
    ck_ok(swg_hparams_read(text, strlen(text), &arch, &hparams));
    ck_assert_int_eq(hparams.class_kind, SWG_CLASS_EACH);
    snprintf(text, sizeof text, config, "\"problem_type\":\"regression\",");
    ck_ok(swg_hparams_read(text, strlen(text), &arch, &hparams));
    ck_assert_int_eq(hparams.class_kind, SWG_CLASS_REGRESSION);
}
END_TEST

/* Load and run: every allocation on the way fails once. */
static swg_status load_and_run(void *context)
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    float logits[2 * 64];
    const int32_t ids[] = {3, 4};
    swg_status status = SWG_OK;
    SWG_GO(swg_source_open(context, NULL, &source));
    SWG_GO(swg_model_load(source, NULL, &model));
    const swg_exec_options options = {.size = sizeof options, .context = 2};
    SWG_GO(swg_exec_new(model, NULL, &options, &exec));
    SWG_GO(model->hparams.is_encoder ? swg_exec_encode(exec, ids, NULL, 2, logits)
                                     : swg_exec_run(exec, ids, 2, 0, logits));
done:
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
    return status;
}

START_TEST(failing_allocations_are_survived)
{
    char path[256];
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/model.safetensors", damaged[_i]);
    swg_test_each_allocation_fails(load_and_run, path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("refusals");
    TCase *cases = tcase_create("configurations");
    const int n_damaged = sizeof damaged / sizeof damaged[0];
    tcase_add_test(cases, foreign_codes_are_known_by_their_names);
    tcase_add_test(cases, one_label_is_never_certain);
    tcase_add_loop_test(cases, wrong_configurations_are_refused, 0, sizeof edits / sizeof edits[0]);
    tcase_add_loop_test(cases, random_damage_is_survived, 0, n_damaged);
    tcase_add_loop_test(cases, failing_allocations_are_survived, 0, n_damaged);
    suite_add_tcase(suite, cases);
    return suite;
}
