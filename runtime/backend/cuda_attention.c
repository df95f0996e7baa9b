/* Attention on a CUDA device: the cache of keys and values, and what each row sees of it. */
#include <math.h>

#include "kernels/kv_pieces.h"
#include "runtime/backend/cuda_state.h"

static const uint32_t cache_types[SWG_KV_TYPE_COUNT] = {[SWG_KV_F32] = SWG_CUDA_CACHE_F32,
                                                        [SWG_KV_F16] = SWG_CUDA_CACHE_F16,
                                                        [SWG_KV_INT8] = SWG_CUDA_CACHE_INT8};

/* The cache's memory: a layer after the other, keys before values, and then, where the type has
 * scales, those of all layers likewise. */
swg_status swg_gpu_cache_init(swg_exec *exec)
{
    enum { MOST_HEAD_DIM = 256, ALIGNED = 256 };
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_kvcache_shape shape = swg_exec_cache_shape(exec);
    if (shape.n_heads == 0)
        return SWG_OK;
    if (shape.head_dim > MOST_HEAD_DIM)
        return swg_error(SWG_UNSUPPORTED,
                         "the cuda backend's attention takes heads of at most %d "
                         "elements, not %zu",
                         MOST_HEAD_DIM, shape.head_dim);
    size_t all; /* that it can be counted is all that is of interest */
    SWG_TRY(swg_kvcache_bytes(&shape, &all));
    const size_t keys = shape.n_sequences * shape.n_heads * shape.context;
    const size_t half = swg_round_up(keys * shape.head_dim * swg_kv_bytes(shape.type), ALIGNED);
    const size_t scales =
        swg_kv_has_scales(shape.type) ? swg_round_up(keys * sizeof(float), ALIGNED) : 0;
    const swg_status status = swg_gpu_alloc(gpu, 2 * shape.n_layers, half + scales, &gpu->d_cache);
    if (status != SWG_OK)
        return swg_error_context(status, "a cache of %zu positions", shape.context);
    SWG_TRY(SWG_NEW(gpu->caches, shape.n_layers));
    gpu->n_caches = shape.n_layers;
    uint8_t *const d_scales = (uint8_t *)gpu->d_cache + 2 * shape.n_layers * half;
    for (size_t layer = 0; layer < shape.n_layers; layer++)
        gpu->caches[layer] =
            (swg_cuda_cache){.d_keys = (uint8_t *)gpu->d_cache + 2 * layer * half,
                             .d_values = (uint8_t *)gpu->d_cache + (2 * layer + 1) * half,
                             .d_key_scales = (float *)(d_scales + 2 * layer * scales),
                             .d_value_scales = (float *)(d_scales + (2 * layer + 1) * scales),
                             .type = cache_types[shape.type],
                             .n_heads = (uint32_t)shape.n_heads,
                             .head_dim = (uint32_t)shape.head_dim,
                             .context = (uint32_t)shape.context};
    return SWG_OK;
}

void swg_gpu_attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                    swg_value k, swg_value v, swg_value y)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_cuda_cache *cache = &gpu->caches[layer % gpu->n_caches];
    const size_t heads = q.columns / cache->head_dim;
    const float scale = options.scale != 0 ? options.scale : 1.0f / sqrtf((float)cache->head_dim);
    const swg_cuda_rows where = {
        .d_sequences = swg_gpu_array_of(exec, SWG_GPU_SEQUENCES),
        .d_positions = swg_gpu_array_of(exec, SWG_GPU_POSITIONS),
        .d_key_begin =
            swg_gpu_array_of(exec, options.window ? SWG_GPU_FROM_WINDOW : SWG_GPU_FROM_START),
        .d_key_end = swg_gpu_array_of(exec, options.sees_all ? SWG_GPU_TO_END : SWG_GPU_TO_ITSELF),
        .usual_run = (uint32_t)(exec->batch.n_spans ? exec->batch.n / exec->batch.n_spans : 0)};
    void *scratch = swg_gpu_reserve(
        gpu, &gpu->scratch, gpu->cuda->attend_scratch(cache, q.rows, heads, gpu->most_keys));
    SWG_GPU_CALL(gpu, cache_store, cache, &where, q.rows, k.data, v.data);
    SWG_GPU_CALL(gpu, attend, cache, &where, q.rows, heads, gpu->most_keys, scale, q.data, y.data,
                 scratch);
}
