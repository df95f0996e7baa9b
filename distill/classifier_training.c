/* The loop of classifiers. See classifier_training.h. */
#include "distill/classifier_training.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "distill/run_state.h"
#include "distill/schedule.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/exec.h"

/* A loss beyond this multiple of that of a classifier that knows nothing has diverged. */
#define DIVERGED 10.0

/* How far training has come. Numbers alone, so that it is saved as it is. */
typedef struct position {
    uint64_t step, pass, next; /* steps taken; the pass and the place in its order to go on with */
} position;

/* Texts of a label, those that it was predicted for, and those where that was right. */
typedef struct label_count {
    size_t n, predicted, correct;
} label_count;

typedef struct run {
    swg_trainer *trainer;
    const swg_classifier_data *data;
    const swg_distill_options *options;
    swg_exec *exec; /* for judging; NULL: nothing is judged */
    size_t n_labels;
    float *logits, *slopes; /* [n_labels] */
    float *work;            /* [2][n_labels] */
    label_count *counts;    /* [n_labels] */
    size_t *order;          /* of the texts in this pass */
    position at;
    double share, loss_sum; /* of the step */
    uint64_t tokens;        /* of the step */
    size_t text;            /* that is differentiated */
    double start;           /* on the clock, less the time before a resumption */
} run;

static uint64_t steps_per_pass(const run *r)
{
    const swg_distill_options *o = r->options;
    return swg_ceil_div(r->data->texts->n, o->batch * o->accumulate);
}

static uint64_t total_steps(const run *r)
{
    return r->data->epochs * steps_per_pass(r);
}

/* --- Judging ---------------------------------------------------------------------------------- */

static void count(run *r, size_t label)
{
    size_t best = 0;
    for (size_t i = 1; i < r->n_labels; i++)
        best = r->logits[i] > r->logits[best] ? i : best;
    r->counts[label].n++;
    r->counts[best].predicted++;
    r->counts[best].correct += best == label;
}

static swg_status judge_texts(run *r, double *nll)
{
    const swg_labelled *texts = r->data->judged;
    *nll = 0;
    memset(r->counts, 0, r->n_labels * sizeof *r->counts);
    for (size_t i = 0; i < texts->n; i++) {
        const size_t begin = texts->begins[i];
        SWG_TRY(swg_exec_encode(r->exec, texts->ids + begin, texts->types + begin,
                                texts->begins[i + 1] - begin, r->logits));
        const swg_loss_input in = {.n = r->n_labels,
                                   .student = r->logits,
                                   .target = (int32_t)texts->labels[i],
                                   .temperature = 1,
                                   .work = r->work};
        *nll += swg_loss_ce(&in, 0, NULL) / (double)texts->n;
        count(r, texts->labels[i]);
    }
    return SWG_OK;
}

static swg_status judge(run *r, swg_distill_record *record)
{
    double f1 = 0;
    size_t n_correct = 0, n_seen = 0;
    record->is_judged = true;
    if (!r->data->judged)
        return SWG_OK;
    SWG_TRY(judge_texts(r, &record->nll));
    for (size_t i = 0; i < r->n_labels; i++) {
        const label_count *c = &r->counts[i];
        n_correct += c->correct;
        n_seen += c->n + c->predicted > 0;
        f1 += c->n + c->predicted > 0 ? 2 * (double)c->correct / (double)(c->n + c->predicted) : 0;
    }
    record->accuracy = (double)n_correct / (double)r->data->judged->n;
    record->macro_f1 = f1 / (double)n_seen;
    return SWG_OK;
}

