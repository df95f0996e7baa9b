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

typedef struct attribute {
    swg_cursor type, extent, data;
} attribute;

/* An attribute's message, if it is the one of that name. */
static bool parse_attribute(swg_cursor body, const char *name, attribute *out)
{
    const uint64_t version = swg_cursor_number(&body, 1), flags = swg_cursor_number(&body, 1);
    uint64_t sizes[3]; /* name, type, extent */
    for (int i = 0; i < 3; i++)
        sizes[i] = swg_cursor_number(&body, 2);
    if (version < 1 || version > 3 || (version > 1 && flags != 0)) /* shared parts are elsewhere */
        return false;
    if (version == 3)
        (void)swg_cursor_take(&body, 1);
    swg_cursor parts[3];
    for (int i = 0; i < 3; i++)
        parts[i] = (swg_cursor){
            .at = swg_cursor_take(&body, version == 1 ? (sizes[i] + 7) / 8 * 8 : sizes[i]),
            .left = (size_t)sizes[i]};
    *out = (attribute){.type = parts[1], .extent = parts[2], .data = body};
    const size_t length = strlen(name) + 1;
    return !body.is_short && sizes[0] >= length && memcmp(parts[0].at, name, length) == 0;
}

/* How many elements: 1 for a scalar, the size of a vector; false for more dimensions. */
static bool parse_extent(swg_cursor in, uint64_t *count)
{
    const uint64_t version = swg_cursor_number(&in, 1), rank = swg_cursor_number(&in, 1);
    (void)swg_cursor_take(&in, 1);
    const uint64_t kind = swg_cursor_number(&in, version == 1 ? 5 : 1);
    *count = rank ? swg_cursor_number(&in, 8) : 1;
    if (version == 2 && kind == 2) /* no extent at all */
        *count = 0;
    return !in.is_short && (version == 1 || version == 2) && rank <= 1;
}

static bool find_attribute(header *h, const char *name, attribute *out)
{
    for (size_t i = 0; i < h->n_blocks; i++) {
        swg_cursor in = {.at = h->map->data + h->blocks[i].offset,
                         .left = (size_t)h->blocks[i].bytes};
        uint64_t type, flags;
        swg_cursor body;
        while (in.left > 0 && next_message(h, &in, &type, &flags, &body)) {
            if (type == MESSAGE_ATTRIBUTE && !(flags & MESSAGE_IS_SHARED) &&
                parse_attribute(body, name, out))
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

/* --- Texts ------------------------------------------------------------------------------------ */

static swg_status copy(swg_arena *arena, const char *text, size_t length, const char **out)
{
    *out = swg_arena_strndup(arena, text, strnlen(text, length));
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status read_variable(const swg_map *map, swg_cursor data, size_t count, swg_arena *arena,
                                const char **list)
{
    uint64_t copied = 0;
    size_t n_walked = 0;
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
        SWG_TRY(copy(arena, text, (size_t)length, &list[i]));
    }
    return SWG_OK;
}

static swg_status read_fixed(swg_cursor data, uint64_t bytes, bool is_space_padded, size_t count,
                             swg_arena *arena, const char **list)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = (const char *)swg_cursor_take(&data, bytes);
        size_t length = strnlen(text, (size_t)bytes);
        while (is_space_padded && length > 0 && text[length - 1] == ' ')
            length--;
        SWG_TRY(copy(arena, text, length, &list[i]));
    }
    return SWG_OK;
}

swg_status swg_h5_texts(const swg_map *map, uint64_t offset, const char *name, swg_arena *arena,
                        const char *const **out, size_t *n_out)
{
    enum { CLASS_TEXT = 3, CLASS_VARIABLE = 9, IS_TEXT = 1, SPACE_PADDED = 2 };
    header h = {.map = map};
    attribute a = {0};
    uint64_t count = 0;
    if (!open_header(&h, offset) || !find_attribute(&h, name, &a) ||
        !parse_extent(a.extent, &count))
        return SWG_CORRUPT;
    const uint64_t kind = swg_cursor_number(&a.type, 1) & 15;
    const uint64_t low_bits = swg_cursor_number(&a.type, 3) & 15;
    const uint64_t stored_bytes = swg_cursor_number(&a.type, 4);
    const uint64_t bytes = kind == CLASS_VARIABLE ? (uint64_t)REFERENCE_BYTES : stored_bytes;
    if (count > 0 && (a.type.is_short || bytes == 0 || count > a.data.left / bytes ||
                      !(kind == CLASS_TEXT || (kind == CLASS_VARIABLE && low_bits == IS_TEXT))))
        return SWG_CORRUPT; /* an empty list may have any type */
    const char **list = swg_arena_calloc(arena, (size_t)count, sizeof *list);
    if (!list)
        return SWG_NO_MEMORY;
    SWG_TRY(kind == CLASS_VARIABLE
                ? read_variable(map, a.data, (size_t)count, arena, list)
                : read_fixed(a.data, bytes, low_bits == SPACE_PADDED, (size_t)count, arena, list));
    *out = list;
    *n_out = (size_t)count;
    return SWG_OK;
}
