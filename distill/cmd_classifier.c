/* Training a classifier, from files to files. See cmd_classifier.h. */
#include "distill/cmd_classifier.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "distill/classifier_training.h"
#include "formats/provenance.h"
#include "kernels/linalg.h"
#include "quantize/checkpoint.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/classifier.h"
#include "runtime/exec.h"

typedef struct job {
    const swg_classifier_request *q;
    swg_label_names found;  /* in the data */
    swg_model *start;       /* declared, if it is a classifier */
    swg_model *teacher;     /* loaded */
    swg_label_names labels; /* of the result: names of one of these */
    bool keeps_head;
    swg_source *source; /* the classifier as training begins */
    swg_hparams hparams;
    swg_tokenizer *tokenizer;
    swg_labelled texts, judged;
    float *logits; /* the teacher's, [texts][labels] */
    swg_tensor_desc *inputs, *outputs;
    swg_plan plan;
    swg_pool *pool;
    swg_trainer *trainer;
    swg_sink_meta meta;
    swg_training training;
    char *provenance;
} job;

swg_status swg_classifier_check(const swg_classifier_arguments *l, const swg_training_arguments *t)
{
    if (!l->data)
        return SWG_OK;
    if (t->steps > 0 || t->minutes > 0)
        return swg_error(SWG_USAGE, "--%s is not for --data; give --epochs",
                         t->steps > 0 ? "steps" : "minutes");
    if (t->held_out > 0 || t->judge_every > 0 || t->checkpoints)
        return swg_error(SWG_USAGE, "--%s is not for --data%s",
                         t->held_out > 0      ? "held-out"
                         : t->judge_every > 0 ? "judge-every"
                                              : "checkpoint-activations",
                         t->checkpoints ? "" : ", whose --eval-data is judged after every epoch");
    return l->epochs > 0 ? SWG_OK : swg_error(SWG_USAGE, "how long? Give --epochs");
}

/* --- Labels ----------------------------------------------------------------------------------- */

static swg_status check_classifier(const swg_source *source, const swg_hparams *h)
{
    return h->task == SWG_OUTPUT_SEQUENCE_CLASS && h->class_kind == SWG_CLASS_ONE_OF
               ? SWG_OK
               : swg_error(SWG_UNSUPPORTED, "%s does not choose one label for a text",
                           swg_source_path(source));
}

/* The labels of a model, whose names are its own. SWG_UNSUPPORTED when it has no names or one
 * twice. */
static swg_status labels_of(const swg_source *source, const swg_model *model, swg_label_names *out)
{
    SWG_TRY(check_classifier(source, &model->hparams));
    if (!model->labels)
        return swg_error(SWG_UNSUPPORTED, "%s: its %lld labels have no names (id2label)",
                         swg_source_path(source), (long long)model->hparams.n_labels);
    const swg_label_names labels = {model->labels, (size_t)model->hparams.n_labels};
    for (size_t i = 0; i < labels.n; i++) {
        const size_t first = swg_label_find(&labels, labels.names[i]);
        if (first != i)
            return swg_error(SWG_UNSUPPORTED, "%s: labels %zu and %zu are both called \"%.100s\"",
                             swg_source_path(source), first, i, labels.names[i]);
    }
    *out = labels;
    return SWG_OK;
}

static bool has_all(const swg_label_names *labels, const swg_label_names *of)
{
    for (size_t i = 0; i < of->n; i++)
        if (swg_label_find(labels, of->names[i]) == SIZE_MAX)
            return false;
    return true;
}

/* The labels of the source that training starts from; none when it is not such a classifier. */
static swg_status labels_of_start(job *j, swg_label_names *out)
{
    const swg_arch *arch;
    swg_hparams h;
    size_t length;
    const char *config = swg_source_config(j->q->start, &length);
    *out = (swg_label_names){0};
    SWG_TRY(swg_hparams_read(config, length, &arch, &h));
    if (h.task != SWG_OUTPUT_SEQUENCE_CLASS || h.class_kind != SWG_CLASS_ONE_OF)
        return SWG_OK;
    SWG_TRY(swg_model_open(j->q->start, NULL, &j->start));
    return j->start->labels ? labels_of(j->q->start, j->start, out) : SWG_OK;
}

