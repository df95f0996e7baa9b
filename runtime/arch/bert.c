/* BERT (Devlin et al. 2019): bidirectional encoder with learned positions and token types, norms
 * after each residual, and one of four heads: a class per text (from the pooled first position), a
 * class per position, the span of an answer, or the masked tokens. Left out: decoding,
 * cross-attention and relative positions, which are refused; next-sentence heads, which are
 * ignored. */
#include "runtime/arch/arch.h"

enum {
    MASKED = 1 << SWG_OUTPUT_MASKED_TOKEN,
    SEQUENCE = 1 << SWG_OUTPUT_SEQUENCE_CLASS,
    TOKENS = 1 << SWG_OUTPUT_TOKEN_CLASS,
    SPAN = 1 << SWG_OUTPUT_ANSWER_SPAN
};

static const swg_hparam_row hparam_rows[] = {
    SWG_HPARAM(INT, "num_hidden_layers", n_layers, 1, SWG_MAX_LAYERS),
    SWG_HPARAM(INT, "hidden_size", d_model, 1, 1 << 20),
    SWG_HPARAM(INT, "intermediate_size", d_ff, 1, 1 << 22),
    SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 24),
    SWG_HPARAM(INT, "num_attention_heads", n_heads, 1, 4096),
    SWG_HPARAM_OR(INT, "max_position_embeddings", max_positions, 1, 1 << 24, 512),
    SWG_HPARAM_OR(INT, "type_vocab_size", n_token_types, 1, 1 << 20, 2),
    SWG_HPARAM_OR(DOUBLE, "layer_norm_eps", norm_eps, 0, 1, 1e-12),
    SWG_HPARAM_WORDS_OR("hidden_act", activation, "gelu|gelu_new,gelu_pytorch_tanh", 0),
    SWG_HPARAM_WORDS("architectures", task,
                     "|BertForMaskedLM,BertForPreTraining|BertForSequenceClassification|"
                     "BertForTokenClassification|BertForQuestionAnswering"),
    SWG_HPARAM_OR(MEMBERS, "id2label", n_labels, 1, 1 << 20, 2),
    SWG_HPARAM_WORDS_OR("problem_type", class_kind,
                        "single_label_classification|multi_label_classification|regression", 0),
    SWG_HPARAM_OR(BOOL, "tie_word_embeddings", tied_head, 0, 1, 1),
    SWG_HPARAM_OR(TOKEN, "bos_token_id", bos_id, -1, 1 << 24, -1),
    SWG_HPARAM_OR(TOKEN, "eos_token_id", eos_id, -1, 1 << 24, -1),
};

#define EMBEDDINGS "{P}embeddings."
#define LAYER      "{P}encoder.layer.{L}."
#define TRANSFORM  "cls.predictions.transform."
/* Checkpoints converted from TensorFlow call a norm's weight gamma. */
#define NORM_OF(stem) stem "LayerNorm.weight|" stem "LayerNorm.gamma"

