/* What engines require of a GGUF beyond being well-formed, found by loading ours with llama.cpp:
 * required keys, types it computes with, tensors it knows. */
#include "formats/gguf/gguf.h"
#include "formats/json/json.h"
#include "runtime/base/file.h"
#include "runtime/base/numeric.h"
#include "runtime/text/tokenizer.h"
#include "tests/formats/tiny_llama.h"

static const swg_scheme q8 = SWG_SCHEME_INT(8, .scale_type = SWG_F16, .group = 32);

/* A file's header; the bytes stay for the values to point into. */
typedef struct opened {
    uint8_t *bytes;
    size_t size;
    swg_arena arena;
    swg_gguf_header header;
} opened;

static void open_written(const char *path, opened *o)
{
    *o = (opened){0};
    o->bytes = swg_test_read_file(path, &o->size);
    ck_ok(swg_gguf_parse(path, o->bytes, o->size, &o->arena, &o->header));
}

static void close_written(opened *o)
{
    swg_arena_deinit(&o->arena);
    swg_free(o->bytes);
}

static void ck_flag(const opened *o, const char *key, bool wanted)
{
    bool flag = !wanted;
    ck_assert_msg(swg_gguf_as_bool(swg_gguf_find(&o->header, key), &flag), "there is no %s", key);
    ck_assert_msg(flag == wanted, "%s is %d", key, flag);
}

static void ck_id(const opened *o, const char *key, int64_t wanted)
{
    int64_t id = -1;
    swg_gguf_as_int(swg_gguf_find(&o->header, key), &id);
    ck_assert_msg(id == wanted, "%s is %lld", key, (long long)id);
}

/* --- BERT ------------------------------------------------------------------------------------- */

static const char bert_config[] =
    "{\"model_type\":\"bert\",\"hidden_size\":32,\"num_hidden_layers\":1,"
    "\"num_attention_heads\":2,\"intermediate_size\":32,\"max_position_embeddings\":4,"
    "\"type_vocab_size\":2,\"layer_norm_eps\":1e-12%s}";

/* The embeddings, and the heads of a classifier with three labels; no layers. */
static void fill_bert(sample *s, char config[512], const char *more, bool has_pooler)
{
    const swg_scheme f32 = swg_scheme_plain(SWG_F32);
    sample_init(s);
    s->meta.n_files = 0;
    s->meta.n_metadata = 0;
    sample_add(s, "bert.embeddings.word_embeddings.weight", q8, 2, 6, 32);
    sample_add(s, "bert.embeddings.position_embeddings.weight", q8, 2, 4, 32);
    sample_add(s, "bert.embeddings.token_type_embeddings.weight", q8, 2, 2, 32);
    if (has_pooler)
        sample_add(s, "bert.pooler.dense.weight", q8, 2, 32, 32);
    sample_add(s, "classifier.weight", f32, 2, 3, 32);
    s->meta.config = config;
    s->meta.config_length = (size_t)snprintf(config, 512, bert_config, more);
}

/* llama.cpp aborts when it has to add blocks to activations. */
START_TEST(tables_that_are_added_are_f32)
{
    static const char *const names[] = {"position_embd.weight", "token_types.weight"};
    char config[512];
    sample s;
    opened o;
    fill_bert(&s, config, "", true);
    const char *path = swg_test_path("tables.gguf");
    ck_ok(sample_write(&s, path, NULL));
    open_written(path, &o);
    for (size_t t = 0; t < 2; t++) {
        const swg_gguf_tensor *tensor = swg_gguf_find_tensor(&o.header, names[t]);
        ck_assert_ptr_nonnull(tensor);
        ck_assert_uint_eq(tensor->type->id, SWG_GGUF_F32);
        const uint8_t *codes = s.planes[1 + t][SWG_PLANE_CODES];
        const uint16_t *scales = (const uint16_t *)(const void *)s.planes[1 + t][SWG_PLANE_SCALES];
        for (size_t i = 0; i < tensor->bytes / sizeof(float); i++) {
            float value;
            memcpy(&value, o.bytes + tensor->offset + i * sizeof value, sizeof value);
            ck_assert_float_eq(value, (float)(codes[i] - 128) * swg_f16_to_f32(scales[i / 32]));
        }
    }
    ck_assert_uint_eq(swg_gguf_find_tensor(&o.header, "token_embd.weight")->type->id,
                      SWG_BLOCK_Q8_0);
    close_written(&o);
    sample_deinit(&s);
}
END_TEST

