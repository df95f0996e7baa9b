/* Filters of a chat template: value|name(...). A new one is a function and a row. */
#include <math.h>
#include <stdlib.h>

#include "runtime/base/utf8.h"
#include "runtime/text/jinja/call.h"

/* --- Texts ------------------------------------------------------------------------------------ */

static swg_status self_text(const swg_jcall *call, swg_jvalue *out)
{
    return swg_jstr(call->state, &call->self, out);
}

static swg_status trim(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue text;
    SWG_TRY(self_text(call, &text));
    SWG_TRY(swg_work_spend(&call->state->work, text.length));
    *out = swg_jstrip(&text, &p[0], true, true);
    return SWG_OK;
}

static swg_status change_case(const swg_jcall *call, swg_jcase to, swg_jvalue *out)
{
    swg_jvalue text;
    SWG_TRY(self_text(call, &text));
    return swg_jchange_case(call, &text, to, out);
}

static swg_status lower(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return change_case(call, SWG_J_LOWER, out);
}

static swg_status upper(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return change_case(call, SWG_J_UPPER, out);
}

static swg_status title(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return change_case(call, SWG_J_TITLE, out);
}

static swg_status capitalize(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return change_case(call, SWG_J_CAPITAL, out);
}

static swg_status string(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return self_text(call, out);
}

static swg_status safe(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    SWG_TRY(self_text(call, out));
    out->is_safe = true;
    return SWG_OK;
}

static swg_status escape(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue text;
    (void)p;
    SWG_TRY(self_text(call, &text));
    return swg_jescape(call->state, &text, out);
}

static swg_status replace(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue text, from, to;
    int64_t most;
    SWG_TRY(self_text(call, &text));
    SWG_TRY(swg_jargument_text(call, &p[0], NULL, &from));
    SWG_TRY(swg_jargument_text(call, &p[1], NULL, &to));
    SWG_TRY(p[2].kind == SWG_J_NONE ? (most = -1, SWG_OK)
                                    : swg_jargument_int(call, &p[2], -1, &most));
    return swg_jreplace(call, &text, &from, &to, most, out);
}

/* indent(width=4, first=false, blank=false) */
static swg_status indent(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue text, lines;
    int64_t width = 0;
    swg_jvalue pad = p[0];
    SWG_TRY(self_text(call, &text));
    if (!swg_jis_text(&pad))
        SWG_TRY(swg_jargument_int(call, &p[0], 4, &width));
    SWG_TRY(swg_jsplit_lines(call, &text, false, &lines));
    /* A line break at the end makes another, empty line. */
    const swg_jvalue empty = swg_jtext("", 0);
    if (text.length == 0 || text.text[text.length - 1] == '\n')
        SWG_TRY(swg_jlist_add(call->state, lines.list, &empty));
    swg_strbuf changed = {.limit = call->state->work.longest};
    for (size_t i = 0; i < lines.list->count && !changed.failed; i++) {
        const swg_jvalue *line = &lines.list->items[i];
        const bool pads = i == 0 ? swg_jtruth(&p[1]) : line->length > 0 || swg_jtruth(&p[2]);
        swg_strbuf_puts(&changed, i ? "\n" : "");
        for (int64_t n = 0; pads && n < width && !changed.failed; n++)
            swg_strbuf_puts(&changed, " ");
        if (pads && swg_jis_text(&pad))
            swg_strbuf_append(&changed, pad.text, pad.length);
        swg_strbuf_append(&changed, line->text, line->length);
    }
    return swg_jtext_take(call->state, &changed, out);
}

/* tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false), as transformers
 * defines it. */
