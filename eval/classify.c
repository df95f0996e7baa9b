/* Accuracy of classifiers: see classify.h. Items are read one by one from the mapped file. */
#include "eval/classify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/compare.h"
#include "formats/json/json_lines.h"
#include "eval/nll.h"
#include "eval/task.h"
#include "runtime/base/mem.h"
#include "runtime/encoder_input.h"

/* A run over all items. */
typedef struct classifier {
    const swg_session *loaded;
    swg_exec *exec;
    swg_encoder_input input;
    float *logits; /* [n_labels] */
    double log_loss;
    swg_accuracy made;
} classifier;

const char *swg_label_name(const swg_model *model, size_t label, char number[32])
{
    if (model->labels)
        return model->labels[label];
    snprintf(number, 32, "LABEL_%zu", label);
    return number;
}

/* --- One item --------------------------------------------------------------------------------- */

typedef struct item {
    const char *text, *pair; /* pair may be NULL */
    size_t label;
} item;

static swg_status find_label(const swg_model *model, const swg_json *value, const char *where,
                             size_t *out)
{
    const size_t n = (size_t)model->hparams.n_labels;
    const char *name;
    int64_t index;
    char number[32];
    if (swg_json_as_int(value, &index)) {
        if (index < 0 || index >= model->hparams.n_labels)
            return swg_error(SWG_CORRUPT, "%s: label %lld; the model has %zu labels", where,
                             (long long)index, n);
        *out = (size_t)index;
        return SWG_OK;
    }
    if (!swg_json_as_string(value, &name))
        return swg_error(SWG_CORRUPT,
                         "%s: \"label\" is missing, or neither a name nor a whole "
                         "number",
                         where);
    for (size_t i = 0; i < n; i++)
        if (strcmp(swg_label_name(model, i, number), name) == 0) {
            *out = i;
            return SWG_OK;
        }
    return swg_error(SWG_CORRUPT, "%s: the model has no label \"%s\"", where, name);
}

static swg_status read_item(const swg_model *model, const swg_json *root, const char *where,
                            item *out)
{
    const swg_json *pair = swg_json_get(root, "text_pair");
    item read = {0};
    SWG_TRY(swg_json_line_string(root, "text", where, &read.text));
    if (pair && !swg_json_as_string(pair, &read.pair))
        return swg_error(SWG_CORRUPT, "%s: \"text_pair\" is not a string", where);
    SWG_TRY(find_label(model, swg_json_get(root, "label"), where, &read.label));
    *out = read;
    return SWG_OK;
}

static swg_status classify(classifier *c, const item *given, const char *where)
{
    const swg_model *model = c->loaded->model;
    const size_t n = (size_t)model->hparams.n_labels, most = swg_exec_context(c->exec);
    SWG_TRY(swg_encoder_input_make(c->loaded->tokenizer, &model->hparams, given->text, given->pair,
                                   &c->input));
    const size_t count = c->input.ids.count;
    if (count == 0)
        return swg_error(SWG_CORRUPT, "%s: the text has no tokens", where);
    if (count > most)
        return swg_error(SWG_LIMIT, "%s: the text has %zu tokens; the context holds %zu", where,
                         count, most);
    SWG_TRY(swg_exec_encode(c->exec, c->input.ids.data, c->input.types.data, count, c->logits));
    double loss;
    SWG_TRY(swg_nll(c->logits, n, given->label, &loss));
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = c->logits[i] > c->logits[best] ? i : best;
    c->log_loss += loss;
    c->made.n++;
    c->made.labels[given->label].n++;
    c->made.labels[best].predicted++;
    c->made.labels[best].correct += best == given->label;
    c->made.n_correct += best == given->label;
    return SWG_OK;
}

static swg_status classify_line(void *context, const swg_json *root, const char *where)
{
    classifier *c = context;
    item given = {0};
    SWG_TRY(read_item(c->loaded->model, root, where, &given));
    return classify(c, &given, where);
}

/* --- All items -------------------------------------------------------------------------------- */

static swg_status check_model(const swg_model *model)
{
    if (model->hparams.task != SWG_OUTPUT_SEQUENCE_CLASS)
        return swg_error(SWG_UNSUPPORTED, "this model does not classify texts");
    if (model->hparams.class_kind == SWG_CLASS_ONE_OF)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "this model %s; accuracy is defined for models that choose one label",
                     model->hparams.class_kind == SWG_CLASS_EACH
                         ? "scores each label independently (multi_label_classification, or "
                           "one label)"
                         : "predicts numbers (regression)");
}

