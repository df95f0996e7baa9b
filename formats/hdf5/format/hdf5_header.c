/* Walking superblock and object headers with bounds. */
#include "formats/hdf5/format/hdf5_header.h"

#include <string.h>

enum {
    MESSAGE_CONTINUATION = 0x10,
    MESSAGE_CACHE_IMAGE = 0x18,
    MESSAGE_LAST = MESSAGE_CACHE_IMAGE,
    FLAG_SHARED = 0x02,
    FLAG_MUST_KNOW = 0x80,
    MAX_BLOCKS = 64
};

/* --- Object headers --------------------------------------------------------------------------- */

/* A run of messages. */
typedef struct block {
    uint64_t offset, bytes;
} block;

typedef struct header {
    swg_h5_walk *walk;
    uint64_t address;
    bool is_new;    /* version 2 */
    bool has_order; /* its messages carry their order of creation */
    block blocks[MAX_BLOCKS];
    size_t n_blocks;
} header;

static swg_status damaged(const header *h)
{
    return swg_h5_damaged(h->walk, "header", h->address);
}

/* Messages in a block of their own. Those of version 2 are between a signature and a checksum. */
static swg_status add_continuation(header *h, uint64_t offset, uint64_t bytes)
{
    swg_cursor inside;
    if (h->n_blocks == MAX_BLOCKS || !swg_h5_peek(h->walk, offset, bytes))
        return damaged(h);
    if (h->is_new) {
        SWG_TRY(swg_h5_take(h->walk, "header", offset, bytes, "OCHK", true, &inside));
        h->blocks[h->n_blocks++] = (block){offset + 4, inside.left};
        return SWG_OK;
    }
    h->blocks[h->n_blocks++] = (block){offset, bytes};
    return swg_h5_count_structure(h->walk, "header", offset, bytes);
}

/* "OHDR", version, flags, times and limits where flagged, the bytes of messages, these, checksum.
 */
static swg_status open_new(header *h)
{
    enum { FIXED_BYTES = 6, MOST_BYTES = FIXED_BYTES + 16 + 4 + 8 };
    const uint64_t room = h->walk->map->size - h->address;
    swg_cursor in = {.at = h->walk->map->data + h->address,
                     .left = room < MOST_BYTES ? (size_t)room : (size_t)MOST_BYTES};
    (void)swg_cursor_take(&in, FIXED_BYTES - 1);
    const uint64_t flags = swg_cursor_number(&in, 1);
    (void)swg_cursor_take(&in, (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0));
    const uint64_t bytes = swg_cursor_number(&in, 1u << (flags & 3));
    if (in.is_short || bytes > h->walk->map->size)
        return damaged(h);
    const uint64_t head = (uint64_t)(in.at - h->walk->map->data) - h->address;
    swg_cursor whole;
    SWG_TRY(swg_h5_take(h->walk, "header", h->address, head + bytes + 4, "OHDR", true, &whole));
    h->is_new = true;
    h->has_order = flags & 4;
    h->blocks[h->n_blocks++] = (block){h->address + head, bytes};
    return SWG_OK;
}

static swg_status open_header(header *h)
{
    enum { OLD_BYTES = 16 };
    const uint8_t *const at = swg_h5_peek(h->walk, h->address, OLD_BYTES);
    if (at && memcmp(at, "OHDR\2", 5) == 0)
        return open_new(h);
    if (!at || at[0] != 1)
        return damaged(h);
    SWG_TRY(swg_h5_count_structure(h->walk, "header", h->address, OLD_BYTES));
    return add_continuation(h, h->address + OLD_BYTES, swg_get_le(at + 8, 4));
}

static swg_status visit_message(header *h, swg_h5_message *message, uint64_t flags,
                                swg_h5_visit *visit, void *context)
{
    if (message->type == MESSAGE_CONTINUATION) {
        const uint64_t offset = swg_cursor_number(&message->body, 8);
        const uint64_t length = swg_cursor_number(&message->body, 8);
        return message->body.is_short || message->is_shared ? damaged(h)
                                                            : add_continuation(h, offset, length);
    }
    if (message->type > MESSAGE_LAST && flags & FLAG_MUST_KNOW)
        return swg_h5_unsupported(h->walk, "has properties that this program does not know");
    return visit(context, message);
}