static bool is_better(const run *r, const swg_distill_record *a, const swg_distill_record *b)
{
    if (!r->data->judged || b->step == 0)
        return true;
    return a->accuracy != b->accuracy ? a->accuracy > b->accuracy : a->nll < b->nll;
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* swg_text_job.slopes: the logits become the loss's slopes. */
static swg_status take_slopes(void *context, float *logits)
{
    run *r = context;
    const swg_distill_options *o = r->options;
    const swg_loss_input in = {
        .n = r->n_labels,
        .student = logits,
        .teacher = r->data->teacher ? r->data->teacher + r->text * r->n_labels : NULL,
        .target = (int32_t)r->data->texts->labels[r->text],
        .temperature = o->temperature,
        .work = r->work};
    memset(r->slopes, 0, r->n_labels * sizeof *r->slopes);
    if (o->weights[SWG_LOSS_kl] > 0)
        r->loss_sum += r->share * o->weights[SWG_LOSS_kl] *
                       swg_loss_kl(&in, o->weights[SWG_LOSS_kl] * r->share, r->slopes);
    if (o->weights[SWG_LOSS_ce] > 0)
        r->loss_sum += r->share * o->weights[SWG_LOSS_ce] *
                       swg_loss_ce(&in, o->weights[SWG_LOSS_ce] * r->share, r->slopes);
    memcpy(logits, r->slopes, r->n_labels * sizeof *logits);
    return SWG_OK;
}

/* Add the gradients of the next texts of the pass. */
static swg_status take_batch(run *r)
{
    const swg_labelled *texts = r->data->texts;
    const size_t left = texts->n - r->at.next, most = r->options->batch * r->options->accumulate;
    const size_t n = left < most ? left : most;
    r->tokens = 0;
    r->loss_sum = 0;
    r->share = 1 / (double)n;
    for (size_t i = 0; i < n; i++) {
        r->text = r->order[r->at.next + i];
        const size_t begin = texts->begins[r->text];
        const swg_text_job job = {.ids = texts->ids + begin,
                                  .types = texts->types + begin,
                                  .n = texts->begins[r->text + 1] - begin,
                                  .slopes = take_slopes,
                                  .context = r};
        SWG_TRY(swg_trainer_backward_text(r->trainer, &job));
        r->tokens += job.n;
    }
    r->at.next += n;
    return SWG_OK;
}

static double rate_of(const run *r)
{
    const swg_distill_options *o = r->options;
    const swg_schedule schedule = {o->rate, o->warm_up, o->final_rate};
    return swg_schedule_rate(&schedule, r->at.step, (double)r->at.step / (double)total_steps(r));
}

static swg_status take_step(run *r, swg_distill_record *record)
{
    const swg_distill_options *o = r->options;
    const double start = swg_clock_s(), rate = rate_of(r);
    SWG_TRY(take_batch(r));
    *record = (swg_distill_record){.step = r->at.step + 1, .rate = rate, .loss = r->loss_sum};
    const double most = DIVERGED * (o->weights[SWG_LOSS_ce] + o->weights[SWG_LOSS_kl]) *
                        log((double)r->n_labels + 1);
    if (!isfinite(record->loss) || record->loss > most)
        return swg_error(SWG_FAILED,
                         "the loss of step %llu is %g, more than %g, at a rate of %g: training "
                         "diverged; a smaller --rate may help",
                         (unsigned long long)record->step, record->loss, most, rate);
    const swg_status status = swg_trainer_step(r->trainer, &o->adamw, rate, &record->gradient_norm);
    if (status != SWG_OK)
        return swg_error_context(status, "at a rate of %g", rate);
    r->at.step++;
    record->epoch = (double)r->at.step / (double)steps_per_pass(r);
    record->seconds = swg_clock_s() - r->start;
    record->tokens_per_s = (double)r->tokens / (swg_clock_s() - start);
    return SWG_OK;
}

/* --- Saving ----------------------------------------------------------------------------------- */

static swg_run_state state_of(run *r, position *at, swg_distill_result *out)
{
    return (swg_run_state){.options = r->options,
                           .position = at,
                           .position_bytes = sizeof *at,
                           .start = &r->start,
                           .result = out};
}

static swg_status save(run *r, position *at, swg_distill_result *out)
{
    const swg_run_state state = state_of(r, at, out);
    swg_state_writer *writer = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_run_state_create(&state, &writer));
    SWG_GO(swg_trainer_save(r->trainer, writer));
    SWG_GO(swg_state_commit(&writer));
done:
    swg_state_abort(&writer);
    return status;
}

static swg_status check_position(const run *r)
{
    const size_t most = r->options->batch * r->options->accumulate;
    if (r->at.pass < r->data->epochs && r->at.next < r->data->texts->n && r->at.next % most == 0 &&
        r->at.step == r->at.pass * steps_per_pass(r) + r->at.next / most)
        return SWG_OK;
    return swg_error(SWG_CORRUPT, "%s: it continues at text %llu of pass %llu and step %llu",
                     r->options->state, (unsigned long long)r->at.next,
                     (unsigned long long)r->at.pass, (unsigned long long)r->at.step);
}

static swg_status resume(run *r, swg_distill_result *out)
{
    const swg_distill_options *o = r->options;
    const swg_run_state state = state_of(r, &r->at, out);
    swg_state_reader *reader = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_run_state_open(&state, &reader));
    SWG_GO(check_position(r));
    SWG_GO(swg_trainer_resume(r->trainer, reader));
    swg_schedule_shuffle(r->order, r->data->texts->n, o->seed, r->at.pass);
    if (o->resumed)
        o->resumed(o->log_context, r->at.step);
