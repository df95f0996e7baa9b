/* The KV cache: see kvcache.h. */
#include "runtime/kvcache.h"

#include <string.h>

#include "kernels/kv_pieces.h"

/* 8-bit rows are written in whole steps of columns (kernels.h, quantize_act). */
static size_t stride_of(const swg_kvcache_shape *shape)
{
    return shape->type == SWG_KV_INT8 ? swg_round_up(shape->head_dim, SWG_COLUMN_STEP)
                                      : shape->head_dim;
}

/* Bytes of all elements, and how many keys and values there are. */
static swg_status sizes(const swg_kvcache_shape *shape, size_t *elements, size_t *rows)
{
    const size_t row_bytes = stride_of(shape) * swg_kv_bytes(shape->type);
    if (shape->type == SWG_KV_INT8 && shape->head_dim > SWG_INT8_HEAD_DIM)
        return swg_error(
            SWG_UNSUPPORTED,
            "an int8 KV cache takes heads of at most %d elements; the model's have %zu",
            SWG_INT8_HEAD_DIM, shape->head_dim);
    if (!swg_size_mul(2 * shape->n_layers * shape->n_heads, shape->context, rows) ||
        !swg_size_mul(*rows, shape->n_sequences, rows) ||
        !swg_size_mul(*rows, row_bytes + sizeof(float), elements))
        return swg_error(SWG_LIMIT, "a context of %zu positions is too large", shape->context);
    *elements = swg_round_up(*rows * row_bytes, SWG_ALIGNMENT);
    return SWG_OK;
}

swg_status swg_kvcache_bytes(const swg_kvcache_shape *shape, size_t *out)
{
    size_t elements, rows;
    SWG_TRY(sizes(shape, &elements, &rows));
    *out = elements + (swg_kv_has_scales(shape->type) ? rows * sizeof(float) : 0);
    return SWG_OK;
}

swg_status swg_kvcache_init(swg_kvcache *cache, const swg_kvcache_shape *shape)
{
    size_t bytes, elements, rows;
    SWG_TRY(swg_kvcache_bytes(shape, &bytes));
    SWG_TRY(sizes(shape, &elements, &rows));
    SWG_TRY(swg_pages_init(&cache->pages, bytes));
    cache->shape = *shape;
    cache->stride = stride_of(shape);
    if (swg_kv_has_scales(shape->type))
        cache->scales = (float *)((uint8_t *)cache->pages.data + elements);
    return SWG_OK;
}

void swg_kvcache_deinit(swg_kvcache *cache)
{
    swg_pages_deinit(&cache->pages);
}

/* Number of the first key of a head, counted in keys and values; its values follow those of the
 * other heads' keys. */
static size_t first_row(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head)
{
    const swg_kvcache_shape *shape = &cache->shape;
    return (2 * (sequence * shape->n_layers + layer) * shape->n_heads + head) * shape->context;
}

static uint8_t *elements_at(const swg_kvcache *cache, size_t row)
{
    return (uint8_t *)cache->pages.data + row * cache->stride * swg_kv_bytes(cache->shape.type);
}

static void store_row(const swg_kvcache *cache, const swg_kernels *kernels, size_t row,
                      const float *x)
{
    void *to = elements_at(cache, row);
    const size_t n = cache->shape.head_dim;
    int32_t sum; /* of the codes; not used */
    switch (cache->shape.type) {
    case SWG_KV_F16:
        kernels->f32_to_f16(x, n, to);
        break;
    case SWG_KV_INT8:
        kernels->quantize_act(x, n, n, to, &cache->scales[row], &sum);
        break;
    default:
        memcpy(to, x, n * sizeof *x);
    }
}

void swg_kvcache_store(const swg_kvcache *cache, const swg_kernels *kernels, size_t sequence,
                       size_t layer, size_t head, size_t position, const float *key,
                       const float *value)
{
    const size_t row = first_row(cache, sequence, layer, head) + position;
    store_row(cache, kernels, row, key);
    store_row(cache, kernels, row + cache->shape.n_heads * cache->shape.context, value);
}

swg_kv_run swg_kvcache_run(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head)
{
    const size_t keys = first_row(cache, sequence, layer, head);
    const size_t values = keys + cache->shape.n_heads * cache->shape.context;
    return (swg_kv_run){.k = elements_at(cache, keys),
                        .v = elements_at(cache, values),
                        .k_scales = cache->scales ? cache->scales + keys : NULL,
                        .v_scales = cache->scales ? cache->scales + values : NULL,
                        .n = cache->shape.context};
}
