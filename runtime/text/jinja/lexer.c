/* Tokens of a chat template: see lexer.h. */
#include "runtime/text/jinja/lexer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/utf8.h"

enum { MAX_BRACKETS = 256 };

typedef struct lexer {
    const char *file, *source;
    size_t length, at;
    swg_arena *arena;
    swg_jtoken *tokens;
    size_t count, capacity;
    unsigned line;
    size_t line_at;              /* up to where lines were counted */
    bool is_line_start;          /* the last tag ended with a line break that went with it */
    char brackets[MAX_BRACKETS]; /* open inside the tag */
    size_t n_brackets;
} lexer;

/* --- What both modes need --------------------------------------------------------------------- */

static unsigned line_of(lexer *l, size_t at)
{
    for (; l->line_at < at; l->line_at++)
        l->line += l->source[l->line_at] == '\n';
    return l->line;
}

static swg_status bad(lexer *l, const char *what)
{
    return swg_error(SWG_CORRUPT, "%s, line %u: %s", l->file, line_of(l, l->at), what);
}

static swg_status push(lexer *l, swg_jtoken token, size_t at)
{
    token.line = line_of(l, at);
    SWG_TRY(swg_reserve((void **)&l->tokens, &l->capacity, l->count + 1, sizeof *l->tokens));
    l->tokens[l->count++] = token;
    return SWG_OK;
}

static bool is_at(const lexer *l, size_t at, const char *text)
{
    const size_t n = strlen(text);
    return n <= l->length - at && memcmp(l->source + at, text, n) == 0;
}

/* White space as Python's \s and strip() have it, in ASCII; what else counts never stands by a
 * tag. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static size_t skip_space(const lexer *l, size_t at)
{
    while (at < l->length && is_space(l->source[at]))
        at++;
    return at;
}

/* The end of a tag (of two characters, at `at`): where the text goes on. */
static size_t after_tag(lexer *l, size_t at, char sign, bool trims)
{
    at += 2;
    const size_t from = at;
    if (sign == '-')
        at = skip_space(l, at);
    else if (sign != '+' && trims && at < l->length && l->source[at] == '\n')
        at++;
    l->is_line_start = at > from && l->source[at - 1] == '\n';
    return at;
}

/* --- Text between tags ------------------------------------------------------------------------ */

/* The text before a tag at `end`, without the white space that the tag takes. */
static swg_status push_data(lexer *l, size_t begin, size_t end, char sign, bool lstrips)
{
    size_t last = end;
    if (sign == '-') {
        while (last > begin && is_space(l->source[last - 1]))
            last--;
    } else if (sign != '+' && lstrips) {
        size_t start = end;
        while (start > begin && l->source[start - 1] != '\n')
            start--;
        if ((start > begin || l->is_line_start) && start < end) {
            size_t at = start;
            while (at < end && is_space(l->source[at]))
                at++;
            last = at == end ? start : end;
        }
    }
    if (last == begin)
        return SWG_OK;
    return push(
        l, (swg_jtoken){.kind = SWG_JT_DATA, .text = l->source + begin, .length = last - begin},
        begin);
}

static char sign_at(const lexer *l, size_t at)
{
    return at < l->length && (l->source[at] == '-' || l->source[at] == '+') ? l->source[at] : 0;
}

/* Whether the block tag at `at` is {% name %}; *end becomes the place of "%}", *last its sign. */
static bool is_bare_tag(const lexer *l, size_t at, const char *name, size_t *end, char *last)
{
    at += 2;
    at += sign_at(l, at) != 0;
    at = skip_space(l, at);
    if (!is_at(l, at, name))
        return false;
    at = skip_space(l, at + strlen(name));
    *last = sign_at(l, at);
    at += *last != 0;
    *end = at;
    return is_at(l, at, "%}");
}

/* {% raw %}: text up to {% endraw %}. */
static swg_status lex_raw(lexer *l, size_t end, char sign)
{
    const size_t begin = after_tag(l, end, sign, false);
    for (size_t at = begin; at + 1 < l->length; at++) {
        char last;
        if (!is_at(l, at, "{%") || !is_bare_tag(l, at, "endraw", &end, &last))
            continue;
        SWG_TRY(push_data(l, begin, at, sign_at(l, at + 2), true));
        l->at = after_tag(l, end, last, true);
        return SWG_OK;
    }
    return bad(l, "{% raw %} has no {% endraw %}");
}

static swg_status lex_comment(lexer *l)
{
    for (size_t at = l->at + 2; at + 1 < l->length; at++)
        if (is_at(l, at, "#}")) {
            const char sign = at > l->at + 2 ? sign_at(l, at - 1) : 0;
            l->at = after_tag(l, at, sign, true);
            return SWG_OK;
        }
    return bad(l, "a comment has no end");
}

