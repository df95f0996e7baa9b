/* See tiny_llama.h. */
#include "tests/formats/tiny_llama.h"

const char tiny_tokenizer[] =
    "{\"added_tokens\":[{\"id\":5,\"content\":\"<e>\",\"special\":true}],\"normalizer\":null,"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
    "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\xc4\xa0\":3,\"ab\":4},\"merges\":[\"a b\"]}}";

/* A norm's weights are about one; no columns say that it is one. */
static void add(const tiny_llama *t, sample *s, const char *name, uint64_t rows, uint64_t cols)
{
    s->mean = cols ? 0.0f : 1.0f;
    s->spread = !cols ? 0.1f : t->spread > 0 ? t->spread : 0.02f;
    sample_add(s, name, cols ? t->scheme : swg_scheme_plain(SWG_F32), cols ? 2 : 1, rows, cols);
}

static void add_layer(const tiny_llama *t, sample *s, unsigned layer)
{
    const uint64_t kv = t->dim / t->heads * t->kv_heads;
    const struct {
        const char *name;
        uint64_t rows, cols;
    } all[] = {
        {"self_attn.q_proj.weight", t->dim, t->dim},    {"self_attn.k_proj.weight", kv, t->dim},
        {"self_attn.v_proj.weight", kv, t->dim},        {"self_attn.o_proj.weight", t->dim, t->dim},
        {"mlp.gate_proj.weight", t->hidden, t->dim},    {"mlp.up_proj.weight", t->hidden, t->dim},
        {"mlp.down_proj.weight", t->dim, t->hidden},    {"input_layernorm.weight", t->dim, 0},
        {"post_attention_layernorm.weight", t->dim, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.%u.%s", layer, all[i].name);
        add(t, s, name, all[i].rows, all[i].cols);
    }
}

void tiny_llama_fill(tiny_llama *t, sample *s)
{
    const unsigned layers = t->layers ? t->layers : 1;
    sample_init(s);
    if (t->seed)
        s->rng = swg_rng_seeded(t->seed);
    s->meta.n_files = 0;
    s->meta.n_metadata = 0;
    for (unsigned layer = 0; layer < layers; layer++)
        add_layer(t, s, layer);
    add(t, s, "model.norm.weight", t->dim, 0);
    add(t, s, "model.embed_tokens.weight", t->vocab, t->dim);
    if (!t->is_tied)
        add(t, s, "lm_head.weight", t->vocab, t->dim);
    const int length = snprintf(
        t->config, sizeof t->config,
        "{\"model_type\":\"%s\",\"hidden_size\":%d,\"intermediate_size\":%d,"
        "\"num_hidden_layers\":%u,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
        "\"vocab_size\":%d,\"max_position_embeddings\":4,\"rms_norm_eps\":1e-5,"
        "\"rope_theta\":10000.0,\"tie_word_embeddings\":%s%s}",
        t->type ? t->type : "llama", (int)t->dim, (int)t->hidden, layers, (int)t->heads,
        (int)t->kv_heads, (int)t->vocab, t->is_tied ? "true" : "false", t->more ? t->more : "");
    s->meta.config = t->config;
    s->meta.config_length = (size_t)length;
}

void tiny_llama_add_tokenizer(sample *s)
{
    s->files[0] = (swg_file_view){"tokenizer.json", tiny_tokenizer, strlen(tiny_tokenizer)};
    s->meta.n_files = 1;
}

void tiny_llama_round_trip(const sample *s, const char *path, const swg_sink_options *options)
{
    swg_source *source = NULL;
    ck_ok(sample_write(s, path, options));
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(sample_compare(s, source));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}

/* --- The micro model -------------------------------------------------------------------------- */

const char swg_micro_config[] =
    "{\"model_type\": \"llama\", \"hidden_size\": 16, \"intermediate_size\": 24,"
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"num_key_value_heads\": 1,"
    " \"vocab_size\": 40, \"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-5,"
    " \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", \"tie_word_embeddings\": true,"
    " \"bos_token_id\": 1, \"eos_token_id\": 2}";

/* Let `s` lack the tensor of that name. */
static void leave_out(sample *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->names[i], name) == 0) {
            sample_remove(s, i);
            return;
        }
    ck_abort_msg("the micro model has no %s", name);
}

swg_status swg_micro_model_write(const char *path, const char *config, const char *left_out,
                                 const char *added, uint64_t seed)
{
    tiny_llama t = {.dim = 16,
                    .hidden = 24,
                    .vocab = 40,
                    .heads = 2,
                    .kv_heads = 1,
                    .layers = 2,
                    .is_tied = true,
                    .scheme = swg_scheme_plain(SWG_F32),
                    .spread = 0.25f,
                    .seed = seed};
    sample s;
    tiny_llama_fill(&t, &s);
    s.meta.config = config ? config : swg_micro_config;
    s.meta.config_length = strlen(s.meta.config);
    s.meta.provenance = "[]";
    if (left_out)
        leave_out(&s, left_out);
    if (added)
        add(&t, &s, added, t.dim, 0);
    const swg_status status = sample_write(
        &s, path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
    sample_deinit(&s);
    return status;
}
