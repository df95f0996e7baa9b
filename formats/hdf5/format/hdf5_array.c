/* Chunk indexes that are arrays: fixed ones for datasets of a bounded extent, extensible ones for
 * one dimension without bound. An element is an address, with filters also the stored bytes and the
 * filters that were not applied. Blocks of many elements are cut into pages with a checksum each; a
 * bit map says which pages were written. (HDF5 file format specification 3.0, VII.C and VII.D.) */
#include "formats/hdf5/format/hdf5_array.h"

enum { ADDRESS_BYTES = 8, SUM_BYTES = 4 };

static const char *const what = "index of chunks";

typedef struct array {
    swg_h5_grid *grid;
    uint64_t header; /* its address, repeated in every block */
    unsigned client; /* 0: addresses alone, 1: with sizes */
    size_t elem_bytes;
    uint64_t page_elems;
    uint32_t growing; /* the dimension without bound, which comes first in the order of elements */
} array;

static swg_status damaged(const array *a)
{
    return swg_h5_damaged(a->grid->walk, what, a->header);
}

/* Signature, version, client and - but for headers - the header's address. */
static swg_status take(const array *a, uint64_t address, uint64_t bytes, const char letters[4],
                       bool is_sealed, bool is_header, swg_cursor *in)
{
    SWG_TRY(swg_h5_take(a->grid->walk, what, address, bytes, letters, is_sealed, in));
    const bool is_right = swg_cursor_number(in, 1) == 0 && swg_cursor_number(in, 1) == a->client &&
                          (is_header || swg_cursor_number(in, ADDRESS_BYTES) == a->header);
    return is_right && !in->is_short ? SWG_OK : damaged(a);
}

/* --- Elements --------------------------------------------------------------------------------- */

/* Element `index` describes the chunk of that number in the largest extent: row-major, but with
 * the growing dimension before all others. */
static swg_status put_element(const array *a, uint64_t index, const uint8_t *element)
{
    const swg_h5_grid *const g = a->grid;
    uint64_t at[SWG_MAX_RANK] = {0};
    for (uint32_t d = g->place->rank; d-- > 0;) {
        if (d == a->growing)
            continue;
        const uint64_t most = (g->extent->most[d] - 1) / g->place->chunk[d] + 1;
        at[d] = index % most;
        index /= most;
    }
    if (a->growing < g->place->rank)
        at[a->growing] = index;
    const unsigned size_bytes = a->client ? (unsigned)a->elem_bytes - ADDRESS_BYTES - 4 : 0;
    return swg_h5_grid_put(
        a->grid, at, swg_get_le(element, ADDRESS_BYTES),
        a->client ? swg_get_le(element + ADDRESS_BYTES, size_bytes) : g->chunk_bytes,
        a->client ? (uint32_t)swg_get_le(element + ADDRESS_BYTES + size_bytes, 4) : 0);
}

static swg_status put_elements(const array *a, uint64_t first, uint64_t n, swg_cursor *in)
{
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *const element = swg_cursor_take(in, a->elem_bytes);
        if (!element)
            return damaged(a);
        SWG_TRY(put_element(a, first + i, element));
    }
    return SWG_OK;
}

static bool bit(const uint8_t *bits, uint64_t index)
{
    return bits[index / 8] & (0x80 >> index % 8);
}

/* The pages of a block of n elements, from `address` on, whose bits, from number `first_bit` on,
 * are set. */
static swg_status put_pages(const array *a, uint64_t first, uint64_t n, uint64_t address,
                            const uint8_t *bits, uint64_t first_bit)
{
    for (uint64_t page = 0, done = 0; done < n; page++, done += a->page_elems) {
        const uint64_t elems = n - done < a->page_elems ? n - done : a->page_elems;
        const uint64_t bytes = elems * a->elem_bytes + SUM_BYTES;
        if (bit(bits, first_bit + page)) {
            const uint8_t *const at = swg_h5_peek(a->grid->walk, address, bytes);
            if (!at || !swg_h5_is_sealed(at, (size_t)bytes))
                return damaged(a);
            SWG_TRY(swg_h5_count(a->grid->walk, what, address, bytes));
            swg_cursor in = {.at = at, .left = (size_t)bytes - SUM_BYTES};
            SWG_TRY(put_elements(a, first + done, elems, &in));
        }
        address += bytes;
    }
    return SWG_OK;
}

