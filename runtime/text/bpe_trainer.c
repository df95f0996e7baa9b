/* Training of a byte-level byte-pair encoding. See bpe_trainer.h.
 *
 * Only different pieces of the text are kept, each with its count. Every pair knows how often it
 * occurs and in which pieces; a heap gives the most frequent one. Merging it visits its pieces
 * alone: their old pairs are subtracted, their new ones added. Counts of old pairs only fall, so an
 * entry of the heap whose count is no longer true is put back with the true one. */
#include "runtime/text/bpe_trainer.h"

#include "runtime/base/hash.h"
#include "runtime/base/json_writer.h"
#include "runtime/text/tokenizer_parts.h"

enum { FIRST_BYTE = 1, N_BYTES = 256, FIRST_SLOTS = 1 << 12 };

static const char special[] = "<|endoftext|>";

/* --- Strings and their numbers ---------------------------------------------------------------- */

typedef struct string {
    size_t at;
    size_t length;
} string;

/* Different strings, numbered from 0 as they come. */
typedef struct string_set {
    swg_strbuf bytes;
    string *strings;
    size_t n, capacity;
    uint32_t *slots; /* number + 1, or 0 */
    size_t n_slots;  /* a power of two, at least twice n */
} string_set;

static void string_set_deinit(string_set *set)
{
    swg_strbuf_deinit(&set->bytes);
    swg_free(set->strings);
    swg_free(set->slots);
}

static const char *string_text(const string_set *set, size_t number)
{
    return set->bytes.text + set->strings[number].at;
}

/* The slot of the string, or the free one where it belongs. */
static uint32_t *string_slot(const string_set *set, const char *text, size_t length)
{
    size_t slot = swg_hash64(text, length) & (set->n_slots - 1);
    for (; set->slots[slot]; slot = (slot + 1) & (set->n_slots - 1)) {
        const size_t number = set->slots[slot] - 1;
        if (set->strings[number].length == length &&
            memcmp(string_text(set, number), text, length) == 0)
            break;
    }
    return &set->slots[slot];
}

static swg_status grow_strings(string_set *set)
{
    swg_free(set->slots);
    set->n_slots = set->n_slots ? 2 * set->n_slots : FIRST_SLOTS;
    SWG_TRY(SWG_NEW(set->slots, set->n_slots));
    for (size_t i = 0; i < set->n; i++)
        *string_slot(set, string_text(set, i), set->strings[i].length) = (uint32_t)i + 1;
    return SWG_OK;
}

/* *number = that of the string, which becomes the last if it is new. */
static swg_status string_number(string_set *set, const char *text, size_t length, size_t *number)
{
    if (2 * (set->n + 1) > set->n_slots)
        SWG_TRY(grow_strings(set));
    uint32_t *slot = string_slot(set, text, length);
    if (!*slot) {
        if (set->n >= UINT32_MAX - 1)
            return swg_error(SWG_LIMIT, "the text has more than 2^32 different pieces");
        SWG_TRY(
            swg_reserve((void **)&set->strings, &set->capacity, set->n + 1, sizeof *set->strings));
        set->strings[set->n] = (string){.at = set->bytes.length, .length = length};
        swg_strbuf_append(&set->bytes, text, length);
        SWG_TRY(swg_strbuf_status(&set->bytes));
        *slot = (uint32_t)++set->n;
    }
    *number = *slot - 1;
    return SWG_OK;
}

/* --- Pairs ------------------------------------------------------------------------------------ */

/* Two tokens side by side. */
typedef struct pair {
    int32_t left, right;
    int64_t count;
    uint32_t *words; /* pieces that have, or had, it; some twice */
    size_t n_words, capacity;
    size_t queued; /* the merge after which it was put on the heap last */
} pair;

typedef struct heap_entry {
    int64_t count;
    uint32_t pair;
} heap_entry;

/* A piece of the text as tokens. */
typedef struct word {
    size_t first; /* of trainer.tokens */
    size_t n;
    int64_t count;
} word;

