/* Decoders: turning the tokens of a sequence back into the text they stand for, one token at a
 * time. Where a decoder of tokenizer.json looks at the sequence as a whole (Fuse and what follows
 * it, the first token, the last token), a step's state carries what must be remembered. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"

static bool starts_with(const char *text, size_t length, const char *start, size_t n)
{
    return length >= n && memcmp(text, start, n) == 0;
}

/* --- Without a decoder ------------------------------------------------------------------------ */

static void join_with_spaces(const void *data, uint32_t *state, const swg_decode_place *place,
                             const char *text, size_t length, swg_strbuf *out)
{
    (void)data;
    (void)state;
    if (place->index > 0)
        swg_strbuf_append(out, " ", 1);
    swg_strbuf_append(out, text, length);
}

/* --- ByteFallback and Fuse -------------------------------------------------------------------- */

static void byte_fallback(const void *data, uint32_t *state, const swg_decode_place *place,
                          const char *text, size_t length, swg_strbuf *out)
{
    (void)data;
    (void)state;
    (void)place;
    const int byte = swg_byte_token_value(text, length);
    if (byte >= 0)
        swg_strbuf_append(out, &(char){(char)byte}, 1);
    else
        swg_strbuf_append(out, text, length);
}

static swg_status read_byte_fallback(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_decoder(tokenizer, byte_fallback, NULL);
}

static swg_status read_fuse(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    tokenizer->is_fused = true;
    return SWG_OK;
}

/* --- Strip ------------------------------------------------------------------------------------ */

typedef struct strip_data {
    const char *content; /* one character */
    size_t length;
    uint32_t start, stop; /* how many of it go from either end */
    bool is_fused;        /* of the whole text, not of each token */
} strip_data;

/* After Fuse the state counts the characters taken from the start; UINT32_MAX = no more. */
static void strip(const void *step_data, uint32_t *state, const swg_decode_place *place,
                  const char *text, size_t length, swg_strbuf *out)
{
    const strip_data *data = step_data;
    (void)place;
    if (!data->is_fused)
        *state = 0;
    while (*state < data->start && starts_with(text, length, data->content, data->length)) {
        text += data->length;
        length -= data->length;
        ++*state;
    }
    if (length > 0)
        *state = UINT32_MAX;
    for (uint32_t n = 0; n < data->stop && length >= data->length; n++) {
        if (memcmp(text + length - data->length, data->content, data->length) != 0)
            break;
        length -= data->length;
    }
    swg_strbuf_append(out, text, length);
}

static swg_status read_count(const swg_json *json, const char *key, uint32_t *out)
{
    int64_t value = 0;
    const swg_json *member = swg_json_get(json, key);
    if (member && (!swg_json_as_int(member, &value) || value < 0 || value > INT32_MAX))
        return swg_error(SWG_CORRUPT, "tokenizer.json: \"%s\" of a decoder is not a count", key);
    *out = (uint32_t)value;
    return SWG_OK;
}

static swg_status read_strip(swg_tokenizer *tokenizer, const swg_json *json)
{
    strip_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_text(tokenizer, json, "content", &data->content));
    SWG_TRY(read_count(json, "start", &data->start));
    SWG_TRY(read_count(json, "stop", &data->stop));
    data->length = strlen(data->content);
    data->is_fused = tokenizer->is_fused;
    if (data->length == 0)
        return swg_error(SWG_CORRUPT, "tokenizer.json: decoder Strip has an empty \"content\"");
    if (data->is_fused && data->stop > 0)
        return swg_error(SWG_UNSUPPORTED,
                         "tokenizer.json: decoder Strip at the end of a fused text is not "
                         "supported");
    return swg_tokenizer_add_decoder(tokenizer, strip, data);
}

/* --- Replace ---------------------------------------------------------------------------------- */

typedef struct replace_data {
    const char *from, *to;
    size_t n_from, n_to;
} replace_data;

