/* Pre-tokenizers: cutting a text into the pieces that the model sees one at a time. All but a few
 * are one step: a way to find matches, and what becomes of them (swg_split_behavior). */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"
#include "runtime/text/match/unicode.h"

/* --- Matches and what becomes of them --------------------------------------------------------- */

typedef struct split_data {
    swg_pattern_end *known; /* a hand-written matcher, or */
    const swg_regex *regex; /* a pattern, or */
    swg_char_test *test;    /* every character for which this holds, or */
    uint32_t delimiter;     /* every one of these */
    swg_split_behavior behavior;
    bool invert; /* what lies between matches counts as the match */
} split_data;

/* One run over a text. */
typedef struct split_run {
    const split_data *data;
    swg_encoder *encoder;
    size_t next; /* step that gets the pieces */
    const char *text;
    bool is_first;
    size_t begin, end; /* a piece that may still grow; nothing when both are 0 */
    bool is_match;     /* kind of the part that came last */
} split_run;

static swg_status emit(split_run *run, size_t begin, size_t end)
{
    return swg_encoder_emit(run->encoder, run->next, run->text + begin, end - begin,
                            run->is_first && begin == 0);
}

/* Take the next part of the text, a match or what lies between two. Parts may be empty: they are no
 * pieces of their own but count as matches. */
static swg_status take(split_run *run, size_t begin, size_t end, bool is_match)
{
    const bool had_match = run->is_match, has_pending = run->end > 0;
    is_match = is_match != run->data->invert;
    run->is_match = is_match;
    bool joins = false;
    switch (run->data->behavior) {
    case SWG_SPLIT_REMOVED:
        return is_match ? SWG_OK : emit(run, begin, end);
    case SWG_SPLIT_ISOLATED:
        return emit(run, begin, end);
    case SWG_SPLIT_CONTIGUOUS:
        joins = is_match == had_match;
        break;
    case SWG_SPLIT_MERGED_WITH_PREVIOUS:
        joins = is_match && !had_match;
        break;
    case SWG_SPLIT_MERGED_WITH_NEXT:
        joins = !is_match && had_match;
        break;
    }
    if (has_pending && joins) {
        run->end = end;
        return SWG_OK;
    }
    const size_t done = run->begin, done_end = run->end;
    run->begin = begin;
    run->end = end;
    return has_pending ? emit(run, done, done_end) : SWG_OK;
}

/* As Oniguruma's iteration: an empty match right behind the last match does not count. */
static swg_status take_pattern(split_run *run, size_t length)
{
    size_t done = 0, last_end = SIZE_MAX, from = 0;
    while (from <= length) {
        size_t begin, end;
        SWG_TRY(swg_regex_next(run->data->regex, &run->encoder->regex, run->text, length, from,
                               &begin, &end));
        if (begin == SIZE_MAX)
            break;
        if (begin == end && end == last_end) {
            const size_t step =
                from < length ? swg_utf8_decode(run->text + from, length - from, NULL) : 1;
            from += step ? step : 1;
            continue;
        }
        if (begin > done)
            SWG_TRY(take(run, done, begin, false));
        SWG_TRY(take(run, begin, end, true));
        done = from = last_end = end;
    }
    return done < length ? take(run, done, length, false) : SWG_OK;
}

static swg_status take_characters(split_run *run, size_t length)
{
    const split_data *data = run->data;
    size_t done = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(run->text + at, length - at, &code);
        const bool is_match = data->test ? data->test(code) : code == data->delimiter;
        if (is_match && done < at)
            SWG_TRY(take(run, done, at, false));
        if (is_match)
            SWG_TRY(take(run, at, at + step, true));
        at += step ? step : 1;
        if (is_match)
            done = at;
    }
    return done < length ? take(run, done, length, false) : SWG_OK;
}

