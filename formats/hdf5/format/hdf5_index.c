/* Chunk indexes: B-trees of both versions, a single chunk, chunks one after the other; arrays are
 * in hdf5_array.c. (HDF5 file format specification 3.0, III.A.1, III.A.2, VII.) */
#include "formats/hdf5/format/hdf5_index.h"

#include "formats/hdf5/format/hdf5_array.h"
#include "formats/hdf5/format/hdf5_btree.h"
#include "formats/hdf5/format/hdf5_grid.h"

static const char *const what = "index of chunks";
static const uint64_t max_chunk_bytes = 1 << 30;
static const uint64_t max_deflate_ratio = 1032; /* of deflate itself */

/* --- B-trees ---------------------------------------------------------------------------------- */

/* Key: stored bytes u32, filters not applied u32, the first element's place u64 in each dimension,
 * and one more for bytes in an element. */
static swg_status visit_key(void *context, const uint8_t *key, uint64_t address)
{
    swg_h5_grid *const g = context;
    uint64_t at[SWG_MAX_RANK];
    for (uint32_t i = 0; i < g->place->rank; i++) {
        const uint64_t element = swg_get_le(key + 8 + 8 * i, 8);
        at[i] = element / g->place->chunk[i];
        if (element % g->place->chunk[i] != 0)
            return swg_h5_damaged(g->walk, what, g->place->address);
    }
    return swg_h5_grid_put(g, at, address, swg_get_le(key, 4), (uint32_t)swg_get_le(key + 4, 4));
}

typedef struct records {
    swg_h5_grid *grid;
    unsigned size_bytes; /* of a chunk's stored bytes; 0 without filters */
} records;

/* Record: address u64, with filters also stored bytes and filters not applied u32, then the chunk's
 * place u64 in each dimension. */
static swg_status visit_record(void *context, const uint8_t *record)
{
    const records *const r = context;
    swg_h5_grid *const g = r->grid;
    uint64_t at[SWG_MAX_RANK], bytes = g->chunk_bytes, skipped = 0;
    const uint8_t *place = record + 8;
    if (r->size_bytes) {
        bytes = swg_get_le(place, r->size_bytes);
        skipped = swg_get_le(place + r->size_bytes, 4);
        place += r->size_bytes + 4;
    }
    for (uint32_t i = 0; i < g->place->rank; i++)
        at[i] = swg_get_le(place + 8 * i, 8);
    return swg_h5_grid_put(g, at, swg_get_le(record, 8), bytes, (uint32_t)skipped);
}

static swg_status walk_records(swg_h5_grid *g)
{
    swg_h5_btree2 tree;
    records r = {.grid = g};
    SWG_TRY(swg_h5_btree2_open(g->walk, what, g->place->address, &tree));
    const size_t plain_bytes = 8 + 8 * (size_t)g->place->rank;
    bool is_expected = tree.kind == SWG_H5_RECORDS_OF_CHUNKS && g->storage->n_filters == 0 &&
                  tree.record_bytes == plain_bytes;
    if (tree.kind == SWG_H5_RECORDS_OF_FILTERED_CHUNKS && tree.record_bytes > plain_bytes + 4 &&
        tree.record_bytes <= plain_bytes + 4 + 8) {
        r.size_bytes = (unsigned)(tree.record_bytes - plain_bytes - 4);
        is_expected = g->storage->n_filters > 0;
    }
    return is_expected ? swg_h5_btree2_walk(g->walk, &tree, visit_record, &r)
                  : swg_h5_damaged(g->walk, what, g->place->address);
}

/* --- Without an index ------------------------------------------------------------------------- */

static swg_status put_single(swg_h5_grid *g)
{
    static const uint64_t first[SWG_MAX_RANK] = {0};
    const swg_h5_place *const p = g->place;
    return p->is_single_filtered
               ? swg_h5_grid_put(g, first, p->address, p->single_bytes, p->single_skipped)
               : swg_h5_grid_put(g, first, p->address, g->chunk_bytes, 0);
}

/* All chunks one after the other, those of the largest extent. */
static swg_status put_implicit(swg_h5_grid *g)
{
    uint64_t at[SWG_MAX_RANK];
    for (uint64_t i = 0; i < g->n_expected; i++) {
        uint64_t rest = i, most = 1, slot = 0;
        for (uint32_t d = g->place->rank; d-- > 0; rest /= g->storage->n_chunks[d]) {
            at[d] = rest % g->storage->n_chunks[d];
            slot += at[d] * most;
            if (!swg_u64_mul(most, (g->extent->most[d] - 1) / g->place->chunk[d] + 1, &most))
                return swg_h5_damaged(g->walk, what, g->place->address);
        }
        uint64_t offset;
        if (!swg_u64_mul(slot, g->chunk_bytes, &offset) ||
            !swg_u64_add(offset, g->place->address, &offset))
            return swg_h5_damaged(g->walk, what, g->place->address);
        SWG_TRY(swg_h5_grid_put(g, at, offset, g->chunk_bytes, 0));
    }
    return SWG_OK;
}

