/* Walking superblock and object headers with bounds; one function a kind of message. */
#include "formats/hdf5_header.h"

#include <string.h>

enum {
    MESSAGE_NIL = 0x00,
    MESSAGE_DATASPACE = 0x01,
    MESSAGE_LINK_INFO = 0x02,
    MESSAGE_DATATYPE = 0x03,
    MESSAGE_OLD_FILL = 0x04,
    MESSAGE_FILL = 0x05,
    MESSAGE_LINK = 0x06,
    MESSAGE_EXTERNAL = 0x07,
    MESSAGE_LAYOUT = 0x08,
    MESSAGE_GROUP_INFO = 0x0a,
    MESSAGE_FILTERS = 0x0b,
    MESSAGE_OLD_TIME = 0x0e,
    MESSAGE_CONTINUATION = 0x10,
    MESSAGE_SYMBOL_TABLE = 0x11,
    MESSAGE_TIME = 0x12,
    MESSAGE_ATTRIBUTE_INFO = 0x15,
    MESSAGE_REFERENCES = 0x16,
    FLAG_SHARED = 2,
    MAX_BLOCKS = 64,
    MAX_RANK = 32,
    MAX_TYPE_DEPTH = 4
};

/* --- Superblock ------------------------------------------------------------------------------- */

bool swg_h5_find_root(const swg_map *map, uint64_t *header)
{
    enum { LEAST_BYTES = 96 };
    if (map->size < LEAST_BYTES)
        return false;
    const uint8_t *const at = map->data;
    const uint8_t version = at[8];
    const size_t sizes = version < 2 ? 13 : 9; /* of offsets and lengths */
    const size_t base = version == 0 ? 24 : version == 1 ? 28 : 12;
    const size_t root = version == 0 ? 64 : version == 1 ? 68 : 36;
    if (version > 3 || at[sizes] != 8 || at[sizes + 1] != 8 || swg_get_le(at + base, 8) != 0)
        return false;
    *header = swg_get_le(at + root, 8);
    return true;
}

/* --- Object headers --------------------------------------------------------------------------- */

/* A run of messages. */
typedef struct block {
    uint64_t offset, bytes;
} block;

typedef struct header {
    const swg_map *map;
    bool is_new;    /* version 2 */
    bool has_order; /* its messages carry their order of creation */
    block blocks[MAX_BLOCKS];
    size_t n_blocks;
    uint64_t walked;
} header;

/* Of version 2, continuations have a signature before and a checksum behind their messages. */
static bool add_block(header *h, uint64_t offset, uint64_t bytes)
{
    const uint64_t before = h->is_new && h->n_blocks ? 4 : 0, behind = before;
    if (h->n_blocks == MAX_BLOCKS || offset > h->map->size || bytes > h->map->size - offset ||
        bytes < before + behind)
        return false;
    h->walked += bytes;
    if (h->walked > h->map->size) /* blocks that lead to each other */
        return false;
    h->blocks[h->n_blocks++] = (block){offset + before, bytes - before - behind};
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
    return in.at[0] == 1 && add_block(h, offset + 16, swg_get_le(in.at + 8, 4));
}

static bool walk_block(header *h, block b, swg_h5_visit *visit, void *context)
{
    swg_cursor in = {.at = h->map->data + b.offset, .left = (size_t)b.bytes};
    const size_t head = h->is_new ? h->has_order ? 6 : 4 : 8;
    while (in.left >= head) { /* less is a gap */
        swg_h5_message message = {.type = swg_cursor_number(&in, h->is_new ? 1 : 2)};
        const uint64_t bytes = swg_cursor_number(&in, 2);
        message.is_shared = swg_cursor_number(&in, 1) & FLAG_SHARED;
        (void)swg_cursor_take(&in, !h->is_new ? 3 : h->has_order ? 2 : 0);
        message.body = (swg_cursor){.at = swg_cursor_take(&in, bytes), .left = (size_t)bytes};
        if (in.is_short)
            return false;
        if (message.type == MESSAGE_CONTINUATION) {
            const uint64_t offset = swg_cursor_number(&message.body, 8);
            const uint64_t length = swg_cursor_number(&message.body, 8);
            if (message.body.is_short || message.is_shared || !add_block(h, offset, length))
                return false;
        } else if (!visit(context, &message)) {
            return false;
        }
    }
    return true;
}

bool swg_h5_walk_header(const swg_map *map, uint64_t offset, swg_h5_visit *visit, void *context)
{
    header h = {.map = map};
    if (!open_header(&h, offset))
        return false;
    for (size_t i = 0; i < h.n_blocks; i++)
        if (!walk_block(&h, h.blocks[i], visit, context))
            return false;
    return true;
}

/* --- Types and extents ------------------------------------------------------------------------ */

static bool skip_type(swg_cursor *in, unsigned depth, uint64_t *size);

