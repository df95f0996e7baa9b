/* What a backend implements: the vocabulary of forward.h, on memory of its own. A backend is one
 * row of backends.def and one folder or set of files here that defines
 * `const swg_backend swg_backend_<name>`; nobody else knows what it is made of.
 *
 *     const swg_backend *backend;
 *     SWG_TRY(swg_backend_find("cpu", &backend)); */
#ifndef SWG_RUNTIME_BACKEND_BACKEND_H
#define SWG_RUNTIME_BACKEND_BACKEND_H

#include "runtime/forward.h"

typedef struct swg_backend swg_backend;

/* The backend of that name; NULL is the first row of the table. SWG_USAGE, listing the names, when
 * there is none. */
swg_status swg_backend_find(const char *name, const swg_backend **out);

/* All operations work on the first exec->n_rows rows of their values. */
struct swg_backend {
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
};

#endif
