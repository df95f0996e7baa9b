/* A set of tokens that is walked byte by byte: all tokens that a text starts with in one pass over
 * the text. Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_SENTENCEPIECE_TRIE_H
#define SWG_RUNTIME_TEXT_SENTENCEPIECE_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/text/models/vocab.h"

typedef struct swg_trie {
    struct swg_trie_slot *slots; /* hash table by (parent, byte): slot number = node */
    size_t n_slots;              /* a power of two; the number of the root, too */
} swg_trie;

/* All tokens of `vocab` that are not empty. Of equal tokens the last counts. */
swg_status swg_trie_init(swg_trie *trie, swg_arena *arena, const swg_vocab *vocab);

static inline size_t swg_trie_root(const swg_trie *trie)
{
    return trie->n_slots;
}

/* Step from *node along `byte`; false when no token goes on there. *id becomes the token that ends
 * at the new node, or -1. */
bool swg_trie_step(const swg_trie *trie, size_t *node, unsigned char byte, int32_t *id);

/* The longest token that `text` starts with, and its bytes; -1 when there is none. */
int32_t swg_trie_longest(const swg_trie *trie, const char *text, size_t length, size_t *n_bytes);

#endif
