/* What describes an architecture: hyper-parameter rows, tensor rows and the three parts of its
 * forward pass. An architecture is one file here plus one row in archs.def; no other code asks
 * which one it is. What others need to know is a property in swg_hparams (is_encoder, window,
 * n_outputs, ...), set by a row or by `check`.
 *
 * Weights are [n_out, k_in] without exception. Checkpoints whose ecosystem stores some of them [in,
 * out] (GPT-2's Conv1D) are transposed by the readers and writers of those files
 * (formats/huggingface/conv1d.h), so that no row here, no quantizer and no container has to know.
 */
#ifndef SWG_RUNTIME_ARCH_ARCH_H
#define SWG_RUNTIME_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/forward.h"
#include "runtime/model.h"

typedef enum swg_hparam_kind {
    SWG_HPARAM_INT,
    SWG_HPARAM_INT_OR_NONE, /* null means 0, not the default */
    SWG_HPARAM_DOUBLE,
    SWG_HPARAM_BOOL,
    SWG_HPARAM_TOKEN,   /* a token id, or a list, whose first element is taken; negative = none */
    SWG_HPARAM_WORD,    /* one of `words`; the field gets its number */
    SWG_HPARAM_MEMBERS, /* an object; the field gets its number of members */
    SWG_HPARAM_LAYERS,  /* a list of `words`, one per layer: a swg_layer_set of the layers that have
                           the last word */
    SWG_HPARAM_UNITS    /* a number for all recurrent layers or a list, one per layer */
} swg_hparam_kind;

/* One configuration key. A key that is absent or null takes the default; without a default it is
 * required. `key` may list several keys, tried in order: "rope_parameters.rope_theta|rope_theta";
 * dots lead into objects. Where WORD expects a string, a list is accepted too: its first element is
 * taken.
 */
typedef struct swg_hparam_row {
    const char *key;
    swg_hparam_kind kind;
    size_t offset; /* in swg_hparams */
    double min, max;
    bool has_default;
    double fallback;
    const char *words; /* "a|b,c|d": b and c both are number 1 */
} swg_hparam_row;

#define SWG_HPARAM(kind_, key_, field_, min_, max_)                                                \
    {                                                                                              \
        .key = key_, .kind = SWG_HPARAM_##kind_, .offset = offsetof(swg_hparams, field_),          \
        .min = min_, .max = max_                                                                   \
    }
#define SWG_HPARAM_OR(kind_, key_, field_, min_, max_, fallback_)                                  \
    {                                                                                              \
        .key = key_, .kind = SWG_HPARAM_##kind_, .offset = offsetof(swg_hparams, field_),          \
        .min = min_, .max = max_, .has_default = true, .fallback = fallback_                       \
    }
#define SWG_HPARAM_WORDS(key_, field_, words_)                                                     \
    {                                                                                              \
        .key = key_, .kind = SWG_HPARAM_WORD, .offset = offsetof(swg_hparams, field_),             \
        .words = words_                                                                            \
    }
#define SWG_HPARAM_WORDS_OR(key_, field_, words_, fallback_)                                       \
    {                                                                                              \
        .key = key_, .kind = SWG_HPARAM_WORD, .offset = offsetof(swg_hparams, field_),             \
        .words = words_, .has_default = true, .fallback = fallback_                                \
    }
#define SWG_HPARAM_LAYERS_OR_NONE(key_, field_, words_)                                            \
    {                                                                                              \
        .key = key_, .kind = SWG_HPARAM_LAYERS, .offset = offsetof(swg_hparams, field_),           \
        .words = words_, .has_default = true                                                       \
    }

/* A key that, when present, must have this value, which the forward pass relies on. `key` as above;
 * the value is the text of a string, "true", "false" or a number. */
typedef struct swg_required_row {
    const char *key;
    const char *value;
} swg_required_row;

/* The sizes that tensor shapes are made of. */
typedef enum swg_dim {
    SWG_DIM_ONE, /* vectors: [rows] */
    SWG_DIM_D_MODEL,
    SWG_DIM_D_FF,
    SWG_DIM_VOCAB,
    SWG_DIM_QUERY, /* n_heads * head_dim */
    SWG_DIM_KV,    /* n_kv_heads * head_dim */
    SWG_DIM_HEAD,  /* head_dim */
    SWG_DIM_POSITIONS,
    SWG_DIM_TOKEN_TYPES,
    SWG_DIM_LABELS,
    SWG_DIM_EXPERTS,
    SWG_DIM_UNITS,     /* of the recurrent layer */
    SWG_DIM_GATES,     /* units times the gates of the cell: 4 (LSTM) or 3 (GRU) */
    SWG_DIM_BELOW,     /* the recurrent layer's input: d_model or the units of the layer below */
    SWG_DIM_LAST_UNITS /* units of the last recurrent layer */
} swg_dim;

