/* Recurrent models, of language or classes of texts: embedding, a stack of LSTM (Hochreiter and
 * Schmidhuber 1997, with forget gates) or GRU (Cho et al. 2014, or with the reset after the
 * product) layers, and a dense head.
 *
 * There is no common config.json for them; this is the one that swage reads, and that readers of
 * other formats produce:
 *
 *     {"model_type": "rnn", "cell": "lstm" or "gru", "vocab_size": V, "embedding_size": E,
 *      "num_hidden_layers": L, "hidden_size": U or [U0, U1, ...],
 *      "gate_order": GRU only: "rzn" (reset first: PyTorch, the default) or "zrn" (update first:
 *                    Keras, which calls the new state h),
 *      "reset_after": GRU only: whether the reset gate applies after the state's product (PyTorch,
 *                     Keras since version 2) or before it (Cho et al.); true when absent,
 *      "architectures": ["RnnForSequenceClassification"] for a class per text, read from the last
 *                       position's state; else the model predicts the next token,
 *      "id2label": {"0": ...}, "problem_type": of such a classifier, as BERT has them,
 *      "tie_word_embeddings": false, "bos_token_id", "eos_token_id", "max_position_embeddings": all
 *      optional; a recurrent model has no longest context of its own}
 *
 * Tensors have the names and layouts of torch.nn.Embedding, LSTM or GRU, and Linear:
 *
 *     embedding.weight        [V, E]        also encoder.weight, embed.weight
 *     rnn.weight_ih_l<L>      [gates U, input]; also lstm.*, gru.*
 *     rnn.weight_hh_l<L>      [gates U, U]
 *     rnn.bias_ih_l<L>, rnn.bias_hh_l<L>    [gates U], either may be absent
 *     head.weight, head.bias  [V, U], [V]   also decoder.*, fc.*, linear.*, dense.*
 *
 * An LSTM's gates are input, forget, new, output (Keras i, f, c, o; PyTorch i, f, g, o). Keras
 * stores kernels as [input, gates U]; its reader transposes them. A bias of one row is bias_ih; the
 * two rows of a GRU with reset_after are bias_ih and bias_hh. Left out: bidirectional and projected
 * layers. */
#include "runtime/arch/arch.h"

/* Positions are unlimited, but counters need a number; a text that is read whole, scratch memory.
 */
enum { ENDLESS = 1 << 20, USUAL_TEXT = 1024 };
enum { CONTINUES = 1 << SWG_OUTPUT_NEXT_TOKEN, CLASSIFIES = 1 << SWG_OUTPUT_SEQUENCE_CLASS };

static const swg_hparam_row hparam_rows[] = {
    SWG_HPARAM_WORDS("cell", recurrent.cell, "lstm|gru"),
    SWG_HPARAM(INT, "num_hidden_layers", n_layers, 1, SWG_MAX_RECURRENT_LAYERS),
    SWG_HPARAM(UNITS, "hidden_size", recurrent.units, 1, 1 << 20),
    SWG_HPARAM(INT, "embedding_size", d_model, 1, 1 << 20),
    SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 24),
    SWG_HPARAM_WORDS_OR("gate_order", recurrent.gate_order, "zrn|rzn", 1),
    SWG_HPARAM_OR(BOOL, "reset_after", recurrent.reset_after, 0, 1, 1),
    SWG_HPARAM_OR(INT, "max_position_embeddings", max_positions, 1, 1 << 24, ENDLESS),
    SWG_HPARAM_OR(BOOL, "tie_word_embeddings", tied_head, 0, 1, 0),
    SWG_HPARAM_WORDS_OR("architectures", task, "RnnForCausalLM||RnnForSequenceClassification",
                        SWG_OUTPUT_NEXT_TOKEN),
    SWG_HPARAM_OR(MEMBERS, "id2label", n_labels, 1, 1 << 20, 0),
    SWG_HPARAM_WORDS_OR("problem_type", class_kind,
                        "single_label_classification|multi_label_classification|regression",
                        SWG_CLASS_ONE_OF),
    SWG_HPARAM_OR(TOKEN, "bos_token_id", bos_id, -1, 1 << 24, -1),
    SWG_HPARAM_OR(TOKEN, "eos_token_id", eos_id, -1, 1 << 24, -1),
};

#define STACK(name) "rnn." name "_l{L}|lstm." name "_l{L}|gru." name "_l{L}"

static const swg_tensor_row tensor_rows[] = {
    {SWG_ROW_TABLE(EMBEDDING, "embedding.weight|encoder.weight|embed.weight", VOCAB, D_MODEL, 0)},
    {SWG_ROW_LINEAR(RECURRENT_INPUT, STACK("weight_ih"), GATES, BELOW, SWG_BIAS_MAY)},
    {SWG_ROW_LINEAR(RECURRENT_STATE, STACK("weight_hh"), GATES, UNITS, SWG_BIAS_MAY)},
    {SWG_ROW_TABLE(HEAD, "head.weight|decoder.weight|fc.weight|linear.weight|dense.weight", VOCAB,
                   LAST_UNITS, SWG_TENSOR_TIED),
     .tasks = CONTINUES},
    {SWG_ROW_VECTOR(HEAD_BIAS, "head.bias|decoder.bias|fc.bias|linear.bias|dense.bias", VOCAB,
                    SWG_TENSOR_OPTIONAL),
     .tasks = CONTINUES},
    {SWG_ROW_LINEAR(CLASSIFIER, "classifier.weight", LABELS, LAST_UNITS, SWG_BIAS_MAY),
     .tasks = CLASSIFIES},
};

