/* The training loop of classifiers: passes over labelled texts in an order drawn anew for each,
 * judged after every pass by other texts, if there are any. The weights of the best judgement (of
 * the last pass without) are what remains. */
#ifndef SWG_DISTILL_CLASSIFIER_TRAINING_H
#define SWG_DISTILL_CLASSIFIER_TRAINING_H

#include "distill/distill.h"
#include "distill/labelled.h"

typedef struct swg_classifier_data {
    const swg_labelled *texts, *judged; /* the second may be NULL */
    uint64_t epochs;                    /* passes over the texts, at least 1 */
    /* Logits of a teacher for the texts, [n][labels] in the student's order; NULL: none. */
    const float *teacher;
} swg_classifier_data;

/* Train. Of the options, ids, windows, steps, seconds, held_out and judge_every are not used: a
 * step takes batch * accumulate texts, a pass's last one what is left. In the records nll, accuracy
 * and macro_f1 (the mean over the labels that occur or are predicted) are those of the judged
 * texts; is_judged is true after each pass. The better judgement has the higher accuracy or, with
 * the same, the smaller nll.
 *
 * SWG_USAGE for a divergence without a teacher; SWG_FAILED as swg_distill, where a loss has
 * diverged beyond ten times that of a classifier that knows nothing. Resumed, weights and
 * judgements are the same bits as without the interruption; SWG_USAGE when the state is of other
 * settings. */
swg_status swg_classifier_train(swg_trainer *trainer, const swg_classifier_data *data,
                                const swg_distill_options *options, swg_distill_result *out);

#endif
