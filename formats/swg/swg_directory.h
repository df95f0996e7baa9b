/* The directory of a .swg that is being read, and what the reader keeps of an open container. Every
 * offset, size and count is checked here, once, on opening: a reader of frames may rely on them. */
#ifndef SWG_FORMATS_SWG_SWG_DIRECTORY_H
#define SWG_FORMATS_SWG_SWG_DIRECTORY_H

#include <pthread.h>

#include "formats/reader.h"
#include "formats/swg/swg_layout.h"

struct swg_scratch; /* what decoding needs: swg_reader.c */

/* `state` of a source. */
typedef struct swg_container {
    swg_map map;
    uint32_t features; /* required ones */
    uint64_t directory_offset;
    const uint8_t *directory; /* as stored */
    uint32_t directory_stored;
    uint8_t *raw_directory;
    size_t raw_directory_bytes;
    pthread_mutex_t mutex; /* guards the list */
    struct swg_scratch *free_scratch;
} swg_container;

/* `detail` of a tensor; that of a carried file is its swg_stream. */
typedef struct swg_planes_detail {
    swg_stream planes[SWG_PLANE_KINDS];
    size_t n_planes;
} swg_planes_detail;

/* Check the superblock of the mapped file, decode the directory and fill the source with what it
 * lists. SWG_CORRUPT also unless the frames tile the file exactly, from superblock to directory. */
swg_status swg_directory_read(swg_source *source);

#endif
