/* Sampling: from the scores of the next token to one token.
 *
 *     swg_sampler_options options = swg_sampler_options_default();
 *     options.temperature = 0.8f;
 *     SWG_TRY(swg_sampler_new(&options, n_vocab, &sampler));
 *     SWG_TRY(swg_sampler_pick(sampler, logits, &id));
 *
 * The steps, in this order: repetition penalty, temperature, top-k, top-p, min-p, choice. The same
 * options, seed and logits give the same tokens. A sampler belongs to one thread at a time. */
#ifndef SWG_RUNTIME_TEXT_SAMPLER_H
#define SWG_RUNTIME_TEXT_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef struct swg_sampler_options {
    float temperature; /* default 0 = the highest score, lowest id on ties; else scores are divided
                          by it: below 1 bolder towards the likely, above 1 flatter */
    size_t top_k;      /* default 0 = off; else only the k highest scores stay */
    float top_p;       /* default 1 = off; else only the fewest tokens whose probabilities add up
                          to p or more stay, likeliest first; (0, 1] */
    float min_p;       /* default 0 = off; else only tokens at least min_p times as likely as the
                          likeliest stay; [0, 1] */
    float repetition_penalty; /* default 1 = off; scores of recent tokens are divided by it when
                                 positive and multiplied when negative; > 0 */
    size_t repetition_window; /* default 64: how many recent tokens count */
    uint64_t seed;            /* default 0 */
} swg_sampler_options;
swg_sampler_options swg_sampler_options_default(void);

typedef struct swg_sampler swg_sampler;

/* A sampler for vectors of `n_vocab` logits. SWG_USAGE, naming option and value, for options out of
 * range; SWG_NO_MEMORY. */
swg_status swg_sampler_new(const swg_sampler_options *options, size_t n_vocab, swg_sampler **out);
void swg_sampler_free(swg_sampler **sampler); /* NULL inside is accepted */

/* Choose one id from float logits[n_vocab]. The logits are left as they are; minus infinity means
 * never. O(n_vocab), no allocation. SWG_FAILED when a logit is NaN or plus infinity, or when all
 * are minus infinity: the model is broken then, and no token is invented. */
swg_status swg_sampler_pick(swg_sampler *sampler, const float *logits, int32_t *id);

/* Tell the sampler that `id` is part of the text now (prompt tokens too): the repetition penalty
 * remembers it. Ids out of range are ignored. */
void swg_sampler_accept(swg_sampler *sampler, int32_t id);

#endif
