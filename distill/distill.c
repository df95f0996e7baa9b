/* The training loop. See distill.h. */
#include "distill/distill.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "distill/predictor.h"
#include "distill/row_match.h"
#include "distill/run_state.h"
#include "distill/score_match.h"
#include "distill/schedule.h"
#include "runtime/backprop.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/exec.h"

/* Rows of logits computed together. */
enum { END_ROWS = SWG_BACKPROP_END_ROWS };

/* A loss beyond this multiple of the first step's has diverged, unless it is next to nothing: that
 * of a student that is the teacher. */
#define DIVERGED 10.0
#define LEAST_LOSS 1e-3

/* How far training has come. Numbers alone, so that it is saved as it is. */
typedef struct position {
    uint64_t step, n_passes, next; /* steps taken; passes begun; the next window of the order */
    double first_loss;
} position;

typedef struct run {
    swg_trainer *trainer;
    const swg_distill_options *options;
    swg_predictor student, teacher; /* the student's for judging */
    bool has_teacher, is_compared;  /* with a teacher, computed or from the cache */
    size_t vocab;
    swg_row_match *matches;    /* [student.n_layers]; NULL: rows are not compared */
    const float *teacher_rows; /* [batch * window][width]: what leaves the teacher's last layer */
    float *logits, *slopes;    /* [END_ROWS][vocab] */
    float *work;               /* [threads][2][vocab] */
    int32_t *top_ids;          /* [threads][k] of the cache */
    float *top_p;              /* [threads][k] */
    size_t *windows;           /* [batch] of the text, of the step */
    int32_t *ids;              /* [batch][window] theirs */
    size_t *order;             /* of the windows in this pass */
    size_t n_train;            /* windows to train on */
    position at;
    double loss_sum; /* of the step */
    double start;    /* on the clock, less the time before a resumption */
} run;

swg_distill_options swg_distill_options_default(void)
{
    return (swg_distill_options){
        .size = sizeof(swg_distill_options),
        .held_out = 8,
        .batch = 4,
        .accumulate = 1,
        .rate = 3e-4,
        .warm_up = 20,
        .final_rate = 0.1,
        .adamw = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .grid_rate = 1, .max_norm = 1},
        .weights = {[SWG_LOSS_kl] = 1},
        .temperature = 1,
        .judge_every = 50};
}

/* --- Losses ----------------------------------------------------------------------------------- */

/* The token after token `t` of these windows, or -1 at a window's end. */
static int32_t target_of(const run *r, const int32_t *ids, size_t t)
{
    return (t + 1) % r->options->window ? ids[t + 1] : -1;
}

/* The weighted losses of one position; adds the slopes of its share of the step's loss. */
static double position_loss(const run *r, const swg_loss_input *in, double share, float *slopes)
{
    double sum = 0;
    for (int loss = 0; loss < SWG_LOSS_COUNT; loss++) {
        const double weight = r->options->weights[loss];
        if (weight > 0 && swg_loss_domain_of((swg_loss)loss) == SWG_LOSS_OF_LOGITS)
            sum += weight * swg_loss_of((swg_loss)loss)(in, weight * share, slopes);
    }
    return sum;
}

/* The calling thread's memory for losses. */
static float *work_of(const run *r)
{
    return r->work + swg_pool_thread_index() * 2 * r->vocab;
}

/* Let a position be compared with what the teacher predicts there: `logits`, or what the cache has
 * of it, which `top` is memory for. */
static void set_teacher(const run *r, size_t window, size_t place, const float *logits,
                        swg_top_k *top, swg_loss_input *in)
{
    const swg_teacher_cache *cache = r->options->cache;
    in->teacher = logits;
    if (!cache)
        return;
    const size_t at = swg_pool_thread_index() * swg_teacher_cache_k(cache);
    swg_teacher_cache_top(cache, window, place, in->temperature, r->top_ids + at, r->top_p + at,
                          top);
    in->top = top;
}

/* Rows of logits whose losses are taken. */
typedef struct loss_rows {
    run *run;
    size_t first; /* of the batch */
    float *logits;
    double losses[END_ROWS];
} loss_rows;

/* The share of a position in the mean over a step. */
static double share_of(const swg_distill_options *o)
{
    return 1 / (double)(o->accumulate * o->batch * o->window);
}