static swg_status split(const void *data, swg_encoder *encoder, size_t at, const char *text,
                        size_t length, bool is_first)
{
    split_run run = {
        .data = data, .encoder = encoder, .next = at + 1, .text = text, .is_first = is_first};
    if (run.data->known)
        for (size_t begin = 0; begin < length;) {
            const size_t end = run.data->known(text, length, begin);
            SWG_TRY(take(&run, begin, end, true));
            begin = end;
        }
    else if (run.data->regex)
        SWG_TRY(take_pattern(&run, length));
    else
        SWG_TRY(take_characters(&run, length));
    return run.end > 0 ? emit(&run, run.begin, run.end) : SWG_OK;
}

static swg_status add_split(swg_tokenizer *tokenizer, split_data wanted)
{
    split_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    *data = wanted;
    return swg_tokenizer_add_split(tokenizer, split, data);
}

swg_status swg_split_add_pattern(swg_tokenizer *tokenizer, const char *pattern,
                                 const swg_regex *regex, swg_split_behavior behavior, bool invert)
{
    return add_split(tokenizer, (split_data){.known = swg_pattern_find(pattern),
                                             .regex = regex,
                                             .behavior = behavior,
                                             .invert = invert});
}

swg_status swg_split_add_test(swg_tokenizer *tokenizer, swg_char_test *test,
                              swg_split_behavior behavior)
{
    return add_split(tokenizer, (split_data){.test = test, .behavior = behavior});
}

/* --- Components ------------------------------------------------------------------------------- */

static swg_status read_behavior(const swg_json *json, swg_split_behavior *out)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *name;
    SWG_TRY(swg_component_string(json, "behavior", "Isolated", &name));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (swg_split_behavior)i;
            return SWG_OK;
        }
    return swg_error(SWG_UNSUPPORTED, "tokenizer.json: split behavior \"%.100s\" is not supported",
                     name);
}

static swg_status read_split(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *pattern;
    const swg_regex *regex;
    bool is_literal, invert;
    swg_split_behavior behavior = SWG_SPLIT_ISOLATED;
    SWG_TRY(swg_component_pattern(tokenizer, json, &pattern, &is_literal, &regex));
    SWG_TRY(read_behavior(json, &behavior));
    SWG_TRY(swg_component_bool(json, "invert", false, &invert));
    return swg_split_add_pattern(tokenizer, is_literal ? "" : pattern, regex, behavior, invert);
}

static swg_status read_digits(swg_tokenizer *tokenizer, const swg_json *json)
{
    bool individual;
    SWG_TRY(swg_component_bool(json, "individual_digits", false, &individual));
    return swg_split_add_test(tokenizer, swg_char_is_number,
                              individual ? SWG_SPLIT_ISOLATED : SWG_SPLIT_CONTIGUOUS);
}

static swg_status read_punctuation(swg_tokenizer *tokenizer, const swg_json *json)
{
    swg_split_behavior behavior = SWG_SPLIT_ISOLATED;
    SWG_TRY(read_behavior(json, &behavior));
    return swg_split_add_test(tokenizer, swg_char_is_punctuation, behavior);
}

static swg_status read_whitespace(swg_tokenizer *tokenizer, const swg_json *json)
{
    /* \w+|[^\w\s]+ of Rust's regular expressions, whose \w includes the two joiners. */
    static const char pattern[] = "[\\w\\x{200c}\\x{200d}]+|[^\\w\\s\\x{200c}\\x{200d}]+";
    (void)json;
    SWG_TRY(swg_regex_compile(pattern, false, &tokenizer->patterns));
    return add_split(
        tokenizer,
        (split_data){.regex = tokenizer->patterns, .behavior = SWG_SPLIT_REMOVED, .invert = true});
}

static swg_status read_whitespace_split(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_split_add_test(tokenizer, swg_char_is_space, SWG_SPLIT_REMOVED);
}

static swg_status read_bert(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    SWG_TRY(swg_split_add_test(tokenizer, swg_char_is_space, SWG_SPLIT_REMOVED));
    return swg_split_add_test(tokenizer, swg_char_is_punctuation, SWG_SPLIT_ISOLATED);
}