done:
    swg_state_close(&reader);
    return status;
}

/* --- The loop --------------------------------------------------------------------------------- */

static swg_status show_progress(const run *r, double loss)
{
    char label[64];
    snprintf(label, sizeof label, r->at.step ? "training: loss %.4f" : "training", loss);
    return swg_progress_step(r->options->progress, label, "steps", r->at.step, total_steps(r));
}

static swg_status end_pass(run *r, swg_distill_record *record, swg_distill_result *out)
{
    SWG_TRY(judge(r, record));
    record->is_best = is_better(r, record, &out->best);
    r->at.pass++;
    r->at.next = 0;
    if (!record->is_best)
        return SWG_OK;
    out->best = *record;
    return swg_trainer_keep(r->trainer);
}

/* One step, and the judgement after a pass's last. A failure leaves the position that it began at,
 * as far as the weights do. */
static swg_status step_once(run *r, swg_distill_record *record, swg_distill_result *out)
{
    SWG_TRY(show_progress(r, record->loss));
    SWG_TRY(take_step(r, record));
    out->steps = r->at.step;
    out->tokens += r->tokens;
    if (r->at.next == r->data->texts->n)
        SWG_TRY(end_pass(r, record, out));
    if (r->options->log)
        r->options->log(r->options->log_context, record);
    return SWG_OK;
}

static swg_status walk(run *r, swg_distill_result *out)
{
    const swg_distill_options *o = r->options;
    swg_distill_record record = {0};
    swg_memory_need need;
    SWG_TRY(swg_trainer_keep(r->trainer));
    SWG_TRY(swg_memory_need_find(r->trainer, 1, &need));
    if (o->planned)
        o->planned(o->log_context, &need);
    SWG_TRY(judge(r, &out->first));
    out->best = out->first;
    if (o->resume)
        SWG_TRY(resume(r, out));
    else if (o->log)
        o->log(o->log_context, &out->first);
    while (r->at.pass < r->data->epochs) {
        position before = r->at;
        if (r->at.next == 0)
            swg_schedule_shuffle(r->order, r->data->texts->n, o->seed, r->at.pass);
        const swg_status status = step_once(r, &record, out);
        if (status == SWG_INTERRUPTED && o->state && r->at.step == before.step)
            SWG_TRY(save(r, &before, out));
        SWG_TRY(status);
        if (o->state && o->save_every && r->at.step % o->save_every == 0 &&
            r->at.pass < r->data->epochs)
            SWG_TRY(save(r, &r->at, out));
    }
    return SWG_OK;
}

/* --- Set-up ----------------------------------------------------------------------------------- */

static swg_status begin(run *r)
{
    const swg_distill_options *o = r->options;
    const swg_model *model = swg_trainer_model(r->trainer);
    swg_exec_options options = swg_exec_options_default();
    SWG_TRY(swg_options_check("swg_distill_options", o->size, sizeof *o));
    if (!r->data->teacher && o->weights[SWG_LOSS_kl] > 0)
        return swg_error(SWG_USAGE, "divergence from a teacher, but there is no teacher");
    r->n_labels = (size_t)model->hparams.n_outputs;
    if (r->data->judged) {
        options.context = options.chunk = r->data->judged->longest;
        options.activations = SWG_ACT_F32;
        SWG_TRY(swg_exec_new(model, o->pool, &options, &r->exec));
    }
    SWG_TRY(SWG_NEW_UNINIT(r->logits, r->n_labels));
    SWG_TRY(SWG_NEW_UNINIT(r->slopes, r->n_labels));
    SWG_TRY(SWG_NEW_UNINIT(r->work, 2 * r->n_labels));
    SWG_TRY(SWG_NEW(r->counts, r->n_labels));
    return SWG_NEW_UNINIT(r->order, r->data->texts->n);
}

swg_status swg_classifier_train(swg_trainer *trainer, const swg_classifier_data *data,
                                const swg_distill_options *options, swg_distill_result *out)
{
    run r = {.trainer = trainer, .data = data, .options = options, .start = swg_clock_s()};
    *out = (swg_distill_result){0};
    swg_status status = begin(&r);
    if (status == SWG_OK) {
        status = walk(&r, out);
        const swg_status restored = swg_trainer_restore(trainer);
        status = status == SWG_OK ? restored : status;
    }
    out->seconds = swg_clock_s() - r.start;
    swg_exec_free(&r.exec);
    swg_free(r.logits);
    swg_free(r.slopes);
    swg_free(r.work);
    swg_free(r.counts);
    swg_free(r.order);
    return status;
}
