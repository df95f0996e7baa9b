/* What describes an architecture: hyper-parameter rows, tensor rows and one forward function. An
 * architecture is one file here plus one row in archs.def; nobody else asks which one it is. */
#ifndef SWG_RUNTIME_ARCH_ARCH_H
#define SWG_RUNTIME_ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/forward.h"
#include "runtime/model.h"

typedef enum swg_hparam_kind {
    SWG_HPARAM_INT,
    SWG_HPARAM_DOUBLE,
    SWG_HPARAM_BOOL,
    SWG_HPARAM_TOKEN /* a token id; a list stands for its first; negative = none */
} swg_hparam_kind;

/* One configuration key. A key that is absent or null takes the default; without a default it is
 * required. */
typedef struct swg_hparam_row {
    const char *key;
    swg_hparam_kind kind;
    size_t offset; /* in swg_hparams */
    double min, max;
    bool has_default;
    double fallback;
} swg_hparam_row;

/* A key that, when present, must have this value: what the forward function takes for granted. */
typedef struct swg_demand_row {
    const char *key;
    const char *value; /* a string, or NULL for JSON null */
} swg_demand_row;

/* Sizes that a tensor's shape is made of. */
typedef enum swg_dim {
    SWG_DIM_ONE, /* vectors: [rows] */
    SWG_DIM_D_MODEL,
    SWG_DIM_D_FF,
    SWG_DIM_VOCAB,
    SWG_DIM_QUERY, /* n_heads * head_dim */
    SWG_DIM_KV     /* n_kv_heads * head_dim */
} swg_dim;

enum {
    SWG_TENSOR_OPTIONAL = 1,  /* may be absent */
    SWG_TENSOR_TIED = 2,      /* absent = the embedding serves */
    SWG_TENSOR_MAY_BIAS = 4,  /* "X.weight" may come with a vector "X.bias" of its rows */
    SWG_TENSOR_PLAIN_ONLY = 8 /* never quantized: vectors */
};

typedef struct swg_tensor_row {
    swg_role role;
    const char *pattern; /* name in the checkpoint; "{L}" stands for the layer */
    swg_dim n, k;        /* shape [n, k], or [n] when k is SWG_DIM_ONE */
    unsigned flags;
} swg_tensor_row;

struct swg_arch {
    const char *name;
    const char *const *model_types; /* values of the key "model_type", NULL-terminated */
    const swg_hparam_row *hparams;
    size_t n_hparams;
    const swg_tensor_row *tensors; /* in the order in which a token visits them */
    size_t n_tensors;
    const char *const *ignored; /* patterns (as in tensor rows) of tensors that carry no weight,
                                   NULL-terminated */
    const swg_demand_row *demands; /* ends with a NULL key */
    /* Derived fields and contradictions between fields. */
    swg_status (*check)(swg_hparams *hparams);
    swg_status (*forward)(swg_exec *exec);
};

/* All architectures; NULL-terminated. */
extern const swg_arch *const swg_archs[];

#endif
