/* Evaluating expressions of a chat template. */
#include "runtime/text/jinja/eval.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/text/jinja/lexer.h"

enum { NODE_COST = 16 };

/* --- Names and members ------------------------------------------------------------------------ */

static swg_status eval_name(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    const swg_jvalue name = swg_jtext(node->text, node->length);
    for (const swg_jscope *scope = place->scope; scope; scope = scope->outer) {
        const swg_jvalue *found;
        SWG_TRY(swg_jdict_find(place->state, &scope->variables, &name, &found));
        if (found) {
            *out = *found;
            return SWG_OK;
        }
    }
    const swg_jfunction *function = swg_jglobal_find(&name);
    *out = function ? (swg_jvalue){.kind = SWG_J_FUNCTION, .function = function}
                    : swg_jundefined(node->text, node->length);
    return SWG_OK;
}

static swg_jvalue loop_item(const swg_jloop *loop, bool is_there, size_t index)
{
    return is_there ? loop->items->items[index] : swg_jundefined("loop item", 9);
}

static swg_jvalue loop_member(const swg_jloop *loop, const swg_jvalue *name)
{
    const size_t index = loop->index, count = loop->items->count;
    const struct {
        const char *name;
        swg_jvalue value;
    } members[] = {
        {"index", swg_jint((int64_t)index + 1)},
        {"index0", swg_jint((int64_t)index)},
        {"first", swg_jbool(index == 0)},
        {"last", swg_jbool(index + 1 == count)},
        {"length", swg_jint((int64_t)count)},
        {"revindex", swg_jint((int64_t)(count - index))},
        {"revindex0", swg_jint((int64_t)(count - index) - 1)},
        {"depth", swg_jint(1)}, /* of recursion, which there is none of */
        {"depth0", swg_jint(0)},
        {"previtem", loop_item(loop, index > 0, index - 1)},
        {"nextitem", loop_item(loop, index + 1 < count, index + 1)},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (swg_jtext_is(name, members[i].name))
            return members[i].value;
    return swg_jundefined(name->text, name->length);
}

/* value.name: a method comes before a member of that name. */
static swg_status eval_attribute(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    const swg_jvalue name = swg_jtext(node->text, node->length);
    swg_jvalue value;
    SWG_TRY(swg_jeval(place, node->a, &value));
    place->state->line = node->line;
    const swg_jfunction *method = swg_jmethod_find(&value, &name);
    if (method)
        *out = (swg_jvalue){.kind = SWG_J_FUNCTION, .function = method};
    else if (value.kind == SWG_J_LOOP)
        *out = loop_member(value.loop, &name);
    else
        return swg_jmember(place->state, &value, &name, out);
    return SWG_OK;
}

static swg_status eval_item(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue value, key;
    SWG_TRY(swg_jeval(place, node->a, &value));
    SWG_TRY(swg_jeval(place, node->b, &key));
    place->state->line = node->line;
    if (value.kind == SWG_J_LOOP && swg_jis_text(&key)) {
        *out = loop_member(value.loop, &key);
        return SWG_OK;
    }
    return swg_jmember(place->state, &value, &key, out);
}

/* --- Slices ----------------------------------------------------------------------------------- */

static swg_status slice_part(const swg_jplace *place, const swg_jnode *node, int64_t fallback,
                             int64_t *out)
{
    swg_jvalue value;
    *out = fallback;
    if (!node)
        return SWG_OK;
    SWG_TRY(swg_jeval(place, node, &value));
    if (value.kind == SWG_J_NONE || swg_jas_int(&value, out))
        return SWG_OK;
    return swg_jfail(place->state, SWG_FAILED, "a slice's end is a %s, not an int",
                     swg_jkind_name(value.kind));
}

/* A place that may count from the end, within [least, most]. */
static int64_t clamp(int64_t at, int64_t count, int64_t least, int64_t most)
{
    at += at < 0 ? count : 0;
    return at < least ? least : at > most ? most : at;
}

/* Bytes of the characters `from` to `to` of a text. */
static swg_jvalue cut_text(const swg_jlist *characters, const swg_jvalue *text, int64_t from,
                           int64_t to)
{
    if (from >= to)
        return swg_jtext("", 0);
    const char *begin = characters->items[from].text;
    const char *end =
        (size_t)to < characters->count ? characters->items[to].text : text->text + text->length;
    return swg_jtext(begin, (size_t)(end - begin));
}

static swg_status eval_slice(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jstate *state = place->state;
    const swg_jlist *items;
    swg_jvalue value;
    int64_t from, to, step;
    SWG_TRY(swg_jeval(place, node->a, &value));
    state->line = node->line;
    if (!swg_jis_text(&value) && !swg_jis_list(&value))
        return swg_jfail(state, SWG_FAILED, "a %s has no slices", swg_jkind_name(value.kind));
    SWG_TRY(swg_jiterate(state, &value, &items));
    SWG_TRY(slice_part(place, node->items[2], 1, &step));
    const int64_t count = (int64_t)items->count, before = step > 0 ? 0 : -1;
    SWG_TRY(slice_part(place, node->items[0], step > 0 ? 0 : INT64_MAX, &from));
    SWG_TRY(slice_part(place, node->items[1], step > 0 ? INT64_MAX : INT64_MIN, &to));
    if (step == 0 || step < -count - 1)
        step = step ? -count - 1 : 0;
    if (step == 0)
        return swg_jfail(state, SWG_FAILED, "a slice with a step of 0");
    if (step > count + 1)
        step = count + 1;
    from = clamp(from, count, before, step > 0 ? count : count - 1);
    to = to == INT64_MIN ? -1 : clamp(to, count, before, step > 0 ? count : count - 1);
    if (swg_jis_text(&value) && step == 1) {
        *out = cut_text(items, &value, from, to);
        return SWG_OK;
    }
    SWG_TRY(swg_jlist_new(state, value.kind == SWG_J_TUPLE ? SWG_J_TUPLE : SWG_J_LIST, out));
    for (int64_t at = from; step > 0 ? at < to : at > to; at += step)
        SWG_TRY(swg_jlist_add(state, out->list, &items->items[at]));
    const swg_jvalue empty = swg_jtext("", 0);
    const swg_jcall call = {.state = state};
    return swg_jis_text(&value) ? swg_jjoin(&call, &empty, out->list, out) : SWG_OK;
}

/* --- Arithmetic ------------------------------------------------------------------------------- */

static swg_status bad_operands(const swg_jplace *place, const swg_jvalue *a, const swg_jvalue *b)
{
    for (int i = 0; i < 2; i++) {
        const swg_jvalue *value = i ? b : a;
        if (value->kind == SWG_J_UNDEFINED)
            return swg_jfail(place->state, SWG_FAILED, "'%.*s' is undefined",
                             (int)(value->length & 0xff), value->text);
    }
    return swg_jfail(place->state, SWG_FAILED, "an operator cannot join a %s and a %s",
                     swg_jkind_name(a->kind), swg_jkind_name(b->kind));
}

static swg_status join_texts(const swg_jplace *place, const swg_jvalue *a, const swg_jvalue *b,
                             swg_jvalue *out)
{
    char *text;
    if (a->length > place->state->work.longest || b->length > place->state->work.longest)
        return swg_jfail(place->state, SWG_LIMIT, "a text is too long");
    SWG_TRY(swg_jnew(place->state, a->length + b->length, 1, &text));
    if (a->length > 0)
        memcpy(text, a->text, a->length);
    if (b->length > 0)
        memcpy(text + a->length, b->text, b->length);
    *out = swg_jtext(text, a->length + b->length);
    return SWG_OK;
}

/* a + b: where one of them is safe, the other is escaped. */
static swg_status add_texts(const swg_jplace *place, const swg_jvalue *a, const swg_jvalue *b,
                            swg_jvalue *out)
{
    swg_jvalue x = *a, y = *b;
    const bool is_safe = a->is_safe || b->is_safe;
    if (is_safe) {
        SWG_TRY(swg_jescape(place->state, a, &x));
        SWG_TRY(swg_jescape(place->state, b, &y));
    }
    SWG_TRY(join_texts(place, &x, &y, out));
    out->is_safe = is_safe;
    return SWG_OK;
}

static swg_status join_lists(const swg_jplace *place, const swg_jvalue *a, const swg_jvalue *b,
                             swg_jvalue *out)
{
    const swg_jvalue *const parts[] = {a, b};
    SWG_TRY(swg_jlist_new(place->state, a->kind, out));
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < parts[k]->list->count; i++)
            SWG_TRY(swg_jlist_add(place->state, out->list, &parts[k]->list->items[i]));
    return SWG_OK;
}

