/* Sums over rows on a CUDA device, for the statistics of calibration. */
#include "runtime/backend/cuda_state.h"

/* | magnitudes [k] | squares [k] | in double, and products [k][k] in float */
static swg_status begin(swg_exec_sums *sums)
{
    swg_gpu *gpu = swg_gpu_of(sums->exec);
    const size_t k = sums->k;
    SWG_TRY(swg_gpu_alloc(gpu, 2 * k, sizeof(double), &sums->moments));
    SWG_GPU_CALL(gpu, fill_zero, sums->moments, 2 * k * sizeof(double));
    if (sums->has_products) {
        SWG_TRY(swg_gpu_alloc(gpu, k * k, sizeof(float), &sums->products));
        SWG_GPU_CALL(gpu, fill_zero, sums->products, k * k * sizeof(float));
    }
    return gpu->status;
}

static void end(swg_exec_sums *sums)
{
    swg_gpu *gpu = swg_gpu_of(sums->exec);
    gpu->cuda->free(gpu->device, sums->moments);
    gpu->cuda->free(gpu->device, sums->products);
}

static void add(swg_exec_sums *sums, swg_value x)
{
    swg_gpu *gpu = swg_gpu_of(sums->exec);
    double *moments = sums->moments;
    SWG_GPU_CALL(gpu, moments, x.data, x.rows, x.columns, moments, moments + sums->k);
    if (sums->has_products)
        SWG_GPU_CALL(gpu, product_sum, x.data, sums->k, x.data, sums->k, x.rows, true,
                     sums->products);
}

static swg_status read(const swg_exec_sums *sums, double *magnitudes, double *squares,
                       float *products)
{
    swg_gpu *gpu = swg_gpu_of(sums->exec);
    const size_t k = sums->k, bytes = k * sizeof(double);
    SWG_GPU_CALL(gpu, copy_out, magnitudes, sums->moments, bytes);
    SWG_GPU_CALL(gpu, copy_out, squares, (const double *)sums->moments + k, bytes);
    if (products)
        SWG_GPU_CALL(gpu, copy_out, products, sums->products, k * k * sizeof(float));
    return gpu->status;
}

const swg_backend_sums swg_gpu_sums = {.begin = begin, .end = end, .add = add, .read = read};
