/* SentencePiece models (tokenizer.model) as tokenizers. The file says how text becomes pieces, not
 * what comes around a text: a BPE model that has a beginning-of-text piece puts it first, as
 * Llama's engines do, a Unigram model adds nothing, and tokenizer_config.json changes either.
 * Models that split into words or characters, and denormalizers, are not supported. */
#include <float.h>
#include <string.h>

#include "runtime/text/sentencepiece/spm.h"

static const char file_name[] = "tokenizer.model";
static const char word_start[] = "\xe2\x96\x81";

/* --- Decoding --------------------------------------------------------------------------------- */

typedef struct decoder {
    const uint8_t *types; /* [n_pieces]; tokens with higher ids were added and print as they are */
    size_t n_pieces;
    const char *unk_surface;
    size_t n_unk_surface;
    bool strips_start, strips_all; /* one mark of a word's start at the start of the text; each */
} decoder;

enum { SOMETHING_PRINTED = 1, START_TAKEN = 2 };

static void put_piece(const char *text, size_t length, swg_strbuf *out)
{
    const size_t n_mark = sizeof word_start - 1;
    for (size_t at = 0; at < length;) {
        const char *mark = memmem(text + at, length - at, word_start, n_mark);
        const size_t end = mark ? (size_t)(mark - text) : length;
        swg_strbuf_append(out, text + at, end - at);
        if (mark)
            swg_strbuf_puts(out, " ");
        at = end + (mark ? n_mark : 0);
    }
}

static void decode(const void *data, uint32_t *state, const swg_decode_place *place,
                   const char *text, size_t length, swg_strbuf *out)
{
    const decoder *d = data;
    const size_t n_mark = sizeof word_start - 1, before = out->length;
    const bool is_piece = (size_t)place->id < d->n_pieces;
    const swg_spm_type type = is_piece ? d->types[place->id] : SWG_SPM_USER_DEFINED;
    if (!is_piece) {
        swg_strbuf_append(out, text, length);
    } else if (type == SWG_SPM_BYTE) {
        const char byte = (char)swg_byte_token_value(text, length);
        swg_strbuf_append(out, &byte, 1);
    } else if (type == SWG_SPM_UNKNOWN) {
        swg_strbuf_append(out, d->unk_surface, d->n_unk_surface);
    } else if (type == SWG_SPM_CONTROL) {
        swg_strbuf_append(out, text, length);
        return; /* no part of the text */
    } else {
        const bool has_mark = length >= n_mark && memcmp(text, word_start, n_mark) == 0;
        const bool strips = d->strips_start && *state == 0 && has_mark;
        put_piece(text + (strips ? n_mark : 0), length - (strips ? n_mark : 0), out);
        if (strips && !d->strips_all)
            *state |= START_TAKEN;
    }
    if (out->length > before)
        *state |= SOMETHING_PRINTED;
}

static swg_status add_decoder(swg_tokenizer *tokenizer, const swg_spm_file *file)
{
    swg_arena *arena = &tokenizer->arena;
    decoder *d = swg_arena_calloc(arena, 1, sizeof *d);
    uint8_t *types = swg_arena_calloc(arena, file->n_pieces, 1);
    const char *surface =
        swg_arena_strndup(arena, file->unk_surface.text, file->unk_surface.length);
    if (!d || !types || !surface)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < file->n_pieces; id++)
        types[id] = file->pieces[id].type;
    *d = (decoder){.types = types,
                   .n_pieces = file->n_pieces,
                   .unk_surface = surface,
                   .n_unk_surface = file->unk_surface.length,
                   .strips_start = file->adds_dummy_prefix || file->removes_extra_whitespace,
                   .strips_all = file->removes_extra_whitespace};
    return swg_tokenizer_add_decoder(tokenizer, decode, d);
}

/* --- Vocabulary ------------------------------------------------------------------------------- */

