/* From an object's header (version 1 or 2, with its continuations) to an attribute's message, from
 * there to the references that are its data, and through the global heap to the texts. (HDF5 file
 * format specification 3.0: III.E, IV.A.1, IV.A.2.m.) Everything is bounded by the file: the bytes
 * walked, the objects looked at, the texts copied. */
#include "formats/hdf5_text.h"

#include <stdbool.h>
#include <string.h>

#include "formats/bytes.h"

enum {
    MESSAGE_ATTRIBUTE = 0x0c,
    MESSAGE_CONTINUATION = 0x10,
    MESSAGE_IS_SHARED = 2, /* flag: the body is elsewhere */
    REFERENCE_BYTES = 16,  /* u32 length, u64 collection, u32 index */
    MAX_CONTINUATIONS = 64,
    MAX_OBJECTS_WALKED = 1 << 22
};

/* --- Object headers --------------------------------------------------------------------------- */

/* A run of messages. */
typedef struct block {
    uint64_t offset, bytes;
} block;

typedef struct header {
    const swg_map *map;
    bool is_new;    /* version 2 */
    bool has_order; /* its messages carry their order of creation */
    block blocks[MAX_CONTINUATIONS];
    size_t n_blocks;
    uint64_t walked;
} header;

static bool add_block(header *h, uint64_t offset, uint64_t bytes)
{
    /* Of version 2: a signature before and a checksum behind. */
    const uint64_t before = h->is_new && h->n_blocks ? 4 : 0, behind = h->is_new ? 4 : 0;
    if (h->n_blocks == MAX_CONTINUATIONS || offset > h->map->size ||
        bytes > h->map->size - offset || bytes < before + (h->n_blocks ? behind : 0))
        return false;
    h->walked += bytes;
    if (h->walked > h->map->size) /* blocks that lead to each other */
        return false;
    const uint64_t cut = h->n_blocks ? before + behind : 0;
    h->blocks[h->n_blocks++] = (block){offset + before, bytes - cut};
    return true;
}

static bool open_header(header *h, uint64_t offset)
{
    if (offset > h->map->size || h->map->size - offset < 16)
        return false;
    swg_cursor in = {.at = h->map->data + offset, .left = h->map->size - (size_t)offset};
    if (memcmp(in.at, "OHDR\2", 5) == 0) {
        h->is_new = true;
        (void)swg_cursor_take(&in, 5);
        const uint64_t flags = swg_cursor_number(&in, 1);
        h->has_order = flags & 4;
        (void)swg_cursor_take(&in, (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0));
        const uint64_t bytes = swg_cursor_number(&in, 1u << (flags & 3));
        return !in.is_short && add_block(h, (uint64_t)(in.at - h->map->data), bytes);
    }
    if (in.at[0] != 1)
        return false;
    return add_block(h, offset + 16, swg_get_le(in.at + 8, 4));
}

static bool next_message(const header *h, swg_cursor *in, uint64_t *type, uint64_t *flags,
                         swg_cursor *body)
{
    *type = swg_cursor_number(in, h->is_new ? 1 : 2);
    const uint64_t bytes = swg_cursor_number(in, 2);
    *flags = swg_cursor_number(in, 1);
    (void)swg_cursor_take(in, !h->is_new ? 3 : h->has_order ? 2 : 0);
    *body = (swg_cursor){.at = swg_cursor_take(in, bytes), .left = (size_t)bytes};
    return !in->is_short;
}

