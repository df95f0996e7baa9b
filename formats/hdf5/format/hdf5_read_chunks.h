/* Reading boxes of datasets from the mapped file: bytes in one piece, and chunks through the
 * filters that are read. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_READ_CHUNKS_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_READ_CHUNKS_H

#include "formats/hdf5/format/hdf5_storage.h"

/* The box of count[i] elements from start[i] on in each dimension of a numeric dataset (rank 0 to
 * SWG_MAX_RANK), little-endian, to `out`. The range is the caller's promise. SWG_CORRUPT when a
 * checksum or a size does not fit; `path` is for messages. Safe from several threads. */
swg_status swg_h5_read_box(const swg_map *map, const char *path, const swg_h5_entry *entry,
                           const uint64_t start[SWG_MAX_RANK], const uint64_t count[SWG_MAX_RANK],
                           void *out);

#endif
