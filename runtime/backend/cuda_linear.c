/* Weight products on a CUDA device, and where the model's vectors are there. */
#include "runtime/backend/cuda_state.h"

const float *swg_gpu_vector(const swg_exec *exec, const swg_weight *weight)
{
    const swg_gpu *gpu = swg_gpu_of(exec);
    return weight->vector ? gpu->d_vectors + gpu->vector_at[weight - exec->model->weights] : NULL;
}

const float *swg_gpu_bias(const swg_exec *exec, const swg_weight *weight)
{
    const swg_gpu *gpu = swg_gpu_of(exec);
    return weight->bias ? gpu->d_vectors + gpu->bias_at[weight - exec->model->weights] : NULL;
}

bool swg_gpu_takes_int8(const swg_cuda_matrix *matrix)
{
    return matrix->type == SWG_CUDA_W4 || matrix->type == SWG_CUDA_W8;
}

/* 8-bit integers become halves where there is no kernel for them. */
static swg_cuda_input input_of(const swg_exec *exec, const swg_cuda_matrix *matrix)
{
    static const swg_cuda_input inputs[SWG_ACT_COUNT] = {[SWG_ACT_F32] = SWG_CUDA_INPUT_FLOAT,
                                                         [SWG_ACT_F16] = SWG_CUDA_INPUT_HALF,
                                                         [SWG_ACT_BF16] = SWG_CUDA_INPUT_BF16,
                                                         [SWG_ACT_INT8] = SWG_CUDA_INPUT_INT8};
    const swg_cuda_input input = inputs[exec->options.activations];
    return input == SWG_CUDA_INPUT_INT8 && !swg_gpu_takes_int8(matrix) ? SWG_CUDA_INPUT_HALF
                                                                       : input;
}

void swg_gpu_linear(swg_exec *exec, const swg_weight *weight, const float *d_x, size_t rows,
                    float *d_y)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_cuda_matrix matrix = swg_gpu_matrix(weight);
    void *scratch = swg_gpu_reserve(gpu, &gpu->scratch, gpu->cuda->linear_scratch(&matrix, rows));
    SWG_GPU_CALL(gpu, linear, &matrix, input_of(exec, &matrix), d_x, rows,
                 swg_gpu_bias(exec, weight), d_y, scratch);
}
