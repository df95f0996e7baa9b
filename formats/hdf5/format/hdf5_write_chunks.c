/* Cutting, filtering and writing chunks. Those at the end of a dimension are filled up with zeros.
 */
#include "formats/hdf5/format/hdf5_write_chunks.h"

#include <string.h>

#include "formats/bytes/byteplanes.h"
#include "formats/bytes/bytes.h"
#include "formats/hdf5/format/fletcher32.h"
#include "runtime/base/mem.h"

enum { SUM_BYTES = 4 };

bool swg_h5_cut_make(unsigned elem_bytes, uint32_t rank, const uint64_t *shape, swg_h5_cut *out)
{
    static const uint64_t target_bytes = 1 << 20;
    uint64_t room = target_bytes / elem_bytes; /* elements */
    *out = (swg_h5_cut){.elem_bytes = elem_bytes, .rank = rank, .n_chunks = 1};
    out->chunk_bytes = elem_bytes;
    for (uint32_t i = rank; i-- > 0;) {
        if (shape[i] == 0)
            return false;
        const uint64_t most = shape[i] < room ? shape[i] : room;
        const uint64_t n = (shape[i] - 1) / most + 1;
        out->shape[i] = shape[i];
        out->chunk[i] = (shape[i] - 1) / n + 1;
        out->n_chunks *= (shape[i] - 1) / out->chunk[i] + 1;
        out->chunk_bytes *= (size_t)out->chunk[i];
        room /= out->chunk[i];
        room = room ? room : 1;
    }
    out->stored_bytes = out->chunk_bytes + SUM_BYTES;
    return rank > 0;
}

/* The first element of a chunk, in each dimension; chunks are numbered row-major. */
static void find_corner(const swg_h5_cut *cut, uint64_t index, uint64_t corner[SWG_MAX_RANK])
{
    for (uint32_t d = cut->rank; d-- > 0;) {
        const uint64_t n = (cut->shape[d] - 1) / cut->chunk[d] + 1;
        corner[d] = index % n * cut->chunk[d];
        index /= n;
    }
}

typedef struct writing {
    const swg_h5_cut *cut;
    const uint8_t *data;
    uint64_t first; /* where the first chunk goes */
    swg_file_writer *writer;
    uint8_t *scratch; /* of each thread: room for a chunk as it is, and as it is stored */
} writing;

/* The chunk's elements from `corner` on, row by row of its last dimension. */
static void cut_out(const swg_h5_cut *cut, const uint8_t *data, const uint64_t *corner,
                    uint8_t *out)
{
    const uint32_t last = cut->rank - 1;
    const size_t row_bytes = (size_t)cut->chunk[last] * cut->elem_bytes;
    const uint64_t left = cut->shape[last] - corner[last];
    const uint64_t taken = left < cut->chunk[last] ? left : cut->chunk[last];
    uint64_t at[SWG_MAX_RANK] = {0};
    memset(out, 0, cut->chunk_bytes);
    for (size_t to = 0; to < cut->chunk_bytes; to += row_bytes) {
        uint64_t from = 0;
        bool is_inside = true;
        for (uint32_t d = 0; d < cut->rank; d++) {
            from = from * cut->shape[d] + corner[d] + at[d];
            is_inside = is_inside && corner[d] + at[d] < cut->shape[d];
        }
        if (is_inside)
            memcpy(out + to, data + from * cut->elem_bytes, (size_t)taken * cut->elem_bytes);
        for (uint32_t d = last; d-- > 0 && ++at[d] == cut->chunk[d];)
            at[d] = 0;
    }
}

/* Whether the chunk lies in `data` as it is. */
static bool is_whole(const swg_h5_cut *cut, const uint64_t *corner)
{
    if (corner[0] + cut->chunk[0] > cut->shape[0])
        return false;
    for (uint32_t d = 1; d < cut->rank; d++)
        if (cut->chunk[d] != cut->shape[d])
            return false;
    return true;
}

static swg_status write_chunk(void *context, size_t index)
{
    const writing *const p = context;
    const swg_h5_cut *const cut = p->cut;
    uint8_t *const plain = p->scratch + swg_pool_thread_index() * 2 * cut->stored_bytes;
    uint8_t *const stored = plain + cut->stored_bytes;
    uint64_t corner[SWG_MAX_RANK] = {0};
    find_corner(cut, index, corner);
    const uint8_t *from = p->data + corner[0] * (cut->chunk_bytes / cut->chunk[0]);
    if (!is_whole(cut, corner)) {
        cut_out(cut, p->data, corner, plain);
        from = plain;
    }
    if (cut->elem_bytes > 1)
        swg_planes_split(from, cut->chunk_bytes / cut->elem_bytes, cut->elem_bytes, stored);
    else
        memcpy(stored, from, cut->chunk_bytes);
    swg_put_le(stored + cut->chunk_bytes, SUM_BYTES, swg_fletcher32(stored, cut->chunk_bytes));
    return swg_file_write_at(p->writer, p->first + index * cut->stored_bytes, stored, cut->stored_bytes);
}

swg_status swg_h5_write_chunks(const swg_h5_cut *cut, const void *data, uint64_t first,
                               swg_file_writer *writer, swg_pool *pool)
{
    writing p = {.cut = cut, .data = data, .first = first, .writer = writer};
    SWG_TRY(SWG_NEW_UNINIT(p.scratch, swg_pool_threads(pool) * 2 * cut->stored_bytes));
    const swg_status status = swg_pool_for(pool, (size_t)cut->n_chunks, write_chunk, &p);
    swg_free(p.scratch);
    return status;
}
