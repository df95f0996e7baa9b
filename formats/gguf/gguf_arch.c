/* The tables of gguf_arch.h. An architecture is one more set of rows. */
#include <stdio.h>
#include <string.h>

#include "formats/gguf/gguf_arch.h"
#include "runtime/base/tensor.h"

enum {
    REQUIRED = SWG_GGUF_REQUIRED,
    QUERY = SWG_GGUF_QUERY_ROWS,
    KEY = SWG_GGUF_KEY_ROWS,
    F32_ONLY = SWG_GGUF_F32_ONLY,
    DERIVED = SWG_GGUF_DERIVED
};

#define INT(gguf, hf, flags)                                                                       \
    {                                                                                              \
        gguf, hf, SWG_GGUF_CONFIG_INT, flags, NULL, 0                                              \
    }
#define FLOAT(gguf, hf, flags)                                                                     \
    {                                                                                              \
        gguf, hf, SWG_GGUF_CONFIG_FLOAT, flags, NULL, 0                                            \
    }
#define INT_OR(gguf, hf, flags, or_hf, times)                                                      \
    {                                                                                              \
        gguf, hf, SWG_GGUF_CONFIG_INT, flags, or_hf, times                                         \
    }
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- Llama and Qwen2 -------------------------------------------------------------------------- */

static const swg_gguf_config_row llama_config[] = {
    INT("context_length", "max_position_embeddings", REQUIRED),
    INT("embedding_length", "hidden_size", REQUIRED),
    INT("block_count", "num_hidden_layers", REQUIRED),
    INT("feed_forward_length", "intermediate_size", REQUIRED),
    INT("attention.head_count", "num_attention_heads", REQUIRED),
    INT_OR("attention.head_count_kv", "num_key_value_heads", 0, "num_attention_heads", 1),
    FLOAT("attention.layer_norm_rms_epsilon", "rms_norm_eps", REQUIRED),
    FLOAT("rope.freq_base", "rope_theta", 0),
    INT("attention.key_length", "head_dim", 0),
    INT("attention.value_length", "head_dim", SWG_GGUF_WRITE_ONLY),
    INT("attention.sliding_window", "sliding_window", SWG_GGUF_READ_ONLY),
};

static const swg_gguf_fixed_row llama_fixed[] = {
    {"hidden_act", "\"silu\""},
};

#define LLAMA_LAYERS(query, key)                                                                   \
    {"blk.{L}.attn_norm.weight", "model.layers.{L}.input_layernorm.weight", F32_ONLY},             \
        {"blk.{L}.attn_q.weight", "model.layers.{L}.self_attn.q_proj.weight", query},              \
        {"blk.{L}.attn_q.bias", "model.layers.{L}.self_attn.q_proj.bias", F32_ONLY | (query)},     \
        {"blk.{L}.attn_k.weight", "model.layers.{L}.self_attn.k_proj.weight", key},                \
        {"blk.{L}.attn_k.bias", "model.layers.{L}.self_attn.k_proj.bias", F32_ONLY | (key)},       \
        {"blk.{L}.attn_v.weight", "model.layers.{L}.self_attn.v_proj.weight", 0},                  \
        {"blk.{L}.attn_v.bias", "model.layers.{L}.self_attn.v_proj.bias", F32_ONLY},               \
        {"blk.{L}.attn_output.weight", "model.layers.{L}.self_attn.o_proj.weight", 0},             \
        {"blk.{L}.ffn_norm.weight", "model.layers.{L}.post_attention_layernorm.weight", F32_ONLY}, \
        {"blk.{L}.ffn_gate.weight", "model.layers.{L}.mlp.gate_proj.weight", 0},                   \
        {"blk.{L}.ffn_up.weight", "model.layers.{L}.mlp.up_proj.weight", 0},                       \
        {"blk.{L}.ffn_down.weight", "model.layers.{L}.mlp.down_proj.weight", 0},                   \
    {                                                                                              \
        NULL, "model.layers.{L}.self_attn.rotary_emb.inv_freq", DERIVED                            \
    }

#define LLAMA_ENDS                                                                                 \
    {"token_embd.weight", "model.embed_tokens.weight", 0},                                         \
        {"output_norm.weight", "model.norm.weight", F32_ONLY},                                     \
    {                                                                                              \
        "output.weight", "lm_head.weight", 0                                                       \
    }

