/* Names are compared 8 bytes at a time as numbers that are stored in the items themselves: strcmp
 * on 100,000 names that share their first 20 bytes spends its time on those bytes and on fetching
 * them from memory. Names that are equal so far are sorted by their next 8 bytes. */
#include "runtime/base/namesort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 8, MAX_DEPTH = 512, FEW = 4 };

static int compare_keys(const void *a, const void *b)
{
    const uint64_t left = ((const swg_name_item *)a)->key, right = ((const swg_name_item *)b)->key;
    return (left > right) - (left < right);
}

static int compare_rest(const void *a, const void *b)
{
    return strcmp(((const swg_name_item *)a)->name, ((const swg_name_item *)b)->name);
}

/* Bytes from `depth` on, the first one highest; zeros after the name's end. */
static uint64_t key_at(const char *name, size_t depth)
{
    uint64_t key = 0;
    bool has_ended = false;
    for (unsigned i = 0; i < KEY_BYTES; i++) {
        const unsigned char byte = has_ended ? 0 : (unsigned char)name[depth + i];
        has_ended = byte == 0;
        key = key << 8 | byte;
    }
    return key;
}

/* The first `depth` bytes of all names are equal, and no name ends within them. */
static void sort_from(swg_name_item *items, size_t count, size_t depth)
{
    if (count <= FEW || depth >= MAX_DEPTH) {
        qsort(items, count, sizeof *items, compare_rest);
        return;
    }
    bool is_sorted = true;
    for (size_t i = 0; i < count; i++) {
        items[i].key = key_at(items[i].name, depth);
        is_sorted = is_sorted && (i == 0 || items[i - 1].key <= items[i].key);
    }
    if (!is_sorted)
        qsort(items, count, sizeof *items, compare_keys);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && items[end].key == items[begin].key;)
            end++;
        /* A key whose last byte is zero holds the name's end: such names are equal. */
        if (end - begin > 1 && (items[begin].key & 0xff) != 0)
            sort_from(items + begin, end - begin, depth + KEY_BYTES);
    }
}

void swg_sort_names(swg_name_item *items, size_t count)
{
    sort_from(items, count, 0);
}