/* llama.cpp expects a classifier of one row unless labels say otherwise. */
START_TEST(labels_are_written_without_id2label_too)
{
    char config[512];
    sample s;
    opened o;
    fill_bert(&s, config, "", true);
    const char *path = swg_test_path("labels.gguf");
    ck_ok(sample_write(&s, path, NULL));
    open_written(path, &o);
    const swg_gguf_value *labels = swg_gguf_find(&o.header, "bert.classifier.output_labels");
    ck_assert(swg_gguf_is_array(labels, SWG_GGUF_STRING));
    ck_assert_uint_eq(labels->count, 3);
    close_written(&o);
    sample_deinit(&s);
}
END_TEST

START_TEST(classifiers_that_engines_would_misread_are_refused)
{
    char config[512];
    sample s;
    fill_bert(&s, config, ",\"id2label\":{\"0\":\"no\",\"1\":\"yes\"}", true);
    const char *path = swg_test_path("misread.gguf");
    ck_status_is(SWG_CORRUPT, sample_write(&s, path, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "id2label has 2"));
    sample_deinit(&s);
    fill_bert(&s, config, "", false);
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, NULL));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "pooler"));
    sample_deinit(&s);
}
END_TEST

/* --- Windows, frequencies --------------------------------------------------------------------- */

static swg_status write_llama(const char *type, const char *more, const char *path)
{
    tiny_llama t = {.dim = 32,
                    .hidden = 32,
                    .vocab = 7,
                    .heads = 2,
                    .kv_heads = 1,
                    .scheme = swg_scheme_plain(SWG_F32),
                    .type = type,
                    .more = more};
    sample s;
    tiny_llama_fill(&t, &s);
    const swg_status status = sample_write(
        &s, path, &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
    sample_deinit(&s);
    return status;
}

/* The context is 4. */
START_TEST(only_windows_that_matter_are_refused)
{
    static const struct {
        const char *type, *more;
        swg_status status;
    } all[] = {
        /* As published. */
        {"qwen2", ",\"sliding_window\":3,\"use_sliding_window\":false,\"max_window_layers\":28",
         SWG_OK},
        {"qwen2", ",\"sliding_window\":3", SWG_OK},
        {"qwen2", ",\"sliding_window\":3,\"use_sliding_window\":true", SWG_UNSUPPORTED},
        {"qwen2", ",\"sliding_window\":null,\"use_sliding_window\":true", SWG_OK},
        {"mistral", ",\"sliding_window\":3", SWG_UNSUPPORTED},
        {"mistral", ",\"sliding_window\":4", SWG_OK},
        {"mistral", ",\"sliding_window\":null", SWG_OK},
        {"mistral", "", SWG_OK}, /* 4096 */
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_msg(write_llama(all[i].type, all[i].more, swg_test_path("window.gguf")) ==
                          all[i].status,
                      "%s%s: %s", all[i].type, all[i].more, swg_error_message());
}
END_TEST

/* llama.cpp counts tensors, and looks for rope_freqs.weight only in llama. */
START_TEST(frequency_factors_are_for_llama_alone)
{
    static const char scaling[] =
        ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
        "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}";
    const char *path = swg_test_path("factors.gguf");
    ck_ok(write_llama("llama", scaling, path));
    ck_status_is(SWG_UNSUPPORTED, write_llama("qwen2", scaling, path));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "llama3"));
}
END_TEST

