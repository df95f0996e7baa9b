/* The state of an execution, and what a backend implements. Private to runtime/. */
#ifndef SWG_RUNTIME_EXEC_STATE_H
#define SWG_RUNTIME_EXEC_STATE_H

#include "runtime/exec.h"
#include "runtime/forward.h"
#include "runtime/kvcache.h"

enum { SWG_MAX_SCRATCH_VALUES = 32 };

/* All operations work on the first exec->n_rows rows of their values. */
typedef struct swg_backend {
    const char *name;
    swg_status (*init)(swg_exec *exec); /* sets exec->backend_state */
    void (*deinit)(swg_exec *exec);
    /* A text of `length` positions is about to be continued: rotary angles may depend on it. */
    void (*begin_text)(swg_exec *exec, size_t length);
    void (*embed)(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x);
    void (*rmsnorm)(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y);
    void (*layernorm)(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y);
    void (*linears)(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                    const swg_value *y);
    void (*rope)(swg_exec *exec, swg_value x);
    void (*attend)(swg_exec *exec, size_t layer, size_t window, swg_value q, swg_value k,
                   swg_value v, swg_value y);
    void (*silu_mul)(swg_exec *exec, swg_value gate, swg_value up);
    void (*activate)(swg_exec *exec, swg_activation activation, swg_value x);
    void (*add)(swg_exec *exec, swg_value x, swg_value y);
    void (*add_vector)(swg_exec *exec, const swg_weight *vector, swg_value x);
    /* One row: the input's and the state's shares of the gates; h and c [units] are updated. */
    void (*cell)(swg_exec *exec, swg_cell cell, size_t units, const float *from_input,
                 const float *from_state, float *h, float *c);
} swg_backend;

extern const swg_backend swg_backend_cpu;

struct swg_exec {
    const swg_model *model;
    swg_pool *pool;
    swg_exec_options options; /* defaults resolved */
    const swg_backend *backend;
    void *backend_state;
    swg_kvcache cache;
    size_t position;    /* tokens read before this chunk */
    float *state;       /* recurrent models: [n_layers][2][widest]: h and c of every layer */
    float *state_gates; /* [4 * widest]: the state's share of one step's gates */
    size_t widest;      /* units of the widest recurrent layer */

    /* The chunk under way. */
    const int32_t *ids, *types; /* types NULL = all 0 */
    size_t n_tokens;
    size_t n_rows;       /* rows that operations work on: n_tokens until swg_keep_outputs */
    size_t first_logits; /* first token of the chunk whose logits are wanted; n_tokens = none */
    float *logits;       /* [rows kept][n_outputs] */

    /* Scratch values, handed out in call order. */
    swg_value values[SWG_MAX_SCRATCH_VALUES];
    size_t n_values, next_value;
};

#endif
