/* Writing GGUF: what comes back, what is refused, and failures half-way. */
#include <math.h>

#include "formats/gguf/gguf_blocks.h"
#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "runtime/base/numeric.h"
#include "runtime/text/tokenizer.h"
#include "tests/formats/tiny_llama.h"

static const swg_scheme q8 = SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = 32);
static const swg_scheme q4 = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32);

static tiny_llama shape(swg_scheme scheme)
{
    return (tiny_llama){
        .dim = 64, .hidden = 96, .vocab = 7, .heads = 4, .kv_heads = 2, .scheme = scheme};
}

START_TEST(types_come_back_as_they_were)
{
    const swg_scheme schemes[] = {swg_scheme_plain(SWG_F32), swg_scheme_plain(SWG_F16),
                                  swg_scheme_plain(SWG_BF16), q8, q4};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        tiny_llama t = shape(schemes[i]);
        sample s;
        tiny_llama_fill(&t, &s);
        const char *path = swg_test_path("types.gguf"), *again = swg_test_path("again.gguf");
        const swg_sink_options force = {.size = sizeof force, .force = true};
        tiny_llama_round_trip(&s, path, &force);
        /* Twice gives the same bytes. */
        size_t n_a = 0, n_b = 0;
        ck_ok(sample_write(&s, again, &force));
        uint8_t *a = swg_test_read_file(path, &n_a), *b = swg_test_read_file(again, &n_b);
        ck_assert_uint_eq(n_a, n_b);
        ck_assert_mem_eq(a, b, n_a);
        /* The plan was exact. */
        uint64_t planned = 0;
        bool is_exact = false;
        ck_ok(swg_sink_plan_bytes(path, &force, &s.meta, s.tensors, s.n_tensors, &planned,
                                  &is_exact));
        ck_assert(is_exact);
        ck_assert_uint_eq(planned, n_a);
        swg_free(a);
        swg_free(b);
        sample_deinit(&s);
    }
}
END_TEST

/* Vectors of half precision are F32 in the file and half precision for us. */
START_TEST(vectors_are_widened_and_come_back)
{
    tiny_llama t = shape(swg_scheme_plain(SWG_BF16));
    sample s;
    tiny_llama_fill(&t, &s);
    sample_add(&s, "model.layers.0.self_attn.q_proj.bias", swg_scheme_plain(SWG_BF16), 1, 64, 0);
    sample_add(&s, "model.layers.0.self_attn.k_proj.bias", swg_scheme_plain(SWG_F16), 1, 32, 0);
    tiny_llama_round_trip(&s, swg_test_path("widened.gguf"), NULL);
    sample_deinit(&s);
}
END_TEST

START_TEST(floats_become_blocks_when_asked)
{
    const struct {
        const char *type;
        uint32_t id;
    } all[] = {{"q8_0", 8}, {"q4_0", 2}, {"q4_1", 3}};
    tiny_llama t = shape(swg_scheme_plain(SWG_F32));
    sample s;
    tiny_llama_fill(&t, &s);
    for (size_t i = 0; i < 3; i++) {
        const char *path = swg_test_path("blocks.gguf");
        ck_ok(sample_write(&s, path,
                           &(swg_sink_options){.size = sizeof(swg_sink_options),
                                               .force = true,
                                               .element_type = all[i].type}));
        swg_source *source = NULL;
        ck_ok(swg_source_open(path, NULL, &source));
        const size_t at = swg_source_find(source, "model.layers.0.mlp.gate_proj.weight");
        const swg_gguf_type *type = swg_gguf_type_find(all[i].id);
        float got[64], wanted[64];
        uint8_t block[64];
        ck_ok(swg_source_read_f32(source, at, 5, 1, got));
        for (size_t b = 0; b < 2; b++) {
            swg_gguf_encode_of(type)((const float *)(void *)s.planes[4][0] + 5 * 64 + 32 * b,
                                     block);
            swg_block_type_find(type->id)->decode(block, wanted + 32 * b);
        }
        ck_assert_mem_eq(got, wanted, sizeof got);
        const size_t norm = swg_source_find(source, "model.norm.weight");
        ck_assert_int_eq(swg_source_tensor(source, norm)->scheme.dtype, SWG_F32);
        swg_source_close(&source);
    }
    static const char *const others[] = {"blocks.bin", "blocks.swg", "blocks.h5", "blocks-folder"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_status_is(SWG_USAGE, sample_write(&s, swg_test_path(others[i]),
                                             &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                                 .element_type = "q8_0"}));
    ((float *)(void *)s.planes[4][0])[9] = 1.0f / 0.0f;
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, swg_test_path("infinite.gguf"),
                                               &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                                   .element_type = "q8_0"}));
    ck_status_is(SWG_USAGE, sample_write(&s, swg_test_path("unknown.gguf"),
                                         &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                             .element_type = "q6_k"}));
    sample_deinit(&s);
}
END_TEST

