/* Chunk indexes that are arrays. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_ARRAY_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_ARRAY_H

#include "formats/hdf5/format/hdf5_grid.h"

/* Put every chunk that the array at grid->place->address lists into the grid. SWG_CORRUPT. */
swg_status swg_h5_walk_fixed_array(swg_h5_grid *grid);
swg_status swg_h5_walk_extensible_array(swg_h5_grid *grid);

#endif
