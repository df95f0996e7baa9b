/* Merging neighbouring tokens, best pair first: the loop that byte-pair encodings share. Private to
 * runtime/text. */
#ifndef SWG_RUNTIME_TEXT_MODELS_MERGE_H
#define SWG_RUNTIME_TEXT_MODELS_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/text/models/vocab.h"
#include "runtime/text/work.h"

/* What a pair of neighbours becomes. */
typedef struct swg_merge {
    uint32_t rank; /* lower merges first; equal ranks from left to right */
    int32_t id;    /* -1 = the pair does not merge */
} swg_merge;

typedef swg_merge swg_merge_lookup(const void *context, int32_t left, int32_t right);

/* Where merging can happen at all. A merge across a place needs a token that has the character
 * before and the character after it side by side; where no token has, the text falls apart into
 * runs that merge each for itself - usually words - and short runs are what makes merging fast.
 * Characters are kept as a hash, so that a place is cut only if that is certain. */
typedef struct swg_joins {
    uint64_t *pairs;        /* bitmap of pairs that may meet */
    uint32_t *first, *last; /* [n_ids]: characters that tokens begin and end with, as numbers */
} swg_joins;

/* For the tokens of `vocab`; no pairs yet. */
swg_status swg_joins_init(swg_joins *joins, swg_arena *arena, const swg_vocab *vocab);
/* Let the end of `left` meet the start of `right`. */
void swg_joins_add(swg_joins *joins, uint32_t left, uint32_t right);
/* The character that bytes begin (end) with, as the numbers in `first` and `last`; 0 when empty. */
uint32_t swg_joins_first(const char *text, size_t length);
uint32_t swg_joins_last(const char *text, size_t length);

/* Let everything meet everything: the whole text is one run. */
void swg_joins_add_all(swg_joins *joins);

/* A table of pairs and what they become, for look-ups. */
typedef struct swg_pairs {
    struct swg_pair_slot *slots;
    unsigned shift; /* 64 - log2(number of slots) */
    size_t mask;
} swg_pairs;

/* Room for `n` pairs, from the arena. */
swg_status swg_pairs_init(swg_pairs *pairs, swg_arena *arena, size_t n);
/* The last setting of a pair counts. */
void swg_pairs_set(swg_pairs *pairs, int32_t left, int32_t right, swg_merge merge);
swg_merge swg_pairs_find(const swg_pairs *pairs, int32_t left, int32_t right);

/* A rank for a (finite) score: higher scores merge first. */
uint32_t swg_merge_rank(float score);

/* Working memory, reused from word to word. Zero-initialise but for `work`, the budget of the text.
 */
typedef struct swg_merger {
    swg_work *work;
    struct swg_merge_symbol *symbols;
    size_t symbol_capacity;
    struct swg_merge_candidate *heap;
    size_t heap_capacity, heap_count;
} swg_merger;

/* Merge ids[0 .. count) in place until no pair merges; *count becomes what is left. O(n log n).
 * `joins` must hold every pair of characters at which two ids that merge meet.
 * A merge must make a token that no other pair at the same place could make (true where a token is
 * the joined text of its pair). SWG_LIMIT at 2^31 ids or more, or when the budget is spent. */
swg_status swg_merger_run(swg_merger *merger, swg_merge_lookup *lookup, const void *context,
                          const swg_joins *joins, int32_t *ids, size_t *count);

void swg_merger_deinit(swg_merger *merger);

#endif
