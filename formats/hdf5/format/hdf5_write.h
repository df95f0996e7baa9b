/* Writing HDF5 files: datasets of numbers, groups on the way to them, text attributes. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_H

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread.h"

typedef struct swg_h5_output swg_h5_output;

/* libhdf5 is not safe from several threads: every call here takes one lock of the process.
 *
 * Start a file in an empty writer, which must outlive the output. `path` is for messages. */
swg_status swg_h5_create(const char *path, swg_file_writer *writer, swg_h5_output **out);

/* A dataset of an integer or float type (F16, F32, F64, I8 to U64), in chunks of about 1 MiB with
 * shuffle and fletcher32 (no chunks for a scalar or an empty one), which the pool (NULL: one
 * thread) filters and writes; groups on the way are made. */
swg_status swg_h5_put(swg_h5_output *output, const char *path, swg_dtype dtype, uint32_t rank,
                      const uint64_t *shape, const void *data, swg_pool *pool,
                      uint64_t *stored_bytes);

/* A text attribute of an object that exists ("" = the root). */
swg_status swg_h5_put_text(swg_h5_output *output, const char *object, const char *name,
                           const char *text);

/* End the file; everything is in the writer then, *bytes long. Frees and clears in every case. */
swg_status swg_h5_finish(swg_h5_output **output, uint64_t *bytes);
void swg_h5_abort(swg_h5_output **output); /* NULL inside is accepted */

#endif
