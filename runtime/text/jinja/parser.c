/* Statements of a chat template, and its text between them. A tag is one row of a table. */
#include "runtime/text/jinja/parser.h"

enum { MAX_NESTING = 64 }; /* of statements */

static swg_status parse_body(swg_jparser *p, const char *const *ends, const swg_jnode **out);

/* --- Pieces ----------------------------------------------------------------------------------- */

static swg_status expect_end_of_tag(swg_jparser *p)
{
    if (p->at->kind != SWG_JT_BLOCK_END)
        return swg_jparser_bad(p, "the tag should end here");
    p->at++;
    return SWG_OK;
}

/* Step over "{% name %}" whose name the body stopped at. */
static swg_status expect_closing(swg_jparser *p, const char *name)
{
    if (!swg_jtake_name(p, name))
        return swg_jparser_bad(p, "a block is not closed");
    return expect_end_of_tag(p);
}

/* The names that a loop or an assignment sets: one, several, or a member (namespace.name). */
static swg_status parse_target(swg_jparser *p, bool members, const swg_jnode **out)
{
    swg_jnode *tuple = NULL;
    const bool in_brackets = swg_jtake_op(p, '(');
    for (;;) {
        swg_jnode *node;
        SWG_TRY(swg_jnode_new(p, SWG_JN_NAME, &node));
        if (p->at->kind != SWG_JT_NAME)
            return swg_jparser_bad(p, "the name of a variable is missing");
        node->text = p->at->text;
        node->length = p->at->length;
        p->at++;
        if (members && swg_jtake_op(p, '.')) {
            swg_jnode *member;
            SWG_TRY(swg_jnode_new(p, SWG_JN_ATTRIBUTE, &member));
            if (p->at->kind != SWG_JT_NAME)
                return swg_jparser_bad(p, "the name of a member is missing");
            member->a = node;
            member->text = p->at->text;
            member->length = p->at->length;
            p->at++;
            node = member;
        }
        if (tuple)
            SWG_TRY(swg_jnode_add(p, tuple, node));
        else
            *out = node;
        if (!swg_jtake_op(p, ','))
            break;
        if (!tuple) {
            SWG_TRY(swg_jnode_new(p, SWG_JN_TUPLE, &tuple));
            SWG_TRY(swg_jnode_add(p, tuple, node));
            *out = tuple;
        }
    }
    return !in_brackets || swg_jtake_op(p, ')') ? SWG_OK : swg_jparser_bad(p, "\")\" is missing");
}

/* --- Statements ------------------------------------------------------------------------------- */

static swg_status parse_if(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    node->kind = SWG_JN_IF;
    do {
        const swg_jnode *condition, *body;
        SWG_TRY(swg_jparse_expression(p, true, true, &condition));
        SWG_TRY(expect_end_of_tag(p));
        SWG_TRY(parse_body(p, ends, &body));
        SWG_TRY(swg_jnode_add(p, node, condition));
        SWG_TRY(swg_jnode_add(p, node, body));
    } while (swg_jtake_name(p, "elif"));
    if (swg_jtake_name(p, "else")) {
        SWG_TRY(expect_end_of_tag(p));
        SWG_TRY(parse_body(p, ends + 2, &node->a));
        SWG_TRY(swg_jnode_contain(p, node, node->a));
    }
    return expect_closing(p, "endif");
}

static swg_status parse_for(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    const swg_jnode *condition = NULL, *body, *otherwise = NULL;
    node->kind = SWG_JN_FOR;
    SWG_TRY(parse_target(p, false, &node->a));
    if (!swg_jtake_name(p, "in"))
        return swg_jparser_bad(p, "\"in\" is missing");
    SWG_TRY(swg_jparse_expression(p, true, false, &node->b));
    if (swg_jtake_name(p, "if"))
        SWG_TRY(swg_jparse_expression(p, false, true, &condition));
    if (swg_jat_name(p, "recursive"))
        return swg_error(SWG_UNSUPPORTED, "%s, line %u: recursive loops are not supported", p->file,
                         p->at->line);
    SWG_TRY(expect_end_of_tag(p));
    p->loops++;
    SWG_TRY(parse_body(p, ends, &body));
    p->loops--;
    if (swg_jtake_name(p, "else")) {
        SWG_TRY(expect_end_of_tag(p));
        SWG_TRY(parse_body(p, ends + 1, &otherwise));
    }
    SWG_TRY(swg_jnode_contain(p, node, node->b));
    SWG_TRY(swg_jnode_add(p, node, condition));
    SWG_TRY(swg_jnode_add(p, node, body));
    SWG_TRY(swg_jnode_add(p, node, otherwise));
    return expect_closing(p, "endfor");
}