static swg_status repeat(const swg_jplace *place, const swg_jvalue *value, int64_t times,
                         swg_jvalue *out)
{
    swg_jvalue all = *value;
    if (swg_jis_text(value))
        all = swg_jtext("", 0);
    else
        SWG_TRY(swg_jlist_new(place->state, value->kind, &all));
    swg_strbuf text = {.limit = place->state->work.longest};
    for (int64_t i = 0; i < times && !text.failed; i++) {
        if (swg_jis_text(value)) {
            if (value->length == 0)
                break;
            swg_strbuf_append(&text, value->text, value->length);
            continue;
        }
        if (value->list->count == 0)
            break;
        for (size_t k = 0; k < value->list->count; k++)
            SWG_TRY(swg_jlist_add(place->state, all.list, &value->list->items[k]));
    }
    if (swg_jis_text(value))
        return swg_jtext_take(place->state, &text, out);
    *out = all;
    return SWG_OK;
}

static bool int_power(int64_t base, int64_t exponent, int64_t *out)
{
    *out = 1;
    for (; exponent > 0; exponent /= 2) {
        if (exponent % 2 && __builtin_mul_overflow(*out, base, out))
            return false;
        if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
            return false;
    }
    return true;
}

/* Division rounds down, and a remainder has the sign of the divisor, as in Python. */
static bool int_arithmetic(unsigned op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
    case '+':
        return !__builtin_add_overflow(a, b, out);
    case '-':
        return !__builtin_sub_overflow(a, b, out);
    case '*':
        return !__builtin_mul_overflow(a, b, out);
    case SWG_JOP('*', '*'):
        return int_power(a, b, out);
    default:
        if (b == 0 || (b == -1 && a == INT64_MIN))
            return false;
        *out = op == '%' ? a % b : a / b;
        if (a % b != 0 && (a < 0) != (b < 0))
            *out += op == '%' ? b : -1;
        return true;
    }
}

