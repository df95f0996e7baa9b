/* Tasks on a text: see text_task.h. */
#include "eval/text_task.h"

#include <math.h>
#include <stdio.h>

#include "eval/window_records.h"

/* Rows computed together: weights that are not float are converted once per chunk, and 256 rows are
 * too few to amortise that (docs/performance.md). */
enum { CHUNK = 512 };

/* The longest window allowed: the context asked for, or else the protocol's, at most the model's.
 */
static size_t window_length(const swg_eval_input *in)
{
    const size_t most = (size_t)in->loaded->model->hparams.max_positions;
    const size_t usual = swg_protocol_default_context(in->protocol);
    if (in->context)
        return in->context;
    return usual && usual < most ? usual : most;
}

/* The text's negative log-likelihood, nats, at the mean of its scored tokens: from it follow
 * figures per word and per byte, by which models with different tokenizers and protocols with
 * different windows compare. */
static void report_rates(const swg_eval_input *in, const swg_windows *windows,
                         const swg_score *score, swg_eval_report *out)
{
    const swg_prepared_text *text = in->prepared;
    const double nats = score->mean_nll_by_token * (double)windows->tokens_total;
    /* What was tokenized: not separators, nor documents after the last token to be used. */
    const double share = (double)windows->bytes_total / (double)text->text.length;
    const double by_word = exp(nats / (share * (double)text->words));
    const double by_byte = exp(nats / (share * (double)text->bytes));
    swg_json_double(&out->json, "word_perplexity", by_word);
    swg_json_double(&out->json, "byte_perplexity", by_byte);
    swg_json_double(&out->json, "bits_per_byte", log2(by_byte));
    swg_json_uint(&out->json, "text_words", text->words);
    swg_json_uint(&out->json, "text_bytes", text->bytes);
    swg_strbuf_printf(&out->text, "per word      %.4f; per byte %.6f, %.6f bits\n", by_word,
                      by_byte, log2(by_byte));
}

/* Whether the protocol's mean differs from the mean over tokens. */
static bool is_weighted(const swg_score *score)
{
    return score->mean_nll_by_token != score->mean_nll;
}

static void report_interval(const char *key, double low, double high, swg_json_writer *json)
{
    char name[64];
    snprintf(name, sizeof name, "%s_low", key);
    swg_json_double(json, name, low);
    snprintf(name, sizeof name, "%s_high", key);
    swg_json_double(json, name, high);
}

static void report_json(const swg_text_score *kind, const swg_score *score, swg_json_writer *json)
{
    swg_json_double(json, kind->exp_key, score->perplexity);
    swg_json_double(json, kind->mean_key, kind->sign * score->mean_nll);
    swg_json_double(json, kind->error_key, score->standard_error);
    report_interval(kind->exp_key, exp(score->interval.low), exp(score->interval.high), json);
    if (is_weighted(score)) {
        swg_json_double(json, "perplexity_by_token", exp(score->mean_nll_by_token));
        swg_json_double(json, "mean_nll_by_token", score->mean_nll_by_token);
    }
}

static void report_text(const swg_text_score *kind, const swg_score *score, swg_strbuf *text)
{
    swg_strbuf_printf(text, "%-14s%.4f", kind->exp_title, score->perplexity);
    if (score->n_windows > 1)
        swg_strbuf_printf(text, " (%.4f to %.4f: 95 %%, windows resampled)",
                          exp(score->interval.low), exp(score->interval.high));
    swg_strbuf_printf(text,
                      "\n"
                      "%-14s%.6f",
                      kind->mean_title, kind->sign * score->mean_nll);
    if (score->n_windows > 1)
        swg_strbuf_printf(text, " +- %.6f", score->standard_error);
    swg_strbuf_puts(text, score->n_windows > 1 ? " nats per token (standard error over windows)\n"
                                               : " nats per token\n");
    if (is_weighted(score))
        swg_strbuf_printf(text, "by token      %.4f (all scored tokens weighted equally)\n",
                          exp(score->mean_nll_by_token));
}

