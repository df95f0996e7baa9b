/* Links of a group. */
#include "formats/hdf5/format/hdf5_group.h"

#include <string.h>

#include "formats/hdf5/format/hdf5_btree.h"
#include "formats/hdf5/format/hdf5_header.h"
#include "formats/hdf5/format/hdf5_heap.h"

typedef struct listing {
    swg_h5_walk *walk;
    uint64_t address; /* of the group's header */
    swg_h5_visit_link *visit;
    void *context;
    swg_cursor names; /* of a symbol table: the heap's data */
    const swg_h5_heap *heap;
} listing;

bool swg_h5_group_add(swg_h5_group *group, uint64_t type, swg_cursor body)
{
    if (type == SWG_H5_SYMBOL_TABLE) {
        group->has_table = true;
        group->tree = swg_cursor_number(&body, 8);
        group->names = swg_cursor_number(&body, 8);
    } else if (type == SWG_H5_LINK_INFO) { /* version, flags, [largest order], heap, names */
        const bool is_known = swg_cursor_number(&body, 1) == 0;
        (void)swg_cursor_take(&body, swg_cursor_number(&body, 1) & 1 ? 8 : 0);
        group->has_info = true;
        group->heap = swg_cursor_number(&body, 8);
        group->name_index = swg_cursor_number(&body, 8);
        return is_known && !body.is_short;
    }
    return !body.is_short;
}

/* --- Symbol tables ---------------------------------------------------------------------------- */

/* An entry: offset of the name u64, header u64, what is cached u32, 4 + 16 bytes. */
static swg_status visit_entry(const listing *l, const uint8_t *entry, uint64_t node)
{
    enum { CACHED_SOFT_LINK = 2 };
    const uint64_t offset = swg_get_le(entry, 8);
    const char *const name = offset < l->names.left ? (const char *)l->names.at + offset : NULL;
    const char *const end = name ? memchr(name, '\0', l->names.left - (size_t)offset) : NULL;
    if (!end || end == name)
        return swg_h5_damaged(l->walk, "symbol table", node);
    const swg_h5_link link = {
        .kind = swg_get_le(entry + 16, 4) == CACHED_SOFT_LINK ? SWG_H5_SOFT_LINK : SWG_H5_HARD_LINK,
        .name = name,
        .name_length = (size_t)(end - name),
        .address = swg_get_le(entry + 8, 8),
    };
    return l->visit(l->context, &link);
}

/* "SNOD", version 1, a byte, entries u16, entries. */
static swg_status visit_node(void *context, const uint8_t *key, uint64_t address)
{
    enum { HEAD_BYTES = 8, ENTRY_BYTES = 40 };
    const listing *const l = context;
    const uint8_t *const head = swg_h5_peek(l->walk, address, HEAD_BYTES);
    (void)key;
    if (!head || head[4] != 1)
        return swg_h5_damaged(l->walk, "symbol table", address);
    const uint64_t n = swg_get_le(head + 6, 2);
    swg_cursor in;
    SWG_TRY(swg_h5_take(l->walk, "symbol table", address, HEAD_BYTES + n * ENTRY_BYTES, "SNOD",
                        false, &in));
    for (uint64_t i = 0; i < n; i++)
        SWG_TRY(visit_entry(l, head + HEAD_BYTES + i * ENTRY_BYTES, address));
    return SWG_OK;
}

static swg_status walk_table(listing *l, const swg_h5_group *group)
{
    /* "HEAP", version 0, 3 bytes, bytes of the data u64, its free list u64, its address u64. */
    enum { HEAD_BYTES = 32, KEY_BYTES = 8 };
    swg_cursor in;
    SWG_TRY(swg_h5_take(l->walk, "heap of names", group->names, HEAD_BYTES, "HEAP", false, &in));
    const uint64_t version = swg_cursor_number(&in, 4), bytes = swg_cursor_number(&in, 8);
    (void)swg_cursor_take(&in, 8);
    const uint64_t data = swg_cursor_number(&in, 8);
    l->names = (swg_cursor){.at = swg_h5_peek(l->walk, data, bytes), .left = (size_t)bytes};
    if (version != 0 || !l->names.at)
        return swg_h5_damaged(l->walk, "heap of names", group->names);
    return swg_h5_walk_btree1(l->walk, "tree of links", group->tree, SWG_H5_TREE_OF_LINKS,
                              KEY_BYTES, visit_node, l);
}

/* --- Messages and heaps ----------------------------------------------------------------------- */

static swg_status visit_body(const listing *l, swg_cursor body)
{
    swg_h5_link link;
    if (!swg_h5_parse_link(body, &link))
        return swg_h5_damaged(l->walk, "link", l->address);
    return l->visit(l->context, &link);
}

static swg_status visit_message(void *context, const swg_h5_message *message)
{
    return message->type == SWG_H5_LINK ? visit_body(context, message->body) : SWG_OK;
}

/* A record: hash of the name u32, identifier in the heap. */
static swg_status visit_record(void *context, const uint8_t *record)
{
    const listing *const l = context;
    swg_cursor body;
    if (!swg_h5_heap_get(l->heap, record + 4, &body))
        return swg_h5_damaged(l->walk, "link", l->address);
    return visit_body(l, body);
}

static swg_status walk_heap(listing *l, const swg_h5_group *group)
{
    swg_h5_heap heap = {0};
    swg_h5_btree2 tree;
    SWG_TRY(swg_h5_heap_open(l->walk, group->heap, &heap));
    l->heap = &heap;
    swg_status status = SWG_OK;
    SWG_GO(swg_h5_btree2_open(l->walk, "index of names", group->name_index, &tree));
    if (tree.kind != SWG_H5_RECORDS_OF_LINKS || tree.record_bytes != 4 + heap.id_bytes)
        SWG_GO(swg_h5_damaged(l->walk, "index of names", group->name_index));
    SWG_GO(swg_h5_btree2_walk(l->walk, &tree, visit_record, l));
done:
    swg_h5_heap_close(&heap);
    return status;
}

swg_status swg_h5_walk_links(swg_h5_walk *walk, const swg_h5_group *group, uint64_t address,
                             swg_h5_visit_link *visit, void *context)
{
    listing l = {.walk = walk, .address = address, .visit = visit, .context = context};
    if (group->has_table)
        return walk_table(&l, group);
    if (group->heap != SWG_H5_NOWHERE)
        return walk_heap(&l, group);
    swg_h5_walk again = *walk; /* the header was counted when the group was found */
    again.left = walk->map->size;
    return swg_h5_walk_header(&again, address, visit_message, &l);
}
