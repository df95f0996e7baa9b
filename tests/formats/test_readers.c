/* Readers on the shared checkpoints: names, shapes, values, files, and the rotary row order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"

START_TEST(hugging_face_folder)
{
    const char *path = swg_test_need("models/novels-6m");
    if (!path)
        return;
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_str_eq(swg_source_format(source), "safetensors");
    ck_assert_uint_eq(swg_source_n_tensors(source), 56);
    for (size_t i = 1; i < swg_source_n_tensors(source); i++)
        ck_assert_int_lt(
            strcmp(swg_source_tensor(source, i - 1)->name, swg_source_tensor(source, i)->name), 0);
    const size_t at = swg_source_find(source, "model.embed_tokens.weight");
    ck_assert_uint_ne(at, SIZE_MAX);
    ck_assert_uint_eq(swg_source_tensor(source, at)->shape[0], 4096);
    ck_assert_uint_eq(swg_source_find(source, "nothing"), SIZE_MAX);
    float row[256];
    ck_ok(swg_source_read_f32(source, at, 4095, 1, row));
    for (size_t i = 0; i < 256; i++)
        ck_assert(isfinite(row[i]));
    ck_assert_int_ne(swg_source_read_f32(source, at, 4096, 1, row), SWG_OK);
    swg_file_view file;
    ck_ok(swg_source_find_file(source, "tokenizer.json", &file));
    ck_assert_uint_eq(file.length, 105021);
    ck_assert_int_eq(file.data[file.length], 0);
    ck_status_is(SWG_FAILED, swg_source_find_file(source, "tokenizer.bin", &file));
    size_t length = 0;
    ck_assert_ptr_nonnull(strstr(swg_source_config(source, &length), "\"vocab_size\": 4096"));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}
END_TEST

START_TEST(bare_file_takes_its_folders_config)
{
    const char *path = swg_test_need("fixtures/llama-tiny/model.safetensors");
    if (!path)
        return;
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    size_t length = 0;
    swg_source_config(source, &length);
    ck_assert_uint_eq(length, 485);
    swg_source_close(&source);
}
END_TEST

START_TEST(shards_of_an_index)
{
    const char *path = swg_test_need("fixtures/llama-tiny-bf16-sharded");
    if (!path)
        return;
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    const size_t at = swg_source_find(source, "model.norm.weight");
    ck_assert_uint_ne(at, SIZE_MAX);
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    ck_assert_int_eq(desc->scheme.dtype, SWG_BF16);
    float values[4096];
    ck_assert_uint_le(swg_tensor_elems(desc), 4096);
    ck_ok(swg_source_read_f32(source, at, 0, 1, values));
    for (size_t i = 0; i < swg_tensor_elems(desc); i++)
        ck_assert(fabsf(values[i]) < 100);
    swg_source_close(&source);
}
END_TEST

START_TEST(llama2c_legacy)
{
    const char *path = swg_test_need("models/stories260K/stories260K.bin");
    if (!path)
        return;
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_str_eq(swg_source_format(source), "llama2c");
    ck_assert_uint_eq(swg_source_n_tensors(source), 2 + 9 * 5);
    ck_assert_uint_eq(swg_source_find(source, "lm_head.weight"), SIZE_MAX);
    swg_json_doc *config = NULL;
    size_t length = 0;
    const char *text = swg_source_config(source, &length);
    ck_ok(swg_json_parse(text, length, "config", &config));
    int64_t value = 0;
    ck_assert(swg_json_as_int(swg_json_get(swg_json_root(config), "num_key_value_heads"), &value));
    ck_assert_int_eq(value, 4);
    swg_json_free(&config);
    swg_file_view file;
    ck_ok(swg_source_find_file(source, "tokenizer.bin", &file));
    ck_assert_uint_eq(file.length, 6227);

    /* q of layer 0 follows the embedding [512, 64] and five norms [64]; row h*8 + half*4 + i
     * of ours is row h*8 + 2i + half of the file. */
    size_t bytes = 0;
    uint8_t *raw = swg_test_read_file(path, &bytes);
    const float *q = (const float *)(void *)(raw + 28) + 512 * 64 + 5 * 64;
    float rows[64 * 64];
    const size_t at = swg_source_find(source, "model.layers.0.self_attn.q_proj.weight");
    ck_ok(swg_source_read_f32(source, at, 0, 64, rows));
    for (size_t r = 0; r < 64; r++) {
        const size_t from = r / 8 * 8 + 2 * (r % 4) + r % 8 / 4;
        ck_assert_mem_eq(rows + r * 64, q + from * 64, 64 * sizeof(float));
    }
    float one[64];
    ck_ok(swg_source_read_f32(source, at, 37, 1, one));
    ck_assert_mem_eq(one, rows + (size_t)37 * 64, sizeof one);
    swg_free(raw);
    swg_source_close(&source);
}
END_TEST

