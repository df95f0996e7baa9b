/* Choosing codes column after column, each error compensated by the columns not yet fixed: GPTQ
 * (Frantar et al. 2022, arXiv 2210.17323) on the order and factor of second_order.h, with the grid
 * of a group found when the sweep reaches it, on the weights as corrected so far.
 *
 * Rows are independent of each other, but a matrix product may round differently for another number
 * of rows: callers cut a matrix into blocks of rows whose size does not depend on the thread
 * count. */
#ifndef SWG_QUANTIZE_COLUMN_SWEEP_H
#define SWG_QUANTIZE_COLUMN_SWEEP_H

#include <stdbool.h>

#include "quantize/group_grid.h"
#include "quantize/second_order.h"

/* Scratch of one thread for up to `max_rows` rows. */
typedef struct swg_column_sweep {
    size_t max_rows;
    float *w;       /* [max_rows][k], processing order */
    float *group_w; /* [group]: a group's weights as its grid is to fit them */
    float *errors;  /* [max_rows][block] */
    float *weights; /* [k]: 1 / U[i][i]^2, what an error in a column costs once the rest compensates
                       for it: the importance that grids are searched with */
    size_t block;   /* columns between two corrections of all that follow; whole groups unless
                       grids are given */
    bool grids_are_given;
} swg_column_sweep;

/* `grids_are_given`: the sweep takes the grids that it is called with instead of finding them. */
swg_status swg_column_sweep_init(swg_column_sweep *out, const swg_second_order *so,
                                 bool grids_are_given, size_t max_rows);
void swg_column_sweep_deinit(swg_column_sweep *sweep); /* zero-initialised is accepted */

/* Quantize w [n_rows][k] (column order of the matrix): codes [n_rows][k], one per byte, and grids
 * [n_rows][n_groups]. `is_zero` [n_rows][k] marks weights that become exactly zero, whose loss the
 * others compensate like any other error (Frantar and Alistarh 2023, "SparseGPT", arXiv
 * 2301.00774); NULL = none. n_rows <= max_rows; spaces [n_rows] are the rows' grid spaces, of one
 * scheme with the group so->group. Fails as swg_grid_search does. */
swg_status swg_column_sweep_run(swg_column_sweep *sweep, const swg_second_order *so,
                                const swg_grid_space *spaces, const float *w, const bool *is_zero,
                                size_t n_rows, uint8_t *codes, swg_grid *grids);

#endif
