/* The stack machine of a pickle (Python's pickletools.py documents the opcodes), cut down to data:
 * numbers, texts, containers, and three calls that build a tensor, a parameter and an ordered
 * dictionary. Memory is bounded by the pickle's length: an opcode makes at most one value. */
#include "formats/pytorch/pickle.h"

#include <string.h>

#include "formats/bytes/bytes.h"
#include "runtime/base/utf8.h"

/* Far beyond what a pickler writes, which empties its stack every 1000 items and counts memo slots
 * one by one. */
enum { MAX_STACK = 1 << 16, MAX_MARKS = 256, MAX_VALUES = 1 << 24 };

typedef enum opcode {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_BINFLOAT = 'G',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_BINUNICODE = 'X',
    OP_EMPTY_LIST = ']',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_APPENDS = 'e',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_SETITEMS = 'u',
    OP_EMPTY_DICT = '}',
    OP_EMPTY_TUPLE = ')',
    OP_PROTO = 0x80,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95
} opcode;

/* The globals that mean something; those after NAME_STORAGES are storage types. */
typedef enum global {
    NAME_REBUILD_TENSOR,
    NAME_REBUILD_PARAMETER,
    NAME_ORDERED_DICT,
    NAME_STORAGES
} global;

static const struct {
    const char *module, *name;
    swg_dtype dtype;
} globals[] = {
    [NAME_REBUILD_TENSOR] = {"torch._utils", "_rebuild_tensor_v2", SWG_F32},
    [NAME_REBUILD_PARAMETER] = {"torch._utils", "_rebuild_parameter", SWG_F32},
    [NAME_ORDERED_DICT] = {"collections", "OrderedDict", SWG_F32},
    {"torch", "FloatStorage", SWG_F32},
    {"torch", "HalfStorage", SWG_F16},
    {"torch", "BFloat16Storage", SWG_BF16},
    {"torch", "DoubleStorage", SWG_F64},
    {"torch", "LongStorage", SWG_I64},
    {"torch", "IntStorage", SWG_I32},
    {"torch", "ShortStorage", SWG_I16},
    {"torch", "CharStorage", SWG_I8},
    {"torch", "ByteStorage", SWG_U8},
    {"torch", "BoolStorage", SWG_BOOL},
    {"torch", "ComplexFloatStorage", SWG_C64},
};
enum { N_GLOBALS = sizeof globals / sizeof globals[0] };

typedef struct machine {
    swg_cursor in;
    size_t length;
    swg_arena *arena;
    swg_pickle_value **stack;
    size_t depth, stack_capacity;
    size_t marks[MAX_MARKS];
    size_t n_marks;
    swg_pickle_value **memo;
    size_t n_memo, memo_capacity;
    swg_pickle_value *pool; /* values not used yet */
    size_t n_pool, n_values;
} machine;

const char *swg_pickle_kind_name(swg_pickle_kind kind)
{
    static const char *const names[] = {"None",        "truth value", "integer", "float",
                                        "text",        "tuple",       "list",    "dictionary",
                                        "global name", "storage",     "tensor"};
    return names[kind];
}

static swg_status broken(const machine *m, const char *what)
{
    return swg_error(SWG_CORRUPT, "%s at byte %zu of the pickle", what, m->length - m->in.left);
}

/* --- Stack, values ---------------------------------------------------------------------------- */

static swg_status new_value(machine *m, swg_pickle_kind kind, swg_pickle_value **out)
{
    enum { POOL = 64 };
    if (m->n_pool == 0) {
        if (m->n_values >= MAX_VALUES)
            return swg_error(SWG_LIMIT, "the pickle holds more than %d values", MAX_VALUES);
        m->pool = swg_arena_calloc(m->arena, POOL, sizeof *m->pool);
        if (!m->pool)
            return SWG_NO_MEMORY;
        m->n_pool = POOL;
        m->n_values += POOL;
    }
    m->n_pool--;
    *out = m->pool++;
    (*out)->kind = kind;
    return SWG_OK;
}