enum {
    SWG_TENSOR_OPTIONAL = 1, /* may be absent */
    SWG_TENSOR_TIED = 2,     /* absent = the embedding is used */
    /* "X.weight" comes with a vector "X.bias" of its rows ("weight_ih" with "bias_ih", "gamma" with
     * "beta"): it may be there, it must, or it must exactly when the configuration says so. */
    SWG_BIAS_MAY = 4,
    SWG_BIAS_MUST = 8,
    SWG_BIAS_ATTENTION = 16, /* hparams.attention_bias */
    SWG_BIAS_MLP = 32,       /* hparams.mlp_bias */
    /* What compression may do to it unless a recipe says otherwise (arch/tensor_use.h). */
    SWG_TENSOR_QUANTIZABLE = 64,
    SWG_TENSOR_PRUNABLE = 128
};

/* How the values of a vector are transformed when they are loaded. */
typedef enum swg_transform {
    SWG_TRANSFORM_NONE,
    SWG_TRANSFORM_PLUS_ONE /* the checkpoint has w, the computation uses 1 + w */
} swg_transform;

/* One weight. `pattern` is its name in the checkpoint, where "{L}" is replaced by the layer, "{E}"
 * by the expert and "{P}" by the checkpoint's prefix; a row of experts without "{E}" names one
 * tensor [n_experts, n, k] per layer; "a|b" are names tried in order. Rows of one pattern share a
 * tensor (and its bias): the first has its first n rows, the second the rows after those, and so
 * on. */
typedef struct swg_tensor_row {
    swg_role role;
    const char *pattern;
    swg_dim n, k; /* shape [n, k], or [n] when k is SWG_DIM_ONE */
    unsigned flags;
    unsigned tasks; /* bits 1 << swg_output_kind: the kinds of models that have it; 0 = all */
    swg_transform transform; /* of vectors */
} swg_tensor_row;

/* The general row, and the usual ones: a linear weight, which may be quantized and pruned; a table
 * (embeddings of tokens, positions and types, an output head), which may be quantized; a vector (a
 * norm or a bias), which stays as it is. */
#define SWG_ROW(role_, pattern_, n_, k_, flags_)                                                   \
    .role = SWG_ROLE_##role_, .pattern = pattern_, .n = SWG_DIM_##n_, .k = SWG_DIM_##k_,           \
    .flags = (flags_)
#define SWG_ROW_LINEAR(role_, pattern_, n_, k_, flags_)                                            \
    SWG_ROW(role_, pattern_, n_, k_, (flags_) | SWG_TENSOR_QUANTIZABLE | SWG_TENSOR_PRUNABLE)
#define SWG_ROW_TABLE(role_, pattern_, n_, k_, flags_)                                             \
    SWG_ROW(role_, pattern_, n_, k_, (flags_) | SWG_TENSOR_QUANTIZABLE)
#define SWG_ROW_VECTOR(role_, pattern_, n_, flags_) SWG_ROW(role_, pattern_, n_, ONE, flags_)

struct swg_arch {
    const char *name;
    const char *const *model_types; /* values of the key "model_type", NULL-terminated */
    const swg_hparam_row *hparams;
    size_t n_hparams;
    const swg_tensor_row *tensors; /* in the order in which a token's forward pass uses them */
    size_t n_tensors;
    const char *const *prefixes;      /* candidates for "{P}": the first with which the first row's
                                         tensor exists; NULL-terminated, or NULL for none */
    const char *const *ignored;       /* patterns of tensors that no computation here uses,
                                         NULL-terminated */
    const swg_required_row *required; /* ends with a NULL key */
    /* Set derived fields and refuse contradictions between fields. */
    swg_status (*check)(swg_hparams *hparams);

    /* The forward pass over a batch of rows (forward.h): begin fills x [rows, width of layer 0],
     * every layer turns x into the next one's, end makes logits [rows, n_outputs] of the rows whose
     * logits are wanted (for one_output: one of each text). The parts' scratch memory is the
     * architecture's `values`, a struct that consists of swg_value alone: `shape` sets the columns
     * of each, once; they have as many rows as x, and their contents do not outlive the part. */
    bool is_resumable; /* of a layer's values, x alone is read after a swg_add, and x and its input
                          after a product begins: swg_exec_layer_from can resume there */
    size_t n_values; /* SWG_VALUES_IN(the struct) */
    void (*shape)(const swg_hparams *hparams, void *values);
    void (*begin)(swg_exec *exec, const void *values, swg_value x);
    void (*layer)(swg_exec *exec, const void *values, size_t layer, swg_value x);
    void (*end)(swg_exec *exec, const void *values, swg_value x, swg_value logits);
};

#define SWG_VALUES_IN(type) (sizeof(type) / sizeof(swg_value))

/* All architectures; NULL-terminated. */
extern const swg_arch *const swg_archs[];

#endif
