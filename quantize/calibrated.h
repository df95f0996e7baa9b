/* Quantizing a checkpoint with statistics of its weights' inputs: layer by layer, so that each
 * layer's statistics come from a model whose earlier layers are already quantized (their errors are
 * then part of the input that the codes are chosen for).
 *
 * One layer's weights are in memory at a time, beside the embeddings, the rows that enter the layer
 * and its statistics (runtime/calibration.h). */
#ifndef SWG_QUANTIZE_CALIBRATED_H
#define SWG_QUANTIZE_CALIBRATED_H

#include "quantize/checkpoint.h"

/* Put the plan into the order in which tensors become known: the quantized matrices of the first
 * layer, of the second and so on, those outside layers, everything else. `uses` [n_entries] is what
 * the plan was made with. Call it before a sink is opened. SWG_UNSUPPORTED when the architecture is
 * not known (uses NULL); SWG_NO_MEMORY. */
swg_status swg_quantize_order_by_layers(const swg_tensor_use *uses, swg_plan *plan);

/* As swg_quantize_checkpoint, with options->calibration, for a plan in the order of layers.
 * SWG_UNSUPPORTED for checkpoints that cannot be run; also what loading the model and collecting
 * statistics return. */
swg_status swg_quantize_calibrated(swg_source *source, const swg_plan *plan,
                                   const swg_quantize_options *options, swg_sink *sink,
                                   swg_tensor_report *reports);

#endif
