/* The KV cache: keys and values of all positions so far, float, a contiguous run of positions per
 * sequence, layer and key/value head, so that attention streams. Used by backends that compute in
 * host memory. */
#ifndef SWG_RUNTIME_KVCACHE_H
#define SWG_RUNTIME_KVCACHE_H

#include <stddef.h>

#include "runtime/base/mem.h"
#include "runtime/base/status.h"

typedef struct swg_kvcache {
    size_t n_layers, n_heads, head_dim, context;
    swg_pages pages; /* [sequences][layers][keys, values][heads][context][head_dim] */
} swg_kvcache;

/* Zero-initialise to start; `context` positions per sequence. */
swg_status swg_kvcache_init(swg_kvcache *cache, size_t n_sequences, size_t n_layers, size_t n_heads,
                            size_t head_dim, size_t context);
void swg_kvcache_deinit(swg_kvcache *cache);

/* Keys / values [context][head_dim] of one sequence, layer and head. */
float *swg_kvcache_keys(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head);
float *swg_kvcache_values(const swg_kvcache *cache, size_t sequence, size_t layer, size_t head);

#endif
