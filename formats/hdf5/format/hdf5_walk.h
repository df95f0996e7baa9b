/* Walking the structures of an HDF5 file with bounds. The bytes of a sound file belong to one
 * structure each, so one walk over all of it takes at most the file's bytes: that is counted, and
 * makes every loop of a crafted file end. (HDF5 file format specification 3.0.) */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_WALK_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_WALK_H

#include <stdbool.h>

#include "formats/bytes/bytes.h"
#include "runtime/base/file.h"
#include "runtime/base/status.h"

/* The address of nothing. */
#define SWG_H5_NOWHERE UINT64_MAX

typedef struct swg_h5_walk {
    const swg_map *map;
    const char *path;      /* of the file, and of */
    const char *object;    /* the object being walked ("" = the root): for messages */
    uint64_t left;         /* bytes that may still be walked */
    uint64_t header_bytes; /* of structures so far, for swg_header_limit_check */
} swg_h5_walk;

/* SWG_CORRUPT with a sentence: the object's `what` at byte `address` is damaged. */
swg_status swg_h5_damaged(const swg_h5_walk *walk, const char *what, uint64_t address);

/* SWG_UNSUPPORTED with a sentence: the object `what`. */
swg_status swg_h5_unsupported(const swg_h5_walk *walk, const char *what);

/* The `bytes` at `address`, without counting them; NULL when the file does not hold them. */
const uint8_t *swg_h5_peek(const swg_h5_walk *walk, uint64_t address, uint64_t bytes);

/* Count `bytes` as walked. SWG_CORRUPT when no more are left. */
swg_status swg_h5_count(swg_h5_walk *walk, const char *what, uint64_t address, uint64_t bytes);

/* The same for a structure, which the limit on headers is about too: SWG_LIMIT. */
swg_status swg_h5_count_structure(swg_h5_walk *walk, const char *what, uint64_t address,
                                  uint64_t bytes);

/* A structure: the `bytes` at `address` counted, after its four letters. One that is `is_sealed`
 * ends in a checksum, which is compared and not part of `out`. */
swg_status swg_h5_take(swg_h5_walk *walk, const char *what, uint64_t address, uint64_t bytes,
                       const char letters[4], bool is_sealed, swg_cursor *out);

/* Bytes that hold numbers up to `most`. */
unsigned swg_h5_width_of(uint64_t most);

/* The checksum of HDF5's structures, and whether the last 4 of the bytes are that of the others. */
uint32_t swg_h5_checksum(const uint8_t *bytes, size_t length);
bool swg_h5_is_sealed(const uint8_t *bytes, size_t length);

#endif
