/* Building values in a rendering: see state.h. */
#include "runtime/text/jinja/state.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/utf8.h"

/* Values of a rendering may take MAX_BYTES, and lists and dicts nest MAX_NESTING deep. */
enum { MAX_BYTES = 64 << 20, MAX_NESTING = 64, SMALL_LIST = 4 };

void swg_jstate_deinit(swg_jstate *state)
{
    swg_arena_deinit(&state->arena);
}

swg_status swg_jnew(swg_jstate *state, size_t count, size_t size, void *out)
{
    size_t bytes;
    if (!swg_size_mul(count, size, &bytes) || bytes > MAX_BYTES - state->bytes)
        return swg_jfail(state, SWG_LIMIT, "its values take more than %d MiB", MAX_BYTES >> 20);
    state->bytes += bytes;
    SWG_TRY(swg_work_spend(&state->work, SWG_WORK_PER_LOOKUP + bytes / 4));
    void *memory = swg_arena_calloc(&state->arena, count, size);
    if (!memory)
        return SWG_NO_MEMORY;
    memcpy(out, &memory, sizeof memory);
    return SWG_OK;
}

swg_status swg_jfail(const swg_jstate *state, swg_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return swg_error(status, "%s, line %u: %s", state->work.file, state->line, text);
}

swg_status swg_jequal_in(swg_jstate *state, const swg_jvalue *a, const swg_jvalue *b, bool *out)
{
    uint64_t steps = 0;
    *out = swg_jequal(a, b, &steps);
    return swg_work_spend(&state->work, steps);
}

/* --- Texts ------------------------------------------------------------------------------------ */

swg_status swg_jtext_new(swg_jstate *state, const char *text, size_t length, swg_jvalue *out)
{
    char *copy = NULL;
    SWG_TRY(swg_jnew(state, length, 1, &copy));
    memcpy(copy, text, length);
    *out = swg_jtext(copy, length);
    return SWG_OK;
}

swg_status swg_jtext_take(swg_jstate *state, swg_strbuf *buffer, swg_jvalue *out)
{
    swg_status status = swg_work_written(&state->work, buffer);
    if (status == SWG_OK)
        status = swg_jtext_new(state, swg_strbuf_text(buffer), buffer->length, out);
    swg_strbuf_deinit(buffer);
    return status;
}

swg_status swg_jstr(swg_jstate *state, const swg_jvalue *value, swg_jvalue *out)
{
    if (swg_jis_text(value)) {
        *out = *value;
        return SWG_OK;
    }
    swg_strbuf text = {.limit = state->work.longest};
    if (!swg_jprint(value, &text)) {
        swg_strbuf_deinit(&text);
        return swg_jfail(state, SWG_UNSUPPORTED, "a %s cannot be printed",
                         swg_jkind_name(value->kind));
    }
    return swg_jtext_take(state, &text, out);
}

swg_status swg_jescape(swg_jstate *state, const swg_jvalue *text, swg_jvalue *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    swg_strbuf escaped = {.limit = state->work.longest};
    *out = *text;
    if (text->is_safe)
        return SWG_OK;
    for (size_t i = 0; i < text->length && !escaped.failed; i++) {
        const char *known = text->text[i] ? strchr(from, text->text[i]) : NULL;
        if (known)
            swg_strbuf_puts(&escaped, to[known - from]);
        else
            swg_strbuf_append(&escaped, &text->text[i], 1);
    }
    SWG_TRY(swg_jtext_take(state, &escaped, out));
    out->is_safe = true;
    return SWG_OK;
}

/* --- Lists and dicts -------------------------------------------------------------------------- */

swg_status swg_jlist_new(swg_jstate *state, swg_jkind kind, swg_jvalue *out)
{
    swg_jlist *list = NULL;
    SWG_TRY(swg_jnew(state, 1, sizeof *list, &list));
    list->depth = 1;
    *out = (swg_jvalue){.kind = kind, .list = list};
    return SWG_OK;
}

/* Make room for one more; what there was stays in the arena until the end. */
static swg_status grow(swg_jstate *state, void *items, size_t *capacity, size_t count, size_t size)
{
    void *old, *grown;
    if (count < *capacity)
        return SWG_OK;
    const size_t wanted = *capacity ? 2 * *capacity : SMALL_LIST;
    SWG_TRY(swg_jnew(state, wanted, size, &grown));
    memcpy(&old, items, sizeof old);
    if (count > 0)
        memcpy(grown, old, count * size);
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return SWG_OK;
}

static size_t depth_of(const swg_jvalue *value)
{
    return swg_jis_list(value)         ? value->list->depth
           : value->kind == SWG_J_DICT ? value->dict->depth
                                       : 0;
}

static swg_status deepen(const swg_jstate *state, size_t *depth, const swg_jvalue *item)
{
    const size_t inside = depth_of(item);
    if (inside >= MAX_NESTING)
        return swg_jfail(state, SWG_LIMIT, "values nest more than %d deep", MAX_NESTING);
    *depth = inside >= *depth ? inside + 1 : *depth;
    return SWG_OK;
}

swg_status swg_jlist_add(swg_jstate *state, swg_jlist *list, const swg_jvalue *item)
{
    SWG_TRY(deepen(state, &list->depth, item));
    SWG_TRY(grow(state, &list->items, &list->capacity, list->count, sizeof *list->items));
    list->items[list->count++] = *item;
    return SWG_OK;
}