/* An enumeration: its base type, names with closing zero bytes, values. */
static bool skip_members(swg_cursor *in, uint64_t version, uint64_t count, unsigned depth)
{
    uint64_t base_size = 0;
    if (!skip_type(in, depth + 1, &base_size))
        return false;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *const end = in->left ? memchr(in->at, '\0', in->left) : NULL;
        if (!end)
            return false;
        const size_t length = (size_t)(end - in->at) + 1;
        (void)swg_cursor_take(in, version < 3 ? (length + 7) / 8 * 8 : length);
    }
    return swg_cursor_take(in, count * base_size) != NULL;
}

static bool skip_type(swg_cursor *in, unsigned depth, uint64_t *size)
{
    enum { FIXED, FLOAT, TEXT = 3, BITS, OPAQUE, REFERENCE = 7, ENUMERATION, VARIABLE };
    const uint64_t head = swg_cursor_number(in, 1), bits = swg_cursor_number(in, 3);
    const uint64_t version = head >> 4;
    uint64_t inner;
    *size = swg_cursor_number(in, 4);
    if (in->is_short || version < 1 || version > 3 || *size == 0 || depth > MAX_TYPE_DEPTH)
        return false;
    switch (head & 15) {
    case FIXED:
    case BITS:
        (void)swg_cursor_take(in, 4);
        break;
    case FLOAT:
        (void)swg_cursor_take(in, 12);
        break;
    case OPAQUE:
        (void)swg_cursor_take(in, bits & 0xff);
        break;
    case TEXT:
    case REFERENCE:
        break;
    case ENUMERATION:
        return *size <= 8 && skip_members(in, version, bits & 0xffff, depth);
    case VARIABLE:
        return skip_type(in, depth + 1, &inner);
    default:
        return false;
    }
    return !in->is_short;
}

static bool is_type(swg_cursor in)
{
    uint64_t size;
    return skip_type(&in, 0, &size);
}

static bool is_extent(swg_cursor in)
{
    const uint64_t version = swg_cursor_number(&in, 1), rank = swg_cursor_number(&in, 1);
    const uint64_t flags = swg_cursor_number(&in, 1);
    (void)swg_cursor_take(&in, version == 1 ? 5 : 1);
    (void)swg_cursor_take(&in, rank * 8 * (flags & 1 ? 2 : 1));
    return !in.is_short && (version == 1 || version == 2) && rank <= MAX_RANK && flags <= 1;
}

bool swg_h5_parse_count(swg_cursor in, uint64_t *count)
{
    const uint64_t version = swg_cursor_number(&in, 1), rank = swg_cursor_number(&in, 1);
    (void)swg_cursor_take(&in, 1);
    const uint64_t kind = swg_cursor_number(&in, version == 1 ? 5 : 1);
    *count = rank ? swg_cursor_number(&in, 8) : 1;
    if (version == 2 && kind == 2) /* no extent at all */
        *count = 0;
    return !in.is_short && (version == 1 || version == 2) && rank <= 1;
}

/* --- Messages --------------------------------------------------------------------------------- */

bool swg_h5_parse_attribute(swg_cursor body, swg_h5_attribute *out)
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
    for (int i = 0; i < 3; i++) {
        const uint64_t padded = version == 1 ? (sizes[i] + 7) / 8 * 8 : sizes[i];
        parts[i] = (swg_cursor){.at = swg_cursor_take(&body, padded), .left = (size_t)sizes[i]};
    }
    *out = (swg_h5_attribute){parts[0], parts[1], parts[2], body};
    return !body.is_short && sizes[0] > 0 && parts[0].at[sizes[0] - 1] == '\0' &&
           strlen((const char *)parts[0].at) + 1 == sizes[0];
}

static bool is_attribute(swg_cursor body)
{
    swg_h5_attribute a;
    return swg_h5_parse_attribute(body, &a) && is_type(a.type) && is_extent(a.extent);
}

/* A fill value: version, flags, then length and bytes where there are any. */
static bool is_fill(swg_cursor in)
{
    const uint64_t version = swg_cursor_number(&in, 1);
    bool has_value;
    if (version == 1 || version == 2) {
        (void)swg_cursor_take(&in, 2);
        has_value = swg_cursor_number(&in, 1) || version == 1;
    } else if (version == 3) {
        has_value = swg_cursor_number(&in, 1) & 0x20;
    } else {
        return false;
    }
    if (has_value)
        (void)swg_cursor_take(&in, swg_cursor_number(&in, 4));
    return !in.is_short;
}

