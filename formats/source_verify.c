/* Fingerprint and verification of a source: by the reader where the format has hashes, else by
 * reading every byte once. */
#include <stdlib.h>
#include <string.h>

#include "formats/reader.h"
#include "runtime/base/hash.h"

static int compare_inputs(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static swg_status hash_input(const swg_source *source, const char *path, swg_hash_stream *stream)
{
    static const size_t piece = (size_t)8 << 20; /* what is in memory at a time */
    swg_map map = {0};
    SWG_TRY(swg_source_map(source, path, &map));
    for (size_t at = 0; at < map.size; at += piece) {
        const size_t bytes = map.size - at < piece ? map.size - at : piece;
        swg_hash_stream_add(stream, map.data + at, bytes);
        swg_map_release(&map, at, bytes);
    }
    swg_map_close(&map);
    return SWG_OK;
}

swg_status swg_source_fingerprint(swg_source *source, char out[33])
{
    if (source->reader->fingerprint)
        return source->reader->fingerprint(source, out);
    swg_status status = SWG_OK;
    swg_hash_stream *stream = swg_hash_stream_new();
    if (!stream)
        return SWG_NO_MEMORY;
    qsort(source->inputs, source->n_inputs, sizeof *source->inputs, compare_inputs);
    for (size_t i = 0; i < source->n_inputs; i++)
        SWG_GO(hash_input(source, source->inputs[i], stream));
    swg_hash_stream_text(&stream, out);
done:
    swg_hash_stream_free(&stream);
    return status;
}

/* Formats without hashes: every row is read once. */
static swg_status read_through(swg_source *source, size_t tensor)
{
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(&source->tensors[tensor].desc, planes);
    for (size_t p = 0; p < n_planes && planes[p].bytes > 0; p++) {
        const uint64_t step = swg_source_rows_per_read(source, tensor, p);
        uint8_t *rows;
        SWG_TRY(SWG_NEW_UNINIT(rows, (size_t)(step * planes[p].row_bytes)));
        swg_status status = SWG_OK;
        for (uint64_t row = 0; row < planes[p].rows && status == SWG_OK; row += step) {
            const uint64_t left = planes[p].rows - row;
            status = swg_source_read(source, tensor, p, row, step < left ? step : left, rows);
        }
        swg_free(rows);
        SWG_TRY(status);
    }
    swg_source_release(source, tensor);
    return SWG_OK;
}

swg_status swg_source_verify(swg_source *source, swg_pool *pool, const swg_progress *progress,
                             swg_damage_callback *damaged, void *context)
{
    if (source->reader->verify)
        return source->reader->verify(source, pool, progress, damaged, context);
    size_t n_damaged = 0;
    for (size_t i = 0; i < source->n_tensors; i++) {
        SWG_TRY(swg_progress_step(progress, "verifying", "tensors", i, source->n_tensors));
        const swg_status status = read_through(source, i);
        if (status == SWG_NO_MEMORY)
            return status;
        if (status != SWG_OK && damaged)
            damaged(context, source->tensors[i].desc.name, swg_error_message());
        n_damaged += status != SWG_OK;
    }
    return n_damaged == 0 ? SWG_OK
                          : swg_error(SWG_CORRUPT, "%s: %zu of %zu tensors are damaged",
                                      source->path, n_damaged, source->n_tensors);
}
