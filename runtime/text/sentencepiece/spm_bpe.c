/* SentencePiece's byte-pair encoding: a character a symbol - user-defined pieces are one each, and
 * take no further part - then neighbours whose joined text is a piece merge, the highest score
 * first and leftmost of equals. Pieces marked unused help merging and are taken apart again at the
 * end, the way they were last put together.
 *
 * Which pairs join to which piece is worked out once, from every cut of every piece. A character
 * that is not a piece itself but part of one gets an id of its own beyond the file's ("unit"), so
 * that it can merge; what is left of it at the end is unknown. */
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/sentencepiece/spm.h"

/* Longer pieces are refused: what a cut costs grows with its length. */
enum { MAX_PIECE_BYTES = SWG_TRIE_TOKEN_BYTES, CODE_POINTS = 0x110000 };

typedef struct bpe_model {
    const swg_trie *user_defined; /* NULL = none */
    swg_vocab units;              /* pieces that text can become, and lone characters beyond */
    size_t n_pieces;
    const uint8_t *types; /* [n_pieces] */
    swg_pairs pairs;
    swg_joins joins;
    int32_t bytes[256]; /* units of one byte */
    int32_t byte_tokens[256];
    int32_t unk;
    bool byte_fallback, has_unused;
} bpe_model;

/* One call of encode. */
typedef struct work {
    const bpe_model *model;
    swg_work *budget;
    swg_ids *out;
    size_t start;    /* of this call's ids in out */
    swg_ids symbols; /* units */
    swg_ids halves;  /* of pieces marked unused: [2 * id], -1 = never put together */
} work;

/* --- Encoding --------------------------------------------------------------------------------- */

static bool is_unused(const bpe_model *model, int32_t unit)
{
    return (size_t)unit < model->n_pieces && model->types[unit] == SWG_SPM_UNUSED;
}

static swg_merge lookup(const void *context, int32_t left, int32_t right)
{
    const bpe_model *model = context;
    return swg_pairs_find(&model->pairs, left, right);
}

static swg_merge lookup_and_note(const void *context, int32_t left, int32_t right)
{
    const work *w = context;
    const swg_merge merge = swg_pairs_find(&w->model->pairs, left, right);
    if (merge.id >= 0 && is_unused(w->model, merge.id)) {
        w->halves.data[2 * merge.id] = left;
        w->halves.data[2 * merge.id + 1] = right;
    }
    return merge;
}

/* Bytes or the unknown token, for a character that is not a piece. */
static swg_status push_unknown(const bpe_model *model, swg_ids *ids, const char *text,
                               size_t length)
{
    if (!model->byte_fallback)
        return swg_ids_push(ids, model->unk);
    for (size_t i = 0; i < length; i++)
        SWG_TRY(swg_ids_push(ids, model->byte_tokens[(unsigned char)text[i]]));
    return SWG_OK;
}

static swg_status push_symbols(work *w, const char *text, size_t length)
{
    const bpe_model *model = w->model;
    for (size_t at = 0, step; at < length; at += step) {
        int32_t unit = -1;
        if (model->user_defined)
            SWG_TRY(swg_trie_longest(model->user_defined, w->budget, text + at, length - at, &unit,
                                     &step));
        if (unit < 0) {
            step = swg_utf8_decode(text + at, length - at, NULL);
            step += step == 0;
            unit = step == 1 ? model->bytes[(unsigned char)text[at]]
                             : swg_vocab_find(&model->units, text + at, step);
        }
        SWG_TRY(unit >= 0 ? swg_ids_push(&w->symbols, unit)
                          : push_unknown(model, &w->symbols, text + at, step));
    }
    return SWG_OK;
}

/* A merged symbol as ids of the file; neighbouring unknown ones become one. */
static swg_status push_symbol(work *w, int32_t unit)
{
    const bpe_model *model = w->model;
    if (is_unused(model, unit) && w->halves.data[2 * unit] >= 0) {
        SWG_TRY(push_symbol(w, w->halves.data[2 * unit]));
        return push_symbol(w, w->halves.data[2 * unit + 1]);
    }
    if ((size_t)unit >= model->n_pieces && model->byte_fallback) {
        size_t length;
        const char *text = swg_vocab_text(&model->units, unit, &length);
        return push_unknown(model, w->out, text, length);
    }
    const int32_t id = (size_t)unit < model->n_pieces ? unit : model->unk;
    const bool repeats = w->out->count > w->start && w->out->data[w->out->count - 1] == id;
    return id == model->unk && repeats ? SWG_OK : swg_ids_push(w->out, id);
}

