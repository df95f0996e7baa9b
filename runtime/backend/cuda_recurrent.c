/* Recurrent layers on a CUDA device: rows one by one, as in cpu_recurrent.c. */
#include "runtime/backend/cuda_state.h"

swg_status swg_gpu_recurrent_init(swg_exec *exec)
{
    enum { ONE = 60 }; /* 1 / (1 + exp(-60)) is 1 in float32 */
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t n_layers = (size_t)h->n_layers;
    for (size_t layer = 0; h->recurrent.units[0] > 0 && layer < n_layers; layer++)
        if ((size_t)h->recurrent.units[layer] > gpu->most_units)
            gpu->most_units = (size_t)h->recurrent.units[layer];
    if (gpu->most_units == 0)
        return SWG_OK;
    gpu->most_units = swg_round_up(gpu->most_units, 4); /* 16 bytes, as the kernels want them */
    const size_t units = gpu->most_units;
    SWG_TRY(swg_gpu_alloc(gpu, exec->options.sequences, 2 * n_layers * units * sizeof(float),
                          (void **)&gpu->d_state));
    SWG_TRY(swg_gpu_alloc(gpu, 8 * units, sizeof(float), (void **)&gpu->d_gates));
    SWG_TRY(swg_gpu_alloc(gpu, 2 * units, sizeof(float), (void **)&gpu->d_reset));
    float *ones;
    SWG_TRY(SWG_NEW(ones, units));
    for (size_t i = 0; i < units; i++)
        ones[i] = ONE;
    SWG_GPU_CALL(gpu, copy_in, gpu->d_reset + units, ones, units * sizeof *ones);
    swg_free(ones);
    return gpu->status;
}

/* h and c of a sequence's layer, [most_units] each. */
static float *state_of(const swg_exec *exec, size_t sequence, size_t layer)
{
    const swg_gpu *gpu = swg_gpu_of(exec);
    return gpu->d_state +
           (sequence * (size_t)exec->model->hparams.n_layers + layer) * 2 * gpu->most_units;
}

static size_t reset_gate(const swg_exec *exec)
{
    return exec->model->hparams.recurrent.gate_order == SWG_GATES_RESET_FIRST ? 0 : 1;
}

/* A GRU that resets the state before its product: the new state's share becomes U (r h), and the
 * reset gate itself 1. */
static void reset_before(swg_exec *exec, const swg_weight *weight, size_t units, float *d_input,
                         const float *d_h)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const size_t reset = reset_gate(exec), bytes = units * sizeof(float);
    float *share = gpu->d_gates, *after = gpu->d_gates + 4 * gpu->most_units;
    SWG_GPU_CALL(gpu, gru_reset, d_input, share, units, reset, d_h, gpu->d_reset);
    swg_gpu_linear(exec, weight, gpu->d_reset, 1, after);
    SWG_GPU_CALL(gpu, copy, share + 2 * units, after + 2 * units, bytes);
    SWG_GPU_CALL(gpu, copy, d_input + reset * units, gpu->d_reset + gpu->most_units, bytes);
    SWG_GPU_CALL(gpu, fill_zero, share + reset * units, bytes);
}

void swg_gpu_recur(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                   swg_value gates, swg_value states, swg_value y)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const size_t units = y.columns, bytes = units * sizeof(float), reset = reset_gate(exec);
    for (size_t s = 0; s < exec->batch.n_spans; s++) {
        const swg_span *span = &exec->batch.spans[s];
        float *h = state_of(exec, span->sequence, layer), *c = h + gpu->most_units;
        if (span->position == 0)
            SWG_GPU_CALL(gpu, fill_zero, h, 2 * gpu->most_units * sizeof *h);
        for (size_t t = span->row; t < span->row + span->n; t++) {
            float *d_input = (float *)gates.data + t * gates.columns;
            SWG_GPU_CALL(gpu, copy, (float *)states.data + t * units, h, bytes);
            swg_gpu_linear(exec, weight, h, 1, gpu->d_gates);
            if (cell == SWG_CELL_LSTM) {
                SWG_GPU_CALL(gpu, lstm_cell, d_input, gpu->d_gates, units, c, h);
            } else {
                if (!exec->model->hparams.recurrent.reset_after)
                    reset_before(exec, weight, units, d_input, h);
                SWG_GPU_CALL(gpu, gru_cell, d_input, gpu->d_gates, units, 1 - reset, reset, h);
            }
            SWG_GPU_CALL(gpu, copy, (float *)y.data + t * units, h, bytes);
        }
    }
}