/* Parameters that no published model has are noted for the way back. */
START_TEST(frequency_factors_of_any_parameters_come_back)
{
    static const char scaling[] =
        ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":6.0,\"low_freq_factor\":2.0,"
        "\"high_freq_factor\":5.0,\"original_max_position_embeddings\":48}";
    const char *path = swg_test_path("noted.gguf");
    swg_source *source = NULL;
    swg_json_doc *doc = NULL;
    size_t length = 0;
    double factor = 0, low = 0, high = 0;
    int64_t original = 0;
    ck_ok(write_llama("llama", scaling, path));
    ck_ok(swg_source_open(path, NULL, &source));
    const char *text = swg_source_config(source, &length);
    ck_ok(swg_json_parse(text, length, "config", &doc));
    const swg_json *found = swg_json_get(swg_json_root(doc), "rope_scaling");
    swg_json_as_double(swg_json_get(found, "factor"), &factor);
    swg_json_as_double(swg_json_get(found, "low_freq_factor"), &low);
    swg_json_as_double(swg_json_get(found, "high_freq_factor"), &high);
    swg_json_as_int(swg_json_get(found, "original_max_position_embeddings"), &original);
    ck_assert_double_eq(factor, 6);
    ck_assert_double_eq(low, 2);
    ck_assert_double_eq(high, 5);
    ck_assert_int_eq(original, 48);
    swg_json_free(&doc);
    swg_source_close(&source);
}
END_TEST

/* llama.cpp takes biases of every product of a llama; the configuration says so on the way back. */
START_TEST(biases_go_along)
{
    static const char *const names[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                        "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                        "mlp.down_proj"};
    tiny_llama t = {.dim = 32, .hidden = 32, .vocab = 7, .heads = 2, .kv_heads = 2};
    t.scheme = swg_scheme_plain(SWG_F32);
    t.more = ",\"attention_bias\":true,\"mlp_bias\":true";
    sample s;
    tiny_llama_fill(&t, &s);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.0.%s.bias", names[i]);
        sample_add(&s, name, swg_scheme_plain(SWG_F32), 1, 32, 0);
    }
    const char *path = swg_test_path("biases.gguf");
    tiny_llama_round_trip(&s, path, NULL);
    swg_source *source = NULL;
    size_t length = 0;
    ck_ok(swg_source_open(path, NULL, &source));
    const char *config = swg_source_config(source, &length);
    ck_assert_ptr_nonnull(strstr(config, "\"attention_bias\": true"));
    ck_assert_ptr_nonnull(strstr(config, "\"mlp_bias\": true"));
    swg_source_close(&source);
    opened o;
    open_written(path, &o);
    ck_assert_ptr_nonnull(swg_gguf_find_tensor(&o.header, "blk.0.ffn_down.bias"));
    close_written(&o);
    sample_deinit(&s);
}
END_TEST

/* A bias of q moves its elements and becomes F32: NaN in it is named, at its place before
 * the move, as it is in a bias of v, which only becomes F32. */
