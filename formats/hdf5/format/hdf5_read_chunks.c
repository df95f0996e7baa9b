/* Boxes of datasets, chunk by chunk, through fletcher32, deflate and shuffle in the order in which
 * the dataset lists them, backwards. Every stage's size is known or bounded, and the last must give
 * exactly the chunk. */
#include "formats/hdf5/format/hdf5_read_chunks.h"

#include <string.h>

#include "formats/bytes/byteplanes.h"
#include "formats/bytes/bytes.h"
#include "formats/bytes/inflate.h"
#include "formats/hdf5/format/fletcher32.h"

enum { CHECKSUM_BYTES = 4 };

/* --- Filters ---------------------------------------------------------------------------------- */

/* Bytes on their way back through the filters, in one of two buffers or still in the map. */
typedef struct stage {
    const uint8_t *bytes;
    size_t length;
    uint8_t *buffers[2]; /* of `capacity` */
    size_t capacity;
    int next;
} stage;

static bool undo_checksum(stage *s)
{
    if (s->length < CHECKSUM_BYTES)
        return false;
    s->length -= CHECKSUM_BYTES;
    return swg_get_le(s->bytes + s->length, CHECKSUM_BYTES) == swg_fletcher32(s->bytes, s->length);
}

static bool undo_deflate(stage *s)
{
    size_t length = s->capacity;
    if (!swg_inflate_zlib(s->bytes, s->length, s->buffers[s->next], &length))
        return false;
    s->bytes = s->buffers[s->next];
    s->length = length;
    s->next ^= 1;
    return true;
}

/* Byte j of every element together; bytes beyond the last whole element follow as they are. */
static bool undo_shuffle(stage *s, size_t width)
{
    uint8_t *const to = s->buffers[s->next];
    if (width < 2 || s->length > s->capacity)
        return s->length <= s->capacity;
    const size_t whole = s->length / width * width;
    swg_planes_merge(s->bytes, whole / width, (unsigned)width, to);
    memcpy(to + whole, s->bytes + whole, s->length - whole);
    s->bytes = to;
    s->next ^= 1;
    return true;
}

static bool undo_filters(const swg_h5_storage *storage, uint32_t skipped, stage *s)
{
    for (int i = storage->n_filters - 1; i >= 0; i--) {
        if (skipped >> i & 1)
            continue;
        bool is_done = false;
        switch (storage->filters[i]) {
        case SWG_H5_FLETCHER32:
            is_done = undo_checksum(s);
            break;
        case SWG_H5_DEFLATE:
            is_done = undo_deflate(s);
            break;
        case SWG_H5_SHUFFLE:
            is_done = undo_shuffle(s, storage->shuffle_bytes);
            break;
        }
        if (!is_done)
            return false;
    }
    return true;
}

/* --- Boxes ------------------------------------------------------------------------------------ */

/* A box of elements inside an array: its sizes in elements, and where the box begins. */
typedef struct window {
    const uint64_t *sizes;
    uint64_t start[SWG_MAX_RANK];
} window;

static uint64_t window_offset(const window *w, uint32_t rank, const uint64_t *at)
{
    uint64_t offset = 0;
    for (uint32_t i = 0; i < rank; i++)
        offset = offset * w->sizes[i] + w->start[i] + at[i];
    return offset;
}

/* Copy count[0] x count[1] x ... elements of `width` bytes from one array's window to another's. */
static void copy_box(uint32_t rank, const uint64_t *count, size_t width, const window *from,
                     const uint8_t *source, const window *to, uint8_t *target)
{
    uint64_t at[SWG_MAX_RANK] = {0};
    for (;;) {
        memcpy(target + window_offset(to, rank, at) * width,
               source + window_offset(from, rank, at) * width, (size_t)count[rank - 1] * width);
        uint32_t d = rank - 1; /* the next row: an odometer over the outer dimensions */
        while (d > 0 && ++at[d - 1] == count[d - 1])
            at[--d] = 0;
        if (d == 0)
            return;
    }
}

static swg_status damaged_chunk(const char *path, const swg_h5_entry *entry,
                                const swg_h5_chunk *chunk)
{
    return swg_error(SWG_CORRUPT,
                     "%s: the chunk of %.300s at byte %llu is damaged: its checksum or its size is "
                     "wrong",
                     path, entry->path, (unsigned long long)chunk->offset);
}

