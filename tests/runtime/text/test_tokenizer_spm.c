/* SentencePiece models: ids and texts of the library itself, special tokens, and models that are
 * truncated, changed or invalid. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/runtime/text/text_fixtures.h"

static const char model_name[] = "tokenizer.model";

/* --- The library's results -------------------------------------------------------------------- */

static size_t base64_decode(const char *text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t n = 0, n_bits = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[n++] = (char)(bits >> n_bits & 0xff);
        }
    }
    return n;
}

static char *bytes_of(const swg_json *json, size_t *length)
{
    const char *text = NULL;
    ck_assert(swg_json_as_string(json, &text));
    char *bytes = swg_malloc(strlen(text) + 1, 1);
    *length = base64_decode(text, bytes);
    return bytes;
}

/* [text, ids, decoded text]. Our decoder keeps bytes that are not UTF-8; the library's gives
 * U+FFFD. */
static void check_case(const char *name, const swg_tokenizer *tokenizer, const swg_json *item)
{
    static const swg_encode_options plain = {.add_special = false, .parse_special = false};
    size_t length, n_decoded;
    char *text = bytes_of(swg_json_at(item, 0), &length), what[64];
    char *decoded = bytes_of(swg_json_at(item, 2), &n_decoded);
    swg_ids wanted = ids_of_json(swg_json_at(item, 1)), ids = {0};
    swg_strbuf back = {0};
    snprintf(what, sizeof what, "%s: \"%.*s\"", name, (int)(length & 0x1f), text);
    ck_ok(swg_tokenizer_encode(tokenizer, text, length, &plain, &ids));
    check_ids(what, &ids, wanted.data, wanted.count);
    ck_ok(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &back));
    if (!memmem(decoded, n_decoded, "\xef\xbf\xbd", 3))
        ck_assert_msg(back.length == n_decoded &&
                          memcmp(swg_strbuf_text(&back), decoded, n_decoded) == 0,
                      "%s decodes to \"%s\", not \"%.*s\"", what, swg_strbuf_text(&back),
                      (int)n_decoded, decoded);
    swg_free(decoded);
    swg_strbuf_deinit(&back);
    swg_ids_deinit(&ids);
    swg_ids_deinit(&wanted);
    swg_free(text);
}

static swg_json_doc *vectors(void)
{
    const char *path = getenv("SWAGE_SPM_VECTORS");
    return json_at(path ? path : "tests/runtime/text/spm_vectors.json");
}

START_TEST(agrees_with_the_library)
{
    swg_json_doc *doc = vectors();
    size_t n = 0;
    for (const swg_json *item = swg_json_first(swg_json_root(doc)); item;
         item = swg_json_next(item)) {
        const char *name = NULL;
        size_t length;
        swg_tokenizer *tokenizer = NULL;
        ck_assert(swg_json_as_string(swg_json_get(item, "name"), &name));
        char *model = bytes_of(swg_json_get(item, "model"), &length);
        ck_ok(tokenizer_from(model_name, model, length, &tokenizer));
        swg_free(model);
        for (const swg_json *c = swg_json_first(swg_json_get(item, "cases")); c;
             c = swg_json_next(c), n++)
            check_case(name, tokenizer, c);
        swg_tokenizer_free(&tokenizer);
    }
    printf("%zu texts as the library has them\n", n);
    ck_assert_uint_gt(n, 80);
    swg_json_free(&doc);
}
END_TEST

/* --- Models made here ------------------------------------------------------------------------- */

enum { UNIGRAM = 1, BPE = 2, WORD = 3 };
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, UNUSED = 5, BYTE = 6 };

