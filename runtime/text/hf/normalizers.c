/* Normalizers: changing a text as a whole before it is cut. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"
#include "runtime/text/match/unicode.h"

/* --- Normal forms ----------------------------------------------------------------------------- */

/* How many bytes at the start are ASCII (are not). */
static size_t ascii_run(const char *text, size_t length, bool ascii)
{
    size_t n = 0;
    while (n < length && ((unsigned char)text[n] < 0x80) == ascii)
        n++;
    return n;
}

/* ASCII has no other form and nothing in it joins what precedes it, so only the rest is looked
 * at, together with the one character that it may join. */
static swg_status to_normal_form(const void *data, swg_work *work, const char *text, size_t length,
                                 swg_strbuf *out)
{
    (void)work;
    for (size_t at = 0; at < length;) {
        const size_t plain = ascii_run(text + at, length - at, true);
        const size_t other = ascii_run(text + at + plain, length - at - plain, false);
        const size_t kept = plain - (plain > 0 && other > 0);
        swg_strbuf_append(out, text + at, kept);
        if (other > 0)
            SWG_TRY(swg_unicode_normalize(*(const swg_normal_form *)data, text + at + kept,
                                          plain - kept + other, out));
        at += plain + other;
    }
    return SWG_OK;
}

static const swg_normal_form nfc = SWG_NFC, nfd = SWG_NFD, nfkc = SWG_NFKC, nfkd = SWG_NFKD;

static swg_status read_nfc(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, to_normal_form, &nfc);
}

static swg_status read_nfd(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, to_normal_form, &nfd);
}

static swg_status read_nfkc(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, to_normal_form, &nfkc);
}

static swg_status read_nfkd(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, to_normal_form, &nfkd);
}

/* --- Character by character ------------------------------------------------------------------- */

/* Append what a character becomes. */
typedef void char_change(swg_strbuf *out, uint32_t code);

/* Printable ASCII is copied as it is, except capitals where `changes_capitals`. */
static swg_status each_char(swg_work *work, const char *text, size_t length, char_change *change,
                            bool changes_capitals, swg_strbuf *out)
{
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && text[end] >= ' ' && text[end] <= '~' &&
               !(changes_capitals && text[end] >= 'A' && text[end] <= 'Z'))
            end++;
        swg_strbuf_append(out, text + at, end - at);
        at = end;
        if (at == length)
            break;
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(text + at, length - at, &code);
        if (step > 0)
            change(out, code);
        at += step ? step : 1;
        SWG_TRY(swg_work_spend(work, SWG_WORK_PER_LOOKUP));
    }
    return SWG_OK;
}

static swg_status lowercase(const void *data, swg_work *work, const char *text, size_t length,
                            swg_strbuf *out)
{
    (void)data;
    return each_char(work, text, length, swg_char_append_lower, true, out);
}

/* StripAccents takes all marks away, BertNormalizer only those without width. */
static void append_unless_mark(swg_strbuf *out, uint32_t code)
{
    if (!swg_char_is_mark(code))
        swg_char_append(out, code);
}

static void append_unless_nonspacing(swg_strbuf *out, uint32_t code)
{
    if (!swg_char_is_nonspacing(code))
        swg_char_append(out, code);
}

static swg_status strip_accents(const void *data, swg_work *work, const char *text, size_t length,
                                swg_strbuf *out)
{
    (void)data;
    return each_char(work, text, length, append_unless_mark, false, out);
}

static swg_status strip_bert_accents(const void *data, swg_work *work, const char *text,
                                     size_t length, swg_strbuf *out)
{
    (void)data;
    return each_char(work, text, length, append_unless_nonspacing, false, out);
}

/* BERT: control characters vanish (U+0085 too, though it is white space), white space becomes a
 * space. */
static void append_clean(swg_strbuf *out, uint32_t code)
{
    if (code == '\t' || code == '\n' || code == '\r')
        swg_strbuf_append(out, " ", 1);
    else if (code == 0xfffd || swg_char_is_control(code))
        return;
    else if (swg_char_is_space(code))
        swg_strbuf_append(out, " ", 1);
    else
        swg_char_append(out, code);
}

static swg_status clean_text(const void *data, swg_work *work, const char *text, size_t length,
                             swg_strbuf *out)
{
    (void)data;
    return each_char(work, text, length, append_clean, false, out);
}

/* The ranges that BERT calls Chinese; 2B920 is what its implementations have. */
static bool is_chinese(uint32_t code)
{
    static const uint32_t ranges[][2] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},
                                         {0x20000, 0x2a6df}, {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f},
                                         {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

static void append_spaced(swg_strbuf *out, uint32_t code)
{
    const bool spaced = is_chinese(code);
    if (spaced)
        swg_strbuf_append(out, " ", 1);
    swg_char_append(out, code);
    if (spaced)
        swg_strbuf_append(out, " ", 1);
}

static swg_status space_chinese(const void *data, swg_work *work, const char *text, size_t length,
                                swg_strbuf *out)
{
    (void)data;
    return each_char(work, text, length, append_spaced, false, out);
}

static swg_status read_lowercase(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, lowercase, NULL);
}

