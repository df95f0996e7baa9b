/* Reading a zip's central directory: from the end record, through the zip64 one where there is one,
 * every entry checked against its local header. */
#include "formats/zip/zip_directory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/bytes/inflate.h"
#include "runtime/base/header_limit.h"
#include "runtime/base/tensor.h"
#include "runtime/base/utf8.h"

enum {
    END_BYTES = 22,
    END_COMMENT_MAX = 65535,
    LOCATOR_BYTES = 20,
    END64_BYTES = 56,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1,
    METHOD_DEFLATE = 8
};
static const uint32_t end_magic = 0x06054b50, end64_magic = 0x06064b50, locator_magic = 0x07064b50,
                      central_magic = 0x02014b50, local_magic = 0x04034b50;
static const uint32_t in_zip64_32 = 0xffffffff;
static const uint16_t in_zip64_16 = 0xffff;

/* --- CRC-32, eight bytes a step (slicing, Kounavis and Berry 2005) -----------------------------
 */

enum { SLICES = 8 };
static uint32_t crc_table[SLICES][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void fill_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        crc_table[0][i] = crc;
    }
    /* table[s][i]: the byte i followed by s zero bytes. */
    for (int s = 1; s < SLICES; s++)
        for (int i = 0; i < 256; i++)
            crc_table[s][i] = crc_table[s - 1][i] >> 8 ^ crc_table[0][crc_table[s - 1][i] & 0xff];
}

