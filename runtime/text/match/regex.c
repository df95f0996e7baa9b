/* Patterns: see regex.h. Sole user of PCRE2. Patterns are written for Oniguruma in Ruby
 * syntax; what means the same in PCRE2 is passed on, what can be said otherwise is rewritten (white
 * space, digits, word characters, scripts), and the rest (set operations, nested classes, inline
 * options that differ) is refused rather than matched differently. Characters younger than PCRE2's
 * Unicode (14 in Debian 12) count as unassigned. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/text/match/regex.h"

#include <ctype.h>
#include <pcre2.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"

/* Generous for splitting words (which takes tens of steps a match), a fraction of a second when a
 * pattern explodes. */
enum {
    MATCH_LIMIT = 2000000,
    DEPTH_LIMIT = 20000,
    HEAP_LIMIT_KIB = 20000,
    JIT_STACK_START = 32 << 10,
    JIT_STACK_MOST = 1 << 20,
    MAX_PATTERN = 1 << 16
};

struct swg_regex {
    swg_regex *next;
    pcre2_code *code;
};

static void *allocate(size_t bytes, void *context)
{
    (void)context;
    return swg_malloc(bytes, 1);
}

static void release(void *block, void *context)
{
    (void)context;
    swg_free(block);
}

/* --- From Ruby's syntax to Perl's ------------------------------------------------------------- */

typedef struct translation {
    const char *pattern; /* for messages */
    const char *at;
    swg_strbuf out;
    bool in_class;
} translation;

static swg_status refuse(const translation *t, const char *what)
{
    return swg_error(SWG_UNSUPPORTED, "the pattern \"%.200s\" uses %s, which is not supported",
                     t->pattern, what);
}

/* "\p{Name}": general categories mean the same on both sides; longer names are scripts, which PCRE2
 * would otherwise extend by Script_Extensions. */
static swg_status property(translation *t)
{
    const char *name = t->at + 2;
    if (*name != '{')
        return refuse(t, "a property without braces");
    name++;
    const bool negated = *name == '^';
    name += negated;
    const size_t length = strcspn(name, "}");
    if (name[length] != '}' || length == 0)
        return refuse(t, "a property without closing brace");
    swg_strbuf_printf(&t->out, "\\%c{%s%s%.*s}", t->at[1], negated ? "^" : "",
                      length > 2 ? "sc:" : "", (int)length, name);
    t->at = name + length + 1;
    return SWG_OK;
}

static const char word_set[] = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";

/* A backslash and what follows. */
static swg_status escape(translation *t)
{
    const char c = t->at[1];
    const char *instead = NULL;
    switch (c) {
    case 'p':
    case 'P':
        return property(t);
    case 's':
        instead = "\\p{White_Space}";
        break;
    case 'S':
        instead = "\\P{White_Space}";
        break;
    case 'd':
        instead = "\\p{Nd}";
        break;
    case 'D':
        instead = "\\P{Nd}";
        break;
    case 'w':
        swg_strbuf_printf(&t->out, t->in_class ? "%s" : "[%s]", word_set);
        break;
    case 'W':
        if (t->in_class)
            return refuse(t, "\\W inside a class");
        swg_strbuf_printf(&t->out, "[^%s]", word_set);
        break;
    default:
        if (c == '\0' || (isalnum((unsigned char)c) && !strchr("nrtfaexu", c) &&
                          (t->in_class || !strchr("Az", c))))
            return refuse(t, "an unknown escape");
        if (c == 'u') { /* \uHHHH */
            if (strspn(t->at + 2, "0123456789abcdefABCDEF") < 4)
                return refuse(t, "\\u without four digits");
            swg_strbuf_printf(&t->out, "\\x{%.4s}", t->at + 2);
            t->at += 6;
            return SWG_OK;
        }
        swg_strbuf_append(&t->out, t->at, 2);
    }
    if (instead)
        swg_strbuf_puts(&t->out, instead);
    t->at += 2;
    return SWG_OK;
}

/* "(?...": groups and look-around mean the same; of the options only i does ("m" is Ruby's dotall).
 */
static swg_status group(translation *t)
{
    const char *kind = t->at + 2;
    if (strchr(":=!>", *kind) || (*kind == '<' && strchr("=!", kind[1])))
        return SWG_OK;
    const size_t options = strspn(kind, "i-");
    if (options > 0 && strchr(":)", kind[options]))
        return SWG_OK;
    return refuse(t, "a group of an unknown kind");
}

static swg_status translate(translation *t)
{
    while (*t->at) {
        if (*t->at == '\\') {
            SWG_TRY(escape(t));
            continue;
        }
        if (!t->in_class && t->at[0] == '(' && t->at[1] == '?')
            SWG_TRY(group(t));
        if (!t->in_class && t->at[0] == '(' && t->at[1] == '*')
            return refuse(t, "a control verb");
        if (!t->in_class && t->at[0] == '}' && t->at[1] == '+')
            return refuse(t, "a possessive interval");
        if (t->in_class && t->at[0] == '[')
            return refuse(t, "a class inside a class");
        if (t->in_class && t->at[0] == '&' && t->at[1] == '&')
            return refuse(t, "&& inside a class");
        if (*t->at == '[') {
            t->in_class = true;
            const size_t opening = 1 + (t->at[1] == '^');
            if (t->at[opening] == ']')
                return refuse(t, "an empty class");
            swg_strbuf_append(&t->out, t->at, opening);
            t->at += opening;
            continue;
        }
        if (*t->at == ']')
            t->in_class = false;
        swg_strbuf_append(&t->out, t->at++, 1);
    }
    return swg_strbuf_status(&t->out);
}

