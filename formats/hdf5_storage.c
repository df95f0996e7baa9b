/* Checks of declared sizes against what a file holds. */
#include "formats/hdf5_storage.h"

static const uint64_t max_chunk_bytes = 1 << 30;
static const uint64_t max_deflate_ratio = 1032; /* of deflate itself */

/* Of one call: for messages. */
typedef struct place {
    const char *path, *object;
    uint64_t file_bytes;
} place;

static swg_status refuse(const place *p, swg_status status, const char *what)
{
    return swg_error(status, "%s: %.300s %s", p->path, p->object, what);
}

static swg_status size_mismatch(const place *p, uint64_t declared, uint64_t stored)
{
    return swg_error(SWG_CORRUPT, "%s: %.300s declares %llu bytes, the file holds %llu of them",
                     p->path, p->object, (unsigned long long)declared, (unsigned long long)stored);
}

static swg_status check_chunks(const place *p, const swg_h5_storage *s, swg_h5_entry *entry)
{
    uint64_t n_chunks = 1, chunk_bytes = s->elem_bytes, all;
    entry->rows_per_chunk = 1;
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->chunk[i] == 0 || !swg_u64_mul(chunk_bytes, s->chunk[i], &chunk_bytes) ||
            !swg_u64_mul(n_chunks, (s->shape[i] - 1) / s->chunk[i] + 1, &n_chunks))
            return refuse(p, SWG_CORRUPT, "has impossible chunks");
        if (i + 1 < s->rank)
            entry->rows_per_chunk *= s->chunk[i] < s->shape[i] ? s->chunk[i] : s->shape[i];
    }
    if (chunk_bytes > max_chunk_bytes || !swg_u64_mul(n_chunks, chunk_bytes, &all))
        return refuse(p, SWG_UNSUPPORTED, "has chunks of more than 1 GiB");
    if (n_chunks > p->file_bytes || n_chunks != s->n_chunks)
        return swg_error(SWG_CORRUPT, "%s: %.300s declares %llu chunks, the file holds %llu",
                         p->path, p->object, (unsigned long long)n_chunks,
                         (unsigned long long)s->n_chunks);
    uint64_t most = s->stored_bytes;
    bool is_deflated = false;
    for (int i = 0; i < s->n_filters; i++)
        is_deflated = is_deflated || s->filters[i] == SWG_H5_DEFLATE;
    if (is_deflated && !swg_u64_mul(most, max_deflate_ratio, &most))
        most = UINT64_MAX;
    return most < all ? size_mismatch(p, all, most) : SWG_OK;
}

static swg_status check_kind(const place *p, const swg_h5_storage *s)
{
    if (s->layout == SWG_H5_VIRTUAL)
        return refuse(p, SWG_UNSUPPORTED, "is a virtual dataset, which is not read");
    if (s->layout == SWG_H5_UNKNOWN)
        return refuse(p, SWG_CORRUPT, "has no known layout");
    if (s->is_external)
        return refuse(p, SWG_UNSUPPORTED, "is stored in another file, which is not read");
    if (s->foreign_filter)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: %.300s is stored through filter %d; only deflate, shuffle and "
                         "fletcher32 are read",
                         p->path, p->object, s->foreign_filter);
    return s->elem_bytes ? SWG_OK : refuse(p, SWG_CORRUPT, "has elements of no bytes");
}

swg_status swg_h5_check_storage(const char *path, const char *object, uint64_t file_bytes,
                                const swg_h5_storage *s, uint64_t *total_bytes, swg_h5_entry *entry)
{
    const place p = {path, object, file_bytes};
    SWG_TRY(check_kind(&p, s));
    uint64_t bytes = s->elem_bytes;
    for (uint32_t i = 0; i < s->rank; i++)
        if (!swg_u64_mul(bytes, s->shape[i], &bytes))
            return refuse(&p, SWG_CORRUPT, "declares more than 2^64 bytes");
    if (bytes == 0)
        return SWG_OK;
    /* Parts of the file that are used twice are a way to declare more than it holds. */
    entry->stored_bytes = s->stored_bytes;
    if (!swg_u64_add(*total_bytes, s->stored_bytes, total_bytes) || *total_bytes > file_bytes)
        return refuse(&p, SWG_CORRUPT, "and those before it need more bytes than the file has");
    if (s->layout == SWG_H5_CHUNKED)
        return check_chunks(&p, s, entry);
    if (s->stored_bytes < bytes)
        return size_mismatch(&p, bytes, s->stored_bytes);
    if (s->layout == SWG_H5_CONTIGUOUS &&
        (s->offset > file_bytes || bytes > file_bytes - s->offset))
        return size_mismatch(&p, bytes, s->offset < file_bytes ? file_bytes - s->offset : 0);
    return SWG_OK;
}
