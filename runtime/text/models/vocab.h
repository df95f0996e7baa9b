/* A vocabulary: id -> bytes and bytes -> id. Filled once, then only read. Private to runtime/text.
 */
#ifndef SWG_RUNTIME_TEXT_MODELS_VOCAB_H
#define SWG_RUNTIME_TEXT_MODELS_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"

typedef struct swg_vocab {
    char *bytes; /* of all tokens, each with a NUL after it */
    size_t n_bytes, max_bytes;
    struct swg_vocab_entry *entries; /* [n_ids] */
    size_t n_ids;
    uint32_t *slots; /* hash table of id + 1; 0 = free; a power of two of them */
    size_t n_slots;
    size_t longest; /* bytes of the longest token */
} swg_vocab;

/* Room for ids below `n_ids` with `n_bytes` bytes in all, from the arena. */
swg_status swg_vocab_init(swg_vocab *vocab, swg_arena *arena, size_t n_ids, size_t n_bytes);

/* Give an id (below n_ids) its bytes. SWG_CORRUPT when it has some already. The caller keeps to the
 * n_bytes it announced. */
swg_status swg_vocab_set(swg_vocab *vocab, size_t id, const char *text, size_t length);

/* Room for ids below `n_ids` (at least as many as now) and `n_more_bytes` beyond what was
 * announced; what was set stays, and views of it too. To be indexed again. */
swg_status swg_vocab_grow(swg_vocab *vocab, swg_arena *arena, size_t n_ids, size_t n_more_bytes);

/* Make look-ups by bytes possible for all ids set so far. Of equal tokens the lowest id is found.
 */
swg_status swg_vocab_index(swg_vocab *vocab, swg_arena *arena);

/* The id, or -1. */
int32_t swg_vocab_find(const swg_vocab *vocab, const char *text, size_t length);

/* The bytes of an id, NUL after them; NULL (and *length 0) when unused or out of range. */
const char *swg_vocab_text(const swg_vocab *vocab, int64_t id, size_t *length);

#endif
