/* Methods of texts, lists and dicts in a chat template. Those that would change a value are
 * missing: transformers forbids them (its environment is immutable). */
#include "runtime/base/utf8.h"
#include "runtime/text/jinja/call.h"
#include "runtime/text/match/unicode.h"

/* --- Texts ------------------------------------------------------------------------------------ */

static swg_status strip_sides(const swg_jcall *call, const swg_jvalue *p, bool left, bool right,
                              swg_jvalue *out)
{
    if (p[0].kind != SWG_J_ABSENT && p[0].kind != SWG_J_NONE && !swg_jis_text(&p[0]))
        return swg_jfail(call->state, SWG_FAILED, "strip() needs a str");
    SWG_TRY(swg_work_spend(&call->state->work, call->self.length));
    *out = swg_jstrip(&call->self, &p[0], left, right);
    return SWG_OK;
}

static swg_status strip(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return strip_sides(call, p, true, true, out);
}

static swg_status lstrip(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return strip_sides(call, p, true, false, out);
}

static swg_status rstrip(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return strip_sides(call, p, false, true, out);
}

static swg_status lower(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return swg_jchange_case(call, &call->self, SWG_J_LOWER, out);
}

static swg_status upper(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return swg_jchange_case(call, &call->self, SWG_J_UPPER, out);
}

static swg_status title(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return swg_jchange_case(call, &call->self, SWG_J_TITLE, out);
}

static swg_status capitalize(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return swg_jchange_case(call, &call->self, SWG_J_CAPITAL, out);
}

static swg_status replace(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue from, to;
    int64_t most;
    SWG_TRY(swg_jargument_text(call, &p[0], NULL, &from));
    SWG_TRY(swg_jargument_text(call, &p[1], NULL, &to));
    SWG_TRY(swg_jargument_int(call, &p[2], -1, &most));
    return swg_jreplace(call, &call->self, &from, &to, most, out);
}

static swg_status add_piece(const swg_jcall *call, size_t begin, size_t end, swg_jlist *list)
{
    const swg_jvalue piece = swg_jtext(call->self.text + begin, end - begin);
    return swg_jlist_add(call->state, list, &piece);
}

/* At runs of white space, of which there is none at either end. */
static swg_status split_words(const swg_jcall *call, int64_t most, swg_jlist *list)
{
    const swg_jvalue none = {.kind = SWG_J_NONE};
    swg_jvalue rest = swg_jstrip(&call->self, &none, true, false);
    for (int64_t n = 0; rest.length > 0; n++) {
        size_t end = 0;
        uint32_t code = 0;
        if (most >= 0 && n >= most) {
            rest = swg_jstrip(&rest, &none, false, true);
            return swg_jlist_add(call->state, list, &rest);
        }
        while (end < rest.length) {
            code = (unsigned char)rest.text[end];
            const size_t step = swg_utf8_decode(rest.text + end, rest.length - end, &code);
            if (swg_jis_space(code))
                break;
            end += step ? step : 1;
        }
        const swg_jvalue word = swg_jtext(rest.text, end);
        SWG_TRY(swg_jlist_add(call->state, list, &word));
        rest = swg_jtext(rest.text + end, rest.length - end);
        rest = swg_jstrip(&rest, &none, true, false);
    }
    return SWG_OK;
}

static swg_status split(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue *self = &call->self, *separator = &p[0];
    int64_t most;
    size_t begin = 0;
    SWG_TRY(swg_jargument_int(call, &p[1], -1, &most));
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    SWG_TRY(swg_work_spend(&call->state->work, self->length));
    if (separator->kind == SWG_J_ABSENT || separator->kind == SWG_J_NONE)
        return split_words(call, most, out->list);
    if (!swg_jis_text(separator) || separator->length == 0)
        return swg_jfail(call->state, SWG_FAILED, "split() needs a separator that is not empty");
    for (int64_t n = 0; most < 0 || n < most; n++) {
        const char *found = begin < self->length ? memmem(self->text + begin, self->length - begin,
                                                          separator->text, separator->length)
                                                 : NULL;
        if (!found)
            break;
        SWG_TRY(add_piece(call, begin, (size_t)(found - self->text), out->list));
        begin = (size_t)(found - self->text) + separator->length;
    }
    return add_piece(call, begin, self->length, out->list);
}