START_TEST(tokenizer_goes_along)
{
    tiny_llama t = shape(swg_scheme_plain(SWG_F32));
    sample s;
    tiny_llama_fill(&t, &s);
    tiny_llama_add_tokenizer(&s);
    const char *path = swg_test_path("tokenizer.gguf");
    ck_ok(sample_write(&s, path, NULL));
    swg_source *source = NULL;
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    swg_file_view file;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_source_find_file(source, "tokenizer.json", &file));
    ck_assert_uint_eq(file.length, strlen(tiny_tokenizer));
    ck_assert_mem_eq(file.data, tiny_tokenizer, file.length);
    ck_ok(swg_tokenizer_from_source(source, &tokenizer));
    ck_ok(swg_tokenizer_encode(tokenizer, "ab c", 4, NULL, &ids));
    ck_assert_uint_eq(ids.count, 3);
    ck_assert_int_eq(ids.data[0], 4);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

/* A SentencePiece model of byte pairs: a field of bytes is its number and length before it. */
static const char spm[] = "\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
                          "\x0a\x0c\x0a\x03<s>\x15\0\0\0\0\x18\x03"
                          "\x0a\x0d\x0a\x04</s>\x15\0\0\0\0\x18\x03"
                          "\x0a\x08\x0a\x01"
                          "a\x15\0\0\xc8\xc2"
                          "\x0a\x08\x0a\x01"
                          "b\x15\0\0\xca\xc2"
                          "\x0a\x09\x0a\x02"
                          "ab\x15\0\0\0\0"
                          "\x12\x02\x18\x02"
                          "\x1a\x04\x18\x00\x20\x00";

