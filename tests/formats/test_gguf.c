/* Reading GGUF: every block type against the gguf package's numbers, the shared checkpoints against
 * their safetensors, and tokenizers against llama.cpp's vectors. */
#include <stdio.h>
#include <string.h>

#include "formats/gguf/gguf_blocks.h"
#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/text/tokenizer.h"
#include "tests/formats/gguf_vectors.h"
#include "tests/formats/sample.h"

START_TEST(blocks_decode_as_the_package_does)
{
    for (size_t v = 0; v < sizeof decode_vectors / sizeof *decode_vectors; v++) {
        const decode_vector *vector = &decode_vectors[v];
        const swg_block_type *type = swg_block_type_find(vector->type);
        ck_assert_ptr_nonnull(type);
        ck_assert_uint_eq(vector->bytes, 2 * (size_t)type->bytes);
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (size_t at = 0; at < vector->bytes; at += type->bytes) {
            float values[SWG_BLOCK_MAX_ELEMS];
            uint32_t bits[SWG_BLOCK_MAX_ELEMS];
            type->decode(vector->blocks + at, values);
            memcpy(bits, values, sizeof bits);
            if (at == 0)
                ck_assert_mem_eq(bits, vector->first, 4 * sizeof *bits);
            for (uint32_t i = 0; i < type->elems; i++)
                hash = (hash ^ bits[i]) * UINT64_C(0x100000001b3);
        }
        ck_assert_msg(hash == vector->hash, "%s decodes to other numbers", type->name);
    }
}
END_TEST

START_TEST(blocks_encode_as_the_reference_does)
{
    const struct {
        const char *name;
        const uint8_t *blocks;
        size_t bytes;
    } wanted[] = {{"q8_0", encoded_q8_0, sizeof encoded_q8_0},
                  {"q4_0", encoded_q4_0, sizeof encoded_q4_0},
                  {"q4_1", encoded_q4_1, sizeof encoded_q4_1}};
    for (size_t w = 0; w < sizeof wanted / sizeof *wanted; w++) {
        const swg_gguf_type *type = swg_gguf_type_named(wanted[w].name);
        const size_t n_blocks = sizeof encode_values / sizeof(float) / SWG_BLOCK_ELEMS;
        ck_assert_uint_eq(wanted[w].bytes, n_blocks * type->block_bytes);
        for (size_t b = 0; b < n_blocks; b++) {
            float values[SWG_BLOCK_ELEMS];
            uint8_t block[64];
            memcpy(values, encode_values + SWG_BLOCK_ELEMS * b, sizeof values);
            swg_gguf_encode_of(type)(values, block);
            ck_assert_mem_eq(block, wanted[w].blocks + b * type->block_bytes, type->block_bytes);
        }
    }
}
END_TEST

/* Q8_K is not in the package: d times 256 signed bytes, whatever the sums after them are. */
START_TEST(q8_k_is_a_scale_and_bytes)
{
    uint8_t block[292] = {0, 0, 0, 0x3f}; /* 0.5f */
    float values[256];
    for (int i = 0; i < 256; i++)
        block[4 + i] = (uint8_t)i;
    swg_block_type_find(SWG_BLOCK_Q8_K)->decode(block, values);
    for (int i = 0; i < 256; i++)
        ck_assert_float_eq(values[i], 0.5f * (float)(i < 128 ? i : i - 256));
}
END_TEST

