/* Fractal heaps: where the links of large groups and the attributes of objects with many are kept.
 * (HDF5 file format specification 3.0, III.G.) */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_HEAP_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_HEAP_H

#include "formats/hdf5/format/hdf5_walk.h"

typedef struct swg_h5_heap_block {
    uint64_t offset, bytes; /* in the heap */
    const uint8_t *data;
} swg_h5_heap_block;

/* Zero-initialise to start. */
typedef struct swg_h5_heap {
    size_t id_bytes; /* of an object's identifier */
    size_t offset_bytes, length_bytes;
    swg_h5_heap_block *blocks; /* in the order of their offsets */
    size_t n_blocks, capacity;
} swg_h5_heap;

/* Find all blocks of the heap whose header is at `address`. SWG_UNSUPPORTED for filtered ones. */
swg_status swg_h5_heap_open(swg_h5_walk *walk, uint64_t address, swg_h5_heap *out);
void swg_h5_heap_close(swg_h5_heap *heap);

/* The object with that identifier, of id_bytes; valid as long as the map. False for objects outside
 * of the heap's blocks. */
bool swg_h5_heap_get(const swg_h5_heap *heap, const uint8_t *id, swg_cursor *out);

#endif
