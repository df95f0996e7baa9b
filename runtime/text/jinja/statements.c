/* Statements of a chat template: what they print, and what they set. A loop's body, a macro and
 * {% with %} have variables of their own; {% if %} does not. */
#include "runtime/text/jinja/statements.h"

enum { NODE_COST = 16, MAX_CALLS = 32 };

/* Where statements run. */
typedef struct runner {
    swg_jplace place;
    swg_strbuf *out;
    enum { GO_ON, BREAK, CONTINUE } flow;
} runner;

static swg_status run(runner *r, const swg_jnode *node);

/* --- Setting ---------------------------------------------------------------------------------- */

static swg_status set_member(runner *r, const swg_jnode *target, const swg_jvalue *value)
{
    const swg_jvalue name = swg_jtext(target->text, target->length);
    swg_jvalue space;
    SWG_TRY(swg_jeval(&r->place, target->a, &space));
    if (space.kind != SWG_J_NAMESPACE)
        return swg_jfail(r->place.state, SWG_FAILED, "only a namespace's members can be set");
    return swg_jdict_set(r->place.state, space.dict, &name, value);
}

static swg_status set(runner *r, const swg_jnode *target, const swg_jvalue *value)
{
    swg_jstate *state = r->place.state;
    const swg_jlist *items;
    if (target->kind == SWG_JN_ATTRIBUTE)
        return set_member(r, target, value);
    if (target->kind == SWG_JN_NAME) {
        const swg_jvalue name = swg_jtext(target->text, target->length);
        return swg_jdict_set(state, &r->place.scope->variables, &name, value);
    }
    SWG_TRY(swg_jiterate(state, value, &items));
    if (items->count != target->n_items)
        return swg_jfail(state, SWG_FAILED, "%zu values for %zu names", items->count,
                         target->n_items);
    for (size_t i = 0; i < target->n_items; i++)
        SWG_TRY(set(r, target->items[i], &items->items[i]));
    return SWG_OK;
}

/* --- Capturing output ------------------------------------------------------------------------- */

/* Run `body` with what it prints becoming *out. */
static swg_status capture(runner *r, const swg_jnode *body, swg_jvalue *out)
{
    swg_strbuf text = {.limit = r->place.state->work.longest}, *outer = r->out;
    r->out = &text;
    const swg_status status = run(r, body);
    r->out = outer;
    if (status == SWG_OK)
        return swg_jtext_take(r->place.state, &text, out);
    swg_strbuf_deinit(&text);
    return status;
}

static swg_status print(runner *r, const swg_jvalue *value)
{
    swg_jstate *state = r->place.state;
    const size_t before = r->out->length;
    if (!swg_jprint(value, r->out))
        return swg_jfail(state, SWG_UNSUPPORTED, "a %s cannot be printed",
                         swg_jkind_name(value->kind));
    if (r->out->is_too_long)
        return swg_jfail(state, SWG_LIMIT, "it makes a text longer than %zu bytes", r->out->limit);
    SWG_TRY(swg_strbuf_status(r->out));
    return swg_work_spend(&state->work, (r->out->length - before) * SWG_WORK_PER_WRITTEN);
}

/* --- Macros ----------------------------------------------------------------------------------- */

/* Give the parameters their values: positional ones, named ones, defaults. */
static swg_status bind(runner *r, const swg_jmacro *macro, const swg_jcall *call)
{
    const swg_jnode *node = macro->node;
    swg_jstate *state = call->state;
    swg_jdict *variables = &r->place.scope->variables;
    if (call->n_positional > node->n_items)
        return swg_jfail(state, SWG_FAILED, "the macro \"%.*s\" takes %zu arguments, not %zu",
                         (int)(node->length & 0xff), node->text, node->n_items, call->n_positional);
    for (size_t i = 0; i < call->n_positional; i++)
        SWG_TRY(swg_jdict_set(state, variables, &node->names[i], &call->arguments[i]));
    for (size_t i = call->n_positional; i < call->n_arguments; i++)
        SWG_TRY(swg_jdict_set(state, variables, &call->names[i], &call->arguments[i]));
    for (size_t i = call->n_positional; i < node->n_items; i++) {
        const swg_jvalue *known;
        swg_jvalue value = swg_jundefined(node->names[i].text, node->names[i].length);
        SWG_TRY(swg_jdict_find(state, variables, &node->names[i], &known));
        if (known)
            continue;
        if (node->items[i])
            SWG_TRY(swg_jeval(&r->place, node->items[i], &value));
        SWG_TRY(swg_jdict_set(state, variables, &node->names[i], &value));
    }
    return SWG_OK;
}

