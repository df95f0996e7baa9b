/* A chat template as a tree. Nodes belong to the template and never change once it is parsed.
 * Private to runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_NODE_H
#define SWG_RUNTIME_TEXT_JINJA_NODE_H

#include "runtime/text/jinja/value.h"

/* What a node means by its parts a, b, c, `items` and `text`. */
typedef enum swg_jnode_kind {
    /* expressions */
    SWG_JN_LITERAL,     /* value */
    SWG_JN_NAME,        /* text */
    SWG_JN_LIST,        /* items */
    SWG_JN_TUPLE,       /* items */
    SWG_JN_DICT,        /* items: key, value, key, value ... */
    SWG_JN_ATTRIBUTE,   /* a.text */
    SWG_JN_ITEM,        /* a[b] */
    SWG_JN_SLICE,       /* a[items[0]:items[1]:items[2]]; NULL items are left out */
    SWG_JN_CALL,        /* a(items ...) */
    SWG_JN_FILTER,      /* a | text(items ...); a is NULL in a filter block */
    SWG_JN_TEST,        /* a is text(items ...) */
    SWG_JN_NOT,         /* not a */
    SWG_JN_SIGN,        /* op a */
    SWG_JN_BINARY,      /* a op b */
    SWG_JN_AND,         /* a and b */
    SWG_JN_OR,          /* a or b */
    SWG_JN_COMPARE,     /* a, then op of items[0] items[0], op of items[1] ... */
    SWG_JN_OPERAND,     /* op a, in a comparison */
    SWG_JN_CONDITIONAL, /* a if b else c; c may be NULL */
    /* statements */
    SWG_JN_BODY,  /* items, one after the other */
    SWG_JN_DATA,  /* text */
    SWG_JN_PRINT, /* a */
    SWG_JN_IF,    /* items: condition, body, condition, body ...; a: else, or NULL */
    SWG_JN_FOR,   /* target a, over b, if items[0] or NULL, body items[1], else items[2] or NULL */
    SWG_JN_SET,   /* target a = b */
    SWG_JN_SET_BLOCK, /* target a = the output of b, through the filters of c or NULL */
    SWG_JN_WITH,      /* items: target, value ...; body a */
    SWG_JN_MACRO,     /* text(items: name or NULL default, ...) body a; see swg_jmacro */
    SWG_JN_FILTERED,  /* the output of a through the filters of b */
    SWG_JN_SCOPE,     /* a, with variables of its own */
    SWG_JN_BREAK,
    SWG_JN_CONTINUE
} swg_jnode_kind;

typedef struct swg_jnode {
    swg_jnode_kind kind;
    unsigned op; /* SWG_JOP, or SWG_JOP_IN, SWG_JOP_NOT_IN */
    unsigned line;
    unsigned depth; /* of the tree below, itself included */
    const char *text;
    size_t length;
    swg_jvalue value;
    const struct swg_jnode *a, *b, *c;
    const struct swg_jnode **items;
    size_t n_items, capacity;
    size_t n_positional;     /* calls: items from here on have the names ... */
    const swg_jvalue *names; /* ... names[i]; macros: of all parameters */
} swg_jnode;

enum { SWG_JOP_IN = 1 << 16, SWG_JOP_NOT_IN };

#endif