static double float_arithmetic(unsigned op, double a, double b)
{
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    case '/':
        return a / b;
    case SWG_JOP('/', '/'):
        return floor(a / b);
    case '%':
        return a - b * floor(a / b);
    default:
        return pow(a, b);
    }
}

static swg_status numbers(const swg_jplace *place, unsigned op, const swg_jvalue *a,
                          const swg_jvalue *b, swg_jvalue *out)
{
    int64_t i, k, integer;
    double x, y;
    if (!swg_jas_number(a, &x) || !swg_jas_number(b, &y))
        return bad_operands(place, a, b);
    if (y == 0 && (op == '/' || op == '%' || op == SWG_JOP('/', '/')))
        return swg_jfail(place->state, SWG_FAILED, "division by zero");
    if (op == '/' || !swg_jas_int(a, &i) || !swg_jas_int(b, &k)) {
        *out = swg_jfloat(float_arithmetic(op, x, y));
        return SWG_OK;
    }
    if (op == SWG_JOP('*', '*') && k < 0) {
        *out = swg_jfloat(pow(x, y));
        return SWG_OK;
    }
    if (!int_arithmetic(op, i, k, &integer))
        return swg_jfail(place->state, SWG_LIMIT, "an integer beyond 2^63");
    *out = swg_jint(integer);
    return SWG_OK;
}