uint32_t swg_crc32(uint32_t crc, const uint8_t *bytes, size_t length)
{
    pthread_once(&crc_once, fill_crc_table);
    crc = ~crc;
    for (; length >= SLICES; bytes += SLICES, length -= SLICES) {
        const uint64_t word = swg_get_le(bytes, 8) ^ crc;
        crc = 0;
        for (int s = 0; s < SLICES; s++)
            crc ^= crc_table[SLICES - 1 - s][word >> (8 * s) & 0xff];
    }
    for (size_t i = 0; i < length; i++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

/* --- The end records -------------------------------------------------------------------------- */

typedef struct directory {
    const char *path;
    const swg_map *map;
    uint64_t offset, bytes, count;
} directory;

static swg_status broken(const directory *d, const char *what)
{
    return swg_error(SWG_CORRUPT, "%s: as a zip archive, %s", d->path, what);
}

/* The record that ends the file: its comment must reach exactly to the end. */
static const uint8_t *find_end(const swg_map *map)
{
    if (map->size < END_BYTES)
        return NULL;
    const size_t most =
        map->size - END_BYTES < END_COMMENT_MAX ? map->size - END_BYTES : (size_t)END_COMMENT_MAX;
    for (size_t comment = 0; comment <= most; comment++) {
        const uint8_t *at = map->data + map->size - END_BYTES - comment;
        if (swg_get_le(at, 4) == end_magic && swg_get_le(at + 20, 2) == comment)
            return at;
    }
    return NULL;
}

/* The larger record, where a locator precedes the end record. */
static swg_status read_end64(directory *d, const uint8_t *end)
{
    const uint8_t *locator = end - LOCATOR_BYTES;
    const uint64_t at = swg_get_le(locator + 8, 8);
    const uint64_t room = (uint64_t)(locator - d->map->data);
    if (at > room || room - at < END64_BYTES || swg_get_le(d->map->data + at, 4) != end64_magic)
        return broken(d, "its zip64 record is not where its locator says");
    const uint8_t *record = d->map->data + at;
    if (swg_get_le(record + 16, 4) != 0 || swg_get_le(record + 20, 4) != 0)
        return broken(d, "it is spread over several disks");
    d->count = swg_get_le(record + 32, 8);
    d->bytes = swg_get_le(record + 40, 8);
    d->offset = swg_get_le(record + 48, 8);
    return SWG_OK;
}

static swg_status read_end(directory *d)
{
    const uint8_t *end = find_end(d->map);
    if (!end)
        return broken(d, "it has no end record: it is cut off, or no zip");
    if (swg_get_le(end + 4, 2) != 0 || swg_get_le(end + 6, 2) != 0)
        return broken(d, "it is spread over several disks");
    d->count = swg_get_le(end + 10, 2);
    d->bytes = swg_get_le(end + 12, 4);
    d->offset = swg_get_le(end + 16, 4);
    const size_t before = (size_t)(end - d->map->data);
    if (before >= LOCATOR_BYTES && swg_get_le(end - LOCATOR_BYTES, 4) == locator_magic)
        SWG_TRY(read_end64(d, end));
    else if (d->count == in_zip64_16 || d->bytes == in_zip64_32 || d->offset == in_zip64_32)
        return broken(d, "its zip64 record is missing");
    if (d->offset > before || d->bytes > before - d->offset || d->count > d->bytes / CENTRAL_BYTES)
        return broken(d, "its directory lies outside the file");
    return swg_header_limit_check(d->path, "the directory of the archive", d->bytes);
}

/* --- Entries ---------------------------------------------------------------------------------- */

/* A value that a record says is in the zip64 field: the next eight bytes of that. */
static bool widen(swg_cursor *wide, uint64_t *value)
{
    if (*value != in_zip64_32)
        return true;
    *value = swg_cursor_number(wide, 8);
    return !wide->is_short;
}

static swg_cursor find_zip64(const uint8_t *extra, size_t length)
{
    swg_cursor in = {.at = extra, .left = length};
    while (in.left >= 4) {
        const uint64_t tag = swg_cursor_number(&in, 2), bytes = swg_cursor_number(&in, 2);
        const uint8_t *body = swg_cursor_take(&in, bytes);
        if (body && tag == EXTRA_ZIP64)
            return (swg_cursor){.at = body, .left = (size_t)bytes};
        if (!body)
            break;
    }
    return (swg_cursor){.is_short = true};
}

/* Where the data begin: after the local header, which must be of the same entry. */
static swg_status locate(const directory *d, uint64_t local, uint64_t method, swg_zip_entry *entry)
{
    if (local > d->offset || d->offset - local < LOCAL_BYTES ||
        swg_get_le(d->map->data + local, 4) != local_magic)
        return broken(d, "an entry's header is not where the directory says");
    const uint8_t *header = d->map->data + local;
    const uint64_t name_length = swg_get_le(header + 26, 2), extra = swg_get_le(header + 28, 2);
    const uint64_t data = local + LOCAL_BYTES + name_length + extra;
    if (data > d->offset || entry->stored_bytes > d->offset - data ||
        name_length != entry->name_length || swg_get_le(header + 8, 2) != method ||
        memcmp(header + LOCAL_BYTES, entry->name, entry->name_length) != 0)
        return broken(d, "an entry's header contradicts the directory");
    entry->offset = data;
    return SWG_OK;
}

static swg_status read_entry(const directory *d, bool may_deflate, swg_cursor *in,
                             swg_zip_entry *entry)
{
    const uint8_t *record = swg_cursor_take(in, CENTRAL_BYTES);
    if (!record || swg_get_le(record, 4) != central_magic)
        return broken(d, "its directory is damaged");
    const uint64_t flags = swg_get_le(record + 8, 2), method = swg_get_le(record + 10, 2);
    uint64_t stored = swg_get_le(record + 20, 4), bytes = swg_get_le(record + 24, 4);
    uint64_t local = swg_get_le(record + 42, 4);
    entry->crc32 = (uint32_t)swg_get_le(record + 16, 4);
    entry->name_length = (size_t)swg_get_le(record + 28, 2);
    const size_t extra_length = (size_t)swg_get_le(record + 30, 2);
    entry->name = (const char *)swg_cursor_take(in, entry->name_length);
    const uint8_t *extra = swg_cursor_take(in, extra_length);
    (void)swg_cursor_take(in, swg_get_le(record + 32, 2));
    if (in->is_short)
        return broken(d, "its directory is cut off");
    swg_cursor wide = find_zip64(extra, extra_length);
    if (!widen(&wide, &bytes) || !widen(&wide, &stored) || !widen(&wide, &local))
        return broken(d, "an entry's zip64 sizes are missing");
    entry->is_deflated = method == METHOD_DEFLATE;
    if ((method != 0 && !(entry->is_deflated && may_deflate)) || flags & FLAG_ENCRYPTED)
        return swg_error(SWG_UNSUPPORTED, "%s: zip entry %.*s is %s", d->path,
                         (int)(entry->name_length < 200 ? entry->name_length : 200),
                         swg_name_is_printable(entry->name, entry->name_length) ? entry->name : "",
                         flags & FLAG_ENCRYPTED ? "encrypted"
                         : may_deflate          ? "compressed in another way than by deflate"
                                                : "compressed, as torch.save never does; "
                                                  "unpack an archive of a model first");
    if (!entry->is_deflated && stored != bytes)
        return broken(d, "a stored entry has two sizes");
    if (entry->is_deflated && bytes / SWG_MOST_DEFLATED > stored)
        return broken(d, "an entry claims more bytes than its compression can give");
    entry->bytes = bytes;
    entry->stored_bytes = stored;
    return locate(d, local, method, entry);
}

static int compare_names(const void *a, const void *b)
{
    const swg_zip_entry *left = a, *right = b;
    const size_t common =
        left->name_length < right->name_length ? left->name_length : right->name_length;
    const int order = memcmp(left->name, right->name, common);
    if (order != 0)
        return order;
    return left->name_length < right->name_length ? -1 : left->name_length > right->name_length;
}

static int compare_offsets(const void *a, const void *b)
{
    const swg_zip_entry *left = a, *right = b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return left->stored_bytes < right->stored_bytes ? -1 : left->stored_bytes > right->stored_bytes;
}

swg_status swg_zip_open(const char *path, const swg_map *map, bool may_deflate, swg_arena *arena,
                        swg_zip *out)
{
    directory d = {.path = path, .map = map};
    SWG_TRY(read_end(&d));
    swg_cursor in = {.at = map->data + d.offset, .left = (size_t)d.bytes};
    swg_zip zip = {.n_entries = (size_t)d.count};
    zip.entries = swg_arena_calloc(arena, zip.n_entries, sizeof *zip.entries);
    if (!zip.entries)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < zip.n_entries; i++)
        SWG_TRY(read_entry(&d, may_deflate, &in, &zip.entries[i]));
    if (in.left != 0)
        return broken(&d, "its directory is longer than its entries");
    qsort(zip.entries, zip.n_entries, sizeof *zip.entries, compare_offsets);
    for (size_t i = 1; i < zip.n_entries; i++)
        if (zip.entries[i].offset - zip.entries[i - 1].offset < zip.entries[i - 1].stored_bytes)
            return broken(&d, "two entries overlap");
    qsort(zip.entries, zip.n_entries, sizeof *zip.entries, compare_names);
    for (size_t i = 1; i < zip.n_entries; i++)
        if (compare_names(&zip.entries[i - 1], &zip.entries[i]) == 0)
            return broken(&d, "two entries have one name");
    *out = zip;
    return SWG_OK;
}

const swg_zip_entry *swg_zip_find(const swg_zip *zip, const char *name, size_t length)
{
    const swg_zip_entry wanted = {.name = name, .name_length = length};
    return zip->n_entries
               ? bsearch(&wanted, zip->entries, zip->n_entries, sizeof *zip->entries, compare_names)
               : NULL;
}

swg_status swg_zip_read(const char *path, const swg_map *map, const swg_zip_entry *entry,
                        uint64_t most, char **out)
{
    const int length = (int)(entry->name_length < 200 ? entry->name_length : 200);
    char *bytes;
    if (entry->bytes > most)
        return swg_error(SWG_LIMIT, "%s: entry %.*s has %llu bytes; at most %llu are read", path,
                         length, entry->name, (unsigned long long)entry->bytes,
                         (unsigned long long)most);
    SWG_TRY(SWG_NEW_UNINIT(bytes, (size_t)entry->bytes + 1));
    const uint8_t *stored = map->data + entry->offset;
    bool is_whole = true;
    if (entry->is_deflated)
        is_whole = swg_inflate_bare(stored, (size_t)entry->stored_bytes, (uint8_t *)bytes,
                                    (size_t)entry->bytes);
    else
        memcpy(bytes, stored, (size_t)entry->bytes);
    if (!is_whole || swg_crc32(0, (const uint8_t *)bytes, (size_t)entry->bytes) != entry->crc32) {
        swg_free(bytes);
        return swg_error(SWG_CORRUPT, "%s: the bytes of entry %.*s do not match their CRC", path,
                         length, entry->name);
    }
    bytes[entry->bytes] = '\0';
    *out = bytes;
    return SWG_OK;
}
