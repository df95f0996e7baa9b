/* Attributes that are texts of variable length, read from the file's own bytes: libhdf5 1.10
 * follows the references of such texts without checking them, and one flipped bit ends the process.
 */
#ifndef SWG_FORMATS_HDF5_TEXT_H
#define SWG_FORMATS_HDF5_TEXT_H

#include "runtime/base/file.h"
#include "runtime/base/mem.h"

/* The `count` texts of the attribute `name` of the object whose header is at `header`, of the
 * arena, into list. Files with offsets and lengths of 8 bytes; attributes kept in the object's
 * header. SWG_CORRUPT (without a sentence) when they are not there, SWG_NO_MEMORY. */
swg_status swg_h5_variable_texts(const swg_map *map, uint64_t header, const char *name,
                                 size_t count, swg_arena *arena, const char **list);

#endif
