/* Llamas of a few numbers with random weights: a sample of any shape, for tests of the formats that
 * engines load, and the micro model, for tests that need some model but not a good one. */
#ifndef SWG_TESTS_FORMATS_TINY_LLAMA_H
#define SWG_TESTS_FORMATS_TINY_LLAMA_H

#include "tests/formats/sample.h"

/* A tokenizer.json: byte-level BPE over four characters. */
extern const char tiny_tokenizer[];

typedef struct tiny_llama {
    uint64_t dim, hidden, vocab, heads, kv_heads;
    unsigned layers; /* 0 = 1 */
    bool is_tied;
    swg_scheme scheme; /* of the matrices */
    float spread;      /* of their floats; 0 = 0.02 */
    uint64_t seed;     /* 0 = swg_test_seed() */
    const char *more;  /* more configuration: ", \"key\": value" */
    const char *type;  /* model_type; NULL = llama */
    char config[1024];
} tiny_llama;

/* Make `s` the model; its configuration is in `t`, which must outlive it. */
void tiny_llama_fill(tiny_llama *t, sample *s);

/* Let `s` carry tiny_tokenizer. */
void tiny_llama_add_tokenizer(sample *s);

/* Write the sample to `path`, open what was written and find every plane as it was. */
void tiny_llama_round_trip(const sample *s, const char *path, const swg_sink_options *options);

/* The configuration of the micro model: 2 layers, d_model 16, 2 query heads over 1 key head, d_ff
 * 24, vocabulary 40, tied head. */
extern const char swg_micro_config[];

/* Write a micro model to `path` (its ending picks the format). `config` replaces the configuration
 * text (NULL = swg_micro_config); `left_out` names a tensor to leave out, `added` one to add, both
 * may be NULL; weights come from `seed`. */
swg_status swg_micro_model_write(const char *path, const char *config, const char *left_out,
                                 const char *added, uint64_t seed);

#endif
