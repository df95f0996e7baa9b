/* A set of tokens that is walked byte by byte: all tokens that a text starts with in one pass over
 * the text. Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_SENTENCEPIECE_TRIE_H
#define SWG_RUNTIME_TEXT_SENTENCEPIECE_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/mem.h"
#include "runtime/text/models/vocab.h"
#include "runtime/text/work.h"

typedef struct swg_trie {
    uint64_t *keys; /* hash table by (parent, byte): slot number = node; (parent << 8 | byte) + 1,
                       0 = free */
    int32_t *ids;   /* token that ends at the node; -1 = none */
    size_t n_slots; /* a power of two; the number of the root, too */
} swg_trie;

/* All tokens of `vocab` that are not empty. Of equal tokens the last counts. SWG_LIMIT for a token
 * of more than SWG_TRIE_TOKEN_BYTES: what a place of a text costs grows with the longest that fits.
 */
enum { SWG_TRIE_TOKEN_BYTES = 1024 };
swg_status swg_trie_init(swg_trie *trie, swg_arena *arena, swg_work *work, const swg_vocab *vocab);

static inline size_t swg_trie_root(const swg_trie *trie)
{
    return trie->n_slots;
}

/* Step from *node along `byte`; false when no token goes on there. *id becomes the token that ends
 * at the new node, or -1. */
bool swg_trie_step(const swg_trie *trie, size_t *node, unsigned char byte, int32_t *id);

/* The longest token that `text` starts with in *id, and its bytes in *n_bytes; both stay as they
 * are when there is none. Spends what walking costs. */
swg_status swg_trie_longest(const swg_trie *trie, swg_work *work, const char *text, size_t length,
                            int32_t *id, size_t *n_bytes);

#endif