START_TEST(widened_biases_are_looked_at)
{
    static const char *const names[] = {"q", "v"};
    const char *path = swg_test_path("widened.gguf");
    for (size_t i = 0; i < 2; i++) {
        tiny_llama t = {.dim = 64,
                        .hidden = 32,
                        .vocab = 7,
                        .heads = 2,
                        .kv_heads = 2,
                        .scheme = swg_scheme_plain(SWG_F16)};
        sample s;
        char name[64];
        t.more = ",\"attention_bias\":true";
        tiny_llama_fill(&t, &s);
        snprintf(name, sizeof name, "model.layers.0.self_attn.%s_proj.bias", names[i]);
        sample_add(&s, name, swg_scheme_plain(SWG_F16), 1, 64, 0);
        uint16_t *const bias = (uint16_t *)(void *)s.planes[s.n_tensors - 1][0];
        ck_ok(sample_write(&s, path,
                           &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
        bias[5] = 0x7e00;
        ck_status_is(SWG_CORRUPT, sample_write(&s, path,
                                               &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                                   .force = true}));
        ck_assert_msg(strstr(swg_error_message(), "element 5 of tensor model.layers.0.self_attn."),
                      "%s", swg_error_message());
        ck_ok(sample_write(&s, path,
                           &(swg_sink_options){.size = sizeof(swg_sink_options),
                                               .force = true,
                                               .keep_nonfinite = true}));
        sample_deinit(&s);
    }
}
END_TEST

/* --- Tokenizers ------------------------------------------------------------------------------- */

/* Write a model of seven tokens with that tokenizer. */
static void write_with_tokenizer(const char *text, const char *path)
{
    tiny_llama t = {.dim = 32,
                    .hidden = 32,
                    .vocab = 7,
                    .heads = 2,
                    .kv_heads = 1,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    tiny_llama_fill(&t, &s);
    s.files[0] = (swg_file_view){"tokenizer.json", text, strlen(text)};
    s.meta.n_files = 1;
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    sample_deinit(&s);
}

/* Without the keys llama.cpp takes token 11 for both ends, and puts it in front of every text where
 * the pre-tokenizer is llama-bpe. */
START_TEST(whether_texts_get_ends_is_always_said)
{
    const char *path = swg_test_path("ends.gguf");
    opened o;
    write_with_tokenizer(tiny_tokenizer, path);
    open_written(path, &o);
    ck_flag(&o, "tokenizer.ggml.add_bos_token", false);
    ck_flag(&o, "tokenizer.ggml.add_eos_token", false);
    ck_assert_ptr_null(swg_gguf_find(&o.header, "tokenizer.ggml.bos_token_id"));
    close_written(&o);
}
END_TEST

/* Nothing but the post-processor names the token. */
START_TEST(ends_are_taken_from_the_post_processor)
{
    static const char before[] = "\"post_processor\":null";
    static const char post[] =
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
        "\"<e>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],"
        "\"special_tokens\":{\"<e>\":{\"id\":\"<e>\",\"ids\":[5],\"tokens\":[\"<e>\"]}}}";
    const char *path = swg_test_path("template.gguf"), *at = strstr(tiny_tokenizer, before);
    char text[1024];
    opened o;
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - tiny_tokenizer), tiny_tokenizer, post,
             at + sizeof before - 1);
    write_with_tokenizer(text, path);
    open_written(path, &o);
    ck_id(&o, "tokenizer.ggml.bos_token_id", 5);
    ck_flag(&o, "tokenizer.ggml.add_bos_token", true);
    close_written(&o);
    /* And our reader puts it in front too. */
    swg_source *source = NULL;
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_tokenizer_from_source(source, &tokenizer));
    ck_ok(swg_tokenizer_encode(tokenizer, "a", 1, NULL, &ids));
    ck_assert_uint_eq(ids.count, 2);
    ck_assert_int_eq(ids.data[0], 5);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
    swg_source_close(&source);
}
END_TEST

static const char word_piece[] =
    "{\"added_tokens\":[{\"id\":2,\"content\":\"[CLS]\",\"special\":true},{\"id\":3,\"content\":"
    "\"[SEP]\",\"special\":true},{\"id\":1,\"content\":\"[UNK]\",\"special\":true}],"
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
    "\"strip_accents\":true,\"lowercase\":false},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
    "\"[CLS]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],"
    "\"special_tokens\":{\"[CLS]\":{\"id\":\"[CLS]\",\"ids\":[2],\"tokens\":[\"[CLS]\"]}}},"
    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":"
    "\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
    "\"max_input_chars_per_word\":100,\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,\"[SEP]\":3,"
    "\"a\":4,\"##b\":5,\"\xc3\xa9\":6}}}";

/* llama.cpp puts the token that it calls bos in front, 101 unless told, and lowers case unless
 * told. */
START_TEST(word_pieces_say_their_ends_and_case)
{
    const char *path = swg_test_path("pieces.gguf");
    opened o;
    write_with_tokenizer(word_piece, path);
    open_written(path, &o);
    ck_id(&o, "tokenizer.ggml.bos_token_id", 2);
    ck_id(&o, "tokenizer.ggml.cls_token_id", 2);
    ck_id(&o, "tokenizer.ggml.seperator_token_id", 3);
    ck_flag(&o, "tokenizer.ggml.add_bos_token", true);
    ck_flag(&o, "tokenizer.ggml.add_sep_token", false);
    ck_flag(&o, "tokenizer.ggml.normalizer.lowercase", false);
    ck_flag(&o, "tokenizer.ggml.normalizer.strip_accents", true);
    close_written(&o);
}
END_TEST