static size_t find_last(const swg_jvalue *text, size_t end, const swg_jvalue *what)
{
    for (size_t at = end; at-- > 0;)
        if (what->length <= end - at && memcmp(text->text + at, what->text, what->length) == 0)
            return at;
    return SIZE_MAX;
}

/* From the end; without a limit it is the same as split. */
static swg_status rsplit(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue *self = &call->self, *separator = &p[0];
    int64_t most;
    swg_jvalue backwards;
    size_t end = self->length;
    SWG_TRY(swg_jargument_int(call, &p[1], -1, &most));
    if (most < 0)
        return split(call, p, out);
    if (!swg_jis_text(separator) || separator->length == 0)
        return swg_jfail(call->state, SWG_UNSUPPORTED, "rsplit() with a limit needs a separator");
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, &backwards));
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (int64_t n = 0; n < most; n++) {
        const size_t at = find_last(self, end, separator);
        if (at == SIZE_MAX)
            break;
        SWG_TRY(swg_work_spend(&call->state->work, end - at));
        SWG_TRY(add_piece(call, at + separator->length, end, backwards.list));
        end = at;
    }
    SWG_TRY(add_piece(call, 0, end, backwards.list));
    for (size_t i = backwards.list->count; i-- > 0;)
        SWG_TRY(swg_jlist_add(call->state, out->list, &backwards.list->items[i]));
    return SWG_OK;
}

static swg_status splitlines(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return swg_jsplit_lines(call, &call->self, swg_jtruth(&p[0]), out);
}

static bool has_end(const swg_jvalue *text, const swg_jvalue *end, bool at_start)
{
    return swg_jis_text(end) && end->length <= text->length &&
           memcmp(text->text + (at_start ? 0 : text->length - end->length), end->text,
                  end->length) == 0;
}

/* One text, or any of a tuple of them. */
static swg_status has_any_end(const swg_jcall *call, const swg_jvalue *p, bool at_start,
                              swg_jvalue *out)
{
    bool has = has_end(&call->self, &p[0], at_start);
    if (!swg_jis_text(&p[0]) && p[0].kind != SWG_J_TUPLE)
        return swg_jfail(call->state, SWG_FAILED, "startswith() and endswith() need a str");
    for (size_t i = 0; p[0].kind == SWG_J_TUPLE && i < p[0].list->count && !has; i++)
        has = has_end(&call->self, &p[0].list->items[i], at_start);
    *out = swg_jbool(has);
    return SWG_OK;
}

static swg_status startswith(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return has_any_end(call, p, true, out);
}

static swg_status endswith(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    return has_any_end(call, p, false, out);
}

static swg_status removeprefix(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    *out = call->self;
    if (has_end(out, &p[0], true))
        *out = swg_jtext(out->text + p[0].length, out->length - p[0].length);
    return SWG_OK;
}

static swg_status removesuffix(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    *out = call->self;
    if (has_end(out, &p[0], false))
        out->length -= p[0].length;
    return SWG_OK;
}

/* Places are counted in characters. */
static swg_status find(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue *self = &call->self;
    swg_jvalue what;
    SWG_TRY(swg_jargument_text(call, &p[0], NULL, &what));
    SWG_TRY(swg_work_spend(&call->state->work, self->length));
    const char *found = what.length > self->length
                            ? NULL
                            : memmem(self->text, self->length, what.text, what.length);
    const swg_jvalue before = swg_jtext(self->text, found ? (size_t)(found - self->text) : 0);
    *out = swg_jint(found ? (int64_t)swg_jcount(&before) : -1);
    return SWG_OK;
}

static swg_status rfind(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue *self = &call->self;
    swg_jvalue what;
    SWG_TRY(swg_jargument_text(call, &p[0], NULL, &what));
    SWG_TRY(swg_work_spend(&call->state->work, self->length));
    const size_t at = what.length ? find_last(self, self->length, &what) : self->length;
    const swg_jvalue before = swg_jtext(self->text, at == SIZE_MAX ? 0 : at);
    *out = swg_jint(at == SIZE_MAX ? -1 : (int64_t)swg_jcount(&before));
    return SWG_OK;
}

