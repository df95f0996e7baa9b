/* Writing HDF5 files: datasets of numbers, groups on the way to them, text attributes.
 *
 *     superblock | chunks, dataset by dataset | indexes and object headers | end
 *
 * Every byte is under a checksum: chunks under fletcher32, the rest under those of the structures.
 * There are no times in the file, so the same calls give the same bytes for any number of threads.
 */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_H

#include "runtime/base/file.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread.h"

typedef struct swg_h5_output swg_h5_output;

/* Start a file in an empty writer, which must outlive the output. A writer of NULL only counts the
 * bytes that the file would have (`data` below may be NULL then). SWG_NO_MEMORY. */
swg_status swg_h5_create(swg_file_writer *writer, swg_h5_output **out);

/* A dataset of an integer or float type (F16, F32, F64, I8 to U64), in chunks of about 1 MiB with
 * shuffle and fletcher32, which the pool (NULL: one thread) filters and writes. A scalar is kept in
 * its header; an empty dataset has no bytes. No path is given twice, none is a group of another.
 * SWG_IO, SWG_NO_MEMORY. */
swg_status swg_h5_put(swg_h5_output *output, const char *path, swg_dtype dtype, uint32_t rank,
                      const uint64_t *shape, const void *data, swg_pool *pool,
                      uint64_t *stored_bytes);

/* A text attribute (less than 60,000 bytes) of the dataset that was put last, or of the root before
 * the first one. SWG_NO_MEMORY. */
swg_status swg_h5_put_text(swg_h5_output *output, const char *name, const char *text);

/* End the file; everything is in the writer then, *bytes long. Frees and clears in every case. */
swg_status swg_h5_finish(swg_h5_output **output, uint64_t *bytes);
void swg_h5_abort(swg_h5_output **output); /* NULL inside is accepted */

#endif
