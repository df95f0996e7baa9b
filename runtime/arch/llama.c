/* The Llama family (Touvron et al. 2023): pre-norm transformer with RMS norm, rotary positions,
 * grouped-query attention and a SiLU-gated feed-forward network. Llama, Mistral (sliding window),
 * Qwen2 (biases of q, k, v; windows in upper layers) and Qwen3 (q and k normed per head) differ
 * only in their rows; one forward pass serves them all. Left out: experts, and RoPE scalings other
 * than linear, dynamic and llama3, which are refused. */
#include "runtime/arch/arch.h"

#include "runtime/base/mem.h"

/* --- Hyper-parameters ------------------------------------------------------------------------- */

/* Rotary keys have moved twice: rope_scaling.type, rope_scaling.rope_type, rope_parameters. */
#define FAMILY_HPARAMS(default_positions)                                                          \
    SWG_HPARAM(INT, "num_hidden_layers", n_layers, 1, SWG_MAX_LAYERS),                             \
        SWG_HPARAM(INT, "hidden_size", d_model, 1, 1 << 20),                                       \
        SWG_HPARAM(INT, "intermediate_size", d_ff, 1, 1 << 22),                                    \
        SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 24),                                          \
        SWG_HPARAM(INT, "num_attention_heads", n_heads, 1, 4096),                                  \
        SWG_HPARAM_OR(INT, "num_key_value_heads", n_kv_heads, 1, 4096, 0),                         \
        SWG_HPARAM_OR(INT, "max_position_embeddings", max_positions, 1, 1 << 24,                   \
                      default_positions),                                                          \
        SWG_HPARAM_OR(DOUBLE, "rms_norm_eps", norm_eps, 0, 1, 1e-6),                               \
        SWG_HPARAM_OR(DOUBLE, "rope_parameters.rope_theta|rope_theta", rope.theta, 1, 1e12,        \
                      10000),                                                                      \
        SWG_HPARAM_WORDS_OR("rope_parameters.rope_type|rope_scaling.rope_type|rope_scaling.type",  \
                            rope.scaling, "default|linear|dynamic|llama3", 0),                     \
        SWG_HPARAM_OR(DOUBLE, "rope_parameters.factor|rope_scaling.factor", rope.factor, 1, 1e6,   \
                      0),                                                                          \
        SWG_HPARAM_OR(DOUBLE, "rope_parameters.low_freq_factor|rope_scaling.low_freq_factor",      \
                      rope.low_factor, 1e-6, 1e6, 0),                                              \
        SWG_HPARAM_OR(DOUBLE, "rope_parameters.high_freq_factor|rope_scaling.high_freq_factor",    \
                      rope.high_factor, 1e-6, 1e6, 0),                                             \
        SWG_HPARAM_OR(INT,                                                                         \
                      "rope_parameters.original_max_position_embeddings|"                          \
                      "rope_scaling.original_max_position_embeddings",                             \
                      rope.original_positions, 1, 1 << 24, 0),                                     \
        SWG_HPARAM_OR(DOUBLE, "rope_parameters.partial_rotary_factor|partial_rotary_factor",       \
                      rope.share, 0, 1, 1),                                                        \
        SWG_HPARAM_OR(BOOL, "tie_word_embeddings", tied_head, 0, 1, 0),                            \
        SWG_HPARAM_OR(TOKEN, "bos_token_id", bos_id, -1, 1 << 24, -1),                             \
        SWG_HPARAM_OR(TOKEN, "eos_token_id", eos_id, -1, 1 << 24, -1)

/* Qwen's window: off unless switched on; in all layers from one upwards, or as a list says. */
#define QWEN_WINDOW                                                                                \
    SWG_HPARAM_OR(BOOL, "use_sliding_window", window.is_used, 0, 1, 0),                            \
        SWG_HPARAM_OR(INT_OR_NONE, "sliding_window", window.size, 0, 1 << 24, 4096),               \
        SWG_HPARAM_OR(INT, "max_window_layers", window.first_layer, 0, SWG_MAX_LAYERS, 28),        \
        SWG_HPARAM_LAYERS_OR_NONE("layer_types", window.layers,                                    \
                                  "full_attention|sliding_attention")