/* What both headers begin with. */
static swg_status open_array(array *a, uint64_t bytes, const char letters[4], swg_cursor *in)
{
    const swg_h5_grid *const g = a->grid;
    a->header = g->place->address;
    a->client = g->storage->n_filters > 0;
    a->growing = g->place->rank;
    SWG_TRY(take(a, a->header, bytes, letters, true, true, in));
    a->elem_bytes = (size_t)swg_cursor_number(in, 1);
    const size_t least = ADDRESS_BYTES + (a->client ? 1 + 4 : 0);
    return a->elem_bytes < least || a->elem_bytes > least + (a->client ? 7 : 0) ? damaged(a)
                                                                                : SWG_OK;
}

/* --- Fixed arrays ----------------------------------------------------------------------------- */

swg_status swg_h5_walk_fixed_array(swg_h5_grid *grid)
{
    /* Header: element bytes u8, bits of a page u8, elements u64, address of the block u64. */
    enum { HEADER_BYTES = 28, BLOCK_HEAD = 14, MAX_PAGE_BITS = 32 };
    array a = {.grid = grid};
    swg_cursor in;
    SWG_TRY(open_array(&a, HEADER_BYTES, "FAHD", &in));
    const uint64_t page_bits = swg_cursor_number(&in, 1), n = swg_cursor_number(&in, 8);
    const uint64_t block = swg_cursor_number(&in, ADDRESS_BYTES);
    if (block == SWG_H5_NOWHERE)
        return SWG_OK;
    if (page_bits > MAX_PAGE_BITS || n > grid->walk->map->size / ADDRESS_BYTES)
        return damaged(&a);
    a.page_elems = (uint64_t)1 << page_bits;
    if (n <= a.page_elems) {
        SWG_TRY(
            take(&a, block, BLOCK_HEAD + n * a.elem_bytes + SUM_BYTES, "FADB", true, false, &in));
        return put_elements(&a, 0, n, &in);
    }
    const uint64_t n_pages = (n - 1) / a.page_elems + 1, bits_bytes = (n_pages - 1) / 8 + 1;
    const uint64_t head = BLOCK_HEAD + bits_bytes + SUM_BYTES;
    SWG_TRY(take(&a, block, head, "FADB", true, false, &in));
    return put_pages(&a, 0, n, block + head, in.at, 0);
}

/* --- Extensible arrays ------------------------------------------------------------------------ */

/* The first elements are in the index block itself; further ones in data blocks. These form super
 * blocks, which double their elements each: number i has 2^(i/2) data blocks of 2^((i+1)/2) times
 * the least elements. The index block has the addresses of the first super blocks' data blocks, and
 * those of the others. */
typedef struct extensible {
    array array;
    unsigned max_bits, min_elems, min_pointers;
    size_t offset_bytes;
} extensible;

static uint64_t data_blocks(unsigned super)
{
    return (uint64_t)1 << super / 2;
}

static uint64_t data_elems(const extensible *e, unsigned super)
{
    return ((uint64_t)1 << (super + 1) / 2) * e->min_elems;
}

/* A data block of n elements; `bits` are its pages', NULL for a block that has none. */
static swg_status put_data(const extensible *e, uint64_t address, uint64_t first, uint64_t n,
                           const uint8_t *bits, uint64_t first_bit)
{
    const array *const a = &e->array;
    const uint64_t head = 4 + 2 + ADDRESS_BYTES + e->offset_bytes;
    swg_cursor in;
    if (address == SWG_H5_NOWHERE)
        return SWG_OK;
    if (bits) {
        SWG_TRY(take(a, address, head + SUM_BYTES, "EADB", true, false, &in));
        return put_pages(a, first, n, address + head + SUM_BYTES, bits, first_bit);
    }
    if (n > a->grid->walk->map->size / ADDRESS_BYTES)
        return damaged(a);
    SWG_TRY(take(a, address, head + n * a->elem_bytes + SUM_BYTES, "EADB", true, false, &in));
    (void)swg_cursor_take(&in, e->offset_bytes);
    return put_elements(a, first, n, &in);
}

/* A super block: its offset, bits of its data blocks' pages - one block's after the other's,
 * though there is room for whole bytes a block -, addresses of these. */
