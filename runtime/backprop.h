/* Forward and backward over windows of tokens, layer by layer, on the tape (backend/tape.h): the
 * rows that enter every layer are kept, and a layer runs again when its gradients are taken, unless
 * everything is kept that it computed.
 *
 *     swg_backprop *b;
 *     const swg_backprop_options options = {.window = window};
 *     SWG_TRY(swg_backprop_new(model, pool, &options, &b));
 *     const swg_backprop_job job = {.ids = ids, .n_windows = n, .slopes = slopes, ...};
 *     SWG_TRY(swg_backprop_run(b, &job));
 *     swg_backprop_free(&b);
 *
 * The model is of backend "tape". Where it is opened rather than loaded (model.h), its layers are
 * loaded for each pass over them and released: one layer's weights are then in memory at a time,
 * beside those outside layers. Results do not depend on the number of threads. */
#ifndef SWG_RUNTIME_BACKPROP_H
#define SWG_RUNTIME_BACKPROP_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/backend/tape.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"

typedef struct swg_backprop swg_backprop;

/* Most rows of logits that a job's slopes are asked for at a time. */
enum { SWG_BACKPROP_END_ROWS = 128 };

typedef struct swg_backprop_options {
    size_t window;     /* tokens; required */
    size_t together;   /* windows computed together; 0 = 1 */
    bool keeps_layers; /* keep what the layers computed instead of running them again; the model's
                          layers must be in memory */
} swg_backprop_options;

typedef struct swg_backprop_job {
    const int32_t *ids; /* [n_windows][window], each window read from an empty sequence */
    size_t n_windows;
    const swg_progress *progress; /* NULL: none, and not interrupted either */
    const swg_gradient_observer *observer;
    /* logits [n][n_outputs] of tokens [first, first + n) of all windows' become dL/dlogits, in
     * place. */
    swg_status (*slopes)(void *context, size_t first, size_t n, float *logits);
    /* NULL, or called once the gradient by the rows x [n][width] that leave layer `layer` - of all
     * windows' tokens - is known, before it is passed on: a loss of these rows adds its own. */
    swg_status (*rows)(void *context, size_t layer, size_t n, const float *x, float *gradient);
    void *context; /* of slopes and rows */
} swg_backprop_job;

/* The model and the pool (may be NULL) must outlive it.
 * SWG_UNSUPPORTED for models that are not autoregressive; SWG_USAGE for a window of 0; otherwise as
 * swg_exec_new. */
swg_status swg_backprop_new(swg_model *model, swg_pool *pool, const swg_backprop_options *options,
                            swg_backprop **out);
void swg_backprop_free(swg_backprop **backprop); /* NULL inside is accepted */

/* The most bytes that a job of so many windows takes while it runs: for every token the rows
 * between layers and, of all layers or of one at a time, what derivatives need of the values in
 * them. Runs a token, and nothing else. */
swg_status swg_backprop_bytes(swg_backprop *backprop, size_t n_windows, uint64_t *out);

/* Run a job, in the memory that swg_backprop_bytes says.
 * What the observer's and the job's functions return, or what running and loading return. */
swg_status swg_backprop_run(swg_backprop *backprop, const swg_backprop_job *job);

#endif
