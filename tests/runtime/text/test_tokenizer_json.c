/* tokenizer.json and vocab.json + merges.txt: every supported component against what Hugging Face's
 * library gives (vectors.json, made by make-vectors), whole texts, public vectors, hostile files.
 */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/thread.h"
#include "tests/runtime/text/text_fixtures.h"

/* A file from its parts: the members of the tokenizer and of its model. */
static swg_strbuf join_file(const char *parts, const char *model, const char *options)
{
    swg_strbuf file = {0};
    swg_strbuf_printf(&file, "{\"version\":\"1.0\",%s%s\"model\":{%s%s%s}}", parts,
                      *parts ? "," : "", model, *options ? "," : "", options);
    ck_ok(swg_strbuf_status(&file));
    return file;
}

static swg_status tokenizer_of(const char *parts, const char *model, swg_tokenizer **out)
{
    swg_strbuf file = join_file(parts, model, "");
    const swg_status status = tokenizer_from("tokenizer.json", file.text, file.length, out);
    swg_strbuf_deinit(&file);
    return status;
}

/* --- Against Hugging Face's library ----------------------------------------------------------- */

static const char *text_of(const swg_json *json, const char *key)
{
    const char *text = NULL;
    ck_assert_msg(swg_json_as_string(swg_json_get(json, key), &text), "%s is missing", key);
    return text;
}

static void check_case(const swg_tokenizer *tokenizer, const char *name, const swg_json *item)
{
    const char *text = NULL, *decoded = NULL;
    swg_ids wanted = ids_of_json(swg_json_at(item, 1)), ids = {0};
    swg_strbuf back = {0};
    ck_assert(swg_json_as_string(swg_json_at(item, 0), &text));
    ck_assert(swg_json_as_string(swg_json_at(item, 2), &decoded));
    char what[200];
    snprintf(what, sizeof what, "%s: \"%s\"", name, text);
    ck_ok(swg_tokenizer_encode(tokenizer, text, strlen(text), NULL, &ids));
    check_ids(what, &ids, wanted.data, wanted.count);
    ck_ok(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &back));
    /* The library shows bytes that are not UTF-8 as U+FFFD; we keep them. */
    if (!strstr(decoded, "\xef\xbf\xbd"))
        ck_assert_msg(strcmp(swg_strbuf_text(&back), decoded) == 0,
                      "%s decodes to \"%s\", not \"%s\"", what, swg_strbuf_text(&back), decoded);
    swg_strbuf_deinit(&back);
    swg_ids_deinit(&ids);
    swg_ids_deinit(&wanted);
}

START_TEST(agrees_with_the_library)
{
    swg_json_doc *doc = json_at("tests/runtime/text/vectors.json");
    const swg_json *root = swg_json_root(doc), *all = swg_json_get(root, "configurations");
    size_t n_cases = 0;
    for (const swg_json *c = swg_json_first(all); c; c = swg_json_next(c)) {
        const char *name = text_of(c, "name");
        swg_strbuf file = join_file(text_of(c, "parts"),
                                    text_of(swg_json_get(root, "models"), text_of(c, "model")),
                                    text_of(c, "options"));
        swg_tokenizer *tokenizer = NULL;
        const swg_status status =
            tokenizer_from("tokenizer.json", file.text, file.length, &tokenizer);
        ck_assert_msg(status == SWG_OK, "%s: %s", name, swg_error_message());
        const swg_json *cases = swg_json_get(c, "cases");
        for (const swg_json *item = swg_json_first(cases); item; item = swg_json_next(item)) {
            check_case(tokenizer, name, item);
            n_cases++;
        }
        swg_tokenizer_free(&tokenizer);
        swg_strbuf_deinit(&file);
    }
    ck_assert_uint_ge(n_cases, 600);
    swg_json_free(&doc);
}
END_TEST

/* --- Small files made here -------------------------------------------------------------------- */

