/* Reading items of multiple choice: see choice_item.h. The forms follow lm-evaluation-harness's
 * tasks hellaswag, arc_easy and arc_challenge, piqa and winogrande (version 1), quirks included:
 * str.capitalize() also lowers all other letters (here: of ASCII), and what is in brackets goes. */
#include "eval/choice_item.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "eval/white_space.h"

static const char *const format_names[] = {
#define SWG_CHOICE_FORMAT(id, text) #id,
#include "eval/choice_formats.def"
#undef SWG_CHOICE_FORMAT
};

const char *swg_choice_format_name(swg_choice_format format)
{
    return format_names[format];
}

swg_choice_format swg_choice_format_named(const char *name)
{
    int i = 0;
    while (i < SWG_CHOICE_FORMAT_COUNT - 1 && strcmp(format_names[i], name) != 0)
        i++;
    return (swg_choice_format)i;
}

/* What an item is made of, before the prefix. */
typedef struct reading {
    const swg_json *root;
    const char *where, *prefix;
    swg_choice_item *item;
} reading;

static size_t count_characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Another choice: its context, what is scored, and the choice whose length counts. */
static swg_status add_choice(reading *r, const char *context, const char *delimiter,
                             const char *ending, const char *choice)
{
    swg_choice_item *item = r->item;
    const size_t i = item->n_choices;
    if (i == SWG_MAX_CHOICES)
        return swg_error(SWG_CORRUPT, "%s: there are more than %d choices", r->where,
                         SWG_MAX_CHOICES);
    if (!*choice || !*ending)
        return swg_error(SWG_CORRUPT, "%s: choice %zu is empty", r->where, i);
    item->contexts[i].length = item->endings[i].length = 0;
    swg_strbuf_puts(&item->contexts[i], r->prefix);
    swg_strbuf_puts(&item->contexts[i], context);
    swg_strbuf_puts(&item->endings[i], delimiter);
    swg_strbuf_puts(&item->endings[i], ending);
    item->characters[i] = count_characters(choice);
    item->bytes[i] = strlen(choice);
    item->n_choices++;
    SWG_TRY(swg_strbuf_status(&item->contexts[i]));
    return swg_strbuf_status(&item->endings[i]);
}

static swg_status string_of(const reading *r, const char *key, const char **out)
{
    return swg_json_line_string(r->root, key, r->where, out);
}

/* The index of the right answer: a whole number, or one in a string. */
static swg_status read_gold(reading *r, const char *key, int64_t first)
{
    const swg_json *value = swg_json_get(r->root, key);
    const char *text;
    int64_t gold;
    int read = 0;
    long long number;
    if (swg_json_as_string(value, &text) && sscanf(text, "%lld%n", &number, &read) == 1 &&
        !text[read])
        gold = number;
    else if (!swg_json_as_int(value, &gold))
        return swg_error(SWG_CORRUPT, "%s: \"%s\" is missing or not a whole number", r->where, key);
    if (gold < first || (uint64_t)(gold - first) >= r->item->n_choices)
        return swg_error(SWG_CORRUPT,
                         "%s: \"%s\" is %lld; there are %zu choices, counted from %lld", r->where,
                         key, (long long)gold, r->item->n_choices, (long long)first);
    r->item->gold = (size_t)(gold - first);
    return SWG_OK;
}

/* The strings of an array as choices after one context. */
static swg_status add_choices(reading *r, const swg_json *array, const char *key,
                              const char *context)
{
    if (!array || swg_json_kind_of(array) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s: \"%s\" is missing or not an array", r->where, key);
    for (const swg_json *v = swg_json_first(array); v; v = swg_json_next(v)) {
        const char *choice;
        if (!swg_json_as_string(v, &choice))
            return swg_error(SWG_CORRUPT, "%s: \"%s\" holds something that is not a string",
                             r->where, key);
        SWG_TRY(add_choice(r, context, " ", choice, choice));
    }
    return SWG_OK;
}

