/* Merging: see merge.h. Symbols are a doubly linked list in an array; candidate pairs
 * wait in a binary heap ordered by (rank, place). A candidate is stale when its pair is not the one
 * it was made for. Symbols only ever grow, so comparing how many original symbols the pair covers
 * is enough to tell. */
#include "runtime/text/models/merge.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/match/unicode.h"

typedef struct swg_merge_symbol {
    int32_t id;
    int32_t previous, next; /* -1 at the ends */
    uint32_t covers;        /* original symbols in this one; 0 = merged away */
} swg_merge_symbol;

typedef struct swg_merge_candidate {
    uint64_t key; /* rank << 32 | place of the left symbol */
    int32_t id;
    uint32_t covers;
} swg_merge_candidate;

/* --- Places ----------------------------------------------------------------------------------- */

enum { JOIN_BITS = 18 }; /* 32 KiB: the pairs of a large vocabulary fill a few per cent */

/* The bytes of one character as a number; invalid bytes count by themselves. */
static uint32_t character(const char *text, size_t length)
{
    uint32_t number = 0;
    memcpy(&number, text, length < sizeof number ? length : sizeof number);
    return number;
}

uint32_t swg_joins_first(const char *text, size_t length)
{
    if (length == 0)
        return 0;
    const size_t step = swg_utf8_decode(text, length, NULL);
    return character(text, step ? step : 1);
}

uint32_t swg_joins_last(const char *text, size_t length)
{
    if (length == 0)
        return 0;
    const size_t start = swg_utf8_previous(text, length);
    const bool is_whole = swg_utf8_decode(text + start, length - start, NULL) == length - start;
    return is_whole ? character(text + start, length - start) : character(text + length - 1, 1);
}

static uint32_t join_place(uint32_t left, uint32_t right)
{
    const uint64_t mixed = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> (64 - JOIN_BITS));
}

swg_status swg_joins_init(swg_joins *joins, swg_arena *arena, const swg_vocab *vocab)
{
    joins->pairs = swg_arena_calloc(arena, (1 << JOIN_BITS) / 64, sizeof *joins->pairs);
    joins->first = swg_arena_calloc(arena, vocab->n_ids, sizeof *joins->first);
    joins->last = swg_arena_calloc(arena, vocab->n_ids, sizeof *joins->last);
    if (!joins->pairs || !joins->first || !joins->last)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        size_t length;
        const char *text = swg_vocab_text(vocab, (int64_t)id, &length);
        joins->first[id] = swg_joins_first(text, length);
        joins->last[id] = swg_joins_last(text, length);
    }
    return SWG_OK;
}

void swg_joins_add(swg_joins *joins, uint32_t left, uint32_t right)
{
    const uint32_t place = join_place(left, right);
    joins->pairs[place / 64] |= UINT64_C(1) << place % 64;
}

void swg_joins_add_all(swg_joins *joins)
{
    memset(joins->pairs, 0xff, (1 << JOIN_BITS) / 8);
}

static bool may_meet(const swg_joins *joins, int32_t left, int32_t right)
{
    const uint32_t place = join_place(joins->last[left], joins->first[right]);
    return joins->pairs[place / 64] >> place % 64 & 1;
}

/* --- Pairs ------------------------------------------------------------------------------------ */

typedef struct swg_pair_slot {
    uint64_t key; /* (left << 32 | right) + 1; 0 = free */
    swg_merge merge;
} swg_pair_slot;

static size_t pair_slot_of(const swg_pairs *pairs, uint64_t key)
{
    size_t slot = (key * UINT64_C(0x9e3779b97f4a7c15)) >> pairs->shift;
    while (pairs->slots[slot].key && pairs->slots[slot].key != key)
        slot = (slot + 1) & pairs->mask;
    return slot;
}

static uint64_t pair_key(int32_t left, int32_t right)
{
    return ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
}

swg_status swg_pairs_init(swg_pairs *pairs, swg_arena *arena, size_t n)
{
    unsigned log2_slots = 4;
    while ((size_t)1 << log2_slots < 2 * n)
        log2_slots++;
    pairs->mask = ((size_t)1 << log2_slots) - 1;
    pairs->shift = 64 - log2_slots;
    pairs->slots = swg_arena_calloc(arena, pairs->mask + 1, sizeof *pairs->slots);
    return pairs->slots ? SWG_OK : SWG_NO_MEMORY;
}

void swg_pairs_set(swg_pairs *pairs, int32_t left, int32_t right, swg_merge merge)
{
    const uint64_t key = pair_key(left, right);
    pairs->slots[pair_slot_of(pairs, key)] = (swg_pair_slot){.key = key, .merge = merge};
}

swg_merge swg_pairs_find(const swg_pairs *pairs, int32_t left, int32_t right)
{
    const swg_pair_slot *slot = &pairs->slots[pair_slot_of(pairs, pair_key(left, right))];
    return slot->key ? slot->merge : (swg_merge){.id = -1};
}

/* Scores as numbers that order the other way round: flip the sign bit of what is positive and all
 * bits of what is negative, then all of them. */