#define SMALL_PARTS                                                                                \
    "\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true,\"normalized\":false,"       \
    "\"lstrip\":false,\"rstrip\":false,\"single_word\":false},"                                    \
    "{\"id\":10,\"content\":\"b<\",\"special\":false,\"normalized\":true}],"                       \
    "\"normalizer\":{\"type\":\"Lowercase\"},"                                                     \
    "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s\"},"                     \
    "\"behavior\":\"MergedWithNext\",\"invert\":false},"                                           \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"   \
    "\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"                        \
    "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[9],\"tokens\":[\"<s>\"]}}},"             \
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},"                \
    "{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"
#define SMALL_MODEL                                                                                \
    "\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,\"byte_fallback\":true,"               \
    "\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"ab\":3,\" \":4,\" ab\":5,\"<0xC3>\":6,\"<0xA9>\":7,"     \
    "\"aba\":8},\"merges\":[\"a b\",[\"ab\",\"a\"],[\" \",\"ab\"]]"

START_TEST(reads_a_small_file)
{
    swg_tokenizer *tokenizer = NULL;
    ck_ok(tokenizer_of(SMALL_PARTS, SMALL_MODEL, &tokenizer));
    check_encoding(tokenizer, "AB aba abb<<s>\xc3\xa9zz", 18, NULL,
                   (int32_t[]){9, 3, 4, 8, 5, 10, 9, 6, 7, 0}, 10);
    ck_assert_int_eq(swg_tokenizer_bos(tokenizer), 9);
    ck_assert_int_eq(swg_tokenizer_eos(tokenizer), -1);
    ck_assert(swg_tokenizer_adds_bos(tokenizer));
    ck_assert_uint_eq(swg_tokenizer_vocab_size(tokenizer), 11);
    const swg_encode_options plain = {.add_special = false, .parse_special = false};
    check_encoding(tokenizer, "<s>", 3, &plain, (int32_t[]){0}, 1);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(holds_back_unfinished_characters)
{
    swg_tokenizer *tokenizer = NULL;
    swg_decoder *decoder = NULL;
    swg_strbuf out = {0};
    ck_ok(tokenizer_of(SMALL_PARTS, SMALL_MODEL, &tokenizer));
    ck_ok(swg_decoder_new(tokenizer, NULL, &decoder));
    static const int32_t ids[] = {9, 4, 4, 6, 7, 6, 1};
    static const size_t lengths[] = {0, 0, 1, 1, 3, 3, 5}; /* a byte that leads nowhere comes out */
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        ck_ok(swg_decoder_feed(decoder, ids[i], &out));
        ck_assert_uint_eq(out.length, lengths[i]);
    }
    ck_assert_str_eq(out.text, " \xc3\xa9\xc3"
                               "a");
    ck_ok(swg_decoder_finish(decoder, &out));
    const swg_decode_options all = {.skip_special = false};
    out.length = 0;
    ck_ok(swg_tokenizer_decode(tokenizer, ids, 2, &all, &out));
    ck_assert_str_eq(out.text, "<s> ");
    swg_strbuf_deinit(&out);
    swg_decoder_free(&decoder);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

START_TEST(takes_bos_and_eos_from_the_settings)
{
    swg_strbuf file = join_file(SMALL_PARTS, SMALL_MODEL, "");
    swg_file_view views[2] = {{"tokenizer.json", file.text, file.length}};
    swg_tokenizer *tokenizer = NULL;
    static const struct {
        const char *settings, *config;
        int32_t bos, eos;
        bool adds_bos;
    } cases[] = {
        {"{}", "{\"bos_token_id\":1,\"eos_token_id\":[2,3]}", 1, 2, false},
        {"{\"add_bos_token\":false,\"bos_token\":\"<s>\"}", "{}", 9, -1, false},
        {"{\"add_bos_token\":true,\"bos_token\":{\"content\":\"a\"},\"eos_token\":\"b\"}", "{}", 1,
         2, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        views[1] =
            (swg_file_view){"tokenizer_config.json", cases[i].settings, strlen(cases[i].settings)};
        ck_ok(swg_tokenizer_from_files(views, 2, cases[i].config, &tokenizer));
        ck_assert_int_eq(swg_tokenizer_bos(tokenizer), cases[i].bos);
        ck_assert_int_eq(swg_tokenizer_eos(tokenizer), cases[i].eos);
        ck_assert(swg_tokenizer_adds_bos(tokenizer) == cases[i].adds_bos);
        ck_assert(i != 0 || swg_tokenizer_is_end(tokenizer, 3));
        swg_tokenizer_free(&tokenizer);
    }
    views[1] = (swg_file_view){"tokenizer_config.json", "{\"bos_token\":\"nope\"}", 20};
    ck_status_is(SWG_CORRUPT, swg_tokenizer_from_files(views, 2, NULL, &tokenizer));
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(names_what_it_does_not_support)
{
    static const struct {
        const char *parts, *model, *said;
    } cases[] = {
        {"\"normalizer\":{\"type\":\"Foo\"}", SMALL_MODEL, "normalizer of type \"Foo\""},
        {"\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}", SMALL_MODEL,
         "pre_tokenizer of type \"UnicodeScripts\""},
        {"\"decoder\":{\"type\":\"CTC\"}", SMALL_MODEL, "decoder of type \"CTC\""},
        {"\"post_processor\":{\"type\":\"X\"}", SMALL_MODEL, "post_processor of type \"X\""},
        {"\"normalizer\":null", "\"type\":\"Magic\",\"vocab\":{\"a\":0}",
         "model of type \"Magic\""},
        {"\"normalizer\":null", SMALL_MODEL ",\"dropout\":0.5", "dropout"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},\"behavior\":"
         "\"Isolated\"}",
         SMALL_MODEL, "&&"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},\"behavior\":"
         "\"Isolated\"}",
         SMALL_MODEL, "(a"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?m)a\"},\"behavior\":"
         "\"Isolated\"}",
         SMALL_MODEL, "group"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\h\"},\"behavior\":"
         "\"Isolated\"}",
         SMALL_MODEL, "escape"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a{1,2}+\"},\"behavior\":"
         "\"Isolated\"}",
         SMALL_MODEL, "possessive"},
        {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":"
         "\"Odd\"}",
         SMALL_MODEL, "Odd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_tokenizer *tokenizer = NULL;
        ck_status_is(SWG_UNSUPPORTED, tokenizer_of(cases[i].parts, cases[i].model, &tokenizer));
        ck_assert_msg(strstr(swg_error_message(), cases[i].said), "\"%s\" does not say %s",
                      swg_error_message(), cases[i].said);
    }
}
END_TEST

START_TEST(refuses_what_contradicts_itself)
{
    static const struct {
        const char *parts, *model;
    } cases[] = {
        {"\"normalizer\":7", SMALL_MODEL},
        {"\"normalizer\":{}", SMALL_MODEL},
        {"\"normalizer\":{\"type\":\"Sequence\"}", SMALL_MODEL},
        {"\"normalizer\":{\"type\":\"Prepend\"}", SMALL_MODEL},
        {"\"added_tokens\":7", SMALL_MODEL},
        {"\"added_tokens\":[{\"id\":1,\"content\":\"zz\"}]", SMALL_MODEL},
        {"\"added_tokens\":[{\"id\":-1,\"content\":\"zz\"}]", SMALL_MODEL},
        {"\"added_tokens\":[{\"id\":2000000000,\"content\":\"zz\"}]", SMALL_MODEL},
        {"\"added_tokens\":[{\"content\":\"zz\"}]", SMALL_MODEL},
        {"\"added_tokens\":[{\"id\":20,\"content\":\"zz\",\"special\":1}]", SMALL_MODEL},
        {"\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",1],\"sep\":[\"z\",99]}",
         SMALL_MODEL},
        {"\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{"
         "\"id\":"
         "\"q\"}}],\"special_tokens\":{}}",
         SMALL_MODEL},
        {"\"normalizer\":null", "\"type\":\"BPE\""},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":1.5},\"merges\":[]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":900000},\"merges\":[]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"aa\"]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[3]"},
        {"\"normalizer\":null", "\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":"
                                "\"u\""},
        {"\"normalizer\":null", "\"type\":\"WordPiece\",\"vocab\":{\"a\":0}"},
        {"\"normalizer\":null", "\"type\":\"Unigram\",\"vocab\":[[\"a\"]]"},
        {"\"normalizer\":null", "\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swg_tokenizer *tokenizer = NULL;
        const swg_status status = tokenizer_of(cases[i].parts, cases[i].model, &tokenizer);
        ck_assert_msg(status == SWG_CORRUPT || (status == SWG_UNSUPPORTED && i == 11),
                      "case %zu: status %d: %s", i, (int)status, swg_error_message());
        ck_assert_str_ne(swg_error_message(), "");
    }
}
END_TEST

