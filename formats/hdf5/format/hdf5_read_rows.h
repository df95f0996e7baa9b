/* Rows of a dataset as boxes. Reading by rows and columns is declared in hdf5_read.h. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_READ_ROWS_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_READ_ROWS_H

#include "formats/hdf5/format/hdf5_read.h"

/* The longest run of rows from `row` on, at most n_rows, that is one box of the dataset (rank >=
 * 1): start and count in each dimension. Returns its rows. */
uint64_t swg_h5_next_box(const swg_h5_entry *entry, uint64_t row, uint64_t n_rows,
                         uint64_t start[SWG_MAX_RANK], uint64_t count[SWG_MAX_RANK]);

#endif
