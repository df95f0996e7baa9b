/* What an ideal order-0 coder would make of a tensor's codes and masks: a coder that knows how
 * often each symbol of a plane occurs, and nothing else. */
#ifndef SWG_FORMATS_ENTROPY_BOUND_H
#define SWG_FORMATS_ENTROPY_BOUND_H

#include "formats/formats.h"

typedef struct swg_entropy_bound {
    double bytes;          /* order-0 entropy; frequencies cost nothing */
    uint64_t stored_bytes; /* of the same planes */
} swg_entropy_bound;

/* Add a tensor's planes of packed codes (symbol by symbol), masks (bit by bit) and positions to
 * `sum`, each plane with frequencies of its own. Numbers of other planes are not what entropy
 * coding is for, and count in neither. Needs memory for a plane's bytes and its symbols.
 * SWG_NO_MEMORY, or what reading the planes returns. */
swg_status swg_entropy_bound_add(swg_source *source, size_t tensor, swg_entropy_bound *sum);

#endif