/* --- Compiling -------------------------------------------------------------------------------- */

static swg_status compile(const char *pattern, const char *text, uint32_t options, pcre2_code **out)
{
    int error = 0;
    PCRE2_SIZE at = 0;
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    pcre2_code *code = NULL;
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        code =
            pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &error, &at, context);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (!code && (!context || error == PCRE2_ERROR_HEAP_FAILED))
        return swg_error(SWG_NO_MEMORY, "out of memory while compiling a pattern");
    if (!code) {
        PCRE2_UCHAR reason[128] = {0};
        pcre2_get_error_message(error, reason, sizeof reason);
        return swg_error(SWG_UNSUPPORTED, "the pattern \"%.200s\" is not supported: %s", pattern,
                         (const char *)reason);
    }
    /* Without a compiler for this machine the interpreter matches the same. */
    if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == PCRE2_ERROR_NOMEMORY) {
        pcre2_code_free(code);
        return swg_error(SWG_NO_MEMORY, "out of memory while compiling a pattern");
    }
    *out = code;
    return SWG_OK;
}

swg_status swg_regex_compile(const char *pattern, bool is_literal, swg_regex **list)
{
    swg_status status;
    translation t = {.pattern = pattern, .at = pattern};
    swg_regex *regex = NULL;
    if (strlen(pattern) > MAX_PATTERN)
        return swg_error(SWG_LIMIT, "a pattern of %zu bytes is too long", strlen(pattern));
    SWG_GO(SWG_NEW(regex, 1));
    if (is_literal) {
        SWG_GO(compile(pattern, pattern, PCRE2_UTF | PCRE2_LITERAL, &regex->code));
    } else {
        SWG_GO(translate(&t));
        SWG_GO(compile(pattern, swg_strbuf_text(&t.out),
                       PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
                           PCRE2_AUTO_CALLOUT,
                       &regex->code));
    }
    regex->next = *list;
    *list = regex;
    regex = NULL;
done:
    swg_free(regex);
    swg_strbuf_deinit(&t.out);
    return status;
}

void swg_regex_free_list(swg_regex **list)
{
    while (*list) {
        swg_regex *regex = *list;
        *list = regex->next;
        pcre2_code_free(regex->code);
        swg_free(regex);
    }
}

/* --- Matching --------------------------------------------------------------------------------- */

void swg_regex_scratch_deinit(swg_regex_scratch *scratch)
{
    pcre2_match_data_free(scratch->match);
    pcre2_match_context_free(scratch->context);
    pcre2_jit_stack_free(scratch->stack);
    *scratch = (swg_regex_scratch){.work = scratch->work};
}

/* Called before each item of a pattern is tried (PCRE2_AUTO_CALLOUT): between two calls matching
 * passes over the text once at most, in one direction, so the places of both say what it did. */
static int spend_step(pcre2_callout_block *block, void *context)
{
    swg_regex_scratch *scratch = context;
    const size_t at = block->current_position;
    const size_t passed = at > scratch->at ? at - scratch->at : scratch->at - at;
    scratch->at = at;
    scratch->status = swg_work_spend(scratch->work, 4 + passed);
    return scratch->status == SWG_OK ? 0 : PCRE2_ERROR_CALLOUT;
}

static swg_status scratch_init(swg_regex_scratch *scratch)
{
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    if (general) {
        scratch->match = pcre2_match_data_create(1, general);
        scratch->context = pcre2_match_context_create(general);
        scratch->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MOST, general);
        pcre2_general_context_free(general);
    }
    if (!scratch->match || !scratch->context || !scratch->stack) {
        swg_regex_scratch_deinit(scratch);
        return swg_error(SWG_NO_MEMORY, "out of memory while preparing to match a pattern");
    }
    pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
    pcre2_set_depth_limit(scratch->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(scratch->context, HEAP_LIMIT_KIB);
    pcre2_set_callout(scratch->context, spend_step, scratch);
    pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return SWG_OK;
}

swg_status swg_regex_next(const swg_regex *regex, swg_regex_scratch *scratch, const char *text,
                          size_t length, size_t from, size_t *begin, size_t *end)
{
    if (!scratch->match)
        SWG_TRY(scratch_init(scratch));
    SWG_TRY(swg_work_spend(scratch->work, SWG_WORK_PER_MATCH));
    scratch->at = from;
    const int result = pcre2_match(regex->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK,
                                   scratch->match, scratch->context);
    if (result == PCRE2_ERROR_NOMATCH) {
        *begin = *end = SIZE_MAX;
        return SWG_OK;
    }
    if (result == PCRE2_ERROR_CALLOUT)
        return scratch->status;
    if (result == PCRE2_ERROR_NOMEMORY)
        return swg_error(SWG_NO_MEMORY, "out of memory while matching a pattern");
    if (result < 0) {
        PCRE2_UCHAR reason[128] = {0};
        pcre2_get_error_message(result, reason, sizeof reason);
        return swg_error(SWG_LIMIT, "%s: a pattern explodes on this text: %s", scratch->work->file,
                         (const char *)reason);
    }
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(scratch->match);
    *begin = offsets[0];
    *end = offsets[1];
    return SWG_OK;
}
