/* What this process holds in memory, as the system counts it. */
#ifndef SWG_EVAL_MEMORY_USE_H
#define SWG_EVAL_MEMORY_USE_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes. Pages that n processes share count 1/n in proportional sets. */
typedef struct swg_memory_use {
    uint64_t rss;      /* resident set */
    uint64_t pss;      /* proportional set */
    uint64_t pss_anon; /* of it what is the process's own: weights, caches, activations */
    uint64_t pss_file; /* of it pages of files: the program, libraries, mapped inputs */
} swg_memory_use;

/* Now. `root` is "" or, for tests, a folder with a file like /proc/self/smaps_rollup. False where
 * the system does not say (Linux before 5.3 or so). */
bool swg_memory_use_read(const char *root, swg_memory_use *out);

#endif
