/* The operations in which architectures are written. An architecture's begin, layer and end
 * (arch/arch.h) process the rows of the batch that the execution holds: one row per token, of one
 * sequence or of several. Backends implement this header (backend/backend.h); there is no operation
 * graph.
 *
 * A value is a matrix of float in the backend's memory. Operations work on all rows of their first
 * value; outputs have as many. Only attention, recurrence, rotation and look-ups know which
 * sequence and position a row belongs to. */
#ifndef SWG_RUNTIME_FORWARD_H
#define SWG_RUNTIME_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/attend_options.h"
#include "runtime/base/status.h"
#include "runtime/exec.h"
#include "runtime/model.h"

typedef struct swg_value {
    void *data;           /* the backend's own; only the backend knows its layout */
    size_t rows, columns; /* `columns` may be set lower than when it was created */
} swg_value;

enum { SWG_MAX_JOINT_LINEARS = 4 };

/* The index by which an embedding is looked up. */
typedef enum swg_index { SWG_INDEX_TOKEN, SWG_INDEX_POSITION, SWG_INDEX_TYPE } swg_index;

const swg_hparams *swg_exec_hparams(const swg_exec *exec);

/* Whether the model has a weight of that role (in layer 0). */
bool swg_has(const swg_exec *exec, swg_role role);

/* x = (x +=) the embedding's rows of the batch's tokens, of their positions or token types. */
void swg_embed(swg_exec *exec, swg_role role, swg_index index, swg_value x);
void swg_embed_add(swg_exec *exec, swg_role role, swg_index index, swg_value x);

/* y = norm of x with the weight (and bias) of that role; y may be x. With a weight shorter than a
 * row, pieces of that length are normed separately: every head on its own. */
void swg_rmsnorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);
void swg_layernorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);

/* y = x W^T (+ bias): all weight products but the recurrent one go through here, and the observer
 * (exec.h) sees them. */
void swg_linear(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y);

/* The same for up to SWG_MAX_JOINT_LINEARS weights with one input: x is quantized once, and all
 * outputs are computed as one job. */
void swg_linears(swg_exec *exec, size_t layer, swg_value x, size_t count, const swg_role *roles,
                 const swg_value *y);

/* Rotate the first rotary_dim elements of every head of x [rows, heads * head_dim] according to the
 * row's position, with the frequencies of that layer. */
void swg_rope(swg_exec *exec, size_t layer, swg_value x);

/* Append k and v to the layer's cache of each row's sequence, then y = attention of q over that
 * cache; y may be q. */
void swg_attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q, swg_value k,
                swg_value v, swg_value y);

/* Run each sequence's rows, one after the other, through a recurrent layer: from_state = U h (+
 * bias), U the weight of that role; (h, c) = cell(gates, from_state, c); y = h. `gates` [rows,
 * gates * units] are the input's share. `states` [rows, units] receives the h before each row: the
 * input of its product with U. It is zero at a sequence's first position. A GRU without reset_after
 * has U (r h) in place of r (U h) in its new state. */
void swg_recur(swg_exec *exec, swg_cell cell, swg_role role, size_t layer, swg_value gates,
               swg_value states, swg_value y);

/* gate = SiLU(gate) * up. */
void swg_silu_mul(swg_exec *exec, swg_value gate, swg_value up);

/* x = activation(x). */
void swg_activate(swg_exec *exec, swg_activation activation, swg_value x);

/* x *= y, element by element. */
void swg_mul(swg_exec *exec, swg_value x, swg_value y);

/* x *= factor. */
void swg_scale(swg_exec *exec, float factor, swg_value x);

/* x += y;  x += the vector of that role, in every row. */
void swg_add(swg_exec *exec, swg_value x, swg_value y);
void swg_add_vector(swg_exec *exec, swg_role role, size_t layer, swg_value x);

#endif