static swg_status tojson(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jjson how = {.indent = -1, .ascii = swg_jtruth(&p[0]), .sort = swg_jtruth(&p[3])};
    swg_strbuf text = {.limit = call->state->work.longest};
    char separators[2][32] = {"", ""};
    if (p[1].kind != SWG_J_NONE)
        SWG_TRY(swg_jargument_int(call, &p[1], -1, &how.indent));
    if (swg_jis_list(&p[2]) && p[2].list->count == 2) {
        for (size_t i = 0; i < 2; i++) {
            const swg_jvalue *s = &p[2].list->items[i];
            if (!swg_jis_text(s) || s->length >= sizeof separators[i])
                return swg_jfail(call->state, SWG_UNSUPPORTED,
                                 "tojson: separators are not short "
                                 "texts");
            memcpy(separators[i], s->text, s->length);
        }
        how.between = separators[0];
        how.after_key = separators[1];
    }
    if (swg_jtojson(&call->self, &how, &text))
        return swg_jtext_take(call->state, &text, out);
    swg_strbuf_deinit(&text);
    return swg_jfail(call->state, SWG_FAILED, "tojson: a %s cannot be written as JSON",
                     swg_jkind_name(call->self.kind));
}

/* --- Numbers ---------------------------------------------------------------------------------- */

/* The number that a text holds, white space around it allowed. */
static bool text_number(const swg_jvalue *value, double *out)
{
    char digits[64], *end;
    const swg_jvalue none = {.kind = SWG_J_NONE};
    if (!swg_jis_text(value))
        return false;
    const swg_jvalue text = swg_jstrip(value, &none, true, true);
    if (text.length == 0 || text.length >= sizeof digits)
        return false;
    memcpy(digits, text.text, text.length);
    digits[text.length] = '\0';
    *out = strtod(digits, &end);
    return *end == '\0' && !strpbrk(digits, "xXpP");
}

static swg_status to_int(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const double most = 9007199254740992.0;
    double number;
    int64_t integer;
    if (swg_jas_int(&call->self, &integer))
        *out = swg_jint(integer);
    else if ((swg_jas_number(&call->self, &number) || text_number(&call->self, &number)) &&
             fabs(number) <= most)
        *out = swg_jint((int64_t)number);
    else
        *out = p[0].kind == SWG_J_ABSENT ? swg_jint(0) : p[0];
    return SWG_OK;
}

static swg_status to_float(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    double number;
    if (swg_jas_number(&call->self, &number) || text_number(&call->self, &number))
        *out = swg_jfloat(number);
    else
        *out = p[0].kind == SWG_J_ABSENT ? swg_jfloat(0) : p[0];
    return SWG_OK;
}

static swg_status absolute(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    int64_t integer;
    (void)p;
    if (call->self.kind == SWG_J_FLOAT)
        *out = swg_jfloat(fabs(call->self.real));
    else if (swg_jas_int(&call->self, &integer) && integer != INT64_MIN)
        *out = swg_jint(integer < 0 ? -integer : integer);
    else
        return swg_jfail(call->state, SWG_FAILED, "abs: a %s is not a number",
                         swg_jkind_name(call->self.kind));
    return SWG_OK;
}

/* round(precision=0, method="common"): halves go to the even neighbour, as in Python. */
static swg_status round_number(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    double number;
    int64_t precision;
    swg_jvalue method;
    SWG_TRY(swg_jargument_int(call, &p[0], 0, &precision));
    SWG_TRY(swg_jargument_text(call, &p[1], "common", &method));
    if (!swg_jas_number(&call->self, &number) || precision < -300 || precision > 300)
        return swg_jfail(call->state, SWG_FAILED, "round: not a number");
    const double scale = pow(10, (double)precision), scaled = number * scale;
    *out = swg_jfloat((swg_jtext_is(&method, "ceil")    ? ceil(scaled)
                       : swg_jtext_is(&method, "floor") ? floor(scaled)
                                                        : nearbyint(scaled)) /
                      scale);
    return SWG_OK;
}

/* --- Any value -------------------------------------------------------------------------------- */

static swg_status length(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue *self = &call->self;
    (void)p;
    if (swg_jis_text(self))
        *out = swg_jint((int64_t)swg_jcount(self));
    else if (swg_jis_list(self))
        *out = swg_jint((int64_t)self->list->count);
    else if (self->kind == SWG_J_DICT)
        *out = swg_jint((int64_t)self->dict->count);
    else if (self->kind == SWG_J_UNDEFINED)
        *out = swg_jint(0);
    else
        return swg_jfail(call->state, SWG_FAILED, "a %s has no length", swg_jkind_name(self->kind));
    return SWG_OK;
}

