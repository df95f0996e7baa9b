/* Calibration on two models that read the same text: the original, and the same with changed
 * weights in the layers before. For every input of a layer the statistics are those of the changed
 * model, together with how far the original's differ: with them, weights can be fitted to give, on
 * the inputs that they will really get, what the original gives on its own (Li et al. 2025,
 * "GPTAQ", arXiv 2504.02692).
 *
 *     swg_paired_calibration *c;
 *     SWG_TRY(swg_paired_calibration_new(original, changed, ids, n_windows, window, NULL, &c));
 *     for (size_t layer = 0; layer < n_layers; layer++) {      // loaded in both models
 *         const swg_paired_input *in;
 *         for (size_t i = 0; ; i++) {                          // in the order of their use
 *             SWG_TRY(swg_paired_calibration_observe(c, layer, i, &in));
 *             if (!in)
 *                 break;
 *             ... replace in->weights in the changed model, by in->stats ...
 *         }
 *         SWG_TRY(swg_paired_calibration_advance(c, layer));
 *     }
 *
 * Held are the rows that the layer continues from, 8 d_model bytes per token, for a while its next
 * product's input, at most four times as wide (of the last one only the changed model's), and the
 * statistics of one input: 8 k^2 bytes, or 4 k^2 + 4 d_model k of a last input wider than d_model.
 * Running a layer up to its i-th input goes on from where the input before was met and computes
 * nothing after it, but for the last, with which the layer is run to its end. Products are exact. Results do not depend on the number of threads. */
#ifndef SWG_RUNTIME_PAIRED_CALIBRATION_H
#define SWG_RUNTIME_PAIRED_CALIBRATION_H

#include "runtime/calibration.h"

typedef struct swg_paired_calibration swg_paired_calibration;

enum { SWG_PAIRED_MAX_WEIGHTS = 4 };

/* One input of a layer. */
typedef struct swg_paired_input {
    const swg_weight *weights[SWG_PAIRED_MAX_WEIGHTS]; /* of the changed model, that share it */
    size_t n_weights;
    bool is_last;          /* of its layer: the original's layer has been run and may be released */
    swg_layer_stats stats; /* of the changed model; shifts are towards the original */
} swg_paired_input;

/* As swg_calibration_new, for two models opened from the same source. Where `original` has no
 * weights outside layers, its embeddings are those of `changed`. Both must outlive the calibration.
 */
swg_status swg_paired_calibration_new(const swg_model *original, const swg_model *changed,
                                      const int32_t *ids, size_t n_windows, size_t window,
                                      const swg_calibration_options *options,
                                      swg_paired_calibration **out);
void swg_paired_calibration_free(swg_paired_calibration **calibration); /* NULL inside: accepted */

/* Run both models' layer as far as its input number `index` and collect that input's statistics.
 * Inputs of a layer are observed in ascending order, and the weights of those before stay as they
 * are (SWG_USAGE for a lower number than before). *out is valid until the next observation, and
 * NULL when the layer has no such input. `layer` = n_layers means the output head, whose statistics
 * have no shifts. SWG_FAILED, naming the tensor, when an input is not finite. */
swg_status swg_paired_calibration_observe(swg_paired_calibration *calibration, size_t layer,
                                          size_t index, const swg_paired_input **out);

/* Run the layer in both models: their outputs become the rows of the next. */
swg_status swg_paired_calibration_advance(swg_paired_calibration *calibration, size_t layer);

/* Run the layer in the original alone: the changed model does not have it. */
swg_status swg_paired_calibration_skip(swg_paired_calibration *calibration, size_t layer);

#endif
