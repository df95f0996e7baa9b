/* Binding the arguments of a call to the parameters of a row: see call.h. */
#include "runtime/text/jinja/call.h"

const swg_jfunction *swg_jfunction_find(const swg_jfunction *rows, size_t n, const swg_jvalue *name)
{
    for (size_t i = 0; i < n; i++)
        if (swg_jtext_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static swg_status unexpected(const swg_jfunction *function, const swg_jcall *call)
{
    return swg_jfail(call->state, SWG_FAILED, "%s() got arguments that it does not take",
                     function->name);
}

swg_status swg_jfunction_call(const swg_jfunction *function, const swg_jcall *call, swg_jvalue *out)
{
    swg_jvalue p[SWG_J_PARAMETERS] = {{0}};
    size_t n = 0;
    SWG_TRY(swg_work_spend(&call->state->work, SWG_WORK_PER_MATCH));
    if (function->parameters[0] && strcmp(function->parameters[0], "*") == 0)
        return function->run(call, p, out);
    while (function->parameters[n])
        n++;
    if (call->n_positional > n)
        return unexpected(function, call);
    for (size_t i = 0; i < call->n_positional; i++)
        p[i] = call->arguments[i];
    for (size_t i = call->n_positional; i < call->n_arguments; i++) {
        size_t at = 0;
        while (at < n && !swg_jtext_is(&call->names[i], function->parameters[at]))
            at++;
        if (at == n || p[at].kind != SWG_J_ABSENT)
            return unexpected(function, call);
        p[at] = call->arguments[i];
    }
    return function->run(call, p, out);
}

swg_status swg_jargument_int(const swg_jcall *call, const swg_jvalue *argument, int64_t fallback,
                             int64_t *out)
{
    if (argument->kind == SWG_J_ABSENT)
        *out = fallback;
    else if (!swg_jas_int(argument, out))
        return swg_jfail(call->state, SWG_FAILED, "an argument is a %s, not an int",
                         swg_jkind_name(argument->kind));
    return SWG_OK;
}

swg_status swg_jargument_text(const swg_jcall *call, const swg_jvalue *argument,
                              const char *fallback, swg_jvalue *out)
{
    if (argument->kind == SWG_J_ABSENT && fallback)
        *out = swg_jtext(fallback, strlen(fallback));
    else if (swg_jis_text(argument))
        *out = *argument;
    else
        return swg_jfail(call->state, SWG_FAILED, "an argument is a %s, not a str",
                         swg_jkind_name(argument->kind));
    return SWG_OK;
}