/* Every type refuses the scales that make its numbers infinite or NaN, wherever they are. */
START_TEST(blocks_of_infinite_scales_are_found)
{
    for (size_t v = 0; v < sizeof decode_vectors / sizeof *decode_vectors; v++) {
        const swg_block_type *type = swg_block_type_find(decode_vectors[v].type);
        uint8_t blocks[2 * 292];
        size_t bad = 7;
        memcpy(blocks, decode_vectors[v].blocks, decode_vectors[v].bytes);
        ck_assert(swg_blocks_are_finite(type, blocks, 2, &bad));
        for (int h = 0; h < 2 && type->halves[h] >= 0; h++) {
            uint8_t *const half = blocks + type->bytes + type->halves[h];
            const uint8_t was = half[1];
            half[1] |= 0x7c;
            ck_assert_msg(!swg_blocks_are_finite(type, blocks, 2, &bad) && bad == 1, "%s",
                          type->name);
            half[1] = was;
        }
    }
    /* The scale of IQ1_M is spread over four words; exponents of MXFP4 are whole bytes. */
    uint8_t spread[56], exponent[17] = {255, 0x77};
    size_t bad;
    memset(spread, 0xff, sizeof spread);
    ck_assert(!swg_blocks_are_finite(swg_block_type_find(SWG_BLOCK_IQ1_M), spread, 1, &bad));
    ck_assert(!swg_blocks_are_finite(swg_block_type_find(SWG_BLOCK_MXFP4), exponent, 1, &bad));
}
END_TEST

/* Codes of a block, and the block of them again. */
START_TEST(codes_and_blocks_are_the_same)
{
    for (size_t at = 0; at < sizeof q8_0_blocks; at += 34) {
        uint8_t codes[32], block[34];
        int16_t integers[32];
        swg_gguf_q8_0_codes(q8_0_blocks + at, codes);
        for (int i = 0; i < 32; i++)
            integers[i] = (int16_t)(codes[i] - 128);
        swg_gguf_block_of(SWG_BLOCK_Q8_0, (uint16_t)(q8_0_blocks[at] | q8_0_blocks[at + 1] << 8), 0,
                          integers, block);
        ck_assert_mem_eq(block, q8_0_blocks + at, sizeof block);
    }
    for (size_t at = 0; at < sizeof q4_0_blocks; at += 18) {
        uint8_t codes[16], block[18];
        int16_t integers[32];
        swg_gguf_q4_0_codes(q4_0_blocks + at, codes);
        for (int i = 0; i < 32; i++)
            integers[i] = (int16_t)((codes[i / 2] >> (i % 2 * 4) & 15) - 8);
        swg_gguf_block_of(SWG_BLOCK_Q4_0, (uint16_t)(q4_0_blocks[at] | q4_0_blocks[at + 1] << 8), 0,
                          integers, block);
        ck_assert_mem_eq(block, q4_0_blocks + at, sizeof block);
    }
}
END_TEST

/* Blocks made of integers mean scale * integer, over the whole range of their type. */
START_TEST(blocks_of_integers_mean_them)
{
    static const struct {
        uint32_t id;
        int least, most;
    } cases[] = {{SWG_BLOCK_Q4_0, -8, 7},
                 {SWG_BLOCK_Q5_0, -16, 15},
                 {SWG_BLOCK_Q8_0, -128, 127},
                 {SWG_BLOCK_Q4_1, 0, 15}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float minimum = cases[i].id == SWG_BLOCK_Q4_1 ? -0.75f : 0.0f;
        for (int first = cases[i].least; first <= cases[i].most; first++) {
            int16_t integers[32];
            float values[32];
            uint8_t block[34];
            for (int j = 0; j < 32; j++)
                integers[j] = (int16_t)(cases[i].least + (first - cases[i].least + 5 * j) %
                                                             (cases[i].most - cases[i].least + 1));
            swg_gguf_block_of(cases[i].id, 0x3400 /* 0.25 */, 0xba00 /* -0.75 */, integers, block);
            swg_block_type_find(cases[i].id)->decode(block, values);
            for (int j = 0; j < 32; j++)
                ck_assert_float_eq(values[j], 0.25f * (float)integers[j] + minimum);
        }
    }
}
END_TEST

