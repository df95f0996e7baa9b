/* A set of addresses: which objects of an HDF5 file were seen before. */
#ifndef SWG_FORMATS_HDF5_FORMAT_ADDRESS_SET_H
#define SWG_FORMATS_HDF5_FORMAT_ADDRESS_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Addresses of objects seen; zero-initialise to start, release `slots` with swg_free. */
typedef struct swg_h5_addresses {
    uint64_t *slots; /* open addressing: address + 1; 0 = empty */
    size_t capacity, count;
} swg_h5_addresses;

bool swg_h5_addresses_has(const swg_h5_addresses *set, uint64_t address);
/* Put an address in; *is_new tells whether it was not there before. SWG_NO_MEMORY. */
swg_status swg_h5_addresses_add(swg_h5_addresses *set, uint64_t address, bool *is_new);

#endif
