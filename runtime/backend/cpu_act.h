/* How the CPU multiplies weights by inputs of one activation precision. Each row of
 * runtime/activations.def has a `const swg_cpu_act swg_cpu_act_<name>` in cpu_act_<name>.c; what
 * they have in common - joining weights, distributing work over threads - is in cpu_linear.c.
 * Private to runtime/backend/cpu*.c. */
#ifndef SWG_RUNTIME_BACKEND_CPU_ACT_H
#define SWG_RUNTIME_BACKEND_CPU_ACT_H

#include "runtime/backend/cpu_state.h"

/* Several products that share an input, in progress: y[i] = x weights[i]^T. */
typedef struct swg_cpu_product {
    swg_exec *exec;
    swg_value x; /* [rows, k]; `prepare` may put another value in its place */
    size_t count;
    const swg_weight *const *weights; /* [count] */
    const swg_value *y;               /* [count] */
} swg_cpu_product;

typedef struct swg_cpu_act {
    /* Set cpu->act_state: arena memory for inputs of options.chunk rows and up to k columns. NULL =
     * none is needed. */
    swg_status (*init)(swg_exec *exec, size_t k);

    /* Whether the input prepared for one weight also serves the other; NULL = always. */
    bool (*may_join)(const swg_weight *a, const swg_weight *b);

    /* Round the input; NULL = it is used as it is. */
    void (*prepare)(swg_cpu_product *product);

    /* A weight's product is computed in units of `unit_rows` rows of the weight, best in multiples
     * of `unit_step` units. The result does not depend on which thread computes a unit, nor on the
     * units computed with it.
     */
    size_t unit_rows, unit_step;

    /* Units [begin, end) of product number `which`, without its bias. */
    void (*compute)(const swg_cpu_product *product, size_t which, size_t begin, size_t end);
} swg_cpu_act;

/* Products of plain weights with float inputs of at most SWG_PLAIN_TOKENS rows, whatever the
 * activation precision (cpu_act_f32.c). */
extern const swg_cpu_act swg_cpu_act_plain;

/* Units of SWG_TILE_ROWS rows, converted to float, times float inputs (cpu_act_f32.c): see
 * swg_cpu_act.compute. For precisions that only round the input. */
void swg_cpu_compute_tiles(const swg_cpu_product *product, size_t which, size_t begin, size_t end);

/* The same with the input in parts (cpu_split.c), which `prepare` has made: for more than
 * SWG_PLAIN_TOKENS rows, on processors that multiply tiles of bfloat16. */
bool swg_cpu_is_split(const swg_cpu_product *product);
void swg_cpu_split_input(swg_cpu_product *product); /* nothing where it is not */
void swg_cpu_compute_split(const swg_cpu_product *product, size_t which, size_t begin, size_t end);

/* For those precisions: memory for the rounded input (init), and putting it there, n elements at a
 * time by `round` (cpu_act_rounded.c). */
typedef void swg_cpu_round(const float *x, size_t n, float *rounded);
swg_status swg_cpu_rounded_init(swg_exec *exec, size_t k);
void swg_cpu_round_input(swg_cpu_product *product, swg_cpu_round *round);

#endif
