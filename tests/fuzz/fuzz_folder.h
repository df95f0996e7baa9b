/* A folder for targets whose input is several files; it is in memory where that is possible, and
 * removed when the process ends. */
#ifndef SWG_TESTS_FUZZ_FUZZ_FOLDER_H
#define SWG_TESTS_FUZZ_FUZZ_FOLDER_H

#include <stddef.h>

/* Begin an input: a folder without files. */
void fuzz_folder_clear(void);

/* Its path, or that of a file in it; valid until the fourth call after this one. */
const char *fuzz_folder_path(const char *name);

void fuzz_folder_write(const char *name, const void *data, size_t size);

#endif