static const swg_hparam_row llama_hparams[] = {
    FAMILY_HPARAMS(2048),
    SWG_HPARAM_OR(INT, "head_dim", head_dim, 2, 4096, 0),
    SWG_HPARAM_OR(BOOL, "rope_interleaved", rope.interleaved, 0, 1, 0),
    SWG_HPARAM_OR(BOOL, "attention_bias", attention_bias, 0, 1, 0),
    SWG_HPARAM_OR(BOOL, "mlp_bias", mlp_bias, 0, 1, 0),
};

static const swg_hparam_row mistral_hparams[] = {
    FAMILY_HPARAMS(131072),
    SWG_HPARAM_OR(INT, "head_dim", head_dim, 2, 4096, 0),
    SWG_HPARAM_OR(INT_OR_NONE, "sliding_window", window.size, 0, 1 << 24, 4096),
};

static const swg_hparam_row qwen2_hparams[] = {FAMILY_HPARAMS(32768), QWEN_WINDOW};

static const swg_hparam_row qwen3_hparams[] = {
    FAMILY_HPARAMS(32768),
    SWG_HPARAM_OR(INT, "head_dim", head_dim, 2, 4096, 128),
    SWG_HPARAM_OR(BOOL, "attention_bias", attention_bias, 0, 1, 0),
    QWEN_WINDOW,
};

static const swg_required_row required[] = {{"hidden_act", "silu"}, {NULL, NULL}};

static swg_status check_heads(swg_hparams *h)
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
    h->rope.dim = (int64_t)((double)h->head_dim * h->rope.share);
    if (h->rope.dim % 2 != 0 || h->rope.dim == 0)
        return swg_error(SWG_CORRUPT,
                         "config.json: %lld of the %lld elements of a head (head_dim) are rotated; "
                         "rotary pairs need two each",
                         (long long)h->rope.dim, (long long)h->head_dim);
    return SWG_OK;
}

static swg_status check_rope(const swg_hparams *h)
{
    if (h->rope.scaling != SWG_ROPE_PLAIN && h->rope.factor == 0)
        return swg_error(SWG_CORRUPT, "config.json: the RoPE scaling has no factor");
    if (h->rope.scaling == SWG_ROPE_DYNAMIC && h->rope.dim == 2)
        return swg_error(SWG_CORRUPT, "config.json: dynamic RoPE scaling needs a head_dim above 2");
    if (h->rope.scaling == SWG_ROPE_LLAMA3 &&
        (h->rope.low_factor == 0 || h->rope.high_factor <= h->rope.low_factor ||
         h->rope.original_positions == 0))
        return swg_error(SWG_CORRUPT,
                         "config.json: llama3 RoPE scaling needs original_max_position_embeddings "
                         "and a high_freq_factor (%g) above the low_freq_factor (%g)",
                         h->rope.high_factor, h->rope.low_factor);
    return SWG_OK;
}

static swg_status check_family(swg_hparams *h)
{
    SWG_TRY(check_heads(h));
    return check_rope(h);
}

/* Mistral: if there is a window, every layer has it. */
static swg_status check_mistral(swg_hparams *h)
{
    h->window.is_used = h->window.size > 0;
    for (int64_t layer = 0; layer < h->n_layers; layer++)
        h->window.layers.bits[layer / 64] |= (uint64_t)1 << layer % 64;
    return check_family(h);
}

static swg_status check_qwen(swg_hparams *h)
{
    swg_layer_set *set = &h->window.layers;
    if (set->count != 0 && set->count != h->n_layers)
        return swg_error(SWG_CORRUPT, "config.json: %lld \"layer_types\" for %lld layers",
                         (long long)set->count, (long long)h->n_layers);
    for (int64_t layer = h->window.first_layer; set->count == 0 && layer < h->n_layers; layer++)
        set->bits[layer / 64] |= (uint64_t)1 << layer % 64;
    if (h->window.size == 0)
        h->window.is_used = false;
    for (int64_t layer = 0; set->count != 0 && !h->window.is_used && layer < h->n_layers; layer++)
        if (set->bits[layer / 64] >> layer % 64 & 1)
            return swg_error(
                SWG_CORRUPT,
                "config.json: layer %lld is of type sliding_attention, but there is no "
                "sliding window (use_sliding_window, sliding_window)",
                (long long)layer);
    return check_family(h);
}