/* Files of other kinds than tokenizer.json, and tokens that only a side file has. */
START_TEST(other_tokenizers_go_along)
{
    static const char config[] = "{\"added_tokens_decoder\":{\"6\":{\"content\":\"<|x|>\","
                                 "\"special\":true}}}";
    static const struct {
        const char *names[2], *side; /* the first file and, of JSON or text, the second */
        const char *text;
        int32_t ids[4];
        size_t n;
    } cases[] = {
        {{"tokenizer.model", "tokenizer_config.json"}, config, "ab<|x|>b", {1, 5, 6, 4}, 4},
        {{"tokenizer.model", "added_tokens.json"}, "{\"<|x|>\":6}", "ab<|x|>b", {1, 5, 6, 4}, 4},
        {{"vocab.json", "merges.txt"}, "#version: 0.2\na b\n", "abb", {2, 1}, 2},
    };
    static const char vocab[] = "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_llama t = shape(swg_scheme_plain(SWG_F32));
        sample s;
        tiny_llama_fill(&t, &s);
        const bool is_spm = strcmp(cases[i].names[0], "tokenizer.model") == 0;
        s.files[0] = is_spm ? (swg_file_view){cases[i].names[0], spm, sizeof spm - 1}
                            : (swg_file_view){cases[i].names[0], vocab, sizeof vocab - 1};
        s.files[1] = (swg_file_view){cases[i].names[1], cases[i].side, strlen(cases[i].side)};
        s.meta.n_files = 2;
        const char *path = swg_test_path("others.gguf");
        ck_ok(sample_write(&s, path,
                           &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
        swg_source *source = NULL;
        swg_tokenizer *tokenizer = NULL;
        swg_ids ids = {0};
        ck_ok(swg_source_open(path, NULL, &source));
        ck_ok(swg_tokenizer_from_source(source, &tokenizer));
        ck_ok(swg_tokenizer_encode(tokenizer, cases[i].text, strlen(cases[i].text), NULL, &ids));
        ck_assert_uint_eq(ids.count, cases[i].n);
        for (size_t k = 0; k < ids.count; k++)
            ck_assert_int_eq(ids.data[k], cases[i].ids[k]);
        swg_ids_deinit(&ids);
        swg_tokenizer_free(&tokenizer);
        swg_source_close(&source);
        sample_deinit(&s);
    }
}
END_TEST

/* SentencePiece models that engines would misread are refused. */
START_TEST(other_sentencepiece_models_are_refused)
{
    static const struct {
        const char *end;
        size_t length;
        swg_status status;
        const char *what;
    } cases[] = {{"\x12\x02\x18\x01\x1a\x02\x20\x00", 8, SWG_UNSUPPORTED, "byte-pair"},
                 {"\x12\x02\x18\x02\x1a\x00", 6, SWG_UNSUPPORTED, "removes spaces"},
                 {"\x12\x02\x18\x02\x1a\x05\x12\x01x\x20\x00", 11, SWG_UNSUPPORTED, "normalizes"},
                 {"\x12\x7f\x18\x02", 4, SWG_CORRUPT, "SentencePiece"},
                 {"\x0a\x02\x18\x07", 4, SWG_CORRUPT, "SentencePiece"},
                 {"\x0b", 1, SWG_CORRUPT, "SentencePiece"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char model[64] = "\x0a\x03\x0a\x01"
                         "a"; /* one piece */
        memcpy(model + 5, cases[i].end, cases[i].length);
        tiny_llama t = shape(swg_scheme_plain(SWG_F32));
        sample s;
        tiny_llama_fill(&t, &s);
        s.files[0] = (swg_file_view){"tokenizer.model", model, 5 + cases[i].length};
        s.meta.n_files = 1;
        ck_status_is(cases[i].status, sample_write(&s, swg_test_path("spm.gguf"), NULL));
        ck_assert_msg(strstr(swg_error_message(), cases[i].what), "%s", swg_error_message());
        sample_deinit(&s);
    }
}
END_TEST

/* Every token of the list ends a text after the way through a GGUF too. */
START_TEST(end_tokens_survive)
{
    static const char *const lists[] = {"[5,1]", "[5,1,2]", "[5,1,2,0,3]", "[5]", "[5,5]"};
    static const size_t counts[] = {2, 3, 5, 0, 0}; /* 0 = a number */
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char more[64];
        tiny_llama t = shape(swg_scheme_plain(SWG_F32));
        sample s;
        snprintf(more, sizeof more, ",\"eos_token_id\":%s", lists[i]);
        t.more = more;
        tiny_llama_fill(&t, &s);
        tiny_llama_add_tokenizer(&s);
        const char *path = swg_test_path("ends.gguf");
        ck_ok(sample_write(&s, path, NULL));
        swg_source *source = NULL;
        swg_json_doc *doc = NULL;
        swg_tokenizer *tokenizer = NULL;
        size_t length;
        ck_ok(swg_source_open(path, NULL, &source));
        const char *config = swg_source_config(source, &length);
        ck_ok(swg_json_parse(config, length, "config.json", &doc));
        const swg_json *ends = swg_json_get(swg_json_root(doc), "eos_token_id");
        ck_assert_uint_eq(swg_json_count(ends), counts[i]);
        ck_ok(swg_tokenizer_from_source(source, &tokenizer));
        for (const char *at = lists[i]; *at; at++)
            if (*at >= '0' && *at <= '9')
                ck_assert_msg(swg_tokenizer_is_end(tokenizer, *at - '0'), "%s: %c", lists[i], *at);
        swg_tokenizer_free(&tokenizer);
        swg_json_free(&doc);
        swg_source_close(&source);
        ck_assert_int_eq(remove(path), 0);
        sample_deinit(&s);
    }
}
END_TEST

static void expect_refusal(const char *what, const char *more, const char *file, swg_scheme scheme,
                           const char *tensor)
{
    tiny_llama t = shape(scheme);
    sample s;
    t.more = more;
    tiny_llama_fill(&t, &s);
    if (file) {
        s.files[0] = (swg_file_view){"tokenizer.json", file, strlen(file)};
        s.meta.n_files = 1;
    }
    if (tensor)
        sample_add(&s, tensor, swg_scheme_plain(SWG_F32), 1, 3, 0);
    const char *path = swg_test_path("refused.gguf");
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, NULL));
    ck_assert_msg(strstr(swg_error_message(), what), "%s is not in: %s", what, swg_error_message());
    ck_assert(!swg_path_exists(path));
    sample_deinit(&s);
}

