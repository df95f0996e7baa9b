/* Quantizing a checkpoint with statistics of what its weights are multiplied with: layer by layer,
 * so that each layer's statistics come from a model whose layers before it are quantized already
 * (their errors are then part of the input that the codes are chosen for).
 *
 * One layer's weights are in memory at a time, beside the embeddings, the rows that enter the layer
 * and its statistics (runtime/calibration.h). */
#ifndef SWG_QUANTIZE_CALIBRATED_H
#define SWG_QUANTIZE_CALIBRATED_H

#include "quantize/checkpoint.h"

/* As swg_quantize_checkpoint, with options->calibration. SWG_UNSUPPORTED for checkpoints that cannot
 * be run; also what loading the model and collecting statistics return. */
swg_status swg_quantize_calibrated(swg_source *source, const swg_plan *plan,
                                   const swg_quantize_options *options, swg_sink *sink,
                                   swg_tensor_report *reports);

#endif