/* --- Hostile files and texts ------------------------------------------------------------------ */

START_TEST(refuses_every_truncation)
{
    swg_strbuf file = join_file(SMALL_PARTS, SMALL_MODEL, "");
    for (size_t length = 0; length < file.length; length++) {
        char *exact = swg_malloc(length, 1);
        memcpy(exact, file.text, length);
        swg_tokenizer *tokenizer = NULL;
        ck_status_is(SWG_CORRUPT, tokenizer_from("tokenizer.json", exact, length, &tokenizer));
        swg_free(exact);
    }
    swg_strbuf_deinit(&file);
}
END_TEST

START_TEST(survives_every_flipped_byte)
{
    swg_strbuf file = join_file(SMALL_PARTS, SMALL_MODEL, "");
    for (size_t i = 0; i < file.length; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            file.text[i] ^= (char)(1u << bit);
            swg_tokenizer *tokenizer = NULL;
            swg_ids ids = {0};
            const swg_status status =
                tokenizer_from("tokenizer.json", file.text, file.length, &tokenizer);
            ck_assert_msg(status == SWG_OK || status == SWG_CORRUPT || status == SWG_UNSUPPORTED,
                          "byte %zu bit %u: status %d", i, bit, (int)status);
            if (tokenizer) {
                ck_ok(swg_tokenizer_encode(tokenizer, "ab <s>abA\xc3\xa9 b<", 14, NULL, &ids));
                swg_strbuf text = {0};
                ck_ok(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &text));
                swg_strbuf_deinit(&text);
            }
            swg_ids_deinit(&ids);
            swg_tokenizer_free(&tokenizer);
            file.text[i] ^= (char)(1u << bit);
        }
    swg_strbuf_deinit(&file);
}
END_TEST