START_TEST(what_a_gguf_cannot_say_is_refused)
{
    const swg_scheme f32 = swg_scheme_plain(SWG_F32);
    const swg_scheme wide =
        SWG_SCHEME_INT(8, .asymmetric = true, .scale_type = SWG_F16, .group = 64);
    expect_refusal("hidden_act", ",\"hidden_act\":\"gelu\"", NULL, f32, NULL);
    expect_refusal("sliding_window", ",\"sliding_window\":3", NULL, f32, NULL);
    expect_refusal("rope_scaling", ",\"rope_scaling\":{\"type\":\"dynamic\"}", NULL, f32, NULL);
    expect_refusal("partial_rotary_factor", ",\"partial_rotary_factor\":0.5", NULL, f32, NULL);
    expect_refusal("--dequantize", NULL, NULL, wide, NULL);
    expect_refusal("I64", NULL, NULL, swg_scheme_plain(SWG_I64), NULL);
    expect_refusal("model.extra", NULL, NULL, f32, "model.extra");
    expect_refusal("Unigram", NULL, "{\"model\":{\"type\":\"Unigram\"}}", f32, NULL);
    expect_refusal("by name", NULL,
                   "{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":\"BPE\","
                   "\"vocab\":{},\"merges\":[]}}",
                   f32, NULL);
    expect_refusal("7 rows", NULL, "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"x\":7}}}", f32,
                   NULL);
}
END_TEST

/* NaN and infinities: not in blocks at all, in other types on request and counted. */
START_TEST(numbers_that_are_none_are_not_converted_unseen)
{
    tiny_llama t = {.dim = 32,
                    .hidden = 32,
                    .vocab = 7,
                    .heads = 2,
                    .kv_heads = 1,
                    .scheme = swg_scheme_plain(SWG_F32)};
    static const float bad[] = {NAN, INFINITY, 1e6f};
    sample s;
    const char *path = swg_test_path("nonfinite.gguf");
    tiny_llama_fill(&t, &s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(s.planes[0][0] + 4 * 33, &bad[i], 4);
        swg_sink_options o = {.size = sizeof o, .element_type = "q8_0", .keep_nonfinite = true};
        if (i < 2) {
            ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, &o));
            ck_assert_ptr_nonnull(strstr(swg_error_message(), "element [1, 1]"));
        }
        o = (swg_sink_options){.size = sizeof o, .element_type = "f16"};
        ck_status_is(i < 2 ? SWG_CORRUPT : SWG_UNSUPPORTED, sample_write(&s, path, &o));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "element 33 of tensor"));
        ck_assert(!swg_path_exists(path));
        o.keep_nonfinite = true;
        swg_sink *sink = NULL;
        ck_ok(swg_sink_open(path, &o, &s.meta, s.tensors, s.n_tensors, &sink));
        ck_ok(swg_sink_write(sink, 0, (const void *const[SWG_PLANE_KINDS]){s.planes[0][0]}));
        ck_assert_uint_eq(swg_sink_nonfinite(sink), 1);
        swg_sink_abort(&sink);
        o = (swg_sink_options){.size = sizeof o,
                               .element_type = "f32"}; /* no other type: bits are copied */
        ck_ok(sample_write(&s, path, &o));
        ck_assert_int_eq(remove(path), 0);
    }
    sample_deinit(&s);
}
END_TEST