/* default(value="", boolean=false) */
static swg_status otherwise(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const bool is_missing =
        call->self.kind == SWG_J_UNDEFINED || (swg_jtruth(&p[1]) && !swg_jtruth(&call->self));
    *out = !is_missing ? call->self : p[0].kind == SWG_J_ABSENT ? swg_jtext("", 0) : p[0];
    return SWG_OK;
}

static swg_status attribute(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return swg_jmember(call->state, &call->self, &p[0], out);
}

static swg_status items(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    if (call->self.kind == SWG_J_UNDEFINED)
        return SWG_OK;
    if (call->self.kind != SWG_J_DICT)
        return swg_jfail(call->state, SWG_FAILED, "items: a %s is not a mapping",
                         swg_jkind_name(call->self.kind));
    for (size_t i = 0; i < call->self.dict->count; i++) {
        const swg_jentry *entry = &call->self.dict->entries[i];
        swg_jvalue pair;
        SWG_TRY(swg_jlist_new(call->state, SWG_J_TUPLE, &pair));
        SWG_TRY(swg_jlist_add(call->state, pair.list, &entry->key));
        SWG_TRY(swg_jlist_add(call->state, pair.list, &entry->value));
        SWG_TRY(swg_jlist_add(call->state, out->list, &pair));
    }
    return SWG_OK;
}

/* --- Lists ------------------------------------------------------------------------------------ */

static swg_status iterate(const swg_jcall *call, const swg_jlist **out)
{
    return swg_jiterate(call->state, &call->self, out);
}

static swg_status list(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    (void)p;
    SWG_TRY(iterate(call, &items));
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t i = 0; i < items->count; i++)
        SWG_TRY(swg_jlist_add(call->state, out->list, &items->items[i]));
    return SWG_OK;
}

static swg_status first(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    (void)p;
    SWG_TRY(iterate(call, &items));
    *out = items->count ? items->items[0] : swg_jundefined("first item", 10);
    return SWG_OK;
}

static swg_status last(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    (void)p;
    SWG_TRY(iterate(call, &items));
    *out = items->count ? items->items[items->count - 1] : swg_jundefined("last item", 9);
    return SWG_OK;
}

static swg_status reverse(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    swg_jvalue empty = swg_jtext("", 0);
    (void)p;
    SWG_TRY(iterate(call, &items));
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t i = items->count; i-- > 0;)
        SWG_TRY(swg_jlist_add(call->state, out->list, &items->items[i]));
    return swg_jis_text(&call->self) ? swg_jjoin(call, &empty, out->list, out) : SWG_OK;
}

/* "a.b.0": a member of a member. */
static swg_status member_at(const swg_jcall *call, const swg_jvalue *value, const swg_jvalue *path,
                            swg_jvalue *out)
{
    *out = *value;
    if (!swg_jis_text(path))
        return swg_jmember(call->state, value, path, out);
    for (size_t at = 0; at <= path->length;) {
        const char *dot = memchr(path->text + at, '.', path->length - at);
        const size_t end = dot ? (size_t)(dot - path->text) : path->length;
        swg_jvalue key = swg_jtext(path->text + at, end - at), inside = *out;
        double number;
        if (key.length > 0 && key.text[0] >= '0' && key.text[0] <= '9' &&
            text_number(&key, &number))
            key = swg_jint((int64_t)number);
        SWG_TRY(swg_jmember(call->state, &inside, &key, out));
        at = end + 1;
    }
    return SWG_OK;
}