static swg_status push(machine *m, swg_pickle_value *value)
{
    if (m->depth >= MAX_STACK)
        return broken(m, "too deep a stack");
    SWG_TRY(swg_reserve((void **)&m->stack, &m->stack_capacity, m->depth + 1,
                        sizeof(swg_pickle_value *)));
    m->stack[m->depth++] = value;
    return SWG_OK;
}

static swg_status push_new(machine *m, swg_pickle_kind kind, swg_pickle_value **out)
{
    SWG_TRY(new_value(m, kind, out));
    return push(m, *out);
}

static swg_status push_integer(machine *m, int64_t value)
{
    swg_pickle_value *v = NULL;
    SWG_TRY(push_new(m, SWG_PICKLE_INT, &v));
    v->integer = value;
    return SWG_OK;
}

/* The lowest place that may be taken: nothing below the last mark. */
static size_t ground(const machine *m)
{
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

static swg_pickle_value *pop(machine *m)
{
    return m->depth > ground(m) ? m->stack[--m->depth] : NULL;
}

static swg_pickle_value *top(const machine *m)
{
    return m->depth > ground(m) ? m->stack[m->depth - 1] : NULL;
}

/* Append values to a container, whose array doubles. */
static swg_status extend(machine *m, swg_pickle_value *container, swg_pickle_value **values,
                         size_t count)
{
    const size_t due = container->n_items + count;
    if (due > container->capacity) {
        const size_t capacity = 2 * container->capacity > due ? 2 * container->capacity : due;
        swg_pickle_value **items = swg_arena_calloc(m->arena, capacity, sizeof *items);
        if (!items)
            return SWG_NO_MEMORY;
        if (container->n_items)
            memcpy(items, container->items, container->n_items * sizeof *items);
        container->items = items;
        container->capacity = capacity;
    }
    if (count)
        memcpy(container->items + container->n_items, values, count * sizeof *values);
    container->n_items = due;
    return SWG_OK;
}

/* The values after the last mark, which goes; they stay on the stack's array above its depth. */
static swg_status pop_marked(machine *m, swg_pickle_value ***values, size_t *count)
{
    if (m->n_marks == 0)
        return broken(m, "no mark");
    const size_t mark = m->marks[--m->n_marks];
    *values = m->stack + mark;
    *count = m->depth - mark;
    m->depth = mark;
    return SWG_OK;
}

static swg_status make_tuple(machine *m, size_t count)
{
    if (m->depth - ground(m) < count)
        return broken(m, "too few values for a tuple");
    swg_pickle_value *tuple = NULL;
    m->depth -= count;
    SWG_TRY(new_value(m, SWG_PICKLE_TUPLE, &tuple));
    SWG_TRY(extend(m, tuple, m->stack + m->depth, count));
    return push(m, tuple);
}

static swg_status make_marked_tuple(machine *m)
{
    swg_pickle_value **values = NULL, *tuple = NULL;
    size_t count = 0;
    SWG_TRY(pop_marked(m, &values, &count));
    SWG_TRY(new_value(m, SWG_PICKLE_TUPLE, &tuple));
    SWG_TRY(extend(m, tuple, values, count));
    return push(m, tuple);
}

/* Into the list or dictionary below: what is after the mark, or the topmost `count`. */
static swg_status fill(machine *m, swg_pickle_kind kind, bool is_marked, size_t count)
{
    swg_pickle_value **values = NULL;
    if (is_marked) {
        SWG_TRY(pop_marked(m, &values, &count));
    } else {
        if (m->depth - ground(m) < count)
            return broken(m, "too few values for an item");
        m->depth -= count;
        values = m->stack + m->depth;
    }
    swg_pickle_value *container = top(m);
    if (!container || container->kind != kind || (kind == SWG_PICKLE_DICT && count % 2 != 0))
        return broken(m, "items for something that takes none");
    return extend(m, container, values, count);
}

/* --- Memo ------------------------------------------------------------------------------------- */

static swg_status memo_put(machine *m, uint64_t slot)
{
    swg_pickle_value *value = top(m);
    if (m->in.is_short || !value || slot > m->n_memo)
        return broken(m, "a wrong memo slot");
    if (slot == m->n_memo) {
        SWG_TRY(swg_reserve((void **)&m->memo, &m->memo_capacity, m->n_memo + 1,
                            sizeof(swg_pickle_value *)));
        m->n_memo++;
    }
    m->memo[slot] = value;
    return SWG_OK;
}

static swg_status memo_get(machine *m, uint64_t slot)
{
    if (m->in.is_short || slot >= m->n_memo)
        return broken(m, "an empty memo slot");
    return push(m, m->memo[slot]);
}

/* --- Texts and names -------------------------------------------------------------------------- */

static swg_status push_text(machine *m, uint64_t length)
{
    swg_pickle_value *value = NULL;
    const char *text = (const char *)swg_cursor_take(&m->in, length);
    if (!text)
        return broken(m, "a text that is cut off");
    SWG_TRY(push_new(m, SWG_PICKLE_TEXT, &value));
    value->text = text;
    value->length = (size_t)length;
    return SWG_OK;
}

static bool is_text(const char *text, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(text, wanted, length) == 0;
}

static swg_status push_name(machine *m, const char *module, size_t module_length, const char *name,
                            size_t name_length)
{
    for (int i = 0; i < N_GLOBALS; i++) {
        if (!is_text(module, module_length, globals[i].module) ||
            !is_text(name, name_length, globals[i].name))
            continue;
        swg_pickle_value *value = NULL;
        SWG_TRY(push_new(m, SWG_PICKLE_NAME, &value));
        value->name = i;
        return SWG_OK;
    }
    const bool is_shown =
        swg_name_is_printable(module, module_length) && swg_name_is_printable(name, name_length);
    return swg_error(
        SWG_UNSUPPORTED,
        "the pickle asks for %.*s.%.*s, which is not part of a state dict of tensors "
        "and is not loaded",
        is_shown ? (int)(module_length < 100 ? module_length : 100) : 1, is_shown ? module : "?",
        is_shown ? (int)(name_length < 100 ? name_length : 100) : 1, is_shown ? name : "?");
}

/* Two lines of text. */
static swg_status read_global(machine *m)
{
    const char *lines[2];
    size_t lengths[2];
    for (int i = 0; i < 2; i++) {
        const uint8_t *end = m->in.left ? memchr(m->in.at, '\n', m->in.left) : NULL;
        if (!end)
            return broken(m, "a name that is cut off");
        lengths[i] = (size_t)(end - m->in.at);
        lines[i] = (const char *)swg_cursor_take(&m->in, lengths[i] + 1);
    }
    return push_name(m, lines[0], lengths[0], lines[1], lengths[1]);
}

static swg_status stack_global(machine *m)
{
    const swg_pickle_value *name = pop(m), *module = pop(m);
    if (!name || !module || name->kind != SWG_PICKLE_TEXT || module->kind != SWG_PICKLE_TEXT)
        return broken(m, "a name that is not text");
    return push_name(m, module->text, module->length, name->text, name->length);
}

/* --- Storages and tensors --------------------------------------------------------------------- */

static const swg_pickle_value *item(const swg_pickle_value *tuple, size_t index,
                                    swg_pickle_kind kind)
{
    if (!tuple || tuple->kind != SWG_PICKLE_TUPLE || index >= tuple->n_items ||
        tuple->items[index]->kind != kind)
        return NULL;
    return tuple->items[index];
}

/* ("storage", torch.FloatStorage, key, location, number of elements) */
static swg_status load_storage(machine *m)
{
    const swg_pickle_value *id = pop(m);
    const swg_pickle_value *tag = item(id, 0, SWG_PICKLE_TEXT);
    const swg_pickle_value *type = item(id, 1, SWG_PICKLE_NAME);
    const swg_pickle_value *key = item(id, 2, SWG_PICKLE_TEXT);
    const swg_pickle_value *count = item(id, 4, SWG_PICKLE_INT);
    if (!tag || !is_text(tag->text, tag->length, "storage") || !type ||
        type->name < NAME_STORAGES || !key || !item(id, 3, SWG_PICKLE_TEXT) || !count ||
        count->integer < 0 || id->n_items != 5)
        return broken(m, "a persistent id that is not a storage");
    swg_pickle_value *value = NULL;
    SWG_TRY(push_new(m, SWG_PICKLE_STORAGE, &value));
    value->storage.key = key->text;
    value->storage.key_length = key->length;
    value->storage.dtype = globals[type->name].dtype;
    value->storage.n_elems = (uint64_t)count->integer;
    return SWG_OK;
}

static bool read_sizes(const swg_pickle_value *tuple, uint64_t out[SWG_MAX_RANK])
{
    for (size_t i = 0; i < tuple->n_items; i++) {
        const swg_pickle_value *size = item(tuple, i, SWG_PICKLE_INT);
        if (!size || size->integer < 0)
            return false;
        if (i < SWG_MAX_RANK)
            out[i] = (uint64_t)size->integer;
    }
    return true;
}

/* (storage, offset, sizes, strides, requires_grad, hooks[, metadata]) */
static swg_status rebuild_tensor(machine *m, const swg_pickle_value *arguments)
{
    const swg_pickle_value *storage = item(arguments, 0, SWG_PICKLE_STORAGE);
    const swg_pickle_value *offset = item(arguments, 1, SWG_PICKLE_INT);
    const swg_pickle_value *sizes = item(arguments, 2, SWG_PICKLE_TUPLE);
    const swg_pickle_value *strides = item(arguments, 3, SWG_PICKLE_TUPLE);
    if (!storage || !offset || offset->integer < 0 || !sizes || !strides ||
        sizes->n_items != strides->n_items)
        return broken(m, "a tensor that is not made of storage, offset, sizes and strides");
    swg_pickle_value *value = NULL;
    SWG_TRY(push_new(m, SWG_PICKLE_TENSOR, &value));
    swg_pickle_tensor *tensor = swg_arena_calloc(m->arena, 1, sizeof *tensor);
    if (!tensor)
        return SWG_NO_MEMORY;
    value->tensor = tensor;
    tensor->storage = storage;
    tensor->offset = (uint64_t)offset->integer;
    tensor->rank = sizes->n_items;
    if (!read_sizes(sizes, tensor->shape) || !read_sizes(strides, tensor->stride))
        return broken(m, "a tensor with a negative size or stride");
    return SWG_OK;
}

static swg_status reduce(machine *m)
{
    const swg_pickle_value *arguments = pop(m), *callee = pop(m);
    swg_pickle_value *value = NULL;
    if (!arguments || arguments->kind != SWG_PICKLE_TUPLE || !callee ||
        callee->kind != SWG_PICKLE_NAME)
        return broken(m, "a call of something that is not a name");
    switch (callee->name) {
    case NAME_REBUILD_TENSOR:
        return rebuild_tensor(m, arguments);
    case NAME_REBUILD_PARAMETER:
        if (!item(arguments, 0, SWG_PICKLE_TENSOR))
            return broken(m, "a parameter without a tensor");
        return push(m, arguments->items[0]);
    case NAME_ORDERED_DICT:
        if (arguments->n_items != 0)
            return broken(m, "an ordered dictionary made from arguments");
        return push_new(m, SWG_PICKLE_DICT, &value);
    }
    return swg_error(SWG_UNSUPPORTED, "the pickle calls %s.%s, which makes no tensor",
                     globals[callee->name].module, globals[callee->name].name);
}

/* State put on a value: the attribute _metadata of a module's state dict, which holds no weights.
 */
static swg_status build(machine *m)
{
    const swg_pickle_value *state = pop(m), *value = top(m);
    if (!state || state->kind != SWG_PICKLE_DICT || !value || value->kind != SWG_PICKLE_DICT)
        return broken(m, "state for something that has none");
    return SWG_OK;
}

/* --- Opcodes ---------------------------------------------------------------------------------- */

/* LONG1: a length, and that many bytes of two's complement. */
static swg_status push_long(machine *m)
{
    const uint64_t bytes = swg_cursor_number(&m->in, 1);
    if (bytes > 8)
        return broken(m, "an integer beyond 64 bits");
    const uint8_t *at = swg_cursor_take(&m->in, bytes);
    if (!at)
        return broken(m, "an integer that is cut off");
    uint64_t value = bytes ? swg_get_le(at, (unsigned)bytes) : 0;
    if (bytes && bytes < 8 && at[bytes - 1] & 0x80)
        value |= UINT64_MAX << (8 * bytes);
    return push_integer(m, (int64_t)value);
}

static swg_status push_float(machine *m)
{
    swg_pickle_value *value = NULL;
    const uint8_t *at = swg_cursor_take(&m->in, 8);
    if (!at)
        return broken(m, "a number that is cut off");
    uint64_t bits = 0; /* big-endian */
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | at[i];
    SWG_TRY(push_new(m, SWG_PICKLE_FLOAT, &value));
    memcpy(&value->number, &bits, sizeof bits);
    return SWG_OK;
}

static swg_status push_boolean(machine *m, bool boolean)
{
    swg_pickle_value *value = NULL;
    SWG_TRY(push_new(m, SWG_PICKLE_BOOL, &value));
    value->boolean = boolean;
    return SWG_OK;
}

static swg_status push_mark(machine *m)
{
    if (m->n_marks == MAX_MARKS)
        return broken(m, "too many marks");
    m->marks[m->n_marks++] = m->depth;
    return SWG_OK;
}

/* Opcodes that make a value from the bytes after them. */
static swg_status step_value(machine *m, uint64_t code, bool *is_known)
{
    swg_pickle_value *value = NULL;
    switch ((opcode)code) {
    case OP_NONE:
        return push_new(m, SWG_PICKLE_NONE, &value);
    case OP_NEWTRUE:
        return push_boolean(m, true);
    case OP_NEWFALSE:
        return push_boolean(m, false);
    case OP_BININT:
        return push_integer(m, (int32_t)(uint32_t)swg_cursor_number(&m->in, 4));
    case OP_BININT1:
        return push_integer(m, (int64_t)swg_cursor_number(&m->in, 1));
    case OP_BININT2:
        return push_integer(m, (int64_t)swg_cursor_number(&m->in, 2));
    case OP_LONG1:
        return push_long(m);
    case OP_BINFLOAT:
        return push_float(m);
    case OP_BINUNICODE:
        return push_text(m, swg_cursor_number(&m->in, 4));
    case OP_SHORT_BINUNICODE:
        return push_text(m, swg_cursor_number(&m->in, 1));
    case OP_EMPTY_LIST:
        return push_new(m, SWG_PICKLE_LIST, &value);
    case OP_EMPTY_DICT:
        return push_new(m, SWG_PICKLE_DICT, &value);
    case OP_EMPTY_TUPLE:
        return make_tuple(m, 0);
    case OP_GLOBAL:
        return read_global(m);
    default:
        *is_known = false;
        return SWG_OK;
    }
}

/* Opcodes that work on the stack and the memo. */
static swg_status step_stack(machine *m, uint64_t code, bool *is_known)
{
    switch ((opcode)code) {
    case OP_MARK:
        return push_mark(m);
    case OP_POP:
        return pop(m) ? SWG_OK : broken(m, "nothing to drop");
    case OP_TUPLE:
        return make_marked_tuple(m);
    case OP_TUPLE1:
        return make_tuple(m, 1);
    case OP_TUPLE2:
        return make_tuple(m, 2);
    case OP_TUPLE3:
        return make_tuple(m, 3);
    case OP_APPEND:
        return fill(m, SWG_PICKLE_LIST, false, 1);
    case OP_APPENDS:
        return fill(m, SWG_PICKLE_LIST, true, 0);
    case OP_SETITEM:
        return fill(m, SWG_PICKLE_DICT, false, 2);
    case OP_SETITEMS:
        return fill(m, SWG_PICKLE_DICT, true, 0);
    case OP_BINPUT:
        return memo_put(m, swg_cursor_number(&m->in, 1));
    case OP_LONG_BINPUT:
        return memo_put(m, swg_cursor_number(&m->in, 4));
    case OP_MEMOIZE:
        return memo_put(m, m->n_memo);
    case OP_BINGET:
        return memo_get(m, swg_cursor_number(&m->in, 1));
    case OP_LONG_BINGET:
        return memo_get(m, swg_cursor_number(&m->in, 4));
    case OP_STACK_GLOBAL:
        return stack_global(m);
    case OP_BINPERSID:
        return load_storage(m);
    case OP_REDUCE:
        return reduce(m);
    case OP_BUILD:
        return build(m);
    default:
        *is_known = false;
        return SWG_OK;
    }
}

static swg_status step(machine *m, uint64_t code)
{
    bool is_known = true;
    if (code == OP_FRAME) {
        (void)swg_cursor_take(&m->in, 8);
        return SWG_OK;
    }
    if (code == OP_PROTO) {
        const uint64_t version = swg_cursor_number(&m->in, 1);
        return version >= 2 && version <= 5 ? SWG_OK : broken(m, "an unknown protocol");
    }
    SWG_TRY(step_value(m, code, &is_known));
    if (is_known)
        return SWG_OK;
    is_known = true;
    SWG_TRY(step_stack(m, code, &is_known));
    if (is_known)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "the pickle has the opcode 0x%02x at byte %zu, which a state dict of tensors "
                     "does not need",
                     (unsigned)code, m->length - m->in.left - 1);
}

