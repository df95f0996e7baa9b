/* Superblock and object headers of an HDF5 file: where things begin, and the messages that say what
 * an object is. (HDF5 file format specification 3.0, II.A and IV.A.) */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_HEADER_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_HEADER_H

#include "formats/hdf5/format/hdf5_walk.h"

/* Messages that are read or written. */
enum {
    SWG_H5_EXTENT = 0x01,
    SWG_H5_LINK_INFO = 0x02,
    SWG_H5_TYPE = 0x03,
    SWG_H5_FILL_VALUE = 0x05,
    SWG_H5_LINK = 0x06,
    SWG_H5_EXTERNAL = 0x07,
    SWG_H5_LAYOUT = 0x08,
    SWG_H5_GROUP_INFO = 0x0a,
    SWG_H5_FILTERS = 0x0b,
    SWG_H5_ATTRIBUTE = 0x0c,
    SWG_H5_SYMBOL_TABLE = 0x11,
    SWG_H5_ATTRIBUTE_INFO = 0x15,
};

typedef struct swg_h5_message {
    uint64_t type;
    bool is_shared; /* the body only says where the message is */
    swg_cursor body;
} swg_h5_message;

/* Where the root group's header is. SWG_CORRUPT for a damaged superblock and for a file shorter
 * than it says; SWG_UNSUPPORTED for a base address, offsets or lengths of other than 8 bytes, files
 * in several parts, and structures kept in a cache image. */
swg_status swg_h5_find_root(swg_h5_walk *walk, uint64_t *root);

/* Call `visit` for each message of the header (version 1 or 2, with its continuations) until it
 * fails. SWG_CORRUPT when the header does not lie in the file as it says, SWG_UNSUPPORTED for a
 * message that must be understood and is not known. */
typedef swg_status swg_h5_visit(void *context, const swg_h5_message *message);
swg_status swg_h5_walk_header(swg_h5_walk *walk, uint64_t header, swg_h5_visit *visit,
                              void *context);

#endif
