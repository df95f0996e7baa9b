/* BERT (Devlin et al. 2019): bidirectional encoder with learned positions and token types, norms
 * after each residual, and one of four heads: a class per text (from the pooled first position), a
 * class per position, the span of an answer, or the masked tokens - or none, for vectors of texts.
 * Left out: decoding, cross-attention and relative positions, which are refused; next-sentence
 * heads, which are ignored. */
#include "runtime/arch/bert.h"

static const swg_hparam_row hparam_rows[] = {
    SWG_HPARAM_WORDS("architectures", task,
                     SWG_BERT_CLASSES("BertForMaskedLM,BertForPreTraining", "Bert")),
    SWG_BERT_KEYS,
};

#define TRANSFORM "cls.predictions.transform."

static const swg_tensor_row tensor_rows[] = {
    SWG_BERT_ROWS,
    {SWG_ROW_LINEAR(POOLER, "{P}pooler.dense.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SEQUENCE},
    {SWG_ROW_LINEAR(CLASSIFIER, "classifier.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SEQUENCE | SWG_BERT_TOKENS},
    {SWG_ROW_LINEAR(CLASSIFIER, "qa_outputs.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SPAN},
    {SWG_ROW_LINEAR(HEAD_TRANSFORM, TRANSFORM "dense.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_VECTOR(HEAD_NORM, SWG_BERT_NORM(TRANSFORM "LayerNorm"), D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_TABLE(HEAD, "cls.predictions.decoder.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_VECTOR(HEAD_BIAS, "cls.predictions.decoder.bias|cls.predictions.bias", VOCAB, 0),
     .tasks = SWG_BERT_MASKED},
};

swg_status swg_bert_check(swg_hparams *h)
{
    if (h->d_model % h->n_heads != 0)
        return swg_error(
            SWG_CORRUPT,
            "config.json: the width %lld is not a multiple of the number of attention heads "
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
    h->pooler_activation = SWG_ACTIVATION_TANH;
    h->one_output = h->task == SWG_OUTPUT_SEQUENCE_CLASS;
    if (h->n_labels == 1 && h->class_kind == SWG_CLASS_ONE_OF)
        h->class_kind = SWG_CLASS_EACH; /* one of one label would be certain whatever the text is */
    if (h->task == SWG_OUTPUT_MASKED_TOKEN || h->task == SWG_OUTPUT_HIDDEN_STATE)
        h->n_labels = 0;
    if (h->task != SWG_OUTPUT_MASKED_TOKEN)
        h->tied_head = false; /* there is no head over the vocabulary */
    return SWG_OK;
}

typedef struct values {
    swg_value y, q, k, v, up;
} values;
_Static_assert(SWG_VALUES_IN(values) == SWG_BERT_VALUES, "what the header says");

void swg_bert_shape(const swg_hparams *h, void *out)
{
    const size_t d_model = (size_t)h->d_model;
    *(values *)out = (values){.y.columns = d_model,
                              .q.columns = d_model,
                              .k.columns = d_model,
                              .v.columns = d_model,
                              .up.columns = (size_t)h->d_ff};
}

void swg_bert_begin(swg_exec *e, const void *unused, swg_value x)
{
    (void)unused;
    swg_embed(e, SWG_ROLE_EMBEDDING, SWG_INDEX_TOKEN, x);
    if (swg_exec_hparams(e)->n_token_types > 0)
        swg_embed_add(e, SWG_ROLE_TYPE_EMBEDDING, SWG_INDEX_TYPE, x);
    swg_embed_add(e, SWG_ROLE_POSITION_EMBEDDING, SWG_INDEX_POSITION, x);
    swg_layernorm(e, SWG_ROLE_EMBEDDING_NORM, 0, x, x);
}

void swg_bert_layer(swg_exec *e, const void *scratch, size_t l, swg_value x)
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
void swg_bert_end(swg_exec *e, const void *scratch, swg_value x, swg_value logits)
{
    const values *s = scratch;
    const swg_hparams *h = swg_exec_hparams(e);
    switch ((swg_output_kind)h->task) {
    case SWG_OUTPUT_SEQUENCE_CLASS:
        swg_linear(e, SWG_ROLE_POOLER, 0, x, s->y);
        swg_activate(e, (swg_activation)h->pooler_activation, s->y);
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
    .check = swg_bert_check,
    SWG_BERT_PARTS,
};
