/* One chunk into the table: inside of it, for the first time, and in the file. */
#include "formats/hdf5/format/hdf5_grid.h"

/* Whether the extent ends inside of the chunk. */
static bool is_edge(const swg_h5_grid *g, const uint64_t *at)
{
    for (uint32_t i = 0; i < g->place->rank; i++)
        if (g->extent->size[i] % g->place->chunk[i] != 0 &&
            at[i] == g->extent->size[i] / g->place->chunk[i])
            return true;
    return false;
}

swg_status swg_h5_grid_put(swg_h5_grid *g, const uint64_t at[SWG_MAX_RANK], uint64_t offset,
                           uint64_t bytes, uint32_t skipped)
{
    uint64_t slot = 0;
    if (offset == SWG_H5_NOWHERE)
        return SWG_OK;
    for (uint32_t i = 0; i < g->place->rank; i++) {
        if (at[i] >= g->storage->n_chunks[i])
            return swg_h5_damaged(g->walk, "index of chunks", g->place->address);
        slot = slot * g->storage->n_chunks[i] + at[i];
    }
    if (g->chunks[slot].bytes || bytes == 0 || bytes > UINT32_MAX ||
        (g->storage->n_filters == 0 && bytes != g->chunk_bytes) ||
        !swg_h5_peek(g->walk, offset, bytes))
        return swg_h5_damaged(g->walk, "chunk", offset);
    SWG_TRY(swg_h5_count(g->walk, "chunk", offset, bytes));
    if (g->place->skips_edges && is_edge(g, at))
        skipped = UINT32_MAX;
    g->chunks[slot] = (swg_h5_chunk){offset, (uint32_t)bytes, skipped};
    g->n_found++;
    g->stored_bytes += bytes;
    return SWG_OK;
}
