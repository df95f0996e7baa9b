/* A heap's blocks form a doubling table: rows of `width` blocks, the first two rows of the starting
 * size, each further row of twice the size of the one before. Blocks up to a limit are direct: they
 * hold objects. Larger ones are indirect: tables of the same form, over their own part of the heap.
 * All direct blocks are found once; an object is then found by its offset. */
#include "formats/hdf5/format/hdf5_heap.h"

#include <string.h>

#include "runtime/base/mem.h"

enum { ADDRESS_BYTES = 8, SUM_BYTES = 4 };

typedef struct table {
    swg_h5_walk *walk;
    swg_h5_heap *heap;
    uint64_t header;             /* its address, repeated in every block */
    uint64_t width, start_bytes; /* powers of two */
    unsigned direct_rows;
    unsigned heap_bits; /* the heap has at most 2^heap_bits bytes */
    bool has_sums;      /* direct blocks carry a checksum */
} table;

static const char *const what = "heap";

static unsigned log2_of(uint64_t power)
{
    return (unsigned)__builtin_ctzll(power);
}

static bool is_power(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Behind the signature: version, address of the heap's header, the block's offset in the heap. */
static bool is_block_head(const table *t, swg_cursor *in, uint64_t offset)
{
    const bool is_right = swg_cursor_number(in, 1) == 0 &&
                          swg_cursor_number(in, ADDRESS_BYTES) == t->header &&
                          swg_cursor_number(in, (unsigned)t->heap->offset_bytes) == offset;
    return is_right && !in->is_short;
}

/* The checksum of a direct block follows its head, and is computed with zeros in its place. */
static swg_status check_sum(const table *t, const uint8_t *block, size_t bytes, size_t sum_at,
                            uint64_t address)
{
    uint8_t *copy; /* of the block, with its checksum after it */
    SWG_TRY(SWG_NEW_UNINIT(copy, bytes + SUM_BYTES));
    memcpy(copy, block, bytes);
    memset(copy + sum_at, 0, SUM_BYTES);
    memcpy(copy + bytes, block + sum_at, SUM_BYTES);
    const bool is_right = swg_h5_is_sealed(copy, bytes + SUM_BYTES);
    swg_free(copy);
    return is_right ? SWG_OK : swg_h5_damaged(t->walk, what, address);
}

static swg_status add_direct(const table *t, uint64_t address, uint64_t offset, uint64_t bytes)
{
    swg_h5_heap *const heap = t->heap;
    const uint64_t head = 4 + 1 + ADDRESS_BYTES + heap->offset_bytes;
    swg_cursor in;
    SWG_TRY(swg_h5_take(t->walk, what, address, bytes, "FHDB", false, &in));
    const uint8_t *const block = in.at - 4;
    if (!is_block_head(t, &in, offset) || (t->has_sums && in.left < SUM_BYTES))
        return swg_h5_damaged(t->walk, what, address);
    if (t->has_sums)
        SWG_TRY(check_sum(t, block, (size_t)bytes, (size_t)head, address));
    SWG_TRY(swg_reserve((void **)&heap->blocks, &heap->capacity, heap->n_blocks + 1,
                        sizeof *heap->blocks));
    heap->blocks[heap->n_blocks++] = (swg_h5_heap_block){offset, bytes, block};
    return SWG_OK;
}

/* An indirect block: the addresses of its direct blocks, then those of its indirect ones. */
static swg_status add_indirect(const table *t, uint64_t address, uint64_t offset, unsigned n_rows)
{
    const unsigned start_bits = log2_of(t->start_bytes), width_bits = log2_of(t->width);
    const uint64_t entries = n_rows * t->width;
    swg_cursor in;
    SWG_TRY(swg_h5_take(t->walk, what, address,
                        4 + 1 + ADDRESS_BYTES + t->heap->offset_bytes + entries * ADDRESS_BYTES +
                            SUM_BYTES,
                        "FHIB", true, &in));
    if (!is_block_head(t, &in, offset))
        return swg_h5_damaged(t->walk, what, address);
    for (unsigned row = 0; row < n_rows; row++) {
        const unsigned bits = start_bits + (row > 1 ? row - 1 : 0);
        if (bits + width_bits > t->heap_bits ||
            (row >= t->direct_rows && bits < start_bits + width_bits))
            return swg_h5_damaged(t->walk, what, address);
        const uint64_t bytes = (uint64_t)1 << bits;
        for (uint64_t i = 0; i < t->width; i++, offset += bytes) {
            const uint64_t child = swg_cursor_number(&in, ADDRESS_BYTES);
            if (child == SWG_H5_NOWHERE)
                continue;
            if (row < t->direct_rows)
                SWG_TRY(add_direct(t, child, offset, bytes));
            else
                SWG_TRY(add_indirect(t, child, offset, bits - start_bits - width_bits + 1));
        }
    }
    return SWG_OK;
}

static swg_status open_heap(swg_h5_walk *walk, uint64_t address, swg_h5_heap *heap)
{
    /* "FRHP", version, bytes of identifiers u16, of filters u16, flags u8, limit of objects u32,
     * twelve u64 about what is free and what is stored elsewhere; then the table: width u16,
     * starting and largest direct bytes u64, bits of the heap u16, rows u16, root u64, rows now
     * u16. */
    enum { HEAD_BYTES = 146, SKIPPED = 12 * 8, HAS_SUMS = 2, MAX_BITS = 62 };
    swg_cursor in;
    SWG_TRY(swg_h5_take(walk, what, address, HEAD_BYTES, "FRHP", true, &in));
    table t = {.walk = walk, .heap = heap, .header = address};
    const uint64_t version = swg_cursor_number(&in, 1);
    heap->id_bytes = (size_t)swg_cursor_number(&in, 2);
    const uint64_t filter_bytes = swg_cursor_number(&in, 2);
    t.has_sums = swg_cursor_number(&in, 1) & HAS_SUMS;
    const uint64_t most_managed = swg_cursor_number(&in, 4);
    (void)swg_cursor_take(&in, SKIPPED);
    t.width = swg_cursor_number(&in, 2);
    t.start_bytes = swg_cursor_number(&in, 8);
    const uint64_t most_direct = swg_cursor_number(&in, 8);
    t.heap_bits = (unsigned)swg_cursor_number(&in, 2);
    (void)swg_cursor_take(&in, 2);
    const uint64_t root = swg_cursor_number(&in, 8);
    const unsigned n_rows = (unsigned)swg_cursor_number(&in, 2);
    if (filter_bytes != 0)
        return swg_h5_unsupported(walk, "keeps its links through filters, which is not read");
    if (version != 0 || !is_power(t.width) || !is_power(t.start_bytes) || !is_power(most_direct) ||
        most_direct < t.start_bytes || t.heap_bits > MAX_BITS ||
        log2_of(most_direct) + log2_of(t.width) > t.heap_bits || n_rows > MAX_BITS)
        return swg_h5_damaged(walk, what, address);
    t.direct_rows = log2_of(most_direct) - log2_of(t.start_bytes) + 2;
    heap->offset_bytes = (t.heap_bits + 7) / 8;
    const unsigned of_direct = (log2_of(most_direct) + 7) / 8;
    const unsigned of_managed = swg_h5_width_of(most_managed);
    heap->length_bytes = of_direct < of_managed ? of_direct : of_managed;
    if (heap->id_bytes < 1 + heap->offset_bytes + heap->length_bytes)
        return swg_h5_damaged(walk, what, address);
    if (root == SWG_H5_NOWHERE)
        return SWG_OK;
    return n_rows ? add_indirect(&t, root, 0, n_rows) : add_direct(&t, root, 0, t.start_bytes);
}

swg_status swg_h5_heap_open(swg_h5_walk *walk, uint64_t address, swg_h5_heap *out)
{
    const swg_status status = open_heap(walk, address, out);
    if (status != SWG_OK)
        swg_h5_heap_close(out);
    return status;
}

void swg_h5_heap_close(swg_h5_heap *heap)
{
    swg_free(heap->blocks);
    *heap = (swg_h5_heap){0};
}

bool swg_h5_heap_get(const swg_h5_heap *heap, const uint8_t *id, swg_cursor *out)
{
    /* Version and kind (0: managed in blocks) in the high bits, then offset and length. */
    const uint64_t offset = swg_get_le(id + 1, (unsigned)heap->offset_bytes);
    const uint64_t length = swg_get_le(id + 1 + heap->offset_bytes, (unsigned)heap->length_bytes);
    size_t low = 0, high = heap->n_blocks; /* the last block that begins at or before the offset */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (heap->blocks[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (id[0] >> 4 != 0 || low == 0)
        return false;
    const swg_h5_heap_block *const block = &heap->blocks[low - 1];
    const uint64_t at = offset - block->offset;
    if (at >= block->bytes || length > block->bytes - at)
        return false;
    *out = (swg_cursor){.at = block->data + at, .left = (size_t)length};
    return true;
}
