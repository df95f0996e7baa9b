/* A set of addresses, and boxes of a dataset. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_PARTS_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_PARTS_H

#include "formats/hdf5/format/hdf5.h"

/* Addresses of objects seen; zero-initialise to start, release `slots` with swg_free. */
typedef struct swg_h5_addresses {
    uint64_t *slots; /* open addressing: address + 1; 0 = empty */
    size_t capacity, count;
} swg_h5_addresses;

bool swg_h5_addresses_has(const swg_h5_addresses *set, uint64_t address);
/* Put an address in; *is_new tells whether it was not there before. SWG_NO_MEMORY. */
swg_status swg_h5_addresses_add(swg_h5_addresses *set, uint64_t address, bool *is_new);

/* The longest run of rows from `row` on, at most n_rows, that is one box of the dataset (rank >=
 * 1): start and count in each dimension. Returns its rows. */
uint64_t swg_h5_next_box(const swg_h5_entry *entry, uint64_t row, uint64_t n_rows,
                         uint64_t start[SWG_MAX_RANK], uint64_t count[SWG_MAX_RANK]);

#endif
