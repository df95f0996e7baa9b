/* A checkpoint in memory of some of another's layers, for a smaller model that starts from a larger
 * one: its configuration lists fewer layers, the tensors of the chosen layers are numbered anew,
 * and those outside layers are all there. */
#ifndef SWG_RUNTIME_LAYER_SUBSET_H
#define SWG_RUNTIME_LAYER_SUBSET_H

#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"

/* Layer i of the result is layer layers[i] of `source`; n >= 1 numbers that rise. All tensors are
 * F32, whatever they were; tensors that no computation uses are left out, files are carried.
 * SWG_USAGE for numbers that do not rise or that the source does not have, naming both;
 * SWG_UNSUPPORTED when a layer's attention would see another window at its new place;
 * SWG_LIMIT when the result is larger than the machine's memory; otherwise as swg_hparams_read. The
 * caller closes *out. */
swg_status swg_layer_subset(swg_source *source, const size_t *layers, size_t n, swg_source **out);

#endif
