/* One rendering of a chat template: its budget, its memory, and building values there. Private to
 * runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_STATE_H
#define SWG_RUNTIME_TEXT_JINJA_STATE_H

#include <time.h>

#include "runtime/base/mem.h"
#include "runtime/text/jinja/value.h"
#include "runtime/text/work.h"

/* Variables by name; inner scopes see the outer ones. */
typedef struct swg_jscope {
    const struct swg_jscope *outer;
    swg_jdict variables;
} swg_jscope;

struct swg_jcall;
typedef struct swg_jstate {
    swg_work work;
    swg_arena arena;
    size_t bytes;         /* of the arena, bounded */
    time_t now;           /* for strftime_now */
    unsigned line, calls; /* where the template is; macros that call each other */
    /* Hooks, so that what they use need not be known where they are called. */
    swg_status (*filter)(struct swg_jcall *call, const swg_jvalue *name, swg_jvalue *out);
    swg_status (*test)(struct swg_jcall *call, const swg_jvalue *name, bool *out);
} swg_jstate;

void swg_jstate_deinit(swg_jstate *state);

/* Memory until the end of the rendering, zeroed. SWG_LIMIT beyond what a rendering may have. */
swg_status swg_jnew(swg_jstate *state, size_t count, size_t size, void *out);

/* A failure of the template at the current line: "chat template, line N: ...". */
__attribute__((format(printf, 3, 4))) swg_status
swg_jfail(const swg_jstate *state, swg_status status, const char *format, ...);

/* Spend what comparing cost. */
swg_status swg_jequal_in(swg_jstate *state, const swg_jvalue *a, const swg_jvalue *b, bool *out);

/* Copy text into the rendering; take over the text of `buffer`, which is checked and emptied. */
swg_status swg_jtext_new(swg_jstate *state, const char *text, size_t length, swg_jvalue *out);
swg_status swg_jtext_take(swg_jstate *state, swg_strbuf *buffer, swg_jvalue *out);

/* str(value) as a view. */
swg_status swg_jstr(swg_jstate *state, const swg_jvalue *value, swg_jvalue *out);

/* The text with & < > ' " escaped for HTML, safe; one that is safe already stays. */
swg_status swg_jescape(swg_jstate *state, const swg_jvalue *text, swg_jvalue *out);

/* A new, empty list or tuple, dict or namespace. */
swg_status swg_jlist_new(swg_jstate *state, swg_jkind kind, swg_jvalue *out);
swg_status swg_jlist_add(swg_jstate *state, swg_jlist *list, const swg_jvalue *item);
swg_status swg_jdict_new(swg_jstate *state, swg_jkind kind, swg_jvalue *out);
/* Members by key: set, or find (NULL = none). */
swg_status swg_jdict_set(swg_jstate *state, swg_jdict *dict, const swg_jvalue *key,
                         const swg_jvalue *value);
swg_status swg_jdict_find(swg_jstate *state, const swg_jdict *dict, const swg_jvalue *key,
                          const swg_jvalue **out);

/* item in value */
swg_status swg_jcontains(swg_jstate *state, const swg_jvalue *value, const swg_jvalue *item,
                         bool *out);

/* What iterating a value gives, as a list: items, keys, characters; nothing of undefined values.
 * Fails for what Python does not iterate. */
swg_status swg_jiterate(swg_jstate *state, const swg_jvalue *value, const swg_jlist **out);

/* value.name and value[key] of data (not of loops): undefined where there is no such thing. */
swg_status swg_jmember(swg_jstate *state, const swg_jvalue *value, const swg_jvalue *key,
                       swg_jvalue *out);

#endif