static swg_status concatenate(const swg_jplace *place, const swg_jvalue *a, const swg_jvalue *b,
                              swg_jvalue *out)
{
    swg_jvalue x, y;
    SWG_TRY(swg_jstr(place->state, a, &x));
    SWG_TRY(swg_jstr(place->state, b, &y));
    return join_texts(place, &x, &y, out);
}

static swg_status eval_binary(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue a, b;
    int64_t times;
    SWG_TRY(swg_jeval(place, node->a, &a));
    SWG_TRY(swg_jeval(place, node->b, &b));
    place->state->line = node->line;
    if (node->op == '~')
        return concatenate(place, &a, &b, out);
    if (node->op == '+' && swg_jis_text(&a) && swg_jis_text(&b))
        return add_texts(place, &a, &b, out);
    if (node->op == '+' && swg_jis_list(&a) && a.kind == b.kind)
        return join_lists(place, &a, &b, out);
    if (node->op == '*' && (swg_jis_text(&a) || swg_jis_list(&a)) && swg_jas_int(&b, &times))
        return repeat(place, &a, times, out);
    if (node->op == '*' && (swg_jis_text(&b) || swg_jis_list(&b)) && swg_jas_int(&a, &times))
        return repeat(place, &b, times, out);
    if (node->op == '%' && swg_jis_text(&a))
        return swg_jfail(place->state, SWG_UNSUPPORTED, "formatting with %% is not supported");
    return numbers(place, node->op, &a, &b, out);
}

static swg_status eval_sign(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    static const swg_jvalue zero = {.kind = SWG_J_INT};
    swg_jvalue value;
    SWG_TRY(swg_jeval(place, node->a, &value));
    if (value.kind == SWG_J_FLOAT) {
        *out = swg_jfloat(node->op == '-' ? -value.real : value.real);
        return SWG_OK;
    }
    return numbers(place, node->op, &zero, &value, out);
}

/* --- Comparing -------------------------------------------------------------------------------- */

static swg_status compare(const swg_jplace *place, unsigned op, const swg_jvalue *a,
                          const swg_jvalue *b, bool *out)
{
    uint64_t steps = 0;
    switch (op) {
    case SWG_JOP('=', '='):
    case SWG_JOP('!', '='):
        SWG_TRY(swg_jequal_in(place->state, a, b, out));
        *out = *out == (op == SWG_JOP('=', '='));
        return SWG_OK;
    case SWG_JOP_IN:
    case SWG_JOP_NOT_IN:
        SWG_TRY(swg_jcontains(place->state, b, a, out));
        *out = *out == (op == SWG_JOP_IN);
        return SWG_OK;
    default:
        break;
    }
    const int order = swg_jcompare(a, b, &steps);
    SWG_TRY(swg_work_spend(&place->state->work, steps));
    if (order == 2)
        return bad_operands(place, a, b);
    *out = op == '<'                 ? order < 0
           : op == '>'               ? order > 0
           : op == SWG_JOP('<', '=') ? order <= 0
                                     : order >= 0;
    return SWG_OK;
}

/* a < b < c is (a < b and b < c). */
static swg_status eval_compare(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue left, right;
    bool holds = true;
    SWG_TRY(swg_jeval(place, node->a, &left));
    for (size_t i = 0; i < node->n_items && holds; i++) {
        SWG_TRY(swg_jeval(place, node->items[i]->a, &right));
        place->state->line = node->line;
        SWG_TRY(compare(place, node->items[i]->op, &left, &right, &holds));
        left = right;
    }
    *out = swg_jbool(holds);
    return SWG_OK;
}

/* --- Calls ------------------------------------------------------------------------------------ */

static swg_status eval_arguments(const swg_jplace *place, const swg_jnode *node, swg_jcall *call)
{
    swg_jvalue *arguments = NULL;
    if (node->n_items > 0)
        SWG_TRY(swg_jnew(place->state, node->n_items, sizeof *arguments, &arguments));
    for (size_t i = 0; i < node->n_items; i++)
        SWG_TRY(swg_jeval(place, node->items[i], &arguments[i]));
    call->state = place->state;
    call->arguments = arguments;
    call->n_arguments = node->n_items;
    call->n_positional = node->n_positional;
    call->names = node->names;
    place->state->line = node->line;
    return SWG_OK;
}

