/* A model whose weights are trained: every float tensor that its computation uses, with gradients
 * and the moments of AdamW, on the tape (runtime/backprop.h).
 *
 *     swg_trainer *t;
 *     SWG_TRY(swg_trainer_new(source, plan, &options, &t));
 *     for (...) {
 *         SWG_TRY(swg_trainer_backward(t, ids, n_windows, slopes, context));   // adds gradients
 *         SWG_TRY(swg_trainer_step(t, &adamw, rate, &norm));                   // and uses them up
 *     }
 *     SWG_TRY(swg_trainer_write(t, sink));
 *     swg_trainer_free(&t);
 *
 * Tensors that the plan quantizes are trained through rounding (learned_codes.h): the model
 * computes with the values of their codes, chosen anew after every step, gradients by those are
 * applied to the weights behind them (straight-through estimator; Bengio et al. 2013, arXiv
 * 1308.3432), and scales and zero points are trained too. What is written are exactly the codes
 * that were trained with. Codes that the source has in the planned scheme are where training starts
 * from.
 *
 * With adapters (adapter.h) only those are trained, and what is written are the weights with them.
 *
 * Needs 16 bytes per weight, 20 where codes are trained, and 4 for the copy that is kept; 4 for
 * weights that only have an adapter, and as much more where they are kept 0 or are trained through
 * codes. Results do not depend on the number of threads. */
#ifndef SWG_DISTILL_TRAINER_H
#define SWG_DISTILL_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "distill/adamw.h"
#include "distill/adapter.h"
#include "distill/training_state.h"
#include "formats/formats.h"
#include "quantize/plan.h"
#include "runtime/base/thread.h"
#include "runtime/text_gradients.h"

typedef struct swg_trainer swg_trainer;

typedef struct swg_trainer_options {
    size_t size;     /* of this struct */
    swg_pool *pool;  /* default NULL: the caller's thread alone */
    size_t window;   /* tokens read together; required */
    size_t together; /* windows computed together; default 1 */
    bool checkpoints; /* run layers again for their gradients: less memory, a third slower */
    bool keep_zeros; /* weights of matrices that are 0 stay 0: a pruned model stays pruned */
    swg_adapter_options adapters; /* default: none. Else they are all that is trained, beside the
                                     grids of the codes of the same matrices and the head of a
                                     classifier; the patterns must outlive the trainer */
    const char *const *frozen;    /* default none: names of tensors (swg_pattern_matches) that stay
                                     as they are; they must outlive the trainer */
    size_t n_frozen;
} swg_trainer_options;
swg_trainer_options swg_trainer_options_default(void);

/* Load the model of `source` for training on windows of text or, if it is a classifier, on texts of
 * at most the window's length. `plan`, made for its tensors, says which are quantized,
 * and must outlive the trainer. SWG_UNSUPPORTED for models that gradients cannot be taken of;
 * SWG_USAGE for patterns of names that select nothing, or leave nothing to train. */
swg_status swg_trainer_new(swg_source *source, const swg_plan *plan,
                           const swg_trainer_options *options, swg_trainer **out);
void swg_trainer_free(swg_trainer **trainer); /* NULL inside is accepted */

/* The model as it computes now: changed by every step. */
const swg_model *swg_trainer_model(const swg_trainer *trainer);

/* Trained weights of all tensors, and those of them that are kept 0. */
uint64_t swg_trainer_n_weights(const swg_trainer *trainer);
uint64_t swg_trainer_n_zeros(const swg_trainer *trainer);

/* The most bytes that a backward pass takes while it runs, beside what is in memory already: over
 * so many windows, or over one text of a classifier. */
swg_status swg_trainer_backward_bytes(const swg_trainer *trainer, size_t n_windows, uint64_t *out);

/* Run windows ids [n_windows][window] forward and backward and add the gradients of the loss whose
 * slopes by the logits `slopes` gives (swg_backprop_job). */
swg_status swg_trainer_backward(swg_trainer *trainer, const int32_t *ids, size_t n_windows,
                                swg_status (*slopes)(void *context, size_t first, size_t n,
                                                     float *logits),
                                void *context);

/* The same for one text of a classifier (runtime/text_gradients.h). */
swg_status swg_trainer_backward_text(swg_trainer *trainer, const swg_text_job *text);

/* From now on backward passes call this too, with the context of `slopes`: swg_backprop_job.rows.
 * NULL: no longer. */
void swg_trainer_on_rows(swg_trainer *trainer,
                         swg_status (*rows)(void *context, size_t layer, size_t n, const float *x,
                                            float *gradient));

/* And this, for losses of attention scores: swg_gradient_observer.scores. */
void swg_trainer_on_scores(swg_trainer *trainer,
                           swg_status (*scores)(void *context, const swg_scored *rows, float *dq,
                                                float *dk));

/* One step of the optimizer with the gradients added since the last; *norm is theirs before
 * scaling. SWG_FAILED, with nothing changed, when it is not finite. */
swg_status swg_trainer_step(swg_trainer *trainer, const swg_adamw *adamw, double rate,
                            double *norm);

/* Keep a copy of the weights as they are, and go back to the copy kept last. */
swg_status swg_trainer_keep(swg_trainer *trainer);
swg_status swg_trainer_restore(swg_trainer *trainer);

/* Save all that training continues from - weights, moments, the copy kept - and go back to it in a
 * trainer made of the same source, plan and options (SWG_CORRUPT for another's). */
swg_status swg_trainer_save(const swg_trainer *trainer, swg_state_writer *writer);
swg_status swg_trainer_resume(swg_trainer *trainer, swg_state_reader *reader);

/* Write all tensors of the plan, in the plan's order, to a sink opened with its descriptions. */
swg_status swg_trainer_write(swg_trainer *trainer, swg_sink *sink);

#endif
