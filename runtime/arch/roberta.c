/* RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): BERT's layers and names, with
 * positions that begin after the padding token's id, one token type, and heads of their own names.
 * A text that holds the padding token itself is not renumbered around it, as transformers does. */
#include "runtime/arch/bert.h"

static const swg_hparam_row hparam_rows[] = {
    SWG_HPARAM_WORDS("architectures", task,
                     "|RobertaForMaskedLM,XLMRobertaForMaskedLM"
                     "|RobertaForSequenceClassification,XLMRobertaForSequenceClassification"
                     "|RobertaForTokenClassification,XLMRobertaForTokenClassification"
                     "|RobertaForQuestionAnswering,XLMRobertaForQuestionAnswering"
                     "|RobertaModel,XLMRobertaModel"),
    SWG_HPARAM_OR(INT, "pad_token_id", first_position, 0, 1 << 24, 1),
    SWG_BERT_KEYS,
};

static const swg_tensor_row tensor_rows[] = {
    SWG_BERT_ROWS,
    {SWG_ROW_LINEAR(POOLER, "classifier.dense.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SEQUENCE},
    {SWG_ROW_LINEAR(CLASSIFIER, "classifier.out_proj.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SEQUENCE},
    {SWG_ROW_LINEAR(CLASSIFIER, "classifier.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_TOKENS},
    {SWG_ROW_LINEAR(CLASSIFIER, "qa_outputs.weight", LABELS, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_SPAN},
    {SWG_ROW_LINEAR(HEAD_TRANSFORM, "lm_head.dense.weight", D_MODEL, D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_VECTOR(HEAD_NORM, "lm_head.layer_norm.weight", D_MODEL, SWG_BIAS_MUST),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_TABLE(HEAD, "lm_head.decoder.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED),
     .tasks = SWG_BERT_MASKED},
    {SWG_ROW_VECTOR(HEAD_BIAS, "lm_head.decoder.bias|lm_head.bias", VOCAB, 0),
     .tasks = SWG_BERT_MASKED},
};

static swg_status check(swg_hparams *h)
{
    h->first_position++; /* "pad_token_id" was read into it */
    if (h->first_position >= h->max_positions)
        return swg_error(SWG_CORRUPT,
                         "config.json: max_position_embeddings %lld leave no position after those "
                         "up to pad_token_id %lld",
                         (long long)h->max_positions, (long long)h->first_position - 1);
    h->max_positions -= h->first_position;
    h->n_pair_separators = 2;
    return swg_bert_check(h);
}

static const swg_required_row required[] = {{"position_embedding_type", "absolute"},
                                            {"is_decoder", "false"},
                                            {"add_cross_attention", "false"},
                                            {NULL, NULL}};

static const char *const ignored[] = {"{P}embeddings.position_ids",
                                      "{P}embeddings.token_type_ids",
                                      "{P}pooler.dense.weight",
                                      "{P}pooler.dense.bias",
                                      "lm_head.bias",
                                      NULL};

const swg_arch swg_arch_roberta = {
    .name = "roberta",
    .model_types = (const char *const[]){"roberta", "xlm-roberta", NULL},
    .hparams = hparam_rows,
    .n_hparams = sizeof hparam_rows / sizeof hparam_rows[0],
    .tensors = tensor_rows,
    .n_tensors = sizeof tensor_rows / sizeof tensor_rows[0],
    .prefixes = (const char *const[]){"roberta.", "", NULL},
    .ignored = ignored,
    .required = required,
    .check = check,
    SWG_BERT_PARTS,
};