static swg_status call_loop(const swg_jcall *call, const swg_jvalue *name, swg_jvalue *out)
{
    swg_jloop *loop = call->self.loop;
    bool same = false;
    if (call->n_arguments != call->n_positional || call->n_positional == 0)
        return swg_jfail(call->state, SWG_FAILED, "loop.cycle() and loop.changed() need values");
    if (swg_jtext_is(name, "cycle")) {
        *out = call->arguments[loop->index % call->n_positional];
        return SWG_OK;
    }
    if (!swg_jtext_is(name, "changed") || call->n_positional != 1)
        return swg_jfail(call->state, SWG_UNSUPPORTED, "a loop has no such method");
    if (loop->changed.kind != SWG_J_ABSENT)
        SWG_TRY(swg_jequal_in(call->state, &loop->changed, &call->arguments[0], &same));
    loop->changed = call->arguments[0];
    *out = swg_jbool(!same);
    return SWG_OK;
}

/* value.name(...): a method, or what a member holds. */
static swg_status eval_method(const swg_jplace *place, const swg_jnode *node, swg_jcall *call,
                              swg_jvalue *function, bool *is_done, swg_jvalue *out)
{
    const swg_jnode *member = node->a;
    const swg_jvalue name = swg_jtext(member->text, member->length);
    SWG_TRY(swg_jeval(place, member->a, &call->self));
    SWG_TRY(eval_arguments(place, node, call));
    const swg_jfunction *method = swg_jmethod_find(&call->self, &name);
    *is_done = true;
    if (method)
        return swg_jfunction_call(method, call, out);
    if (call->self.kind == SWG_J_LOOP)
        return call_loop(call, &name, out);
    *is_done = false;
    SWG_TRY(swg_jmember(place->state, &call->self, &name, function));
    if (function->kind == SWG_J_UNDEFINED)
        return swg_jfail(place->state, SWG_UNSUPPORTED, "a %s has no method \"%.*s\" here",
                         swg_jkind_name(call->self.kind), (int)(name.length & 0xff), name.text);
    return SWG_OK;
}

static swg_status eval_call(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jcall call = {0};
    swg_jvalue function;
    bool is_done = false;
    if (node->a->kind == SWG_JN_ATTRIBUTE) {
        SWG_TRY(eval_method(place, node, &call, &function, &is_done, out));
        if (is_done)
            return SWG_OK;
    } else {
        SWG_TRY(swg_jeval(place, node->a, &function));
        SWG_TRY(eval_arguments(place, node, &call));
    }
    if (function.kind == SWG_J_FUNCTION)
        return swg_jfunction_call(function.function, &call, out);
    if (function.kind == SWG_J_MACRO)
        return place->call_macro(place, function.macro, &call, out);
    if (function.kind == SWG_J_UNDEFINED)
        return swg_jfail(place->state, SWG_UNSUPPORTED, "there is no function \"%.*s\"",
                         (int)(function.length & 0xff), function.text);
    return swg_jfail(place->state, SWG_FAILED, "a %s cannot be called",
                     swg_jkind_name(function.kind));
}

static swg_status apply_filter(const swg_jplace *place, const swg_jnode *node,
                               const swg_jvalue *value, swg_jvalue *out)
{
    const swg_jvalue name = swg_jtext(node->text, node->length);
    swg_jcall call = {.self = *value};
    SWG_TRY(eval_arguments(place, node, &call));
    return place->state->filter(&call, &name, out);
}

swg_status swg_jeval_filters(const swg_jplace *place, const swg_jnode *node,
                             const swg_jvalue *value, swg_jvalue *out)
{
    swg_jvalue inside = *value;
    if (node->a)
        SWG_TRY(swg_jeval_filters(place, node->a, value, &inside));
    return apply_filter(place, node, &inside, out);
}

