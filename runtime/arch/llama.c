/* The Llama family (Touvron et al. 2023): pre-norm transformer with RMS norm, rotary positions,
 * grouped-query attention and a SiLU-gated feed-forward network. Head tied or not; attention biases
 * where the checkpoint has them. Left out: RoPE scaling and sliding windows, which are refused. */
#include "runtime/arch/arch.h"

#define FIELD(name) offsetof(swg_hparams, name)

static const swg_hparam_row hparam_rows[] = {
    {"num_hidden_layers", SWG_HPARAM_INT, FIELD(n_layers), 1, 4096, false, 0},
    {"hidden_size", SWG_HPARAM_INT, FIELD(d_model), 1, 1 << 20, false, 0},
    {"intermediate_size", SWG_HPARAM_INT, FIELD(d_ff), 1, 1 << 22, false, 0},
    {"vocab_size", SWG_HPARAM_INT, FIELD(vocab), 1, 1 << 24, false, 0},
    {"num_attention_heads", SWG_HPARAM_INT, FIELD(n_heads), 1, 4096, false, 0},
    {"num_key_value_heads", SWG_HPARAM_INT, FIELD(n_kv_heads), 1, 4096, true, 0},
    {"head_dim", SWG_HPARAM_INT, FIELD(head_dim), 2, 4096, true, 0},
    {"max_position_embeddings", SWG_HPARAM_INT, FIELD(max_positions), 1, 1 << 24, true, 2048},
    {"rms_norm_eps", SWG_HPARAM_DOUBLE, FIELD(norm_eps), 0, 1, true, 1e-6},
    {"rope_theta", SWG_HPARAM_DOUBLE, FIELD(rope_theta), 1, 1e12, true, 10000},
    {"rope_interleaved", SWG_HPARAM_BOOL, FIELD(rope_interleaved), 0, 1, true, 0},
    {"tie_word_embeddings", SWG_HPARAM_BOOL, FIELD(tied_head), 0, 1, true, 0},
    {"bos_token_id", SWG_HPARAM_TOKEN, FIELD(bos_id), -1, 1 << 24, true, -1},
    {"eos_token_id", SWG_HPARAM_TOKEN, FIELD(eos_id), -1, 1 << 24, true, -1},
};

static const swg_tensor_row tensor_rows[] = {
    {SWG_ROLE_EMBEDDING, "model.embed_tokens.weight", SWG_DIM_VOCAB, SWG_DIM_D_MODEL, 0},
    {SWG_ROLE_ATTENTION_NORM, "model.layers.{L}.input_layernorm.weight", SWG_DIM_D_MODEL,
     SWG_DIM_ONE, SWG_TENSOR_PLAIN_ONLY},
    {SWG_ROLE_QUERY, "model.layers.{L}.self_attn.q_proj.weight", SWG_DIM_QUERY, SWG_DIM_D_MODEL,
     SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_KEY, "model.layers.{L}.self_attn.k_proj.weight", SWG_DIM_KV, SWG_DIM_D_MODEL,
     SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_VALUE, "model.layers.{L}.self_attn.v_proj.weight", SWG_DIM_KV, SWG_DIM_D_MODEL,
     SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_ATTENTION_OUTPUT, "model.layers.{L}.self_attn.o_proj.weight", SWG_DIM_D_MODEL,
     SWG_DIM_QUERY, SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_FFN_NORM, "model.layers.{L}.post_attention_layernorm.weight", SWG_DIM_D_MODEL,
     SWG_DIM_ONE, SWG_TENSOR_PLAIN_ONLY},
    {SWG_ROLE_FFN_GATE, "model.layers.{L}.mlp.gate_proj.weight", SWG_DIM_D_FF, SWG_DIM_D_MODEL,
     SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_FFN_UP, "model.layers.{L}.mlp.up_proj.weight", SWG_DIM_D_FF, SWG_DIM_D_MODEL,
     SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_FFN_DOWN, "model.layers.{L}.mlp.down_proj.weight", SWG_DIM_D_MODEL, SWG_DIM_D_FF,
     SWG_TENSOR_MAY_BIAS},
    {SWG_ROLE_OUTPUT_NORM, "model.norm.weight", SWG_DIM_D_MODEL, SWG_DIM_ONE,
     SWG_TENSOR_PLAIN_ONLY},
    {SWG_ROLE_HEAD, "lm_head.weight", SWG_DIM_VOCAB, SWG_DIM_D_MODEL, SWG_TENSOR_TIED},
};

