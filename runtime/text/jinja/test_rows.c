/* Tests of a chat template: value is name(...). A new one is a function and a row. */
#include "runtime/text/jinja/call.h"

/* --- Kinds ------------------------------------------------------------------------------------ */

static swg_status kind_is(const swg_jcall *call, bool holds, swg_jvalue *out)
{
    (void)call;
    *out = swg_jbool(holds);
    return SWG_OK;
}

#define KIND_TEST(name, condition)                                                                 \
    static swg_status name(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)            \
    {                                                                                              \
        const swg_jvalue *self = &call->self;                                                      \
        (void)p;                                                                                   \
        return kind_is(call, condition, out);                                                      \
    }

KIND_TEST(is_defined, self->kind != SWG_J_UNDEFINED)
KIND_TEST(is_undefined, self->kind == SWG_J_UNDEFINED)
KIND_TEST(is_none, self->kind == SWG_J_NONE)
KIND_TEST(is_string, self->kind == SWG_J_STRING)
KIND_TEST(is_mapping, self->kind == SWG_J_DICT)
KIND_TEST(is_boolean, self->kind == SWG_J_BOOL)
KIND_TEST(is_true, self->kind == SWG_J_BOOL && self->boolean)
KIND_TEST(is_false, self->kind == SWG_J_BOOL && !self->boolean)
KIND_TEST(is_integer, self->kind == SWG_J_INT)
KIND_TEST(is_float, self->kind == SWG_J_FLOAT)
KIND_TEST(is_number,
          self->kind == SWG_J_INT || self->kind == SWG_J_FLOAT || self->kind == SWG_J_BOOL)
KIND_TEST(is_callable, self->kind == SWG_J_FUNCTION || self->kind == SWG_J_MACRO)
/* Undefined values iterate as nothing, and have a length of nothing. */
KIND_TEST(is_iterable, self->kind == SWG_J_UNDEFINED || self->kind == SWG_J_STRING ||
                           self->kind == SWG_J_DICT || swg_jis_list(self))
KIND_TEST(is_sequence, self->kind == SWG_J_UNDEFINED || self->kind == SWG_J_STRING ||
                           self->kind == SWG_J_DICT || swg_jis_list(self))

/* --- Numbers and texts ------------------------------------------------------------------------ */

static swg_status remainder_is(const swg_jcall *call, int64_t divisor, int64_t wanted,
                               swg_jvalue *out)
{
    int64_t number;
    if (!swg_jas_int(&call->self, &number) || divisor == 0)
        return swg_jfail(call->state, SWG_FAILED, "a test of divisibility needs integers");
    *out = swg_jbool(divisor == -1 ? wanted == 0
                                   : number % divisor == wanted || number % divisor == -wanted);
    return SWG_OK;
}

static swg_status is_even(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return remainder_is(call, 2, 0, out);
}

static swg_status is_odd(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return remainder_is(call, 2, 1, out);
}

static swg_status is_divisible(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    int64_t divisor;
    SWG_TRY(swg_jargument_int(call, &p[0], 0, &divisor));
    return remainder_is(call, divisor, 0, out);
}

/* Whether a text has letters and changing its case changes nothing. */
static swg_status has_case(const swg_jcall *call, swg_jcase to, swg_jvalue *out)
{
    swg_jvalue text, changed, other;
    bool same, differs;
    SWG_TRY(swg_jstr(call->state, &call->self, &text));
    SWG_TRY(swg_jchange_case(call, &text, to, &changed));
    SWG_TRY(swg_jchange_case(call, &text, to == SWG_J_LOWER ? SWG_J_UPPER : SWG_J_LOWER, &other));
    SWG_TRY(swg_jequal_in(call->state, &text, &changed, &same));
    SWG_TRY(swg_jequal_in(call->state, &text, &other, &differs));
    *out = swg_jbool(same && !differs);
    return SWG_OK;
}