static void replace(const void *step_data, uint32_t *state, const swg_decode_place *place,
                    const char *text, size_t length, swg_strbuf *out)
{
    const replace_data *data = step_data;
    (void)state;
    (void)place;
    while (length > 0) {
        const char *found = memmem(text, length, data->from, data->n_from);
        const size_t before = found ? (size_t)(found - text) : length;
        swg_strbuf_append(out, text, before);
        if (found)
            swg_strbuf_append(out, data->to, data->n_to);
        const size_t done = before + (found ? data->n_from : 0);
        text += done;
        length -= done;
    }
}

static swg_status read_replace(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *from;
    if (!swg_json_as_string(swg_json_get(swg_json_get(json, "pattern"), "String"), &from) || !*from)
        return swg_error(SWG_UNSUPPORTED,
                         "tokenizer.json: decoder Replace needs a pattern {\"String\": ...}");
    /* One character never straddles two tokens; more might, once they are fused. */
    if (tokenizer->is_fused && swg_utf8_decode(from, strlen(from), NULL) != strlen(from))
        return swg_error(SWG_UNSUPPORTED,
                         "tokenizer.json: decoder Replace of several characters after Fuse is "
                         "not supported");
    replace_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    data->n_from = strlen(from);
    data->from = swg_arena_strndup(&tokenizer->arena, from, data->n_from);
    if (!data->from)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_text(tokenizer, json, "content", &data->to));
    data->n_to = strlen(data->to);
    return swg_tokenizer_add_decoder(tokenizer, replace, data);
}

/* --- Metaspace -------------------------------------------------------------------------------- */

typedef struct metaspace_data {
    replace_data spaces;
    bool never; /* prepend_scheme: the first token loses nothing */
} metaspace_data;

/* In the first token the replacement vanishes, wherever it is. */
static void metaspace(const void *step_data, uint32_t *state, const swg_decode_place *place,
                      const char *text, size_t length, swg_strbuf *out)
{
    const metaspace_data *data = step_data;
    replace_data spaces = data->spaces;
    if (place->index == 0 && !data->never)
        spaces.n_to = 0;
    replace(&spaces, state, place, text, length, out);
}

static swg_status read_metaspace(swg_tokenizer *tokenizer, const swg_json *json)
{
    const char *replacement, *scheme;
    bool add_prefix;
    metaspace_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_string(json, "replacement", "\xe2\x96\x81", &replacement));
    SWG_TRY(swg_component_string(json, "prepend_scheme", "always", &scheme));
    SWG_TRY(swg_component_bool(json, "add_prefix_space", true, &add_prefix));
    const size_t length = strlen(replacement);
    if (length == 0)
        return swg_error(SWG_CORRUPT, "tokenizer.json: decoder Metaspace has no replacement");
    data->spaces = (replace_data){.from = swg_arena_strndup(&tokenizer->arena, replacement, length),
                                  .n_from = length,
                                  .to = " ",
                                  .n_to = 1};
    data->never = !add_prefix || strcmp(scheme, "never") == 0;
    return data->spaces.from ? swg_tokenizer_add_decoder(tokenizer, metaspace, data)
                             : SWG_NO_MEMORY;
}

/* --- WordPiece -------------------------------------------------------------------------------- */

typedef struct wordpiece_data {
    const char *prefix;
    size_t n_prefix;
    bool cleanup;
} wordpiece_data;

/* Put punctuation and English contractions back to the word before them: one replacement after the
 * other, in place (none makes the text longer). */
static void clean_up(swg_strbuf *text)
{
    static const char *const table[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const size_t n_from = strlen(table[i][0]), n_to = strlen(table[i][1]);
        size_t kept = 0; /* bytes at the start that are done */
        for (size_t at = 0; at < text->length;) {
            const char *from = text->text + at;
            const char *found = memmem(from, text->length - at, table[i][0], n_from);
            const size_t before = found ? (size_t)(found - from) : text->length - at;
            memmove(text->text + kept, from, before);
            kept += before;
            at += before;
            if (!found)
                break;
            memcpy(text->text + kept, table[i][1], n_to);
            kept += n_to;
            at += n_from;
        }
        text->length = kept;
    }
}