/* The model's own labels stay when they cover those that are wanted; a teacher's must be all. */
static swg_status choose_labels(job *j)
{
    swg_label_names own;
    SWG_TRY(labels_of_start(j, &own));
    SWG_TRY(swg_labels_read(j->q->labelled->data, j->q->cli->progress, &j->found));
    j->labels = j->found;
    if (j->q->teacher)
        SWG_TRY(labels_of(j->q->teacher, j->teacher, &j->labels));
    j->keeps_head =
        own.n > 0 && has_all(&own, &j->labels) && (!j->q->teacher || own.n == j->labels.n);
    if (j->keeps_head)
        j->labels = own;
    return SWG_OK;
}

/* --- Texts ------------------------------------------------------------------------------------ */

static swg_status read_texts(job *j)
{
    const int64_t window = j->q->training->window;
    const swg_labelled_request request = {
        .path = j->q->labelled->data,
        .tokenizer = j->tokenizer,
        .hparams = &j->hparams,
        .longest =
            (size_t)(window > 0 && window < j->hparams.max_positions ? window
                                                                     : j->hparams.max_positions),
        .progress = j->q->cli->progress};
    swg_labelled_request judged = request;
    judged.path = j->q->labelled->eval_data;
    SWG_TRY(swg_labelled_read(&request, &j->labels, &j->texts));
    return judged.path ? swg_labelled_read(&judged, &j->labels, &j->judged) : SWG_OK;
}

/* What the teacher makes of the texts, in the order of the student's labels. */
static swg_status ask_teacher(job *j)
{
    const size_t n_labels = j->labels.n;
    const swg_hparams *h = &j->teacher->hparams;
    swg_status status = SWG_OK;
    swg_tokenizer *tokenizer = NULL;
    swg_exec *exec = NULL;
    float *row = NULL;
    swg_labelled texts = {0};
    const swg_labelled_request request = {.path = j->q->labelled->data,
                                          .hparams = h,
                                          .longest = (size_t)h->max_positions,
                                          .progress = j->q->cli->progress};
    swg_labelled_request whole = request;
    swg_exec_options options = swg_exec_options_default();
    SWG_GO(swg_tokenizer_from_source(j->q->teacher, &tokenizer));
    SWG_GO(swg_tokenizer_limit_ids(tokenizer, (size_t)h->vocab));
    whole.tokenizer = tokenizer;
    SWG_GO(swg_labelled_read(&whole, &j->labels, &texts));
    if (strcmp(texts.sha256, j->texts.sha256) != 0)
        SWG_GO(swg_error(SWG_IO, "%s changed while it was read", whole.path));
    options.context = options.chunk = texts.longest;
    SWG_GO(swg_exec_new(j->teacher, j->pool, &options, &exec));
    SWG_GO(SWG_NEW_UNINIT(row, n_labels));
    SWG_GO(SWG_NEW_UNINIT(j->logits, texts.n * n_labels));
    for (size_t i = 0; i < texts.n; i++) {
        const size_t at = texts.begins[i];
        SWG_GO(swg_progress_step(j->q->cli->progress, "asking the teacher", "texts", i, texts.n));
        SWG_GO(
            swg_exec_encode(exec, texts.ids + at, texts.types + at, texts.begins[i + 1] - at, row));
        for (size_t k = 0; k < n_labels; k++)
            j->logits[i * n_labels + swg_label_find(&j->labels, j->teacher->labels[k])] = row[k];
    }
done:
    swg_labelled_deinit(&texts);
    swg_free(row);
    swg_exec_free(&exec);
    swg_tokenizer_free(&tokenizer);
    return status;
}

/* --- The work --------------------------------------------------------------------------------- */

static swg_status make_model(job *j)
{
    const swg_arch *arch;
    size_t length;
    SWG_TRY(swg_classifier_new(j->q->start, &j->labels, j->keeps_head,
                               (uint64_t)j->q->training->seed, &j->source));
    const char *config = swg_source_config(j->source, &length);
    SWG_TRY(swg_hparams_read(config, length, &arch, &j->hparams));
    SWG_TRY(swg_tokenizer_from_source(j->source, &j->tokenizer));
    return swg_tokenizer_limit_ids(j->tokenizer, (size_t)j->hparams.vocab);
}

static swg_training_output output_of(const job *j)
{
    return (swg_training_output){.path = j->q->output,
                                 .provenance = j->provenance,
                                 .force = j->q->force,
                                 .level = j->q->level,
                                 .pool = j->pool,
                                 .meta = &j->meta,
                                 .tensors = j->outputs,
                                 .n_tensors = j->plan.n_entries};
}

