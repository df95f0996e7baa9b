/* The trie of trie.h: nodes in one open-addressed hash table, at most half full. */
#include "runtime/text/sentencepiece/trie.h"

typedef struct swg_trie_slot {
    uint64_t key; /* (parent << 8 | byte) + 1; 0 = free */
    int32_t id;   /* token that ends here; -1 = none */
} swg_trie_slot;

/* The child of `parent` along `byte`, or the free slot where it would be. */
static size_t child_slot(const swg_trie *trie, size_t parent, unsigned char byte, uint64_t *key)
{
    *key = ((uint64_t)parent << 8 | byte) + 1;
    const size_t mask = trie->n_slots - 1;
    size_t slot = (*key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (trie->slots[slot].key && trie->slots[slot].key != *key)
        slot = (slot + 1) & mask;
    return slot;
}

static void add(swg_trie *trie, const char *text, size_t length, int32_t id)
{
    size_t node = swg_trie_root(trie);
    for (size_t i = 0; i < length; i++) {
        uint64_t key;
        node = child_slot(trie, node, (unsigned char)text[i], &key);
        if (!trie->slots[node].key)
            trie->slots[node] = (swg_trie_slot){.key = key, .id = -1};
    }
    if (length > 0)
        trie->slots[node].id = id;
}

swg_status swg_trie_init(swg_trie *trie, swg_arena *arena, const swg_vocab *vocab)
{
    trie->n_slots = 16;
    while (trie->n_slots < 2 * vocab->n_bytes)
        trie->n_slots *= 2;
    trie->slots = swg_arena_calloc(arena, trie->n_slots, sizeof *trie->slots);
    if (!trie->slots)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        size_t length;
        const char *text = swg_vocab_text(vocab, (int64_t)id, &length);
        add(trie, text, length, (int32_t)id);
    }
    return SWG_OK;
}

bool swg_trie_step(const swg_trie *trie, size_t *node, unsigned char byte, int32_t *id)
{
    uint64_t key;
    const size_t child = child_slot(trie, *node, byte, &key);
    if (!trie->slots[child].key)
        return false;
    *node = child;
    *id = trie->slots[child].id;
    return true;
}

int32_t swg_trie_longest(const swg_trie *trie, const char *text, size_t length, size_t *n_bytes)
{
    int32_t best = -1, id;
    size_t node = swg_trie_root(trie);
    for (size_t i = 0; i < length && swg_trie_step(trie, &node, (unsigned char)text[i], &id); i++)
        if (id >= 0) {
            best = id;
            *n_bytes = i + 1;
        }
    return best;
}