/* A weight that makes the scale of its block infinite. */
START_TEST(scales_beyond_f16_are_refused)
{
    static const struct {
        const char *type;
        float value;
    } cases[] = {{"q8_0", 1e7f}, {"q4_0", -1e6f}, {"q4_1", 1e6f}, {"q4_1", -1e5f}};
    tiny_llama t = {.dim = 32,
                    .hidden = 32,
                    .vocab = 7,
                    .heads = 2,
                    .kv_heads = 1,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    const char *path = swg_test_path("scales.gguf");
    tiny_llama_fill(&t, &s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(s.planes[0][0] + 4 * 33, &cases[i].value, 4);
        swg_sink_options o = {.size = sizeof o, .element_type = cases[i].type};
        ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, &o));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "element [1, 1]"));
        ck_assert(!swg_path_exists(path));
        o.keep_nonfinite = true;
        ck_ok(sample_write(&s, path, &o));
        ck_assert_int_eq(remove(path), 0);
    }
    sample_deinit(&s);
}
END_TEST

START_TEST(frequency_factors_are_written_and_recognized)
{
    tiny_llama t = shape(swg_scheme_plain(SWG_F32));
    sample s;
    t.more = ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
             "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}";
    tiny_llama_fill(&t, &s);
    const char *path = swg_test_path("llama3.gguf");
    tiny_llama_round_trip(&s, path, NULL);
    swg_source *source = NULL;
    swg_json_doc *doc = NULL;
    size_t length = 0;
    double factor = 0;
    int64_t original = 0;
    ck_ok(swg_source_open(path, NULL, &source));
    const char *text = swg_source_config(source, &length);
    ck_ok(swg_json_parse(text, length, "config", &doc));
    const swg_json *scaling = swg_json_get(swg_json_root(doc), "rope_scaling");
    ck_assert(swg_json_as_double(swg_json_get(scaling, "factor"), &factor));
    ck_assert(
        swg_json_as_int(swg_json_get(scaling, "original_max_position_embeddings"), &original));
    ck_assert_double_eq(factor, 8.0);
    ck_assert_int_eq(original, 8192);
    swg_json_free(&doc);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

static swg_status write_again(void *context)
{
    return sample_write(context, swg_test_path("failing.gguf"),
                        &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
}

static swg_status read_again(void *context)
{
    return sample_use(context, false);
}

START_TEST(failures_are_clean)
{
    tiny_llama t = {.dim = 32, .hidden = 32, .vocab = 7, .heads = 2, .kv_heads = 1, .scheme = q4};
    sample s;
    tiny_llama_fill(&t, &s);
    tiny_llama_add_tokenizer(&s);
    swg_test_each_allocation_fails(write_again, &s);
    swg_test_each_write_fails(write_again, NULL, &s);
    swg_test_each_allocation_fails(read_again, (void *)swg_test_path("failing.gguf"));
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("gguf_writer");
    TCase *cases = tcase_create("gguf_writer");
    tcase_add_test(cases, types_come_back_as_they_were);
    tcase_add_test(cases, vectors_are_widened_and_come_back);
    tcase_add_test(cases, floats_become_blocks_when_asked);
    tcase_add_test(cases, tokenizer_goes_along);
    tcase_add_test(cases, other_tokenizers_go_along);
    tcase_add_test(cases, other_sentencepiece_models_are_refused);
    tcase_add_test(cases, what_a_gguf_cannot_say_is_refused);
    tcase_add_test(cases, numbers_that_are_none_are_not_converted_unseen);
    tcase_add_test(cases, end_tokens_survive);
    tcase_add_test(cases, scales_beyond_f16_are_refused);
    tcase_add_test(cases, frequency_factors_are_written_and_recognized);
    tcase_add_test(cases, failures_are_clean);
    suite_add_tcase(suite, cases);
    return suite;
}