static swg_status join(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    swg_jvalue separator = swg_jtext("", 0), members;
    SWG_TRY(iterate(call, &items));
    if (p[0].kind != SWG_J_ABSENT)
        SWG_TRY(swg_jstr(call->state, &p[0], &separator));
    if (p[1].kind == SWG_J_ABSENT || p[1].kind == SWG_J_NONE)
        return swg_jjoin(call, &separator, items, out);
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, &members));
    for (size_t i = 0; i < items->count; i++) {
        swg_jvalue member;
        SWG_TRY(member_at(call, &items->items[i], &p[1], &member));
        SWG_TRY(swg_jlist_add(call->state, members.list, &member));
    }
    return swg_jjoin(call, &separator, members.list, out);
}

static swg_status sum(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    int64_t total = 0, integer;
    double real = 0, number;
    bool is_int = true;
    SWG_TRY(iterate(call, &items));
    for (size_t i = 0; i < items->count; i++) {
        swg_jvalue item = items->items[i];
        if (p[0].kind != SWG_J_ABSENT)
            SWG_TRY(member_at(call, &items->items[i], &p[0], &item));
        if (!swg_jas_number(&item, &number))
            return swg_jfail(call->state, SWG_FAILED, "sum: a %s is not a number",
                             swg_jkind_name(item.kind));
        is_int &= swg_jas_int(&item, &integer) && !__builtin_add_overflow(total, integer, &total);
        real += number;
    }
    *out = is_int ? swg_jint(total) : swg_jfloat(real);
    return SWG_OK;
}

static swg_status unique(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    (void)p;
    SWG_TRY(iterate(call, &items));
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t i = 0; i < items->count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < out->list->count && !is_known; k++)
            SWG_TRY(swg_jequal_in(call->state, &items->items[i], &out->list->items[k], &is_known));
        if (!is_known)
            SWG_TRY(swg_jlist_add(call->state, out->list, &items->items[i]));
    }
    return SWG_OK;
}

/* --- Sorting ---------------------------------------------------------------------------------- */

/* An item and what it is sorted by. */
typedef struct sort_item {
    swg_jvalue key, item;
} sort_item;

/* Texts in lower case, unless case counts. */
static swg_status sort_key(const swg_jcall *call, const swg_jvalue *value, bool case_counts,
                           swg_jvalue *out)
{
    *out = *value;
    return case_counts || !swg_jis_text(value) ? SWG_OK
                                               : swg_jchange_case(call, value, SWG_J_LOWER, out);
}

/* Merge sort: stable, and a comparison may fail. */
static swg_status merge_sort(const swg_jcall *call, sort_item *items, sort_item *scratch, size_t n,
                             bool descends)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            const size_t middle = begin + width < n ? begin + width : n;
            const size_t end = begin + 2 * width < n ? begin + 2 * width : n;
            size_t left = begin, right = middle;
            for (size_t to = begin; to < end; to++) {
                uint64_t steps = 1;
                bool takes_right = left == middle;
                if (left < middle && right < end) {
                    const int order = swg_jcompare(&items[right].key, &items[left].key, &steps);
                    if (order == 2)
                        return swg_jfail(call->state, SWG_FAILED,
                                         "values of different kinds cannot be sorted");
                    takes_right = descends ? order > 0 : order < 0;
                }
                SWG_TRY(swg_work_spend(&call->state->work, steps));
                scratch[to] = items[takes_right ? right++ : left++];
            }
        }
        memcpy(items, scratch, n * sizeof *items);
    }
    return SWG_OK;
}

static swg_status sort_list(const swg_jcall *call, sort_item *items, size_t n, bool descends,
                            swg_jvalue *out)
{
    sort_item *scratch;
    SWG_TRY(swg_jnew(call->state, n, sizeof *scratch, &scratch));
    SWG_TRY(merge_sort(call, items, scratch, n, descends));
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t i = 0; i < n; i++)
        SWG_TRY(swg_jlist_add(call->state, out->list, &items[i].item));
    return SWG_OK;
}

