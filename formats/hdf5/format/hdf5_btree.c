/* B-trees of versions 1 and 2. A level is one below its parent's, and every node counts as walked,
 * so no crafted tree makes a walk without end. */
#include "formats/hdf5/format/hdf5_btree.h"

/* --- Version 1 -------------------------------------------------------------------------------- */

/* "TREE", kind u8, level u8, entries u16, two siblings u64, then key, address, key, ... key. */
enum { HEAD_1_BYTES = 24, ADDRESS_BYTES = 8 };

typedef struct tree1 {
    swg_h5_walk *walk;
    const char *what;
    unsigned kind;
    size_t key_bytes;
    swg_h5_visit_key *visit;
    void *context;
} tree1;

static swg_status walk_node1(const tree1 *t, uint64_t address, int due_level)
{
    const uint8_t *const head = swg_h5_peek(t->walk, address, HEAD_1_BYTES);
    if (!head)
        return swg_h5_damaged(t->walk, t->what, address);
    const int level = head[5];
    const uint64_t n = swg_get_le(head + 6, 2);
    const size_t pair_bytes = t->key_bytes + ADDRESS_BYTES;
    swg_cursor in;
    SWG_TRY(
        swg_h5_take(t->walk, t->what, address, HEAD_1_BYTES + n * pair_bytes, "TREE", false, &in));
    if (head[4] != t->kind || (due_level >= 0 && level != due_level))
        return swg_h5_damaged(t->walk, t->what, address);
    const uint8_t *key = head + HEAD_1_BYTES;
    for (uint64_t i = 0; i < n; i++, key += pair_bytes) {
        const uint64_t child = swg_get_le(key + t->key_bytes, ADDRESS_BYTES);
        SWG_TRY(level > 0 ? walk_node1(t, child, level - 1) : t->visit(t->context, key, child));
    }
    return SWG_OK;
}

swg_status swg_h5_walk_btree1(swg_h5_walk *walk, const char *what, uint64_t address, unsigned kind,
                              size_t key_bytes, swg_h5_visit_key *visit, void *context)
{
    const tree1 t = {walk, what, kind, key_bytes, visit, context};
    return walk_node1(&t, address, -1);
}

/* --- Version 2 -------------------------------------------------------------------------------- */

enum { MAX_DEPTH = 16, NODE_2_BYTES = 10 /* signature, version, kind, checksum */ };

/* Sizes of the numbers in nodes, which follow from how many records fit into one. */
typedef struct level {
    uint64_t most, all; /* records in a node of this level; and in those below it too */
    size_t all_bytes;   /* of a count of the latter */
} level;

typedef struct tree2 {
    swg_h5_walk *walk;
    const swg_h5_btree2 *tree;
    swg_h5_visit_record *visit;
    void *context;
    level levels[MAX_DEPTH + 1];
    size_t count_bytes; /* of the number of records in a node */
} tree2;

swg_status swg_h5_btree2_open(swg_h5_walk *walk, const char *what, uint64_t address,
                              swg_h5_btree2 *out)
{
    /* "BTHD", version, kind, node bytes u32, record bytes u16, depth u16, two percentages, root
     * u64, records in the root u16, in all u64, checksum. */
    enum { HEAD_BYTES = 38 };
    swg_cursor in;
    SWG_TRY(swg_h5_take(walk, what, address, HEAD_BYTES, "BTHD", true, &in));
    const uint64_t version = swg_cursor_number(&in, 1);
    *out = (swg_h5_btree2){.what = what, .address = address};
    out->kind = (unsigned)swg_cursor_number(&in, 1);
    out->node_bytes = (size_t)swg_cursor_number(&in, 4);
    out->record_bytes = (size_t)swg_cursor_number(&in, 2);
    out->depth = (unsigned)swg_cursor_number(&in, 2);
    (void)swg_cursor_take(&in, 2);
    out->root = swg_cursor_number(&in, 8);
    out->n_root = swg_cursor_number(&in, 2);
    if (version != 0 || out->record_bytes == 0 || out->depth > MAX_DEPTH ||
        out->node_bytes < NODE_2_BYTES + out->record_bytes)
        return swg_h5_damaged(walk, what, address);
    return SWG_OK;
}

/* A pointer of a node at `depth`: address, records in that node, records below it. */
static size_t pointer_bytes(const tree2 *t, unsigned depth)
{
    return ADDRESS_BYTES + t->count_bytes + t->levels[depth - 1].all_bytes;
}

static bool measure_levels(tree2 *t)
{
    const swg_h5_btree2 *const tree = t->tree;
    level *levels = t->levels;
    levels[0].most = levels[0].all = (tree->node_bytes - NODE_2_BYTES) / tree->record_bytes;
    t->count_bytes = swg_h5_width_of(levels[0].most);
    for (unsigned d = 1; d <= tree->depth; d++) {
        const size_t pointer = pointer_bytes(t, d);
        if (tree->node_bytes < NODE_2_BYTES + pointer + tree->record_bytes + pointer)
            return false;
        levels[d].most =
            (tree->node_bytes - NODE_2_BYTES - pointer) / (tree->record_bytes + pointer);
        if (__builtin_mul_overflow(levels[d].most + 1, levels[d - 1].all, &levels[d].all) ||
            __builtin_add_overflow(levels[d].all, levels[d].most, &levels[d].all))
            return false;
        levels[d].all_bytes = swg_h5_width_of(levels[d].all);
    }
    return true;
}

static swg_status walk_node2(const tree2 *t, uint64_t address, uint64_t n, unsigned depth)
{
    const swg_h5_btree2 *const tree = t->tree;
    const size_t pointer = depth ? pointer_bytes(t, depth) : 0;
    if (n > t->levels[depth].most)
        return swg_h5_damaged(t->walk, tree->what, address);
    swg_cursor in;
    SWG_TRY(swg_h5_take(t->walk, tree->what, address,
                        NODE_2_BYTES + n * tree->record_bytes + (depth ? (n + 1) * pointer : 0),
                        depth ? "BTIN" : "BTLF", true, &in));
    if (swg_cursor_number(&in, 1) != 0 || swg_cursor_number(&in, 1) != tree->kind)
        return swg_h5_damaged(t->walk, tree->what, address);
    const uint8_t *record = swg_cursor_take(&in, n * tree->record_bytes);
    for (uint64_t i = 0; i <= n; i++, record += tree->record_bytes) {
        if (depth) {
            const uint64_t child = swg_cursor_number(&in, ADDRESS_BYTES);
            const uint64_t n_child = swg_cursor_number(&in, (unsigned)t->count_bytes);
            (void)swg_cursor_take(&in, t->levels[depth - 1].all_bytes);
            SWG_TRY(walk_node2(t, child, n_child, depth - 1));
        }
        if (i < n)
            SWG_TRY(t->visit(t->context, record));
    }
    return SWG_OK;
}

swg_status swg_h5_btree2_walk(swg_h5_walk *walk, const swg_h5_btree2 *tree,
                              swg_h5_visit_record *visit, void *context)
{
    tree2 t = {.walk = walk, .tree = tree, .visit = visit, .context = context};
    if (!measure_levels(&t))
        return swg_h5_damaged(walk, tree->what, tree->address);
    return tree->root == SWG_H5_NOWHERE ? SWG_OK
                                        : walk_node2(&t, tree->root, tree->n_root, tree->depth);
}