static swg_status put_super(const extensible *e, uint64_t address, uint64_t first, unsigned super)
{
    const array *const a = &e->array;
    const uint64_t n_blocks = data_blocks(super), n = data_elems(e, super);
    const uint64_t n_pages = n > a->page_elems ? (n - 1) / a->page_elems + 1 : 0;
    const uint64_t bits_bytes = (n_pages + 7) / 8;
    swg_cursor in;
    if (address == SWG_H5_NOWHERE)
        return SWG_OK;
    if (n_blocks > a->grid->walk->map->size / ADDRESS_BYTES ||
        n > a->grid->walk->map->size / ADDRESS_BYTES * 8)
        return damaged(a);
    SWG_TRY(take(a, address,
                 4 + 2 + ADDRESS_BYTES + e->offset_bytes + n_blocks * (bits_bytes + ADDRESS_BYTES) +
                     SUM_BYTES,
                 "EASB", true, false, &in));
    (void)swg_cursor_take(&in, e->offset_bytes);
    const uint8_t *const bits = swg_cursor_take(&in, n_blocks * bits_bytes);
    for (uint64_t i = 0; i < n_blocks; i++)
        SWG_TRY(put_data(e, swg_cursor_number(&in, ADDRESS_BYTES), first + i * n, n,
                         n_pages ? bits : NULL, i * n_pages));
    return SWG_OK;
}

static swg_status walk_index_block(const extensible *e, uint64_t address, uint64_t n_own)
{
    const array *const a = &e->array;
    const unsigned n_supers = 1 + e->max_bits - (unsigned)__builtin_ctz(e->min_elems);
    const unsigned n_flat = 2 * (unsigned)__builtin_ctz(e->min_pointers);
    const uint64_t n_flat_blocks = 2 * ((uint64_t)e->min_pointers - 1);
    swg_cursor in;
    if (n_flat > n_supers)
        return damaged(a);
    SWG_TRY(take(a, address,
                 4 + 2 + ADDRESS_BYTES + n_own * a->elem_bytes +
                     (n_flat_blocks + n_supers - n_flat) * ADDRESS_BYTES + SUM_BYTES,
                 "EAIB", true, false, &in));
    SWG_TRY(put_elements(a, 0, n_own, &in));
    uint64_t first = n_own;
    for (unsigned super = 0; super < n_supers; super++) {
        const uint64_t n = data_elems(e, super);
        if (super >= n_flat) {
            SWG_TRY(put_super(e, swg_cursor_number(&in, ADDRESS_BYTES), first, super));
        } else if (n > a->page_elems) { /* the format has no bits for their pages */
            return damaged(a);
        } else {
            for (uint64_t i = 0; i < data_blocks(super); i++)
                SWG_TRY(
                    put_data(e, swg_cursor_number(&in, ADDRESS_BYTES), first + i * n, n, NULL, 0));
        }
        first += data_blocks(super) * n;
    }
    return SWG_OK;
}

swg_status swg_h5_walk_extensible_array(swg_h5_grid *grid)
{
    /* Header: element bytes, bits of the largest count, elements in the index block, least elements
     * of a data block, least addresses of a super block, bits of a page, all u8; six u64 of counts;
     * address of the index block u64. */
    enum { HEADER_BYTES = 72, COUNTS_BYTES = 48, MAX_BITS = 60 };
    extensible e = {.array.grid = grid};
    swg_cursor in;
    SWG_TRY(open_array(&e.array, HEADER_BYTES, "EAHD", &in));
    e.max_bits = (unsigned)swg_cursor_number(&in, 1);
    const uint64_t n_own = swg_cursor_number(&in, 1);
    e.min_elems = (unsigned)swg_cursor_number(&in, 1);
    e.min_pointers = (unsigned)swg_cursor_number(&in, 1);
    const uint64_t page_bits = swg_cursor_number(&in, 1);
    (void)swg_cursor_take(&in, COUNTS_BYTES);
    const uint64_t block = swg_cursor_number(&in, ADDRESS_BYTES);
    const bool are_powers = e.min_elems && e.min_pointers &&
                            (e.min_elems & (e.min_elems - 1)) == 0 &&
                            (e.min_pointers & (e.min_pointers - 1)) == 0;
    if (!are_powers || e.max_bits > MAX_BITS || page_bits > MAX_BITS ||
        e.max_bits < (unsigned)__builtin_ctz(e.min_elems))
        return damaged(&e.array);
    e.array.page_elems = (uint64_t)1 << page_bits;
    e.offset_bytes = (e.max_bits + 7) / 8;
    for (uint32_t d = 0; d < grid->place->rank; d++)
        if (grid->extent->most[d] == UINT64_MAX)
            e.array.growing = d;
    return block == SWG_H5_NOWHERE ? SWG_OK : walk_index_block(&e, block, n_own);
}
