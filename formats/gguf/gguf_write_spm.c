/* tokenizer.model, a SentencePiece model of byte-pair kind, as a GGUF's vocabulary. Its types of
 * pieces are GGUF's. Engines know nothing of its normalizer but whether a space is put in front, so
 * models with another are refused, as are unigram models. Source: sentencepiece_model.proto. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf_write_words.h"

/* One field of a protocol buffer: a number (of a varint, or 4 or 8 bytes), or bytes. */
typedef struct field {
    uint64_t number, value;
    const uint8_t *bytes; /* NULL: a number */
    size_t length;
} field;

static uint64_t take_varint(swg_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint64_t byte = swg_cursor_number(cursor, 1);
        value |= (byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    cursor->is_short = true;
    return 0;
}

/* The next field; false at the end and where there is none, with `is_short` set. */
static bool next_field(swg_cursor *cursor, field *out)
{
    enum { VARINT = 0, EIGHT = 1, BYTES = 2, FOUR = 5 };
    if (cursor->left == 0)
        return false;
    const uint64_t key = take_varint(cursor);
    *out = (field){.number = key >> 3};
    switch (key & 7) {
    case VARINT:
        out->value = take_varint(cursor);
        break;
    case EIGHT:
        out->value = swg_cursor_number(cursor, 8);
        break;
    case FOUR:
        out->value = swg_cursor_number(cursor, 4);
        break;
    case BYTES: {
        const uint64_t length = take_varint(cursor);
        out->bytes = swg_cursor_take(cursor, length);
        out->length = (size_t)length;
        break;
    }
    default:
        cursor->is_short = true;
    }
    return !cursor->is_short;
}

static swg_cursor inside(const field *message)
{
    return (swg_cursor){.at = message->bytes, .left = message->length};
}

static swg_status is_damaged(const swg_gguf_words *v)
{
    return swg_error(SWG_CORRUPT, "%s: tokenizer.model is not a SentencePiece model",
                     v->sink->path);
}

/* ModelProto.SentencePiece: 1 text, 2 score, 3 type. */
static swg_status read_piece(swg_gguf_words *v, const field *message, int64_t id)
{
    swg_cursor cursor = inside(message);
    field f;
    const char *text = NULL;
    uint32_t score = 0, type = SWG_TOKEN_NORMAL;
    while (next_field(&cursor, &f)) {
        if (f.number == 1 && f.bytes && !memchr(f.bytes, 0, f.length))
            text = swg_arena_strndup(&v->arena, (const char *)f.bytes, f.length);
        if (f.number == 2)
            score = (uint32_t)f.value;
        if (f.number == 3)
            type = (uint32_t)f.value;
    }
    if (cursor.is_short || !text || type < SWG_TOKEN_NORMAL || type > SWG_TOKEN_BYTE)
        return is_damaged(v);
    SWG_TRY(swg_gguf_words_set(v, id, text, (int)type));
    memcpy(&v->scores[id], &score, sizeof score);
    return SWG_OK;
}

/* What TrainerSpec says: 3 the kind of model, 40 to 42 ids of special tokens. */
typedef struct trainer {
    uint64_t kind, unk, bos, eos;
} trainer;

static swg_status read_trainer(const swg_gguf_words *v, const field *message, trainer *out)
{
    enum { BYTE_PAIRS = 2 };
    swg_cursor cursor = inside(message);
    for (field f; next_field(&cursor, &f);) {
        uint64_t *const to = f.number == 3    ? &out->kind
                             : f.number == 40 ? &out->unk
                             : f.number == 41 ? &out->bos
                             : f.number == 42 ? &out->eos
                                              : NULL;
        if (to)
            *to = f.value;
    }
    const uint64_t kind = out->kind;
    if (kind == BYTE_PAIRS)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: tokenizer.model is not a byte-pair model (kind %llu), and others are not "
                     "written to a GGUF",
                     v->sink->path, (unsigned long long)kind);
}

/* NormalizerSpec: 2 rules, 3 a space in front, 4 remove further spaces. */
static swg_status read_normalizer(const swg_gguf_words *v, const field *message, bool *prepends)
{
    swg_cursor cursor = inside(message);
    bool has_rules = false, removes = true; /* the default */
    for (field f; next_field(&cursor, &f);) {
        has_rules = has_rules || (f.number == 2 && f.length > 0);
        *prepends = f.number == 3 ? f.value != 0 : *prepends;
        removes = f.number == 4 ? f.value != 0 : removes;
    }
    if (!has_rules && !removes)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: tokenizer.model %s, which engines that load a GGUF do not do",
                     v->sink->path, has_rules ? "normalizes texts" : "removes spaces");
}

swg_status swg_gguf_put_spm(swg_gguf_words *v, const swg_file_view *file)
{
    enum { PIECE = 1, TRAINER = 2, NORMALIZER = 3 };
    swg_cursor cursor = {.at = (const uint8_t *)file->data, .left = file->length};
    int64_t id = 0;
    bool prepends = true;
    trainer t = {.kind = 1, .unk = 0, .bos = 1, .eos = 2}; /* the defaults; 1 is unigram */
    field f;
    while (next_field(&cursor, &f)) {
        if (f.number <= NORMALIZER && !f.bytes)
            return is_damaged(v);
        if (f.number == PIECE)
            SWG_TRY(read_piece(v, &f, id++));
        else if (f.number == TRAINER)
            SWG_TRY(read_trainer(v, &f, &t));
        else if (f.number == NORMALIZER)
            SWG_TRY(read_normalizer(v, &f, &prepends));
    }
    if (cursor.is_short || id == 0)
        return is_damaged(v);
    v->unk = t.unk < (uint64_t)id ? v->tokens[t.unk] : NULL;
    v->bos = t.bos < (uint64_t)id ? v->tokens[t.bos] : NULL; /* -1: none */
    v->eos = t.eos < (uint64_t)id ? v->tokens[t.eos] : NULL;
    SWG_TRY(swg_gguf_words_side_tokens(v));
    SWG_TRY(swg_gguf_words_fill(v));
    swg_gguf_words_put(v, "llama", "default", true);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_space_prefix", prepends);
    swg_gguf_words_put_ends(v, NULL, true);
    return SWG_OK;
}