static swg_status check(swg_hparams *h)
{
    if (h->n_kv_heads == 0)
        h->n_kv_heads = h->n_heads;
    if (h->head_dim == 0) {
        if (h->d_model % h->n_heads != 0)
            return swg_error(SWG_CORRUPT,
                             "config.json: hidden_size %lld is not a multiple of "
                             "num_attention_heads %lld, and there is no head_dim",
                             (long long)h->d_model, (long long)h->n_heads);
        h->head_dim = h->d_model / h->n_heads;
    }
    if (h->n_heads % h->n_kv_heads != 0)
        return swg_error(SWG_CORRUPT,
                         "config.json: num_attention_heads %lld is not a multiple of "
                         "num_key_value_heads %lld",
                         (long long)h->n_heads, (long long)h->n_kv_heads);
    if (h->head_dim % 2 != 0)
        return swg_error(SWG_CORRUPT, "config.json: head_dim %lld is odd; rotary pairs need two",
                         (long long)h->head_dim);
    return SWG_OK;
}

static swg_status forward(swg_exec *e)
{
    const swg_hparams *h = swg_exec_hparams(e);
    const size_t d_model = (size_t)h->d_model, d_ff = (size_t)h->d_ff;
    const size_t d_query = (size_t)(h->n_heads * h->head_dim);
    const size_t d_kv = (size_t)(h->n_kv_heads * h->head_dim);
    swg_value x, y, q, k, v, attended, gate, up;
    SWG_TRY(swg_scratch(e, d_model, &x));
    SWG_TRY(swg_scratch(e, d_model, &y));
    SWG_TRY(swg_scratch(e, d_query, &q));
    SWG_TRY(swg_scratch(e, d_kv, &k));
    SWG_TRY(swg_scratch(e, d_kv, &v));
    SWG_TRY(swg_scratch(e, d_query, &attended));
    SWG_TRY(swg_scratch(e, d_ff, &gate));
    SWG_TRY(swg_scratch(e, d_ff, &up));

    swg_embed(e, SWG_ROLE_EMBEDDING, x);
    for (size_t layer = 0; layer < (size_t)h->n_layers; layer++) {
        /* x += O attention(rope(Q y), rope(K y), V y),  y = norm(x) */
        swg_rmsnorm(e, SWG_ROLE_ATTENTION_NORM, layer, x, y);
        swg_linears(e, layer, y, 3,
                    (const swg_role[]){SWG_ROLE_QUERY, SWG_ROLE_KEY, SWG_ROLE_VALUE},
                    (const swg_value[]){q, k, v});
        swg_rope(e, q);
        swg_rope(e, k);
        swg_attend(e, layer, q, k, v, attended);
        swg_linear(e, SWG_ROLE_ATTENTION_OUTPUT, layer, attended, y);
        swg_add(e, x, y);

        /* x += down(SiLU(gate y) * up y),  y = norm(x) */
        swg_rmsnorm(e, SWG_ROLE_FFN_NORM, layer, x, y);
        swg_linears(e, layer, y, 2, (const swg_role[]){SWG_ROLE_FFN_GATE, SWG_ROLE_FFN_UP},
                    (const swg_value[]){gate, up});
        swg_silu_mul(e, gate, up);
        swg_linear(e, SWG_ROLE_FFN_DOWN, layer, gate, y);
        swg_add(e, x, y);
    }
    return swg_output(e, SWG_ROLE_OUTPUT_NORM, SWG_ROLE_HEAD, x);
}

static const char *const model_types[] = {"llama", NULL};
static const char *const ignored[] = {"model.layers.{L}.self_attn.rotary_emb.inv_freq", NULL};
static const swg_demand_row demands[] = {{"hidden_act", "silu"}, {"rope_scaling", NULL}, {NULL, NULL}};

const swg_arch swg_arch_llama = {
    .name = "llama",
    .model_types = model_types,
    .hparams = hparam_rows,
    .n_hparams = sizeof hparam_rows / sizeof hparam_rows[0],
    .tensors = tensor_rows,
    .n_tensors = sizeof tensor_rows / sizeof tensor_rows[0],
    .ignored = ignored,
    .demands = demands,
    .check = check,
    .forward = forward,
};