static swg_status call_macro(const swg_jplace *place, const swg_jmacro *macro,
                             const swg_jcall *call, swg_jvalue *out)
{
    swg_jstate *state = place->state;
    swg_jscope *scope;
    if (state->calls == MAX_CALLS)
        return swg_jfail(state, SWG_LIMIT, "macros call each other more than %d deep", MAX_CALLS);
    SWG_TRY(swg_jnew(state, 1, sizeof *scope, &scope));
    scope->outer = macro->scope;
    runner inner = {.place = *place};
    inner.place.scope = scope;
    SWG_TRY(bind(&inner, macro, call));
    state->calls++;
    const swg_status status = capture(&inner, macro->node->a, out);
    state->calls--;
    return status;
}

static swg_status define_macro(runner *r, const swg_jnode *node)
{
    const swg_jvalue name = swg_jtext(node->text, node->length);
    swg_jmacro *macro;
    SWG_TRY(swg_jnew(r->place.state, 1, sizeof *macro, &macro));
    *macro = (swg_jmacro){.node = node, .scope = r->place.scope};
    const swg_jvalue value = {.kind = SWG_J_MACRO, .macro = macro};
    return swg_jdict_set(r->place.state, &r->place.scope->variables, &name, &value);
}

/* --- Blocks ----------------------------------------------------------------------------------- */

/* Run `body` with a scope of its own, in which `target` (may be NULL) is `value`. */
static swg_status run_inside(runner *r, const swg_jnode *body, const swg_jnode *target,
                             const swg_jvalue *value, const swg_jvalue *loop)
{
    static const swg_jvalue loop_name = {.kind = SWG_J_STRING, .text = "loop", .length = 4};
    swg_jscope *outer = r->place.scope, *scope;
    SWG_TRY(swg_jnew(r->place.state, 1, sizeof *scope, &scope));
    scope->outer = outer;
    r->place.scope = scope;
    swg_status status = SWG_OK;
    if (loop)
        status = swg_jdict_set(r->place.state, &scope->variables, &loop_name, loop);
    if (status == SWG_OK && target)
        status = set(r, target, value);
    if (status == SWG_OK)
        status = run(r, body);
    r->place.scope = outer;
    return status;
}

/* The items of a loop for which its condition holds. */
static swg_status filter_items(runner *r, const swg_jnode *node, const swg_jlist *items,
                               const swg_jlist **out)
{
    swg_jscope *outer = r->place.scope;
    swg_jvalue kept;
    SWG_TRY(swg_jlist_new(r->place.state, SWG_J_LIST, &kept));
    for (size_t i = 0; i < items->count; i++) {
        swg_jvalue holds;
        swg_jscope *scope;
        SWG_TRY(swg_jnew(r->place.state, 1, sizeof *scope, &scope));
        scope->outer = outer;
        r->place.scope = scope;
        swg_status status = set(r, node->a, &items->items[i]);
        if (status == SWG_OK)
            status = swg_jeval(&r->place, node->items[0], &holds);
        r->place.scope = outer;
        SWG_TRY(status);
        if (swg_jtruth(&holds))
            SWG_TRY(swg_jlist_add(r->place.state, kept.list, &items->items[i]));
    }
    *out = kept.list;
    return SWG_OK;
}

static swg_status run_for(runner *r, const swg_jnode *node)
{
    swg_jstate *state = r->place.state;
    swg_jvalue iterated, loop_value = {.kind = SWG_J_LOOP};
    const swg_jlist *items;
    swg_jloop *loop;
    SWG_TRY(swg_jeval(&r->place, node->b, &iterated));
    state->line = node->line;
    SWG_TRY(swg_jiterate(state, &iterated, &items));
    if (node->items[0])
        SWG_TRY(filter_items(r, node, items, &items));
    if (items->count == 0)
        return node->items[2] ? run_inside(r, node->items[2], NULL, NULL, NULL) : SWG_OK;
    SWG_TRY(swg_jnew(state, 1, sizeof *loop, &loop));
    loop->items = items;
    loop_value.loop = loop;
    for (; loop->index < items->count && r->flow != BREAK; loop->index++) {
        r->flow = GO_ON;
        SWG_TRY(run_inside(r, node->items[1], node->a, &items->items[loop->index], &loop_value));
    }
    r->flow = GO_ON;
    return SWG_OK;
}

