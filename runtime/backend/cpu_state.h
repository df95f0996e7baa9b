/* State of the CPU backend. Private to runtime/backend/cpu*.c. */
#ifndef SWG_RUNTIME_BACKEND_CPU_STATE_H
#define SWG_RUNTIME_BACKEND_CPU_STATE_H

#include "kernels/kernels.h"
#include "kernels/split.h"
#include "runtime/backend/cpu_weights.h"
#include "runtime/exec_state.h"
#include "runtime/kvcache.h"

/* The queries of this many tokens share one pass over the keys. */
enum { SWG_ATTENTION_TOKENS = 16, SWG_TILE_ROWS = 128 };

/* Scratch memory of one thread. */
typedef struct swg_cpu_thread {
    float *tile;            /* [SWG_TILE_ROWS][largest k]: dequantized weights, rows looked up */
    swg_split_block *block; /* where there is a cpu->split */
    uint8_t *panels;        /* [SWG_CPU_EXPANDED] dense panels of the largest sparse matrix */
    float *scores;          /* [8][context rounded up to 16] */
    const float **q;
    float **out;
    uint32_t *key_begin, *key_end; /* [SWG_ATTENTION_TOKENS * query heads per key head] */
} swg_cpu_thread;

/* Rows [begin, begin + SWG_ATTENTION_TOKENS) of a span, as far as they exist: the rows of one
 * attention work item. */
typedef struct swg_cpu_block {
    const swg_span *span;
    size_t begin;
} swg_cpu_block;

extern const swg_backend swg_backend_cpu;

typedef struct swg_cpu {
    const swg_kernels *kernels;
    swg_arena arena;
    swg_cpu_thread *threads; /* [pool threads] */
    swg_kvcache cache;       /* of all sequences; empty without attention */
    float *state;            /* [sequences][n_layers][2][most_units]: h and c of recurrent layers */
    float *state_gates;      /* [4 * most_units]: the state's share of one step's gates */
    float *reset_gates;      /* [3 * most_units], [most_units]: of GRUs that reset the state */
    float *reset_state;      /* before its product */
    size_t most_units;       /* of a recurrent layer; 0 = there is none */

    /* The current batch. */
    float *cosine, *sine;  /* [rope tables][chunk][rotary_dim / 2], or NULL without any */
    swg_cpu_block *blocks; /* [chunk] */
    size_t n_blocks;
    void *act_state;        /* the activation precision's (cpu_act.h) */
    const swg_split *split; /* products in parts (cpu_split.c); NULL: through BLAS */
    uint16_t *split_inputs; /* the parts of [chunk][largest k] */
} swg_cpu;

static inline swg_cpu *swg_cpu_of(const swg_exec *exec)
{
    return exec->backend_state;
}

/* Row t of a value. */
static inline float *swg_cpu_row(swg_value value, size_t t)
{
    return (float *)value.data + t * value.columns;
}

/* The weight products (cpu_linear.c): memory for inputs of up to k columns; see
 * swg_backend.linears. */
swg_status swg_cpu_linears_init(swg_exec *exec, size_t k);
void swg_cpu_linears(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                     const swg_value *y);

/* Memory for products in parts (cpu_split.c), of inputs of up to k columns. */
swg_status swg_cpu_split_init(swg_exec *exec, size_t k);

/* Attention (cpu_attention.c): see swg_backend.attend. */
void swg_cpu_attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                    swg_value k, swg_value v, swg_value y);

/* Recurrent layers (cpu_recurrent.c): their state, from the arena; see swg_backend.recur. */
swg_status swg_cpu_recurrent_init(swg_exec *exec);
void swg_cpu_recur(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                   swg_value gates, swg_value states, swg_value y);

/* Run `rows(context, exec, begin, end)` over [0, n_rows), on the pool when `work` (a rough count of
 * elements) is large enough for it. */
typedef void swg_cpu_rows(void *context, swg_exec *exec, size_t begin, size_t end);
void swg_cpu_over_rows(swg_exec *exec, size_t n_rows, size_t work, swg_cpu_rows *rows,
                       void *context);

#endif