static swg_status run_model(work *w, swg_merger *merger, const char *text, size_t length)
{
    const bpe_model *model = w->model;
    if (model->has_unused)
        SWG_TRY(swg_work_spend(w->budget, 2 * model->n_pieces));
    for (size_t i = 0; model->has_unused && i < 2 * model->n_pieces; i++)
        SWG_TRY(swg_ids_push(&w->halves, -1));
    SWG_TRY(push_symbols(w, text, length));
    swg_ids *symbols = &w->symbols;
    SWG_TRY(model->has_unused ? swg_merger_run(merger, lookup_and_note, w, &model->joins,
                                               symbols->data, &symbols->count)
                              : swg_merger_run(merger, lookup, model, &model->joins, symbols->data,
                                               &symbols->count));
    for (size_t i = 0; i < symbols->count; i++)
        SWG_TRY(push_symbol(w, symbols->data[i]));
    return SWG_OK;
}

static swg_status encode(const void *data, swg_encoder *encoder, const char *text, size_t length)
{
    work w = {
        .model = data, .budget = &encoder->work, .out = encoder->out, .start = encoder->out->count};
    const swg_status status = run_model(&w, &encoder->merger, text, length);
    swg_ids_deinit(&w.symbols);
    swg_ids_deinit(&w.halves);
    return status;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool can_merge(const swg_spm_piece *piece)
{
    return piece->type == SWG_SPM_NORMAL || piece->type == SWG_SPM_UNUSED;
}

static size_t char_bytes(const swg_spm_piece *piece, size_t at)
{
    return swg_utf8_decode(piece->text.text + at, piece->text.length - at, NULL);
}

/* The pair that a cut makes, in *left and *right; false when it cannot come to be: a side is no
 * unit, or is user-defined, which never merges. */
static bool pair_of_cut(const bpe_model *model, const swg_spm_piece *piece, size_t at,
                        int32_t *left, int32_t *right)
{
    *left = swg_vocab_find(&model->units, piece->text.text, at);
    *right = swg_vocab_find(&model->units, piece->text.text + at, piece->text.length - at);
    const int32_t sides[] = {*left, *right};
    for (int i = 0; i < 2; i++)
        if (sides[i] < 0 ||
            ((size_t)sides[i] < model->n_pieces && model->types[sides[i]] == SWG_SPM_USER_DEFINED))
            return false;
    return true;
}

/* Count the pairs of all cuts, and (with `add`) enter them. */
static swg_status visit_pairs(bpe_model *model, swg_work *budget, const swg_spm_file *file,
                              bool add, size_t *n_pairs)
{
    size_t n = 0;
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        if (!can_merge(piece))
            continue;
        for (size_t at = char_bytes(piece, 0); at < piece->text.length;
             at += char_bytes(piece, at)) {
            int32_t left, right;
            SWG_TRY(swg_work_spend(budget, SWG_WORK_PER_LOOKUP + piece->text.length / 8));
            if (!pair_of_cut(model, piece, at, &left, &right))
                continue;
            n++;
            if (!add)
                continue;
            swg_pairs_set(&model->pairs, left, right,
                          (swg_merge){.rank = swg_merge_rank(piece->score), .id = (int32_t)id});
            swg_joins_add(&model->joins, model->joins.last[left], model->joins.first[right]);
        }
    }
    *n_pairs = n;
    return SWG_OK;
}

/* Characters inside pieces that are not pieces themselves, as a set of code points; returns how
 * many there are. `known` has the pieces. */