static void put_varint(swg_strbuf *out, uint64_t value)
{
    do {
        const char byte = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        swg_strbuf_append(out, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_number(swg_strbuf *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_bytes(swg_strbuf *out, unsigned field, const void *bytes, size_t length)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, length);
    swg_strbuf_append(out, bytes, length);
}

static void put_piece(swg_strbuf *out, const char *text, float score, unsigned type)
{
    swg_strbuf piece = {0};
    put_bytes(&piece, 1, text, strlen(text));
    put_varint(&piece, 2 << 3 | 5);
    swg_strbuf_append(&piece, &score, 4);
    put_number(&piece, 3, type);
    put_bytes(out, 1, swg_strbuf_text(&piece), piece.length);
    swg_strbuf_deinit(&piece);
}

/* A message of one number (field 0: an empty one). */
static void put_message(swg_strbuf *out, unsigned message, unsigned field, uint64_t value)
{
    swg_strbuf inner = {0};
    if (field)
        put_number(&inner, field, value);
    put_bytes(out, message, swg_strbuf_text(&inner), inner.length);
    swg_strbuf_deinit(&inner);
}

/* <unk> <s> </s> ▁ a b ab ▁ab: ids 0 to 7. */
static swg_strbuf small_model(unsigned kind)
{
    swg_strbuf out = {0};
    put_piece(&out, "<unk>", 0, UNKNOWN);
    put_piece(&out, "<s>", 0, CONTROL);
    put_piece(&out, "</s>", 0, CONTROL);
    put_piece(&out, "\xe2\x96\x81", -4, NORMAL);
    put_piece(&out, "a", -5, NORMAL);
    put_piece(&out, "b", -6, NORMAL);
    put_piece(&out, "ab", -1, NORMAL);
    put_piece(&out,
              "\xe2\x96\x81"
              "ab",
              -2, NORMAL);
    put_message(&out, 2, 3, kind);
    return out;
}

static swg_tokenizer *model_of(swg_strbuf *model, const char *settings)
{
    swg_tokenizer *tokenizer = NULL;
    const swg_file_view files[] = {
        {model_name, model->text, model->length},
        {"tokenizer_config.json", settings, settings ? strlen(settings) : 0}};
    ck_ok(swg_tokenizer_from_files(files, settings ? 2 : 1, NULL, &tokenizer));
    swg_strbuf_deinit(model);
    return tokenizer;
}

START_TEST(puts_special_tokens_where_they_belong)
{
    swg_strbuf bpe = small_model(BPE), unigram = small_model(UNIGRAM), again = small_model(BPE);
    swg_tokenizer *tokenizer = model_of(&bpe, NULL);
    ck_assert_int_eq(swg_tokenizer_bos(tokenizer), 1);
    ck_assert_int_eq(swg_tokenizer_eos(tokenizer), 2);
    check_encoding(tokenizer, "ab</s>a", 7, NULL, (int32_t[]){1, 7, 2, 3, 4}, 5);
    static const swg_encode_options untrusted = {.add_special = true, .parse_special = false};
    check_encoding(tokenizer, "<s>ab", 5, &untrusted, (int32_t[]){1, 3, 0, 6}, 4);
    swg_strbuf text = {0};
    ck_ok(swg_tokenizer_decode(tokenizer, (int32_t[]){1, 7, 0, 7, 2}, 5, NULL, &text));
    ck_assert_str_eq(text.text, "ab \xe2\x81\x87  ab");
    swg_strbuf_deinit(&text);
    swg_tokenizer_free(&tokenizer);

    tokenizer = model_of(&unigram, NULL);
    check_encoding(tokenizer, "ab ab", 5, NULL, (int32_t[]){7, 7}, 2);
    swg_tokenizer_free(&tokenizer);

    tokenizer = model_of(&again, "{\"add_bos_token\": false, \"add_eos_token\": true}");
    check_encoding(tokenizer, "ab", 2, NULL, (int32_t[]){7, 2}, 2);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* "legacy": false marks the start of the text only; tokens beyond the file's pieces are found, and
 * print as they are. */
START_TEST(takes_more_tokens_from_the_settings)
{
    static const char settings[] =
        "{\"legacy\": false, \"added_tokens_decoder\": {\"0\": {\"content\": \"<unk>\"},"
        "\"9\": {\"content\": \"<end>\", \"special\": false, \"normalized\": true}}}";
    swg_strbuf model = small_model(BPE), text = {0};
    swg_tokenizer *tokenizer = model_of(&model, settings);
    ck_assert_uint_eq(swg_tokenizer_vocab_size(tokenizer), 10);
    check_encoding(tokenizer, "ab<end>ab</s> a", 15, NULL, (int32_t[]){1, 7, 9, 6, 2, 3, 4}, 7);
    ck_ok(swg_tokenizer_decode(tokenizer, (int32_t[]){1, 7, 9, 6}, 4, NULL, &text));
    ck_assert_str_eq(text.text, "ab<end>ab");
    swg_strbuf_deinit(&text);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* --- Refusals --------------------------------------------------------------------------------- */

static void check_refusal(swg_strbuf *model, swg_status wanted, const char *words)
{
    swg_tokenizer *tokenizer = NULL;
    ck_status_is(wanted, tokenizer_from(model_name, model->text, model->length, &tokenizer));
    ck_assert_msg(strstr(swg_error_message(), words) != NULL, "\"%s\" lacks \"%s\"",
                  swg_error_message(), words);
    swg_strbuf_deinit(model);
}

START_TEST(names_what_it_does_not_support)
{
    swg_strbuf model = small_model(WORD);
    check_refusal(&model, SWG_UNSUPPORTED, "WORD");
    model = small_model(77);
    check_refusal(&model, SWG_UNSUPPORTED, "unknown");
    model = small_model(BPE);
    swg_strbuf map = {0};
    put_bytes(&map, 2, "map", 3);
    put_bytes(&model, 5, map.text, map.length);
    swg_strbuf_deinit(&map);
    check_refusal(&model, SWG_UNSUPPORTED, "denormalizer_spec");
    model = small_model(BPE);
    char *long_text = swg_calloc(1026, 1);
    memset(long_text, 'a', 1025);
    put_piece(&model, long_text, -1, NORMAL);
    swg_free(long_text);
    check_refusal(&model, SWG_LIMIT, "1025 bytes");
}
END_TEST

START_TEST(refuses_what_contradicts_itself)
{
    static const struct {
        const char *text, *words;
        float score;
        unsigned type;
    } pieces[] = {
        {"ab", "pieces 6 and 8 are both \"ab\"", -1, NORMAL},
        {"", "piece 8 is empty", -1, NORMAL},
        {"\xff", "not UTF-8", -1, NORMAL},
        {"x", "unknown type 9", -1, 9},
        {"x", "unknown type 0", -1, 0},
        {"y", "score of piece 8", INFINITY, NORMAL},
        {"<unk2>", "2 unknown pieces", 0, UNKNOWN},
        {"<0x41>", "1 byte pieces, but byte_fallback is false", 0, BYTE},
        {"<0xZZ>", "should be a byte", 0, BYTE},
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        swg_strbuf model = small_model(BPE);
        put_piece(&model, pieces[i].text, pieces[i].score, pieces[i].type);
        check_refusal(&model, SWG_CORRUPT, pieces[i].words);
    }
    swg_strbuf model = {0};
    put_piece(&model, "a", -1, NORMAL);
    check_refusal(&model, SWG_CORRUPT, "0 unknown pieces");
    model = small_model(BPE);
    put_message(&model, 2, 35, 1);
    check_refusal(&model, SWG_CORRUPT, "0 byte pieces, but byte_fallback is true");
    model = small_model(BPE);
    put_number(&model, 1, 5);
    check_refusal(&model, SWG_CORRUPT, "wire type");
    model = (swg_strbuf){0};
    put_message(&model, 2, 0, 0);
    check_refusal(&model, SWG_CORRUPT, "without a piece");
}
END_TEST

/* A table whose indices are out of range, and one shorter than it declares. */
START_TEST(checks_the_table_of_characters)
{
    for (unsigned size = 0; size < 40; size += 3) {
        char map[16] = {(char)size, 0, 0, 0};
        swg_strbuf inner = {0}, model = small_model(BPE);
        memset(map + 4, 0xff, 11);
        put_bytes(&inner, 2, map, sizeof map);
        put_bytes(&model, 3, inner.text, inner.length);
        swg_strbuf_deinit(&inner);
        if (size == 0 || size % 4 || size > 11) {
            check_refusal(&model, SWG_CORRUPT, "precompiled_charsmap");
            continue;
        }
    }
    /* Root: children at 0 ^ byte. 'a' has a value below it, and that value is out of range. */
    uint32_t units[256] = {0};
    units['a'] = 'a' | 1 << 8 | 1 << 10; /* value at 'a' ^ 1 */
    units['a' ^ 1] = UINT32_C(1) << 31 | 12345;
    swg_strbuf map = {0}, inner = {0}, model = small_model(BPE);
    const uint32_t n_bytes = sizeof units;
    swg_strbuf_append(&map, &n_bytes, 4);
    swg_strbuf_append(&map, units, sizeof units);
    swg_strbuf_append(&map, "xy", 3);
    put_bytes(&inner, 2, map.text, map.length);
    put_bytes(&model, 3, inner.text, inner.length);
    swg_strbuf_deinit(&map);
    swg_strbuf_deinit(&inner);
    swg_tokenizer *tokenizer = model_of(&model, NULL);
    swg_ids ids = {0};
    ck_ok(swg_tokenizer_encode(tokenizer, "b", 1, NULL, &ids));
    ck_status_is(SWG_CORRUPT, swg_tokenizer_encode(tokenizer, "ba", 2, NULL, &ids));
    ck_assert_uint_eq(ids.count, 3); /* <s> ▁ b, and nothing of the failed call */
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* Every model that loads must also encode and decode without error. */
static void try_model(const char *data, size_t length)
{
    static const char text[] = "ab  <s>\xff\xe4\xb8\xad"
                               "abab</s> b";
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    swg_strbuf back = {0};
    if (tokenizer_from(model_name, data, length, &tokenizer) != SWG_OK)
        return;
    if (swg_tokenizer_encode(tokenizer, text, sizeof text - 1, NULL, &ids) == SWG_OK)
        ck_ok(swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &back));
    swg_strbuf_deinit(&back);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
}

START_TEST(survives_every_cut_and_flip)
{
    for (unsigned kind = UNIGRAM; kind <= BPE; kind++) {
        swg_strbuf model = small_model(kind);
        put_piece(&model, "ba", -1, UNUSED);
        for (size_t n = 0; n < model.length; n++) {
            char *copy = swg_malloc(n, 1); /* exactly as long, for the sanitizer */
            memcpy(copy, model.text, n);
            try_model(copy, n);
            swg_free(copy);
        }
        for (size_t bit = 0; bit < 8 * model.length; bit++) {
            model.text[bit / 8] ^= (char)(1 << bit % 8);
            try_model(model.text, model.length);
            model.text[bit / 8] ^= (char)(1 << bit % 8);
        }
        swg_strbuf_deinit(&model);
    }
}
END_TEST

typedef struct model_bytes {
    char *data;
    size_t length;
} model_bytes;

static swg_status read_and_encode(void *context)
{
    const model_bytes *model = context;
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    swg_strbuf back = {0};
    swg_status status = tokenizer_from(model_name, model->data, model->length, &tokenizer);
    if (status == SWG_OK)
        status = swg_tokenizer_encode(tokenizer, "the  cat aba\xff <s>", 16, NULL, &ids);
    if (status == SWG_OK)
        status = swg_tokenizer_decode(tokenizer, ids.data, ids.count, NULL, &back);
    swg_strbuf_deinit(&back);
    swg_ids_deinit(&ids);
    if (tokenizer)
        swg_tokenizer_free(&tokenizer);
    return status;
}

START_TEST(survives_failing_allocations)
{
    swg_json_doc *doc = json_at("tests/runtime/text/spm_vectors.json");
    for (const swg_json *item = swg_json_first(swg_json_root(doc)); item;
         item = swg_json_next(item)) {
        model_bytes model;
        model.data = bytes_of(swg_json_get(item, "model"), &model.length);
        swg_test_each_allocation_fails(read_and_encode, &model);
        swg_free(model.data);
    }
    swg_json_free(&doc);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tokenizer_spm");
    TCase *cases = tcase_create("tokenizer_spm");
    tcase_add_test(cases, agrees_with_the_library);
    tcase_add_test(cases, puts_special_tokens_where_they_belong);
    tcase_add_test(cases, takes_more_tokens_from_the_settings);
    tcase_add_test(cases, names_what_it_does_not_support);
    tcase_add_test(cases, refuses_what_contradicts_itself);
    tcase_add_test(cases, checks_the_table_of_characters);
    tcase_add_test(cases, survives_every_cut_and_flip);
    tcase_add_test(cases, survives_failing_allocations);
    suite_add_tcase(suite, cases);
    return suite;
}
