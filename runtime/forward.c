/* The vocabulary of forward.h: looks up weights by role and hands the work to the backend. */
#include "runtime/forward.h"

#include <string.h>

#include "runtime/exec_state.h"

const swg_hparams *swg_exec_hparams(const swg_exec *exec)
{
    return &exec->model->hparams;
}

bool swg_has(const swg_exec *exec, swg_role role)
{
    return swg_model_weight(exec->model, role, 0) != NULL;
}

swg_status swg_scratch(swg_exec *exec, size_t columns, swg_value *out)
{
    if (exec->next_value == exec->n_values) {
        if (exec->n_values == SWG_MAX_SCRATCH_VALUES)
            return swg_error(SWG_LIMIT, "an architecture needs more than %d scratch values",
                             SWG_MAX_SCRATCH_VALUES);
        size_t elems;
        if (!swg_size_mul(exec->options.chunk, columns, &elems))
            return swg_error(SWG_LIMIT, "a chunk of %zu tokens is too large", exec->options.chunk);
        swg_value value = {.columns = columns};
        SWG_TRY(SWG_NEW(value.data, elems));
        exec->values[exec->n_values++] = value;
    }
    *out = exec->values[exec->next_value++];
    return SWG_OK;
}

void swg_embed(swg_exec *exec, swg_role role, swg_index index, swg_value x)
{
    exec->backend->embed(exec, swg_model_weight(exec->model, role, 0), index, false, x);
}

void swg_embed_add(swg_exec *exec, swg_role role, swg_index index, swg_value x)
{
    exec->backend->embed(exec, swg_model_weight(exec->model, role, 0), index, true, x);
}

void swg_rmsnorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    exec->backend->rmsnorm(exec, swg_model_weight(exec->model, role, layer), x, y);
}

void swg_layernorm(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    exec->backend->layernorm(exec, swg_model_weight(exec->model, role, layer), x, y);
}

void swg_linears(swg_exec *exec, size_t layer, swg_value x, size_t count, const swg_role *roles,
                 const swg_value *y)
{
    const swg_weight *weights[SWG_MAX_JOINT_LINEARS];
    for (size_t i = 0; i < count; i++)
        weights[i] = swg_model_weight(exec->model, roles[i], layer);
    exec->backend->linears(exec, x, count, weights, y);
}

void swg_linear(swg_exec *exec, swg_role role, size_t layer, swg_value x, swg_value y)
{
    swg_linears(exec, layer, x, 1, &role, &y);
}

void swg_rope(swg_exec *exec, swg_value x)
{
    exec->backend->rope(exec, x);
}

void swg_attend(swg_exec *exec, size_t layer, size_t window, swg_value q, swg_value k, swg_value v,
                swg_value y)
{
    exec->backend->attend(exec, layer % exec->cache.n_layers, window, q, k, v, y);
}

void swg_recur(swg_exec *exec, swg_cell cell, swg_role role, size_t layer, swg_value gates,
               swg_value y)
{
    const size_t units = y.columns, n_rows = exec->n_rows;
    float *h = exec->state + 2 * layer * exec->widest, *c = h + exec->widest;
    const swg_value state = {.data = h, .columns = units};
    const swg_value from_state = {.data = exec->state_gates, .columns = gates.columns};
    exec->n_rows = 1; /* the product with the state is one row's */
    for (size_t t = 0; t < n_rows; t++) {
        swg_linear(exec, role, layer, state, from_state);
        exec->backend->cell(exec, cell, units, gates.data + t * gates.columns, from_state.data, h,
                            c);
        memcpy(y.data + t * units, h, units * sizeof *h);
    }
    exec->n_rows = n_rows;
}

void swg_silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    exec->backend->silu_mul(exec, gate, up);
}

void swg_activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    exec->backend->activate(exec, activation, x);
}

void swg_add(swg_exec *exec, swg_value x, swg_value y)
{
    exec->backend->add(exec, x, y);
}

void swg_add_vector(swg_exec *exec, swg_role role, size_t layer, swg_value x)
{
    exec->backend->add_vector(exec, swg_model_weight(exec->model, role, layer), x);
}

bool swg_keep_outputs(swg_exec *exec, swg_value *x)
{
    const bool is_one = exec->model->hparams.one_output;
    const size_t first = is_one ? 0 : exec->first_logits;
    exec->n_rows = is_one ? 1 : exec->n_tokens - first;
    x->data += first * x->columns;
    return exec->n_rows > 0;
}

swg_value swg_logits(const swg_exec *exec)
{
    return (swg_value){.data = exec->logits, .columns = (size_t)exec->model->hparams.n_outputs};
}
