/* What the commands that train have in common. See cmd_training.h. */
#include "distill/cmd_training.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/words.h"

swg_status swg_training_check(const swg_training_arguments *a)
{
    return a->steps > 0 || a->minutes > 0
               ? SWG_OK
               : swg_error(SWG_USAGE, "how long? Give --steps or --minutes");
}

void swg_training_set(const swg_training_arguments *a, swg_trainer_options *out)
{
    out->together = (size_t)a->batch;
    out->checkpoints = a->checkpoints;
    out->adapters = (swg_adapter_options){.rank = (size_t)a->rank,
                                          .alpha = a->alpha,
                                          .patterns = a->adapted.items,
                                          .n_patterns = a->adapted.count,
                                          .seed = (uint64_t)a->seed};
    out->frozen = a->frozen.items;
    out->n_frozen = a->frozen.count;
}

/* --- The log ---------------------------------------------------------------------------------- */

swg_status swg_training_log_open(const swg_training_arguments *a, const swg_cli *cli, bool force,
                                 bool has_teacher, swg_training_log *out)
{
    *out = (swg_training_log){.cli = cli, .has_teacher = has_teacher};
    const bool is_there = a->log && swg_path_exists(a->log);
    if (is_there && !a->resume && !force)
        return swg_error(SWG_USAGE, "log %s exists; use --force to replace it", a->log);
    if (a->log && !(out->file = fopen(a->log, is_there && a->resume ? "r+" : "w")))
        return swg_error(SWG_IO, "cannot write %s: %s", a->log, strerror(errno));
    return SWG_OK;
}

void swg_training_log_close(swg_training_log *log)
{
    if (log->file)
        fclose(log->file);
    log->file = NULL;
}

static void write_accuracy(const swg_training_log *log, const swg_distill_record *r,
                           swg_json_writer *json)
{
    if (log->is_judged) {
        swg_json_double(json, "accuracy", r->accuracy);
        swg_json_double(json, "macro_f1", r->macro_f1);
        swg_json_double(json, "mean_log_loss", r->nll);
    }
    swg_json_bool(json, "is_best", r->is_best);
}

static void write_record(const swg_training_log *log, const swg_distill_record *r,
                         swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    swg_json_uint(json, "step", r->step);
    if (r->step > 0) {
        swg_json_double(json, "rate", r->rate);
        swg_json_double(json, "loss", r->loss);
        swg_json_double(json, "gradient_norm", r->gradient_norm);
        swg_json_double(json, "seconds", r->seconds);
        swg_json_double(json, "tokens_per_s", r->tokens_per_s);
    }
    if (log->is_of_classifier) {
        swg_json_double(json, "epoch", r->epoch);
        if (r->is_judged)
            write_accuracy(log, r, json);
    } else if (r->is_judged) {
        if (log->has_teacher)
            swg_json_double(json, "kld", r->kld);
        swg_json_double(json, "perplexity", exp(r->nll));
        if (log->has_teacher)
            swg_json_double(json, "perplexity_teacher", exp(r->nll_teacher));
        swg_json_bool(json, "is_best", r->is_best);
    }
    swg_json_end_object(json);
}

static void say_judgement(const swg_training_log *log, const swg_distill_record *r)
{
    const char *best = r->is_best ? ", the best so far" : "";
    if (log->is_of_classifier && log->is_judged)
        swg_cli_say(log->cli, "epoch %g: accuracy %.4f, macro F1 %.4f, log loss %.4f%s", r->epoch,
                    r->accuracy, r->macro_f1, r->nll, best);
    else if (log->is_of_classifier)
        swg_cli_say(log->cli, "epoch %g: loss %.4f", r->epoch, r->loss);
    else if (log->has_teacher)
        swg_cli_say(log->cli, "step %" PRIu64 ": divergence %.5f, perplexity %.4f%s", r->step,
                    r->kld, exp(r->nll), best);
    else
        swg_cli_say(log->cli, "step %" PRIu64 ": loss %.4f, perplexity %.4f, %.0f tokens/s%s",
                    r->step, r->step ? r->loss : r->nll, exp(r->nll), r->tokens_per_s, best);
}