static swg_status parse_set(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"endset", NULL};
    node->kind = SWG_JN_SET;
    SWG_TRY(parse_target(p, true, &node->a));
    if (swg_jtake_op(p, '=')) {
        SWG_TRY(swg_jparse_expression(p, true, true, &node->b));
        SWG_TRY(swg_jnode_contain(p, node, node->b));
        return expect_end_of_tag(p);
    }
    node->kind = SWG_JN_SET_BLOCK;
    if (swg_jtake_op(p, '|'))
        SWG_TRY(swg_jparse_filters(p, NULL, &node->c));
    SWG_TRY(expect_end_of_tag(p));
    SWG_TRY(parse_body(p, ends, &node->b));
    SWG_TRY(swg_jnode_contain(p, node, node->b));
    SWG_TRY(swg_jnode_contain(p, node, node->c));
    return expect_closing(p, "endset");
}

static swg_status parse_with(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"endwith", NULL};
    node->kind = SWG_JN_WITH;
    while (p->at->kind != SWG_JT_BLOCK_END) {
        const swg_jnode *target, *value;
        if (node->n_items > 0 && !swg_jtake_op(p, ','))
            return swg_jparser_bad(p, "a comma is missing");
        SWG_TRY(parse_target(p, false, &target));
        if (!swg_jtake_op(p, '='))
            return swg_jparser_bad(p, "\"=\" is missing");
        SWG_TRY(swg_jparse_expression(p, false, true, &value));
        SWG_TRY(swg_jnode_add(p, node, target));
        SWG_TRY(swg_jnode_add(p, node, value));
    }
    SWG_TRY(expect_end_of_tag(p));
    SWG_TRY(parse_body(p, ends, &node->a));
    SWG_TRY(swg_jnode_contain(p, node, node->a));
    return expect_closing(p, "endwith");
}

static swg_status parse_parameters(swg_jparser *p, swg_jnode *node)
{
    enum { MAX_PARAMETERS = 64 };
    swg_jvalue *names = swg_arena_calloc(p->arena, MAX_PARAMETERS, sizeof *names);
    if (!names)
        return SWG_NO_MEMORY;
    node->names = names;
    while (!swg_jtake_op(p, ')')) {
        const swg_jnode *value = NULL;
        if (node->n_items > 0 && !swg_jtake_op(p, ','))
            return swg_jparser_bad(p, "a comma is missing");
        if (p->at->kind != SWG_JT_NAME || node->n_items == MAX_PARAMETERS)
            return swg_jparser_bad(p, "the name of a parameter is missing");
        names[node->n_items] = swg_jtext(p->at->text, p->at->length);
        p->at++;
        if (swg_jtake_op(p, '='))
            SWG_TRY(swg_jparse_expression(p, false, true, &value));
        SWG_TRY(swg_jnode_add(p, node, value));
    }
    return SWG_OK;
}

static swg_status parse_macro(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"endmacro", NULL};
    const unsigned loops = p->loops;
    node->kind = SWG_JN_MACRO;
    if (p->at->kind != SWG_JT_NAME)
        return swg_jparser_bad(p, "the name of a macro is missing");
    node->text = p->at->text;
    node->length = p->at->length;
    p->at++;
    if (!swg_jtake_op(p, '('))
        return swg_jparser_bad(p, "\"(\" is missing");
    SWG_TRY(parse_parameters(p, node));
    SWG_TRY(expect_end_of_tag(p));
    p->loops = 0;
    SWG_TRY(parse_body(p, ends, &node->a));
    p->loops = loops;
    SWG_TRY(swg_jnode_contain(p, node, node->a));
    if (!swg_jtake_name(p, "endmacro"))
        return swg_jparser_bad(p, "a macro is not closed");
    if (p->at->kind == SWG_JT_NAME) /* its name once more */
        p->at++;
    return expect_end_of_tag(p);
}

static swg_status parse_filter_block(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"endfilter", NULL};
    node->kind = SWG_JN_FILTERED;
    SWG_TRY(swg_jparse_filters(p, NULL, &node->b));
    SWG_TRY(expect_end_of_tag(p));
    SWG_TRY(parse_body(p, ends, &node->a));
    SWG_TRY(swg_jnode_contain(p, node, node->a));
    SWG_TRY(swg_jnode_contain(p, node, node->b));
    return expect_closing(p, "endfilter");
}

