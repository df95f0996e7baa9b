/* Where a dataset's bytes are, known to be in the file before anything is allocated for them: a
 * file of 1,400 bytes can declare a dataset of 4 TiB. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_STORAGE_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_STORAGE_H

#include "formats/hdf5/format/hdf5_read.h"

enum { SWG_H5_MAX_FILTERS = 8 };

/* Filters that are read. */
typedef enum swg_h5_filter { SWG_H5_DEFLATE, SWG_H5_SHUFFLE, SWG_H5_FLETCHER32 } swg_h5_filter;

typedef enum swg_h5_layout {
    SWG_H5_COMPACT, /* in the object's header */
    SWG_H5_CONTIGUOUS,
    SWG_H5_CHUNKED,
    SWG_H5_VIRTUAL
} swg_h5_layout;

typedef struct swg_h5_chunk {
    uint64_t offset;
    uint32_t bytes;   /* 0: there is none */
    uint32_t skipped; /* bit i: filter i was not applied */
} swg_h5_chunk;

struct swg_h5_storage {
    bool is_chunked;
    bool is_big_endian;
    int foreign_filter;                        /* one that is not read; 0 = none */
    swg_h5_filter filters[SWG_H5_MAX_FILTERS]; /* in the order of writing */
    int n_filters;
    size_t shuffle_bytes; /* elements as shuffle sees them */
    uint64_t elem_bytes;
    const uint8_t *bytes; /* all of it, where it is in one piece */
    uint64_t chunk[SWG_MAX_RANK], n_chunks[SWG_MAX_RANK];
    const swg_h5_chunk *chunks; /* row-major in n_chunks, every one of them there */
};

#endif
