/* The protocol buffer of a SentencePiece model, read by a cursor that never leaves its message:
 *
 *   message = field*    field = varint (number << 3 | wire type) value
 *   wire types: 0 varint | 1 eight bytes | 2 varint length, then bytes | 5 four bytes
 *
 * Fields that are not needed are stepped over; of a scalar given twice the last counts, and
 * messages given twice add up, as the format has it. */
#include <math.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/sentencepiece/spm.h"

static const char file_name[] = "tokenizer.model";

enum { VARINT = 0, EIGHT_BYTES = 1, BYTES = 2, FOUR_BYTES = 5 };

typedef struct cursor {
    const unsigned char *at, *end;
    const unsigned char *start; /* of the file, for messages */
} cursor;

typedef struct field {
    uint64_t number;
    unsigned wire_type;
    uint64_t value;     /* VARINT, FOUR_BYTES */
    swg_spm_text bytes; /* BYTES */
} field;

static swg_status corrupt(const cursor *c, const char *what)
{
    return swg_error(SWG_CORRUPT, "%s: %s at byte %zu", file_name, what,
                     (size_t)(c->at - c->start));
}

static swg_status read_varint(cursor *c, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (c->at == c->end)
            return corrupt(c, "a number is cut off");
        const unsigned char byte = *c->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return SWG_OK;
        }
    }
    return corrupt(c, "a number has more than ten bytes");
}

static swg_status read_field(cursor *c, field *out)
{
    uint64_t tag = 0, length = 0;
    SWG_TRY(read_varint(c, &tag));
    *out = (field){.number = tag >> 3, .wire_type = tag & 7};
    if (out->number == 0)
        return corrupt(c, "a field has number 0");
    if (out->wire_type == VARINT)
        return read_varint(c, &out->value);
    if (out->wire_type == BYTES)
        SWG_TRY(read_varint(c, &length));
    else if (out->wire_type == FOUR_BYTES)
        length = 4;
    else if (out->wire_type == EIGHT_BYTES)
        length = 8;
    else
        return corrupt(c, "a field is of an unknown wire type");
    if (length > (size_t)(c->end - c->at))
        return corrupt(c, "a field is longer than what is left of its message");
    out->bytes = (swg_spm_text){(const char *)c->at, (size_t)length};
    if (out->wire_type == FOUR_BYTES)
        out->value = c->at[0] | (uint64_t)c->at[1] << 8 | (uint64_t)c->at[2] << 16 |
                     (uint64_t)c->at[3] << 24;
    c->at += length;
    return SWG_OK;
}

static cursor inside(const cursor *outer, const field *f)
{
    const unsigned char *at = (const unsigned char *)f->bytes.text;
    return (cursor){at, at + f->bytes.length, outer->start};
}

/* --- Messages ------------------------------------------------------------------------------- */

/* Where a field of a message goes. */
typedef struct target {
    uint64_t number;
    unsigned wire_type;
    uint64_t *value;
    bool *flag;
    swg_spm_text *bytes;
} target;

/* Read a message whose wanted fields are all scalars and strings. */
static swg_status read_message(cursor c, const target *targets, size_t n)
{
    while (c.at < c.end) {
        field f;
        SWG_TRY(read_field(&c, &f));
        for (size_t i = 0; i < n; i++) {
            const target *t = &targets[i];
            if (t->number != f.number)
                continue;
            if (t->wire_type != f.wire_type)
                return corrupt(&c, "a field of the wrong wire type ends");
            if (t->value)
                *t->value = f.value;
            if (t->flag)
                *t->flag = f.value != 0;
            if (t->bytes)
                *t->bytes = f.bytes;
        }
    }
    return SWG_OK;
}

