/* Verification of a source: by the reader where the format has hashes, else by reading every byte
 * once. */
#include "formats/reader.h"

/* Formats without hashes: every row is read once. */
static swg_status read_through(swg_source *source, size_t tensor)
{
    size_t n_planes;
    const swg_plane *const planes = swg_source_planes(source, tensor, &n_planes);
    for (size_t p = 0; p < n_planes && planes[p].bytes > 0; p++) {
        const uint64_t step = swg_source_rows_per_read(source, tensor, planes[p].kind);
        uint8_t *rows;
        SWG_TRY(SWG_NEW_UNINIT(rows, (size_t)(step * planes[p].row_bytes)));
        swg_status status = SWG_OK;
        for (uint64_t row = 0; row < planes[p].rows && status == SWG_OK; row += step) {
            const uint64_t left = planes[p].rows - row;
            status = swg_source_read(source, tensor, planes[p].kind, row, step < left ? step : left,
                                     rows);
        }
        swg_free(rows);
        SWG_TRY(status);
    }
    swg_source_release(source, tensor);
    return SWG_OK;
}

/* Count a failure and go on; only a lack of memory ends the check. */
static swg_status note_damage(swg_status status, const char *what, swg_damage_callback *damaged,
                              void *context, size_t *n_damaged)
{
    if (status == SWG_OK || status == SWG_NO_MEMORY)
        return status;
    if (damaged)
        damaged(context, what, swg_error_message());
    ++*n_damaged;
    return SWG_OK;
}

swg_status swg_source_verify(swg_source *source, swg_pool *pool, const swg_progress *progress,
                             swg_damage_callback *damaged, void *context)
{
    if (source->reader->verify)
        return source->reader->verify(source, pool, progress, damaged, context);
    const size_t n_items = source->n_tensors + source->n_files;
    size_t n_damaged = 0;
    for (size_t i = 0; i < source->n_tensors; i++) {
        SWG_TRY(swg_progress_step(progress, "verifying", "items", i, n_items));
        SWG_TRY(note_damage(read_through(source, i), source->tensors[i].desc.name, damaged,
                            context, &n_damaged));
    }
    for (size_t i = 0; i < source->n_files; i++) {
        swg_file_view file;
        SWG_TRY(swg_progress_step(progress, "verifying", "items", source->n_tensors + i, n_items));
        const swg_status status = swg_source_file(source, i, &file);
        if (status != SWG_UNSUPPORTED) /* a tokenizer that cannot be presented is not damaged */
            SWG_TRY(note_damage(status, source->files[i].name, damaged, context, &n_damaged));
    }
    return n_damaged == 0 ? SWG_OK
                          : swg_error(SWG_CORRUPT, "%s: %zu of %zu tensors and files are damaged",
                                      source->path, n_damaged, n_items);
}