/* vocab.json and merges.txt, the latter cut at every length: a truncated line is refused, and
 * without the missing lines it merges less. */
START_TEST(reads_vocab_and_merges)
{
    static const char vocab[] = "{\"a\":0,\"b\":1,\"\xc4\xa0\":2,\"ab\":3,\"\xc4\xa0"
                                "ab\":4,"
                                "\"<|endoftext|>\":5}";
    static const char merges[] = "#version: 0.2\na b\r\n\xc4\xa0 ab\n";
    swg_file_view files[2] = {{"vocab.json", vocab, sizeof vocab - 1},
                              {"merges.txt", merges, sizeof merges - 1}};
    swg_tokenizer *tokenizer = NULL;
    ck_ok(swg_tokenizer_from_files(files, 2, NULL, &tokenizer));
    check_encoding(tokenizer, "ab ab a<|endoftext|>", 20, NULL, (int32_t[]){3, 4, 2, 0, 5}, 5);
    ck_assert_int_eq(swg_tokenizer_eos(tokenizer), 5);
    ck_assert(!swg_tokenizer_adds_bos(tokenizer));
    check_round_trip(tokenizer, "ab ab", 5);
    swg_tokenizer_free(&tokenizer);
    for (size_t length = 0; length < sizeof merges - 1; length++) {
        char *exact = swg_malloc(length, 1);
        memcpy(exact, merges, length);
        files[1] = (swg_file_view){"merges.txt", exact, length};
        const swg_status status = swg_tokenizer_from_files(files, 2, NULL, &tokenizer);
        ck_assert(status == SWG_OK || status == SWG_CORRUPT);
        swg_tokenizer_free(&tokenizer);
        swg_free(exact);
    }
    files[1] = (swg_file_view){"merges.txt", "a b b\n", 6};
    ck_status_is(SWG_CORRUPT, swg_tokenizer_from_files(files, 2, NULL, &tokenizer));
    files[1] = (swg_file_view){"merges.txt", "b a\n", 4};
    ck_status_is(SWG_CORRUPT, swg_tokenizer_from_files(files, 2, NULL, &tokenizer));
    ck_status_is(SWG_FAILED, swg_tokenizer_from_files(files, 1, NULL, &tokenizer));
}
END_TEST