static swg_status prepare(job *j)
{
    const swg_classifier_request *q = j->q;
    swg_model_options how = swg_model_options_default();
    SWG_TRY(swg_pool_new(q->cli->n_threads, &j->pool));
    how.pool = j->pool;
    if (q->teacher)
        SWG_TRY(swg_model_load(q->teacher, &how, &j->teacher));
    SWG_TRY(choose_labels(j));
    SWG_TRY(make_model(j));
    SWG_TRY(read_texts(j));
    if (q->teacher)
        SWG_TRY(ask_teacher(j));
    SWG_TRY(swg_quantize_source_descs(j->source, &j->inputs));
    SWG_TRY(swg_plan_make_plain(j->inputs, swg_source_n_tensors(j->source), &j->plan));
    SWG_TRY(swg_quantize_output_descs(&j->plan, &j->outputs));
    swg_trainer_options options = swg_trainer_options_default();
    options.pool = j->pool;
    options.window = j->texts.longest;
    swg_training_set(q->training, &options);
    SWG_TRY(swg_trainer_new(j->source, &j->plan, &options, &j->trainer));
    SWG_TRY(swg_sink_meta_from_source(j->source, &j->meta));
    const swg_training_output output = output_of(j);
    SWG_TRY(swg_training_check_output(&output));
    SWG_TRY(
        swg_training_log_open(q->training, q->cli, q->force, q->teacher != NULL, &j->training.log));
    j->training.log.is_of_classifier = true;
    j->training.log.is_judged = q->labelled->eval_data != NULL;
    return SWG_OK;
}

/* What the result depends on beside what it is made of. */
static void write_settings(const job *j, const swg_distill_options *how, swg_json_writer *json)
{
    const swg_classifier_request *q = j->q;
    if (q->student)
        swg_student_write(q->student, q->start, json);
    swg_json_string(json, "data_sha256", j->texts.sha256);
    if (q->labelled->eval_data)
        swg_json_string(json, "eval_data_sha256", j->judged.sha256);
    swg_json_uint(json, "epochs", (uint64_t)q->labelled->epochs);
    swg_json_uint(json, "batch", how->batch);
    swg_json_uint(json, "accumulate", how->accumulate);
    swg_json_double(json, "rate", how->rate);
    swg_json_double(json, "final_rate", how->final_rate);
    swg_json_uint(json, "warm_up", (uint64_t)how->warm_up);
    swg_json_double(json, "weight_decay", how->adamw.decay);
    swg_json_uint(json, "seed", how->seed);
    swg_training_write_trained(q->training, json);
    if (q->teacher) {
        swg_json_double(json, "kl_weight", q->kl);
        swg_json_double(json, "ce_weight", q->ce);
        swg_json_double(json, "temperature", q->temperature);
    }
    swg_json_string(json, "linear_algebra", swg_linalg_name());
}

/* SWG_CLASSIFIER_RATES, unless one was given. */
static double rate_of(const job *j)
{
    const double usual = j->hparams.recurrent.units[0] > 0 ? 1e-3 : 5e-5;
    return j->q->training->rate > 0 ? j->q->training->rate : usual;
}

static swg_status train(job *j)
{
    const swg_classifier_request *q = j->q;
    swg_distill_options how;
    SWG_TRY(swg_training_begin(&j->training, &how));
    how.rate = rate_of(j);
    how.pool = j->pool;
    how.weights[SWG_LOSS_kl] = q->teacher ? q->kl : 0;
    how.weights[SWG_LOSS_ce] = q->ce;
    how.temperature = q->temperature;
    j->training.settings.compact = true;
    swg_json_begin_object(&j->training.settings, NULL);
    write_settings(j, &how, &j->training.settings);
    swg_json_end_object(&j->training.settings);
    SWG_TRY(swg_strbuf_status(&j->training.settings.out));
    how.identity = swg_strbuf_text(&j->training.settings.out);
    const swg_classifier_data data = {.texts = &j->texts,
                                      .judged = q->labelled->eval_data ? &j->judged : NULL,
                                      .epochs = (uint64_t)q->labelled->epochs,
                                      .teacher = j->logits};
    swg_cli_say(q->cli, "%" PRIu64 " weights, %zu texts of %zu labels%s",
                swg_trainer_n_weights(j->trainer), j->texts.n, j->labels.n,
                j->keeps_head ? "" : ", a new head");
    return swg_classifier_train(j->trainer, &data, &how, &j->training.result);
}

