/* The KV cache: see kvcache.h. */
#include "runtime/kvcache.h"

swg_status swg_kvcache_init(swg_kvcache *cache, size_t n_sequences, size_t n_layers, size_t n_heads,
                            size_t head_dim, size_t context)
{
    size_t bytes;
    if (!swg_size_mul(n_layers * n_heads * head_dim, context, &bytes) ||
        !swg_size_mul(bytes, n_sequences, &bytes) ||
        !swg_size_mul(bytes, 2 * sizeof(float), &bytes))
        return swg_error(SWG_LIMIT, "a context of %zu positions is too large", context);
    SWG_TRY(swg_pages_init(&cache->pages, bytes));
    cache->n_layers = n_layers;
    cache->n_heads = n_heads;
    cache->head_dim = head_dim;
    cache->context = context;
    return SWG_OK;
}

void swg_kvcache_deinit(swg_kvcache *cache)
{
    swg_pages_deinit(&cache->pages);
}

float *swg_kvcache_keys(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head)
{
    const size_t heads_before = 2 * (sequence * cache->n_layers + layer) * cache->n_heads + head;
    return (float *)cache->pages.data + heads_before * cache->context * cache->head_dim;
}

float *swg_kvcache_values(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head)
{
    return swg_kvcache_keys(cache, sequence, layer, cache->n_heads + head);
}
