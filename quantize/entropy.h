/* Entropy-constrained quantization: uniform steps, sized so that every weight costs the same
 * expected divergence, whose codes the container's entropy coder stores in as many bits as they
 * need. At the rates of interest, a uniform quantizer followed by an entropy coder is within a
 * quarter of a bit of the rate-distortion bound (Gish and Pierce 1968,
 * doi 10.1109/TIT.1968.1054193) while codes of fixed width are further from it; and spending bits
 * where predictions are sensitive is reverse water-filling. */
#ifndef SWG_QUANTIZE_ENTROPY_H
#define SWG_QUANTIZE_ENTROPY_H

#include "runtime/base/status.h"
#include "runtime/sensitivity.h"

/* The expected divergence per weight where the recipe does not say: about 4.4 bits a weight on
 * small language models. */
#define SWG_ENTROPY_LOSS 1.7e-10

/* The step of every row at which an element's rounding error is expected to cost `loss` nats per
 * token: `steps` [rows]. `spread` is the mean over columns of the input's variance per token that
 * the other columns do not explain (1 / U[i][i]^2 of second_order.h, per token): what an error in
 * a column costs once the rest compensates for it; 0 where the tensor is only looked up. Rows that
 * no token of the text reached get the step of a row of a tenth of the mean importance. */
void swg_entropy_steps(const swg_row_sensitivity *sensitivity, double spread, double loss,
                       float *steps);

/* That step within what codes of so many bits reach, for a row whose largest weight has that
 * magnitude; a row that nothing depends on keeps that weight as one step. */
float swg_entropy_limited(float step, float largest, unsigned bits);

#endif