/* The same keys read: with tokenizer.json hidden under another name, one is made out of them. */
START_TEST(word_pieces_are_read_from_their_keys)
{
    static const char key[] = "tokenizer.huggingface.json";
    const char *path = swg_test_path("keys.gguf");
    size_t size = 0;
    write_with_tokenizer(word_piece, path);
    uint8_t *bytes = swg_test_read_file(path, &size);
    uint8_t *at = memmem(bytes, size, key, sizeof key - 1);
    ck_assert_ptr_nonnull(at);
    *at = 'T';
    swg_test_write_file(path, bytes, size);
    swg_free(bytes);
    swg_source *source = NULL;
    swg_json_doc *doc = NULL;
    swg_file_view file;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_source_find_file(source, "tokenizer.json", &file));
    ck_ok(swg_json_parse(file.data, file.length, "made", &doc));
    const swg_json *root = swg_json_root(doc), *normalizer = swg_json_get(root, "normalizer");
    bool lowercase = true, strip = false;
    ck_assert(swg_json_as_bool(swg_json_get(normalizer, "lowercase"), &lowercase));
    ck_assert(swg_json_as_bool(swg_json_get(normalizer, "strip_accents"), &strip));
    ck_assert(!lowercase);
    ck_assert(strip);
    const swg_json *single = swg_json_get(swg_json_get(root, "post_processor"), "single");
    ck_assert_uint_eq(swg_json_count(single), 2); /* [CLS] A */
    swg_json_free(&doc);
    size_t length = 0;
    const char *config = swg_source_config(source, &length);
    ck_assert_ptr_null(strstr(config, "bos_token_id"));
    swg_source_close(&source);
}
END_TEST

/* A GGUF named as the tokenizer of another checkpoint: its files, not its bytes. */
static swg_status open_with_tokenizer(void *context)
{
    const swg_source_options options = {.size = sizeof options, .tokenizer = context};
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(swg_test_path("model.gguf"), &options, &source));
    swg_file_view file = {0};
    const swg_status status = swg_source_find_file(source, "tokenizer.json", &file);
    if (status == SWG_OK) {
        ck_assert_uint_eq(file.length, sizeof word_piece - 1);
        ck_assert_mem_eq(file.data, word_piece, file.length);
        ck_status_is(SWG_FAILED, swg_source_find_file(source, "tokenizer.bin", &file));
    }
    swg_source_close(&source);
    return status;
}

START_TEST(a_gguf_serves_as_tokenizer)
{
    char *path = swg_strdup(swg_test_path("pieces.gguf"));
    ck_ok(write_llama("llama", "", swg_test_path("model.gguf")));
    write_with_tokenizer(word_piece, path);
    ck_ok(open_with_tokenizer(path));
    swg_test_each_allocation_fails(open_with_tokenizer, path);
    swg_free(path);
    /* One without a tokenizer has none to give. */
    path = swg_strdup(swg_test_path("none.gguf"));
    ck_ok(write_llama("llama", "", path));
    ck_status_is(SWG_FAILED, open_with_tokenizer(path));
    swg_free(path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("gguf_engines");
    TCase *cases = tcase_create("gguf_engines");
    tcase_add_test(cases, tables_that_are_added_are_f32);
    tcase_add_test(cases, labels_are_written_without_id2label_too);
    tcase_add_test(cases, classifiers_that_engines_would_misread_are_refused);
    tcase_add_test(cases, only_windows_that_matter_are_refused);
    tcase_add_test(cases, frequency_factors_are_for_llama_alone);
    tcase_add_test(cases, frequency_factors_of_any_parameters_come_back);
    tcase_add_test(cases, biases_go_along);
    tcase_add_test(cases, widened_biases_are_looked_at);
    tcase_add_test(cases, whether_texts_get_ends_is_always_said);
    tcase_add_test(cases, ends_are_taken_from_the_post_processor);
    tcase_add_test(cases, word_pieces_say_their_ends_and_case);
    tcase_add_test(cases, word_pieces_are_read_from_their_keys);
    tcase_add_test(cases, a_gguf_serves_as_tokenizer);
    suite_add_tcase(suite, cases);
    return suite;
}
