/* What BERT and its descendants have in common: layers that see both ways, with norms after each
 * residual, and heads of one shape. An architecture of that family is a file with its names and
 * keys, and these parts of the forward pass; what differs is in the hyper-parameters (token types,
 * first_position, pooler_activation). Private to runtime/arch. */
#ifndef SWG_RUNTIME_ARCH_BERT_H
#define SWG_RUNTIME_ARCH_BERT_H

#include "runtime/arch/arch.h"

/* Bits of swg_tensor_row.tasks. */
enum {
    SWG_BERT_MASKED = 1 << SWG_OUTPUT_MASKED_TOKEN,
    SWG_BERT_SEQUENCE = 1 << SWG_OUTPUT_SEQUENCE_CLASS,
    SWG_BERT_TOKENS = 1 << SWG_OUTPUT_TOKEN_CLASS,
    SWG_BERT_SPAN = 1 << SWG_OUTPUT_ANSWER_SPAN
};

/* The classes of transformers that a model may name in "architectures", in the order of
 * swg_output_kind; `masked` may list several. */
#define SWG_BERT_CLASSES(masked, stem)                                                             \
    "|" masked "|" stem "ForSequenceClassification|" stem "ForTokenClassification|" stem           \
    "ForQuestionAnswering|" stem "Model"

/* Checkpoints converted from TensorFlow call a norm's weight gamma. */
#define SWG_BERT_NORM(stem) stem ".weight|" stem ".gamma"

/* Keys that the whole family has. */
#define SWG_BERT_COMMON_KEYS                                                                       \
    SWG_HPARAM_OR(MEMBERS, "id2label", n_labels, 1, 1 << 20, 2),                                   \
        SWG_HPARAM_WORDS_OR("problem_type", class_kind,                                            \
                            "single_label_classification|multi_label_classification|regression",   \
                            0),                                                                    \
        SWG_HPARAM_OR(BOOL, "tie_word_embeddings", tied_head, 0, 1, 1),                            \
        SWG_HPARAM_OR(TOKEN, "bos_token_id", bos_id, -1, 1 << 24, -1),                             \
        SWG_HPARAM_OR(TOKEN, "eos_token_id", eos_id, -1, 1 << 24, -1)

/* Keys and rows of BERT's own names, which RoBERTa shares. */
#define SWG_BERT_KEYS                                                                              \
    SWG_HPARAM(INT, "num_hidden_layers", n_layers, 1, SWG_MAX_LAYERS),                             \
        SWG_HPARAM(INT, "hidden_size", d_model, 1, 1 << 20),                                       \
        SWG_HPARAM(INT, "intermediate_size", d_ff, 1, 1 << 22),                                    \
        SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 24),                                          \
        SWG_HPARAM(INT, "num_attention_heads", n_heads, 1, 4096),                                  \
        SWG_HPARAM_OR(INT, "max_position_embeddings", max_positions, 1, 1 << 24, 512),             \
        SWG_HPARAM_OR(INT, "type_vocab_size", n_token_types, 1, 1 << 20, 2),                       \
        SWG_HPARAM_OR(DOUBLE, "layer_norm_eps", norm_eps, 0, 1, 1e-12),                            \
        SWG_HPARAM_WORDS_OR("hidden_act", activation, "gelu|gelu_new,gelu_pytorch_tanh", 0),       \
        SWG_BERT_COMMON_KEYS

#define SWG_BERT_EMBEDDINGS "{P}embeddings."
#define SWG_BERT_LAYER      "{P}encoder.layer.{L}."
#define SWG_BERT_SQUARE(role, name)                                                                \
    {                                                                                              \
        SWG_ROW_LINEAR(role, name ".weight", D_MODEL, D_MODEL, SWG_BIAS_MUST)                      \
    }
#define SWG_BERT_NORM_ROW(role, name)                                                              \
    {                                                                                              \
        SWG_ROW_VECTOR(role, SWG_BERT_NORM(name), D_MODEL, SWG_BIAS_MUST)                          \
    }
#define SWG_BERT_ROWS                                                                              \
    {SWG_ROW_TABLE(EMBEDDING, SWG_BERT_EMBEDDINGS "word_embeddings.weight", VOCAB, D_MODEL, 0)},   \
        {SWG_ROW_TABLE(POSITION_EMBEDDING, SWG_BERT_EMBEDDINGS "position_embeddings.weight",       \
                       POSITIONS, D_MODEL, 0)},                                                    \
        {SWG_ROW_TABLE(TYPE_EMBEDDING, SWG_BERT_EMBEDDINGS "token_type_embeddings.weight",         \
                       TOKEN_TYPES, D_MODEL, 0)},                                                  \
        SWG_BERT_NORM_ROW(EMBEDDING_NORM, SWG_BERT_EMBEDDINGS "LayerNorm"),                        \
        SWG_BERT_SQUARE(QUERY, SWG_BERT_LAYER "attention.self.query"),                             \
        SWG_BERT_SQUARE(KEY, SWG_BERT_LAYER "attention.self.key"),                                 \
        SWG_BERT_SQUARE(VALUE, SWG_BERT_LAYER "attention.self.value"),                             \
        SWG_BERT_SQUARE(ATTENTION_OUTPUT, SWG_BERT_LAYER "attention.output.dense"),                \
        SWG_BERT_NORM_ROW(ATTENTION_NORM, SWG_BERT_LAYER "attention.output.LayerNorm"),            \
        {SWG_ROW_LINEAR(FFN_UP, SWG_BERT_LAYER "intermediate.dense.weight", D_FF, D_MODEL,         \
                        SWG_BIAS_MUST)},                                                           \
        {SWG_ROW_LINEAR(FFN_DOWN, SWG_BERT_LAYER "output.dense.weight", D_MODEL, D_FF,             \
                        SWG_BIAS_MUST)},                                                           \
        SWG_BERT_NORM_ROW(FFN_NORM, SWG_BERT_LAYER "output.LayerNorm")

/* The parts of swg_arch, and the check that every architecture of the family begins with. The
 * values are five: their number is SWG_BERT_VALUES. */
enum { SWG_BERT_VALUES = 5 };
swg_status swg_bert_check(swg_hparams *hparams);
void swg_bert_shape(const swg_hparams *hparams, void *values);
void swg_bert_begin(swg_exec *exec, const void *values, swg_value x);
void swg_bert_layer(swg_exec *exec, const void *values, size_t layer, swg_value x);
void swg_bert_end(swg_exec *exec, const void *values, swg_value x, swg_value logits);

#define SWG_BERT_PARTS                                                                             \
    .n_values = SWG_BERT_VALUES, .shape = swg_bert_shape, .begin = swg_bert_begin,                 \
    .layer = swg_bert_layer, .end = swg_bert_end

#endif
