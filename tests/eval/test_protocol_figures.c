/* Figures of every protocol on published texts with a real model, computed again without the code
 * under test: windows cut here by the protocols' definitions (docs/perplexity.md), logits of whole
 * windows, and their log-softmax in double. Equal to 1e-5. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/perplexity.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/session.h"
#include "tests/harness.h"

enum { CONTEXT = 128, LONGEST = 512, TOKENS = 900, VOCAB = 4096 };

/* What a protocol adds up: weighted means of windows. */
typedef struct figure {
    const swg_session *loaded;
    const char *text; /* [length] */
    size_t length;
    swg_exec *exec;
    float *logits; /* [LONGEST][VOCAB] */
    double sum, weight;
} figure;

/* Negative log-likelihoods of ids [first, n) of a window that is read from the beginning; its mean
 * counts `weight` times. */
static void add_window(figure *f, const int32_t *ids, size_t n, size_t first, double weight)
{
    double sum = 0;
    swg_exec_reset(f->exec);
    ck_ok(swg_exec_run(f->exec, ids, n - 1, 0, f->logits));
    for (size_t i = first; i < n; i++) {
        const float *row = f->logits + (i - 1) * VOCAB;
        double total = 0;
        for (size_t v = 0; v < VOCAB; v++)
            total += exp((double)row[v]);
        sum += log(total) - (double)row[ids[i]];
    }
    f->sum += sum / (double)(n - first) * weight;
    f->weight += weight;
}

static void add_gptq(figure *f, const int32_t *ids, size_t n, int32_t bos)
{
    (void)bos;
    for (size_t at = 0; at + CONTEXT <= n; at += CONTEXT)
        add_window(f, ids + at, CONTEXT, 1, 1);
}

static void add_llama_cpp(figure *f, const int32_t *ids, size_t n, int32_t bos)
{
    int32_t window[CONTEXT];
    for (size_t at = 0; at + CONTEXT <= n; at += CONTEXT) {
        memcpy(window, ids + at, sizeof window);
        if (swg_tokenizer_adds_bos(f->loaded->tokenizer))
            window[0] = bos;
        add_window(f, window, CONTEXT, CONTEXT / 2 + 1, 1);
    }
}

static void add_hf_stride(figure *f, const int32_t *ids, size_t n, int32_t bos)
{
    (void)bos;
    for (size_t begin = 0, reached = 0; reached < n; begin += CONTEXT / 2) {
        const size_t end = begin + CONTEXT < n ? begin + CONTEXT : n;
        const size_t first = reached > begin ? reached - begin : 1;
        const size_t targets = end - reached;
        if (targets > 1) /* the page's weight: targets - 1 */
            add_window(f, ids + begin, end - begin, first, (double)targets - 1);
        reached = end;
    }
}

static void add_lm_eval(figure *f, const int32_t *ids, size_t n, int32_t bos)
{
    int32_t window[CONTEXT + 1] = {bos};
    size_t scored = n < CONTEXT ? n : CONTEXT;
    memcpy(window + 1, ids, scored * sizeof *ids);
    add_window(f, window, scored + 1, 1, (double)scored);
    while (scored < n) {
        const size_t fresh = n - scored < CONTEXT ? n - scored : CONTEXT;
        const size_t end = scored + fresh;
        add_window(f, ids + end - CONTEXT - 1, CONTEXT + 1, CONTEXT + 1 - fresh, (double)fresh);
        scored = end;
    }
}

/* The text's own blocks between blank lines, tokenized one by one up to n tokens, each after BOS.
 */
static void add_per_doc(figure *f, const int32_t *ids, size_t n, int32_t bos)
{
    const char *at = f->text, *const end = f->text + f->length;
    int32_t window[LONGEST] = {bos};
    (void)ids;
    ck_assert_int_eq(bos, swg_tokenizer_bos(f->loaded->tokenizer));
    while (n > 0 && at < end) {
        const char *stop = memmem(at, (size_t)(end - at), "\n\n", 2);
        swg_ids block = {0};
        if (!stop)
            stop = end;
        ck_ok(swg_tokenizer_encode(f->loaded->tokenizer, at, (size_t)(stop - at), NULL, &block));
        const size_t count = block.count < n ? block.count : n;
        memcpy(window + 1, block.data, count * sizeof *window);
        if (count > 0)
            add_window(f, window, count + 1, 1, (double)count);
        n -= count;
        at = stop < end ? stop + 2 : end;
        swg_ids_deinit(&block);
    }
}

