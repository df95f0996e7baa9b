/* Finding a dataset's chunks: every index that HDF5 1.10 writes becomes one table. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_INDEX_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_INDEX_H

#include "formats/hdf5/format/hdf5_message.h"
#include "formats/hdf5/format/hdf5_walk.h"

/* A table while it is filled. */
typedef struct swg_h5_grid {
    swg_h5_walk *walk;
    const swg_h5_place *place;
    const swg_h5_extent *extent;
    const swg_h5_storage *storage;
    uint64_t chunk_bytes; /* before filters */
    swg_h5_chunk *chunks;
    uint64_t n_due, n_found, stored_bytes;
} swg_h5_grid;

/* Fill the storage's chunks, of the arena, from the index at place->address; *stored_bytes counts
 * those of the chunks. The storage has its filters and elem_bytes; the dataset is not empty, and
 * its rank is at most SWG_MAX_RANK. SWG_CORRUPT when chunks are missing, there twice, or not in the
 * file. */
swg_status swg_h5_load_chunks(swg_h5_walk *walk, const swg_h5_place *place,
                              const swg_h5_extent *extent, swg_arena *arena,
                              swg_h5_storage *storage, uint64_t *stored_bytes);

/* For the kinds of index: a chunk was found at `at` (in chunks, one a dimension). An address of
 * nowhere is none. */
swg_status swg_h5_grid_put(swg_h5_grid *grid, const uint64_t at[SWG_MAX_RANK], uint64_t offset,
                           uint64_t bytes, uint32_t skipped);

/* Arrays: hdf5_array.c. */
swg_status swg_h5_walk_fixed_array(swg_h5_grid *grid);
swg_status swg_h5_walk_extensible_array(swg_h5_grid *grid);

#endif
