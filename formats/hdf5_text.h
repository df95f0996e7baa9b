/* Attributes that are texts, read from the file's own bytes: libhdf5 1.10
 * follows the references of such texts without checking them, and one flipped bit ends the process.
 */
#ifndef SWG_FORMATS_HDF5_TEXT_H
#define SWG_FORMATS_HDF5_TEXT_H

#include "runtime/base/file.h"
#include "runtime/base/mem.h"

/* The texts of the attribute `name` of the object whose header is at `header`: a scalar is one, a
 * vector many; of fixed or variable length; of the arena. Files with offsets and lengths of 8
 * bytes; attributes kept in the object's header. SWG_CORRUPT (without a sentence) when that is not
 * what is there, SWG_NO_MEMORY. */
swg_status swg_h5_texts(const swg_map *map, uint64_t header, const char *name, swg_arena *arena,
                        const char *const **out, size_t *count);

#endif
