/* What the architectures' rows say of checkpoints' tensors: every tensor of every fixture has its
 * use, in the order in which the forward pass uses the weights, and other names have none. */
#include <stdio.h>
#include <string.h>

#include "formats/formats.h"
#include "runtime/arch/tensor_use.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"

enum { MOST = 256 };

/* The uses of a checkpoint's tensors, with the names by which to find them. */
typedef struct checked {
    swg_source *source;
    swg_tensor_desc tensors[MOST];
    swg_tensor_use uses[MOST];
    size_t n;
} checked;

static void open_uses(const char *path, checked *out)
{
    size_t length;
    ck_ok(swg_source_open(path, NULL, &out->source));
    out->n = swg_source_n_tensors(out->source);
    ck_assert_uint_le(out->n, MOST);
    for (size_t i = 0; i < out->n; i++)
        out->tensors[i] = *swg_source_tensor(out->source, i);
    const char *config = swg_source_config(out->source, &length);
    ck_ok(swg_tensor_uses(config, length, out->tensors, out->n, out->uses));
}

static const swg_tensor_use *use_of(const checked *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->tensors[i].name, name) == 0)
            return &c->uses[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

static const char *const fixtures[] = {
    "tests/runtime/fixtures/llama-biases",
    "tests/runtime/fixtures/mistral-window",
    "tests/runtime/fixtures/qwen2-window",
    "tests/runtime/fixtures/qwen3",
    "tests/runtime/fixtures/gpt2-bare",
    "tests/runtime/fixtures/gpt2-untied",
    "tests/runtime/fixtures/bert-sequence",
    "tests/runtime/fixtures/bert-token",
    "tests/runtime/fixtures/bert-span",
    "tests/runtime/fixtures/bert-masked",
    "tests/runtime/fixtures/rnn-lstm",
    "tests/runtime/fixtures/rnn-gru",
    "tests/runtime/fixtures/rnn-lstm-torch",
    "fixtures/llama-tiny",
    "fixtures/llama-tiny/model-q8_0.gguf",
    "fixtures/llama-tiny-bf16-sharded",
    "fixtures/qwen2-tiny",
    "fixtures/gpt2-tiny",
    "fixtures/bert-tiny",
    "fixtures/keras-gru-tiny/model.h5",
    "fixtures/keras-lstm-tiny/model.h5",
    "models/stories260K/stories260K.bin",
    "models/novels-6m",
};

/* All names are known; vectors and biases stay as they are; a weight in a layer comes after those
 * of the layers below, one before the layers before all of them. */
START_TEST(every_tensor_of_a_fixture_has_a_use)
{
    const bool is_own = strncmp(fixtures[_i], "tests/", 6) == 0;
    const char *path = is_own ? fixtures[_i] : swg_test_shared(fixtures[_i]);
    if (!path) {
        swg_test_skip("a shared fixture is absent");
        return;
    }
    checked c;
    open_uses(path, &c);
    size_t n_quantizable = 0;
    for (size_t i = 0; i < c.n; i++) {
        const swg_tensor_use *use = &c.uses[i];
        ck_assert_msg(use->kind != SWG_USE_UNKNOWN, "%s: %s", path, c.tensors[i].name);
        if (use->kind == SWG_USE_WEIGHT && use->role == SWG_ROLE_EMBEDDING)
            ck_assert_uint_eq(use->order, 0);
        ck_assert(!use->is_quantizable || c.tensors[i].rank == 2);
        ck_assert(!use->is_prunable || use->is_quantizable);
        n_quantizable += use->is_quantizable;
        for (size_t j = 0; j < c.n; j++) {
            const swg_tensor_use *other = &c.uses[j];
            if (use->is_per_layer && other->is_per_layer && use->layer < other->layer)
                ck_assert_uint_lt(use->order, other->order);
            if (i != j && use->kind == SWG_USE_WEIGHT && other->kind == SWG_USE_WEIGHT)
                ck_assert_uint_ne(use->order, other->order);
        }
    }
    ck_assert_uint_ge(n_quantizable, 4);
    swg_source_close(&c.source);
}
END_TEST

static const struct {
    const char *fixture, *name;
    swg_use_kind kind;
    swg_role role;
    size_t layer;
    bool is_quantizable, is_prunable;
} known[] = {
    {"llama-biases", "model.embed_tokens.weight", SWG_USE_WEIGHT, SWG_ROLE_EMBEDDING, 0, true,
     false},
    {"llama-biases", "model.layers.1.self_attn.k_proj.weight", SWG_USE_WEIGHT, SWG_ROLE_KEY, 1,
     true, true},
    {"llama-biases", "model.layers.1.self_attn.k_proj.bias", SWG_USE_BIAS, SWG_ROLE_KEY, 1, false,
     false},
    {"llama-biases", "model.layers.0.input_layernorm.weight", SWG_USE_WEIGHT,
     SWG_ROLE_ATTENTION_NORM, 0, false, false},
    {"gpt2-untied", "lm_head.weight", SWG_USE_WEIGHT, SWG_ROLE_HEAD, 0, true, false},
    {"gpt2-untied", "transformer.wpe.weight", SWG_USE_WEIGHT, SWG_ROLE_POSITION_EMBEDDING, 0, true,
     false},
    {"gpt2-bare", "h.1.attn.c_attn.weight", SWG_USE_WEIGHT, SWG_ROLE_QUERY, 1, true, true},
    {"gpt2-bare", "h.1.attn.c_attn.bias", SWG_USE_BIAS, SWG_ROLE_QUERY, 1, false, false},
    {"bert-sequence", "classifier.weight", SWG_USE_WEIGHT, SWG_ROLE_CLASSIFIER, 0, true, true},
    {"rnn-lstm-torch", "lstm.weight_hh_l0", SWG_USE_WEIGHT, SWG_ROLE_RECURRENT_STATE, 0, true,
     true},
    {"rnn-lstm-torch", "fc.bias", SWG_USE_WEIGHT, SWG_ROLE_HEAD_BIAS, 0, false, false},
    {"rnn-gru", "gru.bias_hh_l1", SWG_USE_BIAS, SWG_ROLE_RECURRENT_STATE, 1, false, false},
};

START_TEST(known_tensors_have_the_use_that_they_should)
{
    char path[256];
    checked c;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s", known[_i].fixture);
    open_uses(path, &c);
    const swg_tensor_use *use = use_of(&c, known[_i].name);
    ck_assert_int_eq(use->kind, known[_i].kind);
    ck_assert_int_eq(use->role, known[_i].role);
    ck_assert_uint_eq(use->layer, known[_i].layer);
    ck_assert_int_eq(use->is_quantizable, known[_i].is_quantizable);
    ck_assert_int_eq(use->is_prunable, known[_i].is_prunable);
    swg_source_close(&c.source);
}
END_TEST

static const char llama[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 16, \"intermediate_size\": 24,"
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"vocab_size\": 40}";

START_TEST(other_names_are_unknown)
{
    static const char *const names[] = {
        "",
        "model.embed_tokens",
        "model.embed_tokens.weight2",
        "model.embed_tokens.bias",
        "model.layers.2.mlp.up_proj.weight",
        "model.layers.01.mlp.up_proj.weight",
        "model.layers.-1.mlp.up_proj.weight",
        "model.layers.99999999999999999999.mlp.up_proj.weight",
        "model.layers..mlp.up_proj.weight",
        "model.layers.1.mlp.up_proj.bias",
        "model.layers.2.self_attn.rotary_emb.inv_freq",
    };
    enum { N = sizeof names / sizeof names[0] };
    swg_tensor_desc tensors[N + 1] = {{0}};
    swg_tensor_use uses[N + 1];
    for (size_t i = 0; i < N; i++)
        tensors[i].name = names[i];
    tensors[N].name = "model.layers.1.self_attn.rotary_emb.inv_freq";
    ck_ok(swg_tensor_uses(llama, strlen(llama), tensors, N + 1, uses));
    for (size_t i = 0; i < N; i++) {
        ck_assert_msg(uses[i].kind == SWG_USE_UNKNOWN, "%s", names[i]);
        ck_assert(!uses[i].is_quantizable && !uses[i].is_prunable);
        ck_assert_uint_eq(uses[i].order, SIZE_MAX);
    }
    ck_assert_int_eq(uses[N].kind, SWG_USE_IGNORED);
}
END_TEST

START_TEST(unknown_architectures_are_refused)
{
    static const char config[] = "{\"model_type\": \"mamba\"}";
    ck_status_is(SWG_UNSUPPORTED, swg_tensor_uses(config, strlen(config), NULL, 0, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "mamba"));
}
END_TEST

static swg_status ask(void *context)
{
    (void)context;
    const swg_tensor_desc tensor = {.name = "model.norm.weight"};
    swg_tensor_use use;
    return swg_tensor_uses(llama, strlen(llama), &tensor, 1, &use);
}

START_TEST(failing_allocations_are_survived)
{
    swg_test_each_allocation_fails(ask, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tensor_use");
    TCase *cases = tcase_create("uses");
    tcase_add_loop_test(cases, every_tensor_of_a_fixture_has_a_use, 0,
                        sizeof fixtures / sizeof fixtures[0]);
    tcase_add_loop_test(cases, known_tensors_have_the_use_that_they_should, 0,
                        sizeof known / sizeof known[0]);
    tcase_add_test(cases, other_names_are_unknown);
    tcase_add_test(cases, unknown_architectures_are_refused);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