/* {% generation %}: what a model said, for training; it prints what is in it. */
static swg_status parse_generation(swg_jparser *p, swg_jnode *node)
{
    static const char *const ends[] = {"endgeneration", NULL};
    node->kind = SWG_JN_SCOPE;
    SWG_TRY(expect_end_of_tag(p));
    SWG_TRY(parse_body(p, ends, &node->a));
    SWG_TRY(swg_jnode_contain(p, node, node->a));
    return expect_closing(p, "endgeneration");
}

static swg_status parse_jump(swg_jparser *p, swg_jnode *node, swg_jnode_kind kind)
{
    node->kind = kind;
    if (p->loops == 0)
        return swg_jparser_bad(p, "break and continue belong into loops");
    return expect_end_of_tag(p);
}

static swg_status parse_break(swg_jparser *p, swg_jnode *node)
{
    return parse_jump(p, node, SWG_JN_BREAK);
}

static swg_status parse_continue(swg_jparser *p, swg_jnode *node)
{
    return parse_jump(p, node, SWG_JN_CONTINUE);
}

/* --- Bodies ----------------------------------------------------------------------------------- */

/* A tag, its name already in `p`. */
static swg_status parse_statement(swg_jparser *p, const swg_jnode **out)
{
    static const struct {
        const char *name;
        swg_status (*parse)(swg_jparser *p, swg_jnode *node);
    } tags[] = {
        {"if", parse_if},
        {"for", parse_for},
        {"set", parse_set},
        {"macro", parse_macro},
        {"with", parse_with},
        {"filter", parse_filter_block},
        {"generation", parse_generation},
        {"break", parse_break},
        {"continue", parse_continue},
    };
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, SWG_JN_BODY, &node));
    *out = node;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (swg_jtake_name(p, tags[i].name))
            return tags[i].parse(p, node);
    if (p->at->kind != SWG_JT_NAME)
        return swg_jparser_bad(p, "the name of a tag is missing");
    return swg_error(SWG_UNSUPPORTED, "%s, line %u: the tag \"%.*s\" is not supported", p->file,
                     p->at->line, (int)(p->at->length & 0xff), p->at->text);
}

static swg_status parse_print(swg_jparser *p, swg_jnode *node)
{
    node->kind = SWG_JN_PRINT;
    SWG_TRY(swg_jparse_expression(p, true, true, &node->a));
    SWG_TRY(swg_jnode_contain(p, node, node->a));
    if (p->at->kind != SWG_JT_PRINT_END)
        return swg_jparser_bad(p, "\"}}\" should stand here");
    p->at++;
    return SWG_OK;
}

/* Text, or {{ ... }}. */
static swg_status parse_output(swg_jparser *p, const swg_jnode **out)
{
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, SWG_JN_DATA, &node));
    *out = node;
    if (p->at->kind == SWG_JT_PRINT_BEGIN) {
        p->at++;
        return parse_print(p, node);
    }
    node->text = p->at->text;
    node->length = p->at->length;
    p->at++;
    return SWG_OK;
}

/* Everything up to a tag whose name is in `ends` (NULL: the end of the template), of which
 * "{%" is taken. */
static swg_status parse_body(swg_jparser *p, const char *const *ends, const swg_jnode **out)
{
    swg_jnode *body;
    SWG_TRY(swg_jnode_new(p, SWG_JN_BODY, &body));
    if (++p->depth > MAX_NESTING)
        return swg_error(SWG_LIMIT, "%s, line %u: blocks nest more than %d deep", p->file,
                         p->at->line, MAX_NESTING);
    while (p->at->kind != SWG_JT_END) {
        const swg_jnode *item;
        if (p->at->kind == SWG_JT_BLOCK_BEGIN) {
            p->at++;
            for (size_t i = 0; ends && ends[i]; i++)
                if (swg_jat_name(p, ends[i])) {
                    p->depth--;
                    *out = body;
                    return SWG_OK;
                }
            SWG_TRY(parse_statement(p, &item));
        } else {
            SWG_TRY(parse_output(p, &item));
        }
        SWG_TRY(swg_jnode_add(p, body, item));
    }
    if (ends)
        return swg_jparser_bad(p, "a block is not closed");
    p->depth--;
    *out = body;
    return SWG_OK;
}

swg_status swg_jparse(const swg_jtoken *tokens, const char *file, swg_arena *arena,
                      const swg_jnode **out)
{
    swg_jparser p = {.at = tokens, .file = file, .arena = arena};
    return parse_body(&p, NULL, out);
}
