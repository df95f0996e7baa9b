/* The table of a dataset's chunks while an index fills it. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_GRID_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_GRID_H

#include "formats/hdf5/format/hdf5_message.h"
#include "formats/hdf5/format/hdf5_walk.h"

typedef struct swg_h5_grid {
    swg_h5_walk *walk;
    const swg_h5_place *place;
    const swg_h5_extent *extent;
    const swg_h5_storage *storage;
    uint64_t chunk_bytes; /* before filters */
    swg_h5_chunk *chunks;
    uint64_t n_expected, n_found, stored_bytes;
} swg_h5_grid;

/* A chunk was found at `at` (in chunks, one number per dimension). An address of SWG_H5_NOWHERE is
 * ignored. SWG_CORRUPT when it is outside the table, listed twice, or not in the file. */
swg_status swg_h5_grid_put(swg_h5_grid *grid, const uint64_t at[SWG_MAX_RANK], uint64_t offset,
                           uint64_t bytes, uint32_t skipped);

#endif