static swg_status loss_row(void *context, size_t t)
{
    loss_rows *l = context;
    const run *r = l->run;
    const size_t at = l->first + t, window = r->options->window;
    float *logits = l->logits + t * r->vocab, *slopes = r->slopes + t * r->vocab;
    swg_top_k top;
    swg_loss_input in = {.n = r->vocab,
                         .student = logits,
                         .target = target_of(r, r->ids, at),
                         .temperature = r->options->temperature,
                         .work = work_of(r)};
    set_teacher(r, r->windows[at / window], at % window, r->logits + t * r->vocab, &top, &in);
    memset(slopes, 0, r->vocab * sizeof *slopes);
    l->losses[t] = position_loss(r, &in, share_of(r->options), slopes);
    memcpy(logits, slopes, r->vocab * sizeof *slopes);
    return SWG_OK;
}

/* swg_backprop_job.slopes: the student's logits become the loss's slopes. */
static swg_status take_slopes(void *context, size_t first, size_t n, float *logits)
{
    run *r = context;
    loss_rows l = {.run = r, .first = first, .logits = logits};
    if (r->has_teacher)
        SWG_TRY(swg_predictor_logits(&r->teacher, r->teacher_rows + first * r->teacher.width, n,
                                     r->logits));
    SWG_TRY(swg_pool_for(r->options->pool, n, loss_row, &l));
    for (size_t t = 0; t < n; t++)
        r->loss_sum += share_of(r->options) * l.losses[t];
    return SWG_OK;
}

/* The teacher's layer, counted from 1, that is as deep as a layer of the student. */
static size_t same_depth(const run *r, size_t layer)
{
    const size_t n = r->student.n_layers;
    return ((layer + 1) * r->teacher.n_layers + n / 2) / n;
}

/* swg_backprop_job.rows: losses of what leaves a layer, whose share is that of one of all layers.
 */
static swg_status take_rows(void *context, size_t layer, size_t n, const float *x, float *gradient)
{
    run *r = context;
    const double share = share_of(r->options) / (double)r->student.n_layers;
    double loss = 0;
    SWG_TRY(swg_row_match_take(&r->matches[layer], r->options->weights, share, n, x,
                               r->teacher.rows[same_depth(r, layer)], gradient, &loss));
    r->loss_sum += loss;
    return SWG_OK;
}

/* swg_gradient_observer.scores: losses of a layer's attention, whose share is that of one of all
 * layers. */
static swg_status take_scores(void *context, const swg_scored *rows, float *dq, float *dk)
{
    run *r = context;
    const swg_distill_options *o = r->options;
    const swg_scored *teacher = &r->teacher.scored[same_depth(r, rows->layer) - 1];
    double loss = 0;
    SWG_TRY(swg_score_match_take(rows, teacher, o->window, o->weights,
                                 share_of(o) / (double)r->student.n_layers, o->pool, dq, dk,
                                 &loss));
    r->loss_sum += loss;
    return SWG_OK;
}

static swg_status step_matches(const run *r, double rate)
{
    for (size_t layer = 0; r->matches && layer < r->student.n_layers; layer++)
        SWG_TRY(swg_adamw_step(&r->options->adamw, &r->matches[layer].projection, r->at.step + 1,
                               rate, 0, 1, r->options->pool));
    return SWG_OK;
}

/* --- Judging ---------------------------------------------------------------------------------- */

typedef struct sums {
    double kld, nll, nll_teacher;
    uint64_t positions, targets;
} sums;

/* Rows of logits that are judged: the student's are in run.slopes. */
typedef struct judged_rows {
    const run *run;
    const int32_t *ids;
    size_t window; /* of the text: that of the first id */
    size_t first;  /* of the ids' positions */
    sums rows[END_ROWS];
} judged_rows;

static double nll_of_teacher(const run *r, swg_loss_input in, size_t window, size_t place)
{
    if (r->options->cache)
        return swg_teacher_cache_nll(r->options->cache, window, place);
    in.student = in.teacher;
    return swg_loss_ce(&in, 0, NULL);
}

static swg_status judge_row(void *context, size_t t)
{
    judged_rows *j = context;
    const run *r = j->run;
    const size_t at = j->first + t, window = j->window + at / r->options->window;
    const size_t place = at % r->options->window;
    swg_top_k top;
    swg_loss_input in = {.n = r->vocab,
                         .student = r->slopes + t * r->vocab,
                         .target = target_of(r, j->ids, at),
                         .temperature = 1,
                         .work = work_of(r)};
    sums s = {.nll = swg_loss_ce(&in, 0, NULL), .positions = 1, .targets = in.target >= 0};
    if (r->is_compared) {
        set_teacher(r, window, place, r->logits + t * r->vocab, &top, &in);
        s.kld = swg_loss_kl(&in, 0, NULL);
        s.nll_teacher = nll_of_teacher(r, in, window, place);
    }
    j->rows[t] = s;
    return SWG_OK;
}

