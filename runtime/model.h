/* A model in memory: hyper-parameters and weights, ready to run.
 *
 *     swg_source *source; swg_model *model;
 *     SWG_TRY(swg_source_open("model.swg", NULL, &source));
 *     SWG_TRY(swg_model_load(source, pool, NULL, &model));   // the source may be closed now
 *
 * Weights are owned by the model, in the kernels' layout, on huge pages, in the order in which a
 * token visits them. A loaded model is read-only and may serve several executions (exec.h) at
 * once. */
#ifndef SWG_RUNTIME_MODEL_H
#define SWG_RUNTIME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"
#include "kernels/kernels.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"

typedef enum swg_role {
#define SWG_ROLE(name, is_per_layer) SWG_ROLE_##name,
#include "runtime/roles.def"
#undef SWG_ROLE
    SWG_ROLE_COUNT
} swg_role;

enum { SWG_MAX_LAYERS = 4096, SWG_MAX_RECURRENT_LAYERS = 64 };

/* What a model's output is. The first two give one row of logits over the vocabulary per position,
 * the others rows of n_outputs: per text, per position, and per position again (start and end of
 * the answer). */
typedef enum swg_output_kind {
    SWG_OUTPUT_NEXT_TOKEN,
    SWG_OUTPUT_MASKED_TOKEN,
    SWG_OUTPUT_SEQUENCE_CLASS,
    SWG_OUTPUT_TOKEN_CLASS,
    SWG_OUTPUT_ANSWER_SPAN,
    SWG_OUTPUT_COUNT
} swg_output_kind;

/* What the logits of a SWG_OUTPUT_SEQUENCE_CLASS model mean. */
typedef enum swg_class_kind {
    SWG_CLASS_ONE_OF,    /* softmax: exactly one label holds */
    SWG_CLASS_EACH,      /* logistic function each: any number of labels */
    SWG_CLASS_REGRESSION /* plain numbers */
} swg_class_kind;

typedef enum swg_activation {
    SWG_ACTIVATION_GELU,      /* exact: with erf */
    SWG_ACTIVATION_GELU_TANH, /* the tanh form */
    SWG_ACTIVATION_TANH
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

/* Hyper-parameters over all architectures; which configuration key fills which field, within which
 * range, is a table of the architecture's file (arch/arch.h). Fields that an architecture has no
 * use for are zero. Enumerations are int64_t here, so that rows can fill them. */
typedef struct swg_hparams {
    int64_t n_layers, d_model, d_ff, vocab;
    int64_t n_heads, n_kv_heads, head_dim; /* 0 heads = no attention, no KV cache */
    int64_t max_positions;                 /* longest context the model was made for */
    bool learned_positions; /* max_positions is a hard limit: further positions do not exist */
    int64_t n_token_types;  /* sorts of segments that ids can belong to */
    double norm_eps;
    double rope_theta;    /* 0 = no rotary positions */
    int64_t rope_scaling; /* swg_rope_scaling */
    double rope_factor, rope_low_factor, rope_high_factor;
    int64_t rope_original_positions;
    bool rope_interleaved; /* rotary pairs are (2i, 2i+1) instead of (i, i + head_dim / 2) */
    int64_t window;        /* attention reaches back so many positions, itself included */
    int64_t first_window_layer;
    bool uses_window;
    swg_layer_set window_layers;   /* where the window holds; elsewhere attention is unlimited */
    bool attention_bias, mlp_bias; /* such weights have biases (SWG_BIAS_* of arch.h) */
    bool tied_head;                /* the output head is the embedding */
    int64_t activation;            /* swg_activation */
    int64_t cell;                  /* swg_cell */
    int64_t units[SWG_MAX_RECURRENT_LAYERS]; /* of recurrent layers; 0 = not recurrent */
    int64_t gate_order;                      /* of a GRU: swg_gate_order */
    bool is_encoder;        /* reads whole texts (swg_exec_encode) and continues none */
    bool one_output;        /* one row of logits a text, not one a position */
    int64_t task;           /* swg_output_kind */
    int64_t class_kind;     /* swg_class_kind */
    int64_t n_labels;       /* of classifiers */
    int64_t n_outputs;      /* columns of a row of logits: vocab or n_labels */
    int64_t bos_id, eos_id; /* -1 = none */
} swg_hparams;

/* The window of a layer's attention; 0 = unlimited. */
size_t swg_hparams_window(const swg_hparams *hparams, size_t layer);

/* One weight. A matrix is quantized (`packed`) or plain (`plain`, row-major in its own element
 * type); a vector (norm) is plain F32 with n = its length and k = 1. */
typedef struct swg_weight {
    swg_scheme scheme;
    size_t n, k;       /* [n_out, k_in] */
    swg_packed packed; /* quantized schemes */
    const void *plain; /* plain schemes */
    const float *bias; /* [n], or NULL */
    size_t bytes;      /* in memory */
} swg_weight;

typedef struct swg_arch swg_arch; /* runtime/arch/arch.h */

typedef struct swg_model {
    const swg_arch *arch;
    swg_hparams hparams;
    swg_weight *weights; /* [SWG_ROLE_COUNT][n_layers]; see swg_model_weight */
    swg_pages matrices;
    swg_arena small;           /* vectors, biases and `weights` */
    const char *const *labels; /* [n_labels] names of a classifier's labels ("id2label"), or NULL */
    uint64_t n_parameters;
    double load_s;       /* seconds that loading took */
    uint64_t load_bytes; /* canonical (decompressed) bytes that were loaded */
} swg_model;

/* The weight of a role (layer 0 for roles outside layers), or NULL when this model has none. For a
 * tied head it is the embedding. */
const swg_weight *swg_model_weight(const swg_model *model, swg_role role, size_t layer);

/* Bytes of weights that decoding one token reads: every matrix once, of an untied embedding one
 * row. */
uint64_t swg_model_bytes_per_token(const swg_model *model);

/* Multiply-adds with matrices that one token costs, times two. */
uint64_t swg_model_ops_per_token(const swg_model *model);

/* Load all weights. SWG_UNSUPPORTED for architectures and tensors that are not known, SWG_CORRUPT
 * where configuration and tensors contradict each other. `pool` and `progress` may be NULL. */
swg_status swg_model_load(swg_source *source, swg_pool *pool, const swg_progress *progress,
                          swg_model **out);

/* A model of that configuration (JSON text) with random weights, every matrix in `scheme`, without
 * any file: to measure speed. The same seed gives the same weights. SWG_LIMIT when they are larger
 * than the machine's memory. */
swg_status swg_model_random(const char *config, size_t length, swg_scheme scheme, uint64_t seed,
                            swg_pool *pool, swg_model **out);

void swg_model_free(swg_model **model); /* NULL inside is accepted */

/* SWG_UNSUPPORTED, with a sentence that names the architecture and `what` ("perplexity"), unless
 * the model predicts the next token of a text that it reads bit by bit. */
swg_status swg_model_must_continue(const swg_model *model, const char *what);

/* Parse a configuration alone: which architecture and what sizes. */
swg_status swg_hparams_read(const char *config, size_t length, const swg_arch **arch,
                            swg_hparams *out);

/* Read any plain or quantized row of a weight as float [k]: embedding look-up. */
void swg_weight_row(const swg_weight *weight, const swg_kernels *kernels, size_t row, float *out);

#endif
