/* Byte-pair encoding: a piece becomes its characters (or bytes, where the vocabulary is
 * byte-level), then neighbours merge in the order the file lists the pairs.
 *
 * Most words of real text are tokens themselves. Whether merging such a word gives that very token
 * is found out once per token and remembered, which spares the merging from then on; the memory is
 * a byte a token, and threads that race for it write the same. */
#include <stdatomic.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"
#include "runtime/text/hf/json_vocab.h"

enum { UNKNOWN_YET, IS_WHOLE, IS_NOT_WHOLE };

typedef struct bpe_model {
    swg_vocab words; /* the model's own tokens, as bytes when is_byte_level */
    swg_joins joins;
    swg_pairs pairs;
    atomic_uchar *whole;      /* [words.n_ids]: what is known of merging that token's text */
    int32_t units[256];       /* ids of single bytes; -1 = none (also: starts a longer character) */
    int32_t byte_tokens[256]; /* ids of "<0xNN>"; -1 = none */
    const char *prefix, *suffix; /* of characters inside, and at the end, of a word; "" = none */
    int32_t unk;                 /* -1 = unknown characters vanish */
    bool is_byte_level, byte_fallback, fuse_unk, ignore_merges;
} bpe_model;

/* --- Encoding --------------------------------------------------------------------------------- */

static swg_merge lookup_pair(const void *context, int32_t left, int32_t right)
{
    const bpe_model *model = context;
    return swg_pairs_find(&model->pairs, left, right);
}

/* The id of one character with the prefix and suffix its place asks for, or -1. */
static swg_status unit_id(const bpe_model *model, swg_encoder *encoder, const char *text,
                          size_t length, bool is_start, bool is_end, int32_t *id)
{
    const char *prefix = is_start ? "" : model->prefix, *suffix = is_end ? model->suffix : "";
    if (!*prefix && !*suffix) {
        *id = length == 1 ? model->units[(unsigned char)text[0]]
                          : swg_vocab_find(&model->words, text, length);
        return SWG_OK;
    }
    swg_strbuf *word = &encoder->word;
    swg_work_prepare(&encoder->work, word);
    swg_strbuf_puts(word, prefix);
    swg_strbuf_append(word, text, length);
    swg_strbuf_puts(word, suffix);
    SWG_TRY(swg_work_written(&encoder->work, word));
    *id = swg_vocab_find(&model->words, word->text, word->length);
    return SWG_OK;
}

/* Byte tokens for a character without id: all of them or none. */
static swg_status push_bytes(const bpe_model *model, swg_ids *out, const char *text, size_t length,
                             bool *done)
{
    *done = false;
    for (size_t i = 0; i < length; i++)
        if (model->byte_tokens[(unsigned char)text[i]] < 0)
            return SWG_OK;
    for (size_t i = 0; i < length; i++)
        SWG_TRY(swg_ids_push(out, model->byte_tokens[(unsigned char)text[i]]));
    *done = true;
    return SWG_OK;
}

/* Append a token a character. An unknown token waits in `unk_waits`, because with fuse_unk it takes
 * in the ones that follow. */
static swg_status push_units(const bpe_model *model, swg_encoder *encoder, const char *text,
                             size_t length)
{
    swg_ids *out = encoder->out;
    bool unk_waits = false;
    for (size_t at = 0; at < length;) {
        size_t step = model->is_byte_level ? 1 : swg_utf8_decode(text + at, length - at, NULL);
        if (step == 0)
            step = 1;
        int32_t id = -1;
        bool done = false;
        SWG_TRY(unit_id(model, encoder, text + at, step, at == 0, at + step == length, &id));
        if (id < 0 && model->byte_fallback)
            SWG_TRY(push_bytes(model, out, text + at, step, &done));
        if (!done && unk_waits && (id >= 0 || !model->fuse_unk)) {
            SWG_TRY(swg_ids_push(out, model->unk));
            unk_waits = false;
        }
        if (id >= 0)
            SWG_TRY(swg_ids_push(out, id));
        else if (!done)
            unk_waits = model->unk >= 0;
        at += step;
    }
    return unk_waits ? swg_ids_push(out, model->unk) : SWG_OK;
}

static swg_status merge_word(const bpe_model *model, swg_encoder *encoder, const char *text,
                             size_t length)
{
    swg_ids *out = encoder->out;
    const size_t start = out->count;
    SWG_TRY(push_units(model, encoder, text, length));
    size_t count = out->count - start;
    if (count == 0) /* unknown, without a token for that; there may be no array yet */
        return SWG_OK;
    SWG_TRY(swg_merger_run(&encoder->merger, lookup_pair, model, &model->joins, out->data + start,
                           &count));
    out->count = start + count;
    return SWG_OK;
}