static swg_status read_vocab(swg_tokenizer *tokenizer, const swg_spm_file *file)
{
    swg_vocab *vocab = &tokenizer->vocab;
    SWG_TRY(swg_spm_vocab(&tokenizer->arena, file, ~0u, 0, 0, vocab));
    SWG_TRY(swg_vocab_index(vocab, &tokenizer->arena));
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_text text = file->pieces[id].text;
        const int32_t first = swg_vocab_find(vocab, text.text, text.length);
        if ((size_t)first != id)
            return swg_error(SWG_CORRUPT, "%s: pieces %d and %zu are both \"%.*s\"", file_name,
                             (int)first, id, (int)(text.length & 0xff), text.text);
    }
    return SWG_OK;
}

/* The one unknown piece; and bytes, which must be all there or none. */
static swg_status check_types(const swg_spm_file *file, int32_t *unk)
{
    size_t n_unk = 0, n_bytes = 0;
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        if (piece->type == SWG_SPM_UNKNOWN) {
            *unk = (int32_t)id;
            n_unk++;
        }
        if (piece->type != SWG_SPM_BYTE)
            continue;
        if (swg_byte_token_value(piece->text.text, piece->text.length) < 0)
            return swg_error(SWG_CORRUPT, "%s: piece %zu should be a byte but is \"%.*s\"",
                             file_name, id, (int)(piece->text.length & 0xff), piece->text.text);
        n_bytes++;
    }
    if (n_unk != 1)
        return swg_error(SWG_CORRUPT, "%s: has %zu unknown pieces, not one", file_name, n_unk);
    if (n_bytes != (file->byte_fallback ? 256u : 0u))
        return swg_error(SWG_CORRUPT, "%s: has %zu byte pieces, but byte_fallback is %s", file_name,
                         n_bytes, file->byte_fallback ? "true" : "false");
    return SWG_OK;
}

/* Pieces that stand for themselves wherever the text has them: matched before all else, never
 * normalized or merged. *out becomes NULL when there are none. */
static swg_status find_user_defined(swg_tokenizer *tokenizer, const swg_spm_file *file,
                                    const swg_trie **out)
{
    swg_arena *arena = &tokenizer->arena;
    bool has_any = false;
    for (size_t id = 0; id < file->n_pieces && !has_any; id++)
        has_any = file->pieces[id].type == SWG_SPM_USER_DEFINED;
    *out = NULL;
    if (!has_any)
        return SWG_OK;
    swg_vocab vocab;
    swg_trie *trie = swg_arena_calloc(arena, 1, sizeof *trie);
    if (!trie)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_spm_vocab(arena, file, 1 << SWG_SPM_USER_DEFINED, 0, 0, &vocab));
    *out = trie;
    return swg_trie_init(trie, arena, &tokenizer->work, &vocab);
}

/* --- Unigram ---------------------------------------------------------------------------------- */

/* The library's arithmetic to the letter: its "highest score" is never below the least positive
 * float, and user-defined pieces win by costing next to nothing. */
static void fill_scores(const swg_spm_file *file, double *scores, double *unk_score)
{
    float least = FLT_MAX, most = FLT_MIN;
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        if (piece->type != SWG_SPM_NORMAL)
            continue;
        least = piece->score < least ? piece->score : least;
        most = piece->score > most ? piece->score : most;
    }
    for (size_t id = 0; id < file->n_pieces; id++) {
        const swg_spm_piece *piece = &file->pieces[id];
        scores[id] = piece->type == SWG_SPM_USER_DEFINED
                         ? (double)((float)piece->text.length * most) - 0.1
                         : (double)piece->score;
    }
    *unk_score = least - (float)swg_unigram_penalty;
}

static swg_status set_unigram(swg_tokenizer *tokenizer, const swg_spm_file *file, int32_t unk)
{
    swg_arena *arena = &tokenizer->arena;
    swg_vocab *words = swg_arena_calloc(arena, 1, sizeof *words);
    double *scores = swg_arena_calloc(arena, file->n_pieces, sizeof *scores);
    swg_unigram_spec spec = {.words = words,
                             .scores = scores,
                             .unk = unk,
                             .byte_fallback = file->byte_fallback,
                             .sums_are_floats = true};
    if (!words || !scores)
        return SWG_NO_MEMORY;
    const unsigned types = 1 << SWG_SPM_NORMAL | 1 << SWG_SPM_USER_DEFINED;
    SWG_TRY(swg_spm_vocab(arena, file, types, 0, 0, words));
    SWG_TRY(swg_vocab_index(words, arena));
    fill_scores(file, scores, &spec.unk_score);
    swg_byte_tokens(&tokenizer->vocab, spec.byte_tokens);
    return swg_unigram_set(tokenizer, &spec);
}

