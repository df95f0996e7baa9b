/* What the messages of an object's header say: extents, types, layouts, filters, links, attributes.
 * Each function reads one body and returns false when it is damaged or of an unknown version. (HDF5
 * file format specification 3.0, IV.A.2.) */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_MESSAGE_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_MESSAGE_H

#include "formats/bytes/bytes.h"
#include "formats/hdf5/format/hdf5_storage.h"
#include "formats/hdf5/format/hdf5_walk.h"

enum { SWG_H5_MAX_RANK = 32 };

typedef struct swg_h5_extent {
    bool is_null; /* no elements and no shape at all */
    uint32_t rank;
    uint64_t size[SWG_H5_MAX_RANK], most[SWG_H5_MAX_RANK]; /* now; what it may grow to */
} swg_h5_extent;
bool swg_h5_parse_extent(swg_cursor body, swg_h5_extent *out);

typedef struct swg_h5_type {
    uint64_t bytes;
    bool is_numeric; /* `dtype` holds */
    swg_dtype dtype;
    bool is_big_endian;
    bool is_text, is_variable_text; /* of fixed, of variable length */
    bool is_space_padded;
} swg_h5_type;
bool swg_h5_parse_type(swg_cursor body, swg_h5_type *out);

/* How chunks are found. The numbers are those of the file, but for the first. */
typedef enum swg_h5_index_kind {
    SWG_H5_BTREE_1 = 0,
    SWG_H5_SINGLE = 1,
    SWG_H5_IMPLICIT = 2,
    SWG_H5_FIXED_ARRAY = 3,
    SWG_H5_EXTENSIBLE_ARRAY = 4,
    SWG_H5_BTREE_2 = 5
} swg_h5_index_kind;

typedef struct swg_h5_place {
    swg_h5_layout layout;
    const uint8_t *compact;  /* the bytes themselves, in the header */
    uint64_t address, bytes; /* of the bytes; of the index when chunked; bytes: 0 when chunked */
    swg_h5_index_kind index;
    uint32_t rank;                   /* of chunks */
    uint64_t chunk[SWG_H5_MAX_RANK]; /* in elements */
    uint64_t elem_bytes;             /* as chunks see them */
    bool skips_edges;                /* chunks that the extent cuts are not filtered */
    bool is_single_filtered;         /* then with: */
    uint64_t single_bytes;
    uint32_t single_skipped;
} swg_h5_place;
bool swg_h5_parse_place(swg_cursor body, swg_h5_place *out);

/* Fills the storage's filters. */
bool swg_h5_parse_filters(swg_cursor body, swg_h5_storage *storage);

typedef struct swg_h5_link {
    enum { SWG_H5_HARD_LINK, SWG_H5_SOFT_LINK, SWG_H5_OTHER_FILE = 64 } kind; /* or unknown */
    const char *name; /* not closed by a zero byte */
    size_t name_length;
    uint64_t address; /* of a hard link: the object's header */
} swg_h5_link;
bool swg_h5_parse_link(swg_cursor body, swg_h5_link *out);

/* The parts of an attribute. */
typedef struct swg_h5_attribute {
    const char *name;
    swg_cursor type, extent, data;
} swg_h5_attribute;
bool swg_h5_parse_attribute(swg_cursor body, swg_h5_attribute *out);

#endif