swg_status swg_accuracy_measure(const swg_session *loaded, const char *path, const char *data,
                                size_t length, size_t context, swg_act_precision activations,
                                const swg_progress *progress, swg_accuracy *out)
{
    swg_status status = SWG_OK;
    const swg_exec_options options = {
        .size = sizeof options, .context = context, .activations = activations};
    classifier c = {.loaded = loaded};
    swg_accuracy *made = &c.made;
    SWG_TRY(check_model(loaded->model));
    made->n_labels = (size_t)loaded->model->hparams.n_labels;
    SWG_GO(SWG_NEW(c.logits, made->n_labels));
    SWG_GO(SWG_NEW(made->labels, made->n_labels));
    SWG_GO(swg_exec_new(loaded->model, loaded->pool, &options, &c.exec));
    SWG_GO(swg_json_lines_each(path, data, length, "classifying", progress, classify_line, &c));
    const double n = (double)made->n, share = (double)made->n_correct / n;
    made->accuracy = share;
    made->standard_error = made->n > 1 ? sqrt(share * (1 - share) / n) : NAN;
    made->mean_log_loss = c.log_loss / n;
    *out = *made;
    *made = (swg_accuracy){0};
done:
    swg_exec_free(&c.exec);
    swg_accuracy_deinit(made);
    swg_encoder_input_deinit(&c.input);
    swg_free(c.logits);
    return status;
}

void swg_accuracy_deinit(swg_accuracy *accuracy)
{
    swg_free(accuracy->labels);
    *accuracy = (swg_accuracy){0};
}

/* 2 correct / (items + predicted): the harmonic mean of precision and recall; 0 where a label
 * neither occurs nor is predicted. */
static double f1_of(const swg_label_count *label)
{
    const double both = (double)label->n + (double)label->predicted;
    return both > 0 ? 2 * (double)label->correct / both : 0;
}

/* The mean of the labels' F1: of those that occur or are predicted, each the same; or each weighted
 * by its items. */
static double mean_f1(const swg_accuracy *a, bool by_items)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < a->n_labels; i++) {
        const swg_label_count *label = &a->labels[i];
        const double w = by_items ? (double)label->n : label->n + label->predicted > 0;
        sum += w * f1_of(label);
        weight += w;
    }
    return sum / weight;
}

/* --- The task --------------------------------------------------------------------------------- */

static void report_json(const swg_model *model, const swg_accuracy *a, swg_json_writer *json)
{
    swg_json_double(json, "accuracy", a->accuracy);
    swg_json_double(json, "accuracy_standard_error", a->standard_error);
    const swg_interval interval = swg_wilson_interval(a->n_correct, a->n);
    swg_json_double(json, "accuracy_low", interval.low);
    swg_json_double(json, "accuracy_high", interval.high);
    swg_json_double(json, "f1_macro", mean_f1(a, false));
    swg_json_double(json, "f1_weighted", mean_f1(a, true));
    swg_json_double(json, "mean_log_loss", a->mean_log_loss);
    swg_json_uint(json, "items", a->n);
    swg_json_uint(json, "correct", a->n_correct);
    swg_json_begin_array(json, "labels");
    for (size_t i = 0; i < a->n_labels; i++) {
        char number[32];
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "label", swg_label_name(model, i, number));
        swg_json_uint(json, "items", a->labels[i].n);
        swg_json_uint(json, "predicted", a->labels[i].predicted);
        swg_json_uint(json, "correct", a->labels[i].correct);
        swg_json_double(json, "f1", f1_of(&a->labels[i]));
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}

static void report_text(const swg_model *model, const swg_accuracy *a, swg_strbuf *text)
{
    const swg_interval interval = swg_wilson_interval(a->n_correct, a->n);
    swg_strbuf_printf(text,
                      "accuracy      %.4f (%.4f to %.4f: 95 %%, Wilson), %llu of %llu correct\n"
                      "F1            %.4f macro, %.4f weighted by items\n"
                      "mean log loss %.6f nats per item\n"
                      "labels        %12s %12s %12s %8s\n",
                      a->accuracy, interval.low, interval.high, (unsigned long long)a->n_correct,
                      (unsigned long long)a->n, mean_f1(a, false), mean_f1(a, true),
                      a->mean_log_loss, "items", "predicted", "correct", "F1");
    for (size_t i = 0; i < a->n_labels; i++) {
        char number[32];
        swg_strbuf_printf(text, "  %-11s %12llu %12llu %12llu %8.4f\n",
                          swg_label_name(model, i, number), (unsigned long long)a->labels[i].n,
                          (unsigned long long)a->labels[i].predicted,
                          (unsigned long long)a->labels[i].correct, f1_of(&a->labels[i]));
    }
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    swg_accuracy accuracy = {0};
    if (in->max_tokens)
        return swg_error(SWG_USAGE, "--max-tokens cuts a --text; --data is used whole");
    if (in->stride)
        return swg_error(SWG_USAGE, "--stride is for windows of a --text; --data has none");
    SWG_TRY(swg_accuracy_measure(in->loaded, in->path, in->bytes, in->length, in->context,
                                 in->activations, in->progress, &accuracy));
    report_json(in->loaded->model, &accuracy, &out->json);
    report_text(in->loaded->model, &accuracy, &out->text);
    swg_accuracy_deinit(&accuracy);
    return SWG_OK;
}

const swg_eval_task swg_eval_task_classify = {
    .name = "classify", .output = SWG_OUTPUT_SEQUENCE_CLASS, .source = SWG_EVAL_DATA, .run = run};
