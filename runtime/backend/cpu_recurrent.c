/* Recurrent layers on the CPU: the state of every sequence and layer, and its steps. A row's
 * product with the state depends on the row before it, so rows are computed one by one; the input's
 * share, most of the work, has been computed for all rows together. */
#include <string.h>

#include "kernels/exp.h"
#include "runtime/backend/cpu_state.h"

swg_status swg_cpu_recurrent_init(swg_exec *exec)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t n_layers = (size_t)h->n_layers;
    for (size_t layer = 0; h->recurrent.units[0] > 0 && layer < n_layers; layer++)
        if ((size_t)h->recurrent.units[layer] > cpu->most_units)
            cpu->most_units = (size_t)h->recurrent.units[layer];
    size_t elems;
    if (!swg_size_mul(2 * n_layers * cpu->most_units, exec->options.sequences, &elems))
        return swg_error(SWG_LIMIT, "%zu sequences are too many", exec->options.sequences);
    cpu->state = swg_arena_calloc(&cpu->arena, elems, sizeof(float));
    cpu->state_gates = swg_arena_calloc(&cpu->arena, 4 * cpu->most_units, sizeof(float));
    cpu->reset_gates = swg_arena_calloc(&cpu->arena, 3 * cpu->most_units, sizeof(float));
    cpu->reset_state = swg_arena_calloc(&cpu->arena, cpu->most_units, sizeof(float));
    return cpu->state && cpu->state_gates && cpu->reset_gates && cpu->reset_state ? SWG_OK
                                                                                  : SWG_NO_MEMORY;
}

/* h and c of a sequence's layer, [units] each; c directly follows the space for h. */
static float *state_of(const swg_exec *exec, size_t sequence, size_t layer)
{
    const swg_cpu *cpu = swg_cpu_of(exec);
    const size_t n_layers = (size_t)exec->model->hparams.n_layers;
    return cpu->state + (sequence * n_layers + layer) * 2 * cpu->most_units;
}

/* A GRU that resets the state before its product with the recurrent weight: the new state's share
 * becomes U (r h), and the reset gate itself 1, so that the cell's kernel adds it as it is. The
 * input's share of that gate is lost. */
static void reset_before(swg_exec *exec, const swg_weight *weight, size_t units, float *from_input,
                         const float *h)
{
    enum { ONE = 60 }; /* 1 / (1 + exp(-60)) is 1 in float32 */
    const swg_cpu *cpu = swg_cpu_of(exec);
    const size_t reset = exec->model->hparams.recurrent.gate_order == SWG_GATES_RESET_FIRST ? 0 : 1;
    float *const gate = from_input + reset * units, *const share = cpu->state_gates + reset * units;
    const swg_value gates = {.data = cpu->reset_gates, .rows = 1, .columns = 3 * units};
    const swg_value state = {.data = cpu->reset_state, .rows = 1, .columns = units};
    for (size_t i = 0; i < units; i++) {
        cpu->reset_state[i] = h[i] / (1 + swg_exp(-(gate[i] + share[i])));
        gate[i] = ONE;
        share[i] = 0;
    }
    swg_cpu_linears(exec, state, 1, &weight, &gates);
    memcpy(cpu->state_gates + 2 * units, cpu->reset_gates + 2 * units, units * sizeof *h);
}

/* One step of `units` units: the input's and the state's shares of the gates; h and c change. */
static void step(const swg_exec *exec, swg_cell cell, size_t units, const float *from_input,
                 const float *from_state, float *h, float *c)
{
    const swg_kernels *kernels = swg_cpu_of(exec)->kernels;
    const size_t reset = exec->model->hparams.recurrent.gate_order == SWG_GATES_RESET_FIRST ? 0 : 1;
    if (cell == SWG_CELL_LSTM)
        kernels->lstm_cell(from_input, from_state, units, c, h);
    else
        kernels->gru_cell(from_input, from_state, units, 1 - reset, reset, h);
}

void swg_cpu_recur(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                   swg_value gates, swg_value states, swg_value y)
{
    const swg_cpu *cpu = swg_cpu_of(exec);
    const size_t units = y.columns;
    const swg_value share = {.data = cpu->state_gates, .rows = 1, .columns = gates.columns};
    for (size_t s = 0; s < exec->batch.n_spans; s++) {
        const swg_span *span = &exec->batch.spans[s];
        float *h = state_of(exec, span->sequence, layer), *c = h + cpu->most_units;
        if (span->position == 0)
            memset(h, 0, 2 * cpu->most_units * sizeof *h);
        for (size_t t = span->row; t < span->row + span->n; t++) {
            const swg_value state = {.data = swg_cpu_row(states, t), .rows = 1, .columns = units};
            memcpy(state.data, h, units * sizeof *h);
            swg_cpu_linears(exec, state, 1, &weight, &share);
            if (cell == SWG_CELL_GRU && !exec->model->hparams.recurrent.reset_after)
                reset_before(exec, weight, units, swg_cpu_row(gates, t), h);
            step(exec, cell, units, swg_cpu_row(gates, t), cpu->state_gates, h, c);
            memcpy(swg_cpu_row(y, t), h, units * sizeof *h);
        }
    }
}
