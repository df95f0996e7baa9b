/* Rotary position embedding: the angle per position of every pair of a head's rotated elements,
 * with the methods of extending it to longer contexts. Shared by all backends.
 *
 * A model has one table of frequencies, or two: layers with a window may have their own base.
 */
#ifndef SWG_RUNTIME_ROPE_H
#define SWG_RUNTIME_ROPE_H

#include "runtime/hparams.h"

enum { SWG_ROPE_TABLES = 2 };

/* The number of tables of the model (0 without rotary positions), and the one that a layer uses. */
size_t swg_rope_tables(const swg_hparams *hparams);
size_t swg_rope_table_of(const swg_hparams *hparams, size_t layer);

/* Frequency (radians per position) of pair `pair` < rotary_dim / 2 in a text of `length` positions;
 * `length` matters only to SWG_ROPE_DYNAMIC. */
double swg_rope_frequency(const swg_hparams *hparams, size_t table, size_t pair, size_t length);

#endif