static swg_status read_piece(const cursor *c, const field *f, swg_spm_file *out)
{
    uint64_t score = 0, type = SWG_SPM_NORMAL;
    swg_spm_piece piece = {{NULL, 0}, 0.0f, SWG_SPM_NORMAL};
    const target targets[] = {
        {.number = 1, .wire_type = BYTES, .bytes = &piece.text},
        {.number = 2, .wire_type = FOUR_BYTES, .value = &score},
        {.number = 3, .wire_type = VARINT, .value = &type},
    };
    SWG_TRY(read_message(inside(c, f), targets, sizeof targets / sizeof *targets));
    const uint32_t bits = (uint32_t)score;
    memcpy(&piece.score, &bits, sizeof bits);
    const size_t id = out->n_pieces;
    if (piece.text.length == 0 || !swg_utf8_is_valid(piece.text.text, piece.text.length))
        return swg_error(SWG_CORRUPT, "%s: piece %zu is empty or not UTF-8", file_name, id);
    if (!isfinite(piece.score))
        return swg_error(SWG_CORRUPT, "%s: the score of piece %zu is not a finite number",
                         file_name, id);
    if (type < SWG_SPM_NORMAL || type > SWG_SPM_BYTE)
        return swg_error(SWG_CORRUPT, "%s: piece %zu is of the unknown type %llu", file_name, id,
                         (unsigned long long)type);
    piece.type = (uint8_t)type;
    SWG_TRY(
        swg_reserve((void **)&out->pieces, &out->capacity, out->n_pieces + 1, sizeof *out->pieces));
    out->pieces[out->n_pieces++] = piece;
    out->text_bytes += piece.text.length;
    return SWG_OK;
}

static swg_status read_trainer(const cursor *c, const field *f, swg_spm_file *out)
{
    const target targets[] = {
        {.number = 3, .wire_type = VARINT, .value = &out->kind},
        {.number = 24, .wire_type = VARINT, .flag = &out->whitespace_is_suffix},
        {.number = 35, .wire_type = VARINT, .flag = &out->byte_fallback},
        {.number = 44, .wire_type = BYTES, .bytes = &out->unk_surface},
        {.number = 46, .wire_type = BYTES, .bytes = &out->bos},
        {.number = 47, .wire_type = BYTES, .bytes = &out->eos},
    };
    return read_message(inside(c, f), targets, sizeof targets / sizeof *targets);
}

static swg_status read_normalizer(const cursor *c, const field *f, swg_spm_file *out)
{
    const target targets[] = {
        {.number = 2, .wire_type = BYTES, .bytes = &out->charsmap},
        {.number = 3, .wire_type = VARINT, .flag = &out->adds_dummy_prefix},
        {.number = 4, .wire_type = VARINT, .flag = &out->removes_extra_whitespace},
        {.number = 5, .wire_type = VARINT, .flag = &out->escapes_whitespace},
    };
    return read_message(inside(c, f), targets, sizeof targets / sizeof *targets);
}

static swg_status read_denormalizer(const cursor *c, const field *f, swg_spm_file *out)
{
    const target targets[] = {{.number = 2, .wire_type = BYTES, .bytes = &out->denormalizer}};
    return read_message(inside(c, f), targets, 1);
}

/* --- The file ------------------------------------------------------------------------------- */

swg_status swg_spm_parse(const char *data, size_t length, swg_spm_file *out)
{
    static const struct {
        uint64_t number;
        swg_status (*read)(const cursor *c, const field *f, swg_spm_file *out);
    } parts[] = {{1, read_piece}, {2, read_trainer}, {3, read_normalizer}, {5, read_denormalizer}};
    const unsigned char *start = (const unsigned char *)data;
    cursor c = {start, start + length, start};
    *out = (swg_spm_file){
        .kind = SWG_SPM_UNIGRAM, /* these are the format's own defaults */
        .adds_dummy_prefix = true,
        .removes_extra_whitespace = true,
        .escapes_whitespace = true,
        .bos = {"<s>", 3},
        .eos = {"</s>", 4},
        .unk_surface = {" \xe2\x81\x87 ", 5},
    };
    while (c.at < c.end) {
        field f;
        SWG_TRY(read_field(&c, &f));
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            if (parts[i].number != f.number)
                continue;
            if (f.wire_type != BYTES)
                return corrupt(&c, "a field of the wrong wire type ends");
            SWG_TRY(parts[i].read(&c, &f, out));
        }
    }
    return out->n_pieces
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s: %zu bytes without a piece", file_name, length);
}

void swg_spm_file_deinit(swg_spm_file *file)
{
    swg_free(file->pieces);
    *file = (swg_spm_file){0};
}

swg_status swg_spm_vocab(swg_arena *arena, const swg_spm_file *file, unsigned types, size_t n_more,
                         size_t n_more_bytes, swg_vocab *out)
{
    SWG_TRY(swg_vocab_init(out, arena, file->n_pieces + n_more, file->text_bytes + n_more_bytes));
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        if (types >> piece->type & 1)
            SWG_TRY(swg_vocab_set(out, id, piece->text.text, piece->text.length));
    }
    return SWG_OK;
}