static swg_status everything(void *context)
{
    (void)context;
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    swg_strbuf text = {0}, file = {0};
    swg_status status;
    swg_strbuf_printf(&file, "{%s,\"model\":{%s}}", SMALL_PARTS, SMALL_MODEL);
    SWG_GO(swg_strbuf_status(&file));
    SWG_GO(tokenizer_from("tokenizer.json", file.text, file.length, &tokenizer));
    SWG_GO(swg_tokenizer_encode(tokenizer, "ab ab\xc3\xa9q", 8, NULL, &ids));
    SWG_GO(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &text));
done:
    swg_strbuf_deinit(&file);
    swg_strbuf_deinit(&text);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
    return status;
}

START_TEST(survives_failing_allocations)
{
    swg_test_each_allocation_fails(everything, NULL);
}
END_TEST

START_TEST(stops_a_pattern_that_explodes)
{
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    ck_ok(tokenizer_of("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":"
                       "\"(?:a|aa)+$\"},\"behavior\":\"Isolated\"}",
                       SMALL_MODEL, &tokenizer));
    char text[2000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    ck_status_is(SWG_LIMIT, swg_tokenizer_encode(tokenizer, text, sizeof text, NULL, &ids));
    ck_assert_uint_eq(ids.count, 0);
    ck_ok(swg_tokenizer_encode(tokenizer, "ab", 2, NULL, &ids));
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* A million symbols in one piece: merging must not be quadratic. */
START_TEST(merges_long_pieces_quickly)
{
    enum { LENGTH = 1 << 20 };
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    char *text = swg_malloc(LENGTH, 1);
    ck_ok(tokenizer_of("\"normalizer\":null", SMALL_MODEL, &tokenizer));
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = "aab"[i % 3];
    ck_ok(swg_tokenizer_encode(tokenizer, text, LENGTH, NULL, &ids));
    ck_assert_uint_eq(ids.count, 1 + (LENGTH - 1) / 3); /* a, then "aba" again and again */
    swg_free(text);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* --- Whole texts ------------------------------------------------------------------------------ */

START_TEST(encodes_the_novel)
{
    const char *folder = swg_test_need("models/novels-6m");
    if (!folder)
        return;
    swg_tokenizer *tokenizer = tokenizer_at(folder);
    swg_json_doc *doc = json_at(swg_test_shared("models/novels-6m/reference.json"));
    swg_ids wanted = ids_of_json(swg_json_get(swg_json_root(doc), "input_ids")), ids = {0};
    size_t length;
    char *text = (char *)swg_test_read_file(swg_test_shared("text/sherlock.txt"), &length);
    ck_ok(swg_tokenizer_encode(tokenizer, text, length, NULL, &ids));
    ck_assert_uint_eq(ids.count, 161645);
    ck_assert_uint_eq(wanted.count, 64);
    ids.count = 64;
    check_ids("sherlock.txt", &ids, wanted.data, 64);
    check_round_trip(tokenizer, text, length);
    ck_assert_int_eq(swg_tokenizer_eos(tokenizer), 4095);
    ck_assert(!swg_tokenizer_adds_bos(tokenizer));
    swg_free(text);
    swg_ids_deinit(&ids);
    swg_ids_deinit(&wanted);
    swg_json_free(&doc);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* WikiText's rows as Hugging Face joins them: blank lines empty, "\n\n" between the rows. */
static swg_strbuf joined_rows(const char *text, size_t length)
{
    swg_strbuf joined = {0};
    for (size_t at = 0; at < length;) {
        const char *newline = memchr(text + at, '\n', length - at);
        const size_t end = newline ? (size_t)(newline - text) : length;
        if (at > 0)
            swg_strbuf_puts(&joined, "\n\n");
        if (strspn(text + at, " \t") < end - at) {
            swg_strbuf_append(&joined, text + at, end - at);
            swg_strbuf_puts(&joined, "\n");
        }
        at = end + 1;
    }
    return joined;
}

START_TEST(encodes_wikitext_as_gpt2_does)
{
    const char *folder = swg_test_need("tokenizers/gpt2-hf");
    if (!folder || !swg_test_need("text/wiki.test.raw"))
        return;
    swg_tokenizer *tokenizer = tokenizer_at(folder);
    size_t length;
    char *text = (char *)swg_test_read_file(swg_test_shared("text/wiki.test.raw"), &length);
    swg_strbuf joined = joined_rows(text, length);
    swg_ids ids = {0};
    ck_ok(swg_tokenizer_encode(tokenizer, joined.text, joined.length, NULL, &ids));
    ck_assert_uint_eq(ids.count, 287644);
    check_round_trip(tokenizer, joined.text, joined.length);
    swg_ids_deinit(&ids);
    swg_strbuf_deinit(&joined);
    swg_free(text);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* --- Any bytes, many threads ------------------------------------------------------------------ */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

typedef struct shared_work {
    const swg_tokenizer *tokenizer;
    const swg_ids *wanted; /* [N_TEXTS] */
    char (*texts)[64];
    size_t *lengths;
} shared_work;
enum { N_TEXTS = 500 };

static swg_status encode_one(void *context, size_t index)
{
    const shared_work *work = context;
    swg_ids ids = {0};
    const size_t i = index % N_TEXTS;
    SWG_TRY(swg_tokenizer_encode(work->tokenizer, work->texts[i], work->lengths[i], NULL, &ids));
    bool same = ids.count == work->wanted[i].count;
    for (size_t at = 0; same && at < ids.count; at++)
        same = ids.data[at] == work->wanted[i].data[at];
    swg_ids_deinit(&ids);
    return same ? SWG_OK : swg_error(SWG_FAILED, "text %zu differs", i);
}

/* A byte-level tokenizer of the vectors: `name`'s parts with its model. */
static swg_tokenizer *vector_tokenizer(const char *name)
{
    swg_json_doc *doc = json_at("tests/runtime/text/vectors.json");
    const swg_json *root = swg_json_root(doc), *c;
    swg_tokenizer *tokenizer = NULL;
    for (c = swg_json_first(swg_json_get(root, "configurations")); c; c = swg_json_next(c))
        if (strcmp(text_of(c, "name"), name) == 0)
            break;
    ck_assert_ptr_nonnull(c);
    swg_strbuf file =
        join_file(text_of(c, "parts"), text_of(swg_json_get(root, "models"), text_of(c, "model")),
                  text_of(c, "options"));
    ck_ok(tokenizer_from("tokenizer.json", file.text, file.length, &tokenizer));
    swg_strbuf_deinit(&file);
    swg_json_free(&doc);
    return tokenizer;
}

START_TEST(keeps_any_bytes_on_any_thread)
{
    static char texts[N_TEXTS][64];
    static size_t lengths[N_TEXTS];
    static swg_ids wanted[N_TEXTS];
    uint64_t state = swg_test_seed();
    swg_tokenizer *fresh = vector_tokenizer("llama3 pattern");
    swg_tokenizer *tokenizer = vector_tokenizer("llama3 pattern");
    for (size_t i = 0; i < N_TEXTS; i++) {
        lengths[i] = next_random(&state) % sizeof texts[i];
        for (size_t at = 0; at < lengths[i]; at++)
            texts[i][at] =
                (char)(next_random(&state) % 4 ? "the cat's \n12"[next_random(&state) % 13]
                                               : (int)next_random(&state));
        check_round_trip(tokenizer, texts[i], lengths[i]);
        wanted[i] = (swg_ids){0};
        ck_ok(swg_tokenizer_encode(tokenizer, texts[i], lengths[i], NULL, &wanted[i]));
    }
    swg_pool *pool = NULL;
    shared_work work = {fresh, wanted, texts, lengths};
    ck_ok(swg_pool_new(4, &pool));
    ck_ok(swg_pool_for(pool, 4 * N_TEXTS, encode_one, &work));
    swg_pool_free(&pool);
    for (size_t i = 0; i < N_TEXTS; i++)
        swg_ids_deinit(&wanted[i]);
    swg_tokenizer_free(&fresh);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* The hand-written matcher of GPT-2's pattern and PCRE2 cut alike: the same pattern in a group is
 * not recognised and goes to PCRE2. */
START_TEST(matches_gpt2_pattern_as_pcre2_does)
{
    static const char pattern[] =
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
        "\"behavior\":"
        "\"Isolated\",\"pattern\":{\"Regex\":\"%s's|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| "
        "?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+%s\"}},{\"type\":\"ByteLevel\","
        "\"use_regex\":false,\"add_prefix_space\":false}]}";
    static const char *const fragments[] = {" ",
                                            "  ",
                                            "\n",
                                            "'s",
                                            "'re",
                                            "'l",
                                            "a",
                                            "bc",
                                            "12",
                                            "!",
                                            "\xc2\xa0",
                                            "\xc3\xa9",
                                            "\xe2\x85\xa7",
                                            "\xcc\x81",
                                            "\xe3\x80\x80",
                                            "\xf0\x9f\x98\x80",
                                            "'",
                                            "\xc2\x85"};
    swg_strbuf parts[2] = {{0}};
    swg_tokenizer *tokenizers[2] = {NULL};
    uint64_t state = swg_test_seed();
    for (size_t i = 0; i < 2; i++) {
        swg_strbuf_printf(&parts[i], pattern, i ? "(?:" : "", i ? ")" : "");
        /* The one merge is "space space": its place shows where pieces end. */
        ck_ok(tokenizer_of(parts[i].text,
                           "\"type\":\"BPE\",\"vocab\":{\"\xc4\xa0\":0,\"a\":1,\"?\":2,\"\xc4\xa0"
                           "\xc4\xa0\":3,\"\xc4\xa0"
                           "a\":4,\"'\":5,\"s\":6,\"'s\":7},\"merges\":[\"\xc4"
                           "\xa0 \xc4\xa0\",\"\xc4\xa0 a\",\"' s\"],\"unk_token\":\"?\","
                           "\"fuse_unk\":true",
                           &tokenizers[i]));
    }
    for (size_t n = 0; n < 20000; n++) {
        swg_strbuf text = {0};
        for (size_t i = next_random(&state) % 12; i-- > 0;)
            swg_strbuf_puts(
                &text, fragments[next_random(&state) % (sizeof fragments / sizeof *fragments)]);
        swg_ids by_hand = {0};
        ck_ok(swg_tokenizer_encode(tokenizers[0], swg_strbuf_text(&text), text.length, NULL,
                                   &by_hand));
        check_encoding(tokenizers[1], swg_strbuf_text(&text), text.length, NULL, by_hand.data,
                       by_hand.count);
        swg_ids_deinit(&by_hand);
        swg_strbuf_deinit(&text);
    }
    for (size_t i = 0; i < 2; i++) {
        swg_strbuf_deinit(&parts[i]);
        swg_tokenizer_free(&tokenizers[i]);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tokenizer_json");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, agrees_with_the_library);
    tcase_add_test(cases, reads_a_small_file);
    tcase_add_test(cases, holds_back_unfinished_characters);
    tcase_add_test(cases, takes_bos_and_eos_from_the_settings);
    tcase_add_test(cases, names_what_it_does_not_support);
    tcase_add_test(cases, refuses_what_contradicts_itself);
    tcase_add_test(cases, refuses_every_truncation);
    tcase_add_test(cases, survives_every_flipped_byte);
    tcase_add_test(cases, reads_vocab_and_merges);
    tcase_add_test(cases, survives_failing_allocations);
    tcase_add_test(cases, stops_a_pattern_that_explodes);
    tcase_add_test(cases, merges_long_pieces_quickly);
    tcase_add_test(cases, encodes_the_novel);
    tcase_add_test(cases, encodes_wikitext_as_gpt2_does);
    tcase_add_test(cases, keeps_any_bytes_on_any_thread);
    tcase_add_test(cases, matches_gpt2_pattern_as_pcre2_does);
    suite_add_tcase(suite, cases);
    return suite;
}
