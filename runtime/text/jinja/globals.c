/* Functions that a chat template finds without being given them: Jinja's, and those of
 * transformers. */
#include "runtime/text/jinja/call.h"

/* The template's own refusal of a conversation. */
static swg_status raise_exception(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    swg_jvalue text;
    (void)out;
    SWG_TRY(swg_jstr(call->state, &p[0], &text));
    return swg_error(SWG_UNSUPPORTED, "%s refuses these messages: %.*s", call->state->work.file,
                     (int)(text.length < 400 ? text.length : 400), text.text);
}

static swg_status strftime_now(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    enum { MAX_FORMAT = 100 };
    char form[MAX_FORMAT + 2], text[4 * MAX_FORMAT];
    swg_jvalue given;
    struct tm parts;
    SWG_TRY(swg_jargument_text(call, &p[0], NULL, &given));
    if (given.length > MAX_FORMAT || !localtime_r(&call->state->now, &parts))
        return swg_jfail(call->state, SWG_LIMIT, "strftime_now: the format is too long");
    memcpy(form, given.text, given.length);
    memcpy(form + given.length, "!", 2); /* so that an empty result is not taken for a failure */
    const size_t length = strftime(text, sizeof text, form, &parts);
    if (length == 0)
        return swg_jfail(call->state, SWG_LIMIT, "strftime_now: the date is too long");
    return swg_jtext_new(call->state, text, length - 1, out);
}

static swg_status members(const swg_jcall *call, swg_jkind kind, swg_jvalue *out)
{
    SWG_TRY(swg_jdict_new(call->state, kind, out));
    if (call->n_positional > 1 ||
        (call->n_positional == 1 && call->arguments[0].kind != SWG_J_DICT))
        return swg_jfail(call->state, SWG_UNSUPPORTED,
                         "dict() and namespace() take members by name, or a dict");
    for (size_t i = 0; call->n_positional && i < call->arguments[0].dict->count; i++)
        SWG_TRY(swg_jdict_set(call->state, out->dict, &call->arguments[0].dict->entries[i].key,
                              &call->arguments[0].dict->entries[i].value));
    for (size_t i = call->n_positional; i < call->n_arguments; i++)
        SWG_TRY(swg_jdict_set(call->state, out->dict, &call->names[i], &call->arguments[i]));
    return SWG_OK;
}

static swg_status namespace(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return members(call, SWG_J_NAMESPACE, out);
}

static swg_status dict(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return members(call, SWG_J_DICT, out);
}

/* range(stop), range(start, stop), range(start, stop, step); as long as Jinja's sandbox lets it
 * be. */
static swg_status range(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    enum { MAX_RANGE = 100000 };
    int64_t start, stop, step;
    SWG_TRY(swg_jargument_int(call, &p[0], 0, &start));
    SWG_TRY(swg_jargument_int(call, &p[1], 0, &stop));
    SWG_TRY(swg_jargument_int(call, &p[2], 1, &step));
    if (p[1].kind == SWG_J_ABSENT) {
        stop = start;
        start = 0;
    }
    SWG_TRY(swg_jlist_new(call->state, SWG_J_LIST, out));
    if (step == 0)
        return swg_jfail(call->state, SWG_FAILED, "range() with a step of 0");
    for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
        const swg_jvalue item = swg_jint(at);
        if (out->list->count == MAX_RANGE)
            return swg_jfail(call->state, SWG_LIMIT, "a range of more than %d numbers", MAX_RANGE);
        SWG_TRY(swg_jlist_add(call->state, out->list, &item));
        if (__builtin_add_overflow(at, step, &at))
            break;
    }
    return SWG_OK;
}

const swg_jfunction *swg_jglobal_find(const swg_jvalue *name)
{
    static const swg_jfunction rows[] = {
        {"raise_exception", raise_exception, {"message"}},
        {"strftime_now", strftime_now, {"format"}},
        {"namespace", namespace, {"*"}},
        {"dict", dict, {"*"}},
        {"range", range, {"start", "stop", "step"}},
    };
    return swg_jfunction_find(rows, sizeof rows / sizeof *rows, name);
}