void swg_eval_report_windows(const swg_eval_input *in, const swg_windows *windows,
                             uint64_t tokens_scored, swg_eval_report *out)
{
    swg_json_writer *json = &out->json;
    swg_json_uint(json, "tokens_scored", tokens_scored);
    swg_json_uint(json, "tokens_total", windows->tokens_total);
    swg_json_uint(json, "windows", windows->n_windows);
    swg_json_string(json, "protocol", swg_protocol_name(in->protocol));
    swg_json_uint(json, "context", window_length(in));
    swg_json_uint(json, "model_positions", (uint64_t)in->loaded->model->hparams.max_positions);
    if (windows->stride)
        swg_json_uint(json, "stride", windows->stride);
    swg_json_string(json, "text_prep", swg_text_prep_name(in->prep));
    swg_json_string(json, "bos_rule", swg_protocol_bos_rule(in->protocol));
    char stride[48] = "";
    const size_t most = (size_t)in->loaded->model->hparams.max_positions;
    char beyond[64] = "";
    if (window_length(in) > most)
        snprintf(beyond, sizeof beyond, " (the model was made for %zu)", most);
    if (windows->stride)
        snprintf(stride, sizeof stride, ", stride %zu", windows->stride);
    swg_strbuf_printf(&out->text,
                      "tokens        %llu scored of %zu, in %zu windows\n"
                      "protocol      %s, context %zu%s%s: %s\n"
                      "BOS           %s\n"
                      "prepared      %s\n",
                      (unsigned long long)tokens_scored, windows->tokens_total, windows->n_windows,
                      swg_protocol_name(in->protocol), window_length(in), beyond, stride,
                      swg_protocol_text(in->protocol), swg_protocol_bos_rule(in->protocol),
                      swg_text_prep_name(in->prep));
}

swg_status swg_eval_windows(const swg_eval_input *in, swg_windows *out)
{
    swg_window_options cut = swg_window_options_default();
    cut.context = window_length(in);
    cut.stride = in->stride;
    cut.max_tokens = in->max_tokens;
    cut.ends = in->prepared->ends;
    cut.n_documents = in->prepared->n_documents;
    return swg_windows_make(in->protocol, in->loaded->tokenizer, in->bytes, in->length, &cut, out);
}

void swg_eval_write_windows(const swg_eval_input *in, const swg_windows *windows,
                            swg_json_writer *head)
{
    swg_json_string(head, "protocol", swg_protocol_name(in->protocol));
    swg_json_string(head, "text_prep", swg_text_prep_name(in->prep));
    swg_json_uint(head, "context", window_length(in));
    if (windows->stride)
        swg_json_uint(head, "stride", windows->stride);
    swg_windows_write(windows, head);
}

swg_status swg_eval_open_records(const swg_eval_input *in, const swg_windows *windows,
                                 swg_window_records **out)
{
    if (!in->records)
        return SWG_OK;
    swg_eval_write_windows(in, windows, &in->records->head);
    return swg_window_records_open(in->records, windows, in->ref != NULL, out);
}

swg_status swg_eval_text(const swg_eval_input *in, const swg_text_score *kind, swg_eval_report *out)
{
    swg_status status = SWG_OK;
    swg_windows windows = {0};
    swg_exec *exec = NULL;
    swg_window_records *records = NULL;
    swg_score score;
    SWG_GO(swg_eval_windows(in, &windows));
    SWG_GO(swg_eval_open_records(in, &windows, &records));
    /* A cache just long enough for the longest window. */
    const swg_exec_options options = {.size = sizeof options,
                                      .context = swg_windows_longest(&windows),
                                      .chunk = CHUNK,
                                      .activations = in->activations,
                                      .kv_type = in->kv_type};
    SWG_GO(swg_exec_new(in->loaded->model, in->loaded->pool, &options, &exec));
    SWG_GO(kind->measure(in, exec, &windows, records, &score));
    report_json(kind, &score, &out->json);
    report_text(kind, &score, &out->text);
    report_rates(in, &windows, &score, out);
    swg_eval_report_windows(in, &windows, score.tokens_scored, out);
done:
    swg_window_records_free(&records);
    swg_exec_free(&exec);
    swg_windows_deinit(&windows);
    return status;
}
