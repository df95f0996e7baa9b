/* PyTorch archives made by hand, for tests of their reader. */
#ifndef SWG_TESTS_FORMATS_TORCH_ARCHIVE_H
#define SWG_TESTS_FORMATS_TORCH_ARCHIVE_H

#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/zip/zip_directory.h"
#include "runtime/base/strbuf.h"
#include "tests/harness.h"

typedef struct record {
    const char *name, *data;
    size_t length;
} record;

/* A zip of stored records; `method` goes into every header. With zip64 records when asked. */
void write_zip(const char *path, const record *records, size_t count, unsigned method,
               bool is_zip64);

/* {"w": tensor of a storage "0" of `n_elems` floats}: sizes [rows, 2], strides [stride, 1]. */
size_t make_pickle(char *out, unsigned n_elems, unsigned offset, unsigned rows, unsigned stride);

#endif
