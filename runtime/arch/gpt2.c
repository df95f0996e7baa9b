/* GPT-2 (Radford et al. 2019): pre-norm transformer with layer norms, learned positions, biases
 * everywhere and a GELU feed-forward network; the head is the embedding. Query, key and value come
 * from one fused matrix, split by rows. Left out: cross-attention and attention scales other than 1
 * / sqrt(head_dim), which are refused. */
#include "runtime/arch/arch.h"

static const swg_hparam_row hparam_rows[] = {
    SWG_HPARAM(INT, "n_layer", n_layers, 1, SWG_MAX_LAYERS),
    SWG_HPARAM(INT, "n_embd", d_model, 1, 1 << 20),
    SWG_HPARAM_OR(INT, "n_inner", d_ff, 1, 1 << 22, 0),
    SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 24),
    SWG_HPARAM(INT, "n_head", n_heads, 1, 4096),
    SWG_HPARAM_OR(INT, "n_positions", max_positions, 1, 1 << 24, 1024),
    SWG_HPARAM_OR(DOUBLE, "layer_norm_epsilon", norm_eps, 0, 1, 1e-5),
    SWG_HPARAM_WORDS_OR("activation_function", activation, "gelu|gelu_new,gelu_pytorch_tanh", 1),
    SWG_HPARAM_OR(BOOL, "tie_word_embeddings", tied_head, 0, 1, 1),
    SWG_HPARAM_OR(TOKEN, "bos_token_id", bos_id, -1, 1 << 24, -1),
    SWG_HPARAM_OR(TOKEN, "eos_token_id", eos_id, -1, 1 << 24, -1),
};

static const swg_tensor_row tensor_rows[] = {
    {SWG_ROW_TABLE(EMBEDDING, "{P}wte.weight", VOCAB, D_MODEL, 0)},
    {SWG_ROW_TABLE(POSITION_EMBEDDING, "{P}wpe.weight", POSITIONS, D_MODEL, 0)},
    {SWG_ROW_VECTOR(ATTENTION_NORM, "{P}h.{L}.ln_1.weight", D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(QUERY, "{P}h.{L}.attn.c_attn.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(KEY, "{P}h.{L}.attn.c_attn.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(VALUE, "{P}h.{L}.attn.c_attn.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(ATTENTION_OUTPUT, "{P}h.{L}.attn.c_proj.weight", D_MODEL, D_MODEL,
                    SWG_BIAS_MUST)},
    {SWG_ROW_VECTOR(FFN_NORM, "{P}h.{L}.ln_2.weight", D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(FFN_UP, "{P}h.{L}.mlp.c_fc.weight", D_FF, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(FFN_DOWN, "{P}h.{L}.mlp.c_proj.weight", D_MODEL, D_FF, SWG_BIAS_MUST)},
    {SWG_ROW_VECTOR(OUTPUT_NORM, "{P}ln_f.weight", D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_TABLE(HEAD, "lm_head.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED)},
};

static swg_status check(swg_hparams *h)
{
    if (h->d_model % h->n_heads != 0)
        return swg_error(SWG_CORRUPT, "config.json: n_embd %lld is not a multiple of n_head %lld",
                         (long long)h->d_model, (long long)h->n_heads);
    h->head_dim = h->d_model / h->n_heads;
    h->n_kv_heads = h->n_heads;
    if (h->d_ff == 0)
        h->d_ff = 4 * h->d_model;
    h->learned_positions = true;
    return SWG_OK;
}

typedef struct values {
    swg_value y, q, k, v, attended, up;
} values;

static void shape(const swg_hparams *h, void *out)
{
    const size_t d_model = (size_t)h->d_model;
    *(values *)out = (values){.y.columns = d_model,
                              .q.columns = d_model,
                              .k.columns = d_model,
                              .v.columns = d_model,
                              .attended.columns = d_model,
                              .up.columns = (size_t)h->d_ff};
}

static void begin(swg_exec *e, const void *unused, swg_value x)
{
    (void)unused;
    swg_embed(e, SWG_ROLE_EMBEDDING, SWG_INDEX_TOKEN, x);
    swg_embed_add(e, SWG_ROLE_POSITION_EMBEDDING, SWG_INDEX_POSITION, x);
}

static void layer(swg_exec *e, const void *scratch, size_t l, swg_value x)
{
    const values *s = scratch;
    const swg_attend_options causal = {0};
    const swg_activation gelu = (swg_activation)swg_exec_hparams(e)->activation;

    /* x += O attention(Q y, K y, V y),  y = norm(x) */
    swg_layernorm(e, SWG_ROLE_ATTENTION_NORM, l, x, s->y);
    swg_linears(e, l, s->y, 3, (const swg_role[]){SWG_ROLE_QUERY, SWG_ROLE_KEY, SWG_ROLE_VALUE},
                (const swg_value[]){s->q, s->k, s->v});
    swg_attend(e, l, causal, s->q, s->k, s->v, s->attended);
    swg_linear(e, SWG_ROLE_ATTENTION_OUTPUT, l, s->attended, s->y);
    swg_add(e, x, s->y);

    /* x += down(GELU(up y)),  y = norm(x) */
    swg_layernorm(e, SWG_ROLE_FFN_NORM, l, x, s->y);
    swg_linear(e, SWG_ROLE_FFN_UP, l, s->y, s->up);
    swg_activate(e, gelu, s->up);
    swg_linear(e, SWG_ROLE_FFN_DOWN, l, s->up, s->y);
    swg_add(e, x, s->y);
}

static void end(swg_exec *e, const void *scratch, swg_value x, swg_value logits)
{
    const values *s = scratch;
    swg_layernorm(e, SWG_ROLE_OUTPUT_NORM, 0, x, s->y);
    swg_linear(e, SWG_ROLE_HEAD, 0, s->y, logits);
}

static const swg_required_row required[] = {{"scale_attn_weights", "true"},
                                            {"scale_attn_by_inverse_layer_idx", "false"},
                                            {"add_cross_attention", "false"},
                                            {NULL, NULL}};

const swg_arch swg_arch_gpt2 = {
    .name = "gpt2",
    .model_types = (const char *const[]){"gpt2", NULL},
    .hparams = hparam_rows,
    .n_hparams = sizeof hparam_rows / sizeof hparam_rows[0],
    .tensors = tensor_rows,
    .n_tensors = sizeof tensor_rows / sizeof tensor_rows[0],
    .prefixes = (const char *const[]){"transformer.", "", NULL},
    .ignored = (const char *const[]){"{P}h.{L}.attn.bias", "{P}h.{L}.attn.masked_bias", NULL},
    .required = required,
    .check = check,
    .is_resumable = true,
    .n_values = SWG_VALUES_IN(values),
    .shape = shape,
    .begin = begin,
    .layer = layer,
    .end = end,
};
