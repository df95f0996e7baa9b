/* What a matrix is to be, given that its input has changed. With x the input that the layer will
 * get, x' the original model's and r, r' what its output is added to, the matrix whose sums
 * r + W* x come closest to r' + W x' over the calibration rows is
 *     W* = W + (W S + R) (H + damping mean(diag H) I)^-1,
 *     S = sum (x' - x)^T x,  R = sum (r' - r)^T x,  H = sum x^T x
 * (Li et al. 2025, "GPTAQ", arXiv 2504.02692, solved for the target instead of inside the sweep, so
 * that every method can use it). */
#ifndef SWG_QUANTIZE_SHIFTED_TARGET_H
#define SWG_QUANTIZE_SHIFTED_TARGET_H

#include "runtime/base/status.h"
#include "runtime/layer_stats.h"

typedef struct swg_shifted_target {
    const swg_layer_stats *stats;
    float *factor; /* [k][k]: L with H + damping = L L^T, lower triangle */
} swg_shifted_target;

/* For statistics with shifts, which must outlive the target. SWG_FAILED when H is not positive
 * definite in spite of the damping; SWG_NO_MEMORY. Holds 4 k^2 bytes. */
swg_status swg_shifted_target_init(swg_shifted_target *out, const swg_layer_stats *stats);
void swg_shifted_target_deinit(swg_shifted_target *target); /* zero-initialised is accepted */

/* Rows [row_begin, row_begin + n_rows) of W, w [n_rows][k], become those of W*. Safe from several
 * threads. The stream's shift is used if it has `rows` rows, the matrix's. */
swg_status swg_shifted_target_apply(const swg_shifted_target *target, uint64_t rows,
                                    uint64_t row_begin, uint64_t n_rows, float *w);

#endif
