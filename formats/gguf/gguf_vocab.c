/* See gguf_vocab.h. Merges of a SentencePiece vocabulary are every way to cut a token into two
 * tokens, in order of (score, length of the left part, length of the right part) from the top: what
 * transformers' SentencePieceExtractor makes of it, so that byte-pair encoding gives the ids
 * SentencePiece gives. */
#include "formats/gguf/gguf_vocab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"

static swg_status beside_tokens(const char *path, const swg_gguf_header *header, const char *key,
                                swg_gguf_kind kind, size_t n, const uint8_t **out)
{
    const swg_gguf_value *value = swg_gguf_find(header, key);
    *out = NULL;
    if (!value)
        return SWG_OK;
    if (!swg_gguf_is_array(value, kind) || value->count != n)
        return swg_error(SWG_CORRUPT,
                         "%s: %s is not an array of %zu values of its type, one a token", path, key,
                         n);
    *out = value->data;
    return SWG_OK;
}

swg_status swg_gguf_vocab_init(const char *path, const swg_gguf_header *header, swg_gguf_vocab *out)
{
    const swg_gguf_value *tokens = swg_gguf_find(header, "tokenizer.ggml.tokens");
    *out = (swg_gguf_vocab){0};
    if (!swg_gguf_is_array(tokens, SWG_GGUF_STRING) || tokens->count > INT32_MAX)
        return swg_error(SWG_CORRUPT, "%s: tokenizer.ggml.tokens is not an array of strings", path);
    swg_gguf_vocab vocab = {.n = (size_t)tokens->count};
    swg_status status = SWG_OK;
    SWG_GO(beside_tokens(path, header, "tokenizer.ggml.token_type", SWG_GGUF_I32, vocab.n,
                         &vocab.types));
    SWG_GO(beside_tokens(path, header, "tokenizer.ggml.scores", SWG_GGUF_FLOAT32, vocab.n,
                         &vocab.scores));
    for (size_t i = 0; vocab.scores && i < vocab.n; i++)
        if (isnan(swg_gguf_vocab_score(&vocab, i)))
            SWG_GO(swg_error(SWG_CORRUPT, "%s: the score of token %zu is not a number", path, i));
    SWG_GO(SWG_NEW(vocab.tokens, vocab.n));
    for (size_t i = 0, at = 0; i < vocab.n; i++) {
        swg_gguf_next_text(tokens, &at, &vocab.tokens[i]);
        if (memchr(vocab.tokens[i].text, '\0', vocab.tokens[i].length))
            SWG_GO(swg_error(SWG_CORRUPT, "%s: token %zu holds a zero byte", path, i));
    }
    *out = vocab;
    vocab.tokens = NULL;
done:
    swg_free(vocab.tokens);
    return status;
}

void swg_gguf_vocab_deinit(swg_gguf_vocab *vocab)
{
    swg_free(vocab->tokens);
    *vocab = (swg_gguf_vocab){0};
}

int swg_gguf_vocab_type(const swg_gguf_vocab *vocab, size_t id)
{
    return vocab->types ? (int)(int32_t)swg_get_le(vocab->types + 4 * id, 4) : SWG_TOKEN_NORMAL;
}

float swg_gguf_vocab_score(const swg_gguf_vocab *vocab, size_t id)
{
    float score = 0;
    if (vocab->scores)
        memcpy(&score, vocab->scores + 4 * id, sizeof score);
    return score;
}

swg_status swg_gguf_vocab_special(const char *path, const swg_gguf_header *header,
                                  const swg_gguf_vocab *vocab, const char *name, int64_t *id)
{
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
    const swg_gguf_value *value = swg_gguf_find(header, key);
    *id = -1;
    if (!value)
        return SWG_OK;
    int64_t number;
    if (!swg_gguf_as_int(value, &number) || number < 0 || (uint64_t)number >= vocab->n)
        return swg_error(SWG_CORRUPT, "%s: %s is not the id of one of %zu tokens", path, key,
                         vocab->n);
    *id = number;
    return SWG_OK;
}

