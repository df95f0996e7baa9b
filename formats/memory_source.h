/* A checkpoint that is made in memory: configuration, files and tensors of F32 that the caller
 * fills. Models load from it, and it is written, like any other source.
 *
 *     swg_source *source;
 *     float *values;
 *     SWG_TRY(swg_memory_source_new("a model", config, length, &source));
 *     SWG_TRY(swg_memory_source_add(source, "embedding.weight", 2, shape, &values));
 *     ...                                                      // fill values [its elements]
 *     SWG_TRY(swg_memory_source_finish(source));
 *     swg_source_close(&source);
 */
#ifndef SWG_FORMATS_MEMORY_SOURCE_H
#define SWG_FORMATS_MEMORY_SOURCE_H

#include "formats/formats.h"

/* `name` is what messages call it. SWG_CORRUPT unless the configuration is a JSON object. On success
 * the caller closes *out, whether finished or not. */
swg_status swg_memory_source_new(const char *name, const char *config, size_t length,
                                 swg_source **out);

/* Add a tensor, zero at first; *values is the source's. SWG_NO_MEMORY, or what is wrong with the
 * description. */
swg_status swg_memory_source_add(swg_source *source, const char *name, uint32_t rank,
                                 const uint64_t *shape, float **values);

/* The numbers of a tensor, to change them; `index` as of swg_source_find, after
 * swg_memory_source_finish. */
float *swg_memory_source_values(swg_source *source, size_t index);

/* Add a file to carry, which is copied. SWG_CORRUPT for names that no checkpoint carries. */
swg_status swg_memory_source_add_file(swg_source *source, swg_file_view file);

/* After the last tensor: put them into the order of names. SWG_CORRUPT when two have one name. */
swg_status swg_memory_source_finish(swg_source *source);

#endif