static void add_sums(sums *to, const sums *from)
{
    to->kld += from->kld;
    to->nll += from->nll;
    to->nll_teacher += from->nll_teacher;
    to->positions += from->positions;
    to->targets += from->targets;
}

/* Windows [w, w + n) of the text. */
static swg_status judge_windows(run *r, size_t w, size_t n_windows, sums *s)
{
    const size_t window = r->options->window, rows = n_windows * window;
    const int32_t *ids = r->options->ids + w * window;
    const float *student, *teacher = NULL;
    SWG_TRY(swg_predictor_run(&r->student, ids, n_windows, &student));
    if (r->has_teacher)
        SWG_TRY(swg_predictor_run(&r->teacher, ids, n_windows, &teacher));
    for (size_t at = 0; at < rows; at += END_ROWS) {
        const size_t n = rows - at < END_ROWS ? rows - at : END_ROWS;
        judged_rows j = {.run = r, .ids = ids, .window = w, .first = at};
        SWG_TRY(swg_predictor_logits(&r->student, student + at * r->student.width, n, r->slopes));
        if (r->has_teacher)
            SWG_TRY(
                swg_predictor_logits(&r->teacher, teacher + at * r->teacher.width, n, r->logits));
        SWG_TRY(swg_pool_for(r->options->pool, n, judge_row, &j));
        for (size_t t = 0; t < n; t++)
            add_sums(s, &j.rows[t]);
    }
    return SWG_OK;
}

static swg_status judge(run *r, swg_distill_record *record)
{
    const swg_distill_options *o = r->options;
    sums s = {0};
    for (size_t w = r->n_train; w < o->n_windows; w += o->batch) {
        const size_t left = o->n_windows - w, n = left < o->batch ? left : o->batch;
        SWG_TRY(judge_windows(r, w, n, &s));
    }
    record->is_judged = true;
    record->kld = s.kld / (double)s.positions;
    record->nll = s.nll / (double)s.targets;
    record->nll_teacher = s.nll_teacher / (double)s.targets;
    return SWG_OK;
}

/* Before any step: no rate is the reason then. */
static swg_status judge_first(run *r, swg_distill_record *record)
{
    SWG_TRY(judge(r, record));
    if (isfinite(record->nll) && isfinite(record->kld))
        return SWG_OK;
    return swg_error(SWG_FAILED, "the predictions on the held-out text are not finite before any "
                                 "step; `swage verify` names tensors that hold NaN or infinity");
}

/* What judgements are compared by: divergence and cross-entropy with their weights, and
 * cross-entropy where neither is trained on. */
static double judged_loss(const run *r, const swg_distill_record *record)
{
    const double kl = r->options->weights[SWG_LOSS_kl], ce = r->options->weights[SWG_LOSS_ce];
    return kl + ce > 0 ? kl * record->kld + ce * record->nll : record->nll;
}

