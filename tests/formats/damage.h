/* A file damaged in every place, in memory: a test for all readers. A reader may refuse
 * it or read what is left; it may not crash, hang, or refuse it without a message. */
#ifndef SWG_TESTS_FORMATS_DAMAGE_H
#define SWG_TESTS_FORMATS_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct damage_count {
    size_t cuts, cuts_refused;
    size_t flips, flips_refused;
} damage_count;

/* Cut the file at every length that is a multiple of `step`, and flip bits of every such byte in
 * turn, each in a block of memory that ends where the file does. Fails the test unless every
 * refusal is SWG_CORRUPT or SWG_UNSUPPORTED with a sentence. The caller judges the counts. */
damage_count damage_everywhere(const char *name, const uint8_t *bytes, size_t length, size_t step);

/* The same of the file at `path`. */
damage_count damage_file_everywhere(const char *path, size_t step);

#endif
