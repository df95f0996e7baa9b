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

/* --- Of rows in host memory ------------------------------------------------------------------- */

static swg_status products_begin(swg_exec_products *p)
{
    swg_gpu *gpu = swg_gpu_of(p->exec);
    SWG_TRY(swg_gpu_alloc(gpu, p->m * p->k, sizeof(float), &p->sum));
    SWG_TRY(swg_gpu_alloc(gpu, p->max_rows * p->m, sizeof(float), &p->a));
    SWG_TRY(swg_gpu_alloc(gpu, p->max_rows * p->k, sizeof(float), &p->b));
    SWG_GPU_CALL(gpu, fill_zero, p->sum, p->m * p->k * sizeof(float));
    return gpu->status;
}

static void products_end(swg_exec_products *p)
{
    swg_gpu *gpu = swg_gpu_of(p->exec);
    gpu->cuda->free(gpu->device, p->sum);
    gpu->cuda->free(gpu->device, p->a);
    gpu->cuda->free(gpu->device, p->b);
}

static void products_add(swg_exec_products *p, const float *a, const float *b, size_t rows)
{
    swg_gpu *gpu = swg_gpu_of(p->exec);
    const bool is_square = a == b;
    SWG_GPU_CALL(gpu, copy_in, p->b, b, rows * p->k * sizeof *b);
    if (!is_square)
        SWG_GPU_CALL(gpu, copy_in, p->a, a, rows * p->m * sizeof *a);
    SWG_GPU_CALL(gpu, product_sum, is_square ? p->b : p->a, p->m, p->b, p->k, rows, is_square,
                 p->sum);
}

static swg_status products_read(const swg_exec_products *p, float *out)
{
    swg_gpu *gpu = swg_gpu_of(p->exec);
    SWG_GPU_CALL(gpu, copy_out, out, p->sum, p->m * p->k * sizeof *out);
    return gpu->status;
}

const swg_backend_sums swg_gpu_sums = {.begin = begin,
                                       .end = end,
                                       .add = add,
                                       .read = read,
                                       .products_begin = products_begin,
                                       .products_end = products_end,
                                       .products_add = products_add,
                                       .products_read = products_read};
