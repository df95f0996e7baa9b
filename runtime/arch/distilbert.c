/* DistilBERT (Sanh et al. 2019): BERT's layers under other names, without token types and without a
 * pooler; a text's class comes from the first position through a matrix and ReLU. Left out:
 * positions made of sines, which checkpoints store like learned ones. */
#include "runtime/arch/bert.h"

static const swg_hparam_row hparam_rows[] = {
    SWG_HPARAM_WORDS("architectures", task,
                     SWG_BERT_CLASSES("DistilBertForMaskedLM", "DistilBert")),
    SWG_HPARAM(INT, "n_layers", n_layers, 1, SWG_MAX_LAYERS),
    SWG_HPARAM(INT, "dim", d_model, 1, 1 << 20),
    SWG_HPARAM(INT, "hidden_dim", d_ff, 1, 1 << 22),
    SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 24),
    SWG_HPARAM(INT, "n_heads", n_heads, 1, 4096),
    SWG_HPARAM_OR(INT, "max_position_embeddings", max_positions, 1, 1 << 24, 512),
    SWG_HPARAM_WORDS_OR("activation", activation, "gelu|gelu_new,gelu_pytorch_tanh", 0),
    SWG_BERT_COMMON_KEYS,
};

#define EMBEDDINGS "{P}embeddings."
#define LAYER      "{P}transformer.layer.{L}."

static const swg_tensor_row tensor_rows[] = {
    {SWG_ROW_TABLE(EMBEDDING, EMBEDDINGS "word_embeddings.weight", VOCAB, D_MODEL, 0)},
    {SWG_ROW_TABLE(POSITION_EMBEDDING, EMBEDDINGS "position_embeddings.weight", POSITIONS, D_MODEL,
                   0)},
    SWG_BERT_NORM_ROW(EMBEDDING_NORM, EMBEDDINGS "LayerNorm"),
    SWG_BERT_SQUARE(QUERY, LAYER "attention.q_lin"),
    SWG_BERT_SQUARE(KEY, LAYER "attention.k_lin"),
    SWG_BERT_SQUARE(VALUE, LAYER "attention.v_lin"),
    SWG_BERT_SQUARE(ATTENTION_OUTPUT, LAYER "attention.out_lin"),
    SWG_BERT_NORM_ROW(ATTENTION_NORM, LAYER "sa_layer_norm"),
    {SWG_ROW_LINEAR(FFN_UP, LAYER "ffn.lin1.weight", D_FF, D_MODEL, SWG_BIAS_MUST)},
    {SWG_ROW_LINEAR(FFN_DOWN, LAYER "ffn.lin2.weight", D_MODEL, D_FF, SWG_BIAS_MUST)},
    SWG_BERT_NORM_ROW(FFN_NORM, LAYER "output_layer_norm"),
    {SWG_ROW_LINEAR(POOLER, "pre_classifier.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SEQUENCE},
    {SWG_ROW_LINEAR(CLASSIFIER, "classifier.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SEQUENCE | SWG_BERT_TOKENS},
    {SWG_ROW_LINEAR(CLASSIFIER, "qa_outputs.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SPAN},
    {SWG_ROW_LINEAR(HEAD_TRANSFORM, "vocab_transform.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_VECTOR(HEAD_NORM, SWG_BERT_NORM("vocab_layer_norm"), D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_TABLE(HEAD, "vocab_projector.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_VECTOR(HEAD_BIAS, "vocab_projector.bias", VOCAB, 0), .tasks = SWG_BERT_MASKED},
};

static swg_status check(swg_hparams *h)
{
    h->norm_eps = 1e-12; /* no key says it */
    SWG_TRY(swg_bert_check(h));
    h->pooler_activation = SWG_ACTIVATION_RELU;
    return SWG_OK;
}

static const swg_required_row required[] = {{NULL, NULL}};

static const char *const ignored[] = {"{P}embeddings.position_ids", NULL};

const swg_arch swg_arch_distilbert = {
    .name = "distilbert",
    .model_types = (const char *const[]){"distilbert", NULL},
    .hparams = hparam_rows,
    .n_hparams = sizeof hparam_rows / sizeof hparam_rows[0],
    .tensors = tensor_rows,
    .n_tensors = sizeof tensor_rows / sizeof tensor_rows[0],
    .prefixes = (const char *const[]){"distilbert.", "", NULL},
    .ignored = ignored,
    .required = required,
    .check = check,
    SWG_BERT_PARTS,
};
