/* Budgets of work: every kind of component that can make a text longer, or pass over it again and
 * again, is stopped with SWG_LIMIT after a counted amount of work and within bounded memory; real
 * texts are not; and an interruption ends any of them. */
#include "runtime/base/progress.h"
#include "tests/runtime/text/text_fixtures.h"

/* What every attack must fit in, much less than it would take. */
enum { MEMORY = 64 << 20 };

/* Append `n` times a text, of which "#" is the running number. */
static void repeat(swg_strbuf *out, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        for (const char *at = text; *at; at++) {
            if (*at == '#')
                swg_strbuf_printf(out, "%zu", i);
            else
                swg_strbuf_append(out, at, 1);
        }
}

/* A tokenizer.json: head, a unit again and again, tail. */
typedef struct attack {
    const char *name, *head, *unit, *tail;
    size_t n_units;
    const char *text; /* again and again, too: what is encoded */
    size_t n_texts;
    swg_status wanted;
} attack;

static swg_status build(const attack *a, swg_tokenizer **out)
{
    swg_strbuf file = {0};
    swg_strbuf_puts(&file, a->head);
    repeat(&file, a->n_units, a->unit);
    swg_strbuf_puts(&file, a->tail);
    ck_ok(swg_strbuf_status(&file));
    const swg_status status = tokenizer_from("tokenizer.json", file.text, file.length, out);
    swg_strbuf_deinit(&file);
    return status;
}

static swg_status encode(const attack *a, const swg_tokenizer *tokenizer)
{
    swg_ids ids = {0};
    swg_strbuf text = {0};
    repeat(&text, a->n_texts, a->text);
    ck_ok(swg_strbuf_status(&text));
    const swg_status status = swg_tokenizer_encode(tokenizer, text.text, text.length, NULL, &ids);
    swg_strbuf_deinit(&text);
    swg_ids_deinit(&ids);
    return status;
}

static void check_attack(const attack *a)
{
    swg_tokenizer *tokenizer = NULL;
    swg_mem_set_limit(swg_mem_in_use() + MEMORY);
    swg_status status = build(a, &tokenizer);
    if (status == SWG_OK)
        status = encode(a, tokenizer);
    swg_mem_set_limit(0);
    ck_assert_msg(status == a->wanted, "%s: status %d, not %d: %s", a->name, (int)status,
                  (int)a->wanted, swg_error_message());
    if (status != SWG_OK)
        ck_assert_msg(strstr(swg_error_message(), "tokenizer.json") != NULL, "%s: \"%s\"", a->name,
                      swg_error_message());
    swg_tokenizer_free(&tokenizer);
}

#define MODEL(more)                                                                                \
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]" more "}}"
#define NORMALIZERS "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
#define REPLACE(from, to)                                                                          \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"},\"content\":\"" to "\"},"
#define LOWERCASE "{\"type\":\"Lowercase\"}]},"
#define SPLIT(pattern)                                                                             \
    "{\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":"     \
    "\"" pattern "\"}},"
#define A20 "aaaaaaaaaaaaaaaaaaaa"

static const attack attacks[] = {
    {"replacements that feed each other", NORMALIZERS, REPLACE("a", A20), LOWERCASE MODEL(""), 30,
     "a", 1, SWG_LIMIT},
    {"a few replacements of a short text", NORMALIZERS, REPLACE("a", A20), LOWERCASE MODEL(""), 4,
     "a", 1, SWG_OK},
    {"a replacement at every place",
     NORMALIZERS "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"", "a",
     "\"}," LOWERCASE MODEL(""), 1000000, "a", 200, SWG_LIMIT},
    {"a long prefix of every part",
     "{\"added_tokens\":[{\"id\":2,\"content\":\"|\",\"special\":true}],"
     "\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"",
     "a", "\"}," MODEL(""), 900000, "a|", 10000, SWG_LIMIT},
    {"replacements in an added token",
     "{\"added_tokens\":[{\"id\":2,\"content\":\"a\",\"normalized\":true}],\"normalizer\":{"
     "\"type\":"
     "\"Sequence\",\"normalizers\":[",
     REPLACE("a", A20), LOWERCASE MODEL(""), 30, "a", 1, SWG_LIMIT},
    {"an added token that nearly starts everywhere", "{\"added_tokens\":[{\"id\":2,\"content\":\"",
     "a", "b\",\"special\":true}]," MODEL(""), 200000, "a", 200000, SWG_LIMIT},
    {"an added token that takes the spaces around it",
     "{\"added_tokens\":[{\"id\":2,\"content\":\" \",\"special\":true,\"lstrip\":true,"
     "\"rstrip\":true}],",
     "", MODEL(""), 0, " ", 200000, SWG_LIMIT},
    {"a pattern that looks ahead from every place", SPLIT("[^9]{0,60000}[89]"), "", MODEL(""), 0,
     "a", 100000, SWG_LIMIT},
    {"one that tracks back", SPLIT("\\\\p{L}{0,65535}\\\\p{N}"), "", MODEL(""), 0, "a", 100000,
     SWG_LIMIT},
    {"one that nests", SPLIT("(?:[^9]{0,60000}[89]|.)*[xy]"), "", MODEL(""), 0, "ab", 50000,
     SWG_LIMIT},
    {"a pattern with little to do", SPLIT("\\\\p{L}{0,65535}\\\\p{N}"), "", MODEL(""), 0, "ab1 ",
     50000, SWG_OK},
    {"a long prefix of characters",
     "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[],"
     "\"continuing_subword_prefix\":\"",
     "a", "\"}}", 100000, "ab", 100000, SWG_LIMIT},
    {"a unigram piece for every length",
     "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[",
     "[\"" A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20 A20
     "#\",-1],",
     "[\"a\",-1]]}}", 10, "a", 200000, SWG_LIMIT},
    {"a unigram piece beyond all measure",
     "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"", "a", "\",-1]]}}", 1000000, "a",
     1, SWG_LIMIT},
    {"words of thousands of characters",
     "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"continuing_subword_prefix\":\"\","
     "\"max_input_chars_per_word\":10000,\"vocab\":{\"a\":0,\"b\":1}}}",
     "", "", 0, "ab", 4000, SWG_LIMIT},
    {"marks in the wrong order", "{\"normalizer\":{\"type\":\"NFC\"}," MODEL(""), "", "", 0,
     "\xcc\x81\xcc\x96", 50000, SWG_OK},
};

