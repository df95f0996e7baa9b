/* Attributes are in their object's header or, when there are many, in a heap with an index of
 * names. Texts of variable length are references into global heaps. (HDF5 file format specification
 * 3.0: III.E, IV.A.2.m, IV.A.2.v.) What is looked at and what is copied count as
 * walked. */
#include "formats/hdf5/format/hdf5_attribute.h"

#include <string.h>

#include "formats/hdf5/format/hdf5_btree.h"
#include "formats/hdf5/format/hdf5_header.h"
#include "formats/hdf5/format/hdf5_heap.h"

enum {
    REFERENCE_BYTES = 16, /* u32 length, u64 collection, u32 index */
    TEXT_BYTES = 64,      /* that an empty text takes in the memory */
    MEMORY_WEIGHT = 16    /* memory counts this many times as much as time */
};

/* --- The attribute ---------------------------------------------------------------------------- */

typedef struct search {
    const char *name;
    uint64_t header;
    uint64_t heap, name_index; /* of attributes that are not in the header */
    swg_h5_walk *walk;
    const swg_h5_heap *open_heap;
    swg_h5_attribute *out;
    bool is_found;
} search;

/* An attribute that cannot be parsed is not that which is searched: nobody asks for it. */
static void match(search *s, swg_cursor body)
{
    swg_h5_attribute attribute;
    if (!swg_h5_parse_attribute(body, &attribute) || strcmp(attribute.name, s->name) != 0)
        return;
    *s->out = attribute;
    s->is_found = true;
}

static swg_status visit_message(void *context, const swg_h5_message *message)
{
    search *const s = context;
    if (message->type == SWG_H5_ATTRIBUTE && !message->is_shared) {
        match(s, message->body);
    } else if (message->type ==
               SWG_H5_ATTRIBUTE_INFO) { /* version, flags, [order], two addresses */
        swg_cursor in = message->body;
        (void)swg_cursor_take(&in, 1);
        (void)swg_cursor_take(&in, swg_cursor_number(&in, 1) & 1 ? 2 : 0);
        const uint64_t heap = swg_cursor_number(&in, 8), names = swg_cursor_number(&in, 8);
        if (in.is_short)
            return swg_h5_damaged(s->walk, "list of attributes", s->header);
        s->heap = heap;
        s->name_index = names;
    }
    return SWG_OK;
}

/* A record: identifier in the heap (8 bytes), flags u8, order u32, hash of the name u32. Attributes
 * of more than 4 KiB, and shared ones, are elsewhere: an error for the one that is searched. */
static swg_status visit_record(void *context, const uint8_t *record)
{
    enum { FLAGS_AT = 8, HASH_AT = 13, IS_SHARED = 2 };
    search *const s = context;
    swg_cursor body;
    if (!(record[FLAGS_AT] & IS_SHARED) && swg_h5_heap_get(s->open_heap, record, &body))
        match(s, body);
    else if (swg_get_le(record + HASH_AT, 4) ==
             swg_h5_checksum((const uint8_t *)s->name, strlen(s->name)))
        return swg_h5_unsupported(s->walk, "keeps an attribute apart that is needed and too large "
                                           "for its heap, which is not read");
    return SWG_OK;
}

static swg_status search_heap(search *s)
{
    enum { IDENTIFIER_BYTES = 8, RECORD_BYTES = 17 };
    swg_h5_heap heap = {0};
    swg_h5_btree2 tree;
    SWG_TRY(swg_h5_heap_open(s->walk, s->heap, &heap));
    s->open_heap = &heap;
    swg_status status = SWG_OK;
    SWG_GO(swg_h5_btree2_open(s->walk, "index of attributes", s->name_index, &tree));
    if (tree.kind != SWG_H5_RECORDS_OF_ATTRIBUTES || tree.record_bytes != RECORD_BYTES ||
        heap.id_bytes != IDENTIFIER_BYTES)
        SWG_GO(swg_h5_damaged(s->walk, "index of attributes", s->name_index));
    SWG_GO(swg_h5_btree2_walk(s->walk, &tree, visit_record, s));
done:
    swg_h5_heap_close(&heap);
    return status;
}

swg_status swg_h5_find_attribute(swg_h5_walk *walk, uint64_t header, const char *name,
                                 swg_h5_attribute *out, bool *is_found)
{
    search s = {.name = name, .header = header, .heap = SWG_H5_NOWHERE, .walk = walk, .out = out};
    SWG_TRY(swg_h5_walk_header(walk, header, visit_message, &s));
    if (!s.is_found && s.heap != SWG_H5_NOWHERE)
        SWG_TRY(search_heap(&s));
    *is_found = s.is_found;
    return SWG_OK;
}

