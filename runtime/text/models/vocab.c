/* Vocabulary: see vocab.h. One block of bytes, an entry an id, and an open-addressed hash
 * table at most half full. Hashes are not kept: comparing the few short candidates is cheap. */
#include "runtime/text/models/vocab.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/hash.h"

typedef struct swg_vocab_entry {
    uint32_t offset_plus_1; /* into bytes; 0 = unused id */
    uint32_t length;
} swg_vocab_entry;

swg_status swg_vocab_init(swg_vocab *vocab, swg_arena *arena, size_t n_ids, size_t n_bytes)
{
    size_t total;
    if (n_ids >= INT32_MAX || !swg_size_add(n_ids, n_bytes, &total) || total >= UINT32_MAX)
        return swg_error(SWG_LIMIT, "a vocabulary of %zu ids and %zu bytes is too large", n_ids,
                         n_bytes);
    *vocab = (swg_vocab){.n_ids = n_ids, .max_bytes = total};
    vocab->entries = swg_arena_calloc(arena, n_ids, sizeof *vocab->entries);
    vocab->bytes = swg_arena_calloc(arena, total, 1);
    return vocab->entries && vocab->bytes ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_vocab_set(swg_vocab *vocab, size_t id, const char *text, size_t length)
{
    swg_vocab_entry *entry = &vocab->entries[id];
    if (entry->offset_plus_1)
        return swg_error(SWG_CORRUPT, "token id %zu is given to both \"%s\" and \"%.*s\"", id,
                         vocab->bytes + entry->offset_plus_1 - 1, (int)(length & 0xff), text);
    memcpy(vocab->bytes + vocab->n_bytes, text, length);
    entry->offset_plus_1 = (uint32_t)vocab->n_bytes + 1;
    entry->length = (uint32_t)length;
    vocab->n_bytes += length + 1;
    if (length > vocab->longest)
        vocab->longest = length;
    return SWG_OK;
}

swg_status swg_vocab_grow(swg_vocab *vocab, swg_arena *arena, size_t n_ids, size_t n_more_bytes)
{
    swg_vocab grown;
    size_t n_bytes;
    if (!swg_size_add(vocab->n_bytes, n_more_bytes, &n_bytes))
        return SWG_LIMIT;
    SWG_TRY(swg_vocab_init(&grown, arena, n_ids, n_bytes));
    for (size_t id = 0; id < vocab->n_ids; id++) {
        size_t length;
        const char *text = swg_vocab_text(vocab, (int64_t)id, &length);
        if (text)
            SWG_TRY(swg_vocab_set(&grown, id, text, length));
    }
    *vocab = grown;
    return SWG_OK;
}

/* The slot that holds these bytes, or the free one where they would go. */
static size_t slot_of(const swg_vocab *vocab, const char *text, size_t length)
{
    size_t slot = swg_hash64(text, length) & (vocab->n_slots - 1);
    for (; vocab->slots[slot]; slot = (slot + 1) & (vocab->n_slots - 1)) {
        const swg_vocab_entry *entry = &vocab->entries[vocab->slots[slot] - 1];
        if (entry->length == length &&
            memcmp(vocab->bytes + entry->offset_plus_1 - 1, text, length) == 0)
            break;
    }
    return slot;
}

swg_status swg_vocab_index(swg_vocab *vocab, swg_arena *arena)
{
    vocab->n_slots = 16;
    while (vocab->n_slots < 2 * vocab->n_ids)
        vocab->n_slots *= 2;
    vocab->slots = swg_arena_calloc(arena, vocab->n_slots, sizeof *vocab->slots);
    if (!vocab->slots)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        const swg_vocab_entry *entry = &vocab->entries[id];
        if (!entry->offset_plus_1)
            continue;
        const size_t slot = slot_of(vocab, vocab->bytes + entry->offset_plus_1 - 1, entry->length);
        if (!vocab->slots[slot])
            vocab->slots[slot] = (uint32_t)id + 1;
    }
    return SWG_OK;
}

int32_t swg_vocab_find(const swg_vocab *vocab, const char *text, size_t length)
{
    if (length > vocab->longest)
        return -1;
    return (int32_t)vocab->slots[slot_of(vocab, text, length)] - 1;
}

const char *swg_vocab_text(const swg_vocab *vocab, int64_t id, size_t *length)
{
    const bool known = id >= 0 && (uint64_t)id < vocab->n_ids && vocab->entries[id].offset_plus_1;
    *length = known ? vocab->entries[id].length : 0;
    return known ? vocab->bytes + vocab->entries[id].offset_plus_1 - 1 : NULL;
}