/* Versions 3 and 4 (written since 1.6): compact, contiguous, chunked, virtual. */
static bool is_layout(swg_cursor in)
{
    enum { COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL };
    const uint64_t version = swg_cursor_number(&in, 1), kind = swg_cursor_number(&in, 1);
    if (version < 3 || version > 4)
        return false;
    if (kind == COMPACT) {
        (void)swg_cursor_take(&in, swg_cursor_number(&in, 2));
    } else if (kind == CONTIGUOUS) {
        (void)swg_cursor_take(&in, 16);
    } else if (kind == CHUNKED && version == 3) {
        const uint64_t rank = swg_cursor_number(&in, 1);
        (void)swg_cursor_take(&in, 8 + 4 * rank);
        return !in.is_short && rank >= 2 && rank <= MAX_RANK + 1;
    } else if (kind == CHUNKED) {
        /* Flags, rank, width, sizes, the kind of index, its parameters, address. */
        static const uint64_t parameters[] = {0, 0, 0, 1, 5, 6};
        const uint64_t flags = swg_cursor_number(&in, 1), rank = swg_cursor_number(&in, 1);
        const uint64_t width = swg_cursor_number(&in, 1);
        (void)swg_cursor_take(&in, rank * width);
        const uint64_t index = swg_cursor_number(&in, 1);
        if (rank < 2 || rank > MAX_RANK + 1 || width < 1 || width > 8 || index < 1 || index > 5)
            return false;
        const bool is_filtered_single = index == 1 && flags & 2;
        (void)swg_cursor_take(&in, (is_filtered_single ? 12 : parameters[index]) + 8);
    } else if (kind == VIRTUAL) {
        (void)swg_cursor_take(&in, 12);
    } else {
        return false;
    }
    return !in.is_short;
}

static bool is_filters(swg_cursor in)
{
    const uint64_t version = swg_cursor_number(&in, 1), count = swg_cursor_number(&in, 1);
    if (version == 1)
        (void)swg_cursor_take(&in, 6);
    else if (version != 2)
        return false;
    for (uint64_t i = 0; i < count && !in.is_short; i++) {
        const uint64_t filter = swg_cursor_number(&in, 2);
        const bool has_name = version == 1 || filter >= 256;
        const uint64_t name = has_name ? swg_cursor_number(&in, 2) : 0;
        (void)swg_cursor_take(&in, 2);
        const uint64_t n_values = swg_cursor_number(&in, 2);
        const uint8_t *text = swg_cursor_take(&in, version == 1 ? (name + 7) / 8 * 8 : name);
        if (name > 0 && text && !memchr(text, '\0', (size_t)name))
            return false;
        (void)swg_cursor_take(&in, 4 * n_values + (version == 1 && n_values % 2 ? 4 : 0));
    }
    return !in.is_short;
}

static bool is_link(swg_cursor in)
{
    const uint64_t version = swg_cursor_number(&in, 1), flags = swg_cursor_number(&in, 1);
    const uint64_t kind = flags & 8 ? swg_cursor_number(&in, 1) : 0;
    (void)swg_cursor_take(&in, (flags & 4 ? 8 : 0) + (flags & 0x10 ? 1 : 0));
    const uint64_t length = swg_cursor_number(&in, 1u << (flags & 3));
    (void)swg_cursor_take(&in, length);
    (void)swg_cursor_take(&in, kind == 0 ? 8 : swg_cursor_number(&in, 2));
    return !in.is_short && version == 1 && length > 0;
}

/* Messages of fixed fields: at least that many bytes. */
static bool has_bytes(swg_cursor body, size_t least)
{
    return body.left >= least;
}

/* The same with a version, and flags whose lowest two bits add fields. */
static bool has_flagged(swg_cursor body, size_t least, size_t first, size_t second)
{
    return body.left >= 2 &&
           body.left >= least + (body.at[1] & 1 ? first : 0) + (body.at[1] & 2 ? second : 0);
}

static bool is_sound(void *context, const swg_h5_message *message)
{
    (void)context;
    const swg_cursor body = message->body;
    if (message->is_shared)
        return false; /* named types, messages shared by objects: nobody writes them here */
    switch (message->type) {
    case MESSAGE_NIL:
        return true;
    case MESSAGE_DATASPACE:
        return is_extent(body);
    case MESSAGE_LINK_INFO:
        return has_flagged(body, 18, 8, 8);
    case MESSAGE_DATATYPE:
        return is_type(body);
    case MESSAGE_OLD_FILL:
        return has_bytes(body, 4) && swg_get_le(body.at, 4) <= body.left - 4;
    case MESSAGE_FILL:
        return is_fill(body);
    case MESSAGE_LINK:
        return is_link(body);
    case MESSAGE_EXTERNAL:
        return true; /* refused by name; the library only counts them */
    case MESSAGE_LAYOUT:
        return is_layout(body);
    case MESSAGE_GROUP_INFO:
        return has_flagged(body, 2, 4, 4);
    case MESSAGE_FILTERS:
        return is_filters(body);
    case SWG_H5_ATTRIBUTE:
        return is_attribute(body);
    case MESSAGE_OLD_TIME:
        return has_bytes(body, 16);
    case MESSAGE_SYMBOL_TABLE:
        return has_bytes(body, 16);
    case MESSAGE_TIME:
        return has_bytes(body, 8);
    case MESSAGE_ATTRIBUTE_INFO:
        return has_flagged(body, 18, 2, 8);
    case MESSAGE_REFERENCES:
        return has_bytes(body, 5);
    default:
        return false;
    }
}

bool swg_h5_header_is_sound(const swg_map *map, uint64_t offset)
{
    return swg_h5_walk_header(map, offset, is_sound, NULL);
}
