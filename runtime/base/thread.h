/* A pool of persistent workers. One thread (the owner) hands out work and takes part in it; the
 * workers spin briefly for the next job and then sleep, so that a run of short jobs - the
 * operations of one token - costs about a microsecond each to start and join.
 *
 * Results must not depend on the thread count: give each item its own output, and never let the
 * number of threads decide how a sum is split. */
#ifndef SWG_RUNTIME_BASE_THREAD_H
#define SWG_RUNTIME_BASE_THREAD_H

#include <stddef.h>

#include "runtime/base/status.h"

typedef struct swg_pool swg_pool;

/* `n_threads` counts the owner: 1 starts no worker; 0 means one per usable processor. */
swg_status swg_pool_new(size_t n_threads, swg_pool **out);
void swg_pool_free(swg_pool **pool); /* NULL inside is accepted */

/* Number of threads; 1 for a NULL pool. */
size_t swg_pool_threads(const swg_pool *pool);

/* Run `work(context, thread, n_threads)` once on every thread and wait for all. Owner only, not
 * from inside work. A NULL pool runs it on the caller alone. */
typedef void swg_pool_work(void *context, size_t thread, size_t n_threads);
void swg_pool_run(swg_pool *pool, swg_pool_work *work, void *context);

/* Run `item(context, index)` for every index below `n_items`, each once, on any thread in any
 * order. The first failure in index order is returned with its sentence; items after a failure may
 * be skipped. For offline work with items of uneven cost. */
typedef swg_status swg_pool_item(void *context, size_t index);
swg_status swg_pool_for(swg_pool *pool, size_t n_items, swg_pool_item *item, void *context);

/* Index (below swg_pool_threads) of the calling thread in the job it is working on, for scratch
 * memory of its own; 0 outside jobs. */
size_t swg_pool_thread_index(void);

#endif
