/* The task that compares a model with a reference on a text: see lockstep.h. */
#include <math.h>
#include <stdio.h>

#include "eval/lockstep.h"
#include "eval/text_task.h"

swg_status swg_eval_check_vocabularies(const swg_eval_input *in)
{
    const swg_hparams *h = &in->loaded->model->hparams, *ref = &in->ref->model->hparams;
    if (h->vocab == ref->vocab)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "the model's vocabulary has %lld tokens, the reference's %lld: their "
                     "distributions cannot be compared",
                     (long long)h->vocab, (long long)ref->vocab);
}

static void report_json(const swg_divergence *d, swg_json_writer *json)
{
    swg_json_double(json, "kld_mean", d->kld_mean);
    swg_json_double(json, "kld_mean_standard_error", d->kld_standard_error);
    swg_json_double(json, "kld_median", d->kld_median);
    swg_json_double(json, "kld_p90", d->kld_p90);
    swg_json_double(json, "kld_p99", d->kld_p99);
    swg_json_double(json, "kld_max", d->kld_max);
    swg_json_double(json, "kld_min", d->kld_min);
    swg_json_double(json, "kld_mean_low", d->kld_interval.low);
    swg_json_double(json, "kld_mean_high", d->kld_interval.high);
    swg_json_double(json, "top1_agreement", d->top1_agreement);
    swg_json_double(json, "top1_agreement_standard_error", d->top1_standard_error);
    swg_json_double(json, "top5_agreement", d->top5_agreement);
    swg_json_uint(json, "hits_gained", d->hits_gained);
    swg_json_uint(json, "hits_lost", d->hits_lost);
    swg_json_double(json, "mcnemar_p", d->mcnemar_p);
    swg_json_double(json, "perplexity", d->perplexity);
    swg_json_double(json, "perplexity_low", d->perplexity_interval.low);
    swg_json_double(json, "perplexity_high", d->perplexity_interval.high);
    swg_json_double(json, "perplexity_ref", d->perplexity_ref);
    swg_json_double(json, "log_perplexity_ratio", d->log_ratio);
    swg_json_double(json, "log_perplexity_ratio_standard_error", d->log_ratio_standard_error);
    swg_json_string(json, "verdict", swg_judgement_text(d->log_ratio_comparison.judgement));
    swg_json_double(json, "smallest_detectable_log_ratio",
                    d->log_ratio_comparison.smallest_detectable);
}

/* " +- X" with `digits`; nothing for an error that one window cannot tell. */
static const char *error_text(double error, int digits, char out[32])
{
    snprintf(out, 32, isnan(error) ? "" : " +- %.*f", digits, error);
    return out;
}

static void report_text(const swg_divergence *d, swg_strbuf *text)
{
    char kld[32], top[32], ratio[32];
    swg_strbuf_printf(text,
                      "divergence    %.6f%s nats per token (mean KL from the reference)\n"
                      "              median %.6f, 90 %% %.6f, 99 %% %.6f, largest %.6f\n"
                      "same top      %.3f %%%s; among the five most likely %.3f %%\n"
                      "right top     %llu tokens only here, %llu only in the reference "
                      "(McNemar's p %.3g)\n"
                      "perplexity    %.4f, the reference's %.4f\n"
                      "log ratio     %.6f%s nats per token (paired, over windows)\n",
                      d->kld_mean, error_text(d->kld_standard_error, 6, kld), d->kld_median,
                      d->kld_p90, d->kld_p99, d->kld_max, 100 * d->top1_agreement,
                      error_text(100 * d->top1_standard_error, 3, top), 100 * d->top5_agreement,
                      (unsigned long long)d->hits_gained, (unsigned long long)d->hits_lost,
                      d->mcnemar_p, d->perplexity, d->perplexity_ref, d->log_ratio,
                      error_text(d->log_ratio_standard_error, 6, ratio));
    swg_strbuf_printf(text, "verdict       %s in perplexity",
                      swg_judgement_text(d->log_ratio_comparison.judgement));
    if (isfinite(d->log_ratio_comparison.smallest_detectable))
        swg_strbuf_printf(text, "; a log ratio of %.6f would have been found four times in five",
                          d->log_ratio_comparison.smallest_detectable);
    swg_strbuf_puts(text, "\n");
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    swg_status status = SWG_OK;
    swg_windows windows = {0};
    swg_exec *exec = NULL, *exec_ref = NULL;
    swg_window_records *records = NULL;
    swg_divergence divergence;
    SWG_GO(swg_eval_check_vocabularies(in));
    SWG_GO(swg_eval_windows(in, &windows));
    SWG_GO(swg_eval_open_records(in, &windows, &records));
    swg_exec_options options = swg_exec_options_default();
    options.context = swg_windows_longest(&windows);
    options.activations = in->activations;
    options.kv_type = in->kv_type;
    SWG_GO(swg_exec_new(in->loaded->model, in->loaded->pool, &options, &exec));
    options.activations = SWG_ACT_F32;
    options.kv_type = SWG_KV_F32;
    SWG_GO(swg_exec_new(in->ref->model, in->loaded->pool, &options, &exec_ref));
    SWG_GO(swg_divergence_measure(exec, exec_ref, (size_t)in->loaded->model->hparams.vocab,
                                  in->loaded->pool, &windows, records, in->progress, &divergence));
    report_json(&divergence, &out->json);
    report_text(&divergence, &out->text);
    swg_eval_report_windows(in, &windows, divergence.tokens_scored, out);
    out->kld_mean = divergence.kld_mean;
    out->perplexity_increase = expm1(divergence.log_ratio);
done:
    swg_window_records_free(&records);
    swg_exec_free(&exec_ref);
    swg_exec_free(&exec);
    swg_windows_deinit(&windows);
    return status;
}

const swg_eval_task swg_eval_task_divergence = {.name = "divergence",
                                                .output = SWG_OUTPUT_NEXT_TOKEN,
                                                .source = SWG_EVAL_TEXT,
                                                .needs_reference = true,
                                                .has_records = true,
                                                .run = run};
