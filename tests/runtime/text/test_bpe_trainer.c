/* The trainer of byte-level tokenizers against a plain one that counts all pairs anew for every
 * merge, and its files as the tokenizer reads them. */
#include <stdio.h>
#include <string.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/text/bpe_trainer.h"
#include "runtime/text/tokenizer_parts.h"
#include "tests/harness.h"

enum { MAX_PIECES = 20000, MAX_PIECE = 64, MAX_MERGES = 2000 };

/* --- The plain reference ---------------------------------------------------------------------- */

typedef struct piece {
    int ids[MAX_PIECE];
    int n;
} piece;

typedef struct plain {
    piece *pieces; /* one per occurrence */
    size_t n_pieces;
    char token[MAX_MERGES + 257][2 * MAX_PIECE];
    int length[MAX_MERGES + 257];
    int n_tokens;
    int merges[MAX_MERGES][2];
    int n_merges;
    int *counts; /* [n_tokens][n_tokens] */
} plain;

static void plain_begin(plain *p, const char *text, size_t length)
{
    swg_pattern_end *end_of = swg_pattern_find(swg_pattern_gpt2);
    int id_of[256];
    p->n_tokens = 1;
    for (int pass = 0; pass < 2; pass++)
        for (int byte = 0; byte < 256; byte++) {
            const bool shifted = byte <= 32 || (byte >= 127 && byte <= 160) || byte == 173;
            if (shifted != (pass == 1))
                continue;
            id_of[byte] = p->n_tokens;
            p->token[p->n_tokens][0] = (char)byte;
            p->length[p->n_tokens++] = 1;
        }
    p->pieces = swg_calloc(MAX_PIECES, sizeof *p->pieces);
    p->counts = swg_calloc((MAX_MERGES + 257) * (size_t)(MAX_MERGES + 257), sizeof *p->counts);
    for (size_t at = 0; at < length;) {
        const size_t end = end_of(text, length, at);
        ck_assert(p->n_pieces < MAX_PIECES && end - at < MAX_PIECE);
        piece *to = &p->pieces[p->n_pieces++];
        for (; at < end; at++)
            to->ids[to->n++] = id_of[(unsigned char)text[at]];
    }
}

static int *plain_count(plain *p, int left, int right)
{
    return &p->counts[left * (MAX_MERGES + 257) + right];
}

static bool plain_choose(plain *p, int best[2])
{
    int most = 0;
    for (int i = 0; i < p->n_tokens; i++)
        memset(plain_count(p, i, 0), 0, (size_t)p->n_tokens * sizeof *p->counts);
    for (size_t i = 0; i < p->n_pieces; i++)
        for (int k = 0; k + 1 < p->pieces[i].n; k++)
            ++*plain_count(p, p->pieces[i].ids[k], p->pieces[i].ids[k + 1]);
    for (int i = 0; i < p->n_tokens; i++)
        for (int k = 0; k < p->n_tokens; k++)
            if (*plain_count(p, i, k) > most) {
                most = *plain_count(p, i, k);
                best[0] = i;
                best[1] = k;
            }
    return most > 0;
}

static int plain_token(plain *p, const int pair[2])
{
    char text[2 * MAX_PIECE];
    const int n = p->length[pair[0]] + p->length[pair[1]];
    memcpy(text, p->token[pair[0]], (size_t)p->length[pair[0]]);
    memcpy(text + p->length[pair[0]], p->token[pair[1]], (size_t)p->length[pair[1]]);
    for (int i = 1; i < p->n_tokens; i++)
        if (p->length[i] == n && memcmp(p->token[i], text, (size_t)n) == 0)
            return i;
    memcpy(p->token[p->n_tokens], text, (size_t)n);
    p->length[p->n_tokens] = n;
    return p->n_tokens++;
}

static void plain_train(plain *p, int n_tokens)
{
    int best[2];
    while (p->n_tokens < n_tokens && plain_choose(p, best)) {
        const int token = plain_token(p, best);
        memcpy(p->merges[p->n_merges++], best, sizeof best);
        for (size_t i = 0; i < p->n_pieces; i++) {
            piece *at = &p->pieces[i];
            int n = 0;
            for (int k = 0; k < at->n; n++) {
                const bool is_pair =
                    k + 1 < at->n && at->ids[k] == best[0] && at->ids[k + 1] == best[1];
                at->ids[n] = is_pair ? token : at->ids[k];
                k += is_pair ? 2 : 1;
            }
            at->n = n;
        }
    }
}

static void plain_free(plain *p)
{
    swg_free(p->pieces);
    swg_free(p->counts);
    swg_free(p);
}

/* --- Against it ------------------------------------------------------------------------------- */

static swg_status train(const char *text, size_t length, size_t n_tokens, swg_strbuf *json)
{
    swg_bpe_trainer *trainer = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_bpe_trainer_new(&trainer));
    SWG_GO(swg_bpe_trainer_add(trainer, text, length));
    SWG_GO(swg_bpe_trainer_finish(trainer, n_tokens, NULL, json));