/* Text up to the next tag, and the tag's beginning. */
static swg_status lex_data(lexer *l, bool *in_tag)
{
    const size_t begin = l->at;
    while (l->at < l->length && !is_at(l, l->at, "{{") && !is_at(l, l->at, "{%") &&
           !is_at(l, l->at, "{#"))
        l->at++;
    if (l->at == l->length)
        return push_data(l, begin, l->at, 0, false);
    const char kind = l->source[l->at + 1], sign = sign_at(l, l->at + 2);
    SWG_TRY(push_data(l, begin, l->at, sign, kind != '{'));
    l->is_line_start = false;
    size_t end;
    char last;
    if (kind == '#')
        return lex_comment(l);
    if (kind == '%' && is_bare_tag(l, l->at, "raw", &end, &last))
        return lex_raw(l, end, last);
    SWG_TRY(push(l, (swg_jtoken){.kind = kind == '{' ? SWG_JT_PRINT_BEGIN : SWG_JT_BLOCK_BEGIN},
                 l->at));
    l->at += 2 + (sign != 0);
    l->n_brackets = 0;
    *in_tag = true;
    return SWG_OK;
}

/* --- Inside tags ------------------------------------------------------------------------------ */

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (c & 0x80);
}

static bool is_name_part(char c)
{
    return is_name_start(c) || isdigit((unsigned char)c);
}

static swg_status lex_name(lexer *l)
{
    const size_t begin = l->at;
    while (l->at < l->length && is_name_part(l->source[l->at]))
        l->at++;
    return push(
        l, (swg_jtoken){.kind = SWG_JT_NAME, .text = l->source + begin, .length = l->at - begin},
        begin);
}

/* Digits with single underscores between them. */
static size_t digits_end(const lexer *l, size_t at)
{
    while (at < l->length &&
           (isdigit((unsigned char)l->source[at]) || (l->source[at] == '_' && at + 1 < l->length &&
                                                      isdigit((unsigned char)l->source[at + 1]))))
        at++;
    return at;
}

static swg_status lex_number(lexer *l)
{
    enum { MAX_DIGITS = 64 };
    const size_t begin = l->at;
    size_t end = digits_end(l, begin), n = 0;
    char text[MAX_DIGITS];
    bool is_float = false;
    if (end + 1 < l->length && l->source[end] == '.' &&
        isdigit((unsigned char)l->source[end + 1])) {
        end = digits_end(l, end + 1);
        is_float = true;
    }
    if (end < l->length && (l->source[end] == 'e' || l->source[end] == 'E')) {
        const size_t exponent = end + 1 + (end + 1 < l->length && strchr("+-", l->source[end + 1]));
        if (exponent < l->length && isdigit((unsigned char)l->source[exponent])) {
            end = digits_end(l, exponent);
            is_float = true;
        }
    }
    for (size_t at = begin; at < end; at++)
        if (l->source[at] != '_') {
            if (n + 1 == MAX_DIGITS)
                return bad(l, "a number has too many digits");
            text[n++] = l->source[at];
        }
    text[n] = '\0';
    errno = 0;
    swg_jtoken token = {.kind = is_float ? SWG_JT_FLOAT : SWG_JT_INT};
    if (is_float)
        token.real = strtod(text, NULL);
    else
        token.integer = strtoll(text, NULL, 10);
    if (errno == ERANGE && !is_float)
        return bad(l, "an integer is beyond 2^63");
    l->at = end;
    return push(l, token, begin);
}