static swg_status eval_test(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    const swg_jvalue name = swg_jtext(node->text, node->length);
    swg_jcall call = {0};
    bool holds;
    SWG_TRY(swg_jeval(place, node->a, &call.self));
    SWG_TRY(eval_arguments(place, node, &call));
    SWG_TRY(place->state->test(&call, &name, &holds));
    *out = swg_jbool(holds);
    return SWG_OK;
}

/* --- Displays and conditions ------------------------------------------------------------------ */

static swg_status eval_items(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue item, value;
    SWG_TRY(
        swg_jlist_new(place->state, node->kind == SWG_JN_LIST ? SWG_J_LIST : SWG_J_TUPLE, &value));
    for (size_t i = 0; i < node->n_items; i++) {
        SWG_TRY(swg_jeval(place, node->items[i], &item));
        SWG_TRY(swg_jlist_add(place->state, value.list, &item));
    }
    *out = value;
    return SWG_OK;
}

static swg_status eval_dict(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue key, item, value;
    SWG_TRY(swg_jdict_new(place->state, SWG_J_DICT, &value));
    for (size_t i = 0; i < node->n_items; i += 2) {
        SWG_TRY(swg_jeval(place, node->items[i], &key));
        SWG_TRY(swg_jeval(place, node->items[i + 1], &item));
        SWG_TRY(swg_jdict_set(place->state, value.dict, &key, &item));
    }
    *out = value;
    return SWG_OK;
}

static swg_status eval_conditional(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue condition;
    SWG_TRY(swg_jeval(place, node->b, &condition));
    if (swg_jtruth(&condition))
        return swg_jeval(place, node->a, out);
    if (node->c)
        return swg_jeval(place, node->c, out);
    *out = swg_jundefined("the value of a condition without else", 37);
    return SWG_OK;
}

/* The value that decides, as in Python. */
static swg_status eval_logic(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    SWG_TRY(swg_jeval(place, node->a, out));
    return swg_jtruth(out) == (node->kind == SWG_JN_AND) ? swg_jeval(place, node->b, out) : SWG_OK;
}

swg_status swg_jeval(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out)
{
    swg_jvalue value;
    place->state->line = node->line;
    SWG_TRY(swg_work_spend(&place->state->work, NODE_COST));
    switch (node->kind) {
    case SWG_JN_LITERAL:
        *out = node->value;
        return SWG_OK;
    case SWG_JN_NAME:
        return eval_name(place, node, out);
    case SWG_JN_LIST:
    case SWG_JN_TUPLE:
        return eval_items(place, node, out);
    case SWG_JN_DICT:
        return eval_dict(place, node, out);
    case SWG_JN_ATTRIBUTE:
        return eval_attribute(place, node, out);
    case SWG_JN_ITEM:
        return eval_item(place, node, out);
    case SWG_JN_SLICE:
        return eval_slice(place, node, out);
    case SWG_JN_CALL:
        return eval_call(place, node, out);
    case SWG_JN_FILTER:
        SWG_TRY(swg_jeval(place, node->a, &value));
        return apply_filter(place, node, &value, out);
    case SWG_JN_TEST:
        return eval_test(place, node, out);
    case SWG_JN_NOT:
        SWG_TRY(swg_jeval(place, node->a, &value));
        *out = swg_jbool(!swg_jtruth(&value));
        return SWG_OK;
    case SWG_JN_SIGN:
        return eval_sign(place, node, out);
    case SWG_JN_BINARY:
        return eval_binary(place, node, out);
    case SWG_JN_AND:
    case SWG_JN_OR:
        return eval_logic(place, node, out);
    case SWG_JN_COMPARE:
        return eval_compare(place, node, out);
    case SWG_JN_CONDITIONAL:
        return eval_conditional(place, node, out);
    default:
        return swg_jfail(place->state, SWG_CORRUPT, "a statement is not a value");
    }
}
