/* The files that a GGUF is split into (NAME-00001-of-0000N.gguf): mapped and checked together. */
#ifndef SWG_FORMATS_GGUF_GGUF_PARTS_H
#define SWG_FORMATS_GGUF_GGUF_PARTS_H

#include "formats/gguf/gguf_header.h"
#include "formats/reader.h"

typedef struct swg_gguf_parts {
    swg_map *maps; /* [n], of the source's arena */
    size_t n;
    swg_gguf_header header; /* values of the first part, tensors of all */
} swg_gguf_parts;

/* Open a GGUF, and when it is one of several files the others beside it, whichever was named. Every
 * file becomes an input of the source. On failure too, swg_gguf_parts_close is the caller's.
 * SWG_CORRUPT for parts that contradict each other, SWG_UNSUPPORTED for names that do not lead to
 * the others. */
swg_status swg_gguf_parts_open(swg_source *source, const char *path, swg_gguf_parts *out);
void swg_gguf_parts_close(swg_gguf_parts *parts);

#endif