static bool is_better(const run *r, const swg_distill_record *a, const swg_distill_record *b)
{
    return judged_loss(r, a) < judged_loss(r, b);
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* The order of the windows for a pass. */
static void shuffle(run *r, uint64_t pass)
{
    swg_schedule_shuffle(r->order, r->n_train, r->options->seed, pass);
}

/* The next windows, and what the teacher makes of them. */
static swg_status take_batch(run *r)
{
    const swg_distill_options *o = r->options;
    for (size_t i = 0; i < o->batch; i++) {
        if (r->at.n_passes == 0 || r->at.next == r->n_train) {
            shuffle(r, r->at.n_passes++);
            r->at.next = 0;
        }
        int32_t *ids = r->ids + i * o->window;
        r->windows[i] = r->order[r->at.next++];
        memcpy(ids, o->ids + r->windows[i] * o->window, o->window * sizeof *ids);
    }
    return r->has_teacher ? swg_predictor_run(&r->teacher, r->ids, o->batch, &r->teacher_rows)
                          : SWG_OK;
}

static uint64_t tokens_per_step(const swg_distill_options *o)
{
    return (uint64_t)o->accumulate * o->batch * o->window;
}

/* How much of the work is done, 0 to 1, by steps or by seconds, whichever ends first. */
static double progress_of(const run *r, uint64_t step)
{
    const swg_distill_options *o = r->options;
    const double by_steps = o->steps ? (double)step / (double)o->steps : 0;
    const double by_time = o->seconds > 0 ? (swg_clock_s() - r->start) / o->seconds : 0;
    const double most = by_steps > by_time ? by_steps : by_time;
    return most < 1 ? most : 1;
}

static double rate_of(const run *r, uint64_t step)
{
    const swg_distill_options *o = r->options;
    const swg_schedule schedule = {o->rate, o->warm_up, o->final_rate};
    return swg_schedule_rate(&schedule, step, progress_of(r, step));
}

static swg_status take_step(run *r, swg_distill_record *record)
{
    const swg_distill_options *o = r->options;
    const double start = swg_clock_s();
    const uint64_t step = r->at.step;
    r->loss_sum = 0;
    for (size_t i = 0; i < o->accumulate; i++) {
        SWG_TRY(take_batch(r));
        SWG_TRY(swg_trainer_backward(r->trainer, r->ids, o->batch, take_slopes, r));
    }
    *record = (swg_distill_record){.step = step + 1, .rate = rate_of(r, step), .loss = r->loss_sum};
    r->at.first_loss = step ? r->at.first_loss : record->loss;
    if (!isfinite(record->loss) || record->loss > DIVERGED * fmax(r->at.first_loss, LEAST_LOSS))
        return swg_error(SWG_FAILED,
                         "the loss of step %llu is %g, and of the first %g, at a rate of %g: "
                         "training diverged; a smaller --rate may help",
                         (unsigned long long)step + 1, record->loss, r->at.first_loss,
                         record->rate);
    const swg_status status =
        swg_trainer_step(r->trainer, &o->adamw, record->rate, &record->gradient_norm);
    if (status != SWG_OK)
        return swg_error_context(status, "at a rate of %g", record->rate);
    SWG_TRY(step_matches(r, record->rate));
    record->seconds = swg_clock_s() - r->start;
    record->tokens_per_s = (double)tokens_per_step(o) / (swg_clock_s() - start);
    r->at.step++;
    return SWG_OK;
}

static bool is_done(const run *r, uint64_t step)
{
    return progress_of(r, step) >= 1;
}

static swg_status judge_step(run *r, swg_distill_record *record, swg_distill_result *out)
{
    SWG_TRY(judge(r, record));
    record->is_best = is_better(r, record, &out->best);
    if (!record->is_best)
        return SWG_OK;
    out->best = *record;
    return swg_trainer_keep(r->trainer);
}

/* With a number of steps in tokens, so that the line gives their rate. */
static swg_status show_progress(const run *r, uint64_t step, double loss)
{
    const swg_distill_options *o = r->options;
    char label[64];
    snprintf(label, sizeof label, step ? "training: loss %.4f" : "training", loss);
    return o->steps ? swg_progress_step(o->progress, label, "tokens", step * tokens_per_step(o),
                                        o->steps * tokens_per_step(o))
                    : swg_progress_step(o->progress, label, "s",
                                        (uint64_t)(swg_clock_s() - r->start), (uint64_t)o->seconds);
}

/* The arrays of projections that training continues from. */
enum { SAVED_ARRAYS = 3 };
static void saved_of(const swg_row_match *match, float *out[SAVED_ARRAYS])
{
    out[0] = match->projection.value;
    out[1] = match->projection.moment1;
    out[2] = match->projection.moment2;
}

static swg_status save_matches(const run *r, swg_state_writer *writer)
{
    for (size_t layer = 0; r->matches && layer < r->student.n_layers; layer++) {
        float *arrays[SAVED_ARRAYS];
        saved_of(&r->matches[layer], arrays);
        for (size_t i = 0; i < SAVED_ARRAYS; i++)
            SWG_TRY(swg_state_put(writer, arrays[i],
                                  r->matches[layer].projection.n * sizeof *arrays[i]));
    }
    return SWG_OK;
}

static swg_status resume_matches(run *r, swg_state_reader *reader)
{
    for (size_t layer = 0; r->matches && layer < r->student.n_layers; layer++) {
        float *arrays[SAVED_ARRAYS];
        saved_of(&r->matches[layer], arrays);
        for (size_t i = 0; i < SAVED_ARRAYS; i++)
            SWG_TRY(swg_state_get(reader, arrays[i],
                                  r->matches[layer].projection.n * sizeof *arrays[i]));
    }
    return SWG_OK;
}

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
    SWG_GO(save_matches(r, writer));
    SWG_GO(swg_state_commit(&writer));
done:
    swg_state_abort(&writer);
    return status;
}