/* --- Merges ----------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b, void *context)
{
    const swg_gguf_vocab *vocab = context;
    const swg_gguf_text left = vocab->tokens[*(const uint32_t *)a];
    const swg_gguf_text right = vocab->tokens[*(const uint32_t *)b];
    const size_t shared = left.length < right.length ? left.length : right.length;
    const int order = memcmp(left.text, right.text, shared);
    return order ? order : (left.length > right.length) - (left.length < right.length);
}

/* The id of that text among ids sorted by text, or -1. */
static int64_t find_text(const swg_gguf_vocab *vocab, const uint32_t *sorted, const char *text,
                         size_t length)
{
    size_t low = 0, high = vocab->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const swg_gguf_text at = vocab->tokens[sorted[middle]];
        const size_t shared = at.length < length ? at.length : length;
        int order = memcmp(at.text, text, shared);
        order = order ? order : (at.length > length) - (at.length < length);
        if (order == 0)
            return sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static size_t characters(swg_gguf_text text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.length; i++)
        n += ((unsigned char)text.text[i] & 0xc0) != 0x80;
    return n;
}

static int compare_merges(const void *a, const void *b, void *context)
{
    const swg_gguf_vocab *vocab = context;
    const swg_gguf_merge *x = a, *y = b;
    const float score_x = swg_gguf_vocab_score(vocab, x->merged);
    const float score_y = swg_gguf_vocab_score(vocab, y->merged);
    if (score_x != score_y)
        return score_x > score_y ? -1 : 1;
    const size_t left_x = characters(vocab->tokens[x->left]);
    const size_t left_y = characters(vocab->tokens[y->left]);
    if (left_x != left_y)
        return left_x > left_y ? -1 : 1;
    const size_t right_x = characters(vocab->tokens[x->right]);
    const size_t right_y = characters(vocab->tokens[y->right]);
    if (right_x != right_y)
        return right_x > right_y ? -1 : 1;
    if (x->merged != y->merged)
        return x->merged < y->merged ? -1 : 1;
    return x->left != y->left ? (x->left < y->left ? -1 : 1) : 0;
}

static swg_status add_merges_of(const swg_gguf_vocab *vocab, const uint32_t *sorted, size_t id,
                                swg_gguf_merge **merges, size_t *capacity, size_t *n)
{
    const swg_gguf_text token = vocab->tokens[id];
    for (size_t cut = 1; cut < token.length; cut++) {
        if (((unsigned char)token.text[cut] & 0xc0) == 0x80)
            continue;
        const int64_t left = find_text(vocab, sorted, token.text, cut);
        if (left < 0)
            continue;
        const int64_t right = find_text(vocab, sorted, token.text + cut, token.length - cut);
        if (right < 0)
            continue;
        SWG_TRY(swg_reserve((void **)merges, capacity, *n + 1, sizeof **merges));
        (*merges)[(*n)++] = (swg_gguf_merge){(uint32_t)left, (uint32_t)right, (uint32_t)id};
    }
    return SWG_OK;
}

swg_status swg_gguf_vocab_merges(const swg_gguf_vocab *vocab, swg_gguf_merge **out, size_t *n)
{
    enum { MAX_TOKEN_BYTES = 4096 }; /* a crafted one would take its square */
    swg_status status = SWG_OK;
    uint32_t *sorted = NULL;
    swg_gguf_merge *merges = NULL;
    size_t capacity = 0, count = 0;
    SWG_GO(SWG_NEW(sorted, vocab->n));
    for (size_t i = 0; i < vocab->n; i++)
        sorted[i] = (uint32_t)i;
    qsort_r(sorted, vocab->n, sizeof *sorted, compare_ids, (void *)vocab);
    for (size_t i = 0; i < vocab->n; i++)
        if (swg_gguf_vocab_type(vocab, i) == SWG_TOKEN_NORMAL &&
            vocab->tokens[i].length <= MAX_TOKEN_BYTES)
            SWG_GO(add_merges_of(vocab, sorted, i, &merges, &capacity, &count));
    if (count)
        qsort_r(merges, count, sizeof *merges, compare_merges, (void *)vocab);
    *out = merges;
    *n = count;
    merges = NULL;
done:
    swg_free(sorted);
    swg_free(merges);
    return status;
}
