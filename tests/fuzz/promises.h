/* Everything a checkpoint offers, and what formats.h promises of it (names, order, the
 * configuration, files), for the fuzz targets of its readers. */
#ifndef SWG_TESTS_FUZZ_PROMISES_H
#define SWG_TESTS_FUZZ_PROMISES_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"

typedef struct fuzz_part {
    const void *data;
    size_t size;
} fuzz_part;

/* The parts one after the other are the file. Aborts when a failure has no message or is not
 * reported as corrupt or unsupported, or when a promise does not hold. Returns 0. */
int fuzz_promises(const fuzz_part *parts, size_t n_parts);

/* The same of an existing file or folder, which may name files that are missing. Returns what
 * opening it gave. */
swg_status fuzz_promises_of(const char *path, bool files_may_be_missing);

/* Abort, naming the broken promise, unless it holds. */
void fuzz_expect(bool holds, const char *what);

#endif
