/* Reading HDF5 files as this project sees them: datasets of numbers with paths, text attributes,
 * nothing that leads out of the file. They are read from their map by code of this project:
 * libhdf5 1.10, which Debian 12 ships, is not safe on untrusted files. */
#ifndef SWG_FORMATS_HDF5_FORMAT_HDF5_READ_H
#define SWG_FORMATS_HDF5_FORMAT_HDF5_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

typedef struct swg_h5_file swg_h5_file;
typedef struct swg_h5_storage swg_h5_storage;

/* A dataset, checked: its declared size is all stored, inside the file. */
typedef struct swg_h5_entry {
    const char *path;             /* without a leading slash: "tensors/w" */
    uint64_t address;             /* of its header; equal for two names of one dataset */
    bool is_numeric;              /* `dtype` holds; other kinds may not be read, nor higher ranks */
    swg_dtype dtype;              /* as stored; big-endian numbers are swapped while reading */
    uint32_t rank;                /* may exceed SWG_MAX_RANK; then shape is not filled */
    uint64_t shape[SWG_MAX_RANK]; /* slowest first */
    uint64_t rows_per_chunk;      /* rows (all dimensions but the last) of a chunk; 0 = any */
    uint64_t stored_bytes;
    const swg_h5_storage *storage; /* NULL for those that may not be read */
} swg_h5_entry;

/* Open the mapped file and check every object in it. Refused, naming the object: links that are not
 * hard, groups reached twice, external storage, virtual datasets, filters other than deflate,
 * shuffle and fletcher32, sizes that the file does not hold, parts that together need more than it
 * has. `path` is for messages. The map must outlive the file, which is then safe to read from
 * several threads. SWG_CORRUPT, SWG_UNSUPPORTED, SWG_NO_MEMORY. */
swg_status swg_h5_open(const char *path, const swg_map *map, swg_h5_file **out);
void swg_h5_close(swg_h5_file **file); /* NULL inside is accepted */

/* Datasets in the order of their paths' bytes. Valid while the file is open. */
size_t swg_h5_n_entries(const swg_h5_file *file);
const swg_h5_entry *swg_h5_entry_at(const swg_h5_file *file, size_t index);
const swg_h5_entry *swg_h5_find(const swg_h5_file *file, const char *path); /* or NULL */

const char *swg_h5_path(const swg_h5_file *file); /* as given to open */
const swg_map *swg_h5_map(const swg_h5_file *file);

/* Rows [row_begin, row_begin + n_rows) of a numeric dataset of rank 0 to SWG_MAX_RANK, as
 * swg_tensor_rows counts them, little-endian, to `out`. The range is the caller's promise. */
swg_status swg_h5_read_rows(const swg_h5_file *file, const swg_h5_entry *entry, uint64_t row_begin,
                            uint64_t n_rows, void *out);
/* Columns [begin, begin + n) of a matrix, as n rows: out[n][rows]. */
swg_status swg_h5_read_columns(const swg_h5_file *file, const swg_h5_entry *entry, uint64_t begin,
                               uint64_t n, void *out);
/* A whole U8 dataset as text with a NUL after it, of the arena. */
swg_status swg_h5_read_bytes(const swg_h5_file *file, const swg_h5_entry *entry, swg_arena *arena,
                             char **out, size_t *length);

/* Hint that the dataset was consumed, as swg_map_release. */
void swg_h5_release(const swg_h5_file *file, const swg_h5_entry *entry);

/* Questions about attributes are for one thread at a time, and all of them together may take no
 * more than a file of that size can need (SWG_CORRUPT).
 *
 * Whether a group or dataset ("" = the root) exists and has that attribute. */
bool swg_h5_has_attribute(swg_h5_file *file, const char *object, const char *name);

/* Strings of an attribute, of fixed or variable length: a scalar is one, a vector many; of the
 * arena. SWG_CORRUPT when it is absent or not text. */
swg_status swg_h5_read_texts(swg_h5_file *file, const char *object, const char *name,
                             swg_arena *arena, const char *const **out, size_t *count);

#endif
