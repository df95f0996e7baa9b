/* Running the statements of a chat template. Private to runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_STATEMENTS_H
#define SWG_RUNTIME_TEXT_JINJA_STATEMENTS_H

#include "runtime/text/jinja/eval.h"

/* Append what the template prints to `out`, whose limit is set. */
swg_status swg_jrun(swg_jstate *state, const swg_jnode *body, swg_jscope *scope, swg_strbuf *out);

#endif