static swg_status read_choices(reading *r)
{
    const char *context;
    SWG_TRY(string_of(r, "context", &context));
    SWG_TRY(add_choices(r, swg_json_get(r->root, "choices"), "choices", context));
    return read_gold(r, "gold", 0);
}

/* --- HellaSwag -------------------------------------------------------------------------------- */

/* strip; " [title]" becomes ". "; brackets with what is in them go; two blanks become one. */
static swg_status clean(const char *text, swg_strbuf *out)
{
    const char *end = text + strlen(text);
    swg_strbuf pass = {0};
    text = swg_skip_space(text, end);
    end = swg_trim_end(text, end);
    while (text < end) {
        static const char title[] = " [title]";
        const char *close;
        if ((size_t)(end - text) >= sizeof title - 1 &&
            memcmp(text, title, sizeof title - 1) == 0) {
            swg_strbuf_puts(&pass, ". ");
            text += sizeof title - 1;
        } else if (*text == '[' && (close = memchr(text, ']', (size_t)(end - text))) &&
                   !memchr(text, '\n', (size_t)(close - text))) {
            text = close + 1;
        } else {
            swg_strbuf_append(&pass, text++, 1);
        }
    }
    const char *at = swg_strbuf_text(&pass);
    out->length = 0;
    for (; *at; at++) {
        swg_strbuf_append(out, at, 1);
        at += at[0] == ' ' && at[1] == ' ';
    }
    swg_strbuf_append(out, "", 0);
    const swg_status status = swg_strbuf_status(&pass);
    swg_strbuf_deinit(&pass);
    return status == SWG_OK ? swg_strbuf_status(out) : status;
}

static void append_capitalized(swg_strbuf *out, const char *text)
{
    for (size_t i = 0; text[i]; i++) {
        const char c =
            (char)(i ? tolower((unsigned char)text[i]) : toupper((unsigned char)text[i]));
        swg_strbuf_append(out, (unsigned char)text[i] < 0x80 ? &c : &text[i], 1);
    }
}

static swg_status read_hellaswag(reading *r)
{
    swg_status status = SWG_OK;
    swg_strbuf query = {0}, context = {0}, ending = {0};
    const char *label, *a, *b, *text;
    SWG_GO(string_of(r, "activity_label", &label));
    SWG_GO(string_of(r, "ctx_a", &a));
    SWG_GO(string_of(r, "ctx_b", &b));
    swg_strbuf_printf(&query, "%s: %s ", label, a);
    append_capitalized(&query, b);
    SWG_GO(swg_strbuf_status(&query));
    SWG_GO(clean(query.text, &context));
    const swg_json *endings = swg_json_get(r->root, "endings");
    if (!endings || swg_json_kind_of(endings) != SWG_JSON_ARRAY)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: \"endings\" is missing or not an array", r->where));
    for (const swg_json *v = swg_json_first(endings); v; v = swg_json_next(v)) {
        if (!swg_json_as_string(v, &text))
            SWG_GO(swg_error(SWG_CORRUPT, "%s: \"endings\" holds something that is not a string",
                             r->where));
        SWG_GO(clean(text, &ending));
        SWG_GO(add_choice(r, swg_strbuf_text(&context), " ", swg_strbuf_text(&ending),
                          swg_strbuf_text(&ending)));
    }
    SWG_GO(read_gold(r, "label", 0));
done:
    swg_strbuf_deinit(&ending);
    swg_strbuf_deinit(&context);
    swg_strbuf_deinit(&query);
    return status;
}

/* --- Questions -------------------------------------------------------------------------------- */

/* "Question: <member key>\nAnswer:" */
static swg_status make_question(const reading *r, const char *key, swg_strbuf *out)
{
    const char *text;
    SWG_TRY(string_of(r, key, &text));
    swg_strbuf_printf(out, "Question: %s\nAnswer:", text);
    return swg_strbuf_status(out);
}

