/* Expressions of a chat template, in Jinja's order of precedence: conditional, or, and, not,
 * comparison, + -, ~, * / // %, **, sign, then what follows a value: .name [..] (..) |filter is
 * test. */
#include "runtime/text/jinja/parser.h"

/* The tree is walked by recursion, and parsed so. */
enum { MAX_DEPTH = 200 };

swg_status swg_jparser_bad(const swg_jparser *p, const char *what)
{
    return swg_error(SWG_CORRUPT, "%s, line %u: %s", p->file, p->at->line, what);
}

static swg_status too_deep(const swg_jparser *p)
{
    return swg_error(SWG_LIMIT, "%s, line %u: nests more than %d deep", p->file, p->at->line,
                     MAX_DEPTH);
}

swg_status swg_jnode_new(swg_jparser *p, swg_jnode_kind kind, swg_jnode **out)
{
    swg_jnode *node = swg_arena_calloc(p->arena, 1, sizeof *node);
    if (!node)
        return SWG_NO_MEMORY;
    node->kind = kind;
    node->line = p->at->line;
    node->depth = 1;
    *out = node;
    return SWG_OK;
}

swg_status swg_jnode_contain(swg_jparser *p, swg_jnode *node, const swg_jnode *inside)
{
    if (inside && inside->depth >= node->depth)
        node->depth = inside->depth + 1;
    return node->depth > MAX_DEPTH ? too_deep(p) : SWG_OK;
}

swg_status swg_jnode_add(swg_jparser *p, swg_jnode *node, const swg_jnode *item)
{
    if (node->n_items == node->capacity) {
        const size_t wanted = node->capacity ? 2 * node->capacity : 4;
        const swg_jnode **items = swg_arena_calloc(p->arena, wanted, sizeof(const swg_jnode *));
        if (!items)
            return SWG_NO_MEMORY;
        if (node->n_items > 0)
            memcpy(items, node->items, node->n_items * sizeof(const swg_jnode *));
        node->items = items;
        node->capacity = wanted;
    }
    node->items[node->n_items++] = item;
    return swg_jnode_contain(p, node, item);
}

/* A node with up to two parts. */
static swg_status join(swg_jparser *p, swg_jnode_kind kind, unsigned op, const swg_jnode *a,
                       const swg_jnode *b, const swg_jnode **out)
{
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, kind, &node));
    node->op = op;
    node->a = a;
    node->b = b;
    SWG_TRY(swg_jnode_contain(p, node, a));
    SWG_TRY(swg_jnode_contain(p, node, b));
    *out = node;
    return SWG_OK;
}

static swg_status expect_op(swg_jparser *p, unsigned op)
{
    char what[] = "\"?\" is missing";
    what[1] = (char)op;
    return swg_jtake_op(p, op) ? SWG_OK : swg_jparser_bad(p, what);
}

static swg_status take_name(swg_jparser *p, swg_jnode *node)
{
    if (p->at->kind != SWG_JT_NAME)
        return swg_jparser_bad(p, "a name is missing");
    node->text = p->at->text;
    node->length = p->at->length;
    p->at++;
    return SWG_OK;
}

/* --- Values ----------------------------------------------------------------------------------- */

static swg_status parse_condition(swg_jparser *p, const swg_jnode **out);

static swg_status literal(swg_jparser *p, swg_jvalue value, const swg_jnode **out)
{
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, SWG_JN_LITERAL, &node));
    node->value = value;
    *out = node;
    return SWG_OK;
}

/* Strings side by side are one. */
static swg_status parse_string(swg_jparser *p, const swg_jnode **out)
{
    size_t n = 0, length = 0;
    for (; p->at[n].kind == SWG_JT_STRING; n++)
        length += p->at[n].length;
    const char *text = p->at->text;
    if (n > 1) {
        char *joined = swg_arena_calloc(p->arena, length, 1);
        if (!joined)
            return SWG_NO_MEMORY;
        text = joined;
        for (size_t i = 0; i < n; i++) {
            memcpy(joined, p->at[i].text, p->at[i].length);
            joined += p->at[i].length;
        }
    }
    p->at += n;
    return literal(p, swg_jtext(text, length), out);
}