/* --- Tensors ---------------------------------------------------------------------------------- */

#define LAYER "{P}layers.{L}."

/* The rows before the attention's output projection, and the rest: Qwen3 has more in between.
 */
#define FAMILY_INPUTS(qkv_bias)                                                                    \
    {SWG_ROW_TABLE(EMBEDDING, "{P}embed_tokens.weight", VOCAB, D_MODEL, 0)},                       \
        {SWG_ROW_VECTOR(ATTENTION_NORM, LAYER "input_layernorm.weight", D_MODEL, 0)},              \
        {SWG_ROW_LINEAR(QUERY, LAYER "self_attn.q_proj.weight", QUERY, D_MODEL, qkv_bias)},        \
        {SWG_ROW_LINEAR(KEY, LAYER "self_attn.k_proj.weight", KV, D_MODEL, qkv_bias)},             \
    {                                                                                              \
        SWG_ROW_LINEAR(VALUE, LAYER "self_attn.v_proj.weight", KV, D_MODEL, qkv_bias)              \
    }
#define FAMILY_OUTPUTS(output_bias, mlp_bias)                                                      \
    {SWG_ROW_LINEAR(ATTENTION_OUTPUT, LAYER "self_attn.o_proj.weight", D_MODEL, QUERY,             \
                    output_bias)},                                                                 \
        {SWG_ROW_VECTOR(FFN_NORM, LAYER "post_attention_layernorm.weight", D_MODEL, 0)},           \
        {SWG_ROW_LINEAR(FFN_GATE, LAYER "mlp.gate_proj.weight", D_FF, D_MODEL, mlp_bias)},         \
        {SWG_ROW_LINEAR(FFN_UP, LAYER "mlp.up_proj.weight", D_FF, D_MODEL, mlp_bias)},             \
        {SWG_ROW_LINEAR(FFN_DOWN, LAYER "mlp.down_proj.weight", D_MODEL, D_FF, mlp_bias)},         \
        {SWG_ROW_VECTOR(OUTPUT_NORM, "{P}norm.weight", D_MODEL, 0)},                               \
    {                                                                                              \
        SWG_ROW_TABLE(HEAD, "lm_head.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED)                     \
    }

static const swg_tensor_row llama_tensors[] = {FAMILY_INPUTS(SWG_BIAS_ATTENTION),
                                               FAMILY_OUTPUTS(SWG_BIAS_ATTENTION, SWG_BIAS_MLP)};

static const swg_tensor_row mistral_tensors[] = {FAMILY_INPUTS(0), FAMILY_OUTPUTS(0, 0)};

static const swg_tensor_row qwen2_tensors[] = {FAMILY_INPUTS(SWG_BIAS_MUST), FAMILY_OUTPUTS(0, 0)};

static const swg_tensor_row qwen3_tensors[] = {
    FAMILY_INPUTS(SWG_BIAS_ATTENTION),
    {SWG_ROW_VECTOR(QUERY_NORM, LAYER "self_attn.q_norm.weight", HEAD, 0)},
    {SWG_ROW_VECTOR(KEY_NORM, LAYER "self_attn.k_norm.weight", HEAD, 0)},
    FAMILY_OUTPUTS(SWG_BIAS_ATTENTION, 0),
};

/* --- Forward ---------------------------------------------------------------------------------- */

typedef struct values {
    swg_value y, q, k, v, attended, gate, up;
} values;

static void shape(const swg_hparams *h, void *out)
{
    const size_t d_query = (size_t)(h->n_heads * h->head_dim);
    const size_t d_kv = (size_t)(h->n_kv_heads * h->head_dim);
    *(values *)out = (values){.y.columns = (size_t)h->d_model,
                              .q.columns = d_query,
                              .k.columns = d_kv,
                              .v.columns = d_kv,
                              .attended.columns = d_query,
                              .gate.columns = (size_t)h->d_ff,
                              .up.columns = (size_t)h->d_ff};
}

static void begin(swg_exec *e, const void *unused, swg_value x)
{
    (void)unused;
    swg_embed(e, SWG_ROLE_EMBEDDING, SWG_INDEX_TOKEN, x);
}

static void layer(swg_exec *e, const void *scratch, size_t l, swg_value x)
{
    const values *s = scratch;
    const swg_attend_options causal = {.window = swg_hparams_window(swg_exec_hparams(e), l)};

    /* x += O attention(rope(norm(Q y)), rope(norm(K y)), V y),  y = norm(x) */
    swg_rmsnorm(e, SWG_ROLE_ATTENTION_NORM, l, x, s->y);
    swg_linears(e, l, s->y, 3, (const swg_role[]){SWG_ROLE_QUERY, SWG_ROLE_KEY, SWG_ROLE_VALUE},
                (const swg_value[]){s->q, s->k, s->v});
    if (swg_has(e, SWG_ROLE_QUERY_NORM)) {
        swg_rmsnorm(e, SWG_ROLE_QUERY_NORM, l, s->q, s->q);
        swg_rmsnorm(e, SWG_ROLE_KEY_NORM, l, s->k, s->k);
    }
    swg_rope(e, l, s->q);
    swg_rope(e, l, s->k);
    swg_attend(e, l, causal, s->q, s->k, s->v, s->attended);
    swg_linear(e, SWG_ROLE_ATTENTION_OUTPUT, l, s->attended, s->y);
    swg_add(e, x, s->y);

    /* x += down(SiLU(gate y) * up y),  y = norm(x) */
    swg_rmsnorm(e, SWG_ROLE_FFN_NORM, l, x, s->y);
    swg_linears(e, l, s->y, 2, (const swg_role[]){SWG_ROLE_FFN_GATE, SWG_ROLE_FFN_UP},
                (const swg_value[]){s->gate, s->up});
    swg_silu_mul(e, s->gate, s->up);
    swg_linear(e, SWG_ROLE_FFN_DOWN, l, s->gate, s->y);
    swg_add(e, x, s->y);
}

static void end(swg_exec *e, const void *scratch, swg_value x, swg_value logits)
{
    const values *s = scratch;
    swg_rmsnorm(e, SWG_ROLE_OUTPUT_NORM, 0, x, s->y);
    swg_linear(e, SWG_ROLE_HEAD, 0, s->y, logits);
}

/* --- The members of the family ---------------------------------------------------------------- */

/* Saved with its head, or the base model alone. */
static const char *const prefixes[] = {"model.", "", NULL};
static const char *const ignored[] = {"{P}layers.{L}.self_attn.rotary_emb.inv_freq", NULL};

#define MEMBER(type, check_)                                                                       \
    const swg_arch swg_arch_##type = {                                                             \
        .name = #type,                                                                             \
        .model_types = (const char *const[]){#type, NULL},                                         \
        .hparams = type##_hparams,                                                                 \
        .n_hparams = sizeof type##_hparams / sizeof type##_hparams[0],                             \
        .tensors = type##_tensors,                                                                 \
        .n_tensors = sizeof type##_tensors / sizeof type##_tensors[0],                             \
        .ignored = ignored,                                                                        \
        .required = required,                                                                      \
        .prefixes = prefixes,                                                                      \
        .check = check_,                                                                           \
        .is_resumable = true,                                                                      \
        .n_values = SWG_VALUES_IN(values),                                                         \
        .shape = shape,                                                                            \
        .begin = begin,                                                                            \
        .layer = layer,                                                                            \
        .end = end,                                                                                \
    }

MEMBER(llama, check_family);
MEMBER(mistral, check_mistral);
MEMBER(qwen2, check_qwen);
MEMBER(qwen3, check_qwen);
