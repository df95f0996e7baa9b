/* Calls of a chat template: filters, tests, methods and functions are rows of tables, each with the
 * names of its parameters. Private to runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_CALL_H
#define SWG_RUNTIME_TEXT_JINJA_CALL_H

#include "runtime/text/jinja/state.h"

enum { SWG_J_PARAMETERS = 6 };

typedef struct swg_jcall {
    swg_jstate *state;
    swg_jvalue self;             /* what is filtered, tested, or has the method */
    const swg_jvalue *arguments; /* positional ones, then those with names */
    size_t n_arguments, n_positional;
    const swg_jvalue *names; /* of arguments from n_positional on */
} swg_jcall;

/* `p`: the arguments in the order of the row's parameters, SWG_J_ABSENT where not given. */
typedef swg_status swg_jcall_run(const swg_jcall *call, const swg_jvalue *p, swg_jvalue *out);

typedef struct swg_jfunction {
    const char *name;
    swg_jcall_run *run;
    const char
        *parameters[SWG_J_PARAMETERS + 1]; /* NULL after the last; "*" alone: any, in `call` */
} swg_jfunction;

/* Call a row. SWG_FAILED for arguments that it has no parameters for. */
swg_status swg_jfunction_call(const swg_jfunction *function, const swg_jcall *call,
                              swg_jvalue *out);

/* The row of that name, or NULL. */
const swg_jfunction *swg_jfunction_find(const swg_jfunction *rows, size_t n,
                                        const swg_jvalue *name);

/* The tables. */
const swg_jfunction *swg_jfilter_find(const swg_jvalue *name);
const swg_jfunction *swg_jtest_find(const swg_jvalue *name); /* their results are booleans */
const swg_jfunction *swg_jglobal_find(const swg_jvalue *name);
const swg_jfunction *swg_jmethod_find(const swg_jvalue *self, const swg_jvalue *name);

/* --- For writing rows ------------------------------------------------------------------------- */

/* An argument as an integer or a text, `fallback` where it is absent; SWG_FAILED for others. */
swg_status swg_jargument_int(const swg_jcall *call, const swg_jvalue *argument, int64_t fallback,
                             int64_t *out);
swg_status swg_jargument_text(const swg_jcall *call, const swg_jvalue *argument,
                              const char *fallback, swg_jvalue *out);
static inline bool swg_jargument_true(const swg_jvalue *argument)
{
    return swg_jtruth(argument);
}

/* What several tables use (text_rows.c): parts of texts as Python has them. */
bool swg_jis_space(uint32_t code);
swg_jvalue swg_jstrip(const swg_jvalue *text, const swg_jvalue *characters, bool left, bool right);
swg_status swg_jreplace(const swg_jcall *call, const swg_jvalue *text, const swg_jvalue *from,
                        const swg_jvalue *to, int64_t most, swg_jvalue *out);
swg_status swg_jsplit_lines(const swg_jcall *call, const swg_jvalue *text, bool keeps_ends,
                            swg_jvalue *out);
typedef enum swg_jcase { SWG_J_LOWER, SWG_J_UPPER, SWG_J_CAPITAL, SWG_J_TITLE } swg_jcase;
swg_status swg_jchange_case(const swg_jcall *call, const swg_jvalue *text, swg_jcase to,
                            swg_jvalue *out);
/* sep.join(str(item) for item in items) */
swg_status swg_jjoin(const swg_jcall *call, const swg_jvalue *separator, const swg_jlist *items,
                     swg_jvalue *out);
/* Characters of a text. */
size_t swg_jcount(const swg_jvalue *text);

#endif