/* sort(reverse=false, case_sensitive=false, attribute=none) */
static swg_status sort(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *list_items;
    sort_item *items;
    SWG_TRY(iterate(call, &list_items));
    SWG_TRY(swg_jnew(call->state, list_items->count, sizeof *items, &items));
    for (size_t i = 0; i < list_items->count; i++) {
        swg_jvalue by = items[i].item = list_items->items[i];
        if (p[2].kind != SWG_J_ABSENT && p[2].kind != SWG_J_NONE)
            SWG_TRY(member_at(call, &list_items->items[i], &p[2], &by));
        SWG_TRY(sort_key(call, &by, swg_jtruth(&p[1]), &items[i].key));
    }
    return sort_list(call, items, list_items->count, swg_jtruth(&p[0]), out);
}

/* dictsort(case_sensitive=false, by="key", reverse=false): pairs. */
static swg_status dictsort(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue pairs, by;
    sort_item *sorted;
    SWG_TRY(swg_jargument_text(call, &p[1], "key", &by));
    SWG_TRY(items(call, p, &pairs));
    SWG_TRY(swg_jnew(call->state, pairs.list->count, sizeof *sorted, &sorted));
    const size_t place = swg_jtext_is(&by, "value");
    for (size_t i = 0; i < pairs.list->count; i++) {
        sorted[i].item = pairs.list->items[i];
        SWG_TRY(
            sort_key(call, &sorted[i].item.list->items[place], swg_jtruth(&p[0]), &sorted[i].key));
    }
    return sort_list(call, sorted, pairs.list->count, swg_jtruth(&p[2]), out);
}

/* The least or the greatest item. */
static swg_status extreme(const swg_jcall *call, const swg_jvalue *p, int wanted, swg_jvalue *out)
{
    const swg_jlist *items;
    swg_jvalue best_key = {0};
    SWG_TRY(iterate(call, &items));
    *out = swg_jundefined("item", 4);
    for (size_t i = 0; i < items->count; i++) {
        swg_jvalue by = items->items[i], key;
        uint64_t steps = 0;
        if (p[1].kind != SWG_J_ABSENT && p[1].kind != SWG_J_NONE)
            SWG_TRY(member_at(call, &items->items[i], &p[1], &by));
        SWG_TRY(sort_key(call, &by, swg_jtruth(&p[0]), &key));
        const int order = i == 0 ? wanted : swg_jcompare(&key, &best_key, &steps);
        SWG_TRY(swg_work_spend(&call->state->work, steps));
        if (order == 2)
            return swg_jfail(call->state, SWG_FAILED, "values of different kinds have no order");
        if (order != wanted)
            continue;
        *out = items->items[i];
        best_key = key;
    }
    return SWG_OK;
}

static swg_status least(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return extreme(call, p, -1, out);
}

static swg_status greatest(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return extreme(call, p, 1, out);
}

/* --- Choosing and mapping --------------------------------------------------------------------- */

/* The argument called `name`, or NULL. */
static const swg_jvalue *named(const swg_jcall *call, const char *name)
{
    for (size_t i = call->n_positional; i < call->n_arguments; i++)
        if (swg_jtext_is(&call->names[i], name))
            return &call->arguments[i];
    return NULL;
}

/* map("filter", ...) or map(attribute="name", default=...) */
static swg_status map(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    const swg_jvalue *path = named(call, "attribute"), *fallback = named(call, "default");
    (void)p;
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    if (!swg_jtruth(&call->self)) /* None, too */
        return SWG_OK;
    SWG_TRY(iterate(call, &items));
    if (!path && (call->n_positional == 0 || !swg_jis_text(&call->arguments[0])))
        return swg_jfail(call->state, SWG_FAILED, "map needs an attribute or a filter");
    for (size_t i = 0; i < items->count; i++) {
        swg_jvalue item;
        if (path) {
            SWG_TRY(member_at(call, &items->items[i], path, &item));
            if (fallback && item.kind == SWG_J_UNDEFINED)
                item = *fallback;
        } else {
            swg_jcall inner = {.state = call->state,
                               .self = items->items[i],
                               .arguments = call->arguments + 1,
                               .n_arguments = call->n_arguments - 1,
                               .n_positional = call->n_positional - 1,
                               .names = call->names ? call->names + 1 : NULL};
            SWG_TRY(call->state->filter(&inner, &call->arguments[0], &item));
        }
        SWG_TRY(swg_jlist_add(call->state, out->list, &item));
    }
    return SWG_OK;
}

