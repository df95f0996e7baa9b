/* Merging neighbouring tokens, best pair first: the loop that byte-pair encodings share. Private to
 * runtime/text. */
#ifndef SWG_RUNTIME_TEXT_TOKENIZER_MERGE_H
#define SWG_RUNTIME_TEXT_TOKENIZER_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* What a pair of neighbours becomes. */
typedef struct swg_merge {
    uint32_t rank; /* lower merges first; equal ranks from left to right */
    int32_t id;    /* -1 = the pair does not merge */
} swg_merge;

typedef swg_merge swg_merge_lookup(const void *context, int32_t left, int32_t right);

/* Working memory, reused from word to word. Zero-initialise to start. */
typedef struct swg_merger {
    struct swg_merge_symbol *symbols;
    size_t symbol_capacity;
    struct swg_merge_candidate *heap;
    size_t heap_capacity, heap_count;
} swg_merger;

/* Merge ids[0 .. count) in place until no pair merges; *count becomes what is left. O(n log n).
 * A merge must make a token that no other pair at the same place could make (true where a token is
 * the joined text of its pair). SWG_LIMIT at 2^31 ids or more. */
swg_status swg_merger_run(swg_merger *merger, swg_merge_lookup *lookup, const void *context,
                          int32_t *ids, size_t *count);

void swg_merger_deinit(swg_merger *merger);

#endif
