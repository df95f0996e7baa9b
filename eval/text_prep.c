/* Preparing texts: see text_prep.h. Sources: the data set script wikitext.py of Hugging Face's
 * datasets (rows), the joining in GPTQ's datautils.py, and lm-evaluation-harness's pages of
 * WikiText and their detokenizer (task wikitext, version 2). */
#include "eval/text_prep.h"

#include <stdbool.h>
#include <string.h>

#include "eval/white_space.h"
#include "runtime/base/mem.h"

static const char *const names[] = {
#define SWG_TEXT_PREP(id, name, text) name,
#include "eval/text_preps.def"
#undef SWG_TEXT_PREP
};

const char *swg_text_prep_name(swg_text_prep prep)
{
    return names[prep];
}

swg_text_prep swg_text_prep_named(const char *name)
{
    int i = 0;
    while (i < SWG_TEXT_PREP_COUNT && strcmp(names[i], name) != 0)
        i++;
    return (swg_text_prep)i;
}

/* --- Documents -------------------------------------------------------------------------------- */

/* Pieces between runs of white space, empty ones at both ends included. */
static size_t count_words(const char *at, const char *end)
{
    size_t words = 1;
    while (at < end) {
        const char *behind = swg_skip_space(at, end);
        words += behind > at;
        at = behind > at ? behind : at + 1;
    }
    return words;
}

/* The document that reaches from the last end to the present end of the text; `from` [length] is
 * what it was made from. */
static swg_status end_document(swg_prepared_text *out, const char *from, size_t length)
{
    SWG_TRY(
        swg_reserve((void **)&out->ends, &out->capacity, out->n_documents + 1, sizeof *out->ends));
    out->ends[out->n_documents++] = out->text.length;
    out->bytes += length;
    out->words += count_words(from, from + length);
    return swg_strbuf_status(&out->text);
}

static swg_status prepare_raw(const char *text, size_t length, swg_prepared_text *out)
{
    swg_strbuf_append(&out->text, text, length);
    return end_document(out, text, length);
}

/* The end of the line at `at`, with its line break. */
static const char *line_end(const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    return lf ? lf + 1 : end;
}

static swg_status prepare_hf_join(const char *text, size_t length, swg_prepared_text *out)
{
    const char *const end = text + length;
    for (const char *at = text; at < end;) {
        const char *const next = line_end(at, end);
        if (at > text)
            swg_strbuf_append(&out->text, "\n\n", 2);
        if (swg_skip_space(at, next) < next)
            swg_strbuf_append(&out->text, at, (size_t)(next - at));
        at = next;
    }
    SWG_TRY(swg_strbuf_status(&out->text));
    return end_document(out, text, length);
}

/* --- lm-eval ---------------------------------------------------------------------------------- */

static void replace(swg_strbuf *text, const char *from, const char *to)
{
    const size_t n = strlen(from);
    swg_strbuf made = {0};
    const char *at = text->text, *const end = at + text->length, *hit;
    while ((size_t)(end - at) >= n && (hit = memmem(at, (size_t)(end - at), from, n))) {
        swg_strbuf_append(&made, at, (size_t)(hit - at));
        swg_strbuf_append(&made, to, strlen(to));
        at = hit + n;
    }
    swg_strbuf_append(&made, at, (size_t)(end - at));
    swg_strbuf_deinit(text);
    *text = made;
}

/* The pattern between slashes is meant for another language; as written it replaces a slash, an
 * apostrophe, a blank, a digit and a slash by the replacement's very letters. */
static void replace_slashed(swg_strbuf *text)
{
    char pattern[] = "/' 0/";
    for (char digit = '0'; digit <= '9'; digit++) {
        pattern[3] = digit;
        replace(text, pattern, "/'[0-9]/");
    }
}