START_TEST(another_tokenizer_can_be_named)
{
    const char *path = swg_test_need("models/stories260K/stories260K.bin");
    const char *tokenizer = swg_test_need("models/novels-6m/tokenizer.json");
    if (!path || !tokenizer)
        return;
    swg_source *source = NULL;
    ck_ok(swg_source_open(
        path, &(swg_source_options){.size = sizeof(swg_source_options), .tokenizer = tokenizer},
        &source));
    ck_assert_uint_eq(swg_source_n_files(source), 1);
    swg_file_view file;
    ck_ok(swg_source_find_file(source, "tokenizer.json", &file));
    ck_assert_uint_eq(file.length, 105021);
    swg_source_close(&source);
    /* Any checkpoint that carries one serves too: here a folder, and a file with one beside it. */
    const char *folder = swg_test_need("models/novels-6m");
    ck_ok(swg_source_open(
        path, &(swg_source_options){.size = sizeof(swg_source_options), .tokenizer = folder},
        &source));
    ck_ok(swg_source_find_file(source, "tokenizer.json", &file));
    ck_assert_uint_eq(file.length, 105021);
    ck_status_is(SWG_FAILED, swg_source_find_file(source, "tokenizer.bin", &file));
    swg_source_close(&source);
    ck_ok(swg_source_open(
        folder, &(swg_source_options){.size = sizeof(swg_source_options), .tokenizer = path},
        &source));
    ck_ok(swg_source_find_file(source, "tokenizer.bin", &file));
    ck_status_is(SWG_FAILED, swg_source_find_file(source, "tokenizer.json", &file));
    swg_source_close(&source);
    ck_status_is(SWG_IO, swg_source_open(path,
                                         &(swg_source_options){.size = sizeof(swg_source_options),
                                                               .tokenizer = "/nowhere"},
                                         &source));
}
END_TEST

/* An option struct that nobody filled is refused before anything is opened. */
START_TEST(options_of_another_size_are_refused)
{
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    const swg_sink_meta meta = {.config = "{}", .config_length = 2};
    const swg_sink_options unfilled = {.force = true};
    const char *path = swg_test_path("unfilled.swg");
    swg_test_write_file(path, "x", 1);
    ck_status_is(SWG_USAGE,
                 swg_source_open(path, &(swg_source_options){.tokenizer = path}, &source));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "swg_source_options has a size of 0 bytes"));
    ck_status_is(SWG_USAGE, swg_sink_open(path, &unfilled, &meta, NULL, 0, &sink));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "swg_sink_options_default"));
}
END_TEST

START_TEST(unknown_inputs_are_refused)
{
    swg_source *source = NULL;
    ck_status_is(SWG_IO, swg_source_open(swg_test_path("absent"), NULL, &source));
    const char *empty = swg_test_path("empty");
    swg_test_write_file(empty, "", 0);
    ck_status_is(SWG_CORRUPT, swg_source_open(empty, NULL, &source));
    const char *text = swg_test_path("text");
    swg_test_write_file(text, "There was no possibility of taking a walk that day.", 51);
    ck_status_is(SWG_UNSUPPORTED, swg_source_open(text, NULL, &source));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "not a checkpoint"));
    ck_status_is(SWG_UNSUPPORTED, swg_source_open("tests", NULL, &source));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("readers");
    TCase *cases = tcase_create("readers");
    tcase_add_test(cases, hugging_face_folder);
    tcase_add_test(cases, bare_file_takes_its_folders_config);
    tcase_add_test(cases, shards_of_an_index);
    tcase_add_test(cases, llama2c_legacy);
    tcase_add_test(cases, another_tokenizer_can_be_named);
    tcase_add_test(cases, unknown_inputs_are_refused);
    tcase_add_test(cases, options_of_another_size_are_refused);
    suite_add_tcase(suite, cases);
    return suite;
}
