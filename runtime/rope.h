/* Rotary position embedding: the angle per position of every pair of a head, with the ways of
 * stretching it to longer contexts. Shared by all backends. */
#ifndef SWG_RUNTIME_ROPE_H
#define SWG_RUNTIME_ROPE_H

#include "runtime/model.h"

/* Frequency (radians per position) of pair `pair` < head_dim / 2 in a text of `length` positions;
 * `length` matters to SWG_ROPE_DYNAMIC alone. */
double swg_rope_frequency(const swg_hparams *hparams, size_t pair, size_t length);

/* Whether frequencies depend on the length of the text once it has this many positions. */
bool swg_rope_depends_on(const swg_hparams *hparams, size_t length);

#endif
