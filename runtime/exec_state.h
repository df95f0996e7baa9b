/* The state of an execution, and what a backend implements. Private to runtime/. */
#ifndef SWG_RUNTIME_EXEC_STATE_H
#define SWG_RUNTIME_EXEC_STATE_H

#include "runtime/exec.h"
#include "runtime/forward.h"
#include "runtime/kvcache.h"

enum { SWG_MAX_SCRATCH_VALUES = 32 };

typedef struct swg_backend {
    const char *name;
    swg_status (*init)(swg_exec *exec); /* sets exec->backend_state */
    void (*deinit)(swg_exec *exec);
    void (*embed)(swg_exec *exec, const swg_weight *weight, swg_value x);
    void (*rmsnorm)(swg_exec *exec, const swg_weight *weight, size_t n_tokens, swg_value x,
                    swg_value y);
    void (*linears)(swg_exec *exec, size_t n_tokens, swg_value x, size_t count,
                    const swg_weight *const *weights, const swg_value *y);
    void (*rope)(swg_exec *exec, swg_value x);
    void (*attend)(swg_exec *exec, size_t layer, swg_value q, swg_value k, swg_value v,
                   swg_value y);
    void (*silu_mul)(swg_exec *exec, swg_value gate, swg_value up);
    void (*add)(swg_exec *exec, swg_value x, swg_value y);
} swg_backend;

extern const swg_backend swg_backend_cpu;

struct swg_exec {
    const swg_model *model;
    swg_pool *pool;
    swg_exec_options options; /* defaults resolved */
    const swg_backend *backend;
    void *backend_state;
    swg_kvcache cache;
    size_t position; /* tokens in the cache before this chunk */

    /* The chunk under way. */
    const int32_t *ids;
    size_t n_tokens;
    size_t first_logits; /* first token of the chunk whose logits are wanted; n_tokens = none */
    float *logits;       /* [n_tokens - first_logits][vocab] */

    /* Scratch values, handed out in call order. */
    swg_value values[SWG_MAX_SCRATCH_VALUES];
    size_t n_values, next_value;
};

#endif
