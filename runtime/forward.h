/* The vocabulary of operations that architectures are written in. A forward function processes the
 * chunk of tokens that the execution holds; every operation works on all of its tokens (after
 * swg_keep_outputs: on those whose logits are wanted). Backends
 * implement this header; there is no operation graph.
 *
 * Values are [tokens, columns] matrices of float that live until the end of the chunk. */
#ifndef SWG_RUNTIME_FORWARD_H
#define SWG_RUNTIME_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/exec.h"
#include "runtime/model.h"

typedef struct swg_value {
    float *data; /* [tokens][columns] */
    size_t columns;
} swg_value;

enum { SWG_MAX_JOINT_LINEARS = 4 };

/* What an embedding is looked up by. */
typedef enum swg_index { SWG_INDEX_TOKEN, SWG_INDEX_POSITION, SWG_INDEX_TYPE } swg_index;

const swg_hparams *swg_exec_hparams(const swg_exec *exec);

/* Whether the model has a weight of that role (in layer 0). */
bool swg_has(const swg_exec *exec, swg_role role);

/* A value of the chunk's scratch memory: calls in the same order give the same places, chunk after
 * chunk. Fails only before the first chunk has run. A smaller `columns` may be set afterwards. */
swg_status swg_scratch(swg_exec *exec, size_t columns, swg_value *out);

/* x = (x +=) the embedding's rows of the chunk's tokens, of their positions or token types. */
void swg_embed(swg_exec *exec, swg_role role, swg_index index, swg_value x);
void swg_embed_add(swg_exec *exec, swg_role role, swg_index index, swg_value x);

/* y = norm of x with the weight (and bias) of that role; y may be x. A weight shorter than a row
 * norms piece by piece: every head on its own. */
void swg_rmsnorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);
void swg_layernorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);

/* y = x W^T (+ bias): the one door of all weight products. */
void swg_linear(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);

/* The same for up to SWG_MAX_JOINT_LINEARS weights of one input: x is quantized once, and all
 * outputs are computed as one job. */
void swg_linears(swg_exec *exec, size_t layer, swg_value x, size_t count, const swg_role *roles,
                 const swg_value *y);

/* Rotate every head of x [tokens, heads * head_dim] by its token's position. */
void swg_rope(swg_exec *exec, swg_value x);

/* Append k and v to the layer's cache, then y = attention of q over the cache; y may be q. A
 * position sees itself and those before it, with a window > 0 only the last `window` of these; in
 * encoders it sees the whole text. */
void swg_attend(swg_exec *exec, size_t layer, size_t window, swg_value q, swg_value k, swg_value v,
                swg_value y);

/* Position by position through a recurrent layer: from_state = U h (+ bias), U the weight of that
 * role; (h, c) = cell(gates, from_state, c); y = h. `gates` [tokens, gates * units] are the input's
 * share. */
void swg_recur(swg_exec *exec, swg_cell cell, swg_role role, size_t layer, swg_value gates,
               swg_value y);

/* gate = SiLU(gate) * up. */
void swg_silu_mul(swg_exec *exec, swg_value gate, swg_value up);

/* x = activation(x). */
void swg_activate(swg_exec *exec, swg_activation activation, swg_value x);

/* x += y;  x += the vector of that role, in every row. */
void swg_add(swg_exec *exec, swg_value x, swg_value y);
void swg_add_vector(swg_exec *exec, swg_role role, size_t layer, swg_value x);

/* Go on with the rows of *x whose logits are wanted: of those positions, or of the first position
 * for models with one output. False when there are none, and nothing is left to do. */
bool swg_keep_outputs(swg_exec *exec, swg_value *x);

/* Where the logits of the kept rows belong. */
swg_value swg_logits(const swg_exec *exec);

#endif
