/* Values: truth, equality and order, as Python has them. */
#include "runtime/text/jinja/value.h"

const char *swg_jkind_name(swg_jkind kind)
{
    static const char *const names[] = {
        [SWG_J_ABSENT] = "nothing",
        [SWG_J_UNDEFINED] = "Undefined",
        [SWG_J_NONE] = "None",
        [SWG_J_BOOL] = "bool",
        [SWG_J_INT] = "int",
        [SWG_J_FLOAT] = "float",
        [SWG_J_STRING] = "str",
        [SWG_J_LIST] = "list",
        [SWG_J_TUPLE] = "tuple",
        [SWG_J_DICT] = "dict",
        [SWG_J_NAMESPACE] = "Namespace",
        [SWG_J_FUNCTION] = "function",
        [SWG_J_MACRO] = "Macro",
        [SWG_J_LOOP] = "LoopContext",
    };
    return names[kind];
}

bool swg_jtruth(const swg_jvalue *value)
{
    switch (value->kind) {
    case SWG_J_ABSENT:
    case SWG_J_UNDEFINED:
    case SWG_J_NONE:
        return false;
    case SWG_J_BOOL:
        return value->boolean;
    case SWG_J_INT:
        return value->integer != 0;
    case SWG_J_FLOAT:
        return value->real < 0 || value->real > 0 || value->real != value->real;
    case SWG_J_STRING:
        return value->length > 0;
    case SWG_J_LIST:
    case SWG_J_TUPLE:
        return value->list->count > 0;
    case SWG_J_DICT:
        return value->dict->count > 0;
    default:
        return true;
    }
}

static int order_of(double a, double b)
{
    return a < b ? -1 : a > b ? 1 : 0;
}

static int compare_texts(const swg_jvalue *a, const swg_jvalue *b)
{
    const size_t shared = a->length < b->length ? a->length : b->length;
    const int order = shared ? memcmp(a->text, b->text, shared) : 0;
    return order ? (order > 0) - (order < 0) : (a->length > b->length) - (a->length < b->length);
}

static bool equal_dicts(const swg_jdict *a, const swg_jdict *b, uint64_t *steps)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        size_t k = 0;
        while (k < b->count && !swg_jequal(&a->entries[i].key, &b->entries[k].key, steps))
            k++;
        if (k == b->count || !swg_jequal(&a->entries[i].value, &b->entries[k].value, steps))
            return false;
    }
    return true;
}

bool swg_jequal(const swg_jvalue *a, const swg_jvalue *b, uint64_t *steps)
{
    double x, y;
    int64_t i, k;
    ++*steps;
    if (swg_jas_int(a, &i) && swg_jas_int(b, &k))
        return i == k;
    if (swg_jas_number(a, &x) && swg_jas_number(b, &y))
        return order_of(x, y) == 0 && x == x && y == y;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SWG_J_STRING:
        *steps += a->length / 16;
        return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
    case SWG_J_LIST:
    case SWG_J_TUPLE:
        if (a->list->count != b->list->count)
            return false;
        for (size_t at = 0; at < a->list->count; at++)
            if (!swg_jequal(&a->list->items[at], &b->list->items[at], steps))
                return false;
        return true;
    case SWG_J_DICT:
        return equal_dicts(a->dict, b->dict, steps);
    case SWG_J_NAMESPACE:
        return a->dict == b->dict;
    case SWG_J_FUNCTION:
        return a->function == b->function;
    case SWG_J_MACRO:
        return a->macro == b->macro;
    case SWG_J_LOOP:
        return a->loop == b->loop;
    default: /* None, undefined */
        return true;
    }
}

int swg_jcompare(const swg_jvalue *a, const swg_jvalue *b, uint64_t *steps)
{
    double x, y;
    int64_t i, k;
    ++*steps;
    if (swg_jas_int(a, &i) && swg_jas_int(b, &k))
        return (i > k) - (i < k);
    if (swg_jas_number(a, &x) && swg_jas_number(b, &y))
        return order_of(x, y);
    if (swg_jis_text(a) && swg_jis_text(b)) {
        *steps += (a->length < b->length ? a->length : b->length) / 16;
        return compare_texts(a, b);
    }
    if (!swg_jis_list(a) || a->kind != b->kind)
        return 2;
    for (size_t at = 0; at < a->list->count && at < b->list->count; at++)
        if (!swg_jequal(&a->list->items[at], &b->list->items[at], steps))
            return swg_jcompare(&a->list->items[at], &b->list->items[at], steps);
    return (a->list->count > b->list->count) - (a->list->count < b->list->count);
}
