/* The structures of an HDF5 file that libhdf5 1.10 decodes without looking where they end:
 * superblock and object headers. They are walked here before the library sees them. (HDF5 file
 * format specification 3.0, II.A and IV.) */
#ifndef SWG_FORMATS_HDF5_HEADER_H
#define SWG_FORMATS_HDF5_HEADER_H

#include <stdbool.h>

#include "formats/bytes.h"
#include "runtime/base/file.h"

/* Header messages that others ask for. */
enum { SWG_H5_ATTRIBUTE = 0x0c };

typedef struct swg_h5_message {
    uint64_t type;
    bool is_shared; /* the body only says where the message is */
    swg_cursor body;
} swg_h5_message;

/* The parts of an attribute's message. */
typedef struct swg_h5_attribute {
    swg_cursor name, type, extent, data; /* the name with its closing zero byte */
} swg_h5_attribute;

/* Where the root group's header is. False when the superblock is damaged, or has a base address or
 * offsets or lengths of other than 8 bytes. */
bool swg_h5_find_root(const swg_map *map, uint64_t *header);

/* Call `visit` for each message of the header (version 1 or 2, with its continuations) until it
 * returns false. False when that, or when the header does not lie in the file as it says. */
typedef bool swg_h5_visit(void *context, const swg_h5_message *message);
bool swg_h5_walk_header(const swg_map *map, uint64_t header, swg_h5_visit *visit, void *context);

/* Whether every message of the header ends where it should. Types are those of numbers, texts,
 * enumerations, references, opaque bytes, and variable lengths of these. */
bool swg_h5_header_is_sound(const swg_map *map, uint64_t header);

bool swg_h5_parse_attribute(swg_cursor body, swg_h5_attribute *out);

/* How many elements: 1 for a scalar, the size of a vector; false for more dimensions. */
bool swg_h5_parse_count(swg_cursor extent, uint64_t *count);

#endif