static void wordpiece(const void *step_data, uint32_t *state, const swg_decode_place *place,
                      const char *text, size_t length, swg_strbuf *out)
{
    const wordpiece_data *data = step_data;
    const size_t n = data->n_prefix;
    (void)state;
    if (place->index > 0 && starts_with(text, length, data->prefix, n)) {
        text += n;
        length -= n;
    } else if (place->index > 0) {
        swg_strbuf_append(out, " ", 1);
    }
    swg_strbuf_append(out, text, length);
    if (data->cleanup && out->length > 0 && !out->failed)
        clean_up(out);
}

static swg_status read_wordpiece(swg_tokenizer *tokenizer, const swg_json *json)
{
    wordpiece_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    const char *prefix;
    if (!data)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_string(json, "prefix", "##", &prefix));
    SWG_TRY(swg_component_bool(json, "cleanup", true, &data->cleanup));
    data->n_prefix = strlen(prefix);
    data->prefix = swg_arena_strndup(&tokenizer->arena, prefix, data->n_prefix);
    return data->prefix ? swg_tokenizer_add_decoder(tokenizer, wordpiece, data) : SWG_NO_MEMORY;
}

/* --- BPEDecoder ------------------------------------------------------------------------------- */

typedef struct bpe_data {
    const char *suffix;
    size_t n_suffix;
} bpe_data;

/* The end-of-word suffix is a space, except on the last token: so it is one (state 1 each) that
 * waits for the next token. */
static void bpe(const void *data, uint32_t *state, const swg_decode_place *place, const char *text,
                size_t length, swg_strbuf *out)
{
    const char *suffix = ((const bpe_data *)data)->suffix;
    const size_t n = ((const bpe_data *)data)->n_suffix;
    (void)place;
    for (; *state > 0; --*state)
        swg_strbuf_append(out, " ", 1);
    while (length > 0) {
        const char *found = n ? memmem(text, length, suffix, n) : NULL;
        const size_t before = found ? (size_t)(found - text) : length;
        for (; before > 0 && *state > 0; --*state)
            swg_strbuf_append(out, " ", 1);
        swg_strbuf_append(out, text, before);
        if (found)
            ++*state;
        text += before + (found ? n : 0);
        length -= before + (found ? n : 0);
    }
}

static swg_status read_bpe(swg_tokenizer *tokenizer, const swg_json *json)
{
    bpe_data *data = swg_arena_calloc(&tokenizer->arena, 1, sizeof *data);
    if (!data)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_text(tokenizer, json, "suffix", &data->suffix));
    data->n_suffix = strlen(data->suffix);
    return swg_tokenizer_add_decoder(tokenizer, bpe, data);
}

/* --- The family ------------------------------------------------------------------------------- */

static swg_status read_sequence(swg_tokenizer *tokenizer, const swg_json *json)
{
    return swg_component_read_all(tokenizer, json, "decoders", swg_decoder_read);
}

swg_status swg_decoder_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    static const swg_component table[] = {
        {"BPEDecoder", read_bpe},
        {"ByteFallback", read_byte_fallback},
        {"ByteLevel", swg_bytelevel_read_decoder},
        {"Fuse", read_fuse},
        {"Metaspace", read_metaspace},
        {"Replace", read_replace},
        {"Sequence", read_sequence},
        {"Strip", read_strip},
        {"WordPiece", read_wordpiece},
    };
    if (swg_json_is_null(json))
        return swg_tokenizer_add_decoder(tokenizer, join_with_spaces, NULL);
    return swg_component_read("decoder", table, sizeof table / sizeof *table, tokenizer, json);
}