struct swg_bpe_trainer {
    string_set pieces, vocabulary; /* the vocabulary's without the special token */
    int64_t *counts;               /* [counts_capacity] of the pieces */
    size_t counts_capacity;
    word *words; /* [pieces.n] */
    int32_t *tokens;
    pair *pairs;
    size_t n_pairs, pairs_capacity;
    uint32_t *slots; /* number of a pair + 1, or 0 */
    size_t n_slots;
    heap_entry *heap;
    size_t n_heap, heap_capacity;
    uint32_t *queue; /* pairs that go on the heap after a merge */
    size_t n_queue, queue_capacity;
    int32_t (*merges)[2]; /* in their order */
    size_t n_merges, merges_capacity;
    swg_strbuf joined;
};

static uint32_t *pair_slot(const swg_bpe_trainer *t, int32_t left, int32_t right)
{
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t slot = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (t->n_slots - 1);
    for (; t->slots[slot]; slot = (slot + 1) & (t->n_slots - 1)) {
        const pair *p = &t->pairs[t->slots[slot] - 1];
        if (p->left == left && p->right == right)
            break;
    }
    return &t->slots[slot];
}

static swg_status grow_pairs(swg_bpe_trainer *t)
{
    swg_free(t->slots);
    t->n_slots = t->n_slots ? 2 * t->n_slots : FIRST_SLOTS;
    SWG_TRY(SWG_NEW(t->slots, t->n_slots));
    for (size_t i = 0; i < t->n_pairs; i++)
        *pair_slot(t, t->pairs[i].left, t->pairs[i].right) = (uint32_t)i + 1;
    return SWG_OK;
}

/* The pair, which is made if it is new. */
static swg_status find_pair(swg_bpe_trainer *t, int32_t left, int32_t right, pair **out)
{
    if (2 * (t->n_pairs + 1) > t->n_slots)
        SWG_TRY(grow_pairs(t));
    uint32_t *slot = pair_slot(t, left, right);
    if (!*slot) {
        SWG_TRY(
            swg_reserve((void **)&t->pairs, &t->pairs_capacity, t->n_pairs + 1, sizeof *t->pairs));
        t->pairs[t->n_pairs] = (pair){.left = left, .right = right};
        *slot = (uint32_t)++t->n_pairs;
    }
    *out = &t->pairs[*slot - 1];
    return SWG_OK;
}

