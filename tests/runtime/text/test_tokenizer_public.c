/* Published vectors: GPT-2's own files, and vocabularies inside GGUF files, which have
 * byte-level BPE with two ways of splitting, SentencePiece BPE by scores, and WordPiece. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/runtime/text/text_fixtures.h"

static const swg_encode_options plain = {.add_special = false, .parse_special = false};

/* "tokenizers/ggml-vocab-NAME.gguf" + ending; NULL, and skipped, when it is absent. */
static const char *vector_file(const char *name, const char *ending)
{
    char file[96];
    snprintf(file, sizeof file, "tokenizers/ggml-vocab-%s.gguf%s", name, ending);
    return swg_test_need(file);
}

/* Texts in .inp with a marker between, the ids of each on a line of .out. */
static void check_public_vectors(const swg_tokenizer *tokenizer, const char *name)
{
    static const char marker[] = "\n__ggml_vocab_test__\n";
    size_t length, n = 0;
    char *inputs = (char *)swg_test_read_file(vector_file(name, ".inp"), &length);
    char *outputs = (char *)swg_test_read_file(vector_file(name, ".out"), &length);
    char *line = outputs;
    for (char *text = inputs; text; n++) {
        char *end = strstr(text, marker);
        swg_ids wanted = {0};
        ck_ok(swg_ids_parse(line, strcspn(line, "\n"), name, &wanted));
        check_encoding(tokenizer, text, end ? (size_t)(end - text) : strlen(text), &plain,
                       wanted.data, wanted.count);
        swg_ids_deinit(&wanted);
        text = end ? end + strlen(marker) : NULL;
        line = strchr(line, '\n');
        ck_assert(line || !text);
        line = line ? line + 1 : NULL;
    }
    printf("%s: %zu public vectors\n", name, n);
    ck_assert_uint_ge(n, 40);
    swg_free(inputs);
    swg_free(outputs);
}

static swg_tokenizer *tokenizer_of_checkpoint(const char *path)
{
    swg_source *source = NULL;
    swg_tokenizer *tokenizer = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_tokenizer_from_source(source, &tokenizer));
    swg_source_close(&source);
    return tokenizer;
}

START_TEST(gives_the_vectors_by_gpt2_files)
{
    const char *folder = swg_test_need("tokenizers/gpt2-hf");
    if (!folder)
        return;
    swg_tokenizer *tokenizer = tokenizer_at(folder);
    check_public_vectors(tokenizer, "gpt-2");
    swg_tokenizer_free(&tokenizer);
}
END_TEST

static const char *const vocabularies[] = {"gpt-2", "deepseek-llm", "llama-spm", "bert-bge"};

START_TEST(gives_the_vectors_by_gguf)
{
    const char *name = vocabularies[_i], *path = vector_file(name, "");
    if (!path)
        return;
    swg_tokenizer *tokenizer = tokenizer_of_checkpoint(path);
    check_public_vectors(tokenizer, name);
    swg_tokenizer_free(&tokenizer);
}
END_TEST

/* A megabyte of real text, where rare rules meet. */
START_TEST(gives_the_same_by_gguf_and_gpt2_files)
{
    const char *path = vector_file("gpt-2", "");
    if (!path || !swg_test_need("text/wiki.test.raw") || !swg_test_need("tokenizers/gpt2-hf"))
        return;
    size_t length;
    swg_tokenizer *gguf = tokenizer_of_checkpoint(path);
    swg_tokenizer *files = tokenizer_at(swg_test_shared("tokenizers/gpt2-hf"));
    char *text = (char *)swg_test_read_file(swg_test_shared("text/wiki.test.raw"), &length);
    swg_ids by_files = {0};
    ck_ok(swg_tokenizer_encode(files, text, length, &plain, &by_files));
    check_encoding(gguf, text, length, &plain, by_files.data, by_files.count);
    check_round_trip(gguf, text, length);
    swg_ids_deinit(&by_files);
    swg_free(text);
    swg_tokenizer_free(&files);
    swg_tokenizer_free(&gguf);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tokenizer_public");
    TCase *cases = tcase_create("tokenizer_public");
    tcase_add_test(cases, gives_the_vectors_by_gpt2_files);
    tcase_add_loop_test(cases, gives_the_vectors_by_gguf, 0,
                        sizeof vocabularies / sizeof *vocabularies);
    tcase_add_test(cases, gives_the_same_by_gguf_and_gpt2_files);
    suite_add_tcase(suite, cases);
    return suite;
}
