/* The KV cache: keys and values of all positions so far, in one of several element types, a
 * contiguous run of positions per sequence, layer and key/value head, so that attention streams.
 * Used by backends that compute in host memory. */
#ifndef SWG_RUNTIME_KVCACHE_H
#define SWG_RUNTIME_KVCACHE_H

#include <stddef.h>

#include "kernels/kernels.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"

typedef struct swg_kvcache_shape {
    swg_kv_type type;
    size_t n_sequences, n_layers, n_heads, head_dim;
    size_t context; /* positions per sequence */
} swg_kvcache_shape;

typedef struct swg_kvcache {
    swg_kvcache_shape shape;
    size_t stride; /* elements from one position to the next */
    float *scales; /* [sequences][layers][keys, values][heads][context], where the type has them */
    swg_pages
        pages; /* elements [sequences][layers][keys, values][heads][context][stride], scales */
} swg_kvcache;

/* Bytes that such a cache takes. SWG_LIMIT when that is more than memory can be addressed,
 * SWG_UNSUPPORTED for heads that are too long for the type. */
swg_status swg_kvcache_bytes(const swg_kvcache_shape *shape, size_t *out);

/* Zero-initialise to start. SWG_LIMIT as above, SWG_NO_MEMORY. */
swg_status swg_kvcache_init(swg_kvcache *cache, const swg_kvcache_shape *shape);
void swg_kvcache_deinit(swg_kvcache *cache);

/* Keep the key and value [head_dim] of one position, rounded to the cache's type. */
void swg_kvcache_store(const swg_kvcache *cache, const swg_kernels *kernels, size_t sequence,
                       size_t layer, size_t head, size_t position, const float *key,
                       const float *value);

/* All positions of one sequence, layer and head. */
swg_kv_run swg_kvcache_run(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head);

#endif
