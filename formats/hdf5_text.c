/* From an object's header (version 1 or 2, with its continuations) to an attribute's message, from
 * there to the references that are its data, and through the global heap to the texts. (HDF5 file
 * format specification 3.0: III.E, IV.A.1, IV.A.2.m.) Everything is bounded by the file: the bytes
 * walked, the objects looked at, the texts copied. */
#include "formats/hdf5_text.h"

#include <stdbool.h>
#include <string.h>

#include "formats/hdf5_header.h"

enum {
    REFERENCE_BYTES = 16, /* u32 length, u64 collection, u32 index */
    MAX_OBJECTS_WALKED = 1 << 22
};

/* --- The attribute ---------------------------------------------------------------------------- */

typedef struct search {
    const char *name;
    swg_h5_attribute found;
    bool is_found;
} search;

static bool match(void *context, const swg_h5_message *message)
{
    search *s = context;
    s->is_found = message->type == SWG_H5_ATTRIBUTE && !message->is_shared &&
                  swg_h5_parse_attribute(message->body, &s->found) &&
                  strcmp((const char *)s->found.name.at, s->name) == 0;
    return !s->is_found;
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
    search s = {.name = name};
    uint64_t count = 0;
    (void)swg_h5_walk_header(map, offset, match, &s);
    if (!s.is_found || !swg_h5_parse_count(s.found.extent, &count))
        return SWG_CORRUPT;
    swg_h5_attribute a = s.found;
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