static const swg_gguf_tensor_row llama_tensors[] = {
    LLAMA_ENDS,
    LLAMA_LAYERS(QUERY, KEY),
    {"blk.{L}.attn_output.bias", "model.layers.{L}.self_attn.o_proj.bias", F32_ONLY},
    {"blk.{L}.ffn_gate.bias", "model.layers.{L}.mlp.gate_proj.bias", F32_ONLY},
    {"blk.{L}.ffn_up.bias", "model.layers.{L}.mlp.up_proj.bias", F32_ONLY},
    {"blk.{L}.ffn_down.bias", "model.layers.{L}.mlp.down_proj.bias", F32_ONLY},
};
/* Qwen2's rotary embedding pairs halves in GGUF too. */
static const swg_gguf_tensor_row qwen2_tensors[] = {
    LLAMA_ENDS,
    LLAMA_LAYERS(0, 0),
};

/* --- GPT-2 ------------------------------------------------------------------------------------ */

static const swg_gguf_config_row gpt2_config[] = {
    INT("context_length", "n_positions", REQUIRED),
    INT("embedding_length", "n_embd", REQUIRED),
    INT("block_count", "n_layer", REQUIRED),
    INT("attention.head_count", "n_head", REQUIRED),
    INT_OR("feed_forward_length", "n_inner", REQUIRED, "n_embd", 4),
    FLOAT("attention.layer_norm_epsilon", "layer_norm_epsilon", REQUIRED),
};

static const swg_gguf_fixed_row gpt2_fixed[] = {
    {"activation_function", "\"gelu_new\""},
    {"scale_attn_by_inverse_layer_idx", NULL},
    {"add_cross_attention", NULL},
};

static const swg_gguf_tensor_row gpt2_tensors[] = {
    {"token_embd.weight", "transformer.wte.weight", 0},
    {"position_embd.weight", "transformer.wpe.weight", F32_ONLY},
    {"output_norm.weight", "transformer.ln_f.weight", F32_ONLY},
    {"output_norm.bias", "transformer.ln_f.bias", F32_ONLY},
    {"output.weight", "lm_head.weight", 0},
    {"blk.{L}.attn_norm.weight", "transformer.h.{L}.ln_1.weight", F32_ONLY},
    {"blk.{L}.attn_norm.bias", "transformer.h.{L}.ln_1.bias", F32_ONLY},
    {"blk.{L}.attn_qkv.weight", "transformer.h.{L}.attn.c_attn.weight", 0},
    {"blk.{L}.attn_qkv.bias", "transformer.h.{L}.attn.c_attn.bias", F32_ONLY},
    {"blk.{L}.attn_output.weight", "transformer.h.{L}.attn.c_proj.weight", 0},
    {"blk.{L}.attn_output.bias", "transformer.h.{L}.attn.c_proj.bias", F32_ONLY},
    {"blk.{L}.ffn_norm.weight", "transformer.h.{L}.ln_2.weight", F32_ONLY},
    {"blk.{L}.ffn_norm.bias", "transformer.h.{L}.ln_2.bias", F32_ONLY},
    {"blk.{L}.ffn_up.weight", "transformer.h.{L}.mlp.c_fc.weight", 0},
    {"blk.{L}.ffn_up.bias", "transformer.h.{L}.mlp.c_fc.bias", F32_ONLY},
    {"blk.{L}.ffn_down.weight", "transformer.h.{L}.mlp.c_proj.weight", 0},
    {"blk.{L}.ffn_down.bias", "transformer.h.{L}.mlp.c_proj.bias", F32_ONLY},
    /* The causal mask. */
    {NULL, "transformer.h.{L}.attn.bias", DERIVED},
    {NULL, "transformer.h.{L}.attn.masked_bias", DERIVED},
};

/* --- BERT ------------------------------------------------------------------------------------- */

static const swg_gguf_config_row bert_config[] = {
    INT("context_length", "max_position_embeddings", REQUIRED),
    INT("embedding_length", "hidden_size", REQUIRED),
    INT("block_count", "num_hidden_layers", REQUIRED),
    INT("feed_forward_length", "intermediate_size", REQUIRED),
    INT("attention.head_count", "num_attention_heads", REQUIRED),
    FLOAT("attention.layer_norm_epsilon", "layer_norm_eps", REQUIRED),
};

static const swg_gguf_fixed_row bert_fixed[] = {
    {"hidden_act", "\"gelu\""},
    {"position_embedding_type", "\"absolute\""},
};

/* llama.cpp computes cls.output(tanh(cls(first token))) when it ranks: BERT's pooler and
 * classifier. */