/* The one character that `text` is. */
static swg_status one_character(const char *key, const char *text, uint32_t *code)
{
    const size_t length = strlen(text);
    if (length == 0 || swg_utf8_decode(text, length, code) != length)
        return swg_error(SWG_CORRUPT, "tokenizer.json: %s is \"%.100s\", not one character", key,
                         text);
    return SWG_OK;
}

static swg_status read_delimiter(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *text;
    split_data data = {.behavior = SWG_SPLIT_REMOVED};
    SWG_TRY(swg_component_string(json, "delimiter", "", &text));
    SWG_TRY(one_character("delimiter", text, &data.delimiter));
    return add_split(tokenizer, data);
}

/* --- Metaspace -------------------------------------------------------------------------------- */

typedef struct metaspace_data {
    const char *replacement; /* of a space: one character */
    size_t length;
    bool first_only, never; /* whether the replacement is also put in front */
} metaspace_data;

static swg_status replace_spaces(const void *step_data, swg_encoder *encoder, size_t at,
                                 const char *text, size_t length, bool is_first)
{
    const metaspace_data *data = step_data;
    swg_strbuf *out = &encoder->scratch[at];
    out->length = 0;
    const bool starts_with_it =
        text[0] == ' ' ||
        (length >= data->length && memcmp(text, data->replacement, data->length) == 0);
    if (!starts_with_it && !data->never && (is_first || !data->first_only))
        swg_strbuf_append(out, data->replacement, data->length);
    for (size_t begin = 0; begin < length;) {
        const char *space = memchr(text + begin, ' ', length - begin);
        const size_t end = space ? (size_t)(space - text) : length;
        swg_strbuf_append(out, text + begin, end - begin);
        if (space)
            swg_strbuf_append(out, data->replacement, data->length);
        begin = end + (space != NULL);
    }
    SWG_TRY(swg_strbuf_status(out));
    return swg_encoder_emit(encoder, at + 1, out->text, out->length, is_first);
}

static swg_status read_metaspace(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *replacement, *scheme;
    bool add_prefix, do_split;
    split_data pieces = {.behavior = SWG_SPLIT_MERGED_WITH_NEXT};
    SWG_TRY(swg_component_string(json, "replacement", "\xe2\x96\x81", &replacement));
    SWG_TRY(swg_component_string(json, "prepend_scheme", "always", &scheme));
    SWG_TRY(swg_component_bool(json, "add_prefix_space", true, &add_prefix));
    SWG_TRY(swg_component_bool(json, "split", true, &do_split));
    SWG_TRY(one_character("replacement", replacement, &pieces.delimiter));
    if (strcmp(scheme, "always") != 0 && strcmp(scheme, "first") != 0 &&
        strcmp(scheme, "never") != 0)
        return swg_error(SWG_UNSUPPORTED,
                         "tokenizer.json: prepend_scheme \"%.100s\" is not supported", scheme);
    metaspace_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    data->length = strlen(replacement);
    data->replacement = swg_arena_strndup(&tokenizer->arena, replacement, data->length);
    data->first_only = strcmp(scheme, "first") == 0;
    data->never = !add_prefix || strcmp(scheme, "never") == 0;
    if (!data->replacement)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_tokenizer_add_split(tokenizer, replace_spaces, data));
    return do_split ? add_split(tokenizer, pieces) : SWG_OK;
}

static swg_status read_sequence(swg_tokenizer *tokenizer, const swg_json *json)
{
    return swg_component_read_all(tokenizer, json, "pretokenizers", swg_split_read);
}

swg_status swg_split_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    static const swg_component table[] = {
        {"BertPreTokenizer", read_bert},
        {"ByteLevel", swg_bytelevel_read_split},
        {"CharDelimiterSplit", read_delimiter},
        {"Digits", read_digits},
        {"Metaspace", read_metaspace},
        {"Punctuation", read_punctuation},
        {"Sequence", read_sequence},
        {"Split", read_split},
        {"Whitespace", read_whitespace},
        {"WhitespaceSplit", read_whitespace_split},
    };
    return swg_component_read("pre_tokenizer", table, sizeof table / sizeof *table, tokenizer,
                              json);
}