/* select, reject: (test, ...); selectattr, rejectattr: (attribute, test, ...). Without a test,
 * what is true. */
static swg_status choose(const swg_jcall *call, bool by_attribute, bool wanted, swg_jvalue *out)
{
    const swg_jlist *items;
    const size_t skipped = by_attribute ? 1 : 0;
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    if (!swg_jtruth(&call->self))
        return SWG_OK;
    SWG_TRY(iterate(call, &items));
    if (call->n_positional < skipped || call->n_arguments > call->n_positional)
        return swg_jfail(call->state, SWG_FAILED, "the name of an attribute is missing");
    for (size_t i = 0; i < items->count; i++) {
        swg_jvalue value = items->items[i];
        if (by_attribute)
            SWG_TRY(member_at(call, &items->items[i], &call->arguments[0], &value));
        bool holds = swg_jtruth(&value);
        if (call->n_positional > skipped) {
            swg_jcall inner = {.state = call->state,
                               .self = value,
                               .arguments = call->arguments + skipped + 1,
                               .n_arguments = call->n_positional - skipped - 1,
                               .n_positional = call->n_positional - skipped - 1};
            SWG_TRY(call->state->test(&inner, &call->arguments[skipped], &holds));
        }
        if (holds == wanted)
            SWG_TRY(swg_jlist_add(call->state, out->list, &items->items[i]));
    }
    return SWG_OK;
}

static swg_status select_items(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return choose(call, false, true, out);
}

static swg_status reject(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return choose(call, false, false, out);
}

static swg_status selectattr(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return choose(call, true, true, out);
}

static swg_status rejectattr(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return choose(call, true, false, out);
}

/* --- The table -------------------------------------------------------------------------------- */

const swg_jfunction *swg_jfilter_find(const swg_jvalue *name)
{
    static const swg_jfunction rows[] = {
        {"trim", trim, {"chars"}},
        {"tojson", tojson, {"ensure_ascii", "indent", "separators", "sort_keys"}},
        {"length", length, {NULL}},
        {"count", length, {NULL}},
        {"default", otherwise, {"default_value", "boolean"}},
        {"d", otherwise, {"default_value", "boolean"}},
        {"join", join, {"d", "attribute"}},
        {"items", items, {NULL}},
        {"string", string, {NULL}},
        {"safe", safe, {NULL}},
        {"escape", escape, {NULL}},
        {"e", escape, {NULL}},
        {"lower", lower, {NULL}},
        {"upper", upper, {NULL}},
        {"title", title, {NULL}},
        {"capitalize", capitalize, {NULL}},
        {"replace", replace, {"old", "new", "count"}},
        {"indent", indent, {"width", "first", "blank"}},
        {"list", list, {NULL}},
        {"first", first, {NULL}},
        {"last", last, {NULL}},
        {"reverse", reverse, {NULL}},
        {"unique", unique, {NULL}},
        {"sort", sort, {"reverse", "case_sensitive", "attribute"}},
        {"dictsort", dictsort, {"case_sensitive", "by", "reverse"}},
        {"min", least, {"case_sensitive", "attribute"}},
        {"max", greatest, {"case_sensitive", "attribute"}},
        {"sum", sum, {"attribute"}},
        {"map", map, {"*"}},
        {"select", select_items, {"*"}},
        {"reject", reject, {"*"}},
        {"selectattr", selectattr, {"*"}},
        {"rejectattr", rejectattr, {"*"}},
        {"attr", attribute, {"name"}},
        {"int", to_int, {"default", "base"}},
        {"float", to_float, {"default"}},
        {"abs", absolute, {NULL}},
        {"round", round_number, {"precision", "method"}},
    };
    return swg_jfunction_find(rows, sizeof rows / sizeof *rows, name);
}