/* A class per text is read from its last position, so the text is read whole. */
static swg_status check_classifier(swg_hparams *h)
{
    if (h->n_labels == 0)
        return swg_error(SWG_CORRUPT, "config.json: a classifier without \"id2label\"");
    h->is_encoder = h->one_output = h->output_is_last = true;
    h->tied_head = false;
    if (h->n_labels == 1 && h->class_kind == SWG_CLASS_ONE_OF)
        h->class_kind = SWG_CLASS_EACH; /* one of one label would be certain whatever the text is */
    if (h->max_positions == ENDLESS)
        h->max_positions = USUAL_TEXT;
    return SWG_OK;
}

static swg_status check(swg_hparams *h)
{
    const int64_t last = h->recurrent.units[h->n_layers - 1];
    if (h->task == SWG_OUTPUT_SEQUENCE_CLASS)
        SWG_TRY(check_classifier(h));
    else
        h->n_labels = 0;
    if (h->tied_head && last != h->d_model)
        return swg_error(SWG_CORRUPT,
                         "config.json: a tied head needs as many units (%lld) as the embedding has "
                         "columns (%lld)",
                         (long long)last, (long long)h->d_model);
    if (h->n_layers < SWG_MAX_RECURRENT_LAYERS && h->recurrent.units[h->n_layers] != 0)
        return swg_error(SWG_CORRUPT, "config.json: \"hidden_size\" lists more than %lld layers",
                         (long long)h->n_layers);
    for (int64_t layer = 0; layer < h->n_layers; layer++)
        if (h->recurrent.units[layer] == 0)
            return swg_error(SWG_CORRUPT, "config.json: \"hidden_size\" lists %lld of %lld layers",
                             (long long)layer, (long long)h->n_layers);
    return SWG_OK;
}

typedef struct values {
    swg_value gates, states;
} values;

static size_t n_gates(const swg_hparams *h)
{
    return h->recurrent.cell == SWG_CELL_LSTM ? 4 : 3;
}

static void shape(const swg_hparams *h, void *out)
{
    size_t most_units = 0;
    for (int64_t i = 0; i < h->n_layers; i++)
        if ((size_t)h->recurrent.units[i] > most_units)
            most_units = (size_t)h->recurrent.units[i];
    *(values *)out =
        (values){.gates.columns = n_gates(h) * most_units, .states.columns = most_units};
}

static void begin(swg_exec *e, const void *unused, swg_value x)
{
    (void)unused;
    swg_embed(e, SWG_ROLE_EMBEDDING, SWG_INDEX_TOKEN, x);
}

static void layer(swg_exec *e, const void *scratch, size_t l, swg_value x)
{
    const swg_hparams *h = swg_exec_hparams(e);
    const size_t units = (size_t)h->recurrent.units[l];
    values s = *(const values *)scratch;
    s.gates.columns = n_gates(h) * units;
    s.states.columns = units;

    /* For each position: (h, c) = cell(W x + b, U h + b', c);  x = h */
    swg_linear(e, SWG_ROLE_RECURRENT_INPUT, l, x, s.gates);
    x.columns = units;
    swg_recur(e, (swg_cell)h->recurrent.cell, SWG_ROLE_RECURRENT_STATE, l, s.gates, s.states, x);
}

static void end(swg_exec *e, const void *unused, swg_value x, swg_value logits)
{
    (void)unused;
    if (swg_exec_hparams(e)->task == SWG_OUTPUT_SEQUENCE_CLASS) {
        swg_linear(e, SWG_ROLE_CLASSIFIER, 0, x, logits);
        return;
    }
    swg_linear(e, SWG_ROLE_HEAD, 0, x, logits);
    if (swg_has(e, SWG_ROLE_HEAD_BIAS))
        swg_add_vector(e, SWG_ROLE_HEAD_BIAS, 0, logits);
}

const swg_arch swg_arch_rnn = {
    .name = "rnn",
    .model_types = (const char *const[]){"rnn", NULL},
    .hparams = hparam_rows,
    .n_hparams = sizeof hparam_rows / sizeof hparam_rows[0],
    .tensors = tensor_rows,
    .n_tensors = sizeof tensor_rows / sizeof tensor_rows[0],
    .ignored = (const char *const[]){NULL},
    .required = (const swg_required_row[]){{NULL, NULL}},
    .check = check,
    .n_values = SWG_VALUES_IN(values),
    .shape = shape,
    .begin = begin,
    .layer = layer,
    .end = end,
};