static const swg_gguf_tensor_row bert_tensors[] = {
    {"token_embd.weight", "bert.embeddings.word_embeddings.weight", 0},
    {"position_embd.weight", "bert.embeddings.position_embeddings.weight", F32_ONLY},
    {"token_types.weight", "bert.embeddings.token_type_embeddings.weight", F32_ONLY},
    {"token_embd_norm.weight", "bert.embeddings.LayerNorm.weight", F32_ONLY},
    {"token_embd_norm.bias", "bert.embeddings.LayerNorm.bias", F32_ONLY},
    {"cls.weight", "bert.pooler.dense.weight", 0},
    {"cls.bias", "bert.pooler.dense.bias", F32_ONLY},
    {"cls.output.weight", "classifier.weight", 0},
    {"cls.output.bias", "classifier.bias", F32_ONLY},
    {"blk.{L}.attn_q.weight", "bert.encoder.layer.{L}.attention.self.query.weight", 0},
    {"blk.{L}.attn_q.bias", "bert.encoder.layer.{L}.attention.self.query.bias", F32_ONLY},
    {"blk.{L}.attn_k.weight", "bert.encoder.layer.{L}.attention.self.key.weight", 0},
    {"blk.{L}.attn_k.bias", "bert.encoder.layer.{L}.attention.self.key.bias", F32_ONLY},
    {"blk.{L}.attn_v.weight", "bert.encoder.layer.{L}.attention.self.value.weight", 0},
    {"blk.{L}.attn_v.bias", "bert.encoder.layer.{L}.attention.self.value.bias", F32_ONLY},
    {"blk.{L}.attn_output.weight", "bert.encoder.layer.{L}.attention.output.dense.weight", 0},
    {"blk.{L}.attn_output.bias", "bert.encoder.layer.{L}.attention.output.dense.bias", F32_ONLY},
    {"blk.{L}.attn_output_norm.weight", "bert.encoder.layer.{L}.attention.output.LayerNorm.weight",
     F32_ONLY},
    {"blk.{L}.attn_output_norm.bias", "bert.encoder.layer.{L}.attention.output.LayerNorm.bias",
     F32_ONLY},
    {"blk.{L}.ffn_up.weight", "bert.encoder.layer.{L}.intermediate.dense.weight", 0},
    {"blk.{L}.ffn_up.bias", "bert.encoder.layer.{L}.intermediate.dense.bias", F32_ONLY},
    {"blk.{L}.ffn_down.weight", "bert.encoder.layer.{L}.output.dense.weight", 0},
    {"blk.{L}.ffn_down.bias", "bert.encoder.layer.{L}.output.dense.bias", F32_ONLY},
    {"blk.{L}.layer_output_norm.weight", "bert.encoder.layer.{L}.output.LayerNorm.weight",
     F32_ONLY},
    {"blk.{L}.layer_output_norm.bias", "bert.encoder.layer.{L}.output.LayerNorm.bias", F32_ONLY},
    {NULL, "bert.embeddings.position_ids", DERIVED},
};

/* --- Look-up ---------------------------------------------------------------------------------- */

enum { USUAL_WINDOW = 4096 };

/* Mistral is Llama with a window over the past, which llama.cpp's "llama" does not have: writing
 * refuses the window. Qwen2's published configurations name one that is switched off. */
static const swg_gguf_model_type llama_models[] = {
    {"llama", 0, NULL}, {"mistral", USUAL_WINDOW, NULL}, {NULL, 0, NULL}};
static const swg_gguf_model_type qwen2_models[] = {{"qwen2", USUAL_WINDOW, "use_sliding_window"},
                                                   {NULL, 0, NULL}};
static const swg_gguf_model_type gpt2_models[] = {{"gpt2", 0, NULL}, {NULL, 0, NULL}};
static const swg_gguf_model_type bert_models[] = {{"bert", 0, NULL}, {NULL, 0, NULL}};

static const swg_gguf_encoder bert_encoder = {.headless_class = "BertModel",
                                              .gguf_types = "token_types.weight",
                                              .gguf_head = "cls.output.weight",
                                              .hf_head = "classifier.weight",
                                              .hf_pooler = "pooler.dense.weight"};

#define ROWS(family)                                                                               \
    .config = family##_config, .n_config = COUNT(family##_config), .fixed = family##_fixed,        \
    .n_fixed = COUNT(family##_fixed)
#define TENSORS(family) .tensors = family##_tensors, .n_tensors = COUNT(family##_tensors)

static const swg_gguf_arch archs[] = {
    {.name = "llama",
     .model_types = llama_models,
     .hf_class = "LlamaForCausalLM",
     .prefix = "",
     ROWS(llama),
     TENSORS(llama),
     .has_rope = true,
     .has_rope_factors = true},
    {.name = "qwen2",
     .model_types = qwen2_models,
     .hf_class = "Qwen2ForCausalLM",
     .prefix = "",
     ROWS(llama),
     TENSORS(qwen2),
     .has_rope = true},
    {.name = "gpt2",
     .model_types = gpt2_models,
     .hf_class = "GPT2LMHeadModel",
     .prefix = "transformer.",
     ROWS(gpt2),
     TENSORS(gpt2)},
    {.name = "bert",
     .model_types = bert_models,
     .hf_class = "BertForSequenceClassification",
     .encoder = &bert_encoder,
     .prefix = "bert.",
     ROWS(bert),
     TENSORS(bert)},
};

const char *swg_gguf_model_types_text(char out[SWG_GGUF_MODEL_TYPES_BYTES])
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < COUNT(archs); i++)
        for (const swg_gguf_model_type *type = archs[i].model_types;
             type->name && length < SWG_GGUF_MODEL_TYPES_BYTES; type++) {
            const bool is_last = i + 1 == COUNT(archs) && !type[1].name;
            const char *between = length == 0 ? "" : is_last ? " and " : ", ";
            length += (size_t)snprintf(out + length, SWG_GGUF_MODEL_TYPES_BYTES - length, "%s%s",
                                       between, type->name);
        }
    return out;
}