static size_t find_lone_characters(const swg_spm_file *file, const swg_vocab *known, uint64_t *set)
{
    size_t n = 0;
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        for (size_t at = 0, step; can_merge(piece) && at < piece->text.length; at += step) {
            uint32_t code = 0;
            const char *character = piece->text.text + at;
            step = swg_utf8_decode(character, piece->text.length - at, &code);
            const uint64_t bit = UINT64_C(1) << code % 64;
            if (set[code / 64] & bit || swg_vocab_find(known, character, step) >= 0)
                continue;
            set[code / 64] |= bit;
            n++;
        }
    }
    return n;
}

/* The characters of the set get ids after the file's. */
static swg_status add_lone_characters(const swg_spm_file *file, const uint64_t *set,
                                      swg_vocab *units)
{
    size_t id = file->n_pieces;
    for (uint32_t code = 0; code < CODE_POINTS; code++)
        if (set[code / 64] >> code % 64 & 1) {
            char character[4];
            SWG_TRY(swg_vocab_set(units, id++, character, swg_utf8_encode(code, character)));
        }
    return SWG_OK;
}

static swg_status make_units(swg_arena *arena, const swg_spm_file *file, bpe_model *model)
{
    const unsigned types = 1 << SWG_SPM_NORMAL | 1 << SWG_SPM_UNUSED | 1 << SWG_SPM_USER_DEFINED;
    swg_arena scratch = {0};
    swg_vocab known;
    swg_status status;
    uint64_t *set = swg_arena_calloc(&scratch, CODE_POINTS / 64, sizeof *set);
    SWG_GO(set ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_spm_vocab(&scratch, file, types, 0, 0, &known));
    SWG_GO(swg_vocab_index(&known, &scratch));
    const size_t n_more = find_lone_characters(file, &known, set);
    SWG_GO(swg_spm_vocab(arena, file, types, n_more, 4 * n_more, &model->units));
    SWG_GO(add_lone_characters(file, set, &model->units));
    SWG_GO(swg_vocab_index(&model->units, arena));
done:
    swg_arena_deinit(&scratch);
    return status;
}

static swg_status check_pieces(const swg_spm_file *file, bool *has_unused)
{
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        *has_unused |= piece->type == SWG_SPM_UNUSED;
        if (can_merge(piece) && piece->text.length > MAX_PIECE_BYTES)
            return swg_error(SWG_LIMIT,
                             "tokenizer.model: piece %zu has %zu bytes; at most %d are "
                             "supported",
                             id, piece->text.length, MAX_PIECE_BYTES);
    }
    return SWG_OK;
}

swg_status swg_spm_set_bpe(swg_tokenizer *tokenizer, const swg_spm_file *file,
                           const swg_trie *user_defined, int32_t unk)
{
    swg_arena *arena = &tokenizer->arena;
    bpe_model *model = swg_arena_calloc(arena, 1, sizeof *model);
    uint8_t *types = swg_arena_calloc(arena, file->n_pieces, 1);
    if (!model || !types)
        return SWG_NO_MEMORY;
    *model = (bpe_model){.user_defined = user_defined,
                         .n_pieces = file->n_pieces,
                         .types = types,
                         .unk = unk,
                         .byte_fallback = file->byte_fallback};
    for (size_t id = 0; id < file->n_pieces; id++)
        types[id] = file->pieces[id].type;
    SWG_TRY(check_pieces(file, &model->has_unused));
    SWG_TRY(make_units(arena, file, model));
    SWG_TRY(swg_joins_init(&model->joins, arena, &model->units));
    size_t n_pairs;
    SWG_TRY(visit_pairs(model, &tokenizer->work, file, false, &n_pairs));
    SWG_TRY(swg_pairs_init(&model->pairs, arena, n_pairs));
    SWG_TRY(visit_pairs(model, &tokenizer->work, file, true, &n_pairs));
    if (model->has_unused)
        swg_joins_add_all(&model->joins); /* "last put together" is about the whole text */
    for (unsigned byte = 0; byte < 256; byte++)
        model->bytes[byte] = swg_vocab_find(&model->units, &(char){(char)byte}, 1);
    swg_byte_tokens(&tokenizer->vocab, model->byte_tokens);
    tokenizer->model = encode;
    tokenizer->model_data = model;
    return SWG_OK;
}