swg_status swg_jdict_new(swg_jstate *state, swg_jkind kind, swg_jvalue *out)
{
    swg_jdict *dict = NULL;
    SWG_TRY(swg_jnew(state, 1, sizeof *dict, &dict));
    dict->depth = 1;
    *out = (swg_jvalue){.kind = kind, .dict = dict};
    return SWG_OK;
}

swg_status swg_jdict_find(swg_jstate *state, const swg_jdict *dict, const swg_jvalue *key,
                          const swg_jvalue **out)
{
    uint64_t steps = 0;
    *out = NULL;
    for (size_t i = 0; i < dict->count && !*out; i++)
        if (swg_jequal(&dict->entries[i].key, key, &steps))
            *out = &dict->entries[i].value;
    return swg_work_spend(&state->work, steps);
}

swg_status swg_jdict_set(swg_jstate *state, swg_jdict *dict, const swg_jvalue *key,
                         const swg_jvalue *value)
{
    const swg_jvalue *known;
    if (swg_jis_dict(key) || key->kind == SWG_J_LIST)
        return swg_jfail(state, SWG_FAILED, "a %s cannot be a key", swg_jkind_name(key->kind));
    SWG_TRY(deepen(state, &dict->depth, value));
    SWG_TRY(swg_jdict_find(state, dict, key, &known));
    if (known) {
        dict->entries[(size_t)((const swg_jentry *)(const void *)((const char *)known -
                                                                  offsetof(swg_jentry, value)) -
                               dict->entries)]
            .value = *value;
        return SWG_OK;
    }
    SWG_TRY(grow(state, &dict->entries, &dict->capacity, dict->count, sizeof *dict->entries));
    dict->entries[dict->count++] = (swg_jentry){.key = *key, .value = *value};
    return SWG_OK;
}

/* --- Iterating and members -------------------------------------------------------------------- */

static swg_status iterate_text(swg_jstate *state, const swg_jvalue *text, swg_jlist *list)
{
    for (size_t at = 0, step; at < text->length; at += step) {
        step = swg_utf8_decode(text->text + at, text->length - at, NULL);
        step += step == 0;
        const swg_jvalue character = swg_jtext(text->text + at, step);
        SWG_TRY(swg_jlist_add(state, list, &character));
    }
    return SWG_OK;
}

swg_status swg_jiterate(swg_jstate *state, const swg_jvalue *value, const swg_jlist **out)
{
    swg_jvalue all;
    if (swg_jis_list(value)) {
        *out = value->list;
        return SWG_OK;
    }
    SWG_TRY(swg_jlist_new(state, SWG_J_LIST, &all));
    *out = all.list;
    switch (value->kind) {
    case SWG_J_UNDEFINED:
        return SWG_OK;
    case SWG_J_STRING:
        return iterate_text(state, value, all.list);
    case SWG_J_DICT:
        for (size_t i = 0; i < value->dict->count; i++)
            SWG_TRY(swg_jlist_add(state, all.list, &value->dict->entries[i].key));
        return SWG_OK;
    default:
        return swg_jfail(state, SWG_FAILED, "a %s is not iterable", swg_jkind_name(value->kind));
    }
}

swg_status swg_jcontains(swg_jstate *state, const swg_jvalue *value, const swg_jvalue *item,
                         bool *out)
{
    const swg_jlist *items;
    *out = false;
    if (swg_jis_text(value)) {
        if (!swg_jis_text(item))
            return swg_jfail(state, SWG_FAILED, "'in' a str needs a str, not a %s",
                             swg_jkind_name(item->kind));
        *out = item->length == 0 || (item->length <= value->length &&
                                     memmem(value->text, value->length, item->text, item->length));
        return swg_work_spend(&state->work, value->length);
    }
    SWG_TRY(swg_jiterate(state, value, &items));
    for (size_t i = 0; i < items->count && !*out; i++)
        SWG_TRY(swg_jequal_in(state, &items->items[i], item, out));
    return SWG_OK;
}

/* The character at a place that may count from the end. */
static swg_status character_at(swg_jstate *state, const swg_jvalue *text, int64_t place,
                               swg_jvalue *out)
{
    const swg_jlist *characters;
    SWG_TRY(swg_jiterate(state, text, &characters));
    place += place < 0 ? (int64_t)characters->count : 0;
    if (place >= 0 && (uint64_t)place < characters->count)
        *out = characters->items[place];
    return SWG_OK;
}

swg_status swg_jmember(swg_jstate *state, const swg_jvalue *value, const swg_jvalue *key,
                       swg_jvalue *out)
{
    int64_t place;
    const swg_jvalue *found;
    if (value->kind == SWG_J_UNDEFINED)
        return swg_jfail(state, SWG_FAILED, "'%.*s' is undefined", (int)(value->length & 0xff),
                         value->text);
    *out = swg_jis_text(key) ? swg_jundefined(key->text, key->length) : swg_jundefined("item", 4);
    if (swg_jis_dict(value)) {
        SWG_TRY(swg_jdict_find(state, value->dict, key, &found));
        if (found)
            *out = *found;
        return SWG_OK;
    }
    if (!swg_jas_int(key, &place))
        return SWG_OK;
    if (swg_jis_text(value))
        return character_at(state, value, place, out);
    if (!swg_jis_list(value))
        return SWG_OK;
    place += place < 0 ? (int64_t)value->list->count : 0;
    if (place >= 0 && (uint64_t)place < value->list->count)
        *out = value->list->items[place];
    return SWG_OK;
}