static swg_status walk_index(swg_h5_grid *g)
{
    if (g->place->address == SWG_H5_NOWHERE) /* nothing was ever written */
        return SWG_OK;
    switch (g->place->index) {
    case SWG_H5_BTREE_1:
        return swg_h5_walk_btree1(g->walk, what, g->place->address, SWG_H5_TREE_OF_CHUNKS,
                                  8 + 8 * ((size_t)g->place->rank + 1), visit_key, g);
    case SWG_H5_SINGLE:
        return put_single(g);
    case SWG_H5_IMPLICIT:
        return put_implicit(g);
    case SWG_H5_FIXED_ARRAY:
        return swg_h5_walk_fixed_array(g);
    case SWG_H5_EXTENSIBLE_ARRAY:
        return swg_h5_walk_extensible_array(g);
    case SWG_H5_BTREE_2:
        break;
    }
    return walk_records(g);
}

/* --- Checks ----------------------------------------------------------------------------------- */

/* Shape of the table and of a chunk. Every chunk takes at least 8 bytes of the file, so that a
 * table is never much larger than its file. */
static swg_status measure(swg_h5_grid *g, swg_h5_storage *storage)
{
    enum { LEAST_BYTES_A_CHUNK = 8 };
    uint64_t chunk_bytes = storage->elem_bytes, n = 1, all;
    for (uint32_t i = 0; i < g->place->rank; i++) {
        const uint64_t chunk = g->place->chunk[i];
        if (chunk == 0 || !swg_u64_mul(chunk_bytes, chunk, &chunk_bytes) ||
            !swg_u64_mul(n, (g->extent->size[i] - 1) / chunk + 1, &n))
            return swg_h5_damaged(g->walk, "shape of chunks", g->place->address);
        storage->chunk[i] = chunk;
        storage->n_chunks[i] = (g->extent->size[i] - 1) / chunk + 1;
    }
    if (chunk_bytes > max_chunk_bytes || !swg_u64_mul(n, chunk_bytes, &all))
        return swg_h5_unsupported(g->walk, "has chunks of more than 1 GiB");
    g->chunk_bytes = chunk_bytes;
    g->n_expected = n;
    const uint64_t most = g->walk->map->size / LEAST_BYTES_A_CHUNK;
    return n <= most ? SWG_OK
                     : swg_error(SWG_CORRUPT,
                                 "%s: %.300s declares %llu chunks, the file has room for %llu",
                                 g->walk->path, g->walk->object, (unsigned long long)n,
                                 (unsigned long long)most);
}

/* What is stored must be able to give what is declared. */
static swg_status check_ratio(const swg_h5_grid *g)
{
    uint64_t most = g->stored_bytes;
    bool is_deflated = false;
    for (int i = 0; i < g->storage->n_filters; i++)
        is_deflated = is_deflated || g->storage->filters[i] == SWG_H5_DEFLATE;
    if (is_deflated && !swg_u64_mul(most, max_deflate_ratio, &most))
        most = UINT64_MAX;
    const uint64_t expected = g->n_expected * g->chunk_bytes;
    return most >= expected ? SWG_OK
                       : swg_error(SWG_CORRUPT,
                                   "%s: %.300s declares %llu bytes, its chunks hold at most %llu",
                                   g->walk->path, g->walk->object, (unsigned long long)expected,
                                   (unsigned long long)most);
}

swg_status swg_h5_load_chunks(swg_h5_walk *walk, const swg_h5_place *place,
                              const swg_h5_extent *extent, swg_arena *arena,
                              swg_h5_storage *storage, uint64_t *stored_bytes)
{
    swg_h5_grid g = {.walk = walk, .place = place, .extent = extent, .storage = storage};
    if (place->rank != extent->rank || place->elem_bytes != storage->elem_bytes)
        return swg_h5_damaged(walk, "shape of chunks", place->address);
    SWG_TRY(measure(&g, storage));
    g.chunks = swg_arena_calloc(arena, (size_t)g.n_expected, sizeof *g.chunks);
    if (!g.chunks)
        return SWG_NO_MEMORY;
    SWG_TRY(walk_index(&g));
    if (g.n_found != g.n_expected)
        return swg_error(SWG_CORRUPT, "%s: %.300s declares %llu chunks, the file holds %llu",
                         walk->path, walk->object, (unsigned long long)g.n_expected,
                         (unsigned long long)g.n_found);
    SWG_TRY(check_ratio(&g));
    storage->chunks = g.chunks;
    *stored_bytes = g.stored_bytes;
    return SWG_OK;
}
