/* Better codes and scales for a quantized matrix: coordinate descent on the layer's output error
 * tr(D H D^T), D = Q - W, row by row.
 *
 * With g = d H the gradient of a row (halved), moving one weight by t changes the error by
 * 2 t g[j] + t^2 H[j][j]: the best value is q[j] - g[j] / H[j][j], or the grid's nearest to it.
 * Likewise a group's scale s, with v the number of a code: ds = -(v g) / (v H v). Every step that
 * is taken lowers the error, so the result is never worse than the codes it starts from, whichever
 * method chose them. Within a block of columns gradients follow every step; the columns outside it
 * get all of the block's steps at once, as one matrix product for all rows. (Coordinate descent for
 * quantization: Behdin et al. 2023, "QuantEase", arXiv 2309.01885.) */
#ifndef SWG_QUANTIZE_REFINE_CODES_H
#define SWG_QUANTIZE_REFINE_CODES_H

#include <stdbool.h>

#include "quantize/group_grid.h"
#include "quantize/second_order.h"

typedef struct swg_refine_options {
    unsigned max_sweeps; /* over all columns of a row; 0 = only measure */
    double tolerance;    /* stop when a sweep lowers a row's error by less than this fraction */
} swg_refine_options;

/* What refinement cost and gained, added up over rows. */
typedef struct swg_refine_stats {
    double before, after; /* sum of the rows' errors */
    uint64_t n_changed;   /* steps taken on codes */
    uint64_t n_rescaled;  /* steps taken on scales */
} swg_refine_stats;

/* Scratch of one thread for up to `max_rows` rows, and the order of steps. */
typedef struct swg_refiner {
    size_t max_rows;
    size_t block;                  /* columns between which gradients are kept current */
    uint32_t *order, *block_order; /* [k], [ceil(k / block)] */
    float *diagonal;               /* [k] of H */
    float *d, *gradient;           /* [max_rows][k] */
    float *steps, *products;       /* [max_rows][the longer of block and group] */
    float *numbers;                /* [max_rows][group]: what codes mean, in units of the scale */
    size_t *rows;                  /* [max_rows]: those that still improve */
    double *row_errors;            /* [max_rows], theirs */
} swg_refiner;

/* `so` gives the columns and groups, and H. */
swg_status swg_refiner_init(swg_refiner *out, const swg_second_order *so, size_t max_rows);
void swg_refiner_deinit(swg_refiner *refiner); /* zero-initialised is accepted */

/* `so` is the one that the refiner was made for. Refine codes [n_rows][k] and grids
 * [n_rows][n_groups] of w [n_rows][k] in place; errors [n_rows] are the rows' errors afterwards.
 * Weights that `is_zero` [n_rows][k] (NULL = none) marks keep their code. Scales stay numbers of
 * `scale_type`. */
void swg_refine_codes(swg_refiner *refiner, const swg_second_order *so, swg_dtype scale_type,
                      const swg_refine_options *options, const float *w, const bool *is_zero,
                      size_t n_rows, uint8_t *codes, swg_grid *grids, double *errors,
                      swg_refine_stats *stats);

#endif
