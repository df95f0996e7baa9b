/* The micro model: see micro_model.h. */
#include "tests/micro_model.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

enum { LAYERS = 2, D_MODEL = 16, D_FF = 24, D_KV = 8, VOCAB = 40, MAX_TENSORS = 32, NAME = 64 };

const char swg_micro_config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 16, \"intermediate_size\": 24,"
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"num_key_value_heads\": 1,"
    " \"vocab_size\": 40, \"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5,"
    " \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", \"tie_word_embeddings\": true,"
    " \"bos_token_id\": 1, \"eos_token_id\": 2}";

typedef struct tensor_list {
    char names[MAX_TENSORS][NAME];
    swg_tensor_desc descs[MAX_TENSORS];
    size_t count;
    const char *left_out;
} tensor_list;

static void add(tensor_list *list, const char *name, uint64_t n, uint64_t k)
{
    if (list->left_out && strcmp(list->left_out, name) == 0)
        return;
    snprintf(list->names[list->count], NAME, "%s", name);
    list->descs[list->count] = (swg_tensor_desc){.name = list->names[list->count],
                                                 .scheme = swg_scheme_plain(SWG_F32),
                                                 .rank = k ? 2 : 1,
                                                 .shape = {n, k}};
    list->count++;
}

static void add_layer(tensor_list *list, int layer)
{
    static const struct {
        const char *name;
        uint64_t n, k;
    } parts[] = {
        {"input_layernorm", D_MODEL, 0},        {"self_attn.q_proj", D_MODEL, D_MODEL},
        {"self_attn.k_proj", D_KV, D_MODEL},    {"self_attn.v_proj", D_KV, D_MODEL},
        {"self_attn.o_proj", D_MODEL, D_MODEL}, {"post_attention_layernorm", D_MODEL, 0},
        {"mlp.gate_proj", D_FF, D_MODEL},       {"mlp.up_proj", D_FF, D_MODEL},
        {"mlp.down_proj", D_MODEL, D_FF},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char name[NAME];
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, parts[i].name);
        add(list, name, parts[i].n, parts[i].k);
    }
}

static swg_status write_tensors(swg_sink *sink, const tensor_list *list, uint64_t seed)
{
    swg_rng rng = swg_rng_seeded(seed);
    for (size_t i = 0; i < list->count; i++) {
        float values[VOCAB * D_MODEL] = {0};
        const size_t n = (size_t)swg_tensor_elems(&list->descs[i]);
        const bool is_norm = list->descs[i].rank == 1;
        for (size_t j = 0; j < n; j++)
            values[j] = is_norm ? 1.0f + 0.1f * swg_rng_normal(&rng) : 0.25f * swg_rng_normal(&rng);
        SWG_TRY(swg_sink_write(sink, i, (const void *const[SWG_MAX_PLANES]){values}));
    }
    return SWG_OK;
}

swg_status swg_micro_model_write(const char *path, const char *config, const char *left_out,
                                 const char *added, uint64_t seed)
{
    tensor_list list = {.left_out = left_out};
    add(&list, "model.embed_tokens.weight", VOCAB, D_MODEL);
    for (int layer = 0; layer < LAYERS; layer++)
        add_layer(&list, layer);
    add(&list, "model.norm.weight", D_MODEL, 0);
    if (added)
        add(&list, added, D_MODEL, 0);
    const char *text = config ? config : swg_micro_config;
    const swg_sink_meta meta = {.config = text, .config_length = strlen(text), .provenance = "[]"};
    const swg_sink_options options = {.force = true};
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_sink_open(path, &options, &meta, list.descs, list.count, &sink));
    SWG_GO(write_tensors(sink, &list, seed));
    SWG_GO(swg_sink_finish(&sink, NULL));
done:
    swg_sink_abort(&sink);
    return status;
}
