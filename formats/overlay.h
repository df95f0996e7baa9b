/* A checkpoint with other numbers in some of its tensors: a view of another source, in which these
 * tensors are matrices or vectors of F32 that a function supplies. Models load from it, and methods
 * read it, like any other source.
 *
 * It has the configuration and the tensors of the source beneath. Files, metadata and history are
 * not repeated: ask that source. */
#ifndef SWG_FORMATS_OVERLAY_H
#define SWG_FORMATS_OVERLAY_H

#include "formats/formats.h"

typedef struct swg_overlay {
    void *context;
    const bool *replaces; /* [n_tensors]; copied */
    /* Rows [row_begin, row_begin + n_rows) of a replaced tensor, [n_rows][cols]. Called from
     * several threads at once. */
    swg_status (*read_rows)(void *context, size_t tensor, uint64_t row_begin, uint64_t n_rows,
                            float *out);
} swg_overlay;

/* `base` and the overlay's context must outlive the result. SWG_NO_MEMORY. */
swg_status swg_source_overlay(swg_source *base, const swg_overlay *overlay, swg_source **out);

#endif