/* The index of a label among an array's. */
static swg_status find_answer(reading *r, const swg_json *labels)
{
    const char *answer, *label;
    size_t i = 0;
    SWG_TRY(string_of(r, "answerKey", &answer));
    for (const swg_json *v = swg_json_first(labels); v; v = swg_json_next(v), i++)
        if (swg_json_as_string(v, &label) && strcmp(label, answer) == 0 && i < r->item->n_choices) {
            r->item->gold = i;
            return SWG_OK;
        }
    return swg_error(SWG_CORRUPT, "%s: no choice has the label \"%s\" of answerKey", r->where,
                     answer);
}

static swg_status read_arc(reading *r)
{
    swg_status status = SWG_OK;
    swg_strbuf question = {0};
    const swg_json *choices = swg_json_get(r->root, "choices");
    SWG_GO(make_question(r, "question", &question));
    SWG_GO(add_choices(r, swg_json_get(choices, "text"), "choices.text", question.text));
    SWG_GO(find_answer(r, swg_json_get(choices, "label")));
done:
    swg_strbuf_deinit(&question);
    return status;
}

static swg_status read_piqa(reading *r)
{
    swg_status status = SWG_OK;
    swg_strbuf question = {0};
    const char *solution;
    SWG_GO(make_question(r, "goal", &question));
    for (int i = 0; i < 2; i++) {
        SWG_GO(string_of(r, i ? "sol2" : "sol1", &solution));
        SWG_GO(add_choice(r, question.text, " ", solution, solution));
    }
    SWG_GO(read_gold(r, "label", 0));
done:
    swg_strbuf_deinit(&question);
    return status;
}

/* Each option takes the place of "_"; what comes after it is scored. */
static swg_status read_winogrande(reading *r)
{
    swg_status status = SWG_OK;
    swg_strbuf context = {0}, target = {0};
    const char *sentence, *option;
    SWG_GO(string_of(r, "sentence", &sentence));
    const char *blank = strchr(sentence, '_');
    if (!blank)
        SWG_GO(swg_error(SWG_CORRUPT, "%s: the sentence has no \"_\"", r->where));
    const char *end = sentence + strlen(sentence);
    const char *from = swg_skip_space(blank + 1, end);
    swg_strbuf_append(&target, from, (size_t)(swg_trim_end(from, end) - from));
    SWG_GO(swg_strbuf_status(&target));
    for (int i = 0; i < 2; i++) {
        SWG_GO(string_of(r, i ? "option2" : "option1", &option));
        context.length = 0;
        swg_strbuf_append(&context, sentence, (size_t)(blank - sentence));
        swg_strbuf_puts(&context, option);
        SWG_GO(swg_strbuf_status(&context));
        SWG_GO(add_choice(r, context.text, " ", swg_strbuf_text(&target), option));
    }
    SWG_GO(read_gold(r, "answer", 1));
done:
    swg_strbuf_deinit(&target);
    swg_strbuf_deinit(&context);
    return status;
}

swg_status swg_choice_item_read(swg_choice_format format, const swg_json *root, const char *where,
                                const char *prefix, swg_choice_item *item)
{
    static swg_status (*const readers[])(reading *) = {
#define SWG_CHOICE_FORMAT(id, text) read_##id,
#include "eval/choice_formats.def"
#undef SWG_CHOICE_FORMAT
    };
    reading r = {.root = root, .where = where, .prefix = prefix, .item = item};
    item->n_choices = 0;
    SWG_TRY(readers[format](&r));
    if (item->n_choices < 2)
        return swg_error(SWG_CORRUPT, "%s: there are fewer than two choices", where);
    return SWG_OK;
}

void swg_choice_item_deinit(swg_choice_item *item)
{
    for (size_t i = 0; i < SWG_MAX_CHOICES; i++) {
        swg_strbuf_deinit(&item->contexts[i]);
        swg_strbuf_deinit(&item->endings[i]);
    }
    *item = (swg_choice_item){0};
}
