/* Pre-tokenizers: cutting a text into the pieces that the model sees one at a time. All but a few
 * are one step, a swg_split_rule. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"
#include "runtime/text/match/unicode.h"

/* --- Components ------------------------------------------------------------------------------- */

static swg_status add_test(swg_tokenizer *tokenizer, swg_char_test *test,
                           swg_split_behavior behavior)
{
    return swg_split_add(tokenizer, (swg_split_rule){.test = test, .behavior = behavior});
}

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
    return swg_split_add(tokenizer,
                         (swg_split_rule){.known = is_literal ? NULL : swg_pattern_find(pattern),
                                          .regex = regex,
                                          .behavior = behavior,
                                          .invert = invert});
}

static swg_status read_digits(swg_tokenizer *tokenizer, const swg_json *json)
{
    bool individual;
    SWG_TRY(swg_component_bool(json, "individual_digits", false, &individual));
    return add_test(tokenizer, swg_char_is_number,
                              individual ? SWG_SPLIT_ISOLATED : SWG_SPLIT_CONTIGUOUS);
}

static swg_status read_punctuation(swg_tokenizer *tokenizer, const swg_json *json)
{
    swg_split_behavior behavior = SWG_SPLIT_ISOLATED;
    SWG_TRY(read_behavior(json, &behavior));
    return add_test(tokenizer, swg_char_is_punctuation, behavior);
}

static swg_status read_whitespace(swg_tokenizer *tokenizer, const swg_json *json)
{
    /* \w+|[^\w\s]+ of Rust's regular expressions, whose \w includes the two joiners. */
    static const char pattern[] = "[\\w\\x{200c}\\x{200d}]+|[^\\w\\s\\x{200c}\\x{200d}]+";
    (void)json;
    SWG_TRY(swg_regex_compile(pattern, false, &tokenizer->patterns));
    return swg_split_add(
        tokenizer,
        (swg_split_rule){.regex = tokenizer->patterns, .behavior = SWG_SPLIT_REMOVED, .invert = true});
}

static swg_status read_whitespace_split(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return add_test(tokenizer, swg_char_is_space, SWG_SPLIT_REMOVED);
}

static swg_status read_bert(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    SWG_TRY(add_test(tokenizer, swg_char_is_space, SWG_SPLIT_REMOVED));
    return add_test(tokenizer, swg_char_is_punctuation, SWG_SPLIT_ISOLATED);
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
    swg_split_rule rule = {.behavior = SWG_SPLIT_REMOVED};
    SWG_TRY(swg_component_string(json, "delimiter", "", &text));
    SWG_TRY(one_character("delimiter", text, &rule.delimiter));
    return swg_split_add(tokenizer, rule);
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
    swg_work_prepare(&encoder->work, out);
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
    SWG_TRY(swg_work_written(&encoder->work, out));
    return swg_encoder_emit(encoder, at + 1, out->text, out->length, is_first);
}

static swg_status read_metaspace(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *replacement, *scheme;
    bool add_prefix, do_split;
    swg_split_rule pieces = {.behavior = SWG_SPLIT_MERGED_WITH_NEXT};
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
    return do_split ? swg_split_add(tokenizer, pieces) : SWG_OK;
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