static swg_status parse_name(swg_jparser *p, const swg_jnode **out)
{
    static const struct {
        const char *name;
        swg_jvalue value;
    } constants[] = {
        {"true", {.kind = SWG_J_BOOL, .boolean = true}},
        {"True", {.kind = SWG_J_BOOL, .boolean = true}},
        {"false", {.kind = SWG_J_BOOL}},
        {"False", {.kind = SWG_J_BOOL}},
        {"none", {.kind = SWG_J_NONE}},
        {"None", {.kind = SWG_J_NONE}},
    };
    swg_jnode *node;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (swg_jtake_name(p, constants[i].name))
            return literal(p, constants[i].value, out);
    SWG_TRY(swg_jnode_new(p, SWG_JN_NAME, &node));
    SWG_TRY(take_name(p, node));
    *out = node;
    return SWG_OK;
}

/* Expressions up to `close`, which is taken too. */
static swg_status parse_items(swg_jparser *p, unsigned close, swg_jnode *node)
{
    while (!swg_jtake_op(p, close)) {
        const swg_jnode *item;
        SWG_TRY(parse_condition(p, &item));
        SWG_TRY(swg_jnode_add(p, node, item));
        if (!swg_jtake_op(p, ',') && !swg_jat_op(p, close))
            return swg_jparser_bad(p, "a comma or a closing bracket is missing");
    }
    return SWG_OK;
}

static swg_status parse_dict(swg_jparser *p, swg_jnode *node)
{
    while (!swg_jtake_op(p, '}')) {
        const swg_jnode *key, *value;
        SWG_TRY(parse_condition(p, &key));
        SWG_TRY(expect_op(p, ':'));
        SWG_TRY(parse_condition(p, &value));
        SWG_TRY(swg_jnode_add(p, node, key));
        SWG_TRY(swg_jnode_add(p, node, value));
        if (!swg_jtake_op(p, ',') && !swg_jat_op(p, '}'))
            return swg_jparser_bad(p, "a comma or a closing bracket is missing");
    }
    return SWG_OK;
}

static swg_status parse_value(swg_jparser *p, const swg_jnode **out)
{
    const swg_jtoken *token = p->at;
    swg_jnode *node;
    switch (token->kind) {
    case SWG_JT_NAME:
        return parse_name(p, out);
    case SWG_JT_STRING:
        return parse_string(p, out);
    case SWG_JT_INT:
        p->at++;
        return literal(p, swg_jint(token->integer), out);
    case SWG_JT_FLOAT:
        p->at++;
        return literal(p, swg_jfloat(token->real), out);
    default:
        break;
    }
    if (swg_jtake_op(p, '(')) {
        if (swg_jtake_op(p, ')')) {
            SWG_TRY(swg_jnode_new(p, SWG_JN_TUPLE, &node));
            *out = node;
            return SWG_OK;
        }
        SWG_TRY(swg_jparse_expression(p, true, true, out));
        return expect_op(p, ')');
    }
    const bool is_list = swg_jtake_op(p, '[');
    if (!is_list && !swg_jtake_op(p, '{'))
        return swg_jparser_bad(p, "a value is missing");
    SWG_TRY(swg_jnode_new(p, is_list ? SWG_JN_LIST : SWG_JN_DICT, &node));
    *out = node;
    return is_list ? parse_items(p, ']', node) : parse_dict(p, node);
}

/* --- What follows a value --------------------------------------------------------------------- */

/* "(a, b, name=c)", its bracket taken already. */
static swg_status parse_arguments(swg_jparser *p, swg_jnode *node)
{
    enum { MAX_ARGUMENTS = 64 };
    swg_jvalue *names = NULL; /* few calls have any */
    while (!swg_jtake_op(p, ')')) {
        const swg_jnode *item;
        if (node->n_items == MAX_ARGUMENTS)
            return swg_jparser_bad(p, "a call has too many arguments");
        if (swg_jat_op(p, '*') || swg_jat_op(p, SWG_JOP('*', '*')))
            return swg_error(SWG_UNSUPPORTED,
                             "%s, line %u: arguments out of a list or a dict are "
                             "not supported",
                             p->file, p->at->line);
        if (p->at->kind == SWG_JT_NAME && p->at[1].kind == SWG_JT_OPERATOR && p->at[1].op == '=') {
            if (!names && !(names = swg_arena_calloc(p->arena, MAX_ARGUMENTS, sizeof *names)))
                return SWG_NO_MEMORY;
            node->names = names;
            names[node->n_items] = swg_jtext(p->at->text, p->at->length);
            p->at += 2;
        } else if (node->n_items > node->n_positional) {
            return swg_jparser_bad(p, "an argument without a name follows one with a name");
        } else {
            node->n_positional++;
        }
        SWG_TRY(parse_condition(p, &item));
        SWG_TRY(swg_jnode_add(p, node, item));
        if (!swg_jtake_op(p, ',') && !swg_jat_op(p, ')'))
            return swg_jparser_bad(p, "a comma or a closing bracket is missing");
    }
    return SWG_OK;
}

