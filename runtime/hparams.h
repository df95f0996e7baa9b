/* Hyper-parameters of a model: what its configuration says, over all architectures. */
#ifndef SWG_RUNTIME_HPARAMS_H
#define SWG_RUNTIME_HPARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct swg_arch swg_arch; /* runtime/arch/arch.h */

enum { SWG_MAX_LAYERS = 4096, SWG_MAX_RECURRENT_LAYERS = 64 };

/* What a model's output is. The first two give one row of logits over the vocabulary per position,
 * the others rows of n_outputs: one per text, one per position, one per position (start and end of
 * the answer), and one per position (what the last layer gives, [d_model]: there is no head). */
typedef enum swg_output_kind {
    SWG_OUTPUT_NEXT_TOKEN,
    SWG_OUTPUT_MASKED_TOKEN,
    SWG_OUTPUT_SEQUENCE_CLASS,
    SWG_OUTPUT_TOKEN_CLASS,
    SWG_OUTPUT_ANSWER_SPAN,
    SWG_OUTPUT_HIDDEN_STATE,
    SWG_OUTPUT_COUNT
} swg_output_kind;

/* What the logits of a SWG_OUTPUT_SEQUENCE_CLASS model mean. */
typedef enum swg_class_kind {
    SWG_CLASS_ONE_OF,    /* softmax: exactly one label holds */
    SWG_CLASS_EACH,      /* logistic function per label: any number of labels */
    SWG_CLASS_REGRESSION /* plain numbers */
} swg_class_kind;

typedef enum swg_activation {
    SWG_ACTIVATION_GELU,      /* exact, with erf */
    SWG_ACTIVATION_GELU_TANH, /* the tanh form */
    SWG_ACTIVATION_TANH,
    SWG_ACTIVATION_RELU
} swg_activation;

/* How rotary frequencies are stretched (runtime/rope.h). */
typedef enum swg_rope_scaling {
    SWG_ROPE_PLAIN,
    SWG_ROPE_LINEAR,
    SWG_ROPE_DYNAMIC,
    SWG_ROPE_LLAMA3
} swg_rope_scaling;

typedef enum swg_cell { SWG_CELL_LSTM, SWG_CELL_GRU } swg_cell;

/* Which gate of a GRU comes first, update (z) or reset (r); the new state is always last. */
typedef enum swg_gate_order { SWG_GATES_UPDATE_FIRST, SWG_GATES_RESET_FIRST } swg_gate_order;

/* A set of layers, as a configuration lists it: count = length of the list, 0 = no list. */
typedef struct swg_layer_set {
    int64_t count;
    uint64_t bits[SWG_MAX_LAYERS / 64];
} swg_layer_set;

/* Rotary positions. */
typedef struct swg_rope_hparams {
    double theta;       /* 0 = none */
    double local_theta; /* of layers with a window; 0 = the same, otherwise without scaling */
    double share;       /* share of a head's elements that are rotated, as configured */
    int64_t dim;        /* number of elements at the start of a head that are rotated */
    int64_t scaling;    /* swg_rope_scaling */
    double factor, low_factor, high_factor;
    int64_t original_positions;
    bool interleaved; /* pairs are (2i, 2i+1) instead of (i, i + head_dim / 2) */
} swg_rope_hparams;

/* Sliding window: attention to the last positions only. */
typedef struct swg_window_hparams {
    int64_t size; /* positions that attention sees, its own included */
    int64_t first_layer;
    bool is_used;
    swg_layer_set layers; /* layers with the window; elsewhere attention is unlimited */
} swg_window_hparams;

typedef struct swg_recurrent_hparams {
    int64_t cell;                            /* swg_cell */
    int64_t units[SWG_MAX_RECURRENT_LAYERS]; /* units[0] = 0: the layers are not recurrent */
    int64_t gate_order;                      /* of a GRU: swg_gate_order */
    bool reset_after; /* a GRU's reset gate applies after the product with the state */
} swg_recurrent_hparams;

typedef struct swg_expert_hparams {
    int64_t count;  /* per layer; 0 = none */
    int64_t active; /* experts that each token uses */
} swg_expert_hparams;

/* Hyper-parameters over all architectures; a table in the architecture's file (arch/arch.h) says
 * which configuration key fills which field, within which range. What only some families have is in
 * groups; fields that an architecture does not use are zero. Enumerations are int64_t here, so that
 * rows can fill them. */
typedef struct swg_hparams {
    int64_t n_layers, d_model, d_ff, vocab;
    int64_t n_heads, n_kv_heads, head_dim; /* 0 heads = no attention, no KV cache */
    int64_t max_positions;                 /* longest context the model was made for */
    bool learned_positions; /* max_positions is a hard limit: further positions do not exist */
    int64_t first_position; /* row of the table of learned positions that the first token uses */
    int64_t n_token_types;  /* number of token types (segments); 0 = there are none */
    int64_t n_pair_separators; /* tokens between a text and a second one; 0 = one */
    double norm_eps;
    bool attention_bias, mlp_bias; /* such weights have biases (SWG_BIAS_* of arch.h) */
    bool tied_head;                /* the output head is the embedding */
    int64_t activation;            /* swg_activation */
    int64_t pooler_activation;     /* swg_activation after a text classifier's first matrix */
    swg_rope_hparams rope;
    swg_window_hparams window;
    swg_recurrent_hparams recurrent;
    swg_expert_hparams experts;
    bool is_encoder;        /* reads whole texts (swg_exec_encode) and does not continue them */
    bool one_output;        /* one row of logits per text, not one per position */
    bool output_is_last;    /* with one_output: of the last position, not of the first */
    int64_t task;           /* swg_output_kind */
    int64_t class_kind;     /* swg_class_kind */
    int64_t n_labels;       /* of classifiers */
    int64_t n_outputs;      /* columns of a row of output: vocab, n_labels or d_model */
    int64_t bos_id, eos_id; /* -1 = none */
} swg_hparams;

/* The window of a layer's attention; 0 = unlimited. */
size_t swg_hparams_window(const swg_hparams *hparams, size_t layer);

/* The architecture's name, as "model_type" has it. */
const char *swg_arch_name(const swg_arch *arch);

/* The configuration's key for a field, given by its offset in swg_hparams; NULL when the
 * architecture has none, or several. */
const char *swg_hparams_key(const swg_arch *arch, size_t field);

/* Leave out the head that the configuration names: the output becomes SWG_OUTPUT_HIDDEN_STATE.
 * SWG_UNSUPPORTED for architectures that are not encoders. */
swg_status swg_hparams_leave_out_head(const swg_arch *arch, swg_hparams *hparams);

/* Parse only a configuration (JSON text): architecture and sizes. SWG_UNSUPPORTED for unknown
 * architectures and values, SWG_CORRUPT when the configuration contradicts itself. */
swg_status swg_hparams_read(const char *config, size_t length, const swg_arch **arch,
                            swg_hparams *out);

/* The same with a given NULL-terminated table of architectures instead of swage's own
 * (swg_archs). */
swg_status swg_hparams_read_among(const swg_arch *const *archs, const char *config, size_t length,
                                  const swg_arch **arch, swg_hparams *out);

#endif
