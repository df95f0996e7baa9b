/* A model with random weights for every architecture that has a fixture here, and texts for it.
 * Header-only: every test program includes it once. */
#ifndef SWG_TESTS_RUNTIME_ARCH_MODELS_H
#define SWG_TESTS_RUNTIME_ARCH_MODELS_H

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/exec.h"
#include "runtime/model.h"
#include "tests/harness.h"

enum { ARCH_TOKENS = 15, ARCH_VOCAB = 29 };

static const char *const arch_names[] = {
    "llama-biases",
    "llama-dynamic",
    "mistral-window",
    "qwen2-window",
    "qwen3",
    "gpt2-bare",
    "gpt2-untied",
    "bert-masked",
    "bert-sequence",
    "bert-span",
    "bert-token",
    "rnn-lstm",
    "rnn-gru",
    "rnn-gru-update-first",
    "bert-model",
    "roberta-span",
    "roberta-masked",
    "xlm-roberta-token",
    "distilbert-sequence",
    "distilbert-span",
};
enum { N_ARCH_NAMES = sizeof arch_names / sizeof arch_names[0] };

static const swg_scheme arch_int4 = SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16);

static inline swg_model *arch_model(const char *name, swg_scheme scheme)
{
    char path[256];
    size_t length;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s/config.json", name);
    char *config = (char *)swg_test_read_file(path, &length);
    swg_model *model = NULL;
    ck_ok(swg_model_random(config, length, scheme, 11, NULL, &model));
    swg_free(config);
    return model;
}

/* `n` ids that differ from text to text. */
static inline void arch_ids(int32_t *ids, size_t n, size_t text)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((i * 7 + 3 + 5 * text) % ARCH_VOCAB);
}

static inline swg_exec *arch_exec(const swg_model *model, swg_exec_options options)
{
    swg_exec *exec = NULL;
    options.size = sizeof options;
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    return exec;
}

/* Logits of a text on its own: [n or 1][n_outputs]; the caller frees. */
static inline float *arch_logits(const swg_model *model, const int32_t *ids, size_t n)
{
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS});
    float *logits = swg_calloc(n * (size_t)model->hparams.n_outputs, sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    if (model->hparams.is_encoder)
        ck_ok(swg_exec_encode(exec, ids, NULL, n, logits));
    else
        ck_ok(swg_exec_run(exec, ids, n, 0, logits));
    swg_exec_free(&exec);
    return logits;
}

/* Rows of logits that a text of n tokens gives. */
static inline size_t arch_rows(const swg_model *model, size_t n)
{
    return model->hparams.one_output ? 1 : n;
}

#endif