START_TEST(f32_is_the_safetensors_checkpoint)
{
    const char *path = swg_test_need("fixtures/llama-tiny/model-f32.gguf");
    const char *other = swg_test_need("fixtures/llama-tiny");
    if (!path || !other)
        return;
    swg_source *a = NULL, *b = NULL;
    ck_ok(swg_source_open(path, NULL, &a));
    ck_ok(swg_source_open(other, NULL, &b));
    ck_assert_str_eq(swg_source_format(a), "gguf");
    ck_assert_uint_eq(swg_source_n_tensors(a), swg_source_n_tensors(b));
    for (size_t i = 0; i < swg_source_n_tensors(a); i++) {
        const swg_tensor_desc *x = swg_source_tensor(a, i), *y = swg_source_tensor(b, i);
        ck_assert_str_eq(x->name, y->name);
        ck_assert_uint_eq(x->rank, y->rank);
        ck_assert_mem_eq(x->shape, y->shape, x->rank * sizeof *x->shape);
        const size_t count = (size_t)swg_tensor_elems(x);
        float *values = swg_malloc(2 * count, sizeof *values);
        ck_ok(swg_source_read_f32(a, i, 0, swg_tensor_rows(x), values));
        ck_ok(swg_source_read_f32(b, i, 0, swg_tensor_rows(x), values + count));
        ck_assert_mem_eq(values, values + count, count * sizeof *values);
        swg_free(values);
    }
    static const char *const keys[] = {
        "hidden_size",         "intermediate_size",       "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads",     "vocab_size",
        "rope_theta",          "max_position_embeddings", "rms_norm_eps"};
    swg_json_doc *doc_a = NULL, *doc_b = NULL;
    size_t length;
    const char *text = swg_source_config(a, &length);
    ck_ok(swg_json_parse(text, length, "a", &doc_a));
    text = swg_source_config(b, &length);
    ck_ok(swg_json_parse(text, length, "b", &doc_b));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double x = -1, y = -2;
        swg_json_as_double(swg_json_get(swg_json_root(doc_a), keys[i]), &x);
        swg_json_as_double(swg_json_get(swg_json_root(doc_b), keys[i]), &y);
        ck_assert_msg(x == y, "%s is %g, not %g", keys[i], x, y);
    }
    swg_json_free(&doc_a);
    swg_json_free(&doc_b);
    swg_source_close(&a);
    swg_source_close(&b);
}
END_TEST

/* Order of GGUF's names, which is what the sums were made in. */
static const char *const layer_order[] = {
    "self_attn.k_proj.weight", "input_layernorm.weight",          "self_attn.o_proj.weight",
    "self_attn.q_proj.weight", "self_attn.v_proj.weight",         "mlp.down_proj.weight",
    "mlp.gate_proj.weight",    "post_attention_layernorm.weight", "mlp.up_proj.weight"};

static void append_tensor(swg_source *source, const char *name, swg_strbuf *out)
{
    const size_t at = swg_source_find(source, name);
    ck_assert_msg(at != SIZE_MAX, "no tensor %s", name);
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    const size_t count = (size_t)swg_tensor_elems(desc);
    float *values = swg_malloc(count, sizeof *values);
    ck_ok(swg_source_read_f32(source, at, 0, swg_tensor_rows(desc), values));
    swg_strbuf_append(out, values, count * sizeof *values);
    swg_free(values);
}

static void check_sum(const char *name, swg_scheme scheme, const char *wanted)
{
    const char *path = swg_test_need(name);
    if (!path)
        return;
    swg_source *source = NULL;
    swg_strbuf all = {0};
    char tensor[128], sum[SWG_SHA256_TEXT];
    ck_ok(swg_source_open(path, NULL, &source));
    const size_t head = swg_source_find(source, "lm_head.weight");
    ck_assert(swg_scheme_equal(swg_source_tensor(source, head)->scheme, scheme));
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < sizeof layer_order / sizeof *layer_order; i++) {
            snprintf(tensor, sizeof tensor, "model.layers.%zu.%s", l, layer_order[i]);
            append_tensor(source, tensor, &all);
        }
    append_tensor(source, "lm_head.weight", &all);
    append_tensor(source, "model.norm.weight", &all);
    append_tensor(source, "model.embed_tokens.weight", &all);
    swg_sha256_text(all.text, all.length, sum);
    ck_assert_str_eq(sum, wanted);
    swg_strbuf_deinit(&all);
    swg_source_close(&source);
}