done:
    swg_bpe_trainer_free(&trainer);
    return status;
}

static void compare(const char *text, size_t length, size_t n_tokens)
{
    plain *p = swg_calloc(1, sizeof *p);
    swg_strbuf json = {0}, merges = {0};
    plain_begin(p, text, length);
    plain_train(p, (int)n_tokens);
    ck_ok(train(text, length, n_tokens, &json));
    for (int i = 0; i < p->n_merges; i++) {
        swg_strbuf_puts(&merges, i ? "\n      \"" : "\"");
        for (int side = 0; side < 2; side++) {
            swg_strbuf pair = {0};
            const int id = p->merges[i][side];
            swg_bytelevel_text(p->token[id], (size_t)p->length[id], &pair);
            for (size_t k = 0; k < pair.length; k++)
                swg_strbuf_printf(&merges, strchr("\"\\", pair.text[k]) ? "\\%c" : "%c",
                                  pair.text[k]);
            swg_strbuf_puts(&merges, side ? "\"" : " ");
            swg_strbuf_deinit(&pair);
        }
        swg_strbuf_puts(&merges, i + 1 < p->n_merges ? "," : "");
    }
    const char *found = strstr(json.text, "\"merges\": [");
    ck_assert_ptr_nonnull(found);
    found = strchr(found, '[') + 1 + strspn(strchr(found, '[') + 1, "\n ");
    ck_assert_msg(strncmp(found, swg_strbuf_text(&merges), merges.length) == 0,
                  "%d merges: %.300s\nnot: %.300s", p->n_merges, found, merges.text);
    ck_assert_int_ne(found[merges.length], ',');

    /* Our own tokenizer reads the file and gives the same tokens. */
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    const swg_file_view file = {"tokenizer.json", json.text, json.length};
    ck_ok(swg_tokenizer_from_files(&file, 1, NULL, &tokenizer));
    ck_ok(swg_tokenizer_encode(tokenizer, text, length, NULL, &ids));
    ck_assert_uint_eq(swg_tokenizer_vocab_size(tokenizer), (size_t)p->n_tokens);
    size_t at = 0;
    for (size_t i = 0; i < p->n_pieces; i++)
        for (int k = 0; k < p->pieces[i].n; k++)
            ck_assert_int_eq(ids.data[at++], p->pieces[i].ids[k]);
    ck_assert_uint_eq(at, ids.count);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
    swg_strbuf_deinit(&json);
    swg_strbuf_deinit(&merges);
    plain_free(p);
}

START_TEST(stories_give_the_merges_of_a_plain_trainer)
{
    enum { BYTES = 24000 };
    size_t length;
    uint8_t *text = swg_test_read_file("examples/tiny-tales/eval.txt", &length);
    ck_assert_uint_ge(length, BYTES);
    compare((const char *)text, BYTES, 700);
    swg_free(text);
}
END_TEST

/* Few letters give long runs of equal pairs, ties, and tokens that two merges make. */
START_TEST(random_letters_give_the_merges_of_a_plain_trainer)
{
    enum { BYTES = 3000 };
    char text[BYTES];
    for (uint64_t seed = 0; seed < 8; seed++) {
        static const char *const letters[] = {"ab  ", "aaab ", "abc. 1\n", "th'se e"};
        const char *from = letters[seed % 4];
        swg_rng rng = swg_rng_seeded(swg_test_seed() + seed);
        for (size_t i = 0; i < BYTES; i++)
            text[i] = i % 23 == 22 ? ' ' : from[swg_rng_next(&rng) % strlen(from)];
        compare(text, BYTES, 400);
    }
}
END_TEST

START_TEST(a_short_text_gives_what_it_has)
{
    swg_strbuf json = {0};
    ck_ok(train("aaaa", 4, 300, &json));
    ck_assert_ptr_nonnull(strstr(json.text, "\"merges\": [\n      \"a a\",\n      \"aa aa\"\n"));
    json.length = 0;
    ck_ok(train("", 0, 300, &json));
    ck_assert_ptr_nonnull(strstr(json.text, "\"merges\": []"));
    ck_status_is(SWG_USAGE, train("", 0, 256, &json));
    swg_strbuf_deinit(&json);
}
END_TEST

static swg_status train_some(void *context)
{
    swg_strbuf json = {0};
    const swg_status status = train("the thin theme, then the thesis", 31, 270, &json);
    (void)context;
    swg_strbuf_deinit(&json);
    return status;
}

START_TEST(allocations_may_fail)
{
    swg_test_each_allocation_fails(train_some, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("bpe_trainer");
    TCase *tc = tcase_create("bpe_trainer");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, stories_give_the_merges_of_a_plain_trainer);
    tcase_add_test(tc, random_letters_give_the_merges_of_a_plain_trainer);
    tcase_add_test(tc, a_short_text_gives_what_it_has);
    tcase_add_test(tc, allocations_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
