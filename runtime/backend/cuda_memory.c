/* Memory and results of an execution on a CUDA device: see cuda_state.h. */
#include "runtime/backend/cuda_state.h"

void swg_gpu_note(swg_gpu *gpu, int result)
{
    if (gpu->status == SWG_OK)
        gpu->status = swg_gpu_status(gpu->cuda, result);
}

swg_status swg_gpu_alloc(swg_gpu *gpu, size_t count, size_t size, void **d_out)
{
    size_t bytes;
    if (!swg_size_mul(count, size, &bytes))
        return swg_error(SWG_LIMIT, "%zu x %zu bytes are more than a GPU can address", count, size);
    return swg_gpu_status(gpu->cuda, gpu->cuda->alloc(gpu->device, bytes ? bytes : 1, d_out));
}

void swg_gpu_drop_graph(swg_gpu *gpu)
{
    gpu->cuda->graph_free(gpu->graph);
    gpu->graph = NULL;
}

void *swg_gpu_reserve(swg_gpu *gpu, swg_gpu_buffer *buffer, size_t bytes)
{
    if (buffer->bytes >= bytes)
        return buffer->d_memory;
    if (!swg_gpu_goes_on(gpu))
        return NULL;
    swg_gpu_drop_graph(gpu);
    gpu->cuda->free(gpu->device, buffer->d_memory);
    *buffer = (swg_gpu_buffer){0};
    gpu->status = swg_gpu_alloc(gpu, bytes, 1, &buffer->d_memory);
    buffer->bytes = gpu->status == SWG_OK ? bytes : 0;
    return buffer->d_memory;
}