const swg_gguf_model_type *swg_gguf_model_type_of(const swg_gguf_arch *arch, const char *name)
{
    for (const swg_gguf_model_type *type = arch->model_types; type->name; type++)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

const swg_gguf_arch *swg_gguf_arch_find(const char *name, size_t length)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (strlen(archs[i].name) == length && memcmp(archs[i].name, name, length) == 0)
            return &archs[i];
    return NULL;
}

const swg_gguf_arch *swg_gguf_arch_of_model(const char *model_type)
{
    for (size_t i = 0; i < COUNT(archs); i++)
        if (swg_gguf_model_type_of(&archs[i], model_type))
            return &archs[i];
    return NULL;
}

/* Whether `name` is `pattern` with a number, as one writes it, for "{L}". */
static bool matches(const char *pattern, const char *name, size_t length, uint64_t *layer)
{
    enum { MAX_DIGITS = 9 };
    *layer = 0;
    const char *const mark = strstr(pattern, "{L}");
    if (!mark)
        return strlen(pattern) == length && memcmp(pattern, name, length) == 0;
    const size_t before = (size_t)(mark - pattern), after = strlen(mark + 3);
    if (length <= before + after || memcmp(pattern, name, before) != 0 ||
        memcmp(mark + 3, name + length - after, after) != 0)
        return false;
    const size_t n_digits = length - before - after;
    if (n_digits > MAX_DIGITS || (n_digits > 1 && name[before] == '0'))
        return false;
    for (size_t i = before; i < before + n_digits; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        *layer = 10 * *layer + (uint64_t)(name[i] - '0');
    }
    return true;
}

const swg_gguf_tensor_row *swg_gguf_row_of_gguf(const swg_gguf_arch *arch, const char *name,
                                                size_t length, uint64_t *layer)
{
    for (size_t i = 0; i < arch->n_tensors; i++)
        if (arch->tensors[i].gguf && matches(arch->tensors[i].gguf, name, length, layer))
            return &arch->tensors[i];
    return NULL;
}

/* The norms of the first BERTs have a gamma and a beta for a weight and a bias. */
static const char *modern_name(const char *name, char out[SWG_MAX_NAME + 1])
{
    static const char *const names[][2] = {{".LayerNorm.gamma", ".LayerNorm.weight"},
                                           {".LayerNorm.beta", ".LayerNorm.bias"}};
    for (size_t i = 0; i < COUNT(names); i++) {
        const size_t length = strlen(name), old = strlen(names[i][0]);
        if (length < old || strcmp(name + length - old, names[i][0]) != 0)
            continue;
        snprintf(out, SWG_MAX_NAME + 1, "%.*s%s", (int)(length - old), name, names[i][1]);
        return out;
    }
    return name;
}

const swg_gguf_tensor_row *swg_gguf_row_of_hf(const swg_gguf_arch *arch, const char *name,
                                              uint64_t *layer)
{
    char renamed[SWG_MAX_NAME + 1];
    name = arch->encoder ? modern_name(name, renamed) : name;
    const size_t prefix = strlen(arch->prefix), length = strlen(name);
    for (size_t i = 0; i < arch->n_tensors; i++) {
        const char *const hf = arch->tensors[i].hf;
        if (matches(hf, name, length, layer))
            return &arch->tensors[i];
        if (prefix && strncmp(hf, arch->prefix, prefix) == 0 &&
            matches(hf + prefix, name, length, layer))
            return &arch->tensors[i];
    }
    return NULL;
}

void swg_gguf_row_name(const char *pattern, uint64_t layer, char *out, size_t out_bytes)
{
    const char *const mark = strstr(pattern, "{L}");
    if (mark)
        snprintf(out, out_bytes, "%.*s%llu%s", (int)(mark - pattern), pattern,
                 (unsigned long long)layer, mark + 3);
    else
        snprintf(out, out_bytes, "%s", pattern);
}
