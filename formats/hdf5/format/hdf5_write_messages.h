/* The structures of an HDF5 file that this project writes, appended to a buffer: object headers of
 * version 2 with their messages, and the index of a dataset's chunks. Whether the buffer could grow
 * is asked once, at the end (strbuf.h). (HDF5 file format specification 3.0, IV.A and VII.C.) */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_MESSAGES_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_WRITE_MESSAGES_H

#include "formats/hdf5/format/hdf5_write_chunks.h"
#include "runtime/base/strbuf.h"

/* A little-endian number, and an address that leads nowhere. */
void swg_h5_put_number(swg_strbuf *out, unsigned bytes, uint64_t value);
void swg_h5_put_nowhere(swg_strbuf *out);

/* The checksum of what was appended since `start`. */
void swg_h5_put_checksum(swg_strbuf *out, size_t start);

/* An object header: begin, messages, end. begin returns what end needs. */
size_t swg_h5_begin_header(swg_strbuf *out);
void swg_h5_end_header(swg_strbuf *out, size_t start);

/* The messages of a dataset: extent, type, fill value and place of its numbers. `address` is that
 * of the index of its chunks; without chunks (cut == NULL) `scalar` is its one number, or NULL for
 * an empty dataset. */
void swg_h5_put_dataset(swg_strbuf *out, swg_dtype dtype, uint32_t rank, const uint64_t *shape,
                        const swg_h5_cut *cut, uint64_t address, const uint8_t *scalar);

/* What makes the object a group, and a link in it to the header at `address`. */
void swg_h5_put_group(swg_strbuf *out);
void swg_h5_put_link(swg_strbuf *out, const char *name, size_t name_length, uint64_t address);

/* A text attribute. */
void swg_h5_put_attribute(swg_strbuf *out, const char *name, const char *text);

/* The index of chunks that lie one after the other from `first` on: a fixed array, whose header
 * begins where the buffer ends and has the file's address `address`. */
void swg_h5_put_index(swg_strbuf *out, const swg_h5_cut *cut, uint64_t address, uint64_t first);

#endif
