/* Calibration: statistics of what a model's weights are multiplied with when it reads a text,
 * collected layer by layer, so that weights may be changed between the statistics of one layer and
 * those of the next.
 *
 *     swg_calibration *c;
 *     SWG_TRY(swg_calibration_new(model, ids, n_windows, window, NULL, &c));
 *     for (size_t layer = 0; layer < n_layers; layer++) {
 *         SWG_TRY(swg_calibration_observe(c, layer));      // with the weights as they are
 *         for (each weight of the layer)                   // what its input looks like
 *             use(swg_calibration_stats(c, weight));
 *         ... replace weights (swg_model_replace) ...
 *         SWG_TRY(swg_calibration_advance(c, layer));      // the next layer sees what they give
 *     }
 *
 * The text is windows of equal length, each read from an empty sequence. Only the rows that enter
 * the current layer and the statistics of one layer are held: 4 d_model bytes per token, and 4 k^2
 * for every distinct input of k columns (one for query, key and value, one for gate and up).
 * Products are exact (float activations). Results do not depend on the number of threads. */
#ifndef SWG_RUNTIME_CALIBRATION_H
#define SWG_RUNTIME_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/layer_stats.h"
#include "runtime/model.h"

typedef struct swg_calibration swg_calibration;

typedef struct swg_calibration_options {
    size_t size;                  /* of this struct */
    swg_pool *pool;               /* default NULL: the caller's thread alone */
    const swg_progress *progress; /* default NULL */
    bool no_hessians;             /* default false; true: only mean |x| and mean x^2 */
    bool may_leave_rest;          /* default false; true: inputs whose second moments do not fit
                                     the limit of memory (swg_mem_set_limit) are left for
                                     swg_calibration_observe_rest; at least one is observed */
} swg_calibration_options;
swg_calibration_options swg_calibration_options_default(void);

/* Whether there can be statistics of that many tokens: SWG_UNSUPPORTED, with what works instead,
 * for models that are not autoregressive or have no attention layers; SWG_USAGE for no tokens. */
swg_status swg_calibration_check(const swg_model *model, size_t n_tokens);

/* Begin: `ids` [n_windows][window] tokens of the model's vocabulary, copied. As
 * swg_calibration_check; SWG_LIMIT when a window exceeds the model's positions; SWG_NO_MEMORY. The
 * model must outlive the calibration; `options` may be NULL. */
swg_status swg_calibration_new(const swg_model *model, const int32_t *ids, size_t n_windows,
                               size_t window, const swg_calibration_options *options,
                               swg_calibration **out);
void swg_calibration_free(swg_calibration **calibration); /* NULL inside is accepted */

/* Run layer `layer` on the rows that enter it and collect the statistics of its inputs; those of
 * the layer before are discarded. The rows stay as they are. `layer` = n_layers means what comes
 * after the layers: the output head. SWG_FAILED, naming the tensor, when an input is not finite. */
swg_status swg_calibration_observe(swg_calibration *calibration, size_t layer);

/* The same and swg_calibration_advance in one run, for weights that stay as they are; leaves no
 * inputs out. */
swg_status swg_calibration_pass(swg_calibration *calibration, size_t layer);

/* Whether the last observation left out inputs for want of memory (may_leave_rest). If so,
 * observe_rest runs the layer again for those that were in no observation of it yet; the statistics
 * held are discarded. */
bool swg_calibration_has_rest(const swg_calibration *calibration);
swg_status swg_calibration_observe_rest(swg_calibration *calibration, size_t layer);

/* Run the layer again, with its weights as they are now: its output becomes the rows of the
 * next. */
swg_status swg_calibration_advance(swg_calibration *calibration, size_t layer);

/* Leave the layer out: the rows that enter it enter the next one, as if the model did not have it.
 */
swg_status swg_calibration_skip(swg_calibration *calibration, size_t layer);

/* The rows [*n_rows][*columns] that enter the next layer; valid until the next call. */
const float *swg_calibration_rows(const swg_calibration *calibration, size_t *n_rows,
                                  size_t *columns);

/* Statistics of the inputs that the layer observed last gave to a weight; NULL when there were
 * none. Valid until the next observation. */
const swg_layer_stats *swg_calibration_stats(const swg_calibration *calibration,
                                             const swg_weight *weight);

/* The same by number, in the order in which the layer used them, with the weights [*n_weights] that
 * share the input; NULL from the number of inputs on. */
const swg_layer_stats *swg_calibration_input(const swg_calibration *calibration, size_t index,
                                             const swg_weight *const **weights, size_t *n_weights);

#endif
