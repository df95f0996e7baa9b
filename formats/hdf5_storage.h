/* Whether a dataset's bytes are all in the file: checks on what libhdf5 says of its storage, before
 * anything is allocated for it. A file of 1,400 bytes can declare a dataset of 4 TiB. */
#ifndef SWG_FORMATS_HDF5_STORAGE_H
#define SWG_FORMATS_HDF5_STORAGE_H

#include "formats/hdf5.h"

enum { SWG_H5_MAX_RANK = 32, /* of HDF5 */ SWG_H5_MAX_FILTERS = 8 };

/* Filters that are read. */
typedef enum swg_h5_filter { SWG_H5_DEFLATE, SWG_H5_SHUFFLE, SWG_H5_FLETCHER32 } swg_h5_filter;

typedef enum swg_h5_layout {
    SWG_H5_UNKNOWN,
    SWG_H5_COMPACT, /* in the object's header */
    SWG_H5_CONTIGUOUS,
    SWG_H5_CHUNKED,
    SWG_H5_VIRTUAL
} swg_h5_layout;

struct swg_h5_storage {
    swg_h5_layout layout;
    bool is_external, is_big_endian;
    int foreign_filter;                        /* one that is not read; 0 = none */
    swg_h5_filter filters[SWG_H5_MAX_FILTERS]; /* in the order of writing */
    int n_filters;
    size_t shuffle_bytes; /* elements as shuffle sees them */
    uint64_t elem_bytes;
    uint32_t rank;
    uint64_t shape[SWG_H5_MAX_RANK], chunk[SWG_H5_MAX_RANK];
    uint64_t stored_bytes;
    uint64_t offset;   /* of contiguous ones; UINT64_MAX when nothing was ever written */
    uint64_t n_chunks; /* that exist */
};

/* Check a dataset of a file of `file_bytes`; *total_bytes counts what the datasets checked so far
 * need of it. Fills rows_per_chunk and stored_bytes of the entry. */
swg_status swg_h5_check_storage(const char *path, const char *object, uint64_t file_bytes,
                                const swg_h5_storage *storage, uint64_t *total_bytes,
                                swg_h5_entry *entry);

#endif
