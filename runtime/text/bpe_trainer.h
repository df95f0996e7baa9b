/* Training of a byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909, over bytes
 * as GPT-2 has it): text is cut by GPT-2's pattern, and the pair of neighbouring tokens that occurs
 * most often becomes a token, until the vocabulary is full.
 *
 *     swg_bpe_trainer *trainer;
 *     swg_strbuf json = {0};
 *     SWG_TRY(swg_bpe_trainer_new(&trainer));
 *     SWG_TRY(swg_bpe_trainer_add(trainer, text, length));
 *     SWG_TRY(swg_bpe_trainer_finish(trainer, 1024, progress, &json));   // a tokenizer.json
 *     swg_bpe_trainer_free(&trainer);
 *
 * The tokens are "<|endoftext|>", the 256 bytes in the order of their characters in GPT-2's
 * alphabet, and the merged ones. Equal counts are decided by the smaller ids, left before right, so
 * the result depends on the text alone; it is that of Hugging Face's BpeTrainer with this special
 * token and alphabet. */
#ifndef SWG_RUNTIME_TEXT_BPE_TRAINER_H
#define SWG_RUNTIME_TEXT_BPE_TRAINER_H

#include <stddef.h>

#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

typedef struct swg_bpe_trainer swg_bpe_trainer;

/* The fewest tokens that a vocabulary can have: the special one and the bytes. */
enum { SWG_BPE_LEAST_TOKENS = 257, SWG_BPE_MOST_TOKENS = 1 << 20 };

swg_status swg_bpe_trainer_new(swg_bpe_trainer **out);
void swg_bpe_trainer_free(swg_bpe_trainer **trainer); /* NULL inside is accepted */

/* Count the pieces of a text, which nothing is merged across the ends of. Bytes that are not UTF-8
 * count as characters of their own. SWG_NO_MEMORY; SWG_LIMIT for more than 4 GiB of different
 * pieces. */
swg_status swg_bpe_trainer_add(swg_bpe_trainer *trainer, const char *text, size_t length);

/* Merge until there are n_tokens tokens, or no pair is left, and write a tokenizer.json. Once per
 * trainer. SWG_USAGE for n_tokens outside of the limits above, SWG_NO_MEMORY, SWG_INTERRUPTED. */
swg_status swg_bpe_trainer_finish(swg_bpe_trainer *trainer, size_t n_tokens,
                                  const swg_progress *progress, swg_strbuf *json);

#endif