/* Whether a comes before b: the higher count, then the smaller tokens. */
static bool is_before(const swg_bpe_trainer *t, heap_entry a, heap_entry b)
{
    const pair *p = &t->pairs[a.pair], *q = &t->pairs[b.pair];
    if (a.count != b.count)
        return a.count > b.count;
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static swg_status push(swg_bpe_trainer *t, heap_entry entry)
{
    SWG_TRY(swg_reserve((void **)&t->heap, &t->heap_capacity, t->n_heap + 1, sizeof *t->heap));
    size_t at = t->n_heap++;
    for (; at > 0 && is_before(t, entry, t->heap[(at - 1) / 2]); at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = entry;
    return SWG_OK;
}

static heap_entry pop(swg_bpe_trainer *t)
{
    const heap_entry top = t->heap[0], last = t->heap[--t->n_heap];
    size_t at = 0;
    for (size_t child = 1; child < t->n_heap; child = 2 * at + 1) {
        child += child + 1 < t->n_heap && is_before(t, t->heap[child + 1], t->heap[child]);
        if (!is_before(t, t->heap[child], last))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = last;
    return top;
}

/* --- Merging ---------------------------------------------------------------------------------- */

/* Add the pairs of a word `sign` times its count; those with the token `made` (-1: all) note the
 * word and are put on the heap after this merge. */
static swg_status add_pairs(swg_bpe_trainer *t, size_t number, int sign, int32_t made)
{
    const word *w = &t->words[number];
    const int32_t *tokens = t->tokens + w->first;
    for (size_t i = 0; i + 1 < w->n; i++) {
        pair *p;
        SWG_TRY(find_pair(t, tokens[i], tokens[i + 1], &p));
        p->count += sign * w->count;
        if (sign < 0 || (made >= 0 && p->left != made && p->right != made))
            continue;
        if (p->n_words == 0 || p->words[p->n_words - 1] != number) {
            SWG_TRY(
                swg_reserve((void **)&p->words, &p->capacity, p->n_words + 1, sizeof *p->words));
            p->words[p->n_words++] = (uint32_t)number;
        }
        if (p->queued != t->n_merges + 1) {
            p->queued = t->n_merges + 1;
            SWG_TRY(swg_reserve((void **)&t->queue, &t->queue_capacity, t->n_queue + 1,
                                sizeof *t->queue));
            t->queue[t->n_queue++] = (uint32_t)(p - t->pairs);
        }
    }
    return SWG_OK;
}

static bool has_pair(const swg_bpe_trainer *t, const word *w, const int32_t merge[2])
{
    for (size_t i = 0; i + 1 < w->n; i++)
        if (t->tokens[w->first + i] == merge[0] && t->tokens[w->first + i + 1] == merge[1])
            return true;
    return false;
}

/* Replace the pair by the token, from the left. */
static void merge_word(const swg_bpe_trainer *t, word *w, const int32_t merge[2], int32_t token)
{
    int32_t *tokens = t->tokens + w->first;
    size_t n = 0;
    for (size_t i = 0; i < w->n; n++) {
        const bool is_pair = i + 1 < w->n && tokens[i] == merge[0] && tokens[i + 1] == merge[1];
        tokens[n] = is_pair ? token : tokens[i];
        i += is_pair ? 2 : 1;
    }
    w->n = n;
}

static swg_status push_queue(swg_bpe_trainer *t)
{
    for (size_t i = 0; i < t->n_queue; i++) {
        const heap_entry entry = {.count = t->pairs[t->queue[i]].count, .pair = t->queue[i]};
        if (entry.count > 0)
            SWG_TRY(push(t, entry));
    }
    t->n_queue = 0;
    return SWG_OK;
}

/* *token = the id of both tokens' bytes together: a new one, unless other tokens gave it before. */
static swg_status join(swg_bpe_trainer *t, const int32_t merge[2], int32_t *token)
{
    size_t number;
    t->joined.length = 0;
    for (size_t side = 0; side < 2; side++) {
        const size_t part = (size_t)merge[side] - FIRST_BYTE;
        swg_strbuf_append(&t->joined, string_text(&t->vocabulary, part),
                          t->vocabulary.strings[part].length);
    }
    SWG_TRY(swg_strbuf_status(&t->joined));
    SWG_TRY(string_number(&t->vocabulary, t->joined.text, t->joined.length, &number));
    *token = (int32_t)number + FIRST_BYTE;
    return SWG_OK;
}

/* Make the pair a token, everywhere. */
static swg_status merge_pair(swg_bpe_trainer *t, uint32_t which)
{
    const int32_t merge[2] = {t->pairs[which].left, t->pairs[which].right};
    uint32_t *words = t->pairs[which].words;
    const size_t n_words = t->pairs[which].n_words;
    int32_t token;
    swg_status status = SWG_OK;
    t->pairs[which].words = NULL;
    t->pairs[which].n_words = t->pairs[which].capacity = 0;
    SWG_GO(join(t, merge, &token));
    for (size_t i = 0; i < n_words; i++) {
        word *w = &t->words[words[i]];
        if (!has_pair(t, w, merge))
            continue;
        SWG_GO(add_pairs(t, words[i], -1, token));
        merge_word(t, w, merge, token);
        SWG_GO(add_pairs(t, words[i], 1, token));
    }
    SWG_GO(push_queue(t));
    SWG_GO(
        swg_reserve((void **)&t->merges, &t->merges_capacity, t->n_merges + 1, sizeof *t->merges));
    memcpy(t->merges[t->n_merges++], merge, sizeof merge);
done:
    swg_free(words);
    return status;
}

static swg_status merge_all(swg_bpe_trainer *t, size_t n_tokens, const swg_progress *progress)
{
    while (t->vocabulary.n + FIRST_BYTE < n_tokens && t->n_heap > 0) {
        heap_entry top = pop(t);
        const int64_t count = t->pairs[top.pair].count;
        if (count == top.count) {
            SWG_TRY(swg_progress_step(progress, "training the tokenizer", "tokens",
                                      t->vocabulary.n + FIRST_BYTE, n_tokens));
            SWG_TRY(merge_pair(t, top.pair));
        } else if (count > 0) {
            top.count = count;
            SWG_TRY(push(t, top));
        }
    }
    return SWG_OK;
}

/* --- Before and after ------------------------------------------------------------------------- */

/* Whether the byte's character in GPT-2's alphabet is its own. */
static bool is_printable(size_t byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
}

/* The bytes as tokens, in the order of their characters: those that stand for themselves first. */
static swg_status add_bytes(swg_bpe_trainer *t, int32_t ids[N_BYTES])
{
    for (int printable = 1; printable >= 0; printable--)
        for (size_t byte = 0; byte < N_BYTES; byte++) {
            const char text = (char)byte;
            size_t number;
            if (is_printable(byte) != (printable == 1))
                continue;
            SWG_TRY(string_number(&t->vocabulary, &text, 1, &number));
            ids[byte] = (int32_t)number + FIRST_BYTE;
        }
    return SWG_OK;
}

/* The pieces as tokens of a byte each, and their pairs. */
static swg_status make_words(swg_bpe_trainer *t)
{
    int32_t ids[N_BYTES];
    SWG_TRY(add_bytes(t, ids));
    SWG_TRY(SWG_NEW_UNINIT(t->words, t->pieces.n));
    SWG_TRY(SWG_NEW_UNINIT(t->tokens, t->pieces.bytes.length));
    for (size_t i = 0; i < t->pieces.bytes.length; i++)
        t->tokens[i] = ids[(uint8_t)t->pieces.bytes.text[i]];
    for (size_t i = 0; i < t->pieces.n; i++) {
        const string *s = &t->pieces.strings[i];
        t->words[i] = (word){.first = s->at, .n = s->length, .count = t->counts[i]};
        SWG_TRY(add_pairs(t, i, 1, -1));
    }
    return push_queue(t);
}

swg_status swg_bpe_trainer_add(swg_bpe_trainer *t, const char *text, size_t length)
{
    swg_pattern_end *piece_end = swg_pattern_find(swg_pattern_gpt2);
    for (size_t at = 0; at < length;) {
        const size_t end = piece_end(text, length, at), before = t->pieces.n;
        size_t number;
        SWG_TRY(string_number(&t->pieces, text + at, end - at, &number));
        SWG_TRY(
            swg_reserve((void **)&t->counts, &t->counts_capacity, t->pieces.n, sizeof *t->counts));
        if (number == before)
            t->counts[number] = 0;
        t->counts[number]++;
        at = end;
    }
    return SWG_OK;
}

static void write_byte_level(swg_json_writer *json, const char *key, bool trim_offsets)
{
    swg_json_begin_object(json, key);
    swg_json_string(json, "type", "ByteLevel");
    swg_json_bool(json, "add_prefix_space", false);
    swg_json_bool(json, "trim_offsets", trim_offsets);
    swg_json_bool(json, "use_regex", true);
    swg_json_end_object(json);
}

static void write_special(swg_json_writer *json)
{
    swg_json_begin_array(json, "added_tokens");
    swg_json_begin_object(json, NULL);
    swg_json_int(json, "id", 0);
    swg_json_string(json, "content", special);
    swg_json_bool(json, "single_word", false);
    swg_json_bool(json, "lstrip", false);
    swg_json_bool(json, "rstrip", false);
    swg_json_bool(json, "normalized", false);
    swg_json_bool(json, "special", true);
    swg_json_end_object(json);
    swg_json_end_array(json);
}

/* The token in GPT-2's alphabet, appended. */
static void spell(const swg_bpe_trainer *t, int32_t token, swg_strbuf *out)
{
    const size_t number = (size_t)token - FIRST_BYTE;
    swg_bytelevel_text(string_text(&t->vocabulary, number), t->vocabulary.strings[number].length,
                       out);
}

static swg_status write_model(swg_bpe_trainer *t, swg_json_writer *json)
{
    swg_strbuf *text = &t->joined;
    swg_json_begin_object(json, "model");
    swg_json_string(json, "type", "BPE");
    swg_json_null(json, "dropout");
    swg_json_null(json, "unk_token");
    swg_json_null(json, "continuing_subword_prefix");
    swg_json_null(json, "end_of_word_suffix");
    swg_json_bool(json, "fuse_unk", false);
    swg_json_bool(json, "byte_fallback", false);
    swg_json_bool(json, "ignore_merges", false);
    swg_json_begin_object(json, "vocab");
    swg_json_int(json, special, 0);
    for (size_t i = 0; i < t->vocabulary.n; i++) {
        text->length = 0;
        spell(t, (int32_t)i + FIRST_BYTE, text);
        SWG_TRY(swg_strbuf_status(text));
        swg_json_uint(json, text->text, i + FIRST_BYTE);
    }
    swg_json_end_object(json);
    swg_json_begin_array(json, "merges");
    for (size_t i = 0; i < t->n_merges; i++) {
        text->length = 0;
        spell(t, t->merges[i][0], text);
        swg_strbuf_puts(text, " ");
        spell(t, t->merges[i][1], text);
        SWG_TRY(swg_strbuf_status(text));
        swg_json_string_n(json, NULL, text->text, text->length);
    }
    swg_json_end_array(json);
    swg_json_end_object(json);
    return SWG_OK;
}

static swg_status write_tokenizer(swg_bpe_trainer *t, swg_strbuf *out)
{
    swg_json_writer json = {0};
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "version", "1.0");
    swg_json_null(&json, "truncation");
    swg_json_null(&json, "padding");
    write_special(&json);
    swg_json_null(&json, "normalizer");
    write_byte_level(&json, "pre_tokenizer", true);
    write_byte_level(&json, "post_processor", false);
    write_byte_level(&json, "decoder", true);
    swg_status status = write_model(t, &json);
    swg_json_end_object(&json);
    swg_strbuf_puts(&json.out, "\n");
    if (status == SWG_OK)
        status = swg_strbuf_status(&json.out);
    if (status == SWG_OK) {
        swg_strbuf_append(out, json.out.text, json.out.length);
        status = swg_strbuf_status(out);
    }
    swg_json_deinit(&json);
    return status;
}

swg_status swg_bpe_trainer_finish(swg_bpe_trainer *t, size_t n_tokens, const swg_progress *progress,
                                  swg_strbuf *json)
{
    if (n_tokens < SWG_BPE_LEAST_TOKENS || n_tokens > SWG_BPE_MOST_TOKENS)
        return swg_error(SWG_USAGE, "a vocabulary of %zu tokens; it can have %d to %d", n_tokens,
                         SWG_BPE_LEAST_TOKENS, SWG_BPE_MOST_TOKENS);
    SWG_TRY(make_words(t));
    SWG_TRY(merge_all(t, n_tokens, progress));
    return write_tokenizer(t, json);
}

swg_status swg_bpe_trainer_new(swg_bpe_trainer **out)
{
    return SWG_NEW(*out, 1);
}

void swg_bpe_trainer_free(swg_bpe_trainer **trainer)
{
    swg_bpe_trainer *t = *trainer;
    if (!t)
        return;
    string_set_deinit(&t->pieces);
    string_set_deinit(&t->vocabulary);
    for (size_t i = 0; i < t->n_pairs; i++)
        swg_free(t->pairs[i].words);
    swg_free(t->counts);
    swg_free(t->words);
    swg_free(t->tokens);
    swg_free(t->pairs);
    swg_free(t->slots);
    swg_free(t->heap);
    swg_free(t->queue);
    swg_free(t->merges);
    swg_strbuf_deinit(&t->joined);
    swg_free(t);
    *trainer = NULL;
}
