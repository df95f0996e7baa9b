/* Chat templates: see jinja.h. */
#include "runtime/text/jinja/jinja.h"

#include "runtime/text/jinja/statements.h"
#include "runtime/text/jinja/parser.h"

static const char file[] = "chat template";
enum { MAX_SOURCE = 1 << 19 };

struct swg_jinja {
    swg_arena arena;
    size_t n_bytes;
    const swg_jnode *body;
};

/* --- Parsing ---------------------------------------------------------------------------------- */

/* A copy with "\n" for every kind of line break, and without the last one. */
static char *copy_source(swg_arena *arena, const char *text, size_t *length)
{
    char *copy = swg_arena_strndup(arena, text, *length);
    size_t n = 0;
    for (size_t i = 0; copy && i < *length; i++)
        if (text[i] != '\n' || i == 0 || text[i - 1] != '\r')
            copy[n++] = text[i] == '\r' ? '\n' : text[i];
    *length = n > 0 && copy[n - 1] == '\n' ? n - 1 : n;
    return copy;
}

swg_status swg_jinja_parse(const char *text, size_t length, swg_jinja **out)
{
    swg_jinja *template = NULL;
    swg_jtoken *tokens = NULL;
    swg_status status;
    if (length > MAX_SOURCE)
        return swg_error(SWG_LIMIT, "%s: %zu bytes; at most %d are read", file, length, MAX_SOURCE);
    SWG_GO(SWG_NEW(template, 1));
    template->n_bytes = length;
    const char *source = copy_source(&template->arena, text, &length);
    SWG_GO(source ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_jlex(source, length, file, &template->arena, &tokens));
    SWG_GO(swg_jparse(tokens, file, &template->arena, &template->body));
    *out = template;
    template = NULL;
done:
    swg_free(tokens);
    swg_jinja_free(&template);
    return status;
}

void swg_jinja_free(swg_jinja **template)
{
    if (!*template)
        return;
    swg_arena_deinit(&(*template)->arena);
    SWG_FREE(*template);
}

/* --- Variables -------------------------------------------------------------------------------- */

/* Recursion is bounded: JSON is at most 64 deep. Texts stay those of the document. */
static swg_status value_of(swg_jstate *state, const swg_json *json, swg_jvalue *out)
{
    const swg_json_kind kind = json ? swg_json_kind_of(json) : SWG_JSON_NULL;
    const char *text;
    swg_jvalue item;
    *out = swg_jnone();
    switch (kind) {
    case SWG_JSON_NULL:
        return SWG_OK;
    case SWG_JSON_BOOL:
        out->kind = SWG_J_BOOL;
        swg_json_as_bool(json, &out->boolean);
        return SWG_OK;
    case SWG_JSON_NUMBER:
        out->kind = swg_json_as_int(json, &out->integer) ? SWG_J_INT : SWG_J_FLOAT;
        if (out->kind == SWG_J_FLOAT)
            swg_json_as_double(json, &out->real);
        return SWG_OK;
    case SWG_JSON_STRING:
        swg_json_as_string(json, &text);
        *out = swg_jtext(text, strlen(text));
        return SWG_OK;
    case SWG_JSON_ARRAY:
        SWG_TRY(swg_jlist_new(state, SWG_J_LIST, out));
        for (const swg_json *member = swg_json_first(json); member;
             member = swg_json_next(member)) {
            SWG_TRY(value_of(state, member, &item));
            SWG_TRY(swg_jlist_add(state, out->list, &item));
        }
        return SWG_OK;
    case SWG_JSON_OBJECT:
        SWG_TRY(swg_jdict_new(state, SWG_J_DICT, out));
        for (const swg_json *member = swg_json_first(json); member;
             member = swg_json_next(member)) {
            const char *key = swg_json_key(member);
            const swg_jvalue name = swg_jtext(key, strlen(key));
            SWG_TRY(value_of(state, member, &item));
            SWG_TRY(swg_jdict_set(state, out->dict, &name, &item));
        }
        return SWG_OK;
    }
    return SWG_OK;
}

static size_t bytes_of(const swg_json *json)
{
    const char *text;
    size_t n = 8;
    if (swg_json_as_string(json, &text))
        n += strlen(text);
    for (const swg_json *member = swg_json_first(json); member; member = swg_json_next(member))
        n += bytes_of(member);
    return n;
}

/* --- Rendering -------------------------------------------------------------------------------- */

static swg_status call_filter(swg_jcall *call, const swg_jvalue *name, swg_jvalue *out)
{
    const swg_jfunction *filter = swg_jis_text(name) ? swg_jfilter_find(name) : NULL;
    if (!filter)
        return swg_jfail(call->state, SWG_UNSUPPORTED, "the filter \"%.*s\" is not supported",
                         swg_jis_text(name) ? (int)(name->length & 0xff) : 0, name->text);
    return swg_jfunction_call(filter, call, out);
}

static swg_status call_test(swg_jcall *call, const swg_jvalue *name, bool *out)
{
    const swg_jfunction *test = swg_jis_text(name) ? swg_jtest_find(name) : NULL;
    swg_jvalue holds;
    if (!test)
        return swg_jfail(call->state, SWG_UNSUPPORTED, "the test \"%.*s\" is not supported",
                         swg_jis_text(name) ? (int)(name->length & 0xff) : 0, name->text);
    SWG_TRY(swg_jfunction_call(test, call, &holds));
    *out = holds.boolean;
    return SWG_OK;
}

/* A scope that holds the members of an object. */
static swg_status open_scope(swg_jstate *state, const swg_json *members, const swg_jscope *outer,
                             swg_jscope *scope)
{
    swg_jvalue given;
    SWG_TRY(value_of(state, members, &given));
    if (given.kind != SWG_J_DICT)
        return swg_error(SWG_CORRUPT, "%s: its variables are not an object", file);
    *scope = (swg_jscope){.outer = outer, .variables = *given.dict};
    return SWG_OK;
}

swg_status swg_jinja_render(const swg_jinja *template, const swg_json *variables,
                            const swg_json *defaults, time_t now, swg_strbuf *out)
{
    swg_jstate state = {.now = now, .filter = call_filter, .test = call_test};
    swg_strbuf text = {0};
    swg_jscope basic, given, scope = {.outer = &given};
    swg_status status;
    swg_work_begin(&state.work, file, template->n_bytes + bytes_of(variables));
    text.limit = state.work.longest;
    SWG_GO(open_scope(&state, defaults, NULL, &basic));
    SWG_GO(open_scope(&state, variables, &basic, &given));
    SWG_GO(swg_jrun(&state, template->body, &scope, &text));
    swg_strbuf_append(out, swg_strbuf_text(&text), text.length);
    status = swg_strbuf_status(out);
done:
    swg_strbuf_deinit(&text);
    swg_jstate_deinit(&state);
    return status;
}
