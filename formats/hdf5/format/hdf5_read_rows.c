/* Reading datasets row by row and column by column: as boxes, the longest that rows make. */
#include "formats/hdf5/format/hdf5_read_rows.h"

#include <string.h>

#include "formats/hdf5/format/hdf5_read_chunks.h"

/* --- Boxes ------------------------------------------------------------------------------------ */

uint64_t swg_h5_next_box(const swg_h5_entry *entry, uint64_t row, uint64_t n_rows,
                         uint64_t start[SWG_MAX_RANK], uint64_t count[SWG_MAX_RANK])
{
    const uint64_t *const shape = entry->shape;
    const uint32_t last = entry->rank - 1;
    start[last] = 0;
    count[last] = shape[last];
    if (last == 0)
        return n_rows;
    /* Whole inner dimensions while the rows begin and end with them. */
    uint32_t d = last - 1;
    uint64_t inner = 1; /* rows below dimension d */
    while (d > 0 && row % (inner * shape[d]) == 0 && n_rows >= inner * shape[d]) {
        start[d] = 0;
        count[d] = shape[d];
        inner *= shape[d--];
    }
    uint64_t at = row / inner;
    start[d] = at % shape[d];
    at /= shape[d];
    count[d] = n_rows / inner;
    if (count[d] > shape[d] - start[d])
        count[d] = shape[d] - start[d];
    const uint64_t rows = count[d] * inner;
    while (d-- > 0) {
        start[d] = at % shape[d];
        at /= shape[d];
        count[d] = 1;
    }
    return rows;
}

/* --- Reading by boxes ------------------------------------------------------------------------- */

swg_status swg_h5_read_rows(const swg_h5_file *file, const swg_h5_entry *entry, uint64_t row_begin,
                            uint64_t n_rows, void *out)
{
    uint8_t *to = out;
    uint64_t start[SWG_MAX_RANK] = {0}, count[SWG_MAX_RANK] = {1};
    uint64_t row_bytes = swg_dtype_bits(entry->dtype) / 8;
    if (entry->rank)
        row_bytes *= entry->shape[entry->rank - 1];
    swg_status status = SWG_OK;
    while (n_rows > 0 && row_bytes > 0 && status == SWG_OK) {
        const uint64_t rows =
            entry->rank ? swg_h5_next_box(entry, row_begin, n_rows, start, count) : n_rows;
        status = swg_h5_read_box(swg_h5_map(file), swg_h5_path(file), entry, start, count, to);
        to += rows * row_bytes;
        row_begin += rows;
        n_rows -= rows;
    }
    return status;
}

swg_status swg_h5_read_columns(const swg_h5_file *file, const swg_h5_entry *entry, uint64_t begin,
                               uint64_t n, void *out)
{
    const size_t width = swg_dtype_bits(entry->dtype) / 8, rows = (size_t)entry->shape[0];
    const uint64_t start[SWG_MAX_RANK] = {0, begin}, count[SWG_MAX_RANK] = {rows, n};
    uint8_t *block; /* [rows][n] */
    SWG_TRY(SWG_NEW_UNINIT(block, rows * (size_t)n * width));
    const swg_status status = swg_h5_read_box(swg_h5_map(file), swg_h5_path(file), entry, start, count, block);
    for (size_t column = 0; column < n && status == SWG_OK; column++)
        for (size_t row = 0; row < rows; row++)
            memcpy((uint8_t *)out + (column * rows + row) * width,
                   block + (row * (size_t)n + column) * width, width);
    swg_free(block);
    return status;
}

swg_status swg_h5_read_bytes(const swg_h5_file *file, const swg_h5_entry *entry, swg_arena *arena,
                             char **out, size_t *length)
{
    if (!entry->is_numeric || entry->dtype != SWG_U8 || entry->rank != 1)
        return swg_error(SWG_CORRUPT, "%s: %.300s is not a text (bytes in one dimension)",
                         swg_h5_path(file), entry->path);
    char *text = swg_arena_calloc(arena, (size_t)entry->shape[0] + 1, 1);
    if (!text)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_h5_read_rows(file, entry, 0, 1, text));
    *out = text;
    *length = (size_t)entry->shape[0];
    return SWG_OK;
}

void swg_h5_release(const swg_h5_file *file, const swg_h5_entry *entry)
{
    const swg_h5_storage *const storage = entry->storage;
    const swg_map *const map = swg_h5_map(file);
    if (!storage->is_chunked && storage->bytes)
        swg_map_release(map, (size_t)(storage->bytes - map->data), (size_t)entry->stored_bytes);
    uint64_t n = storage->chunks ? 1 : 0;
    for (uint32_t i = 0; i < entry->rank; i++)
        n *= storage->n_chunks[i];
    for (uint64_t i = 0; i < n; i++)
        swg_map_release(map, (size_t)storage->chunks[i].offset, storage->chunks[i].bytes);
}
