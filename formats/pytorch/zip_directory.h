/* The directory of a zip archive whose entries are stored, not compressed: what torch.save writes.
 * (PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 for zip64.) */
#ifndef SWG_FORMATS_PYTORCH_ZIP_DIRECTORY_H
#define SWG_FORMATS_PYTORCH_ZIP_DIRECTORY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/status.h"

/* One entry; its bytes are inside the map and no other entry's. */
typedef struct swg_zip_entry {
    const char *name; /* in the map; no NUL after it */
    size_t name_length;
    uint64_t offset, bytes;
    uint32_t crc32;
} swg_zip_entry;

typedef struct swg_zip {
    swg_zip_entry *entries; /* sorted by name */
    size_t n_entries;
} swg_zip;

/* Read and check the directory of a mapped file; `path` is for messages. Compressed or encrypted
 * entries, several disks, overlapping data and names given twice are refused. The list is the
 * arena's, names are views of the map. */
swg_status swg_zip_open(const char *path, const swg_map *map, swg_arena *arena, swg_zip *out);

/* Entry of that name, or NULL. O(log n). */
const swg_zip_entry *swg_zip_find(const swg_zip *zip, const char *name, size_t length);

/* CRC-32 (the zip's, reflected 0xEDB88320) of bytes, continuing from `crc` (0 at the start). */
uint32_t swg_crc32(uint32_t crc, const uint8_t *bytes, size_t length);

#endif