/* "[key]" or "[from:to:step]", its bracket taken already. */
static swg_status parse_subscript(swg_jparser *p, const swg_jnode *value, const swg_jnode **out)
{
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, SWG_JN_SLICE, &node));
    node->a = value;
    SWG_TRY(swg_jnode_contain(p, node, value));
    for (size_t i = 0; i < 3; i++) {
        const swg_jnode *part = NULL;
        if (!swg_jat_op(p, ':') && !swg_jat_op(p, ']'))
            SWG_TRY(swg_jparse_expression(p, i == 0, true, &part));
        SWG_TRY(swg_jnode_add(p, node, part));
        if (swg_jtake_op(p, ']')) {
            if (i == 0) {
                if (!part)
                    return swg_jparser_bad(p, "an index is missing");
                node->kind = SWG_JN_ITEM;
                node->b = part;
            }
            while (node->n_items < 3)
                SWG_TRY(swg_jnode_add(p, node, NULL));
            *out = node;
            return SWG_OK;
        }
        if (i < 2)
            SWG_TRY(expect_op(p, ':'));
    }
    return swg_jparser_bad(p, "\"]\" is missing");
}

static swg_status parse_call(swg_jparser *p, const swg_jnode *function, const swg_jnode **out)
{
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, SWG_JN_CALL, &node));
    node->a = function;
    SWG_TRY(swg_jnode_contain(p, node, function));
    *out = node;
    return parse_arguments(p, node);
}

static swg_status parse_postfix(swg_jparser *p, const swg_jnode **value)
{
    for (;;) {
        if (swg_jtake_op(p, '.')) {
            swg_jnode *node;
            SWG_TRY(swg_jnode_new(p, SWG_JN_ATTRIBUTE, &node));
            node->a = *value;
            SWG_TRY(swg_jnode_contain(p, node, *value));
            if (p->at->kind == SWG_JT_INT) { /* items.0 */
                node->kind = SWG_JN_ITEM;
                SWG_TRY(literal(p, swg_jint(p->at->integer), &node->b));
                p->at++;
            } else {
                SWG_TRY(take_name(p, node));
            }
            *value = node;
        } else if (swg_jtake_op(p, '[')) {
            SWG_TRY(parse_subscript(p, *value, value));
        } else if (swg_jtake_op(p, '(')) {
            SWG_TRY(parse_call(p, *value, value));
        } else {
            return SWG_OK;
        }
    }
}

static swg_status parse_filter(swg_jparser *p, const swg_jnode *inside, const swg_jnode **out)
{
    swg_jnode *node;
    SWG_TRY(swg_jnode_new(p, SWG_JN_FILTER, &node));
    node->a = inside;
    SWG_TRY(swg_jnode_contain(p, node, inside));
    SWG_TRY(take_name(p, node));
    *out = node;
    return swg_jtake_op(p, '(') ? parse_arguments(p, node) : SWG_OK;
}

swg_status swg_jparse_filters(swg_jparser *p, const swg_jnode *inside, const swg_jnode **out)
{
    *out = inside;
    do
        SWG_TRY(parse_filter(p, *out, out));
    while (swg_jtake_op(p, '|'));
    return SWG_OK;
}

/* Whether a test's one argument without brackets starts here. */
static bool starts_argument(const swg_jparser *p)
{
    switch (p->at->kind) {
    case SWG_JT_NAME:
        return !swg_jat_name(p, "else") && !swg_jat_name(p, "or") && !swg_jat_name(p, "and") &&
               !swg_jat_name(p, "is") && !swg_jat_name(p, "if") && !swg_jat_name(p, "in") &&
               !swg_jat_name(p, "not");
    case SWG_JT_STRING:
    case SWG_JT_INT:
    case SWG_JT_FLOAT:
        return true;
    default:
        return swg_jat_op(p, '[') || swg_jat_op(p, '{');
    }
}

