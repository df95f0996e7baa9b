/* Vectors of texts: order and batches, cutting, prompts that take no part, refusals, and failing
 * allocations. Poolings against rows computed apart are in tests/cli/test_embed.sh. */
#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "runtime/embedder.h"
#include "runtime/exec.h"
#include "tests/eval/eval_fixtures.h"

static swg_session encoder(size_t n_threads)
{
    char path[256];
    fixture_path("bert-model", path);
    return toy_loaded(path, "cs", n_threads);
}

enum { N_TEXTS = 5, WIDTH = 12 };
static const swg_text_view texts[N_TEXTS] = {
    {"abc", 3}, {"", 0}, {"abcdefghijklmnopqrstuvwxyabcdefgh", 33}, {"ba", 2}, {"abc", 3}};

static void embed(const swg_session *loaded, swg_embed_options options, const swg_text_view *given,
                  size_t n, float *out, swg_embed_counts *counts)
{
    swg_embedder *e = NULL;
    options.size = sizeof options;
    ck_ok(swg_embedder_new(loaded, &options, &e));
    ck_assert_uint_eq(swg_embedder_columns(e), WIDTH);
    ck_ok(swg_embedder_run(e, given, n, NULL, out, counts));
    swg_embedder_free(&e);
}

START_TEST(vectors_are_in_the_order_of_the_texts)
{
    swg_session one = encoder(1), three = encoder(3);
    float all[N_TEXTS * WIDTH], other[N_TEXTS * WIDTH], alone[WIDTH];
    swg_embed_counts counts;
    embed(&one, (swg_embed_options){0}, texts, N_TEXTS, all, &counts);
    ck_assert_uint_eq(counts.tokens, 5 + 2 + 24 + 4 + 5);
    ck_assert_uint_eq(counts.n_cut, 1);
    ck_assert_uint_eq(counts.first_cut, 2);
    ck_assert_uint_eq(counts.most, 24);
    embed(&three, (swg_embed_options){0}, texts, N_TEXTS, other, NULL);
    ck_assert_mem_eq(all, other, sizeof all);
    ck_assert_double_gt(swg_cosine(all, all + 4 * WIDTH, WIDTH), 1 - 1e-6);
    for (size_t i = 0; i < N_TEXTS; i++) {
        embed(&one, (swg_embed_options){.batch = 1}, &texts[i], 1, alone, NULL);
        ck_assert_double_gt(swg_cosine(alone, all + i * WIDTH, WIDTH), 1 - 1e-6);
    }
    swg_session_close(&one);
    swg_session_close(&three);
}
END_TEST

/* A text that is cut keeps its first tokens and the closing one. */
START_TEST(long_texts_are_cut_before_the_closing_token)
{
    swg_session loaded = encoder(1);
    float cut[WIDTH], whole[WIDTH];
    swg_embed_counts counts;
    const swg_text_view given = {"abcdef", 6}, kept = {"abc", 3};
    embed(&loaded, (swg_embed_options){.context = 5}, &given, 1, cut, &counts);
    ck_assert_uint_eq(counts.n_cut, 1);
    embed(&loaded, (swg_embed_options){0}, &kept, 1, whole, &counts);
    ck_assert_uint_eq(counts.n_cut, 0);
    ck_assert_mem_eq(cut, whole, sizeof cut);
    loaded.sentence.max_tokens = 5;
    embed(&loaded, (swg_embed_options){0}, &given, 1, cut, NULL);
    ck_assert_mem_eq(cut, whole, sizeof cut);
    swg_session_close(&loaded);
}
END_TEST

/* "xyab" pooled without [CLS] x y is the mean of the rows a, b and [SEP]. */
START_TEST(a_prompt_may_be_left_out_of_pooling)
{
    swg_session loaded = encoder(1);
    float got[WIDTH], rows[6 * WIDTH];
    const int32_t ids[] = {TOY_CLS, TOY_A + 23, TOY_A + 24, TOY_A, TOY_A + 1, TOY_SEP};
    const swg_text_view given = {"ab", 2};
    swg_exec *exec = NULL;
    ck_ok(swg_exec_new(loaded.model, NULL, NULL, &exec));
    ck_ok(swg_exec_encode(exec, ids, NULL, 6, rows));
    swg_exec_free(&exec);
    loaded.sentence.leaves_prompt = true;
    embed(&loaded, (swg_embed_options){.prompt = "xy"}, &given, 1, got, NULL);
    for (size_t j = 0; j < WIDTH; j++) {
        const double sum =
            (double)rows[3 * WIDTH + j] + (double)rows[4 * WIDTH + j] + (double)rows[5 * WIDTH + j];
        ck_assert_double_le(fabs((double)got[j] - sum / 3), 1e-6);
    }
    swg_session_close(&loaded);
}
END_TEST

START_TEST(case_is_lowered_where_the_model_says_so)
{
    swg_session loaded = encoder(1);
    float lower[WIDTH], upper[WIDTH];
    const swg_text_view a = {"abc", 3}, b = {"aBC", 3};
    embed(&loaded, (swg_embed_options){0}, &a, 1, lower, NULL);
    loaded.sentence.lowers_case = true;
    embed(&loaded, (swg_embed_options){0}, &b, 1, upper, NULL);
    ck_assert_mem_eq(lower, upper, sizeof lower);
    swg_session_close(&loaded);
}
END_TEST

