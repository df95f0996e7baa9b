/* Accuracy of models that put texts into one of several classes. */
#ifndef SWG_EVAL_CLASSIFY_H
#define SWG_EVAL_CLASSIFY_H

#include <stdint.h>

#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/exec.h"
#include "runtime/session.h"

/* Of one label. */
typedef struct swg_label_count {
    uint64_t n, predicted, correct; /* items labelled, predicted, and both */
} swg_label_count;

typedef struct swg_accuracy {
    double accuracy, standard_error; /* binomial: sqrt(p (1 - p) / n); NaN for one item */
    double mean_log_loss;            /* nats: mean of -log of the probability of the right label */
    uint64_t n, n_correct;
    swg_label_count *labels; /* [n_labels] */
    size_t n_labels;
} swg_accuracy;

/* Classify every line of `data`: a JSON object with "text", optionally "text_pair", and "label", a
 * name of the model's or its index; other members are not looked at. The label with the largest
 * logit is the prediction, the first among equals. `path` is for messages. SWG_CORRUPT naming the
 * line for one that is not such an object or has a label the model does not have; SWG_LIMIT for a
 * text of more than `context` tokens (0 = the model's positions); SWG_UNSUPPORTED for models whose
 * labels do not exclude each other. The same for any thread count. Free with swg_accuracy_deinit.
 */
swg_status swg_accuracy_measure(const swg_session *loaded, const char *path, const char *data,
                                size_t length, size_t context, swg_act_precision activations,
                                const swg_progress *progress, swg_accuracy *out);
void swg_accuracy_deinit(swg_accuracy *accuracy);

/* What the model calls a label: its name, or "LABEL_<index>" written to `number`. */
const char *swg_label_name(const swg_model *model, size_t label, char number[32]);

#endif