static swg_status parse_test(swg_jparser *p, const swg_jnode *value, const swg_jnode **out)
{
    swg_jnode *node;
    const bool is_negated = swg_jtake_name(p, "not");
    SWG_TRY(swg_jnode_new(p, SWG_JN_TEST, &node));
    node->a = value;
    SWG_TRY(swg_jnode_contain(p, node, value));
    SWG_TRY(take_name(p, node));
    if (swg_jtake_op(p, '(')) {
        SWG_TRY(parse_arguments(p, node));
    } else if (starts_argument(p)) {
        const swg_jnode *argument;
        SWG_TRY(parse_value(p, &argument));
        SWG_TRY(parse_postfix(p, &argument));
        SWG_TRY(swg_jnode_add(p, node, argument));
        node->n_positional = 1;
    }
    *out = node;
    return is_negated ? join(p, SWG_JN_NOT, 0, node, NULL, out) : SWG_OK;
}

static swg_status parse_filters_and_tests(swg_jparser *p, const swg_jnode **value)
{
    for (;;) {
        if (swg_jtake_op(p, '|'))
            SWG_TRY(parse_filter(p, *value, value));
        else if (swg_jtake_name(p, "is"))
            SWG_TRY(parse_test(p, *value, value));
        else if (swg_jtake_op(p, '('))
            SWG_TRY(parse_call(p, *value, value));
        else
            return SWG_OK;
    }
}

/* --- Operators -------------------------------------------------------------------------------- */

/* A sign binds closer than filters, which apply to what it makes. */
static swg_status parse_unary(swg_jparser *p, bool with_filters, const swg_jnode **out)
{
    const bool is_minus = swg_jat_op(p, '-');
    if (is_minus || swg_jat_op(p, '+')) {
        const swg_jnode *inside;
        p->at++;
        if (++p->depth > MAX_DEPTH)
            return too_deep(p);
        SWG_TRY(parse_unary(p, false, &inside));
        p->depth--;
        SWG_TRY(join(p, SWG_JN_SIGN, is_minus ? '-' : '+', inside, NULL, out));
    } else {
        SWG_TRY(parse_value(p, out));
    }
    SWG_TRY(parse_postfix(p, out));
    return with_filters ? parse_filters_and_tests(p, out) : SWG_OK;
}

/* Left-associative operators, level by level. */
enum { POWER, PRODUCT, CONCATENATION, SUM, N_LEVELS };

static bool take_operator(swg_jparser *p, int level, unsigned *op)
{
    static const unsigned table[N_LEVELS][5] = {
        [POWER] = {SWG_JOP('*', '*')},
        [PRODUCT] = {'*', '/', SWG_JOP('/', '/'), '%'},
        [CONCATENATION] = {'~'},
        [SUM] = {'+', '-'},
    };
    for (size_t i = 0; table[level][i]; i++)
        if (swg_jtake_op(p, table[level][i])) {
            *op = table[level][i];
            return true;
        }
    return false;
}

static swg_status parse_level(swg_jparser *p, int level, const swg_jnode **out)
{
    unsigned op;
    SWG_TRY(level == POWER ? parse_unary(p, true, out) : parse_level(p, level - 1, out));
    while (take_operator(p, level, &op)) {
        const swg_jnode *right;
        SWG_TRY(level == POWER ? parse_unary(p, true, &right) : parse_level(p, level - 1, &right));
        SWG_TRY(join(p, SWG_JN_BINARY, op, *out, right, out));
    }
    return SWG_OK;
}

static bool take_comparison(swg_jparser *p, unsigned *op)
{
    static const unsigned table[] = {
        SWG_JOP('=', '='), SWG_JOP('!', '='), SWG_JOP('<', '='), SWG_JOP('>', '='), '<', '>'};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (swg_jtake_op(p, table[i])) {
            *op = table[i];
            return true;
        }
    if (swg_jtake_name(p, "in")) {
        *op = SWG_JOP_IN;
        return true;
    }
    if (swg_jat_name(p, "not") && p->at[1].kind == SWG_JT_NAME && p->at[1].length == 2 &&
        memcmp(p->at[1].text, "in", 2) == 0) {
        p->at += 2;
        *op = SWG_JOP_NOT_IN;
        return true;
    }
    return false;
}