static swg_status count_text(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue what;
    int64_t n = 0;
    SWG_TRY(swg_jargument_text(call, &p[0], NULL, &what));
    SWG_TRY(swg_work_spend(&call->state->work, call->self.length));
    if (what.length == 0)
        n = (int64_t)swg_jcount(&call->self) + 1;
    const char *at = call->self.text, *end = at + call->self.length;
    while (what.length > 0 && (at = memmem(at, (size_t)(end - at), what.text, what.length))) {
        at += what.length;
        n++;
    }
    *out = swg_jint(n);
    return SWG_OK;
}

static swg_status join(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jlist *items;
    SWG_TRY(swg_jiterate(call->state, &p[0], &items));
    return swg_jjoin(call, &call->self, items, out);
}

/* Whether there is a character, and the test holds for all. */
static swg_status all_characters(const swg_jcall *call, bool (*test)(uint32_t code),
                                 swg_jvalue *out)
{
    bool all = call->self.length > 0;
    for (size_t at = 0; all && at < call->self.length;) {
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(call->self.text + at, call->self.length - at, &code);
        all = step > 0 && test(code);
        at += step;
    }
    *out = swg_jbool(all);
    return SWG_OK;
}

static bool is_alphanumeric(uint32_t code)
{
    return swg_char_is_letter(code) || swg_char_is_number(code);
}

static swg_status isdigit_(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return all_characters(call, swg_char_is_number, out);
}

static swg_status isalpha_(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return all_characters(call, swg_char_is_letter, out);
}

static swg_status isalnum_(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return all_characters(call, is_alphanumeric, out);
}

static swg_status isspace_(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return all_characters(call, swg_jis_space, out);
}

/* --- str.format ------------------------------------------------------------------------------- */

/* The argument that "{...}" names: the next one, a number, or a name. */
static const swg_jvalue *format_argument(const swg_jcall *call, const swg_jvalue *field,
                                         size_t *next)
{
    size_t place = 0;
    bool is_number = field->length > 0;
    for (size_t i = 0; i < field->length && place < call->n_positional; i++) {
        is_number &= field->text[i] >= '0' && field->text[i] <= '9';
        place = is_number ? place * 10 + (size_t)(field->text[i] - '0') : 0;
    }
    if (field->length == 0)
        place = (*next)++;
    if (field->length == 0 || is_number)
        return place < call->n_positional ? &call->arguments[place] : NULL;
    for (size_t i = call->n_positional; i < call->n_arguments; i++)
        if (call->names[i].length == field->length &&
            memcmp(call->names[i].text, field->text, field->length) == 0)
            return &call->arguments[i];
    return NULL;
}

static swg_status format_into(const swg_jcall *call, swg_strbuf *out)
{
    const swg_jvalue *self = &call->self;
    size_t next = 0;
    for (size_t at = 0; at < self->length && !out->failed; at++) {
        const char c = self->text[at];
        const bool is_double = at + 1 < self->length && self->text[at + 1] == c;
        if ((c == '{' || c == '}') && is_double)
            at++;
        else if (c == '{') {
            const char *close = memchr(self->text + at, '}', self->length - at);
            const swg_jvalue field =
                swg_jtext(self->text + at + 1, close ? (size_t)(close - self->text) - at - 1 : 0);
            const swg_jvalue *value = close ? format_argument(call, &field, &next) : NULL;
            if (!value || !swg_jprint(value, out))
                return swg_jfail(call->state, SWG_UNSUPPORTED,
                                 "format() knows {}, {number} and {name} of what it is given");
            at += field.length + 1;
            continue;
        }
        swg_strbuf_append(out, &c, 1);
    }
    return SWG_OK;
}