/* --- The global heap -------------------------------------------------------------------------- */

/* Object `index` of the collection at `offset`, NULL when it is not there. */
static const uint8_t *find_object(swg_h5_walk *walk, uint64_t offset, uint64_t index,
                                  uint64_t length)
{
    enum { HEAD_BYTES = 16, OBJECT_BYTES = 16, ALIGNMENT = 8 };
    const uint8_t *const head = swg_h5_peek(walk, offset, HEAD_BYTES);
    if (!head || memcmp(head, "GCOL\1", 5) != 0)
        return NULL;
    const uint64_t bytes = swg_get_le(head + 8, 8);
    if (bytes < HEAD_BYTES || !swg_h5_peek(walk, offset, bytes))
        return NULL;
    swg_cursor in = {.at = head + HEAD_BYTES, .left = (size_t)bytes - HEAD_BYTES};
    while (in.left >= OBJECT_BYTES &&
           swg_h5_count(walk, "heap of texts", offset, OBJECT_BYTES) == SWG_OK) {
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

static swg_status copy(swg_h5_walk *walk, swg_arena *arena, const char *text, size_t length,
                       const char **out)
{
    const size_t used = strnlen(text, length);
    SWG_TRY(swg_h5_count(walk, "texts", (uint64_t)((const uint8_t *)text - walk->map->data),
                         MEMORY_WEIGHT * ((uint64_t)used + TEXT_BYTES)));
    *out = swg_arena_strndup(arena, text, used);
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status no_texts(const swg_h5_walk *walk, const swg_h5_attribute *attribute)
{
    return swg_error(SWG_CORRUPT, "%s: attribute %.200s of %.300s is not a text or a list of texts",
                     walk->path, attribute->name, *walk->object ? walk->object : "the file");
}

static swg_status read_variable(swg_h5_walk *walk, const swg_h5_attribute *attribute, size_t count,
                                swg_arena *arena, const char **list)
{
    swg_cursor data = attribute->data;
    for (size_t i = 0; i < count; i++) {
        const uint64_t length = swg_cursor_number(&data, 4);
        const uint64_t collection = swg_cursor_number(&data, 8);
        const uint64_t index = swg_cursor_number(&data, 4);
        if (length == 0) {
            list[i] = "";
            continue;
        }
        const uint8_t *const text = find_object(walk, collection, index, length);
        if (!text)
            return no_texts(walk, attribute);
        SWG_TRY(copy(walk, arena, (const char *)text, (size_t)length, &list[i]));
    }
    return SWG_OK;
}

static swg_status read_fixed(swg_h5_walk *walk, swg_cursor data, const swg_h5_type *type,
                             size_t count, swg_arena *arena, const char **list)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = (const char *)swg_cursor_take(&data, type->bytes);
        size_t length = strnlen(text, (size_t)type->bytes);
        while (type->is_space_padded && length > 0 && text[length - 1] == ' ')
            length--;
        SWG_TRY(copy(walk, arena, text, length, &list[i]));
    }
    return SWG_OK;
}

swg_status swg_h5_attribute_texts(swg_h5_walk *walk, const swg_h5_attribute *attribute,
                                  swg_arena *arena, const char *const **out, size_t *n_out)
{
    swg_h5_type type;
    swg_h5_extent extent;
    if (!swg_h5_parse_extent(attribute->extent, &extent) || extent.rank > 1 ||
        !swg_h5_parse_type(attribute->type, &type))
        return no_texts(walk, attribute);
    const uint64_t count = extent.is_null ? 0 : extent.rank ? extent.size[0] : 1;
    const uint64_t bytes = type.is_variable_text ? (uint64_t)REFERENCE_BYTES : type.bytes;
    if (count > 0 &&
        (count > attribute->data.left / bytes || !(type.is_text || type.is_variable_text)))
        return no_texts(walk, attribute); /* an empty list may have any type */
    SWG_TRY(swg_h5_count(walk, "texts", 0, MEMORY_WEIGHT * count * sizeof(char *)));
    const char **list = swg_arena_calloc(arena, (size_t)count, sizeof *list);
    if (!list)
        return SWG_NO_MEMORY;
    SWG_TRY(type.is_variable_text
                ? read_variable(walk, attribute, (size_t)count, arena, list)
                : read_fixed(walk, attribute->data, &type, (size_t)count, arena, list));
    *out = list;
    *n_out = (size_t)count;
    return SWG_OK;
}