static swg_status check_position(const run *r)
{
    const swg_distill_options *o = r->options;
    if (r->at.next <= r->n_train && (!o->steps || r->at.step <= o->steps))
        return SWG_OK;
    return swg_error(SWG_CORRUPT, "%s: it continues at window %llu of %zu and step %llu of %llu",
                     o->state, (unsigned long long)r->at.next, r->n_train,
                     (unsigned long long)r->at.step, (unsigned long long)o->steps);
}

/* Continue from the file, if the student and the teacher are judged as they were at its beginning.
 */
static swg_status resume(run *r, swg_distill_result *out)
{
    const swg_distill_options *o = r->options;
    const swg_run_state state = state_of(r, &r->at, out);
    swg_state_reader *reader = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_run_state_open(&state, &reader));
    SWG_GO(check_position(r));
    SWG_GO(swg_trainer_resume(r->trainer, reader));
    SWG_GO(resume_matches(r, reader));
    if (r->at.n_passes > 0)
        shuffle(r, r->at.n_passes - 1);
    if (o->resumed)
        o->resumed(o->log_context, r->at.step);
done:
    swg_state_close(&reader);
    return status;
}

static swg_status step_once(run *r, swg_distill_record *record, swg_distill_result *out)
{
    const swg_distill_options *o = r->options;
    SWG_TRY(show_progress(r, r->at.step, record->loss));
    SWG_TRY(take_step(r, record));
    out->steps = r->at.step;
    out->tokens += tokens_per_step(o);
    if (r->at.step % o->judge_every == 0 || is_done(r, r->at.step))
        SWG_TRY(judge_step(r, record, out));
    if (o->log)
        o->log(o->log_context, record);
    return SWG_OK;
}

static swg_status walk(run *r, swg_distill_result *out)
{
    const swg_distill_options *o = r->options;
    swg_distill_record record = {0};
    swg_memory_need need;
    SWG_TRY(swg_trainer_keep(r->trainer));
    SWG_TRY(swg_memory_need_find(r->trainer, o->batch, &need));
    if (o->planned)
        o->planned(o->log_context, &need);
    SWG_TRY(judge_first(r, &out->first));
    out->best = out->first;
    if (o->resume)
        SWG_TRY(resume(r, out));
    else if (o->log)
        o->log(o->log_context, &out->first);
    while (!is_done(r, r->at.step)) {
        position before = r->at;
        const swg_status status = step_once(r, &record, out);
        if (status == SWG_INTERRUPTED && o->state && r->at.step == before.step)
            SWG_TRY(save(r, &before, out));
        SWG_TRY(status);
        if (o->state && o->save_every && r->at.step % o->save_every == 0)
            SWG_TRY(save(r, &r->at, out));
    }
    return SWG_OK;
}

/* --- Set-up ----------------------------------------------------------------------------------- */

/* What of the teacher's layers is compared. */
static unsigned keeps_of(const swg_distill_options *o)
{
    return (swg_loss_is_wanted(o->weights, SWG_LOSS_OF_ROWS) ? SWG_PREDICTOR_KEEPS_ROWS : 0u) |
           (swg_loss_is_wanted(o->weights, SWG_LOSS_OF_SCORES) ? SWG_PREDICTOR_KEEPS_SCORES : 0u);
}

/* Whether attention of both can be compared. */
static swg_status check_heads(const swg_hparams *student, const swg_hparams *teacher)
{
    if (student->n_heads > 0 && student->n_heads == teacher->n_heads)
        return SWG_OK;
    return swg_error(SWG_USAGE,
                     "attention scores are compared head by head; the student has %lld heads in a "
                     "layer and the teacher %lld",
                     (long long)student->n_heads, (long long)teacher->n_heads);
}

