/* The trie of trie.h: nodes in one open-addressed hash table, at most three quarters full. Keys and
 * tokens are apart, so that a node takes 12 bytes and not 16. */
#include "runtime/text/sentencepiece/trie.h"

/* The child of `parent` along `byte`, or the free slot where it would be. */
static size_t child_slot(const swg_trie *trie, size_t parent, unsigned char byte, uint64_t *key)
{
    *key = ((uint64_t)parent << 8 | byte) + 1;
    const size_t mask = trie->n_slots - 1;
    size_t slot = (*key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (trie->keys[slot] && trie->keys[slot] != *key)
        slot = (slot + 1) & mask;
    return slot;
}

static void add(swg_trie *trie, const char *text, size_t length, int32_t id)
{
    size_t node = swg_trie_root(trie);
    for (size_t i = 0; i < length; i++) {
        uint64_t key;
        node = child_slot(trie, node, (unsigned char)text[i], &key);
        if (!trie->keys[node]) {
            trie->keys[node] = key;
            trie->ids[node] = -1;
        }
    }
    if (length > 0)
        trie->ids[node] = id;
}

swg_status swg_trie_init(swg_trie *trie, swg_arena *arena, swg_work *work, const swg_vocab *vocab)
{
    if (vocab->longest > SWG_TRIE_TOKEN_BYTES)
        return swg_error(SWG_LIMIT, "%s: a piece has %zu bytes; at most %d are supported",
                         work->file, vocab->longest, SWG_TRIE_TOKEN_BYTES);
    trie->n_slots = 16;
    while (trie->n_slots / 4 * 3 <= vocab->n_bytes)
        trie->n_slots *= 2;
    trie->keys = swg_arena_calloc(arena, trie->n_slots, sizeof *trie->keys);
    trie->ids = swg_arena_calloc(arena, trie->n_slots, sizeof *trie->ids);
    if (!trie->keys || !trie->ids)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        size_t length;
        const char *text = swg_vocab_text(vocab, (int64_t)id, &length);
        SWG_TRY(swg_work_spend(work, length * SWG_WORK_PER_LOOKUP));
        add(trie, text, length, (int32_t)id);
    }
    return SWG_OK;
}

bool swg_trie_step(const swg_trie *trie, size_t *node, unsigned char byte, int32_t *id)
{
    uint64_t key;
    const size_t child = child_slot(trie, *node, byte, &key);
    if (!trie->keys[child])
        return false;
    *node = child;
    *id = trie->ids[child];
    return true;
}

swg_status swg_trie_longest(const swg_trie *trie, swg_work *work, const char *text, size_t length,
                            int32_t *id, size_t *n_bytes)
{
    int32_t found;
    size_t node = swg_trie_root(trie);
    for (size_t i = 0; i < length && swg_trie_step(trie, &node, (unsigned char)text[i], &found);
         i++) {
        SWG_TRY(swg_work_spend(work, SWG_WORK_PER_LOOKUP));
        if (found < 0)
            continue;
        *id = found;
        *n_bytes = i + 1;
    }
    return SWG_OK;
}