swg_status swg_pickle_read(const uint8_t *bytes, size_t length, swg_arena *arena,
                           const swg_pickle_value **out)
{
    machine m = {.in = {.at = bytes, .left = length}, .length = length, .arena = arena};
    swg_status status = SWG_OK;
    /* So that an empty stack, too, is a place to point into. */
    SWG_GO(swg_reserve((void **)&m.stack, &m.stack_capacity, 1, sizeof(swg_pickle_value *)));
    for (;;) {
        const uint64_t code = swg_cursor_number(&m.in, 1);
        if (m.in.is_short)
            SWG_GO(broken(&m, "an early end"));
        if (code == OP_STOP)
            break;
        SWG_GO(step(&m, code));
        if (m.in.is_short)
            SWG_GO(broken(&m, "an early end"));
    }
    if (m.depth != 1 || m.n_marks != 0 || m.in.left != 0)
        SWG_GO(broken(&m, "an end with values or bytes left over"));
    *out = m.stack[0];
done:
    swg_free(m.stack);
    swg_free(m.memo);
    return status;
}

const swg_pickle_value *swg_pickle_get(const swg_pickle_value *dict, const char *key)
{
    if (!dict || dict->kind != SWG_PICKLE_DICT)
        return NULL;
    for (size_t i = 0; i + 1 < dict->n_items; i += 2)
        if (dict->items[i]->kind == SWG_PICKLE_TEXT &&
            is_text(dict->items[i]->text, dict->items[i]->length, key))
            return dict->items[i + 1];
    return NULL;
}