static swg_status check(const swg_model *student, const swg_model *teacher,
                        const swg_distill_options *o)
{
    SWG_TRY(swg_options_check("swg_distill_options", o->size, sizeof *o));
    SWG_TRY(swg_model_must_continue(student, "training on a text"));
    if (!teacher && ((o->weights[SWG_LOSS_kl] > 0 && !o->cache) || keeps_of(o)))
        return swg_error(SWG_USAGE, "a loss that compares with a teacher, but there is no teacher");
    if (teacher && student->hparams.n_outputs != teacher->hparams.n_outputs)
        return swg_error(SWG_USAGE,
                         "the student predicts %lld tokens and the teacher %lld: they must have "
                         "the same vocabulary",
                         (long long)student->hparams.n_outputs,
                         (long long)teacher->hparams.n_outputs);
    if (swg_loss_is_wanted(o->weights, SWG_LOSS_OF_SCORES))
        SWG_TRY(check_heads(&student->hparams, &teacher->hparams));
    if (o->held_out < 1 || o->n_windows < o->held_out + o->batch || o->batch < 1 ||
        o->accumulate < 1)
        return swg_error(SWG_FAILED,
                         "the text has %zu windows of %zu tokens: too few for %zu held out and "
                         "steps of %zu",
                         o->n_windows, o->window, o->held_out, o->batch);
    if (o->steps == 0 && o->seconds <= 0)
        return swg_error(SWG_USAGE, "neither a number of steps nor of seconds to train for");
    return SWG_OK;
}

static swg_status begin_matches(run *r)
{
    if (swg_loss_is_wanted(r->options->weights, SWG_LOSS_OF_SCORES))
        swg_trainer_on_scores(r->trainer, take_scores);
    if (!swg_loss_is_wanted(r->options->weights, SWG_LOSS_OF_ROWS))
        return SWG_OK;
    SWG_TRY(SWG_NEW(r->matches, r->student.n_layers));
    for (size_t layer = 0; layer < r->student.n_layers; layer++)
        SWG_TRY(swg_row_match_init(&r->matches[layer], swg_exec_width(r->student.exec, layer + 1),
                                   swg_exec_width(r->teacher.exec, same_depth(r, layer)),
                                   r->options->seed + layer));
    swg_trainer_on_rows(r->trainer, take_rows);
    return SWG_OK;
}

static swg_status begin(run *r, const swg_model *teacher)
{
    const swg_distill_options *o = r->options;
    const swg_model *student = swg_trainer_model(r->trainer);
    const size_t n_threads = swg_pool_threads(o->pool);
    const size_t k = o->cache ? swg_teacher_cache_k(o->cache) : 0;
    SWG_TRY(check(student, teacher, o));
    r->vocab = (size_t)student->hparams.n_outputs;
    r->n_train = o->n_windows - o->held_out;
    SWG_TRY(swg_predictor_init(&r->student, student, o->pool, o->batch, o->window, 0));
    r->has_teacher = teacher != NULL;
    r->is_compared = teacher || o->cache;
    if (teacher)
        SWG_TRY(
            swg_predictor_init(&r->teacher, teacher, o->pool, o->batch, o->window, keeps_of(o)));
    SWG_TRY(begin_matches(r));
    SWG_TRY(SWG_NEW_UNINIT(r->logits, END_ROWS * r->vocab));
    SWG_TRY(SWG_NEW_UNINIT(r->slopes, END_ROWS * r->vocab));
    SWG_TRY(SWG_NEW_UNINIT(r->work, n_threads * 2 * r->vocab));
    SWG_TRY(SWG_NEW_UNINIT(r->top_ids, n_threads * k));
    SWG_TRY(SWG_NEW_UNINIT(r->top_p, n_threads * k));
    SWG_TRY(SWG_NEW_UNINIT(r->windows, o->batch));
    SWG_TRY(SWG_NEW_UNINIT(r->ids, o->batch * o->window));
    return SWG_NEW_UNINIT(r->order, r->n_train);
}

swg_status swg_distill(swg_trainer *trainer, const swg_model *teacher,
                       const swg_distill_options *options, swg_distill_result *out)
{
    run r = {.trainer = trainer, .options = options, .start = swg_clock_s()};
    *out = (swg_distill_result){0};
    swg_status status = begin(&r, teacher);
    if (status == SWG_OK) {
        status = walk(&r, out);
        const swg_status restored = swg_trainer_restore(trainer);
        status = status == SWG_OK ? restored : status;
    }
    out->seconds = swg_clock_s() - r.start;
    swg_trainer_on_rows(trainer, NULL);
    swg_trainer_on_scores(trainer, NULL);
    for (size_t layer = 0; r.matches && layer < r.student.n_layers; layer++)
        swg_row_match_deinit(&r.matches[layer]);
    swg_free(r.matches);
    swg_predictor_deinit(&r.student);
    swg_predictor_deinit(&r.teacher);
    swg_free(r.logits);
    swg_free(r.slopes);
    swg_free(r.work);
    swg_free(r.top_ids);
    swg_free(r.top_p);
    swg_free(r.windows);
    swg_free(r.ids);
    swg_free(r.order);
    return status;
}