static swg_status parse_comparison(swg_jparser *p, const swg_jnode **out)
{
    unsigned op;
    swg_jnode *node = NULL;
    SWG_TRY(parse_level(p, SUM, out));
    while (take_comparison(p, &op)) {
        const swg_jnode *right, *operand;
        if (!node) {
            SWG_TRY(swg_jnode_new(p, SWG_JN_COMPARE, &node));
            node->a = *out;
            SWG_TRY(swg_jnode_contain(p, node, *out));
            *out = node;
        }
        SWG_TRY(parse_level(p, SUM, &right));
        SWG_TRY(join(p, SWG_JN_OPERAND, op, right, NULL, &operand));
        SWG_TRY(swg_jnode_add(p, node, operand));
    }
    return SWG_OK;
}

static swg_status parse_not(swg_jparser *p, const swg_jnode **out)
{
    const swg_jnode *inside;
    if (!swg_jtake_name(p, "not"))
        return parse_comparison(p, out);
    if (++p->depth > MAX_DEPTH)
        return too_deep(p);
    SWG_TRY(parse_not(p, &inside));
    p->depth--;
    return join(p, SWG_JN_NOT, 0, inside, NULL, out);
}

static swg_status parse_and(swg_jparser *p, const swg_jnode **out)
{
    SWG_TRY(parse_not(p, out));
    while (swg_jtake_name(p, "and")) {
        const swg_jnode *right;
        SWG_TRY(parse_not(p, &right));
        SWG_TRY(join(p, SWG_JN_AND, 0, *out, right, out));
    }
    return SWG_OK;
}

static swg_status parse_or(swg_jparser *p, const swg_jnode **out)
{
    SWG_TRY(parse_and(p, out));
    while (swg_jtake_name(p, "or")) {
        const swg_jnode *right;
        SWG_TRY(parse_and(p, &right));
        SWG_TRY(join(p, SWG_JN_OR, 0, *out, right, out));
    }
    return SWG_OK;
}

static swg_status parse_condition(swg_jparser *p, const swg_jnode **out)
{
    if (++p->depth > MAX_DEPTH)
        return too_deep(p);
    SWG_TRY(parse_or(p, out));
    while (swg_jtake_name(p, "if")) {
        const swg_jnode *condition, *otherwise = NULL;
        swg_jnode *node;
        SWG_TRY(parse_or(p, &condition));
        if (swg_jtake_name(p, "else"))
            SWG_TRY(parse_condition(p, &otherwise));
        SWG_TRY(swg_jnode_new(p, SWG_JN_CONDITIONAL, &node));
        node->a = *out;
        node->b = condition;
        node->c = otherwise;
        SWG_TRY(swg_jnode_contain(p, node, *out));
        SWG_TRY(swg_jnode_contain(p, node, condition));
        SWG_TRY(swg_jnode_contain(p, node, otherwise));
        *out = node;
    }
    p->depth--;
    return SWG_OK;
}

/* Where a tuple without brackets ends. */
static bool ends_tuple(const swg_jparser *p)
{
    return p->at->kind == SWG_JT_PRINT_END || p->at->kind == SWG_JT_BLOCK_END ||
           swg_jat_op(p, ')') || swg_jat_op(p, ']') || swg_jat_op(p, '=') || swg_jat_name(p, "in");
}

swg_status swg_jparse_expression(swg_jparser *p, bool tuples, bool condition, const swg_jnode **out)
{
    swg_jnode *tuple = NULL;
    SWG_TRY(condition ? parse_condition(p, out) : parse_or(p, out));
    while (tuples && swg_jtake_op(p, ',')) {
        if (!tuple) {
            SWG_TRY(swg_jnode_new(p, SWG_JN_TUPLE, &tuple));
            SWG_TRY(swg_jnode_add(p, tuple, *out));
            *out = tuple;
        }
        if (ends_tuple(p))
            break;
        const swg_jnode *item;
        SWG_TRY(condition ? parse_condition(p, &item) : parse_or(p, &item));
        SWG_TRY(swg_jnode_add(p, tuple, item));
    }
    return SWG_OK;
}
