/* Reading boxes of datasets from the mapped file: contiguous bytes, and chunks through the filters
 * that are read. libhdf5 only says where a chunk is; version 1.10 reads beyond the end of a chunk
 * that decodes to less than its size. */
#ifndef SWG_FORMATS_HDF5_CHUNK_H
#define SWG_FORMATS_HDF5_CHUNK_H

#include "formats/hdf5_storage.h"

/* Where the library says that a chunk is. */
typedef struct swg_h5_chunk {
    uint64_t offset, bytes;
    uint32_t skipped_filters; /* bit i: filter i was not applied */
} swg_h5_chunk;

/* The box of count[i] elements from start[i] on in each dimension of a numeric dataset (rank 0 to
 * SWG_MAX_RANK), little-endian, to `out`. The range is the caller's promise. SWG_CORRUPT when a
 * checksum or a size does not fit. */
swg_status swg_h5_read_stored(swg_h5_file *file, const swg_h5_entry *entry,
                              const uint64_t start[SWG_MAX_RANK],
                              const uint64_t count[SWG_MAX_RANK], void *out);

/* What hdf5.c answers: the chunk that holds the element at `corner`; a whole dataset that is kept
 * in its object's header. */
swg_status swg_h5_find_chunk(swg_h5_file *file, const swg_h5_entry *entry,
                             const uint64_t corner[SWG_MAX_RANK], swg_h5_chunk *out);
swg_status swg_h5_read_compact(swg_h5_file *file, const swg_h5_entry *entry,
                               const uint64_t start[SWG_MAX_RANK],
                               const uint64_t count[SWG_MAX_RANK], void *out);
const swg_map *swg_h5_map(const swg_h5_file *file);

#endif
