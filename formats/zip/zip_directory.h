/* The directory of a zip archive, and its entries: stored (what torch.save and Keras write) or,
 * where the caller can use that, deflated. (PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 for
 * zip64.) */
#ifndef SWG_FORMATS_ZIP_ZIP_DIRECTORY_H
#define SWG_FORMATS_ZIP_ZIP_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"

/* One entry; its stored bytes are inside the map and no other entry's. */
typedef struct swg_zip_entry {
    const char *name; /* in the map; no NUL after it */
    size_t name_length;
    uint64_t offset, stored_bytes; /* in the map */
    uint64_t bytes;                /* once inflated; the same where it is stored as it is */
    bool is_deflated;
    uint32_t crc32;
} swg_zip_entry;

typedef struct swg_zip {
    swg_zip_entry *entries; /* sorted by name */
    size_t n_entries;
} swg_zip;

/* Read and check the directory of a mapped file; `path` is for messages. Encrypted
 * entries, compressed ones (but deflate where `may_deflate`), several disks, overlapping data and
 * names given twice are refused. The list is the arena's, names are views of the map. */
swg_status swg_zip_open(const char *path, const swg_map *map, bool may_deflate, swg_arena *arena,
                        swg_zip *out);

/* Entry of that name, or NULL. O(log n). */
const swg_zip_entry *swg_zip_find(const swg_zip *zip, const char *name, size_t length);

/* An entry's bytes, checked against its CRC, with a NUL after them; the caller frees *out.
 * SWG_LIMIT above `most` bytes, SWG_CORRUPT. */
swg_status swg_zip_read(const char *path, const swg_map *map, const swg_zip_entry *entry,
                        uint64_t most, char **out);

/* CRC-32 (the zip's, reflected 0xEDB88320) of bytes, continuing from `crc` (0 at the start). */
uint32_t swg_crc32(uint32_t crc, const uint8_t *bytes, size_t length);

#endif
