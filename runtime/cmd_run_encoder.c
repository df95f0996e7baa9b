/* swage run on an encoder: see cmd_run_encoder.h. */
#include "runtime/cmd_run_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/encoder_input.h"

/* Answers are seldom longer; without a limit an early start is paired with a distant end. */
enum { MOST_ANSWER_TOKENS = 30, MASK_CANDIDATES = 5 };

typedef struct encoding {
    const swg_encoder_run *run;
    const swg_hparams *h;
    swg_encoder_input input;
    float *logits;       /* [rows][n_outputs] */
    swg_json_writer json;
    swg_strbuf text;
} encoding;

static swg_status compute(encoding *e)
{
    const swg_session *loaded = e->run->loaded;
    swg_exec *exec = NULL;
    swg_status status = SWG_OK;
    const swg_exec_options options = {
        .size = sizeof options, .context = e->input.ids.count, .activations = e->run->activations};
    const size_t rows = e->h->one_output ? 1 : e->input.ids.count;
    SWG_GO(SWG_NEW(e->logits, rows * (size_t)e->h->n_outputs));
    SWG_GO(swg_exec_new(loaded->model, loaded->pool, &options, &exec));
    SWG_GO(swg_exec_encode(exec, e->input.ids.data, e->input.types.data, e->input.ids.count,
                           e->logits));
done:
    swg_exec_free(&exec);
    return status;
}

/* --- Probabilities ---------------------------------------------------------------------------- */

static void softmax(float *x, size_t n, size_t stride)
{
    float max = x[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        max = fmaxf(max, x[i * stride]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)(x[i * stride] - max));
    for (size_t i = 0; i < n; i++)
        x[i * stride] = (float)(exp((double)(x[i * stride] - max)) / sum);
}

static void class_probabilities(swg_class_kind kind, float *x, size_t n)
{
    if (kind == SWG_CLASS_ONE_OF)
        softmax(x, n, 1);
    for (size_t i = 0; kind == SWG_CLASS_EACH && i < n; i++)
        x[i] = (float)(1 / (1 + exp(-(double)x[i])));
}

static size_t largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

/* --- Printing --------------------------------------------------------------------------------- */

/* "name<tab>0.1234" as text, {"key": name, "probability": 0.1234} as JSON. */
static void put_scored(encoding *e, const char *key, const char *name, size_t length, float value)
{
    const bool is_score =
        e->h->task == SWG_OUTPUT_SEQUENCE_CLASS && e->h->class_kind == SWG_CLASS_REGRESSION;
    if (!e->run->cli->json) {
        swg_strbuf_append(&e->text, name, length);
        swg_strbuf_printf(&e->text, "\t%.4f\n", (double)value);
        return;
    }
    swg_json_begin_object(&e->json, NULL);
    swg_json_string_n(&e->json, key, name, length);
    swg_json_double(&e->json, is_score ? "value" : "probability", (double)value);
    swg_json_end_object(&e->json);
}

/* Label `index`: its name in the configuration, or its number. */
static const char *label_of(const encoding *e, size_t index, char number[32])
{
    const char *const *labels = e->run->loaded->model->labels;
    if (labels)
        return labels[index];
    snprintf(number, 32, "LABEL_%zu", index);
    return number;
}

static const char *token_of(const encoding *e, size_t id, size_t *length)
{
    const char *token = swg_tokenizer_token(e->run->loaded->tokenizer, (int32_t)id, length);
    if (!token)
        *length = 0;
    return token ? token : "";
}

/* All labels of the text, most likely first. */
static void print_labels(encoding *e)
{
    const size_t n = (size_t)e->h->n_labels;
    class_probabilities((swg_class_kind)e->h->class_kind, e->logits, n);
    swg_json_begin_array(&e->json, "labels");
    for (size_t printed = 0; printed < n; printed++) {
        char number[32];
        const size_t best = largest(e->logits, n);
        const char *label = label_of(e, best, number);
        put_scored(e, "label", label, strlen(label), e->logits[best]);
        e->logits[best] = -INFINITY;
    }
    swg_json_end_array(&e->json);
}

/* The most likely label of every token. */
static void print_token_labels(encoding *e)
{
    const size_t n = (size_t)e->h->n_labels;
    swg_json_begin_array(&e->json, "tokens");
    for (size_t t = 0; t < e->input.ids.count; t++) {
        char number[32];
        size_t length;
        float *row = e->logits + t * n;
        softmax(row, n, 1);
        const size_t best = largest(row, n);
        const char *token = token_of(e, (size_t)e->input.ids.data[t], &length);
        const char *label = label_of(e, best, number);
        if (e->run->cli->json) {
            swg_json_begin_object(&e->json, NULL);
            swg_json_string_n(&e->json, "token", token, length);
            swg_json_string(&e->json, "label", label);
            swg_json_double(&e->json, "probability", (double)row[best]);
            swg_json_end_object(&e->json);
        } else {
            swg_strbuf_append(&e->text, token, length);
            swg_strbuf_printf(&e->text, "\t%s\t%.4f\n", label, (double)row[best]);
        }
    }
    swg_json_end_array(&e->json);
}