static swg_status format(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_strbuf text = {.limit = call->state->work.longest};
    (void)p;
    const swg_status status = format_into(call, &text);
    if (status == SWG_OK)
        return swg_jtext_take(call->state, &text, out);
    swg_strbuf_deinit(&text);
    return status;
}

/* --- Lists and dicts -------------------------------------------------------------------------- */

static swg_status index_of(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    for (size_t i = 0; i < call->self.list->count; i++) {
        bool equal;
        SWG_TRY(swg_jequal_in(call->state, &call->self.list->items[i], &p[0], &equal));
        if (!equal)
            continue;
        *out = swg_jint((int64_t)i);
        return SWG_OK;
    }
    return swg_jfail(call->state, SWG_FAILED, "index(): the list has no such item");
}

static swg_status count_items(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    *out = swg_jint(0);
    for (size_t i = 0; i < call->self.list->count; i++) {
        bool equal;
        SWG_TRY(swg_jequal_in(call->state, &call->self.list->items[i], &p[0], &equal));
        out->integer += equal;
    }
    return SWG_OK;
}

static swg_status get(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue *found;
    SWG_TRY(swg_jdict_find(call->state, call->self.dict, &p[0], &found));
    *out = found ? *found : p[1].kind == SWG_J_ABSENT ? swg_jnone() : p[1];
    return SWG_OK;
}

static swg_status keys(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t i = 0; i < call->self.dict->count; i++)
        SWG_TRY(swg_jlist_add(call->state, out->list, &call->self.dict->entries[i].key));
    return SWG_OK;
}

static swg_status values(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    for (size_t i = 0; i < call->self.dict->count; i++)
        SWG_TRY(swg_jlist_add(call->state, out->list, &call->self.dict->entries[i].value));
    return SWG_OK;
}

static swg_status items(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    const swg_jvalue filter = swg_jtext("items", 5);
    (void)p;
    const swg_jcall same = {.state = call->state, .self = call->self};
    return swg_jfunction_call(swg_jfilter_find(&filter), &same, out);
}

/* --- Tables ----------------------------------------------------------------------------------- */

static const swg_jfunction text_methods[] = {
    {"strip", strip, {"chars"}},
    {"lstrip", lstrip, {"chars"}},
    {"rstrip", rstrip, {"chars"}},
    {"split", split, {"sep", "maxsplit"}},
    {"rsplit", rsplit, {"sep", "maxsplit"}},
    {"splitlines", splitlines, {"keepends"}},
    {"startswith", startswith, {"prefix"}},
    {"endswith", endswith, {"suffix"}},
    {"removeprefix", removeprefix, {"prefix"}},
    {"removesuffix", removesuffix, {"suffix"}},
    {"replace", replace, {"old", "new", "count"}},
    {"lower", lower, {NULL}},
    {"upper", upper, {NULL}},
    {"title", title, {NULL}},
    {"capitalize", capitalize, {NULL}},
    {"find", find, {"sub"}},
    {"rfind", rfind, {"sub"}},
    {"count", count_text, {"sub"}},
    {"join", join, {"iterable"}},
    {"format", format, {"*"}},
    {"isdigit", isdigit_, {NULL}},
    {"isalpha", isalpha_, {NULL}},
    {"isalnum", isalnum_, {NULL}},
    {"isspace", isspace_, {NULL}},
};

static const swg_jfunction list_methods[] = {
    {"index", index_of, {"value"}},
    {"count", count_items, {"value"}},
};

static const swg_jfunction dict_methods[] = {
    {"get", get, {"key", "default"}},
    {"keys", keys, {NULL}},
    {"values", values, {NULL}},
    {"items", items, {NULL}},
};

const swg_jfunction *swg_jmethod_find(const swg_jvalue *self, const swg_jvalue *name)
{
    if (swg_jis_text(self))
        return swg_jfunction_find(text_methods, sizeof text_methods / sizeof *text_methods, name);
    if (swg_jis_list(self))
        return swg_jfunction_find(list_methods, sizeof list_methods / sizeof *list_methods, name);
    if (self->kind == SWG_J_DICT)
        return swg_jfunction_find(dict_methods, sizeof dict_methods / sizeof *dict_methods, name);
    return NULL;
}