START_TEST(what_cannot_be_embedded_is_refused)
{
    swg_session loaded = encoder(1);
    swg_embedder *e = NULL;
    swg_embed_options options = {.size = sizeof options, .context = 25};
    ck_status_is(SWG_UNSUPPORTED, swg_embedder_new(&loaded, &options, &e));
    options.context = 1;
    ck_status_is(SWG_USAGE, swg_embedder_new(&loaded, &options, &e));
    options = (swg_embed_options){.size = sizeof options, .batch = 5000};
    ck_status_is(SWG_LIMIT, swg_embedder_new(&loaded, &options, &e));
    options = (swg_embed_options){.size = 1};
    ck_status_is(SWG_USAGE, swg_embedder_new(&loaded, &options, &e));
    swg_tokenizer_free(&loaded.tokenizer);
    loaded.tokenizer = toy_tokenizer("");
    float out[2 * WIDTH];
    const swg_text_view given[] = {{"a", 1}, {"", 0}};
    ck_ok(swg_embedder_new(&loaded, NULL, &e));
    ck_status_is(SWG_CORRUPT, swg_embedder_run(e, given, 2, NULL, out, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "text 2 has no tokens"));
    swg_embedder_free(&e);
    swg_session_close(&loaded);
    char path[256];
    fixture_path("bert-sequence", path);
    loaded = toy_loaded(path, "cs", 1);
    ck_status_is(SWG_UNSUPPORTED, swg_embedder_new(&loaded, NULL, &e));
    swg_session_close(&loaded);
}
END_TEST

static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", swg_test_path("sentence"), name);
    swg_test_write_file(path, text, strlen(text));
}

static void write_sentence_folder(void)
{
    static const char *const copied[] = {"config.json", "model.safetensors"};
    char path[512];
    ck_assert(mkdir(swg_test_path("sentence"), 0777) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/1_Pooling", swg_test_path("sentence"));
    ck_assert(mkdir(path, 0777) == 0 || errno == EEXIST);
    for (size_t i = 0; i < 2; i++) {
        size_t length;
        snprintf(path, sizeof path, "tests/runtime/fixtures/bert-model/%s", copied[i]);
        uint8_t *data = swg_test_read_file(path, &length);
        snprintf(path, sizeof path, "%s/%s", swg_test_path("sentence"), copied[i]);
        swg_test_write_file(path, data, length);
        swg_free(data);
    }
    put("modules.json",
        "[{\"path\": \"\", \"type\": \"x.Transformer\"}, "
        "{\"path\": \"1_Pooling\", \"type\": \"Pooling\"}, {\"type\": \"Normalize\"}]");
    put("1_Pooling/config.json", "{\"pooling_mode\": \"cls\", \"include_prompt\": false}");
    put("config_sentence_transformers.json",
        "{\"prompts\": {\"query\": \"q: \"}, \"default_prompt_name\": \"query\"}");
}

START_TEST(a_folder_says_how_to_pool)
{
    write_sentence_folder();
    swg_session loaded = {0};
    const char *prompt;
    ck_ok(swg_session_open(swg_test_path("sentence"), NULL, false, 1, NULL, &loaded));
    ck_assert_uint_eq(loaded.sentence.poolings, 1u << SWG_POOLING_cls);
    ck_assert(loaded.sentence.normalizes && loaded.sentence.leaves_prompt);
    ck_ok(swg_sentence_prompt(&loaded.sentence, NULL, &prompt));
    ck_assert_str_eq(prompt, "q: ");
    swg_session_close(&loaded);
}
END_TEST

static swg_status try_all(void *context)
{
    swg_status status = SWG_OK;
    swg_session loaded = {0};
    swg_embedder *e = NULL;
    float out[N_TEXTS * WIDTH];
    SWG_GO(swg_session_open(swg_test_path("sentence"), NULL, false, 1, NULL, &loaded));
    loaded.tokenizer = context;
    SWG_GO(swg_embedder_new(&loaded, NULL, &e));
    SWG_GO(swg_embedder_run(e, texts, N_TEXTS, NULL, out, NULL));
done:
    swg_embedder_free(&e);
    loaded.tokenizer = NULL; /* the caller's */
    swg_session_close(&loaded);
    return status;
}

START_TEST(failed_allocations_are_reported)
{
    write_sentence_folder();
    swg_tokenizer *tokenizer = toy_tokenizer("cs");
    swg_test_each_allocation_fails(try_all, tokenizer);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("embedder");
    TCase *tests = tcase_create("vectors");
    tcase_add_test(tests, vectors_are_in_the_order_of_the_texts);
    tcase_add_test(tests, long_texts_are_cut_before_the_closing_token);
    tcase_add_test(tests, a_prompt_may_be_left_out_of_pooling);
    tcase_add_test(tests, case_is_lowered_where_the_model_says_so);
    tcase_add_test(tests, what_cannot_be_embedded_is_refused);
    tcase_add_test(tests, a_folder_says_how_to_pool);
    tcase_add_test(tests, failed_allocations_are_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