uint32_t swg_merge_rank(float score)
{
    uint32_t bits;
    const float no_minus_zero = score + 0.0f;
    memcpy(&bits, &no_minus_zero, sizeof bits);
    return ~(bits >> 31 ? ~bits : bits | UINT32_C(1) << 31);
}

/* --- Merging ---------------------------------------------------------------------------------- */

static void heap_sift_up(swg_merge_candidate *heap, size_t at)
{
    const swg_merge_candidate moved = heap[at];
    while (at > 0 && heap[(at - 1) / 2].key > moved.key) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

static swg_merge_candidate heap_pop(swg_merger *merger)
{
    swg_merge_candidate *heap = merger->heap;
    const swg_merge_candidate top = heap[0];
    const swg_merge_candidate moved = heap[--merger->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= merger->heap_count)
            break;
        if (child + 1 < merger->heap_count && heap[child + 1].key < heap[child].key)
            child++;
        if (heap[child].key >= moved.key)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
    return top;
}

/* Remember that the symbol at `left` and its right neighbour merge, if they do. Every symbol but
 * the last gives one candidate at the start; each of at most n - 1 merges takes one away and gives
 * two at most: 2n places are enough. */
static void consider(swg_merger *merger, swg_merge_lookup *lookup, const void *context,
                     int32_t left)
{
    const swg_merge_symbol *symbols = merger->symbols;
    if (left < 0 || symbols[left].next < 0)
        return;
    const swg_merge_symbol *right = &symbols[symbols[left].next];
    const swg_merge merge = lookup(context, symbols[left].id, right->id);
    if (merge.id < 0)
        return;
    merger->heap[merger->heap_count++] =
        (swg_merge_candidate){.key = (uint64_t)merge.rank << 32 | (uint32_t)left,
                              .id = merge.id,
                              .covers = symbols[left].covers + right->covers};
    heap_sift_up(merger->heap, merger->heap_count - 1);
}

/* Merge one run of at least two ids; *count becomes how many are left. */
static swg_status merge_run(swg_merger *merger, swg_merge_lookup *lookup, const void *context,
                            int32_t *ids, size_t *count)
{
    const size_t n = *count;
    swg_merge_symbol *symbols = merger->symbols;
    merger->heap_count = 0;
    for (size_t i = 0; i < n; i++)
        symbols[i] = (swg_merge_symbol){.id = ids[i],
                                        .previous = (int32_t)i - 1,
                                        .next = i + 1 < n ? (int32_t)i + 1 : -1,
                                        .covers = 1};
    for (size_t i = 0; i + 1 < n; i++)
        consider(merger, lookup, context, (int32_t)i);
    while (merger->heap_count > 0) {
        SWG_TRY(swg_work_spend(merger->work, SWG_WORK_PER_LOOKUP));
        const swg_merge_candidate best = heap_pop(merger);
        const int32_t at = (int32_t)(best.key & UINT32_MAX);
        swg_merge_symbol *left = &symbols[at];
        if (left->covers == 0 || left->next < 0 ||
            left->covers + symbols[left->next].covers != best.covers)
            continue;
        swg_merge_symbol *right = &symbols[left->next];
        *left = (swg_merge_symbol){
            .id = best.id, .previous = left->previous, .next = right->next, .covers = best.covers};
        right->covers = 0;
        if (left->next >= 0)
            symbols[left->next].previous = at;
        consider(merger, lookup, context, left->previous);
        consider(merger, lookup, context, at);
    }
    size_t kept = 0;
    for (int32_t at = 0; at >= 0; at = symbols[at].next)
        ids[kept++] = symbols[at].id;
    *count = kept;
    return SWG_OK;
}

swg_status swg_merger_run(swg_merger *merger, swg_merge_lookup *lookup, const void *context,
                          const swg_joins *joins, int32_t *ids, size_t *count)
{
    const size_t n = *count;
    size_t kept = 0;
    if (n > INT32_MAX)
        return swg_error(SWG_LIMIT, "a text of %zu symbols is too long to merge in one piece", n);
    for (size_t begin = 0, end; begin < n; begin = end) {
        end = begin + 1;
        while (end < n && may_meet(joins, ids[end - 1], ids[end]))
            end++;
        size_t length = end - begin;
        if (length > 1) {
            SWG_TRY(swg_reserve((void **)&merger->symbols, &merger->symbol_capacity, length,
                                sizeof *merger->symbols));
            SWG_TRY(swg_reserve((void **)&merger->heap, &merger->heap_capacity, 2 * length,
                                sizeof *merger->heap));
            SWG_TRY(merge_run(merger, lookup, context, ids + begin, &length));
        }
        memmove(ids + kept, ids + begin, length * sizeof *ids);
        kept += length;
    }
    *count = kept;
    return SWG_OK;
}

void swg_merger_deinit(swg_merger *merger)
{
    swg_free(merger->symbols);
    swg_free(merger->heap);
    *merger = (swg_merger){.work = merger->work};
}