/* A code point in hexadecimal after \x, \u or \U. */
static swg_status lex_code(lexer *l, size_t *at, size_t n_digits, swg_strbuf *out)
{
    uint32_t code = 0;
    char bytes[4];
    for (size_t i = 0; i < n_digits; i++, ++*at) {
        if (*at >= l->length || !isxdigit((unsigned char)l->source[*at]))
            return bad(l, "a string has an escape without its digits");
        const char c = l->source[*at];
        code = code * 16 + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return bad(l, "a string has an escape that is not a character");
    swg_strbuf_append(out, bytes, swg_utf8_encode(code, bytes));
    return SWG_OK;
}

/* What follows a backslash, as in Python. */
static swg_status lex_escape(lexer *l, size_t *at, swg_strbuf *out)
{
    static const char from[] = "nrtabfv\\'\"", to[] = "\n\r\t\a\b\f\v\\'\"";
    const char c = l->source[(*at)++];
    const char *const known = strchr(from, c);
    if (c == 'x' || c == 'u' || c == 'U')
        return lex_code(l, at, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
    if (c >= '0' && c <= '7') {
        unsigned code = (unsigned)(c - '0');
        for (int i = 0; i < 2 && *at < l->length && l->source[*at] >= '0' && l->source[*at] <= '7';
             i++)
            code = code * 8 + (unsigned)(l->source[(*at)++] - '0');
        char bytes[4];
        swg_strbuf_append(out, bytes, swg_utf8_encode(code, bytes));
    } else if (c && known) {
        swg_strbuf_append(out, &to[known - from], 1);
    } else if (c != '\n') { /* unknown: both characters stay */
        swg_strbuf_append(out, "\\", 1);
        swg_strbuf_append(out, &c, 1);
    }
    return SWG_OK;
}

static swg_status lex_string(lexer *l)
{
    const size_t begin = l->at;
    const char quote = l->source[begin];
    swg_strbuf text = {0};
    swg_status status = SWG_OK;
    size_t at = begin + 1;
    while (at < l->length && l->source[at] != quote && status == SWG_OK) {
        const char c = l->source[at++];
        if (c != '\\')
            swg_strbuf_append(&text, &c, 1);
        else if (at < l->length)
            status = lex_escape(l, &at, &text);
    }
    if (status == SWG_OK && at >= l->length)
        status = bad(l, "a string has no end");
    if (status == SWG_OK)
        status = swg_strbuf_status(&text);
    char *copy = NULL;
    if (status == SWG_OK) {
        copy = swg_arena_strndup(l->arena, swg_strbuf_text(&text), text.length);
        status = copy ? SWG_OK : SWG_NO_MEMORY;
    }
    l->at = at + 1;
    if (status == SWG_OK)
        status = push(l, (swg_jtoken){.kind = SWG_JT_STRING, .text = copy, .length = text.length},
                      begin);
    swg_strbuf_deinit(&text);
    return status;
}

static swg_status lex_operator(lexer *l)
{
    static const char *const pairs[] = {"==", "!=", ">=", "<=", "//", "**"};
    const char c = l->source[l->at];
    const size_t begin = l->at;
    swg_jtoken token = {.kind = SWG_JT_OPERATOR, .op = SWG_JOP(c, 0)};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (is_at(l, l->at, pairs[i]))
            token.op = SWG_JOP(pairs[i][0], pairs[i][1]);
    if (!c || !strchr("+-/*%~[](){}=<>.:|,;!", c) || token.op == SWG_JOP('!', 0))
        return bad(l, "a character is not part of any expression");
    if (strchr("([{", c)) {
        if (l->n_brackets == MAX_BRACKETS)
            return swg_error(SWG_LIMIT, "%s, line %u: brackets nest more than %d deep", l->file,
                             line_of(l, l->at), MAX_BRACKETS);
        l->brackets[l->n_brackets++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c) && (l->n_brackets == 0 || l->brackets[--l->n_brackets] != c)) {
        return bad(l, "a bracket closes what is not open");
    }
    l->at += token.op > 0xff ? 2 : 1;
    return push(l, token, begin);
}

/* The end of the tag at this place, unless a bracket is open. */
static swg_status lex_tag_end(lexer *l, bool *in_tag)
{
    const char sign = sign_at(l, l->at);
    const size_t end = l->at + (sign != 0);
    const bool is_block = is_at(l, end, "%}"), is_print = is_at(l, end, "}}");
    if (l->n_brackets > 0 || !(is_block || (is_print && sign != '+')))
        return SWG_OK;
    SWG_TRY(push(l, (swg_jtoken){.kind = is_block ? SWG_JT_BLOCK_END : SWG_JT_PRINT_END}, l->at));
    l->at = after_tag(l, end, sign, is_block);
    *in_tag = false;
    return SWG_OK;
}

static swg_status lex_in_tag(lexer *l, bool *in_tag)
{
    l->at = skip_space(l, l->at);
    if (l->at == l->length)
        return bad(l, "a tag has no end");
    SWG_TRY(lex_tag_end(l, in_tag));
    if (!*in_tag)
        return SWG_OK;
    const char c = l->source[l->at];
    if (is_name_start(c))
        return lex_name(l);
    if (isdigit((unsigned char)c))
        return lex_number(l);
    if (c == '\'' || c == '"')
        return lex_string(l);
    return lex_operator(l);
}

swg_status swg_jlex(const char *source, size_t length, const char *file, swg_arena *arena,
                    swg_jtoken **out)
{
    lexer l = {.file = file,
               .source = source,
               .length = length,
               .arena = arena,
               .line = 1,
               .is_line_start = true};
    swg_status status = SWG_OK;
    bool in_tag = false;
    while ((l.at < length || in_tag) && status == SWG_OK)
        status = in_tag ? lex_in_tag(&l, &in_tag) : lex_data(&l, &in_tag);
    if (status == SWG_OK)
        status = push(&l, (swg_jtoken){.kind = SWG_JT_END}, length);
    if (status != SWG_OK) {
        swg_free(l.tokens);
        return status;
    }
    *out = l.tokens;
    return SWG_OK;
}
