/* Chunks of a dataset on their way into the file: cut out, shuffled, summed and written by all
 * threads. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_CHUNKS_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_CHUNKS_H

#include <stdbool.h>

#include "runtime/base/file.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread.h"

/* How a dataset is cut. */
typedef struct swg_h5_cut {
    unsigned elem_bytes;
    uint32_t rank;
    uint64_t shape[SWG_MAX_RANK], chunk[SWG_MAX_RANK]; /* in elements */
    uint64_t n_chunks;
    size_t chunk_bytes, stored_bytes; /* of every chunk: before and after the filters */
} swg_h5_cut;

/* Chunks of about 1 MiB, whole rows where they fit, of nearly equal size so that the last one
 * wastes little. False for a scalar or an empty dataset: it has no chunks. */
bool swg_h5_cut_make(unsigned elem_bytes, uint32_t rank, const uint64_t *shape, swg_h5_cut *out);

/* Write all chunks of `data` (row-major), one after the other from `first` on: through shuffle,
 * where elements have more than a byte, and fletcher32. A pool of NULL is one thread. SWG_IO,
 * SWG_NO_MEMORY. */
swg_status swg_h5_write_chunks(const swg_h5_cut *cut, const void *data, uint64_t first,
                               swg_file_writer *writer, swg_pool *pool);

#endif
