/* Values of a chat template: Python's, as far as templates use them. A value is small and copied;
 * what it points to belongs to the rendering (state.h) and lives until its end. Private to
 * runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_VALUE_H
#define SWG_RUNTIME_TEXT_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/strbuf.h"

typedef enum swg_jkind {
    SWG_J_ABSENT,    /* an argument that was not given; no template ever sees one */
    SWG_J_UNDEFINED, /* `text` names what is not there */
    SWG_J_NONE,
    SWG_J_BOOL,
    SWG_J_INT,
    SWG_J_FLOAT,
    SWG_J_STRING,
    SWG_J_LIST,
    SWG_J_TUPLE,
    SWG_J_DICT,
    SWG_J_NAMESPACE, /* a dict whose members may be set */
    SWG_J_FUNCTION,
    SWG_J_MACRO,
    SWG_J_LOOP
} swg_jkind;

typedef struct swg_jvalue {
    swg_jkind kind;
    bool is_safe; /* a text that was called safe: + escapes what it is joined with, as in Jinja */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const char *text; /* UTF-8; no NUL after it */
            size_t length;
        };
        struct swg_jlist *list;
        struct swg_jdict *dict;
        const struct swg_jfunction *function;
        const struct swg_jmacro *macro;
        struct swg_jloop *loop;
    };
} swg_jvalue;

/* `depth`: how deep lists and dicts nest in it, itself included; bounded, so that walking is. */
typedef struct swg_jlist {
    swg_jvalue *items;
    size_t count, capacity, depth;
} swg_jlist;

/* In the order of insertion. Look-ups are linear, and spend accordingly. */
typedef struct swg_jentry {
    swg_jvalue key, value;
} swg_jentry;
typedef struct swg_jdict {
    swg_jentry *entries;
    size_t count, capacity, depth;
} swg_jdict;

/* What `loop` is inside a loop. */
typedef struct swg_jloop {
    const swg_jlist *items;
    size_t index;       /* from 0 */
    swg_jvalue changed; /* argument of the last loop.changed() */
} swg_jloop;

static inline swg_jvalue swg_jbool(bool value)
{
    return (swg_jvalue){.kind = SWG_J_BOOL, .boolean = value};
}
static inline swg_jvalue swg_jint(int64_t value)
{
    return (swg_jvalue){.kind = SWG_J_INT, .integer = value};
}
static inline swg_jvalue swg_jfloat(double value)
{
    return (swg_jvalue){.kind = SWG_J_FLOAT, .real = value};
}
static inline swg_jvalue swg_jtext(const char *text, size_t length)
{
    return (swg_jvalue){.kind = SWG_J_STRING, .text = text, .length = length};
}
static inline swg_jvalue swg_jundefined(const char *what, size_t length)
{
    return (swg_jvalue){.kind = SWG_J_UNDEFINED, .text = what, .length = length};
}
static inline swg_jvalue swg_jnone(void)
{
    return (swg_jvalue){.kind = SWG_J_NONE};
}

static inline bool swg_jis_text(const swg_jvalue *value)
{
    return value->kind == SWG_J_STRING;
}
static inline bool swg_jis_list(const swg_jvalue *value)
{
    return value->kind == SWG_J_LIST || value->kind == SWG_J_TUPLE;
}
static inline bool swg_jis_dict(const swg_jvalue *value)
{
    return value->kind == SWG_J_DICT || value->kind == SWG_J_NAMESPACE;
}
/* Booleans are integers in Python. */
static inline bool swg_jas_int(const swg_jvalue *value, int64_t *out)
{
    if (value->kind == SWG_J_INT)
        *out = value->integer;
    else if (value->kind == SWG_J_BOOL)
        *out = value->boolean;
    else
        return false;
    return true;
}
static inline bool swg_jas_number(const swg_jvalue *value, double *out)
{
    int64_t integer;
    if (value->kind == SWG_J_FLOAT)
        *out = value->real;
    else if (swg_jas_int(value, &integer))
        *out = (double)integer;
    else
        return false;
    return true;
}
static inline bool swg_jtext_is(const swg_jvalue *value, const char *text)
{
    return value->length == strlen(text) && memcmp(value->text, text, value->length) == 0;
}

/* "str", "dict" ...: Python's name of a kind, for messages. */
const char *swg_jkind_name(swg_jkind kind);

/* Whether a condition of this value holds. */
bool swg_jtruth(const swg_jvalue *value);

/* Python's ==, and its order: -1, 0, 1, or 2 where the kinds have no order. Both walk nested lists;
 * `*steps` grows by what they looked at. */
bool swg_jequal(const swg_jvalue *a, const swg_jvalue *b, uint64_t *steps);
int swg_jcompare(const swg_jvalue *a, const swg_jvalue *b, uint64_t *steps);

/* Append str(value) as a template prints it (undefined values print nothing), or repr(value). False
 * for what has no text of its own (functions, loops). */
bool swg_jprint(const swg_jvalue *value, swg_strbuf *out);
bool swg_jrepr(const swg_jvalue *value, swg_strbuf *out);

/* Append what json.dumps gives: separators and indentation as there, NULL = the defaults. False for
 * what JSON cannot hold. */
typedef struct swg_jjson {
    const char *between, *after_key; /* NULL: ", " and ": " ("," with an indentation) */
    int64_t indent;                  /* spaces per level; -1 = one line */
    bool ascii, sort;
} swg_jjson;
bool swg_jtojson(const swg_jvalue *value, const swg_jjson *how, swg_strbuf *out);

#endif
