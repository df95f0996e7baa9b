/* ByteLevel: GPT-2's alphabet, in which every byte has a printable character. Bytes that print as
 * Latin-1 characters stand for themselves, the others for U+0100 upwards in their order. */
#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"
#include "runtime/text/match/unicode.h"

enum { FIRST_SHIFTED = 0x100, ALPHABET_END = FIRST_SHIFTED + 68 };

static bool stands_for_itself(uint32_t code)
{
    return (code >= '!' && code <= '~') || (code >= 0xa1 && code <= 0xac) ||
           (code >= 0xae && code <= 0xff);
}

static uint32_t code_of_byte(unsigned char byte)
{
    if (stands_for_itself(byte))
        return byte;
    /* 0-32 are the first 33 shifted, 127-160 the next 34, 173 the last. */
    return FIRST_SHIFTED + (byte <= ' ' ? byte : byte <= 0xa0 ? byte - 0x7f + 33u : 67u);
}

/* The byte, or -1. */
static int byte_of_code(uint32_t code)
{
    if (stands_for_itself(code))
        return (int)code;
    if (code < FIRST_SHIFTED || code >= ALPHABET_END)
        return -1;
    const int shifted = (int)(code - FIRST_SHIFTED);
    return shifted < 33 ? shifted : shifted < 67 ? shifted - 33 + 0x7f : 0xad;
}

bool swg_bytelevel_bytes(const char *text, size_t length, char *out, size_t *n_out)
{
    size_t n = 0;
    for (size_t at = 0; at < length;) {
        uint32_t code;
        const size_t step = swg_utf8_decode(text + at, length - at, &code);
        const int byte = step ? byte_of_code(code) : -1;
        if (byte < 0)
            return false;
        out[n++] = (char)byte;
        at += step;
    }
    *n_out = n;
    return true;
}

/* --- Before the model ------------------------------------------------------------------------- */

void swg_bytelevel_text(const char *text, size_t length, swg_strbuf *out)
{
    for (size_t i = 0; i < length; i++)
        swg_char_append(out, code_of_byte((unsigned char)text[i]));
}

static swg_status map_bytes(const void *data, swg_encoder *encoder, size_t at, const char *text,
                            size_t length, bool is_first)
{
    (void)data;
    swg_strbuf *out = &encoder->scratch[at];
    swg_work_prepare(&encoder->work, out);
    swg_bytelevel_text(text, length, out);
    SWG_TRY(swg_work_written(&encoder->work, out));
    return swg_encoder_emit(encoder, at + 1, out->text, out->length, is_first);
}

static swg_status prefix_space(const void *data, swg_encoder *encoder, size_t at, const char *text,
                               size_t length, bool is_first)
{
    (void)data;
    if (text[0] == ' ')
        return swg_encoder_emit(encoder, at + 1, text, length, is_first);
    swg_strbuf *out = &encoder->scratch[at];
    swg_work_prepare(&encoder->work, out);
    swg_strbuf_append(out, " ", 1);
    swg_strbuf_append(out, text, length);
    SWG_TRY(swg_work_written(&encoder->work, out));
    return swg_encoder_emit(encoder, at + 1, out->text, out->length, is_first);
}

swg_status swg_bytelevel_add(swg_tokenizer *tokenizer, bool add_prefix_space, bool use_regex)
{
    if (add_prefix_space)
        SWG_TRY(swg_tokenizer_add_split(tokenizer, prefix_space, NULL));
    if (use_regex)
        SWG_TRY(swg_split_add(tokenizer,
                              (swg_split_rule){.known = swg_pattern_find(swg_pattern_gpt2),
                                               .behavior = SWG_SPLIT_ISOLATED}));
    return swg_tokenizer_add_split(tokenizer, map_bytes, NULL);
}

swg_status swg_bytelevel_read_split(swg_tokenizer *tokenizer, const swg_json *json)
{
    bool add_prefix_space, use_regex;
    SWG_TRY(swg_component_bool(json, "add_prefix_space", true, &add_prefix_space));
    SWG_TRY(swg_component_bool(json, "use_regex", true, &use_regex));
    return swg_bytelevel_add(tokenizer, add_prefix_space, use_regex);
}

bool swg_bytelevel_take_last_split(swg_tokenizer *tokenizer)
{
    if (tokenizer->n_splits == 0 || tokenizer->splits[tokenizer->n_splits - 1].run != map_bytes)
        return false;
    tokenizer->n_splits--;
    return true;
}

static swg_status normalize(const void *data, swg_work *work, const char *text, size_t length,
                            swg_strbuf *out)
{
    (void)data;
    (void)work;
    swg_bytelevel_text(text, length, out);
    return SWG_OK;
}

swg_status swg_bytelevel_read_normalizer(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_normalizer(tokenizer, normalize, NULL);
}

/* --- After the model -------------------------------------------------------------------------- */

/* A token with any character outside of the alphabet (an added one) stands for itself. */
static void decode(const void *data, uint32_t *state, const swg_decode_place *place,
                   const char *text, size_t length, swg_strbuf *out)
{
    (void)data;
    (void)state;
    (void)place;
    const size_t before = out->length;
    for (size_t at = 0; at < length;) {
        uint32_t code;
        const size_t step = swg_utf8_decode(text + at, length - at, &code);
        const int byte = step ? byte_of_code(code) : -1;
        if (byte < 0) {
            out->length = before;
            swg_strbuf_append(out, text, length);
            return;
        }
        swg_strbuf_append(out, &(char){(char)byte}, 1);
        at += step;
    }
}

swg_status swg_bytelevel_read_decoder(swg_tokenizer *tokenizer, const swg_json *json)
{
    (void)json;
    return swg_tokenizer_add_decoder(tokenizer, decode, NULL);
}