/* --- Special tokens --------------------------------------------------------------------------- */

static int32_t control_piece(const swg_spm_file *file, const swg_vocab *vocab, swg_spm_text text)
{
    const int32_t id = swg_vocab_find(vocab, text.text, text.length);
    return id >= 0 && file->pieces[id].type == SWG_SPM_CONTROL ? id : -1;
}

/* Control pieces, and the unknown one, are found in text where special tokens are looked for. */
static swg_status add_special(swg_tokenizer *tokenizer, const swg_spm_file *file)
{
    const size_t n = file->n_pieces;
    swg_added_set *set = &tokenizer->raw_tokens;
    tokenizer->is_special = swg_arena_calloc(&tokenizer->arena, n, sizeof *tokenizer->is_special);
    set->tokens = swg_arena_calloc(&tokenizer->arena, n, sizeof *set->tokens);
    if (!tokenizer->is_special || !set->tokens)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < n; id++) {
        const unsigned type = file->pieces[id].type;
        if (type != SWG_SPM_CONTROL && type != SWG_SPM_UNKNOWN)
            continue;
        swg_added_token token = {.id = (int32_t)id, .is_special = true};
        token.text = swg_vocab_text(&tokenizer->vocab, (int64_t)id, &token.length);
        set->tokens[set->count++] = token;
        tokenizer->is_special[id] = type == SWG_SPM_CONTROL;
    }
    swg_added_finish(set);
    tokenizer->bos = control_piece(file, &tokenizer->vocab, file->bos);
    tokenizer->eos = control_piece(file, &tokenizer->vocab, file->eos);
    if (file->kind == SWG_SPM_BPE && tokenizer->bos >= 0)
        tokenizer->before[tokenizer->n_before++] = tokenizer->bos;
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status check_kind(const swg_spm_file *file)
{
    if (file->kind != SWG_SPM_UNIGRAM && file->kind != SWG_SPM_BPE)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: models of type %s are not supported, only UNIGRAM and BPE", file_name,
                         file->kind == SWG_SPM_WORD   ? "WORD"
                         : file->kind == SWG_SPM_CHAR ? "CHAR"
                                                      : "unknown");
    if (file->denormalizer.length > 0)
        return swg_error(SWG_UNSUPPORTED, "%s: denormalizer_spec is not supported", file_name);
    return SWG_OK;
}

/* `legacy`, as tokenizer_config.json has it: false puts the mark of a word's start in front of a
 * text only, true (and by default) also after each added token. */
static swg_status build(swg_tokenizer *tokenizer, const swg_spm_file *file, bool legacy)
{
    int32_t unk = -1;
    SWG_TRY(check_kind(file));
    SWG_TRY(check_types(file, &unk));
    SWG_TRY(read_vocab(tokenizer, file));
    const swg_trie *user_defined;
    SWG_TRY(find_user_defined(tokenizer, file, &user_defined));
    SWG_TRY(swg_spm_add_normalizer(tokenizer, file, user_defined, legacy));
    SWG_TRY(file->kind == SWG_SPM_BPE ? swg_spm_set_bpe(tokenizer, file, user_defined, unk)
                                      : set_unigram(tokenizer, file, unk));
    SWG_TRY(add_special(tokenizer, file));
    tokenizer->takes_any_bytes = true;
    return add_decoder(tokenizer, file);
}

swg_status swg_tokenizer_read_spm(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *view = swg_text_file(files, file_name);
    swg_spm_file file;
    bool legacy = true;
    swg_json_as_bool(swg_json_get(files->settings, "legacy"), &legacy);
    swg_status status = swg_spm_parse(view->data, view->length, &file);
    if (status == SWG_OK)
        status = build(tokenizer, &file, legacy);
    swg_spm_file_deinit(&file);
    return status;
}