static swg_status encode(const void *data, swg_encoder *encoder, const char *text, size_t length)
{
    const bpe_model *model = data;
    swg_ids *out = encoder->out;
    const int32_t id = swg_vocab_find(&model->words, text, length);
    if (id < 0)
        return merge_word(model, encoder, text, length);
    unsigned char whole = model->ignore_merges
                              ? IS_WHOLE
                              : atomic_load_explicit(&model->whole[id], memory_order_relaxed);
    if (whole == IS_WHOLE)
        return swg_ids_push(out, id);
    const size_t start = out->count;
    SWG_TRY(merge_word(model, encoder, text, length));
    if (whole == UNKNOWN_YET) {
        whole = out->count == start + 1 && out->data[start] == id ? IS_WHOLE : IS_NOT_WHOLE;
        atomic_store_explicit(&model->whole[id], whole, memory_order_relaxed);
    }
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* A line of the merge list: both tokens as the file spells them. */
typedef struct merge_line {
    const char *left, *right;
    size_t n_left, n_right;
} merge_line;

static swg_status bad_merge(size_t rank, const char *why)
{
    return swg_error(SWG_CORRUPT, "tokenizer: merge %zu %s", rank, why);
}

static swg_status add_merge(const swg_tokenizer *tokenizer, bpe_model *model,
                            const merge_line *line, size_t rank, swg_strbuf *joined)
{
    const swg_vocab *vocab = &tokenizer->vocab;
    const size_t cut = strlen(model->prefix);
    if (line->n_right < cut)
        return bad_merge(rank, "has a right side shorter than continuing_subword_prefix");
    joined->length = 0;
    swg_strbuf_append(joined, line->left, line->n_left);
    swg_strbuf_append(joined, line->right + cut, line->n_right - cut);
    SWG_TRY(swg_strbuf_status(joined));
    const int32_t left = swg_vocab_find(vocab, line->left, line->n_left);
    const int32_t right = swg_vocab_find(vocab, line->right, line->n_right);
    const int32_t id = swg_vocab_find(vocab, joined->text, joined->length);
    if (left < 0 || right < 0 || id < 0)
        return swg_error(SWG_CORRUPT,
                         "tokenizer: merge %zu (\"%.*s\" and \"%.*s\") names a token "
                         "that is not in the vocabulary",
                         rank, (int)(line->n_left & 0xff), line->left, (int)(line->n_right & 0xff),
                         line->right);
    swg_joins_add(&model->joins, model->joins.last[left], model->joins.first[right]);
    swg_pairs_set(&model->pairs, left, right, (swg_merge){.rank = (uint32_t)rank, .id = id});
    return SWG_OK;
}

static swg_status add_merges(swg_tokenizer *tokenizer, bpe_model *model, const merge_line *lines,
                             size_t n)
{
    SWG_TRY(swg_pairs_init(&model->pairs, &tokenizer->arena, n));
    swg_strbuf joined = {0};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < n && status == SWG_OK; i++) {
        status = swg_work_spend(&tokenizer->work, SWG_WORK_PER_LOOKUP);
        if (status == SWG_OK)
            status = add_merge(tokenizer, model, &lines[i], i, &joined);
    }
    swg_strbuf_deinit(&joined);
    return status;
}

/* "left right", with exactly one space. */
static swg_status split_line(const char *text, size_t length, size_t rank, merge_line *out)
{
    const char *space = memchr(text, ' ', length);
    if (!space || memchr(space + 1, ' ', length - (size_t)(space + 1 - text)))
        return bad_merge(rank, "is not two tokens with one space between");
    *out = (merge_line){.left = text,
                        .n_left = (size_t)(space - text),
                        .right = space + 1,
                        .n_right = length - (size_t)(space + 1 - text)};
    return SWG_OK;
}

/* ["left", "right"] */
static swg_status pair_line(const swg_json *pair, size_t rank, merge_line *out)
{
    const swg_json *first = swg_json_first(pair);
    if (swg_json_count(pair) != 2 || !swg_json_as_string(first, &out->left) ||
        !swg_json_as_string(swg_json_next(first), &out->right))
        return bad_merge(rank, "is not a pair of strings");
    out->n_left = strlen(out->left);
    out->n_right = strlen(out->right);
    return SWG_OK;
}

static swg_status read_merges(swg_tokenizer *tokenizer, bpe_model *model, const swg_json *merges)
{
    if (!merges || swg_json_kind_of(merges) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "tokenizer.json: the BPE model has no array \"merges\"");
    merge_line *lines = NULL;
    swg_status status;
    size_t n = 0;
    SWG_GO(SWG_NEW(lines, swg_json_count(merges)));
    for (const swg_json *item = swg_json_first(merges); item; item = swg_json_next(item), n++) {
        const char *text;
        if (swg_json_as_string(item, &text))
            SWG_GO(split_line(text, strlen(text), n, &lines[n]));
        else if (swg_json_kind_of(item) == SWG_JSON_ARRAY)
            SWG_GO(pair_line(item, n, &lines[n]));
        else
            SWG_GO(bad_merge(n, "is neither a string nor a pair"));
    }
    SWG_GO(add_merges(tokenizer, model, lines, n));
done:
    swg_free(lines);
    return status;
}