static swg_status read_strip_accents(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, strip_accents, NULL);
}

static swg_status read_bert(swg_tokenizer *tokenizer, const swg_json *json)
{
    bool clean, chinese, lower, strip;
    SWG_TRY(swg_component_bool(json, "clean_text", true, &clean));
    SWG_TRY(swg_component_bool(json, "handle_chinese_chars", true, &chinese));
    SWG_TRY(swg_component_bool(json, "lowercase", true, &lower));
    SWG_TRY(swg_component_bool(json, "strip_accents", lower, &strip));
    if (clean)
        SWG_TRY(swg_tokenizer_add_normalizer(tokenizer, clean_text, NULL));
    if (chinese)
        SWG_TRY(swg_tokenizer_add_normalizer(tokenizer, space_chinese, NULL));
    if (strip) {
        SWG_TRY(read_nfd(tokenizer, json));
        SWG_TRY(swg_tokenizer_add_normalizer(tokenizer, strip_bert_accents, NULL));
    }
    return lower ? read_lowercase(tokenizer, json) : SWG_OK;
}

/* --- Strip, Prepend, Replace ------------------------------------------------------------------ */

typedef struct strip_data {
    bool left, right;
} strip_data;

static swg_status strip(const void *step_data, swg_work *work, const char *text, size_t length,
                        swg_strbuf *out)
{
    (void)work;
    const strip_data *data = step_data;
    size_t begin = 0, end = length;
    uint32_t code;
    for (size_t step; data->left && begin < end; begin += step) {
        step = swg_utf8_decode(text + begin, end - begin, &code);
        if (step == 0 || !swg_char_is_space(code))
            break;
    }
    while (data->right && end > begin) {
        const size_t start = swg_utf8_previous(text, end);
        if (swg_utf8_decode(text + start, end - start, &code) == 0 || !swg_char_is_space(code))
            break;
        end = start;
    }
    swg_strbuf_append(out, text + begin, end - begin);
    return SWG_OK;
}

static swg_status read_strip(swg_tokenizer *tokenizer, const swg_json *json)
{
    strip_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_bool(json, "strip_left", true, &data->left));
    SWG_TRY(swg_component_bool(json, "strip_right", true, &data->right));
    return swg_tokenizer_add_normalizer(tokenizer, strip, data);
}

static swg_status prepend(const void *data, swg_work *work, const char *text, size_t length,
                          swg_strbuf *out)
{
    (void)work;
    if (length > 0)
        swg_strbuf_puts(out, data);
    swg_strbuf_append(out, text, length);
    return SWG_OK;
}

static swg_status read_prepend(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *text = NULL;
    SWG_TRY(swg_component_text(tokenizer, json, "prepend", &text));
    return swg_tokenizer_add_normalizer(tokenizer, prepend, text);
}

typedef struct replace_data {
    const swg_regex *regex;
    const char *content;
} replace_data;

static swg_status replace(const void *step_data, swg_work *work, const char *text, size_t length,
                          swg_strbuf *out)
{
    const replace_data *data = step_data;
    swg_regex_scratch scratch = {.work = work};
    swg_status status = SWG_OK;
    size_t done = 0;
    for (size_t from = 0; from <= length && !out->failed;) {
        size_t begin = SIZE_MAX, end = SIZE_MAX;
        SWG_GO(swg_regex_next(data->regex, &scratch, text, length, from, &begin, &end));
        if (begin == SIZE_MAX)
            break;
        swg_strbuf_append(out, text + done, begin - done);
        swg_strbuf_puts(out, data->content);
        done = from = end;
        if (begin == end)
            from += from < length ? swg_utf8_decode(text + from, length - from, NULL) : 1;
    }
    swg_strbuf_append(out, text + done, length - done);
done:
    swg_regex_scratch_deinit(&scratch);
    return status;
}

static swg_status read_replace(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *pattern;
    bool is_literal;
    replace_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_pattern(tokenizer, json, &pattern, &is_literal, &data->regex));
    SWG_TRY(swg_component_text(tokenizer, json, "content", &data->content));
    return swg_tokenizer_add_normalizer(tokenizer, replace, data);
}

/* --- The family ------------------------------------------------------------------------------- */

static swg_status read_sequence(swg_tokenizer *tokenizer, const swg_json *json)
{
    return swg_component_read_all(tokenizer, json, "normalizers", swg_normalizer_read);
}

swg_status swg_normalizer_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    static const swg_component table[] = {
        {"BertNormalizer", read_bert},
        {"ByteLevel", swg_bytelevel_read_normalizer},
        {"Lowercase", read_lowercase},
        {"NFC", read_nfc},
        {"NFD", read_nfd},
        {"NFKC", read_nfkc},
        {"NFKD", read_nfkd},
        {"Prepend", read_prepend},
        {"Replace", read_replace},
        {"Sequence", read_sequence},
        {"Strip", read_strip},
        {"StripAccents", read_strip_accents},
    };
    return swg_component_read("normalizer", table, sizeof table / sizeof *table, tokenizer, json);
}
