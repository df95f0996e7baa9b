/* Attributes of an object, and those that are texts. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_ATTRIBUTE_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_ATTRIBUTE_H

#include "formats/hdf5/format/hdf5_message.h"
#include "formats/hdf5/format/hdf5_walk.h"

/* The attribute `name` of the object whose header is at `header`; *is_found tells whether there is
 * one, and *out is valid then, as long as the map. SWG_CORRUPT when the header is damaged. */
swg_status swg_h5_find_attribute(swg_h5_walk *walk, uint64_t header, const char *name,
                                 swg_h5_attribute *out, bool *is_found);

/* The texts of an attribute: a scalar is one, a vector many; of fixed or variable length; of the
 * arena. What is looked at and copied counts as walked. SWG_CORRUPT when that is not what is there,
 * SWG_NO_MEMORY. */
swg_status swg_h5_attribute_texts(swg_h5_walk *walk, const swg_h5_attribute *attribute,
                                  swg_arena *arena, const char *const **out, size_t *count);

#endif
