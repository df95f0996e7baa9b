/* Unigram: the cut of a piece into tokens whose scores (log-probabilities) add up highest, found
 * from left to right over all cuts (Viterbi). Characters that no token covers cost ten more than
 * the worst token; neighbours of that kind become one unknown token. */
#include <math.h>
#include <string.h>

#include "runtime/base/utf8.h"
#include "runtime/text/hf/component.h"
#include "runtime/text/hf/json_vocab.h"
#include "runtime/text/sentencepiece/trie.h"

const double swg_unigram_penalty = 10.0;

typedef struct unigram_model {
    swg_unigram_spec spec;
    swg_trie trie;
} unigram_model;

/* The best cut of the text up to one place. */
typedef struct cut {
    double score;
    int32_t id;
    int64_t start; /* of its last token; -1 = no cut ends here yet */
} cut;

/* --- Encoding --------------------------------------------------------------------------------- */

static void offer(const unigram_model *model, cut *at, double score, int32_t id, size_t start)
{
    if (at->start < 0 || score > at->score)
        *at = (cut){.score = model->spec.sums_are_floats ? (float)score : score,
                    .id = id,
                    .start = (int64_t)start};
}

static size_t char_length(const char *text, size_t length)
{
    const size_t step = swg_utf8_decode(text, length, NULL);
    return step ? step : 1;
}

/* sentencepiece adds this one score as a float before it compares. */
static double unknown_sum(const swg_unigram_spec *spec, double score)
{
    return spec->sums_are_floats ? (float)(score + spec->unk_score) : score + spec->unk_score;
}

static swg_status find_cuts(const unigram_model *model, swg_work *work, const char *text,
                            size_t length, cut *cuts)
{
    const swg_unigram_spec *spec = &model->spec;
    for (size_t i = 1; i <= length; i++)
        cuts[i] = (cut){.start = -1};
    cuts[0] = (cut){0};
    for (size_t at = 0; at < length;) {
        const size_t step = char_length(text + at, length - at);
        const double score = cuts[at].score;
        bool has_char = false;
        size_t node = swg_trie_root(&model->trie);
        int32_t id;
        for (size_t end = at;
             end < length && swg_trie_step(&model->trie, &node, (unsigned char)text[end], &id);) {
            end++;
            SWG_TRY(swg_work_spend(work, SWG_WORK_PER_LOOKUP));
            if (id < 0)
                continue;
            offer(model, &cuts[end], score + spec->scores[id], id, at);
            has_char |= end - at == step;
        }
        if (!has_char)
            offer(model, &cuts[at + step], unknown_sum(spec, score), spec->unk, at);
        at += step;
    }
    return SWG_OK;
}

/* The id of a piece as it was cut, or its bytes, or the unknown token. */
static swg_status push_piece(const swg_unigram_spec *spec, swg_ids *out, const char *text,
                             size_t length)
{
    const int32_t id = swg_vocab_find(spec->words, text, length);
    if (id >= 0)
        return swg_ids_push(out, id);
    bool has_bytes = spec->byte_fallback;
    for (size_t i = 0; has_bytes && i < length; i++)
        has_bytes = spec->byte_tokens[(unsigned char)text[i]] >= 0;
    for (size_t i = 0; has_bytes && i < length; i++)
        SWG_TRY(swg_ids_push(out, spec->byte_tokens[(unsigned char)text[i]]));
    if (has_bytes)
        return SWG_OK;
    if (spec->unk < 0)
        return swg_error(SWG_FAILED,
                         "\"%.*s\" cannot be encoded: the tokenizer has no unknown "
                         "token",
                         (int)(length & 0xff), text);
    return swg_ids_push(out, spec->unk);
}

static swg_status encode(const void *data, swg_encoder *encoder, const char *text, size_t length)
{
    const unigram_model *model = data;
    swg_strbuf *memory = &encoder->word;
    const size_t needed = (length + 1) * sizeof(cut);
    SWG_TRY(swg_reserve((void **)&memory->text, &memory->capacity, needed, 1));
    cut *cuts = (cut *)(void *)memory->text;
    SWG_TRY(find_cuts(model, &encoder->work, text, length, cuts));
    /* Walk back, turning each start into a link to the end of its token, unknown neighbours joined.
     */
    int64_t end = (int64_t)length, next = -1;
    while (end > 0) {
        int64_t start = cuts[end].start;
        while (model->spec.unk >= 0 && cuts[end].id == model->spec.unk && start > 0 &&
               cuts[start].id == model->spec.unk)
            start = cuts[start].start;
        cuts[end].start = next;
        next = end;
        end = start;
    }
    size_t at = 0;
    for (; next > 0; next = cuts[next].start) {
        SWG_TRY(push_piece(&model->spec, encoder->out, text + at, (size_t)next - at));
        at = (size_t)next;
    }
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status read_scores(const swg_json *vocab, double *scores, double *least)
{
    size_t id = 0;
    *least = INFINITY;
    for (const swg_json *item = swg_json_first(vocab); item; item = swg_json_next(item), id++) {
        if (!swg_json_as_double(swg_json_at(item, 1), &scores[id]))
            return swg_error(SWG_CORRUPT, "tokenizer.json: vocabulary entry %zu has no score", id);
        *least = fmin(*least, scores[id]);
    }
    return SWG_OK;
}

swg_status swg_unigram_set(swg_tokenizer *tokenizer, const swg_unigram_spec *spec)
{
    unigram_model *model = swg_arena_calloc(&tokenizer->arena, 1, sizeof *model);
    if (!model)
        return SWG_NO_MEMORY;
    model->spec = *spec;
    SWG_TRY(swg_trie_init(&model->trie, &tokenizer->arena, &tokenizer->work, spec->words));
    tokenizer->model = encode;
    tokenizer->model_data = model;
    return SWG_OK;
}

swg_status swg_unigram_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    swg_arena *arena = &tokenizer->arena;
    const swg_json *vocab = swg_json_get(json, "vocab");
    swg_unigram_spec spec = {0};
    double least;
    int64_t unk = -1;
    if (!vocab || swg_json_kind_of(vocab) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "tokenizer.json: the Unigram model has no array \"vocab\"");
    swg_vocab *words = swg_arena_calloc(arena, 1, sizeof *words);
    if (!words)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_model_vocab(tokenizer, vocab, false, words));
    double *scores = swg_arena_calloc(arena, words->n_ids, sizeof *scores);
    if (!scores)
        return SWG_NO_MEMORY;
    SWG_TRY(read_scores(vocab, scores, &least));
    SWG_TRY(swg_component_bool(json, "byte_fallback", false, &spec.byte_fallback));
    if (swg_json_as_int(swg_json_get(json, "unk_id"), &unk) &&
        (unk < 0 || (uint64_t)unk >= words->n_ids))
        return swg_error(SWG_CORRUPT, "tokenizer.json: unk_id %lld is not below %zu",
                         (long long)unk, words->n_ids);
    spec.words = words;
    spec.scores = scores;
    spec.unk_score = least - swg_unigram_penalty;
    spec.unk = (int32_t)unk;
    swg_byte_tokens(words, spec.byte_tokens);
    return swg_unigram_set(tokenizer, &spec);
}
