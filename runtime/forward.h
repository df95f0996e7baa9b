/* The vocabulary of operations that architectures are written in. A forward function processes the
 * chunk of tokens that the execution holds; every operation works on all of its tokens. Backends
 * implement this header; there is no operation graph.
 *
 * Values are [tokens, columns] matrices of float that live until the end of the chunk. */
#ifndef SWG_RUNTIME_FORWARD_H
#define SWG_RUNTIME_FORWARD_H

#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/exec.h"
#include "runtime/model.h"

typedef struct swg_value {
    float *data;    /* [tokens][columns] */
    size_t columns;
} swg_value;

enum { SWG_MAX_JOINT_LINEARS = 4 };

const swg_hparams *swg_exec_hparams(const swg_exec *exec);

/* A value of the chunk's scratch memory: calls in the same order give the same places, chunk after
 * chunk. Fails only before the first chunk has run. */
swg_status swg_scratch(swg_exec *exec, size_t columns, swg_value *out);

/* x = embedding rows of the chunk's tokens. */
void swg_embed(swg_exec *exec, swg_role role, swg_value x);

/* y = RMS norm of x with the weight of that role. */
void swg_rmsnorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);

/* y = x W^T (+ bias): the one door of all weight products. */
void swg_linear(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);

/* The same for up to SWG_MAX_JOINT_LINEARS weights of one input: x is quantized once, and all
 * outputs are computed as one job. */
void swg_linears(swg_exec *exec, size_t layer, swg_value x, size_t count, const swg_role *roles,
                 const swg_value *y);

/* Rotate every head of x [tokens, heads * head_dim] by its token's position. */
void swg_rope(swg_exec *exec, swg_value x);

/* Append k and v to the layer's cache, then y = causal attention of q over the cache. */
void swg_attend(swg_exec *exec, size_t layer, swg_value q, swg_value k, swg_value v, swg_value y);

/* gate = SiLU(gate) * up. */
void swg_silu_mul(swg_exec *exec, swg_value gate, swg_value up);

/* x += y. */
void swg_add(swg_exec *exec, swg_value x, swg_value y);

/* Logits of the positions that were asked for: norm, then head. */
swg_status swg_output(swg_exec *exec, swg_role norm, swg_role head, swg_value x);

#endif
