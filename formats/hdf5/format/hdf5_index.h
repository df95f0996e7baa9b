/* Finding a dataset's chunks: every index that HDF5 1.10 writes becomes one table. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_INDEX_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_INDEX_H

#include "formats/hdf5/format/hdf5_message.h"
#include "formats/hdf5/format/hdf5_walk.h"

/* Fill the storage's chunks, of the arena, from the index at place->address; *stored_bytes counts
 * those of the chunks. The storage has its filters and elem_bytes; the dataset is not empty, and
 * its rank is at most SWG_MAX_RANK. SWG_CORRUPT when chunks are missing, listed twice, or not in the
 * file. */
swg_status swg_h5_load_chunks(swg_h5_walk *walk, const swg_h5_place *place,
                              const swg_h5_extent *extent, swg_arena *arena,
                              swg_h5_storage *storage, uint64_t *stored_bytes);

#endif
