/* A checkpoint whose output head is its embedding, as one with a head of its own: a view of another
 * source with one more tensor, a copy of the embedding, and a configuration that says so.
 *
 * Files, metadata and history are not repeated: ask the source beneath. */
#ifndef SWG_FORMATS_UNTIED_H
#define SWG_FORMATS_UNTIED_H

#include "formats/formats.h"

/* `head` is the name of the new tensor (SWG_USAGE when there is one), `embedding` the place of the
 * one that it is a copy of. `base` must outlive the result. SWG_NO_MEMORY. */
swg_status swg_source_untie(swg_source *base, size_t embedding, const char *head, swg_source **out);

#endif