static const struct {
    swg_protocol protocol;
    size_t context, tokens;
    void (*add)(figure *, const int32_t *, size_t, int32_t);
} protocols[] = {
    {SWG_PROTOCOL_gptq, CONTEXT, TOKENS, add_gptq},
    {SWG_PROTOCOL_llama_cpp, CONTEXT, TOKENS, add_llama_cpp},
    {SWG_PROTOCOL_hf_stride, CONTEXT, TOKENS, add_hf_stride},
    {SWG_PROTOCOL_lm_eval, CONTEXT, TOKENS, add_lm_eval},
    /* All of wiki.test.raw is one document: with BOS its beginning fills the positions. */
    {SWG_PROTOCOL_per_doc, LONGEST, LONGEST - 1, add_per_doc}};

/* The model's own text without what a tokenizer may put before it; the windows' ids are the same.
 */
static void check_figure(figure *f, int which, const swg_ids *ids)
{
    const swg_tokenizer *tokenizer = f->loaded->tokenizer;
    swg_window_options options = swg_window_options_default();
    swg_windows windows = {0};
    swg_score score;
    options.context = protocols[which].context;
    options.max_tokens = protocols[which].tokens;
    ck_ok(swg_windows_make(protocols[which].protocol, tokenizer, f->text, f->length, &options,
                           &windows));
    ck_ok(swg_perplexity_measure(f->exec, f->loaded->model, f->loaded->pool, &windows, NULL, NULL,
                                 &score));
    int32_t prefix = swg_tokenizer_bos(tokenizer);
    if (prefix < 0)
        prefix = swg_tokenizer_eos(tokenizer);
    f->sum = f->weight = 0;
    protocols[which].add(f, ids->data, protocols[which].tokens, prefix);
    const double wanted = exp(f->sum / f->weight);
    ck_assert_msg(fabs(score.perplexity - wanted) <= 1e-5 * wanted, "%s: %.8f, not %.8f",
                  swg_protocol_name(protocols[which].protocol), score.perplexity, wanted);
    swg_windows_deinit(&windows);
}

START_TEST(figures_on_published_texts)
{
    static const char *const texts[] = {"text/wiki.test.raw", "text/sherlock.txt"};
    const char *model = swg_test_need("models/novels-6m");
    if (!model)
        return;
    swg_session loaded;
    figure f = {.loaded = &loaded};
    swg_exec_options options = swg_exec_options_default();
    options.context = LONGEST;
    options.activations = SWG_ACT_F32;
    ck_ok(swg_session_open(model, NULL, true, 2, NULL, &loaded));
    ck_assert_int_eq(loaded.model->hparams.vocab, VOCAB);
    ck_ok(swg_exec_new(loaded.model, loaded.pool, &options, &f.exec));
    ck_ok(SWG_NEW(f.logits, (size_t)LONGEST * VOCAB));
    for (size_t i = 0; i < 2; i++) {
        const char *path = swg_test_need(texts[i]);
        if (!path)
            break;
        swg_map text;
        swg_ids ids = {0};
        ck_ok(swg_map_open(path, &text));
        ck_ok(
            swg_tokenizer_encode(loaded.tokenizer, (const char *)text.data, text.size, NULL, &ids));
        f.text = (const char *)text.data;
        f.length = text.size;
        check_figure(&f, _i, &ids);
        swg_ids_deinit(&ids);
        swg_map_close(&text);
    }
    swg_free(f.logits);
    swg_exec_free(&f.exec);
    swg_session_close(&loaded);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("protocol_figures");
    TCase *tcase = tcase_create("figures");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, figures_on_published_texts, 0, sizeof protocols / sizeof *protocols);
    suite_add_tcase(suite, tcase);
    return suite;
}
