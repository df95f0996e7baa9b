/* Gradients of an architecture's forward pass, by reverse mode. The backend "tape" computes what
 * the CPU backend computes and, between swg_tape_record and the next call, keeps every operation
 * with the values that its derivative needs. Architectures need no code of their own for it.
 *
 *     swg_tape_record(exec);
 *     SWG_TRY(swg_exec_layer(exec, layer, 0, 0, n, x, y));     // one part, at most one chunk
 *     SWG_TRY(swg_tape_reverse(exec, dy, dx, &observer));      // dy = dL/dy, dx = dL/dx
 *
 * Parts are swg_exec_begin, _layer and _end: a whole text is differentiated layer by layer from the
 * rows that entered each layer, so only one layer's operations are held at a time ("activation
 * checkpointing"; Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost). Or each part is
 * recorded as it first runs, and kept (swg_tape_keep): more memory, one forward pass less.
 *
 * Results do not depend on the number of threads. The model is one of swg_model_options.backend =
 * "tape", the execution one with float activations: quantized weights count as the values that
 * their codes mean. */
#ifndef SWG_RUNTIME_BACKEND_TAPE_H
#define SWG_RUNTIME_BACKEND_TAPE_H

#include "runtime/exec.h"

/* Receives the gradients that arrive at weights, on the calling thread, in reverse order of the
 * operations. Arrays are valid during the call. A member that is NULL is not called. */
typedef struct swg_gradient_observer {
    void *context;
    /* y = x W^T (+ bias): x [rows][k] and dy = dL/dy [rows][n], so that dL/dW = dy^T x. */
    void (*product)(void *context, const swg_weight *weight, const float *x, const float *dy,
                    size_t rows);
    /* Row index[t] of the weight was row t of the result: dy [rows][k]. */
    void (*look_up)(void *context, const swg_weight *weight, const size_t *index, const float *dy,
                    size_t rows);
    /* A norm's weight or an added vector: dv = dL/d(vector) [n], and dbias [n] where it has a bias,
     * else NULL. Biases of products are the sums of dy's columns. */
    void (*vector)(void *context, const swg_weight *weight, const float *dv, const float *dbias);
    /* Attention by its queries and keys: dq and dk, shaped as they are, are dL/dq and dL/dk, which
     * a loss of the scores adds its own to. What it returns ends the run unless it is SWG_OK. */
    swg_status (*scores)(void *context, const swg_scored *rows, float *dq, float *dk);
} swg_gradient_observer;

/* Forget what was recorded and record the next part. */
void swg_tape_record(swg_exec *exec);

/* From dy, the gradient of a loss by the recorded part's output [n][its columns], to dx, that by
 * its input (NULL = not wanted; of swg_exec_begin, which has none, always NULL), and to the
 * observer (may be NULL). May be called again. SWG_USAGE when the execution is not a tape's or no
 * part was recorded; SWG_UNSUPPORTED when it consisted of several chunks or a continued text;
 * SWG_NO_MEMORY. */
swg_status swg_tape_reverse(swg_exec *exec, const float *dy, float *dx,
                            const swg_gradient_observer *observer);

/* What a recorded part takes, in floats per row: copies that its derivatives need, and gradients
 * while it is reversed. Neither depends on how many rows there are. */
typedef struct swg_tape_columns {
    size_t saved, gradients;
} swg_tape_columns;

/* Those of the part that was recorded last, of at least one row; nothing more is recorded then.
 * Errors as of swg_tape_reverse. */
swg_status swg_tape_measure(swg_exec *exec, swg_tape_columns *out);

/* A recorded part that is kept while others are recorded. */
typedef struct swg_tape_recording swg_tape_recording;

/* Take the recorded part from the execution, which records nothing until swg_tape_record. SWG_USAGE
 * when there is none; what recording it returned; SWG_NO_MEMORY. */
swg_status swg_tape_keep(swg_exec *exec, swg_tape_recording **out);

/* As swg_tape_reverse, of a part that the same execution recorded. What the execution has recorded
 * since is lost. */
swg_status swg_tape_reverse_kept(swg_exec *exec, swg_tape_recording *recording, const float *dy,
                                 float *dx, const swg_gradient_observer *observer);
void swg_tape_recording_free(swg_tape_recording **recording); /* NULL inside is accepted */

#endif
