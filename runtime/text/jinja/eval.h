/* Expressions and statements of a chat template. Private to runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_EVAL_H
#define SWG_RUNTIME_TEXT_JINJA_EVAL_H

#include "runtime/text/jinja/call.h"
#include "runtime/text/jinja/node.h"

/* A macro, and the scope in which it was defined. */
typedef struct swg_jmacro {
    const swg_jnode *node;
    const swg_jscope *scope;
} swg_jmacro;

/* Where an expression is evaluated. */
typedef struct swg_jplace {
    swg_jstate *state;
    swg_jscope *scope;
    /* Runs a macro: statements know expressions, not the other way round. */
    swg_status (*call_macro)(const struct swg_jplace *place, const swg_jmacro *macro,
                             const swg_jcall *call, swg_jvalue *out);
} swg_jplace;

swg_status swg_jeval(const swg_jplace *place, const swg_jnode *node, swg_jvalue *out);

/* The filters of a block (node: the outermost) applied to `value`. */
swg_status swg_jeval_filters(const swg_jplace *place, const swg_jnode *node,
                             const swg_jvalue *value, swg_jvalue *out);

#endif