START_TEST(quantized_weights_are_the_packages)
{
    check_sum("fixtures/llama-tiny/model-q8_0.gguf",
              (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = 32),
              llama_tiny_q8_0_sha256);
    check_sum("fixtures/llama-tiny/model-q4_0.gguf",
              (swg_scheme)SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32),
              llama_tiny_q4_0_sha256);
}
END_TEST

/* --- Tokenizers ------------------------------------------------------------------------------- */

static void check_case(const swg_tokenizer *tokenizer, const char *text, size_t length,
                       const char *wanted, size_t wanted_length)
{
    const swg_encode_options plain = {.add_special = false, .parse_special = false};
    swg_ids ids = {0};
    swg_strbuf got = {0};
    ck_ok(swg_tokenizer_encode(tokenizer, text, length, &plain, &ids));
    for (size_t i = 0; i < ids.count; i++)
        swg_strbuf_printf(&got, " %d", ids.data[i]);
    ck_assert_msg(got.length == wanted_length &&
                      memcmp(swg_strbuf_text(&got), wanted, wanted_length) == 0,
                  "\"%.*s\" gives%s, not%.*s", (int)length, text, swg_strbuf_text(&got),
                  (int)wanted_length, wanted);
    swg_strbuf_deinit(&got);
    swg_ids_deinit(&ids);
}

static void check_vocabulary(const char *name)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char file[128];
    size_t n_cases = 0, n_in = 0, n_out = 0;
    snprintf(file, sizeof file, "tokenizers/ggml-vocab-%s.gguf", name);
    const char *path = swg_test_need(file);
    if (!path)
        return;
    swg_source *source = NULL;
    swg_tokenizer *tokenizer = NULL;
    char *in = NULL, *out = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), 0);
    ck_ok(swg_tokenizer_from_source(source, &tokenizer));
    strcat(file, ".inp");
    ck_ok(swg_file_read(swg_test_shared(file), 1 << 20, &in, &n_in));
    strcpy(strrchr(file, '.'), ".out");
    ck_ok(swg_file_read(swg_test_shared(file), 1 << 20, &out, &n_out));
    const char *wanted = out;
    for (const char *text = in, *end; (end = strstr(text, mark)) != NULL; n_cases++) {
        const size_t length = strcspn(wanted, "\n");
        check_case(tokenizer, text, (size_t)(end - text), wanted, length);
        wanted += length + 1;
        text = end + sizeof mark - 1;
    }
    ck_assert_uint_eq(n_cases, 46);
    swg_free(in);
    swg_free(out);
    swg_tokenizer_free(&tokenizer);
    swg_source_close(&source);
}

START_TEST(tokenizers_give_llama_cpps_ids)
{
    check_vocabulary("gpt-2");
    check_vocabulary("deepseek-llm");
    check_vocabulary("llama-spm");
    check_vocabulary("bert-bge");
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("gguf");
    TCase *cases = tcase_create("gguf");
    tcase_add_test(cases, blocks_decode_as_the_package_does);
    tcase_add_test(cases, blocks_encode_as_the_reference_does);
    tcase_add_test(cases, q8_k_is_a_scale_and_bytes);
    tcase_add_test(cases, blocks_of_infinite_scales_are_found);
    tcase_add_test(cases, codes_and_blocks_are_the_same);
    tcase_add_test(cases, blocks_of_integers_mean_them);
    tcase_add_test(cases, f32_is_the_safetensors_checkpoint);
    tcase_add_test(cases, quantized_weights_are_the_packages);
    tcase_add_test(cases, tokenizers_give_llama_cpps_ids);
    suite_add_tcase(suite, cases);
    return suite;
}
