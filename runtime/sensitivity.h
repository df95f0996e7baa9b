/* How sensitive a model's predictions are to errors in its weights, without changing any: the
 * diagonal of the Fisher information at the output of every linear layer.
 *
 * With labels drawn from the model's own predictions, E[(dL/dy_i)^2] at output i of a layer y = x
 * W^T is the second derivative of the Kullback-Leibler divergence from the unchanged model (Martens
 * 2014, arXiv 1412.1193). An error D in W, independent of that of other layers, then costs about
 *
 *     KL = 1/2 sum_i F_i (D H D^T)_ii / n_tokens    nats per token, H = X^T X over n_tokens rows
 *
 * which makes errors of all layers, and bits spent on them, comparable.
 *
 *     swg_sensitivity *s;
 *     SWG_TRY(swg_sensitivity_measure(source, ids, n_windows, window, NULL, &s));
 *     const swg_row_sensitivity *rows = swg_sensitivity_find(s, "model.layers.0.mlp.up_proj.weight"); */
#ifndef SWG_RUNTIME_SENSITIVITY_H
#define SWG_RUNTIME_SENSITIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"
#include "formats/provenance.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"

typedef struct swg_sensitivity swg_sensitivity;

/* What is known of one tensor's rows. */
typedef struct swg_row_sensitivity {
    const char *tensor;
    uint64_t rows, cols;
    const double *product; /* [rows] mean over tokens of (dL/dy_i)^2, or NULL: never a product */
    const double *look_up; /* [rows] the sum of (dL/dx_j)^2 over the columns of a looked-up row,
                              per column and token of the text; or NULL: never looked up */
} swg_row_sensitivity;

typedef struct swg_sensitivity_options {
    size_t size; /* of this struct */
    swg_pool *pool;
    const swg_progress *progress;
    uint64_t seed;            /* of the labels that are drawn */
    const char *cache;        /* folder of files of sensitivities, made if missing; default NULL */
    swg_input_hashes *hashes; /* of the source; required with `cache` */
} swg_sensitivity_options;
swg_sensitivity_options swg_sensitivity_options_default(void);

/* Run the model of `source` forward and backward over windows of tokens ids [n_windows][window],
 * layer by layer: one layer's weights are in memory at a time, beside embedding and head, and the
 * rows that enter every layer, 4 d_model n_layers bytes per token. The result does not depend on
 * the number of threads. `options` may be NULL. SWG_UNSUPPORTED for models that are not
 * autoregressive; SWG_USAGE for no windows; SWG_FAILED when a gradient is not finite,
 * naming the tensor; otherwise as swg_model_open and swg_exec_new.
 *
 * With a cache the result is kept there, and taken from there when it was measured of the same
 * input files on the same tokens with the same seed, linear algebra and instruction set: then no
 * model runs. A damaged file is replaced, and swg_notice says so. */
swg_status swg_sensitivity_measure(swg_source *source, const int32_t *ids, size_t n_windows,
                                   size_t window, const swg_sensitivity_options *options,
                                   swg_sensitivity **out);
void swg_sensitivity_free(swg_sensitivity **sensitivity); /* NULL inside is accepted */

bool swg_sensitivity_was_cached(const swg_sensitivity *sensitivity); /* no model was run */

/* What is known of a tensor; NULL when no weight comes from it. */
const swg_row_sensitivity *swg_sensitivity_find(const swg_sensitivity *sensitivity,
                                                const char *tensor);

#endif