static swg_status add_provenance(job *j)
{
    swg_status status = SWG_OK;
    swg_input_hashes *hashes = NULL;
    const swg_step step = {.command = j->q->command,
                           .options = swg_strbuf_text(&j->training.settings.out)};
    SWG_GO(swg_input_hashes_start(j->q->origin, j->q->cli->n_threads, &hashes));
    SWG_GO(swg_provenance_add(j->q->origin, &step, hashes, &j->provenance));
done:
    swg_input_hashes_free(&hashes);
    return status;
}

static swg_status write_output(job *j, uint64_t *bytes)
{
    SWG_TRY(add_provenance(j));
    const swg_training_output output = output_of(j);
    return swg_training_write_output(j->trainer, &output, bytes);
}

/* --- What is printed -------------------------------------------------------------------------- */

static swg_status print_json(const job *j, uint64_t file_bytes)
{
    const swg_distill_result *r = &j->training.result;
    swg_json_writer json = {0};
    swg_cli_json_begin(j->q->cli, &json);
    swg_json_string(&json, "output", j->q->output);
    swg_json_uint(&json, "file_bytes", file_bytes);
    swg_json_uint(&json, "steps", r->steps);
    swg_json_uint(&json, "texts", j->texts.n);
    swg_json_uint(&json, "weights", swg_trainer_n_weights(j->trainer));
    swg_json_bool(&json, "is_head_new", !j->keeps_head);
    swg_json_begin_array(&json, "labels");
    for (size_t i = 0; i < j->labels.n; i++)
        swg_json_string(&json, NULL, j->labels.names[i]);
    swg_json_end_array(&json);
    swg_json_double(&json, "loss", r->best.loss);
    if (j->q->labelled->eval_data) {
        swg_json_uint(&json, "eval_texts", j->judged.n);
        swg_json_double(&json, "accuracy_before", r->first.accuracy);
        swg_json_double(&json, "accuracy", r->best.accuracy);
        swg_json_double(&json, "macro_f1", r->best.macro_f1);
        swg_json_double(&json, "mean_log_loss", r->best.nll);
    }
    swg_json_double(&json, "best_epoch", r->best.epoch);
    swg_training_log_write_memory(&j->training.log, &json);
    swg_json_double(&json, "elapsed_s", r->seconds);
    return swg_cli_json_print(&json);
}

static swg_status print(const job *j, uint64_t file_bytes)
{
    const swg_distill_result *r = &j->training.result;
    if (j->q->cli->json)
        return print_json(j, file_bytes);
    printf("%" PRIu64 " weights trained for %" PRIu64
           " steps on %zu texts of %zu labels in %.1f s\n",
           swg_trainer_n_weights(j->trainer), r->steps, j->texts.n, j->labels.n, r->seconds);
    if (j->q->labelled->eval_data)
        printf("%zu other texts: accuracy %.4f before, %.4f after epoch %g, the best; macro F1 "
               "%.4f\n",
               j->judged.n, r->first.accuracy, r->best.accuracy, r->best.epoch, r->best.macro_f1);
    return SWG_OK;
}

static void deinit(job *j)
{
    swg_training_deinit(&j->training);
    swg_trainer_free(&j->trainer);
    swg_sink_meta_deinit(&j->meta);
    swg_plan_deinit(&j->plan);
    swg_pool_free(&j->pool);
    swg_free(j->provenance);
    swg_free(j->outputs);
    swg_free(j->inputs);
    swg_free(j->logits);
    swg_labelled_deinit(&j->texts);
    swg_labelled_deinit(&j->judged);
    swg_tokenizer_free(&j->tokenizer);
    swg_source_close(&j->source);
    swg_labels_deinit(&j->found);
    swg_model_free(&j->teacher);
    swg_model_free(&j->start);
}

swg_status swg_classifier_run(const swg_classifier_request *q)
{
    job j = {.q = q, .training = {.arguments = q->training, .output = q->output}};
    swg_status status = SWG_OK;
    uint64_t bytes = 0;
    SWG_GO(prepare(&j));
    const swg_status trained = train(&j);
    if (swg_training_has_result(&j.training, trained))
        SWG_GO(write_output(&j, &bytes));
    SWG_GO(swg_training_end(&j.training, trained));
    SWG_GO(print(&j, bytes));
done:
    deinit(&j);
    return status;
}
