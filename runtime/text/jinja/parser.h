/* Tokens of a chat template to its tree. Private to runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_PARSER_H
#define SWG_RUNTIME_TEXT_JINJA_PARSER_H

#include "runtime/text/jinja/lexer.h"
#include "runtime/text/jinja/node.h"

/* The body that all tokens make, in the arena; texts stay those of the tokens. SWG_CORRUPT for what
 * is not a template, SWG_UNSUPPORTED (naming it) for a tag that is not supported, SWG_LIMIT for one
 * that nests too deep, SWG_NO_MEMORY. */
swg_status swg_jparse(const swg_jtoken *tokens, const char *file, swg_arena *arena,
                      const swg_jnode **out);

/* --- For the two files of the parser ---------------------------------------------------------- */

typedef struct swg_jparser {
    const swg_jtoken *at;
    const char *file;
    swg_arena *arena;
    unsigned depth, loops; /* of open constructs; of loops around */
} swg_jparser;

/* An expression; with `tuples`, commas at its top make a tuple. `condition`: may be "a if b else
 * c". */
swg_status swg_jparse_expression(swg_jparser *p, bool tuples, bool condition,
                                 const swg_jnode **out);
/* The filters that follow: "|trim|upper" around `inside` (NULL = what the filter is applied to). */
swg_status swg_jparse_filters(swg_jparser *p, const swg_jnode *inside, const swg_jnode **out);

swg_status swg_jparser_bad(const swg_jparser *p, const char *what);
swg_status swg_jnode_new(swg_jparser *p, swg_jnode_kind kind, swg_jnode **out);
swg_status swg_jnode_add(swg_jparser *p, swg_jnode *node, const swg_jnode *item);
/* Note that `node` contains `inside` (may be NULL); SWG_LIMIT when the tree becomes too deep. */
swg_status swg_jnode_contain(swg_jparser *p, swg_jnode *node, const swg_jnode *inside);

static inline bool swg_jat_name(const swg_jparser *p, const char *name)
{
    return p->at->kind == SWG_JT_NAME && p->at->length == strlen(name) &&
           memcmp(p->at->text, name, p->at->length) == 0;
}
static inline bool swg_jat_op(const swg_jparser *p, unsigned op)
{
    return p->at->kind == SWG_JT_OPERATOR && p->at->op == op;
}
/* Step over the name (operator) if it is there. */
static inline bool swg_jtake_name(swg_jparser *p, const char *name)
{
    const bool is_there = swg_jat_name(p, name);
    p->at += is_there;
    return is_there;
}
static inline bool swg_jtake_op(swg_jparser *p, unsigned op)
{
    const bool is_there = swg_jat_op(p, op);
    p->at += is_there;
    return is_there;
}

#endif