static void log_record(void *context, const swg_distill_record *record)
{
    const swg_training_log *log = context;
    if (record->is_judged)
        say_judgement(log, record);
    if (!log->file)
        return;
    swg_json_writer json = {.compact = true};
    write_record(log, record, &json);
    if (swg_strbuf_status(&json.out) == SWG_OK)
        fprintf(log->file, "%s\n", swg_strbuf_text(&json.out));
    fflush(log->file);
    swg_json_deinit(&json);
}

static void say_need(void *context, const swg_memory_need *need)
{
    swg_training_log *log = context;
    char backward[32], all[32];
    log->need = *need;
    swg_cli_say(log->cli, "memory: %s, of which %s for the gradients of a batch",
                swg_format_bytes(need->held + need->backward, all),
                swg_format_bytes(need->backward, backward));
}

void swg_training_log_write_memory(const swg_training_log *log, swg_json_writer *json)
{
    swg_json_uint(json, "planned_memory_bytes", log->need.held + log->need.backward);
    swg_json_uint(json, "peak_memory_bytes", swg_peak_rss_bytes());
}

/* Keep the lines up to that step: what was logged after the state was saved comes again. */
static void resume_log(void *context, uint64_t step)
{
    const swg_training_log *log = context;
    uint64_t n_lines = 0;
    int c;
    swg_cli_say(log->cli, "continuing after step %" PRIu64, step);
    if (!log->file)
        return;
    while (n_lines <= step && (c = fgetc(log->file)) != EOF)
        n_lines += c == '\n';
    const long at = ftell(log->file);
    if (at < 0 || ftruncate(fileno(log->file), at) != 0 || fseek(log->file, at, SEEK_SET) != 0)
        swg_cli_say(log->cli, "the log could not be continued");
}

void swg_training_settle(swg_training_arguments *a, double usual_rate, int64_t usual_held_out)
{
    a->rate = a->rate > 0 ? a->rate : usual_rate;
    a->held_out = a->held_out > 0 ? a->held_out : usual_held_out;
    a->judge_every = a->judge_every > 0 ? a->judge_every : 50;
}

/* --- Options ---------------------------------------------------------------------------------- */

static swg_distill_options options_of(const swg_training_arguments *a, swg_training_log *log)
{
    swg_distill_options how = swg_distill_options_default();
    how.progress = log->cli->progress;
    how.held_out = (size_t)a->held_out;
    how.steps = (uint64_t)a->steps;
    how.seconds = 60 * a->minutes;
    how.batch = (size_t)a->batch;
    how.accumulate = (size_t)a->accumulate;
    how.rate = a->rate;
    how.final_rate = a->final_rate;
    how.warm_up = (double)a->warm_up;
    how.adamw.decay = a->decay;
    how.seed = (uint64_t)a->seed;
    how.judge_every = (uint64_t)a->judge_every;
    how.save_every = (uint64_t)a->save_every;
    how.resume = a->resume;
    how.log = log_record;
    how.planned = say_need;
    how.resumed = resume_log;
    how.log_context = log;
    return how;
}

static void write_patterns(const swg_string_list *patterns, const char *key, swg_json_writer *json)
{
    swg_json_begin_array(json, key);
    for (size_t i = 0; i < patterns->count; i++)
        swg_json_string(json, NULL, patterns->items[i]);
    swg_json_end_array(json);
}

void swg_training_write_trained(const swg_training_arguments *a, swg_json_writer *json)
{
    if (a->frozen.count > 0)
        write_patterns(&a->frozen, "frozen", json);
    if (a->rank == 0)
        return;
    swg_json_uint(json, "lora_rank", (uint64_t)a->rank);
    swg_json_double(json, "lora_alpha", a->alpha);
    write_patterns(&a->adapted, "lora_targets", json);
}

