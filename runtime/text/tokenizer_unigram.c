/* Unigram: the cut of a piece into tokens whose scores (log-probabilities) add up highest, found
 * from left to right over all cuts (Viterbi). Characters that no token covers cost ten more than
 * the worst token; neighbours of that kind become one unknown token. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/tokenizer_parts.h"

static const double unknown_penalty = 10.0;

/* A node of the trie of all tokens, in a hash table by (parent, byte): slot number = node. */
typedef struct trie_slot {
    uint64_t key; /* (parent slot << 8 | byte) + 1; 0 = free. The root is parent n_slots */
    int32_t id;   /* token that ends here; -1 = none */
} trie_slot;

typedef struct unigram_model {
    swg_vocab words;
    double *scores; /* [n_ids] */
    trie_slot *slots;
    size_t n_slots; /* a power of two */
    int32_t unk;    /* -1 = an unknown character is an error */
    double unk_score;
    int32_t byte_tokens[256];
    bool byte_fallback;
} unigram_model;

/* The best cut of the text up to one place. */
typedef struct cut {
    double score;
    int32_t id;
    int64_t start; /* of its last token; -1 = no cut ends here yet */
} cut;

static size_t child_slot(const unigram_model *model, size_t parent, unsigned char byte,
                         uint64_t *key)
{
    *key = ((uint64_t)parent << 8 | byte) + 1;
    const size_t mask = model->n_slots - 1;
    size_t slot = (*key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (model->slots[slot].key && model->slots[slot].key != *key)
        slot = (slot + 1) & mask;
    return slot;
}

/* --- Encoding --------------------------------------------------------------------------------- */

static void offer(cut *at, double score, int32_t id, size_t start)
{
    if (at->start < 0 || score > at->score)
        *at = (cut){.score = score, .id = id, .start = (int64_t)start};
}

static size_t char_length(const char *text, size_t length)
{
    const size_t step = swg_utf8_decode(text, length, NULL);
    return step ? step : 1;
}

static void find_cuts(const unigram_model *model, const char *text, size_t length, cut *cuts)
{
    for (size_t i = 1; i <= length; i++)
        cuts[i] = (cut){.start = -1};
    cuts[0] = (cut){0};
    for (size_t at = 0; at < length;) {
        const size_t step = char_length(text + at, length - at);
        const double score = cuts[at].score;
        bool has_char = false;
        size_t node = model->n_slots;
        for (size_t end = at; end < length;) {
            uint64_t key;
            node = child_slot(model, node, (unsigned char)text[end++], &key);
            if (!model->slots[node].key)
                break;
            const int32_t id = model->slots[node].id;
            if (id < 0)
                continue;
            offer(&cuts[end], score + model->scores[id], id, at);
            has_char |= end - at == step;
        }
        if (!has_char)
            offer(&cuts[at + step], score + model->unk_score, model->unk, at);
        at += step;
    }
}

/* The id of a piece as it was cut, or its bytes, or the unknown token. */
static swg_status push_piece(const unigram_model *model, swg_ids *out, const char *text,
                             size_t length)
{
    const int32_t id = swg_vocab_find(&model->words, text, length);
    if (id >= 0)
        return swg_ids_push(out, id);
    bool has_bytes = model->byte_fallback;
    for (size_t i = 0; has_bytes && i < length; i++)
        has_bytes = model->byte_tokens[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; has_bytes && i < length; i++)
        SWG_TRY(swg_ids_push(out, model->byte_tokens[(unsigned char)text[i]]));
    if (has_bytes)
        return SWG_OK;
    if (model->unk < 0)
        return swg_error(SWG_FAILED,
                         "\"%.*s\" cannot be encoded: the tokenizer has no unknown "
                         "token",
                         (int)(length & 0xff), text);
    return swg_ids_push(out, model->unk);
}

static swg_status encode(const void *data, swg_encoder *encoder, const char *text, size_t length)
{
    const unigram_model *model = data;
    swg_strbuf *memory = &encoder->word;
    const size_t needed = (length + 1) * sizeof(cut);
    SWG_TRY(swg_reserve((void **)&memory->text, &memory->capacity, needed, 1));
    cut *cuts = (cut *)(void *)memory->text;
    find_cuts(model, text, length, cuts);
    /* Walk back, turning each start into a link to the end of its token, unknown neighbours joined.
     */
    int64_t end = (int64_t)length, next = -1;
    while (end > 0) {
        int64_t start = cuts[end].start;
        while (model->unk >= 0 && cuts[end].id == model->unk && start > 0 &&
               cuts[start].id == model->unk)
            start = cuts[start].start;
        cuts[end].start = next;
        next = end;
        end = start;
    }
    size_t at = 0;
    for (; next > 0; next = cuts[next].start) {
        SWG_TRY(push_piece(model, encoder->out, text + at, (size_t)next - at));
        at = (size_t)next;
    }
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status read_scores(unigram_model *model, const swg_json *vocab)
{
    size_t id = 0;
    double least = INFINITY;
    for (const swg_json *item = swg_json_first(vocab); item; item = swg_json_next(item), id++) {
        if (!swg_json_as_double(swg_json_at(item, 1), &model->scores[id]))
            return swg_error(SWG_CORRUPT, "tokenizer.json: vocabulary entry %zu has no score", id);
        least = fmin(least, model->scores[id]);
    }
    model->unk_score = least - unknown_penalty;
    return SWG_OK;
}

/* Of equal tokens the last counts, as in the original. */
static swg_status build_trie(unigram_model *model, swg_arena *arena)
{
    model->n_slots = 16;
    while (model->n_slots < 2 * model->words.n_bytes)
        model->n_slots *= 2;
    model->slots = swg_arena_calloc(arena, model->n_slots, sizeof *model->slots);
    if (!model->slots)
        return SWG_NO_MEMORY;
    for (size_t id = 0; id < model->words.n_ids; id++) {
        size_t length, node = model->n_slots;
        const char *text = swg_vocab_text(&model->words, (int64_t)id, &length);
        for (size_t i = 0; i < length; i++) {
            uint64_t key;
            node = child_slot(model, node, (unsigned char)text[i], &key);
            if (!model->slots[node].key)
                model->slots[node] = (trie_slot){.key = key, .id = -1};
        }
        if (length > 0)
            model->slots[node].id = (int32_t)id;
    }
    return SWG_OK;
}

swg_status swg_unigram_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    unigram_model *model = swg_arena_calloc(&tokenizer->arena, 1, sizeof *model);
    const swg_json *vocab = swg_json_get(json, "vocab");
    int64_t unk = -1;
    if (!model)
        return SWG_NO_MEMORY;
    if (!vocab || swg_json_kind_of(vocab) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "tokenizer.json: the Unigram model has no array \"vocab\"");
    SWG_TRY(swg_model_vocab(tokenizer, vocab, false, &model->words));
    model->scores = swg_arena_calloc(&tokenizer->arena, model->words.n_ids, sizeof *model->scores);
    if (!model->scores)
        return SWG_NO_MEMORY;
    SWG_TRY(read_scores(model, vocab));
    SWG_TRY(build_trie(model, &tokenizer->arena));
    SWG_TRY(swg_component_bool(json, "byte_fallback", false, &model->byte_fallback));
    if (swg_json_as_int(swg_json_get(json, "unk_id"), &unk) &&
        (unk < 0 || (uint64_t)unk >= model->words.n_ids))
        return swg_error(SWG_CORRUPT, "tokenizer.json: unk_id %lld is not below %zu",
                         (long long)unk, model->words.n_ids);
    model->unk = (int32_t)unk;
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        model->byte_tokens[byte] = swg_vocab_find(&model->words, name, 6);
    }
    tokenizer->model = encode;
    tokenizer->model_data = model;
    return SWG_OK;
}