/* The data of an attribute's message, if it is the one of that name. */
static bool parse_attribute(swg_cursor body, const char *name, swg_cursor *data)
{
    const uint64_t version = swg_cursor_number(&body, 1);
    (void)swg_cursor_take(&body, 1);
    uint64_t sizes[3]; /* name, type, extent */
    for (int i = 0; i < 3; i++)
        sizes[i] = swg_cursor_number(&body, 2);
    if (version < 1 || version > 3)
        return false;
    if (version == 3)
        (void)swg_cursor_take(&body, 1);
    const uint8_t *parts[3];
    for (int i = 0; i < 3; i++)
        parts[i] = swg_cursor_take(&body, version == 1 ? (sizes[i] + 7) / 8 * 8 : sizes[i]);
    const size_t length = strlen(name) + 1;
    *data = body;
    return !body.is_short && sizes[0] >= length && memcmp(parts[0], name, length) == 0;
}

static bool find_attribute(header *h, const char *name, swg_cursor *data)
{
    for (size_t i = 0; i < h->n_blocks; i++) {
        swg_cursor in = {.at = h->map->data + h->blocks[i].offset,
                         .left = (size_t)h->blocks[i].bytes};
        uint64_t type, flags;
        swg_cursor body;
        while (in.left > 0 && next_message(h, &in, &type, &flags, &body)) {
            if (type == MESSAGE_ATTRIBUTE && !(flags & MESSAGE_IS_SHARED) &&
                parse_attribute(body, name, data))
                return true;
            if (type != MESSAGE_CONTINUATION)
                continue;
            const uint64_t offset = swg_cursor_number(&body, 8);
            const uint64_t bytes = swg_cursor_number(&body, 8);
            if (body.is_short || !add_block(h, offset, bytes))
                return false;
        }
    }
    return false;
}

/* --- The global heap -------------------------------------------------------------------------- */

/* Object `index` of the collection at `offset`; *n_walked counts what was looked at. */
static const uint8_t *find_object(const swg_map *map, uint64_t offset, uint64_t index,
                                  uint64_t length, size_t *n_walked)
{
    enum { HEAD_BYTES = 16, OBJECT_BYTES = 16, ALIGNMENT = 8 };
    if (offset > map->size || map->size - offset < HEAD_BYTES ||
        memcmp(map->data + offset, "GCOL\1", 5) != 0)
        return NULL;
    const uint64_t bytes = swg_get_le(map->data + offset + 8, 8);
    if (bytes < HEAD_BYTES || bytes > map->size - offset)
        return NULL;
    swg_cursor in = {.at = map->data + offset + HEAD_BYTES, .left = (size_t)bytes - HEAD_BYTES};
    while (in.left >= OBJECT_BYTES && ++*n_walked <= MAX_OBJECTS_WALKED) {
        const uint64_t found = swg_cursor_number(&in, 2);
        (void)swg_cursor_take(&in, 6);
        const uint64_t size = swg_cursor_number(&in, 8);
        if (found == 0 || size > in.left)
            return NULL; /* the free space, or a lie */
        if (found == index)
            return length <= size ? in.at : NULL;
        const uint64_t padded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        (void)swg_cursor_take(&in, padded < in.left ? padded : in.left);
    }
    return NULL;
}

swg_status swg_h5_variable_texts(const swg_map *map, uint64_t offset, const char *name,
                                 size_t count, swg_arena *arena, const char **list)
{
    header h = {.map = map};
    swg_cursor data;
    uint64_t copied = 0;
    size_t n_walked = 0;
    if (!open_header(&h, offset) || !find_attribute(&h, name, &data) ||
        count > data.left / REFERENCE_BYTES)
        return SWG_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        const uint64_t length = swg_cursor_number(&data, 4);
        const uint64_t collection = swg_cursor_number(&data, 8);
        const uint64_t index = swg_cursor_number(&data, 4);
        const char *text = "";
        copied += length;
        if (length > 0)
            text = (const char *)find_object(map, collection, index, length, &n_walked);
        if (!text || copied > map->size) /* many references to one text would fill the memory */
            return SWG_CORRUPT;
        list[i] = swg_arena_strndup(arena, text, strnlen(text, (size_t)length));
        if (!list[i])
            return SWG_NO_MEMORY;
    }
    return SWG_OK;
}