/* The most likely tokens for every mask. */
static swg_status print_masks(encoding *e)
{
    const size_t vocab = (size_t)e->h->vocab;
    int32_t mask;
    size_t n_masks = 0;
    SWG_TRY(swg_encoder_mask(e->run->loaded->tokenizer, &mask));
    swg_json_begin_array(&e->json, "masks");
    for (size_t t = 0; t < e->input.ids.count; t++) {
        if (e->input.ids.data[t] != mask)
            continue;
        float *row = e->logits + t * vocab;
        softmax(row, vocab, 1);
        if (n_masks++ && !e->run->cli->json)
            swg_strbuf_puts(&e->text, "\n");
        swg_json_begin_array(&e->json, NULL);
        for (size_t i = 0; i < MASK_CANDIDATES && i < vocab; i++) {
            size_t length;
            const size_t best = largest(row, vocab);
            const char *token = token_of(e, best, &length);
            put_scored(e, "token", token, length, row[best]);
            row[best] = -1;
        }
        swg_json_end_array(&e->json);
    }
    swg_json_end_array(&e->json);
    return n_masks ? SWG_OK
                   : swg_error(SWG_USAGE, "this model fills in masked tokens: the text needs a "
                                          "[MASK] (<mask> for RoBERTa)");
}

/* The span of the second text with the largest product of start and end probability. */
static swg_status print_answer(encoding *e)
{
    if (!e->run->second)
        return swg_error(SWG_USAGE, "this model answers questions: give the question with --prompt "
                                    "and the text that holds the answer with --passage");
    const swg_tokenizer *tokenizer = e->run->loaded->tokenizer;
    size_t end = e->input.ids.count;
    if (swg_tokenizer_is_special(tokenizer, e->input.ids.data[end - 1]))
        end--;
    const size_t n = end - e->input.second_begin;
    if (n == 0)
        return swg_error(SWG_USAGE, "the passage has no tokens");
    float *rows = e->logits + 2 * e->input.second_begin;
    softmax(rows, n, 2);
    softmax(rows + 1, n, 2);
    size_t best_first = 0, best_last = 0;
    for (size_t first = 0; first < n; first++)
        for (size_t last = first; last < n && last < first + MOST_ANSWER_TOKENS; last++)
            if (rows[2 * first] * rows[2 * last + 1] >
                rows[2 * best_first] * rows[2 * best_last + 1]) {
                best_first = first;
                best_last = last;
            }
    SWG_TRY(swg_tokenizer_decode(tokenizer, e->input.ids.data + e->input.second_begin + best_first,
                                 best_last - best_first + 1, NULL, &e->text));
    if (!e->run->cli->json) {
        swg_strbuf_puts(&e->text, "\n");
        return SWG_OK;
    }
    swg_json_string_n(&e->json, "answer", swg_strbuf_text(&e->text), e->text.length);
    swg_json_uint(&e->json, "first_token", e->input.second_begin + best_first);
    swg_json_uint(&e->json, "last_token", e->input.second_begin + best_last);
    swg_json_double(&e->json, "probability",
                    (double)rows[2 * best_first] * (double)rows[2 * best_last + 1]);
    return SWG_OK;
}

static swg_status print_result(encoding *e)
{
    swg_cli_json_begin(e->run->cli, &e->json);
    switch ((swg_output_kind)e->h->task) {
    case SWG_OUTPUT_SEQUENCE_CLASS:
        print_labels(e);
        break;
    case SWG_OUTPUT_TOKEN_CLASS:
        print_token_labels(e);
        break;
    case SWG_OUTPUT_ANSWER_SPAN:
        SWG_TRY(print_answer(e));
        break;
    default:
        SWG_TRY(print_masks(e));
    }
    if (e->run->cli->json)
        return swg_cli_json_print(&e->json);
    SWG_TRY(swg_strbuf_status(&e->text));
    return swg_cli_print(e->text.text, e->text.length);
}

swg_status swg_run_encoder(const swg_encoder_run *run)
{
    swg_status status = SWG_OK;
    encoding e = {.run = run, .h = &run->loaded->model->hparams};
    if (e.h->task == SWG_OUTPUT_HIDDEN_STATE)
        return swg_error(SWG_UNSUPPORTED, "this model has no head to answer with: it turns texts "
                                          "into vectors, which swage embed prints");
    SWG_GO(swg_encoder_input_make(run->loaded->tokenizer, e.h, run->text, run->second, &e.input));
    if (e.input.ids.count == 0)
        SWG_GO(swg_error(SWG_USAGE, "the text has no tokens; give one with --prompt"));
    SWG_GO(compute(&e));
    SWG_GO(print_result(&e));
done:
    swg_json_deinit(&e.json);
    swg_strbuf_deinit(&e.text);
    swg_free(e.logits);
    swg_encoder_input_deinit(&e.input);
    return status;
}
