/* Models without merges: WordPiece (the longest token first, again for what is left) and WordLevel
 * (the whole piece or nothing). */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"
#include "runtime/text/hf/json_vocab.h"

typedef struct words_model {
    swg_vocab words;
    const char *prefix; /* of pieces inside a word */
    size_t max_chars;   /* of a word; longer ones are unknown */
    int32_t unk;
} words_model;

static size_t count_chars(const char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* The longest token that text[at ..] starts with: its id (-1 = none) and its end. */
static swg_status longest_piece(const words_model *model, swg_encoder *encoder, const char *text,
                                size_t length, size_t at, int32_t *id, size_t *end)
{
    const size_t n_prefix = at > 0 ? strlen(model->prefix) : 0;
    swg_strbuf *piece = &encoder->word;
    swg_work_prepare(&encoder->work, piece);
    swg_strbuf_append(piece, model->prefix, n_prefix);
    swg_strbuf_append(piece, text + at, length - at);
    SWG_TRY(swg_work_written(&encoder->work, piece));
    *id = -1;
    for (*end = length; *end > at; (*end)--) {
        const bool is_boundary = *end == length || ((unsigned char)text[*end] & 0xc0) != 0x80;
        if (!is_boundary)
            continue;
        SWG_TRY(swg_work_spend(&encoder->work, SWG_WORK_PER_LOOKUP + (*end - at) / 8));
        *id = swg_vocab_find(&model->words, piece->text, n_prefix + *end - at);
        if (*id >= 0)
            break;
    }
    return SWG_OK;
}

static swg_status encode_wordpiece(const void *data, swg_encoder *encoder, const char *text,
                                   size_t length)
{
    const words_model *model = data;
    swg_ids *out = encoder->out;
    const size_t start = out->count;
    bool is_known = count_chars(text, length) <= model->max_chars;
    for (size_t at = 0; is_known && at < length;) {
        int32_t id = -1;
        size_t end = length;
        SWG_TRY(longest_piece(model, encoder, text, length, at, &id, &end));
        is_known = id >= 0;
        if (is_known)
            SWG_TRY(swg_ids_push(out, id));
        at = end;
    }
    if (is_known)
        return SWG_OK;
    out->count = start;
    return swg_ids_push(out, model->unk);
}

static swg_status encode_wordlevel(const void *data, swg_encoder *encoder, const char *text,
                                   size_t length)
{
    const words_model *model = data;
    const int32_t id = swg_vocab_find(&model->words, text, length);
    return swg_ids_push(encoder->out, id >= 0 ? id : model->unk);
}

static swg_status read_words(swg_tokenizer *tokenizer, const swg_json *json, const char *unk_name,
                             words_model **out)
{
    words_model *model = swg_arena_calloc(&tokenizer->arena, 1, sizeof *model);
    const char *unk;
    if (!model)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_component_string(json, "unk_token", unk_name, &unk));
    SWG_TRY(swg_model_vocab(tokenizer, swg_json_get(json, "vocab"), false, &model->words));
    model->unk = swg_vocab_find(&model->words, unk, strlen(unk));
    if (model->unk < 0)
        return swg_error(SWG_CORRUPT,
                         "tokenizer.json: unk_token \"%.100s\" is not in the vocabulary", unk);
    tokenizer->model_data = *out = model;
    return SWG_OK;
}

swg_status swg_wordpiece_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    words_model *model = NULL;
    const char *prefix;
    int64_t max_chars = 100;
    SWG_TRY(read_words(tokenizer, json, "[UNK]", &model));
    SWG_TRY(swg_component_string(json, "continuing_subword_prefix", "##", &prefix));
    swg_json_as_int(swg_json_get(json, "max_input_chars_per_word"), &max_chars);
    if (max_chars < 0 || max_chars > 10000)
        return swg_error(SWG_CORRUPT,
                         "tokenizer.json: max_input_chars_per_word is %lld, not 0 to 10000",
                         (long long)max_chars);
    model->max_chars = (size_t)max_chars;
    model->prefix = swg_arena_strndup(&tokenizer->arena, prefix, strlen(prefix));
    tokenizer->model = encode_wordpiece;
    return model->prefix ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_wordlevel_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    words_model *model;
    SWG_TRY(read_words(tokenizer, json, "<unk>", &model));
    tokenizer->model = encode_wordlevel;
    return SWG_OK;
}
