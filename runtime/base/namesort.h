/* Sorting many names that begin alike, as a checkpoint's do. */
#ifndef SWG_RUNTIME_BASE_NAMESORT_H
#define SWG_RUNTIME_BASE_NAMESORT_H

#include <stddef.h>
#include <stdint.h>

/* A name and what it is the name of. `key` is scratch. */
typedef struct swg_name_item {
    const char *name; /* NUL-terminated */
    const void *of;
    uint64_t key;
} swg_name_item;

/* Sort into ascending strcmp order; equal names become neighbours, in any order. At most O(n log n)
 * comparisons per 8 bytes that names have in common, whatever the names are. */
void swg_sort_names(swg_name_item *items, size_t count);

#endif
