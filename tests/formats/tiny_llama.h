/* A Llama of a few numbers, for tests of the formats that engines load. */
#ifndef SWG_TESTS_FORMATS_TINY_LLAMA_H
#define SWG_TESTS_FORMATS_TINY_LLAMA_H

#include "tests/formats/sample.h"

/* Byte-level BPE over four characters. */
static const char tiny_tokenizer[] =
    "{\"added_tokens\":[{\"id\":5,\"content\":\"<e>\",\"special\":true}],\"normalizer\":null,"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\","
    "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\xc4\xa0\":3,\"ab\":4},\"merges\":[\"a b\"]}}";

typedef struct tiny_llama {
    uint64_t dim, hidden, vocab, heads, kv_heads;
    bool is_tied;
    swg_scheme scheme; /* of the matrices */
    const char *more;  /* more configuration: ", \"key\": value" */
    const char *type;  /* model_type; NULL = llama */
    char config[1024];
} tiny_llama;

static inline void tiny_llama_fill(tiny_llama *t, sample *s)
{
    const uint64_t kv = t->dim / t->heads * t->kv_heads;
    const swg_scheme f32 = swg_scheme_plain(SWG_F32);
    static const char layer[] = "model.layers.0.";
    const struct {
        const char *name;
        uint64_t rows, cols;
    } all[] = {
        {"self_attn.q_proj.weight", t->dim, t->dim},    {"self_attn.k_proj.weight", kv, t->dim},
        {"self_attn.v_proj.weight", kv, t->dim},        {"self_attn.o_proj.weight", t->dim, t->dim},
        {"mlp.gate_proj.weight", t->hidden, t->dim},    {"mlp.up_proj.weight", t->hidden, t->dim},
        {"mlp.down_proj.weight", t->dim, t->hidden},    {"input_layernorm.weight", t->dim, 0},
        {"post_attention_layernorm.weight", t->dim, 0},
    };
    sample_init(s);
    s->meta.n_files = 0;
    s->meta.n_metadata = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", layer, all[i].name);
        sample_add(s, name, all[i].cols ? t->scheme : f32, all[i].cols ? 2 : 1, all[i].rows,
                   all[i].cols);
    }
    sample_add(s, "model.norm.weight", f32, 1, t->dim, 0);
    sample_add(s, "model.embed_tokens.weight", t->scheme, 2, t->vocab, t->dim);
    if (!t->is_tied)
        sample_add(s, "lm_head.weight", t->scheme, 2, t->vocab, t->dim);
    const int length = snprintf(
        t->config, sizeof t->config,
        "{\"model_type\":\"%s\",\"hidden_size\":%d,\"intermediate_size\":%d,"
        "\"num_hidden_layers\":1,\"num_attention_heads\":%d,\"num_key_value_heads\":%d,"
        "\"vocab_size\":%d,\"max_position_embeddings\":4,\"rms_norm_eps\":1e-5,"
        "\"rope_theta\":10000.0,\"tie_word_embeddings\":%s%s}",
        t->type ? t->type : "llama", (int)t->dim, (int)t->hidden, (int)t->heads, (int)t->kv_heads,
        (int)t->vocab, t->is_tied ? "true" : "false", t->more ? t->more : "");
    s->meta.config = t->config;
    s->meta.config_length = (size_t)length;
}

static inline void tiny_llama_add_tokenizer(sample *s)
{
    s->files[0] = (swg_file_view){"tokenizer.json", tiny_tokenizer, sizeof tiny_tokenizer - 1};
    s->meta.n_files = 1;
}

/* Write the sample to `path`, open what was written and find every plane as it was. */
static inline void tiny_llama_round_trip(const sample *s, const char *path,
                                         const swg_sink_options *options)
{
    swg_source *source = NULL;
    ck_ok(sample_write(s, path, options));
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(sample_compare(s, source));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}

/* A file cut at every length is refused, with bytes flipped it is refused or read; both with a
 * sentence and without harm. */
static inline void cut_and_flip(const char *name, const uint8_t *bytes, size_t length)
{
    static const uint8_t flips[] = {0x01, 0x10, 0x80, 0xff};
    const char *path = swg_test_path(name);
    uint8_t *copy = swg_malloc(length, 1);
    memcpy(copy, bytes, length);
    for (size_t cut = 0; cut < length; cut++) {
        sample_put_file(path, bytes, cut);
        swg_error_clear();
        const swg_status status = sample_use(path, true);
        ck_assert_msg(status == SWG_CORRUPT || status == SWG_UNSUPPORTED,
                      "%s cut at %zu gave status %d", name, cut, (int)status);
        ck_assert_str_ne(swg_error_message(), "");
    }
    for (size_t at = 0; at < length; at++)
        for (size_t i = 0; i < sizeof flips; i++) {
            copy[at] ^= flips[i];
            sample_put_file(path, copy, length);
            swg_error_clear();
            const swg_status status = sample_use(path, false);
            ck_assert_msg(status == SWG_OK ||
                              ((status == SWG_CORRUPT || status == SWG_UNSUPPORTED) &&
                               swg_error_message()[0]),
                          "%s with byte %zu changed gave status %d: %s", name, at, (int)status,
                          swg_error_message());
            copy[at] ^= flips[i];
        }
    swg_free(copy);
    remove(path);
}

#endif
