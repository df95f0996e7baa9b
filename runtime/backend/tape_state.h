/* What a tape holds. Private to runtime/backend/tape*.c. */
#ifndef SWG_RUNTIME_BACKEND_TAPE_STATE_H
#define SWG_RUNTIME_BACKEND_TAPE_STATE_H

#include "runtime/backend/cpu_state.h"
#include "runtime/backend/tape.h"

extern const swg_backend swg_backend_tape;

typedef struct swg_tape swg_tape;
typedef struct swg_tape_entry swg_tape_entry;

/* Pass the gradients of an entry's outputs on to its inputs. */
typedef swg_status swg_tape_reverse_function(swg_tape *tape, const swg_tape_entry *entry);

/* One recorded operation. Values are memory that later operations overwrite: what a derivative
 * needs is copied to `saved`. */
struct swg_tape_entry {
    swg_tape_reverse_function *reverse;
    const swg_weight *weight;
    size_t layer;
    swg_attend_options attend;
    swg_activation activation;
    swg_cell cell;
    swg_index index;
    bool is_added;
    float factor;
    swg_value x, y, k, v; /* operands, as the operation names them; attention: q is x,
                             recurrence: gates are x */
    float *saved, *saved_k, *saved_v;
};

/* The gradient of a value, found by the value's memory. */
typedef struct swg_tape_gradient {
    const void *value;
    size_t elems;
    float *data;
} swg_tape_gradient;

enum { SWG_TAPE_MAX_VALUES = 64 };

/* A part of a forward pass. */
struct swg_tape_recording {
    bool has_part, has_input;
    swg_value input, output;
    swg_tape_entry *entries;
    size_t n_entries, capacity;
    size_t saved_elems;
    swg_arena saved;
    swg_batch batch; /* of a part that was kept: a copy; its owner's otherwise */
};

struct swg_tape {
    swg_exec inner; /* the CPU's execution: same model, values and batch */
    bool is_recording;
    swg_status status; /* of the first recording that failed */
    swg_tape_recording part;
    swg_tape_gradient gradients[SWG_TAPE_MAX_VALUES];
    size_t n_gradients;
    swg_arena gradient_memory;
    const swg_gradient_observer *observer; /* during swg_tape_reverse */
};

/* dL/d(value), zero at first; its first x.rows * x.columns elements belong to x. NULL when memory
 * runs out or there are too many values (the tape's status says which). */
float *swg_tape_gradient_of(swg_tape *tape, swg_value value);

/* Run item(context, begin, end) over rows [0, n) in blocks whose size does not depend on the number
 * of threads. */
typedef void swg_tape_rows(void *context, size_t begin, size_t end);
void swg_tape_over_rows(swg_tape *tape, size_t n, swg_tape_rows *rows, void *context);

/* The row of the weight that row t of the batch looks up. */
size_t swg_tape_index(const swg_tape *tape, swg_index index, size_t t);

/* One for every differentiable operation. */
swg_tape_reverse_function swg_tape_embed, swg_tape_rmsnorm, swg_tape_layernorm, swg_tape_linear,
    swg_tape_rope, swg_tape_attend, swg_tape_recur, swg_tape_silu_mul, swg_tape_activate,
    swg_tape_mul, swg_tape_scale, swg_tape_add, swg_tape_add_vector;

#endif