void swg_training_write(const swg_training_arguments *a, swg_json_writer *json)
{
    swg_json_uint(json, "steps", (uint64_t)a->steps);
    swg_json_double(json, "minutes", a->minutes);
    swg_json_uint(json, "batch", (uint64_t)a->batch);
    swg_json_uint(json, "accumulate", (uint64_t)a->accumulate);
    swg_json_double(json, "rate", a->rate);
    swg_json_double(json, "final_rate", a->final_rate);
    swg_json_uint(json, "warm_up", (uint64_t)a->warm_up);
    swg_json_double(json, "weight_decay", a->decay);
    swg_json_uint(json, "held_out", (uint64_t)a->held_out);
    swg_json_uint(json, "judge_every", (uint64_t)a->judge_every);
    swg_json_uint(json, "seed", (uint64_t)a->seed);
    swg_training_write_trained(a, json);
}

/* --- A training ------------------------------------------------------------------------------- */

swg_status swg_training_begin(swg_training *t, swg_distill_options *out)
{
    static const char ending[] = ".swage-resume";
    swg_strbuf path = {0};
    size_t length = strlen(t->output);
    while (length > 1 && t->output[length - 1] == '/')
        length--;
    swg_strbuf_append(&path, t->output, length);
    swg_strbuf_puts(&path, ending);
    t->state = path.text;
    SWG_TRY(swg_strbuf_status(&path));
    SWG_TRY(swg_strbuf_status(&t->settings.out));
    swg_mem_keep_freed(); /* every step allocates what the last one did */
    *out = options_of(t->arguments, &t->log);
    out->state = t->state;
    out->identity = swg_strbuf_text(&t->settings.out);
    return SWG_OK;
}

bool swg_training_has_result(const swg_training *t, swg_status status)
{
    return status == SWG_OK || (status == SWG_FAILED && t->result.best.step > 0);
}

swg_status swg_training_end(swg_training *t, swg_status status)
{
    if (status == SWG_OK)
        (void)remove(t->state); /* it need not be there */
    if (status == SWG_OK && t->log.file && ferror(t->log.file))
        return swg_error(SWG_IO, "%s was written, but its log %s is not complete", t->output,
                         t->arguments->log);
    if (status == SWG_FAILED && t->result.best.step > 0)
        return swg_error_context(status,
                                 "%s has the weights of step %" PRIu64 ", the best that was judged",
                                 t->output, t->result.best.step);
    return status;
}

void swg_training_deinit(swg_training *t)
{
    swg_training_log_close(&t->log);
    swg_json_deinit(&t->settings);
    swg_free(t->state);
}

static swg_sink_options sink_options_of(const swg_training_output *output)
{
    swg_sink_options how = swg_sink_options_default();
    how.force = output->force;
    how.level = output->level;
    how.pool = output->pool;
    return how;
}

swg_status swg_training_check_output(const swg_training_output *output)
{
    const swg_sink_options how = sink_options_of(output);
    uint64_t bytes;
    bool is_exact;
    return swg_sink_plan_bytes(output->path, &how, output->meta, output->tensors, output->n_tensors,
                               &bytes, &is_exact);
}

swg_status swg_training_write_output(swg_trainer *trainer, const swg_training_output *output,
                                     uint64_t *bytes)
{
    const swg_sink_options how = sink_options_of(output);
    swg_status status = SWG_OK;
    swg_sink *sink = NULL;
    SWG_GO(swg_sink_open(output->path, &how, output->meta, output->tensors,
                         output->n_tensors, &sink));
    SWG_GO(swg_trainer_write(trainer, sink));
    SWG_GO(swg_sink_set_provenance(sink, output->provenance));
    SWG_GO(swg_sink_finish(&sink, bytes));
done:
    swg_sink_abort(&sink);
    return status;
}