START_TEST(ends_every_attack)
{
    check_attack(&attacks[_i]);
}
END_TEST

/* --- Decoding --------------------------------------------------------------------------------- */

START_TEST(ends_replacements_of_decoders)
{
    const attack a = {.head = "{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[",
                      .unit = REPLACE("a", A20),
                      .n_units = 30,
                      .tail = "{\"type\":\"Fuse\"}]}," MODEL("")};
    swg_tokenizer *tokenizer = NULL;
    swg_strbuf text = {0};
    ck_ok(build(&a, &tokenizer));
    swg_mem_set_limit(swg_mem_in_use() + MEMORY);
    ck_status_is(SWG_LIMIT, swg_tokenizer_decode(tokenizer, (int32_t[]){1, 0}, 2, NULL, &text));
    swg_mem_set_limit(0);
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "tokenizer.json makes a text longer than"));
    swg_strbuf_deinit(&text);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* Each token alone stays small, all of them together do not. */
START_TEST(ends_texts_that_grow_token_by_token)
{
    const attack a = {.head = "{\"decoder\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},"
                              "\"content\":\"",
                      .unit = "a",
                      .n_units = 100000,
                      .tail = "\"}," MODEL("")};
    int32_t ids[1000] = {0};
    swg_tokenizer *tokenizer = NULL;
    swg_strbuf text = {0};
    ck_ok(build(&a, &tokenizer));
    ck_status_is(SWG_LIMIT, swg_tokenizer_decode(tokenizer, ids, 1000, NULL, &text));
    ck_assert_uint_lt(text.length, MEMORY);
    swg_strbuf_deinit(&text);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* A stream of any length may go on for ever. */
START_TEST(lets_long_streams_go_on)
{
    const attack a = {.head = "{\"decoder\":{\"type\":\"WordPiece\"},", .tail = MODEL("")};
    enum { TOKENS = 1000000 };
    swg_tokenizer *tokenizer = NULL;
    swg_decoder *decoder = NULL;
    swg_strbuf text = {0};
    ck_ok(build(&a, &tokenizer));
    ck_ok(swg_decoder_new(tokenizer, NULL, &decoder));
    for (size_t i = 0; i < TOKENS; i++) {
        ck_ok(swg_decoder_feed(decoder, (int32_t)(i % 2), &text));
        text.length = 0;
    }
    swg_strbuf_deinit(&text);
    swg_decoder_free(&decoder);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* --- Interruption ----------------------------------------------------------------------------- */

/* Last of all: an interruption stays. */
START_TEST(ends_when_interrupted)
{
    swg_tokenizer *tokenizer = NULL;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        const attack *a = &attacks[i];
        if (strstr(a->head, "WordPiece") || a->n_texts < 1000 || build(a, &tokenizer) != SWG_OK)
            continue;
        swg_interrupt();
        const swg_status status = encode(a, tokenizer);
        ck_assert_msg(status == SWG_INTERRUPTED, "%s: status %d: %s", a->name, (int)status,
                      swg_error_message());
        swg_tokenizer_free(&tokenizer);
        return;
    }
    ck_abort_msg("no attack to interrupt");
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("work");
    TCase *cases = tcase_create("all");
    tcase_add_loop_test(cases, ends_every_attack, 0, sizeof attacks / sizeof *attacks);
    tcase_add_test(cases, ends_replacements_of_decoders);
    tcase_add_test(cases, ends_texts_that_grow_token_by_token);
    tcase_add_test(cases, lets_long_streams_go_on);
    tcase_add_test(cases, ends_when_interrupted);
    suite_add_tcase(suite, cases);
    return suite;
}