static swg_status is_lower(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return has_case(call, SWG_J_LOWER, out);
}

static swg_status is_upper(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    (void)p;
    return has_case(call, SWG_J_UPPER, out);
}

/* --- Comparing -------------------------------------------------------------------------------- */

static swg_status is_equal(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    bool equal;
    SWG_TRY(swg_jequal_in(call->state, &call->self, &p[0], &equal));
    *out = swg_jbool(equal);
    return SWG_OK;
}

static swg_status is_unequal(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    SWG_TRY(is_equal(call, p, out));
    out->boolean = !out->boolean;
    return SWG_OK;
}

static swg_status order(const swg_jcall *call, const swg_jvalue *p, int *out)
{
    uint64_t steps = 0;
    *out = swg_jcompare(&call->self, &p[0], &steps);
    return *out == 2 ? swg_jfail(call->state, SWG_FAILED, "a %s and a %s have no order",
                                 swg_jkind_name(call->self.kind), swg_jkind_name(p[0].kind))
                     : swg_work_spend(&call->state->work, steps);
}

#define ORDER_TEST(name, condition)                                                                \
    static swg_status name(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)            \
    {                                                                                              \
        int o;                                                                                     \
        SWG_TRY(order(call, p, &o));                                                               \
        *out = swg_jbool(condition);                                                               \
        return SWG_OK;                                                                             \
    }

ORDER_TEST(is_less, o < 0)
ORDER_TEST(is_at_most, o <= 0)
ORDER_TEST(is_greater, o > 0)
ORDER_TEST(is_at_least, o >= 0)

static swg_status is_same(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    SWG_TRY(is_equal(call, p, out));
    out->boolean = out->boolean && call->self.kind == p[0].kind;
    return SWG_OK;
}

static swg_status is_in(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out)
{
    bool holds;
    SWG_TRY(swg_jcontains(call->state, &p[0], &call->self, &holds));
    *out = swg_jbool(holds);
    return SWG_OK;
}

/* --- The table -------------------------------------------------------------------------------- */

const swg_jfunction *swg_jtest_find(const swg_jvalue *name)
{
    static const swg_jfunction rows[] = {
        {"defined", is_defined, {NULL}},
        {"undefined", is_undefined, {NULL}},
        {"none", is_none, {NULL}},
        {"string", is_string, {NULL}},
        {"mapping", is_mapping, {NULL}},
        {"iterable", is_iterable, {NULL}},
        {"sequence", is_sequence, {NULL}},
        {"boolean", is_boolean, {NULL}},
        {"true", is_true, {NULL}},
        {"false", is_false, {NULL}},
        {"integer", is_integer, {NULL}},
        {"float", is_float, {NULL}},
        {"number", is_number, {NULL}},
        {"callable", is_callable, {NULL}},
        {"even", is_even, {NULL}},
        {"odd", is_odd, {NULL}},
        {"divisibleby", is_divisible, {"num"}},
        {"lower", is_lower, {NULL}},
        {"upper", is_upper, {NULL}},
        {"equalto", is_equal, {"other"}},
        {"eq", is_equal, {"other"}},
        {"==", is_equal, {"other"}},
        {"ne", is_unequal, {"other"}},
        {"!=", is_unequal, {"other"}},
        {"lt", is_less, {"other"}},
        {"lessthan", is_less, {"other"}},
        {"<", is_less, {"other"}},
        {"le", is_at_most, {"other"}},
        {"<=", is_at_most, {"other"}},
        {"gt", is_greater, {"other"}},
        {"greaterthan", is_greater, {"other"}},
        {">", is_greater, {"other"}},
        {"ge", is_at_least, {"other"}},
        {">=", is_at_least, {"other"}},
        {"sameas", is_same, {"other"}},
        {"in", is_in, {"seq"}},
    };
    return swg_jfunction_find(rows, sizeof rows / sizeof *rows, name);
}