static swg_status walk_block(header *h, block b, swg_h5_visit *visit, void *context)
{
    swg_cursor in = {.at = h->walk->map->data + b.offset, .left = (size_t)b.bytes};
    const size_t head = h->is_new ? h->has_order ? 6 : 4 : 8;
    while (in.left >= head) { /* less is a gap */
        swg_h5_message message = {.type = swg_cursor_number(&in, h->is_new ? 1 : 2)};
        const uint64_t bytes = swg_cursor_number(&in, 2), flags = swg_cursor_number(&in, 1);
        message.is_shared = flags & FLAG_SHARED;
        (void)swg_cursor_take(&in, !h->is_new ? 3 : h->has_order ? 2 : 0);
        message.body = (swg_cursor){.at = swg_cursor_take(&in, bytes), .left = (size_t)bytes};
        if (in.is_short)
            return damaged(h);
        SWG_TRY(visit_message(h, &message, flags, visit, context));
    }
    return SWG_OK;
}

swg_status swg_h5_walk_header(swg_h5_walk *walk, uint64_t address, swg_h5_visit *visit,
                              void *context)
{
    header h = {.walk = walk, .address = address};
    SWG_TRY(open_header(&h));
    for (size_t i = 0; i < h.n_blocks; i++)
        SWG_TRY(walk_block(&h, h.blocks[i], visit, context));
    return SWG_OK;
}

/* --- Superblock ------------------------------------------------------------------------------- */

static swg_status visit_extension(void *context, const swg_h5_message *message)
{
    const swg_h5_walk *const walk = context;
    return message->type == MESSAGE_CACHE_IMAGE
               ? swg_h5_unsupported(walk,
                                    "keeps its structures in a cache image, which is not read")
               : SWG_OK;
}

/* Where the fields of a version are; 0 = it has none. */
typedef struct superblock {
    size_t sizes, base, extension, end, driver, root, bytes;
} superblock;

swg_status swg_h5_find_root(swg_h5_walk *walk, uint64_t *root)
{
    static const superblock layouts[] = {
        {.sizes = 13, .base = 24, .end = 40, .driver = 48, .root = 64, .bytes = 96},
        {.sizes = 13, .base = 28, .end = 44, .driver = 52, .root = 68, .bytes = 100},
        {.sizes = 9, .base = 12, .extension = 20, .end = 28, .root = 36, .bytes = 48},
        {.sizes = 9, .base = 12, .extension = 20, .end = 28, .root = 36, .bytes = 48},
    };
    enum { N_VERSIONS = sizeof layouts / sizeof layouts[0] };
    const uint8_t *const head = swg_h5_peek(walk, 0, 9);
    const superblock *const s = head && head[8] < N_VERSIONS ? &layouts[head[8]] : NULL;
    const uint8_t *const at = s ? swg_h5_peek(walk, 0, s->bytes) : NULL;
    if (!at || (s->extension && !swg_h5_is_sealed(at, s->bytes)))
        return swg_error(SWG_CORRUPT,
                         "%s: the superblock is damaged, or of a version that is not "
                         "read (0 to 3)",
                         walk->path);
    if (at[s->sizes] != 8 || at[s->sizes + 1] != 8 || swg_get_le(at + s->base, 8) != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: offsets of %u bytes, lengths of %u and base address %llu are not "
                         "read, only 8, 8 and 0",
                         walk->path, at[s->sizes], at[s->sizes + 1],
                         (unsigned long long)swg_get_le(at + s->base, 8));
    const uint64_t end = swg_get_le(at + s->end, 8);
    if (end > walk->map->size)
        return swg_error(SWG_CORRUPT, "%s: declares %llu bytes, has %llu", walk->path,
                         (unsigned long long)end, (unsigned long long)walk->map->size);
    if (s->driver && swg_get_le(at + s->driver, 8) != SWG_H5_NOWHERE)
        return swg_error(SWG_UNSUPPORTED, "%s: is one of several files, which are not read",
                         walk->path);
    *root = swg_get_le(at + s->root, 8);
    const uint64_t extension = s->extension ? swg_get_le(at + s->extension, 8) : SWG_H5_NOWHERE;
    return extension == SWG_H5_NOWHERE ? SWG_OK
                                       : swg_h5_walk_header(walk, extension, visit_extension, walk);
}