/* Vocabulary and everything derived from it; the flags are set already. */
static swg_status prepare(swg_tokenizer *tokenizer, bpe_model *model, const swg_json *vocab)
{
    /* With byte fallback unknown characters of the alphabet would become bytes of the alphabet. */
    model->is_byte_level = !model->byte_fallback && swg_bytelevel_take_last_split(tokenizer);
    SWG_TRY(swg_model_vocab(tokenizer, vocab, model->is_byte_level, &model->words));
    /* By the tokens as the file spells them, whole vocabulary: unknown and byte tokens are ids too.
     */
    SWG_TRY(swg_joins_init(&model->joins, &tokenizer->arena, &tokenizer->vocab));
    model->whole = swg_arena_calloc(&tokenizer->arena, model->words.n_ids, sizeof *model->whole);
    if (!model->whole)
        return SWG_NO_MEMORY;
    for (unsigned byte = 0; byte < 256; byte++)
        model->units[byte] = swg_vocab_find(&model->words, &(char){(char)byte}, 1);
    swg_byte_tokens(&model->words, model->byte_tokens);
    tokenizer->model = encode;
    tokenizer->model_data = model;
    return SWG_OK;
}

static bpe_model *new_model(swg_tokenizer *tokenizer)
{
    bpe_model *model = swg_arena_calloc(&tokenizer->arena, 1, sizeof *model);
    if (model) {
        model->prefix = model->suffix = "";
        model->unk = -1;
    }
    return model;
}

static swg_status read_text_members(swg_tokenizer *tokenizer, bpe_model *model,
                                    const swg_json *json)
{
    const char *prefix, *suffix, *unk;
    SWG_TRY(swg_component_string(json, "continuing_subword_prefix", "", &prefix));
    SWG_TRY(swg_component_string(json, "end_of_word_suffix", "", &suffix));
    SWG_TRY(swg_component_string(json, "unk_token", NULL, &unk));
    model->prefix = swg_arena_strndup(&tokenizer->arena, prefix, strlen(prefix));
    model->suffix = swg_arena_strndup(&tokenizer->arena, suffix, strlen(suffix));
    if (!model->prefix || !model->suffix)
        return SWG_NO_MEMORY;
    if (!unk)
        return SWG_OK;
    model->unk = swg_tokenizer_find(tokenizer, unk, strlen(unk));
    return model->unk >= 0 ? SWG_OK
                           : swg_error(SWG_CORRUPT,
                                       "tokenizer.json: unk_token \"%.100s\" is not "
                                       "in the vocabulary",
                                       unk);
}

swg_status swg_bpe_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    bpe_model *model = new_model(tokenizer);
    if (!model)
        return SWG_NO_MEMORY;
    double dropout = 0.0;
    if (swg_json_as_double(swg_json_get(json, "dropout"), &dropout) && dropout != 0.0)
        return swg_error(SWG_UNSUPPORTED, "tokenizer.json: BPE dropout (%g) is not supported",
                         dropout);
    SWG_TRY(swg_component_bool(json, "byte_fallback", false, &model->byte_fallback));
    SWG_TRY(swg_component_bool(json, "fuse_unk", false, &model->fuse_unk));
    SWG_TRY(swg_component_bool(json, "ignore_merges", false, &model->ignore_merges));
    SWG_TRY(read_text_members(tokenizer, model, json));
    SWG_TRY(prepare(tokenizer, model, swg_json_get(json, "vocab")));
    return read_merges(tokenizer, model, swg_json_get(json, "merges"));
}

swg_status swg_bpe_read_text(swg_tokenizer *tokenizer, const swg_json *vocab, const char *merges,
                             size_t merges_length)
{
    bpe_model *model = new_model(tokenizer);
    merge_line *lines = NULL;
    swg_status status;
    size_t n = 0, n_most = 1;
    if (!model)
        return SWG_NO_MEMORY;
    SWG_TRY(prepare(tokenizer, model, vocab));
    for (size_t i = 0; i < merges_length; i++)
        n_most += merges[i] == '\n';
    SWG_GO(SWG_NEW(lines, n_most));
    for (const char *line = merges, *end = merges + merges_length; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((newline ? newline : end) - line);
        const char *next = line + length + 1;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length > 0 && !(length >= 8 && memcmp(line, "#version", 8) == 0)) {
            SWG_GO(split_line(line, length, n, &lines[n]));
            n++;
        }
        line = next;
    }
    SWG_GO(add_merges(tokenizer, model, lines, n));
done:
    swg_free(lines);
    return status;
}