static const swg_tensor_row tensor_rows[] = {
    {SWG_ROW_TABLE(EMBEDDING, EMBEDDINGS "word_embeddings.weight", VOCAB, D_MODEL, 0)},
    {SWG_ROW_TABLE(POSITION_EMBEDDING, EMBEDDINGS "position_embeddings.weight", POSITIONS, D_MODEL,
                   0)},
    {SWG_ROW_TABLE(TYPE_EMBEDDING, EMBEDDINGS "token_type_embeddings.weight", TOKEN_TYPES, D_MODEL,
                   0)},
    {SWG_ROW_VECTOR(EMBEDDING_NORM, NORM_OF(EMBEDDINGS), D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(QUERY, LAYER "attention.self.query.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(KEY, LAYER "attention.self.key.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(VALUE, LAYER "attention.self.value.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(ATTENTION_OUTPUT, LAYER "attention.output.dense.weight", D_MODEL, D_MODEL,
                    SWG_BIAS_MUST)},
    {SWG_ROW_VECTOR(ATTENTION_NORM, NORM_OF(LAYER "attention.output."), D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(FFN_UP, LAYER "intermediate.dense.weight", D_FF, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(FFN_DOWN, LAYER "output.dense.weight", D_MODEL, D_FF, SWG_BIAS_MUST)},
    {SWG_ROW_VECTOR(FFN_NORM, NORM_OF(LAYER "output."), D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(POOLER, "{P}pooler.dense.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SEQUENCE},
    {SWG_ROW_LINEAR(CLASSIFIER, "classifier.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SEQUENCE | TOKENS},
    {SWG_ROW_LINEAR(CLASSIFIER, "qa_outputs.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SPAN},
    {SWG_ROW_LINEAR(HEAD_TRANSFORM, TRANSFORM "dense.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = MASKED},
    {SWG_ROW_VECTOR(HEAD_NORM, NORM_OF(TRANSFORM), D_MODEL, SWG_BIAS_MUST), .tasks = MASKED},
    {SWG_ROW_TABLE(HEAD, "cls.predictions.decoder.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED),
     .tasks = MASKED},
    {SWG_ROW_VECTOR(HEAD_BIAS, "cls.predictions.decoder.bias|cls.predictions.bias", VOCAB, 0),
     .tasks = MASKED},
};

static swg_status check(swg_hparams *h)
{
    if (h->d_model % h->n_heads != 0)
        return swg_error(SWG_CORRUPT,
                         "config.json: hidden_size %lld is not a multiple of num_attention_heads "
                         "%lld",
                         (long long)h->d_model, (long long)h->n_heads);
    if (h->task == SWG_OUTPUT_ANSWER_SPAN && h->n_labels != 2)
        return swg_error(
            SWG_CORRUPT,
            "config.json: question answering has 2 outputs per position, start and end; "
            "id2label has %lld",
            (long long)h->n_labels);
    h->head_dim = h->d_model / h->n_heads;
    h->n_kv_heads = h->n_heads;
    h->learned_positions = true;
    h->is_encoder = true;
    h->one_output = h->task == SWG_OUTPUT_SEQUENCE_CLASS;
    if (h->n_labels == 1 && h->class_kind == SWG_CLASS_ONE_OF)
        h->class_kind = SWG_CLASS_EACH; /* one of one label would be certain whatever the text is */
    if (h->task == SWG_OUTPUT_MASKED_TOKEN)
        h->n_labels = 0;
    else
        h->tied_head = false; /* there is no head over the vocabulary */
    return SWG_OK;
}

typedef struct values {
    swg_value y, q, k, v, up;
} values;

static void shape(const swg_hparams *h, void *out)
{
    const size_t d_model = (size_t)h->d_model;
    *(values *)out = (values){.y.columns = d_model,
                              .q.columns = d_model,
                              .k.columns = d_model,
                              .v.columns = d_model,
                              .up.columns = (size_t)h->d_ff};
}

static void begin(swg_exec *e, const void *unused, swg_value x)
{
    (void)unused;
    swg_embed(e, SWG_ROLE_EMBEDDING, SWG_INDEX_TOKEN, x);
    swg_embed_add(e, SWG_ROLE_TYPE_EMBEDDING, SWG_INDEX_TYPE, x);
    swg_embed_add(e, SWG_ROLE_POSITION_EMBEDDING, SWG_INDEX_POSITION, x);
    swg_layernorm(e, SWG_ROLE_EMBEDDING_NORM, 0, x, x);
}

static void layer(swg_exec *e, const void *scratch, size_t l, swg_value x)
{
    const values *s = scratch;
    const swg_attend_options both_ways = {.sees_all = true};
    const swg_activation gelu = (swg_activation)swg_exec_hparams(e)->activation;

    /* x = norm(x + O attention(Q x, K x, V x)) */
    swg_linears(e, l, x, 3, (const swg_role[]){SWG_ROLE_QUERY, SWG_ROLE_KEY, SWG_ROLE_VALUE},
                (const swg_value[]){s->q, s->k, s->v});
    swg_attend(e, l, both_ways, s->q, s->k, s->v, s->q);
    swg_linear(e, SWG_ROLE_ATTENTION_OUTPUT, l, s->q, s->y);
    swg_add(e, x, s->y);
    swg_layernorm(e, SWG_ROLE_ATTENTION_NORM, l, x, x);

    /* x = norm(x + down(GELU(up x))) */
    swg_linear(e, SWG_ROLE_FFN_UP, l, x, s->up);
    swg_activate(e, gelu, s->up);
    swg_linear(e, SWG_ROLE_FFN_DOWN, l, s->up, s->y);
    swg_add(e, x, s->y);
    swg_layernorm(e, SWG_ROLE_FFN_NORM, l, x, x);
}

/* One of the four heads. */
static void end(swg_exec *e, const void *scratch, swg_value x, swg_value logits)
{
    const values *s = scratch;
    const swg_hparams *h = swg_exec_hparams(e);
    switch ((swg_output_kind)h->task) {
    case SWG_OUTPUT_SEQUENCE_CLASS:
        swg_linear(e, SWG_ROLE_POOLER, 0, x, s->y);
        swg_activate(e, SWG_ACTIVATION_TANH, s->y);
        swg_linear(e, SWG_ROLE_CLASSIFIER, 0, s->y, logits);
        break;
    case SWG_OUTPUT_MASKED_TOKEN:
        swg_linear(e, SWG_ROLE_HEAD_TRANSFORM, 0, x, s->y);
        swg_activate(e, (swg_activation)h->activation, s->y);
        swg_layernorm(e, SWG_ROLE_HEAD_NORM, 0, s->y, s->y);
        swg_linear(e, SWG_ROLE_HEAD, 0, s->y, logits);
        swg_add_vector(e, SWG_ROLE_HEAD_BIAS, 0, logits);
        break;
    default:
        swg_linear(e, SWG_ROLE_CLASSIFIER, 0, x, logits);
    }
}

static const swg_required_row required[] = {{"position_embedding_type", "absolute"},
                                            {"is_decoder", "false"},
                                            {"add_cross_attention", "false"},
                                            {NULL, NULL}};

static const char *const ignored[] = {"{P}embeddings.position_ids",
                                      "{P}pooler.dense.weight",
                                      "{P}pooler.dense.bias",
                                      "cls.seq_relationship.weight",
                                      "cls.seq_relationship.bias",
                                      "cls.predictions.bias",
                                      NULL};

const swg_arch swg_arch_bert = {
    .name = "bert",
    .model_types = (const char *const[]){"bert", NULL},
    .hparams = hparam_rows,
    .n_hparams = sizeof hparam_rows / sizeof hparam_rows[0],
    .tensors = tensor_rows,
    .n_tensors = sizeof tensor_rows / sizeof tensor_rows[0],
    .prefixes = (const char *const[]){"bert.", "", NULL},
    .ignored = ignored,
    .required = required,
    .check = check,
    .n_values = SWG_VALUES_IN(values),
    .shape = shape,
    .begin = begin,
    .layer = layer,
    .end = end,
};