/* The part of a box that one chunk, whose first element is `corner`, holds. */
static swg_status read_chunk(const swg_map *map, const char *path, const swg_h5_entry *entry,
                             const uint64_t *corner, const uint64_t *start, const uint64_t *count,
                             stage *s, uint8_t *out)
{
    const swg_h5_storage *const storage = entry->storage;
    const size_t width = (size_t)storage->elem_bytes;
    uint64_t chunk_bytes = width, part[SWG_MAX_RANK], slot = 0;
    for (uint32_t i = 0; i < entry->rank; i++)
        slot = slot * storage->n_chunks[i] + corner[i] / storage->chunk[i];
    const swg_h5_chunk chunk = storage->chunks[slot];
    s->bytes = map->data + chunk.offset;
    s->length = chunk.bytes;
    window from = {.sizes = storage->chunk}, to = {.sizes = count};
    for (uint32_t i = 0; i < entry->rank; i++) {
        const uint64_t begin = corner[i] > start[i] ? corner[i] : start[i];
        const uint64_t chunk_end = corner[i] + storage->chunk[i], end = start[i] + count[i];
        part[i] = (chunk_end < end ? chunk_end : end) - begin;
        from.start[i] = begin - corner[i];
        to.start[i] = begin - start[i];
        chunk_bytes *= storage->chunk[i];
    }
    if (!undo_filters(storage, chunk.skipped, s) || s->length != chunk_bytes)
        return damaged_chunk(path, entry, &chunk);
    copy_box(entry->rank, part, width, &from, s->bytes, &to, out);
    return SWG_OK;
}

static swg_status read_chunks(const swg_map *map, const char *path, const swg_h5_entry *entry,
                              const uint64_t *start, const uint64_t *count, uint8_t *out)
{
    const swg_h5_storage *const storage = entry->storage;
    const uint32_t rank = entry->rank;
    uint64_t corner[SWG_MAX_RANK], first[SWG_MAX_RANK];
    stage s = {.capacity = (size_t)storage->elem_bytes};
    for (uint32_t i = 0; i < rank; i++) {
        corner[i] = first[i] = start[i] / storage->chunk[i] * storage->chunk[i];
        s.capacity *= (size_t)storage->chunk[i]; /* at most 1 GiB: checked */
    }
    s.capacity += (size_t)CHECKSUM_BYTES * storage->n_filters;
    swg_status status = SWG_OK;
    if (storage->n_filters > 0) {
        SWG_GO(SWG_NEW_UNINIT(s.buffers[0], s.capacity));
        SWG_GO(SWG_NEW_UNINIT(s.buffers[1], s.capacity));
    }
    for (;;) {
        SWG_GO(read_chunk(map, path, entry, corner, start, count, &s, out));
        uint32_t d = rank;
        while (d > 0 && (corner[d - 1] += storage->chunk[d - 1]) >= start[d - 1] + count[d - 1]) {
            corner[d - 1] = first[d - 1];
            d--;
        }
        if (d == 0)
            break;
    }
done:
    swg_free(s.buffers[0]);
    swg_free(s.buffers[1]);
    return status;
}

static void swap_bytes(uint8_t *numbers, uint64_t count, size_t width)
{
    for (uint64_t i = 0; i < count; i++, numbers += width)
        for (size_t j = 0; j < width / 2; j++) {
            const uint8_t byte = numbers[j];
            numbers[j] = numbers[width - 1 - j];
            numbers[width - 1 - j] = byte;
        }
}

swg_status swg_h5_read_box(const swg_map *map, const char *path, const swg_h5_entry *entry,
                              const uint64_t start[SWG_MAX_RANK],
                              const uint64_t count[SWG_MAX_RANK], void *out)
{
    const swg_h5_storage *const storage = entry->storage;
    const size_t width = (size_t)storage->elem_bytes;
    uint64_t elems = 1;
    for (uint32_t i = 0; i < entry->rank; i++)
        elems *= count[i];
    if (elems == 0)
        return SWG_OK;
    if (storage->is_chunked) {
        SWG_TRY(read_chunks(map, path, entry, start, count, out));
    } else {
        const uint8_t *const bytes = storage->bytes;
        window from = {.sizes = entry->shape}, to = {.sizes = count};
        if (entry->rank)
            memcpy(from.start, start, entry->rank * sizeof *start);
        if (entry->rank)
            copy_box(entry->rank, count, width, &from, bytes, &to, out);
        else
            memcpy(out, bytes, width);
    }
    if (storage->is_big_endian)
        swap_bytes(out, elems, width);
    return SWG_OK;
}