/* White space inside of a pair of brackets or quotes is removed at both ends. */
static void tighten(swg_strbuf *text, char open, char close)
{
    swg_strbuf made = {0};
    const char *at = text->text, *const end = at + text->length, *from, *to;
    while (at < end && (from = memchr(at, open, (size_t)(end - at))) &&
           (to = memchr(from + 1, close, (size_t)(end - from - 1)))) {
        const char *const inner = swg_skip_space(from + 1, to);
        swg_strbuf_append(&made, at, (size_t)(from + 1 - at));
        swg_strbuf_append(&made, inner, (size_t)(swg_trim_end(inner, to) - inner));
        swg_strbuf_append(&made, to, 1);
        at = to + 1;
    }
    swg_strbuf_append(&made, at, (size_t)(end - at));
    swg_strbuf_deinit(text);
    *text = made;
}

static void detokenize(swg_strbuf *text)
{
    static const char *const before[][2] = {{" @-@ ", "-"}, {" @,@ ", ","}, {" @.@ ", "."},
                                            {" : ", ": "},  {" ; ", "; "},  {" . ", ". "},
                                            {" ! ", "! "},  {" ? ", "? "},  {" , ", ", "}};
    static const char *const behind[][2] = {
        {"= = = =", "===="}, {"= = =", "==="}, {"= =", "=="},  {" \xc2\xb0 ", "\xc2\xb0"},
        {" \n", "\n"},       {"\n ", "\n"},    {" N ", " 1 "}, {" 's", "'s"}};
    replace(text, "s '", "s'");
    replace_slashed(text);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        replace(text, before[i][0], before[i][1]);
    tighten(text, '(', ')');
    tighten(text, '[', ']');
    tighten(text, '{', '}');
    tighten(text, '"', '"');
    tighten(text, '\'', '\'');
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        replace(text, behind[i][0], behind[i][1]);
}

/* Whether a line is the title of a page: "= Title =", not "= = Section = =". */
static bool is_title(const char *at, const char *end)
{
    at = swg_skip_space(at, end);
    end = swg_trim_end(at, end);
    return end - at >= 2 && memcmp(at, "= ", 2) == 0 && memcmp(end - 2, " =", 2) == 0 &&
           !(end - at >= 3 && (memcmp(at, "= =", 3) == 0 || memcmp(end - 3, "= =", 3) == 0));
}

static swg_status add_page(const char *at, const char *end, swg_prepared_text *out)
{
    swg_status status = SWG_OK;
    swg_strbuf page = {0};
    swg_strbuf_append(&page, at, (size_t)(end - at));
    detokenize(&page);
    SWG_GO(swg_strbuf_status(&page));
    swg_strbuf_append(&out->text, page.text, page.length);
    SWG_GO(end_document(out, at, (size_t)(end - at)));
done:
    swg_strbuf_deinit(&page);
    return status;
}

static swg_status prepare_lm_eval(const char *text, size_t length, swg_prepared_text *out)
{
    const char *page = text, *const end = text + length;
    for (const char *at = text; at < end;) {
        const char *const next = line_end(at, end);
        /* A page does not have the line break before the next one's title. */
        if (at > page && is_title(at, next)) {
            if (swg_skip_space(page, at) < at)
                SWG_TRY(add_page(page, at - 1, out));
            page = at;
        }
        at = next;
    }
    return add_page(page, end, out);
}

/* --- All -------------------------------------------------------------------------------------- */

swg_status swg_text_prepare(swg_text_prep prep, const char *text, size_t length,
                            swg_prepared_text *out)
{
    static swg_status (*const functions[])(const char *, size_t, swg_prepared_text *) = {
#define SWG_TEXT_PREP(id, name, line) prepare_##id,
#include "eval/text_preps.def"
#undef SWG_TEXT_PREP
    };
    swg_prepared_text made = {0};
    const swg_status status = functions[prep](text, length, &made);
    if (status == SWG_OK)
        *out = made;
    else
        swg_prepared_text_deinit(&made);
    return status;
}

void swg_prepared_text_deinit(swg_prepared_text *prepared)
{
    swg_strbuf_deinit(&prepared->text);
    swg_free(prepared->ends);
    *prepared = (swg_prepared_text){0};
}