static swg_status run_if(runner *r, const swg_jnode *node)
{
    for (size_t i = 0; i < node->n_items; i += 2) {
        swg_jvalue condition;
        SWG_TRY(swg_jeval(&r->place, node->items[i], &condition));
        if (swg_jtruth(&condition))
            return run(r, node->items[i + 1]);
    }
    return node->a ? run(r, node->a) : SWG_OK;
}

static swg_status run_set_block(runner *r, const swg_jnode *node)
{
    swg_jvalue text;
    SWG_TRY(capture(r, node->b, &text));
    if (node->c)
        SWG_TRY(swg_jeval_filters(&r->place, node->c, &text, &text));
    return set(r, node->a, &text);
}

static swg_status run_filtered(runner *r, const swg_jnode *node)
{
    swg_jvalue text;
    SWG_TRY(capture(r, node->a, &text));
    SWG_TRY(swg_jeval_filters(&r->place, node->b, &text, &text));
    return print(r, &text);
}

/* The values are evaluated outside. */
static swg_status run_with(runner *r, const swg_jnode *node)
{
    swg_jscope *outer = r->place.scope, *scope;
    SWG_TRY(swg_jnew(r->place.state, 1, sizeof *scope, &scope));
    scope->outer = outer;
    for (size_t i = 0; i < node->n_items; i += 2) {
        swg_jvalue value;
        SWG_TRY(swg_jeval(&r->place, node->items[i + 1], &value));
        r->place.scope = scope;
        const swg_status status = set(r, node->items[i], &value);
        r->place.scope = outer;
        SWG_TRY(status);
    }
    r->place.scope = scope;
    const swg_status status = run(r, node->a);
    r->place.scope = outer;
    return status;
}

static swg_status run_body(runner *r, const swg_jnode *node)
{
    for (size_t i = 0; i < node->n_items && r->flow == GO_ON; i++)
        SWG_TRY(run(r, node->items[i]));
    return SWG_OK;
}

static swg_status run(runner *r, const swg_jnode *node)
{
    swg_jvalue value;
    r->place.state->line = node->line;
    SWG_TRY(swg_work_spend(&r->place.state->work, NODE_COST));
    switch (node->kind) {
    case SWG_JN_BODY:
        return run_body(r, node);
    case SWG_JN_DATA:
        value = swg_jtext(node->text, node->length);
        return print(r, &value);
    case SWG_JN_PRINT:
        SWG_TRY(swg_jeval(&r->place, node->a, &value));
        return print(r, &value);
    case SWG_JN_IF:
        return run_if(r, node);
    case SWG_JN_FOR:
        return run_for(r, node);
    case SWG_JN_SET:
        SWG_TRY(swg_jeval(&r->place, node->b, &value));
        return set(r, node->a, &value);
    case SWG_JN_SET_BLOCK:
        return run_set_block(r, node);
    case SWG_JN_WITH:
        return run_with(r, node);
    case SWG_JN_MACRO:
        return define_macro(r, node);
    case SWG_JN_FILTERED:
        return run_filtered(r, node);
    case SWG_JN_SCOPE:
        return run_inside(r, node->a, NULL, NULL, NULL);
    case SWG_JN_BREAK:
        r->flow = BREAK;
        return SWG_OK;
    case SWG_JN_CONTINUE:
        r->flow = CONTINUE;
        return SWG_OK;
    default:
        return swg_jfail(r->place.state, SWG_CORRUPT, "an expression is not a statement");
    }
}

swg_status swg_jrun(swg_jstate *state, const swg_jnode *body, swg_jscope *scope, swg_strbuf *out)
{
    runner r = {.place = {.state = state, .scope = scope, .call_macro = call_macro}, .out = out};
    return run(&r, body);
}
